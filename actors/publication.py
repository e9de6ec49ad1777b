"""What one turn of a room has to say, and saying it once, at its end.

Owns the order in which a turn reaches the members: events and room messages in the room's order,
then each answer; moves follow (motion.py). Events are encoded once, framed once, and the same bytes
offered to all. A storm of n joins in a turn costs n sends: one delta for those who were there, one
snapshot, encoded once, for all who joined.
"""

from dataclasses import replace
from typing import Final

from actors.answers import Described, Done, Joined, Resumed, Validated
from actors.history import Claim, Entry, History, Present, Verdict
from actors.ids import SocketId
from actors.members import Hearing, Member
from actors.motion import visible
from actors.outside import Ports
from actors.players import EventKind, StateView
from actors.ports import Outlet, StateReason
from actors.records import LONG_KEPT, Stamp
from actors.room_state import RoomState
from actors.turn import (
    OweAnswer,
    Owed,
    OweDone,
    OweEviction,
    OweJoined,
    OweResumed,
    OweState,
    OweVerdict,
    Turn,
)

# Looked up once: an enum's member costs compiled code as much as a call.
_FRESH: Final = Hearing.FRESH
_CURRENT: Final = Hearing.CURRENT
_BEHIND: Final = Hearing.BEHIND


class Publication:
    """Publishes turns of one room in one epoch."""

    __slots__ = (
        "_encoded", "_history", "_members", "_ports", "_state", "_view", "departed",
        "last_validated_ms", "mistaken", "stamp",
    )  # fmt: skip

    def __init__(
        self,
        state: RoomState,
        members: dict[SocketId, Member],
        ports: Ports,
        last_validated_ms: int,
    ) -> None:
        self._state = state
        self._members = members
        self._ports = ports
        settings = ports.settings
        self._history = History(
            settings.history_events_max, settings.history_bytes_max, state.checksum()
        )
        self._view: StateView | None = None
        self._encoded: bytes | None = None
        self.last_validated_ms = last_validated_ms
        self.stamp: Stamp = LONG_KEPT
        """Of whoever is seated by what is published now."""
        self.mistaken: tuple[SocketId, Claim, Verdict] | None = None
        """Whoever was told first that it is wrong about the room, until somebody takes note."""
        self.departed: list[Outlet] = []
        """Who was answered that it sits, and was gone by then: its session knows of no seat."""

    def publish(self, turn: Turn) -> None:
        """Tell the members what `turn` holds and empty it. O(members + answers).

        What it raises is a fault: the members then get a whole state of the next epoch, and
        whoever is still owed an answer gets it there.
        """
        self._view = self._encoded = None
        turn.items.extend(self._state.take_events())
        payloads = self._encode(turn)
        frame = self._ports.encoder.batch(payloads) if payloads else None
        # From here on nothing is said again, whatever fails.
        turn.items.clear()
        turn.has_said = False
        self._report(turn)
        if frame is not None:
            self._offer(frame)
        while turn.owed:
            self._settle(turn.owed[0])
            del turn.owed[0]
        turn.has_fresh = False
        self._view = self._encoded = None

    def recover(self, turn: Turn) -> None:
        """Begin an epoch under members who know the one before: a whole state for each, then
        the room messages and answers that the failed turn still owed.
        """
        self._view = self._encoded = None
        self._state.take_events()
        self._history.begin(self._state.checksum())  # who is lost may have changed since the start
        awaiting = {
            id(owed.member) for owed in turn.owed if isinstance(owed, OweJoined | OweResumed)
        }
        for member in self._members.values():
            if member.hearing is not Hearing.LOST and id(member) not in awaiting:
                self._send_state(member, StateReason.ROOM_RECOVERED)
        self._report(turn)
        said = [item for item in turn.items if isinstance(item, bytes)]
        turn.items.clear()
        if said:
            self._offer(self._ports.encoder.batch(said))
        while turn.owed:
            owed = turn.owed[0]
            if isinstance(owed, OweResumed):  # what it missed belongs to the epoch before
                owed = replace(owed, version=None, return_version=None)
            self._settle(owed)
            del turn.owed[0]

    # -- inside

    def _report(self, turn: Turn) -> None:
        """Tell the operator."""
        if not turn.facts:
            return
        facts, turn.facts = turn.facts, []
        log, metrics = self._ports.log, self._ports.metrics
        room_id = self._state.room_id
        self._ports.audit.told(room_id, self._state.epoch, facts)
        for fact in facts:
            player, details = fact.player, fact.details
            if fact.event == "player_joined":
                metrics.player_joined()
            elif fact.event == "player_left":
                metrics.player_left(str(details["reason"]))
            if "why" in details:
                details = {name: value for name, value in details.items() if name != "why"}
            log.info(
                fact.event,
                room_id=room_id,
                socket_id=player.socket_id,
                user_id=player.user_id,
                playerCount=fact.player_count,
                version=fact.version,
                **details,
            )

    def _encode(self, turn: Turn) -> list[bytes]:
        state = self._state
        encoder = self._ports.encoder
        payloads: list[bytes] = []
        for item in turn.items:
            if isinstance(item, bytes):
                payloads.append(item)
            else:
                payload = encoder.event(state.room_id, state.epoch, item)
                self._history.append(item, payload)
                payloads.append(payload)
        return payloads

    def _offer(self, frame: bytes) -> None:
        for member in self._members.values():
            if member.hearing is _CURRENT and not member.outlet.offer(frame):
                self._fall_behind(member)

    def _fall_behind(self, member: Member) -> None:
        member.hearing = _BEHIND
        self._ports.metrics.slow_reader()
        self._ports.log.warn(
            "reader_fell_behind",
            room_id=self._state.room_id,
            socket_id=member.outlet.socket_id,
            version=self._state.version,
        )

    def _settle(self, owed: Owed) -> None:
        match owed:
            case OweJoined():
                self._settle_joined(owed)
            case OweAnswer():
                owed.outlet.answer(owed.answer)
            case OweDone(outlet):
                outlet.answer(Done(self._state.version))
            case OweResumed():
                self._settle_resumed(owed)
            case OweState(outlet, member, reason):
                if reason is None:
                    self._heal(member)
                    outlet.answer(Described(self._whole()))
                elif self._is_behind(member, outlet):
                    self._send_state(member, reason)
            case OweVerdict(outlet, member, claim):
                self._settle_verdict(outlet, member, claim)
            case OweEviction(outlet, why, detail):
                outlet.evict(why, detail)

    def _settle_joined(self, owed: OweJoined) -> None:
        member, outlet, serial = owed.member, owed.outlet, owed.serial
        whole = self._whole()  # before anything says that the token is on its way
        stamp = self._seat(member, outlet, serial)
        self._heal(member)
        outlet.answer(Joined(whole, self._state.version, serial, owed.fresh, None, stamp))
        self._ports.metrics.join_answered(self._ports.clock.monotonic_s() - owed.asked_s)

    def _is_behind(self, member: Member, outlet: Outlet) -> bool:
        """It still waits for a whole state there: it may have left, or come back, in this turn."""
        is_here = self._members.get(outlet.socket_id) is member and member.outlet is outlet
        return is_here and member.hearing is _BEHIND

    def _settle_resumed(self, owed: OweResumed) -> None:
        state = self._state
        entries = self._missed(owed)
        if entries is None:
            self._ports.metrics.resume_ended("joined")
            whole = self._whole()
            stamp = self._seat(owed.member, owed.outlet, owed.serial)
            owed.outlet.answer(
                Joined(whole, state.version, owed.serial, False, owed.succeeds, stamp)
            )
            return
        self._ports.metrics.resume_ended("resumed")
        # Its own return ends what it missed; what came after it in the turn follows as events.
        cut = len(entries)
        if owed.return_version is not None:
            cut = 1 + next(
                index
                for index, entry in enumerate(entries)
                if entry.event.version >= owed.return_version
            )
        missed, rest = entries[:cut], entries[cut:]
        view = self._state_view()
        last = missed[-1].event if missed and rest else None
        # Whoever joined after its return is unknown to it until that event follows.
        unknown = {
            change.player.socket_id
            for entry in rest
            if entry.event.kind is EventKind.JOINED
            for change in entry.event.changes
        }
        known = [key for key in state.players if key not in unknown]
        positions = self._ports.encoder.positions(visible(state.players, known))
        stamp = self._seat(owed.member, owed.outlet, owed.serial)
        owed.outlet.answer(
            Resumed(
                [entry.payload for entry in missed],
                positions,
                state.epoch,
                last.version if last else view.version,
                last.checksum if last else view.checksum,
                view.last_validated_ms,
                owed.serial,
                owed.succeeds,
                stamp,
            )
        )
        if rest:
            frame = self._ports.encoder.batch([entry.payload for entry in rest])
            if not owed.outlet.offer(frame):
                self._fall_behind(owed.member)

    def _missed(self, owed: OweResumed) -> list[Entry] | None:
        """The events after the client's version; None when it must be given the whole state: they
        are forgotten, or the client claims a version that it cannot have seen.
        """
        ahead = owed.return_version is not None and (owed.version or 0) >= owed.return_version
        if owed.version is None or ahead:
            return None
        return self._history.since(owed.version, self._state.version)

    def _seat(self, member: Member, outlet: Outlet, serial: int) -> Stamp:
        """Its answer goes out: from now on it hears everything, unless it is gone meanwhile. The
        stamp for its token.
        """
        if member.stamp is None:
            member.stamp = self.stamp
        if member.outlet is outlet and member.hearing is _FRESH:
            member.hearing = _CURRENT
        if not outlet.alive:  # its token goes nowhere: what was heard there proves nothing of it
            self.departed.append(outlet)
        elif serial == member.serial:
            member.owes_token = False
        return member.stamp

    def _settle_verdict(self, outlet: Outlet, member: Member, claim: Claim) -> None:
        view = self._state_view()
        present = Present(view.epoch, view.version, view.checksum, frozenset(self._state.players))
        verdict = self._history.judge(claim, present)
        self._ports.metrics.state_validated(verdict.valid)
        if verdict.valid:
            outlet.answer(Validated(verdict, self._ports.encoder.consistency(view)))
            return
        self._ports.log.warn(
            "client_state_invalid",
            room_id=view.room_id,
            socket_id=outlet.socket_id,
            version=view.version,
            missing=len(verdict.missing),
            unexpected=len(verdict.unexpected),
        )
        self.mistaken = self.mistaken or (outlet.socket_id, claim, verdict)
        self._heal(member)
        outlet.answer(Validated(verdict, self._whole()))

    def _send_state(self, member: Member, reason: StateReason) -> None:
        member.hearing = _CURRENT
        member.missed_moves = False
        member.outlet.send_state(self._whole(), reason)

    @staticmethod
    def _heal(member: Member) -> None:
        """A whole state goes out: whoever was behind is so no more."""
        if member.hearing is _BEHIND:
            member.hearing = _CURRENT
            member.missed_moves = False

    def _state_view(self) -> StateView:
        if self._view is None:
            state = self._state
            self._view = StateView(
                state.room_id,
                state.epoch,
                state.version,
                state.checksum(),
                self.last_validated_ms,
                list(state.players.values()),
                state.metadata(),
            )
        return self._view

    def _whole(self) -> bytes:
        """The whole state, encoded once a turn."""
        if self._encoded is None:
            self._encoded = self._ports.encoder.state(self._state_view())
        return self._encoded
