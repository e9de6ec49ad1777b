"""Who sits in a room, and what each request of theirs does. No actor, no mailbox, no timer.

Owns the rules of membership: what a join, a resume, a loss or a leave changes, in the state and
among the members, and what is owed for it at the end of the turn. Called by turning.py, one
message at a time. A message from a session counts only where its outlet is the member's present
one. Says nothing to anybody: all that it leaves in the turn is told, or undone, as a whole.
"""

from collections.abc import Callable
from typing import Any, Final

from actors import messages as m
from actors.answers import Left
from actors.errors import ResumeExpired, Unavailable
from actors.ids import SocketId
from actors.members import Absent, Hearing, Member
from actors.moderating import Moderating
from actors.players import Change, LeaveReason, Motion, Player
from actors.ports import Outlet, StateReason
from actors.records import LONG_KEPT
from actors.turn import OweAnswer, OweDone, OweJoined, OweResumed, OweState, OweVerdict

_REPLACED: Final = "replaced by a newer session of the same user"
_FRESH: Final = Hearing.FRESH


class Seating(Moderating):
    """All that a room's members ask for."""

    def must_wait(self, message: object) -> bool:
        """What the turn holds has to be told before `message` is handled: whoever joined before
        something is said hears it once, and who leaves after it hears it still. To be asked only
        where the turn holds something.
        """
        turn = self._turn
        if turn.urgent:
            return True
        match message:
            case m.Say():
                return turn.has_fresh
            case m.Leave(outlet):
                return turn.has_said and outlet.socket_id in self._members
            case m.Join(profile=profile):  # whoever is owed its seat gets it before it loses it
                return bool(self._others_of(profile.person))
            case m.Resume(profile=profile, socket_id=socket_id):
                return any(other != socket_id for other in self._others_of(profile.person))
            case m.Kick() | m.Moderate():  # it is undone alone
                return not turn.is_empty()
        return False

    # -- requests

    def join(self, message: m.Join) -> None:
        outlet = message.outlet
        if not self._still_wanted(message):
            return
        count = len(self._state.players)
        member = self._unless_other(message, message.first_serial)
        if member is not None:
            is_stored = isinstance(member.outlet, Absent)
            if not is_stored and member.outlet is not outlet:  # by another seat: it came too late
                raise Unavailable(
                    "this session's player is still here: resume, or wait for its end"
                )
            self._touch(outlet.socket_id)
            if is_stored:  # it sat here when the server died, in the midst of a switch
                member.serial = max(member.serial, message.first_serial - 1)
            serial = member.issue_token()
            if is_stored:
                self._bring_back(member, outlet)
            self._turn.owed.append(OweJoined(outlet, member, serial, message.asked_s, False))
            return
        self._admit(message)
        profile = message.profile
        for other in self._others_of(profile.person):
            self._dismiss(other, LeaveReason.REPLACED, _REPLACED)
        serial = message.first_serial
        member = self._seat(message, serial, returns=len(self._state.players) < count)
        self._turn.owed.append(OweJoined(outlet, member, serial, message.asked_s, True))
        waited_s = self.now_s - message.asked_s
        player = self._state.players[outlet.socket_id]
        self._fact("player_joined", player, duration_ms=round(waited_s * 1000, 3))

    def resume(self, message: m.Resume) -> None:
        outlet = message.outlet
        if not self._still_wanted(message):
            return
        member = self._unless_other(message, message.serial) or self._recall(message)
        if member is None or not member.accepts(message.serial):
            self._ports.metrics.resume_ended("expired")
            raise ResumeExpired("the token is outdated, or its player is gone")
        self._touch(message.socket_id)
        member.serial = max(member.serial, message.serial)
        serial = member.issue_token(message.serial)
        succeeds = member.outlet
        change = self._bring_back(member, outlet)
        same_epoch = message.epoch == self._state.epoch and member.stamp is not None
        since = message.version if same_epoch else None
        at = change.version if change else None
        self._turn.owed.append(OweResumed(outlet, member, serial, since, at, succeeds))
        self._fact("player_resumed", self._state.players[message.socket_id])

    def move(self, message: m.Move) -> None:
        outlet = message.outlet
        member = self._members.get(outlet.socket_id)
        if member is None or member.outlet is not outlet:
            return
        if not self.turn_ms:
            self.turn_ms = self._ports.clock.now_ms()
        if self._state.move(outlet.socket_id, message.x, message.y, self.turn_ms):
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
            self._remove(outlet.socket_id, message.reason)
        self._turn.owed.append(OweAnswer(outlet, Left(self._state.version)))

    # -- what happens to members

    def heard(self, message: m.Heard) -> None:
        """Its newest token arrived, so the older ones are void, also after a restart."""
        member = self._members.get(message.outlet.socket_id)
        if member is None or member.outlet is not message.outlet:
            return
        # A newer one may have been sent since, of which nothing is proven yet.
        oldest_good = max(member.oldest_good_serial(), min(message.serial, member.serial))
        if oldest_good != member.confirmed:
            self._touch(message.outlet.socket_id)
            member.confirmed = oldest_good

    def lost(self, message: m.Lost) -> None:
        outlet = message.outlet
        member = self._members.get(outlet.socket_id)
        if member is not None and member.outlet is outlet and member.hearing is not Hearing.LOST:
            self.lose(outlet.socket_id, member)

    def lose(self, socket_id: SocketId, member: Member) -> None:
        """Shown as lost, and its grace runs; what of that is so already stays as it is."""
        self._remember(socket_id)
        change = self._state.lose(socket_id, self._ports.clock.now_ms())
        member.hearing = Hearing.LOST
        if change is not None or not self._graces.awaits(member.outlet):
            self._graces.begin(socket_id, member.outlet, self.now_s)
        if change is not None:
            self._changed(change)
            self._fact("player_lost", change.player)

    def keep(self, socket_id: SocketId, member: Member) -> None:
        """Shown as connected, and heard from again."""
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
        while (grace := self._graces.take_ended(self.now_s)) is not None:
            member = self._members.get(grace.socket_id)
            if member is None or member.outlet is not grace.outlet:
                continue
            if member.hearing is Hearing.LOST:
                self._remove(grace.socket_id, LeaveReason.TIMEOUT)

    def _others_of(self, person: str) -> list[SocketId]:
        """Under one_session_per_user, the sessions that a newer one of `person` replaces."""
        if not self._ports.settings.one_session_per_user:
            return []
        return [key for key, member in self._members.items() if member.person == person]

    def _seat(self, message: m.Join | m.Resume, serial: int, *, returns: bool = False) -> Member:
        """`serial` is its first token. Raises RoomFull, unless it `returns` or took a seat over."""
        outlet, profile = message.outlet, message.profile
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
        self._remember(outlet.socket_id)
        change = self._state.join(player, now_ms, returns=returns)
        assert change is not None
        member = Member(outlet, profile.person, serial=serial, confirmed=serial)
        self._members[outlet.socket_id] = member
        self._changed(change)
        self._turn.has_fresh = True
        return member

    def _unless_other(self, message: m.Join | m.Resume, serial: int) -> Member | None:
        """The session's member here. One that the store gave back, and whose client is somebody
        else by the newer token `serial`, has left since: it is removed.
        """
        socket_id, profile = message.outlet.socket_id, message.profile
        member = self._members.get(socket_id)
        if member is None or not (isinstance(member.outlet, Absent) and member.accepts(serial)):
            return member
        player, known_as = self._state.players[socket_id], (profile.user_id, profile.hide_position)
        if (player.user_id, player.hide_position) == known_as:
            return member
        self._remove(socket_id, LeaveReason.SWITCHED)
        return None

    def _bring_back(self, member: Member, outlet: Outlet) -> Change | None:
        """The member's client is at `outlet` now, and hears nothing before its answer."""
        change = self._state.resume(outlet.socket_id, self._ports.clock.now_ms())
        member.outlet = outlet
        member.hearing = _FRESH
        member.missed_moves = False
        self._turn.has_fresh = True
        if change is not None:
            self._changed(change)
        return change

    def _recall(self, message: m.Resume) -> Member | None:
        """Seat who was told so in the last moments before a restart, which the store lacks, unless
        it was banned since. Under
        one_session_per_user it replaces those that the store gave back, and is replaced by those
        that were seated since.
        """
        recall = self._ports.ledger.recall
        person = message.profile.person
        is_admitted = recall.admits(message.stamp, message.socket_id, self.now_s, person)
        if self._is_banned(person) or not is_admitted:
            return None
        others = self._others_of(message.profile.person)
        stored = all(self._members[other].stamp == LONG_KEPT for other in others)
        if others and not (stored and recall.is_newest(message.stamp)):
            return None
        for other in others:
            self._dismiss(other, LeaveReason.REPLACED, _REPLACED)
        member = self._seat(message, message.serial, returns=True)
        # The client holds that token, so nothing is owed of it; the resume gives the next one.
        member.owes_token = False
        member.outlet = Absent(message.socket_id)
        self._turn.recalled.append(message.socket_id)
        return member


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
    m.Heard: Seating.heard,
    m.Kick: Seating.kick,
    m.Moderate: Seating.moderate,
    m.Check: Seating.check,
    m.Drained: Seating.drained,
    m.GraceEnded: Seating.grace_ended,
}
"""What a session or a timer says, and what it does; moves have a way of their own. Each may raise
a Refusal; all else is a fault."""
