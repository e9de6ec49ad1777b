"""Who sits in a room, and what each request of theirs does. No actor, no mailbox, no timer.

Owns the rules of membership: what a join, a resume, a loss or a leave changes, in the state and
among the members, and what is owed for it at the end of the turn. Called by room.py, one message
at a time. A message from a session counts only where its outlet is the member's present one.
"""

from collections.abc import Callable
from typing import Any, Final

from actors import messages as m
from actors.errors import NotInRoom, ResumeExpired, Unavailable
from actors.ids import SocketId
from actors.members import Hearing, Member
from actors.ports import Eviction, Left, Outlet, Ports, StateReason
from actors.publication import (
    OweAnswer,
    OweDone,
    OweJoined,
    OweResumed,
    OweState,
    OweVerdict,
    Turn,
)
from actors.recovery import OPERATIONS_MAX
from actors.room_state import Change, LeaveReason, Motion, Player, RoomState
from actors.timers import Graces, Ticker


class Seating:
    """`publish` says what the turn holds so far; it is called in the middle of a turn only where
    order demands it. `operations` are the last changes, for the operator.
    """

    def __init__(
        self,
        state: RoomState,
        members: dict[SocketId, Member],
        turn: Turn,
        ports: Ports,
        graces: Graces,
        ticker: Ticker,
        publish: Callable[[], None],
        operations: list[tuple[str, str]],
    ) -> None:
        self._state: Final = state
        self._members: Final = members
        self._turn: Final = turn
        self._ports: Final = ports
        self._graces: Final = graces
        self._ticker: Final = ticker
        self._publish: Final = publish
        self.operations: Final = operations
        self.laggards: list[Member] = []
        """Whose outlets took frames again after they had skipped moves."""

    # -- requests

    def join(self, message: m.Join) -> None:
        outlet = message.outlet
        if not self._still_wanted(message):
            return
        member = self._members.get(outlet.socket_id)
        if member is not None and member.outlet is outlet:
            serial = member.issue_token()
            self._turn.owed.append(OweJoined(outlet, member, serial, message.asked_s, False))
            return
        if member is not None:  # the same session by another seat: this one came too late
            raise Unavailable("this session's player is still here: resume, or wait for its end")
        profile = message.profile
        self._make_way(profile.person)
        now_ms = self._ports.clock.now_ms()
        player = Player(
            outlet.socket_id,
            profile.user_id,
            profile.display_name,
            profile.attributes,
            now_ms,
            Motion(profile.x, profile.y, now_ms),
            profile.hide_position,
        )
        change = self._state.join(player, now_ms)
        assert change is not None
        first = message.first_serial
        member = Member(outlet, profile.person, serial=first, confirmed=first)
        self._members[outlet.socket_id] = member
        self._changed(change)
        self._turn.has_fresh = True
        self._turn.owed.append(OweJoined(outlet, member, first, message.asked_s, True))
        self._ports.metrics.player_joined()
        waited_s = self._ports.clock.monotonic_s() - message.asked_s
        self._fact("player_joined", player, duration_ms=round(waited_s * 1000, 3))

    def resume(self, message: m.Resume) -> None:
        outlet = message.outlet
        if not self._still_wanted(message):
            return
        member = self._members.get(message.socket_id)
        if member is None or not (member.oldest_good_serial() <= message.serial <= member.serial):
            self._ports.metrics.resume_ended("expired")
            raise ResumeExpired("the token is outdated, or its player is gone")
        change = self._state.resume(message.socket_id, self._ports.clock.now_ms())
        serial = member.issue_token(message.serial)
        succeeds, member.outlet = member.outlet, outlet
        member.hearing = Hearing.FRESH
        member.missed_moves = False
        same_epoch = message.epoch == self._state.epoch
        self._turn.has_fresh = True
        self._turn.owed.append(
            OweResumed(
                outlet,
                member,
                serial,
                message.version if same_epoch else None,
                change.version if change else None,
                succeeds,
            )
        )
        if change is not None:
            self._changed(change)
        self._fact("player_resumed", self._state.players[message.socket_id])

    def move(self, message: m.Move) -> None:
        outlet = message.outlet
        member = self._members.get(outlet.socket_id)
        if member is None or member.outlet is not outlet:
            return
        now_ms = self._ports.clock.now_ms()
        if self._state.move(outlet.socket_id, message.x, message.y, now_ms):
            self._ticker.note(outlet.socket_id)

    def ready(self, message: m.Ready) -> None:
        self._seated(message.outlet)
        change = self._state.ready(message.outlet.socket_id, self._ports.clock.now_ms())
        if change is not None:
            self._changed(change)
            self._fact("player_readied", change.player)
        self._turn.owed.append(OweDone(message.outlet))

    def update(self, message: m.Update) -> None:
        self._seated(message.outlet)
        now_ms = self._ports.clock.now_ms()
        change = self._state.update(
            message.outlet.socket_id, message.display_name, message.attributes, now_ms
        )
        self._changed(change)
        self._turn.owed.append(OweDone(message.outlet))

    def say(self, message: m.Say) -> None:
        self._seated(message.outlet)
        if self._turn.has_fresh:
            self._publish()  # whoever joined before this message gets it, and nothing twice
        socket_id = message.outlet.socket_id
        said = self._ports.encoder.said(self._state.room_id, socket_id, message.event, message.data)
        self._state.touch(socket_id, self._ports.clock.now_ms())
        self._turn.items.extend(self._state.take_events())
        self._turn.items.append(said)
        self._turn.has_said = True
        self._turn.owed.append(OweDone(message.outlet))

    def validate(self, message: m.Validate) -> None:
        member = self._seated(message.outlet)
        self._turn.owed.append(OweVerdict(message.outlet, member, message.claim))

    def describe(self, message: m.Describe) -> None:
        member = self._seated(message.outlet)
        self._turn.owed.append(OweState(message.outlet, member, None))

    def leave(self, message: m.Leave) -> None:
        outlet = message.outlet
        member = self._members.get(outlet.socket_id)
        if member is not None and member.outlet is outlet:
            if self._turn.has_said:
                self._publish()  # what was said while it was here is still its to hear
            self._remove(outlet.socket_id, message.reason)
        self._turn.owed.append(OweAnswer(outlet, Left(self._state.version)))

    # -- what happens to members

    def lost(self, message: m.Lost) -> None:
        outlet = message.outlet
        member = self._members.get(outlet.socket_id)
        if member is not None and member.outlet is outlet and member.hearing is not Hearing.LOST:
            self.lose(outlet.socket_id, member)

    def lose(self, socket_id: SocketId, member: Member) -> None:
        """Shown as lost, and its grace runs; what of that is so already stays as it is."""
        change = self._state.lose(socket_id, self._ports.clock.now_ms())
        member.hearing = Hearing.LOST
        if change is not None or socket_id not in self._graces.socket_ids():
            self._graces.begin(socket_id, member.outlet)
        if change is not None:
            self._changed(change)
            self._fact("player_lost", change.player)

    def keep(self, socket_id: SocketId, member: Member) -> None:
        """Shown as connected, and heard from again where it was thought lost."""
        if member.hearing is Hearing.LOST:
            member.hearing = Hearing.BEHIND
        if not self._state.players[socket_id].connected:
            change = self._state.resume(socket_id, self._ports.clock.now_ms())
            if change is not None:
                self._changed(change)

    def drained(self, message: m.Drained) -> None:
        outlet = message.outlet
        member = self._members.get(outlet.socket_id)
        if member is None or member.outlet is not outlet:
            return
        if member.hearing is Hearing.BEHIND:
            self._turn.owed.append(OweState(outlet, member, StateReason.SLOW_CONSUMER))
        elif member.missed_moves:
            self.laggards.append(member)

    def grace_ended(self, message: m.GraceEnded) -> None:
        while (grace := self._graces.take_ended()) is not None:
            member = self._members.get(grace.socket_id)
            if (
                member is not None
                and member.outlet is grace.outlet
                and member.hearing is Hearing.LOST
            ):
                self._remove(grace.socket_id, LeaveReason.TIMEOUT)

    def _make_way(self, person: str) -> None:
        """Under one_session_per_user the newest session of a person replaces the others."""
        if not self._ports.settings.one_session_per_user:
            return
        others = [key for key, member in self._members.items() if member.person == person]
        if others and self._turn.has_fresh:
            self._publish()  # whoever is owed its seat gets it before it loses it
        for socket_id in others:
            member = self._members[socket_id]
            self._remove(socket_id, LeaveReason.REPLACED)
            member.outlet.evict(Eviction.REPLACED, "replaced by a newer session of the same user")

    def _remove(self, socket_id: SocketId, reason: LeaveReason) -> None:
        change = self._state.leave(socket_id, reason, self._ports.clock.now_ms())
        del self._members[socket_id]
        if change is not None:
            self._changed(change)
            self._ports.metrics.player_left(reason.value)
            self._fact("player_left", change.player, reason=reason.value)

    # -- inside

    def _changed(self, change: Change) -> None:
        self._turn.changes.append(change)
        operations = self.operations
        operations.append((change.kind.value, change.player.socket_id))
        if len(operations) > 2 * OPERATIONS_MAX:
            del operations[:-OPERATIONS_MAX]

    def _seated(self, outlet: Outlet) -> Member:
        member = self._members.get(outlet.socket_id)
        if member is None or member.outlet is not outlet:
            raise NotInRoom("the session is not in this room")
        return member

    def _still_wanted(self, message: m.Join | m.Resume) -> bool:
        """False when its connection is gone. Raises Unavailable after its deadline."""
        if not message.outlet.alive:
            return False
        if self._ports.clock.monotonic_s() > message.deadline_s:
            raise Unavailable("the room took too long", retry_after_ms=1000)
        return True

    def _fact(self, event: str, player: Player, **details: object) -> None:
        self._ports.log.info(
            event,
            room_id=self._state.room_id,
            socket_id=player.socket_id,
            user_id=player.user_id,
            playerCount=len(self._state.players),
            version=self._state.version,
            **details,
        )


HANDLERS: Final[dict[type, Callable[[Seating, Any], None]]] = {
    m.Join: Seating.join,
    m.Resume: Seating.resume,
    m.Ready: Seating.ready,
    m.Update: Seating.update,
    m.Say: Seating.say,
    m.Validate: Seating.validate,
    m.Describe: Seating.describe,
    m.Leave: Seating.leave,
    m.Lost: Seating.lost,
    m.Drained: Seating.drained,
    m.GraceEnded: Seating.grace_ended,
}
"""What a session or a timer says, and what it does; moves have a way of their own. Each may raise
a Refusal; all else is a fault."""
