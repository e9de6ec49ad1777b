"""What happened in a room since it last spoke: changes, what is owed, and how to take them back.

Owns the form in which a turn's messages leave their traces, so that they are told once, at its end,
or undone. Decides nothing.
"""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from actors.answers import Answer
from actors.history import Claim
from actors.ids import SocketId
from actors.members import Member
from actors.players import Change, Event, Player
from actors.ports import Eviction, Outlet, StateReason
from actors.room_rules import RoomRules


@dataclass(init=False, slots=True, unsafe_hash=True)
class OweAnswer:
    """An answer that the turn does not influence."""

    outlet: Final[Outlet]
    answer: Final[Answer]

    def __init__(self, outlet: Outlet, answer: Answer) -> None:
        self.outlet = outlet
        self.answer = answer


@dataclass(init=False, slots=True, unsafe_hash=True)
class OweDone:
    """The request is done."""

    outlet: Final[Outlet]

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet


@dataclass(init=False, slots=True, unsafe_hash=True)
class OweJoined:
    """A snapshot; `asked_s` is monotonic, for the metric. `fresh`: this request seated it."""

    outlet: Final[Outlet]
    member: Final[Member]
    serial: Final[int]
    asked_s: Final[float]
    fresh: Final[bool]

    def __init__(
        self,
        outlet: Outlet,
        member: Member,
        serial: int,
        asked_s: float,
        fresh: bool,
    ) -> None:
        self.outlet = outlet
        self.member = member
        self.serial = serial
        self.asked_s = asked_s
        self.fresh = fresh


@dataclass(init=False, slots=True, unsafe_hash=True)
class OweResumed:
    """What it missed after `version` (None: all), up to its own return at `return_version`."""

    outlet: Final[Outlet]
    member: Final[Member]
    serial: Final[int]
    version: Final[int | None]
    return_version: Final[int | None]
    succeeds: Final[Outlet]

    def __init__(
        self,
        outlet: Outlet,
        member: Member,
        serial: int,
        version: int | None,
        return_version: int | None,
        succeeds: Outlet,
    ) -> None:
        self.outlet = outlet
        self.member = member
        self.serial = serial
        self.version = version
        self.return_version = return_version
        self.succeeds = succeeds


@dataclass(init=False, slots=True, unsafe_hash=True)
class OweState:
    """The whole state: asked for, or (`reason`) sent because the member fell behind."""

    outlet: Final[Outlet]
    member: Final[Member]
    reason: Final[StateReason | None]

    def __init__(self, outlet: Outlet, member: Member, reason: StateReason | None) -> None:
        self.outlet = outlet
        self.member = member
        self.reason = reason


@dataclass(init=False, slots=True, unsafe_hash=True)
class OweVerdict:
    """How the client's view compares."""

    outlet: Final[Outlet]
    member: Final[Member]
    claim: Final[Claim]

    def __init__(self, outlet: Outlet, member: Member, claim: Claim) -> None:
        self.outlet = outlet
        self.member = member
        self.claim = claim


@dataclass(init=False, slots=True, unsafe_hash=True)
class OweEviction:
    """The session is no longer in the room, and was not asked."""

    outlet: Final[Outlet]
    reason: Final[Eviction]
    detail: Final[str]

    def __init__(self, outlet: Outlet, reason: Eviction, detail: str) -> None:
        self.outlet = outlet
        self.reason = reason
        self.detail = detail


Owed = OweAnswer | OweDone | OweJoined | OweResumed | OweState | OweVerdict | OweEviction


_WHOLE = (OweJoined, OweResumed, OweState, OweVerdict)


@dataclass(init=False, slots=True, unsafe_hash=True)
class Fact:
    """What the operator is told when the members are. `player` as at `version`."""

    event: Final[str]
    player: Final[Player]
    player_count: Final[int]
    version: Final[int]
    details: Final[dict[str, object]]
    """`why` is what somebody wrote, who may quote anybody: for the audit alone."""
    person: str = field(repr=False)
    """The player's real name: for the audit alone, as are those of the `persons` it is about."""
    persons: tuple[str, ...] = field(repr=False)

    def __init__(
        self,
        event: str,
        player: Player,
        player_count: int,
        version: int,
        details: dict[str, object],
        person: str = "",
        persons: tuple[str, ...] = (),
    ) -> None:
        self.event = event
        self.player = player
        self.player_count = player_count
        self.version = version
        self.details = details
        self.person = person
        self.persons = persons


Mark: TypeAlias = tuple[int, int, int, RoomRules | None]
"""How many changes, owed and facts there were, and what the rules had become."""


@dataclass(init=False, slots=True)
class Turn:
    """What happened since the last publication. `said` and events keep the room's order."""

    items: list[Event | bytes]
    changes: list[Change]
    owed: list[Owed]
    facts: list[Fact]
    touched: dict[SocketId, None]
    """Members with a new token number, or a proof of one: to be kept, though nobody sees it."""
    before: dict[SocketId, Member | None]
    """Members as they were before the turn (None: not there), where it may have to be undone."""
    half: dict[SocketId, tuple[Member, Member] | None]
    """Members that the message under way touches, each with a copy from before it (None: not
    there): should it fail half-way, it leaves no trace in them.
    """
    rules: RoomRules | None
    """What the room's rules became, None where they stayed as they were."""
    recalled: list[SocketId]
    """Seated by their tokens alone."""
    has_fresh: bool
    """Somebody who gets nothing but its answer is among the owed."""
    has_said: bool
    urgent: bool
    """Nobody may be told of it before it is durable, whatever the setting."""

    def __init__(
        self,
        rules: RoomRules | None = None,
        has_fresh: bool = False,
        has_said: bool = False,
        urgent: bool = False,
    ) -> None:
        self.items = []
        self.changes = []
        self.owed = []
        self.facts = []
        self.touched = {}
        self.before = {}
        self.half = {}
        self.rules = rules
        self.recalled = []
        self.has_fresh = has_fresh
        self.has_said = has_said
        self.urgent = urgent

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
