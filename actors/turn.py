"""What happened in a room since it last spoke: changes, what is owed, and how to take them back.

Owns the form in which a turn's messages leave their traces, so that they are told once, at its end,
or undone. Decides nothing.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from actors.history import Claim
from actors.ids import SocketId
from actors.members import Member
from actors.ports import Answer, Eviction, Outlet, StateReason
from actors.room_rules import RoomRules
from actors.room_state import Change, Event, Player
from actors.values import value


@value
class OweAnswer:
    """An answer that the turn does not influence."""

    outlet: Outlet
    answer: Answer


@value
class OweDone:
    """The request is done."""

    outlet: Outlet


@value
class OweJoined:
    """A snapshot; `asked_s` is monotonic, for the metric. `fresh`: this request seated it."""

    outlet: Outlet
    member: Member
    serial: int
    asked_s: float
    fresh: bool


@value
class OweResumed:
    """What it missed after `version` (None: all), up to its own return at `return_version`."""

    outlet: Outlet
    member: Member
    serial: int
    version: int | None
    return_version: int | None
    succeeds: Outlet


@value
class OweState:
    """The whole state: asked for, or (`reason`) sent because the member fell behind."""

    outlet: Outlet
    member: Member
    reason: StateReason | None


@value
class OweVerdict:
    """How the client's view compares."""

    outlet: Outlet
    member: Member
    claim: Claim


@value
class OweEviction:
    """The session is no longer in the room, and was not asked."""

    outlet: Outlet
    reason: Eviction
    detail: str


Owed = OweAnswer | OweDone | OweJoined | OweResumed | OweState | OweVerdict | OweEviction


_WHOLE = (OweJoined, OweResumed, OweState, OweVerdict)


@value
class Fact:
    """What the operator is told when the members are. `player` as at `version`."""

    event: str
    player: Player
    player_count: int
    version: int
    details: dict[str, object]
    """`why` is what somebody wrote, who may quote anybody: for the audit alone."""
    person: str = field(default="", repr=False)
    """The player's real name: for the audit alone, as are those of the `persons` it is about."""
    persons: tuple[str, ...] = field(default=(), repr=False)


Mark: TypeAlias = tuple[int, int, int, RoomRules | None]
"""How many changes, owed and facts there were, and what the rules had become."""


@dataclass(slots=True)
class Turn:
    """What happened since the last publication. `said` and events keep the room's order."""

    items: list[Event | bytes] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    touched: dict[SocketId, None] = field(default_factory=dict)
    """Members with a new token number, or a proof of one: to be kept, though nobody sees it."""
    before: dict[SocketId, Member | None] = field(default_factory=dict)
    """Members as they were before the turn (None: not there), where it may have to be undone."""
    half: dict[SocketId, tuple[Member, Member] | None] = field(default_factory=dict)
    """Members that the message under way touches, each with a copy from before it (None: not
    there): should it fail half-way, it leaves no trace in them.
    """
    rules: RoomRules | None = None
    """What the room's rules became, None where they stayed as they were."""
    recalled: list[SocketId] = field(default_factory=list)
    """Seated by their tokens alone."""
    has_fresh: bool = False
    """Somebody who gets nothing but its answer is among the owed."""
    has_said: bool = False
    urgent: bool = False
    """Nobody may be told of it before it is durable, whatever the setting."""

    def mark(self) -> Mark:
        """Where a message's part begins, for `rewind`."""
        self.half.clear()
        return len(self.changes), len(self.owed), len(self.facts), self.rules

    def remember(self, socket_id: SocketId, member: Member | None) -> Member | None:
        """To be called before a message changes `member`: how it was before the message."""
        if socket_id not in self.half:
            self.half[socket_id] = None if member is None else (member, member.copy())
        was = self.half[socket_id]
        return None if was is None else was[1]

    def rewind(self, mark: Mark, members: dict[SocketId, Member]) -> None:
        """Forget what a message that failed half-way left here, and in `members`."""
        changes, owed, facts, self.rules = mark
        del self.changes[changes:], self.owed[owed:], self.facts[facts:]
        for socket_id, was in self.half.items():
            if was is None:
                members.pop(socket_id, None)
            else:
                members[socket_id] = was[0]
                was[0].become(was[1])

    def is_empty(self) -> bool:
        return not (self.changes or self.owed or self.items or self.touched)

    def is_kept(self) -> bool:
        """It changed what is kept of the room."""
        return bool(self.changes or self.touched) or self.rules is not None

    def shows_all(self) -> bool:
        """Somebody is to be shown where everybody is."""
        return any(isinstance(owed, _WHOLE) for owed in self.owed)

    def told(self) -> None:
        """All was published: begin anew."""
        self.changes.clear()
        self.touched.clear()
        self.before.clear()
        self.recalled.clear()
        self.rules = None
        self.has_fresh = self.has_said = self.urgent = False
