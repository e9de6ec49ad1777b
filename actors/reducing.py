"""What a recording keeps of a message and of a member. PURE.

Owns the reduction: a name becomes its length, attributes their number, a person a number; what was
said, tokens and positions are left out. What a handler is about to read of the world is read here,
so that it can be answered in the same way when the message is played again.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from actors import messages as m
from actors.errors import Refusal
from actors.ids import SocketId
from actors.members import Absent, Hearing, Member
from actors.moderation import plan_of
from actors.ports import Clock, Outlet
from actors.recall import Recall
from actors.room_rules import PLAIN
from actors.room_state import RoomState
from actors.settings import Settings
from actors.story import Flag, Input, Row


class Reducer:
    """Reduces what happens in one room. Where a user has one session there, it says who is whom."""

    __slots__ = ("_clock", "_members", "_people", "_persons", "_recall", "_settings", "_state")

    def __init__(
        self,
        state: RoomState,
        members: Mapping[SocketId, Member],
        recall: Recall,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._state: Final = state
        self._members: Final = members
        self._recall: Final = recall
        self._settings: Final = settings
        self._clock: Final = clock
        self._people = 0
        # By a hash that means nothing outside of this process.
        self._persons: dict[int, int] | None = {} if settings.one_session_per_user else None

    def forget_persons(self) -> None:
        """Nobody who is not here is asked about any more."""
        if self._persons is not None:
            here = {hash(member.person) for member in self._members.values()}
            self._persons = {key: number for key, number in self._persons.items() if key in here}

    def is_present(self, socket_id: SocketId, outlet: Outlet) -> bool:
        member = self._members.get(socket_id)
        return member is not None and member.outlet is outlet

    def presence(self, socket_id: SocketId, outlet: Outlet) -> int:
        return Flag.PRESENT if self.is_present(socket_id, outlet) else 0

    def _person(self, person: str) -> int:
        """A number that says who of those who come is whom of those who are here, and nothing
        else; 0 where the room does not ask. O(members). Who has left and comes back gets another
        one: it would say who is behind a pseudonym.
        """
        if self._persons is None:
            return 0
        if all(member.person != person for member in self._members.values()):
            self._persons.pop(hash(person), None)
        return self._number(person)

    def _number(self, person: str) -> int:
        if self._persons is None:
            return 0
        key = hash(person)
        number = self._persons.get(key)
        if number is None:
            number = self._people = self._persons[key] = self._people + 1
        return number

    def row(self, member: Member) -> Row:
        return (
            member.hearing,
            member.serial,
            member.confirmed,
            member.missed_moves,
            member.owes_token,
            member.stamp,
            isinstance(member.outlet, Absent),
            self._number(member.person),
        )

    def _plain(self, message: Any, at_s: float) -> Input:
        outlet = message.outlet
        socket_id = outlet.socket_id
        member = self._members.get(socket_id)
        present = member is not None and member.outlet is outlet
        return _KINDS[type(message)], at_s, socket_id, Flag.PRESENT if present else 0

    def _join(self, message: m.Join, at_s: float) -> Input:
        outlet, profile = message.outlet, message.profile
        return (
            "join",
            at_s,
            outlet.socket_id,
            self._arrival(message, at_s, outlet),
            profile.user_id,
            _size(profile.display_name),
            len(profile.attributes),
            message.first_serial,
            self._person(profile.person),
        )

    def _resume(self, message: m.Resume, at_s: float) -> Input:
        socket_id, profile, recall = message.socket_id, message.profile, self._recall
        member = self._members.get(socket_id)
        flags = self._arrival(message, at_s, None if member is None else member.outlet)
        if recall.admits(message.stamp, socket_id, at_s, profile.person):
            flags |= Flag.ADMITTED | (Flag.NEWEST if recall.is_newest(message.stamp) else 0)
        return (
            "resume",
            at_s,
            socket_id,
            flags,
            profile.user_id,
            message.serial,
            message.epoch,
            message.version,
            self._person(profile.person),
        )

    def _arrival(self, message: m.Join | m.Resume, at_s: float, known: Outlet | None) -> int:
        """Of somebody who comes; `known` is where the newest token went, if there is one."""
        outlet = message.outlet
        member = self._members.get(outlet.socket_id)
        flags = Flag.PRESENT if member is not None and member.outlet is outlet else 0
        if outlet.alive:
            flags |= Flag.ALIVE
        if known is not None and known.heard:
            flags |= Flag.HEARD
        if at_s > message.deadline_s:
            flags |= Flag.LATE
        if message.profile.hide_position:
            flags |= Flag.HIDES
        if self._is_barred(message):
            flags |= Flag.BARRED
        return flags

    def _is_barred(self, message: m.Join | m.Resume) -> bool:
        """By the room's rules; those of a resume ask for less."""
        rules, grant = self._state.rules, message.outlet.grant
        if rules is PLAIN and grant.allowed:
            return False
        person, now_ms = message.profile.person, self._clock.now_ms()
        if isinstance(message, m.Resume):
            return rules.ban_of(person, now_ms) is not None
        return not rules.granted(person, grant, now_ms).allowed

    def _moderate(self, message: m.Moderate, at_s: float) -> Input:
        """Who is out by it, and how many fit from then on; nothing else makes a difference here."""
        kind, _, socket_id, flags = self._plain(message, at_s)
        out: tuple[SocketId, ...] = ()
        rules, member = self._state.rules, self._members.get(socket_id)
        if flags & Flag.PRESENT and member is not None:
            try:
                plan = plan_of(
                    message.act,
                    member.person,
                    message.outlet.grant,
                    self._state,
                    self._members,
                    self._settings,
                    self._clock.now_ms(),
                )
                out, rules = plan.out, plan.rules
            except Refusal:
                flags |= Flag.BARRED
        return kind, at_s, socket_id, flags, out, rules.players_max

    def _check(self, message: m.Check, at_s: float) -> Input:
        del message
        return "check", at_s

    def _update(self, message: m.Update, at_s: float) -> Input:
        attributes = message.attributes
        sizes = _size(message.display_name), None if attributes is None else len(attributes)
        return *self._plain(message, at_s), *sizes

    def _validate(self, message: m.Validate, at_s: float) -> Input:
        claim = message.claim
        return *self._plain(message, at_s), claim.epoch, claim.version

    def _leave(self, message: m.Leave, at_s: float) -> Input:
        return *self._plain(message, at_s), message.reason.value

    def _heard(self, message: m.Heard, at_s: float) -> Input:
        kind, _, socket_id, flags = self._plain(message, at_s)
        flags |= Flag.HEARD if message.outlet.heard else 0
        return kind, at_s, socket_id, flags, message.serial

    def _drained(self, message: m.Drained, at_s: float) -> Input:
        kind, _, socket_id, flags = self._plain(message, at_s)
        member = self._members.get(socket_id)
        if member is not None and member.hearing is Hearing.BEHIND:
            flags |= Flag.BEHIND
        return kind, at_s, socket_id, flags

    def _kick(self, message: m.Kick, at_s: float) -> Input:
        return "kick", at_s, message.socket_id

    def _grace_ended(self, message: m.GraceEnded, at_s: float) -> Input:
        del message
        return "graceEnded", at_s


def _size(text: str | None) -> int | None:
    return None if text is None else len(text)


_KINDS: Final = {
    m.Ready: "ready",
    m.Update: "update",
    m.Say: "say",
    m.Validate: "validate",
    m.Describe: "describe",
    m.Moderate: "moderate",
    m.Leave: "leave",
    m.Lost: "lost",
    m.Heard: "heard",
    m.Drained: "drained",
}
REDUCED: Final[dict[type, Callable[[Reducer, Any, float], Input]]] = {
    m.Join: Reducer._join,
    m.Resume: Reducer._resume,
    m.Ready: Reducer._plain,
    m.Update: Reducer._update,
    m.Say: Reducer._plain,
    m.Validate: Reducer._validate,
    m.Describe: Reducer._plain,
    m.Leave: Reducer._leave,
    m.Lost: Reducer._plain,
    m.Heard: Reducer._heard,
    m.Kick: Reducer._kick,
    m.Moderate: Reducer._moderate,
    m.Check: Reducer._check,
    m.Drained: Reducer._drained,
    m.GraceEnded: Reducer._grace_ended,
}
"""Each message that a room handles, and what is kept of it."""
