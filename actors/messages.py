"""What a room's or the registry's mailbox may receive. PURE: frozen values, no behaviour.

A message from a session carries the outlet that it came through. The outlet is the generation:
a room takes it only where it is the member's present one, so a late message of a superseded
connection has no effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from actors.history import Claim
from actors.ids import RoomId, SocketId, UserId
from actors.players import Coordinate, LeaveReason
from actors.ports import Found, Outlet
from actors.records import LONG_KEPT, Stamp
from actors.room_rules import Act
from actors.values import value


@dataclass(init=False, slots=True, unsafe_hash=True)
class Profile:
    """How somebody wants to appear. `user_id` is the shown one, `person` the real one: it is
    never encoded, logged or represented.
    """

    user_id: Final[UserId]
    display_name: Final[str | None]
    x: Final[Coordinate]
    y: Final[Coordinate]
    attributes: Final[Mapping[str, object]]
    hide_position: Final[bool]
    person: str = field(repr=False)

    def __init__(
        self,
        user_id: UserId,
        display_name: str | None,
        x: Coordinate,
        y: Coordinate,
        attributes: Mapping[str, object],
        hide_position: bool,
        person: str,
    ) -> None:
        self.user_id = user_id
        self.display_name = display_name
        self.x = x
        self.y = y
        self.attributes = attributes
        self.hide_position = hide_position
        self.person = person


@dataclass(init=False, slots=True, unsafe_hash=True)
class Join:
    """Seat the session. Answered Joined or Refused; dropped when its connection is gone by then.

    `asked_s` and `deadline_s` are monotonic seconds; after the deadline it never takes effect.
    """

    outlet: Final[Outlet]
    room_id: Final[RoomId]
    profile: Final[Profile]
    asked_s: Final[float]
    deadline_s: Final[float]
    first_serial: Final[int]
    """The number of its first token: above those of all seatings of the session before."""

    def __init__(
        self,
        outlet: Outlet,
        room_id: RoomId,
        profile: Profile,
        asked_s: float,
        deadline_s: float,
        first_serial: int = 1,
    ) -> None:
        self.outlet = outlet
        self.room_id = room_id
        self.profile = profile
        self.asked_s = asked_s
        self.deadline_s = deadline_s
        self.first_serial = first_serial


@dataclass(init=False, slots=True, unsafe_hash=True)
class Resume:
    """Bring a session back on a new connection. Answered Resumed, Joined or Refused.

    `serial` and `stamp` are of the token shown; `epoch` and `version` are the client's.
    """

    outlet: Final[Outlet]
    room_id: Final[RoomId]
    socket_id: Final[SocketId]
    serial: Final[int]
    epoch: Final[int]
    version: Final[int]
    asked_s: Final[float]
    deadline_s: Final[float]
    profile: Final[Profile]
    """For a player who is not known here any more: what the token says, and nothing else."""
    stamp: Final[Stamp]

    def __init__(
        self,
        outlet: Outlet,
        room_id: RoomId,
        socket_id: SocketId,
        serial: int,
        epoch: int,
        version: int,
        asked_s: float,
        deadline_s: float,
        profile: Profile,
        stamp: Stamp = LONG_KEPT,
    ) -> None:
        self.outlet = outlet
        self.room_id = room_id
        self.socket_id = socket_id
        self.serial = serial
        self.epoch = epoch
        self.version = version
        self.asked_s = asked_s
        self.deadline_s = deadline_s
        self.profile = profile
        self.stamp = stamp


@dataclass(init=False, slots=True, unsafe_hash=True)
class Move:
    """Never answered."""

    outlet: Final[Outlet]
    x: Final[Coordinate]
    y: Final[Coordinate]

    def __init__(self, outlet: Outlet, x: Coordinate, y: Coordinate) -> None:
        self.outlet = outlet
        self.x = x
        self.y = y


@dataclass(init=False, slots=True, unsafe_hash=True)
class Ready:
    """Answered Done."""

    outlet: Final[Outlet]

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet


@value
class Update:
    """Replace what is not None. Answered Done."""

    outlet: Outlet
    display_name: str | None
    attributes: Mapping[str, object] | None


@dataclass(init=False, slots=True, unsafe_hash=True)
class Say:
    """A room message; `data` is opaque to the room. Answered Done."""

    outlet: Final[Outlet]
    event: Final[str]
    data: Any = field(repr=False)  # not `object`: that name is not found where this is compiled

    def __init__(self, outlet: Outlet, event: str, data: object) -> None:
        self.outlet = outlet
        self.event = event
        self.data = data


@value
class Validate:
    """Answered Validated."""

    outlet: Outlet
    claim: Claim


@value
class Describe:
    """Answered State."""

    outlet: Outlet


@value
class Moderate:
    """Act on the room or on somebody in it. Durable before it is answered, Done, or told."""

    outlet: Outlet
    act: Act


@value
class Check:
    """What `person` may do there. Answered Permitted, also by the registry for a cold room, which
    does not wait for it beyond `deadline_s` (monotonic).
    """

    outlet: Outlet
    room_id: RoomId
    person: str = field(repr=False)
    deadline_s: float


Entry = Join | Resume | Check
"""What may come to a room that is not open: by way of the registry, then."""


@dataclass(init=False, slots=True, unsafe_hash=True)
class Leave:
    """Answered Left."""

    outlet: Final[Outlet]
    reason: Final[LeaveReason]

    def __init__(self, outlet: Outlet, reason: LeaveReason) -> None:
        self.outlet = outlet
        self.reason = reason


@dataclass(init=False, slots=True, unsafe_hash=True)
class Lost:
    """The connection behind the outlet is gone; the grace begins."""

    outlet: Final[Outlet]

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet


@dataclass(init=False, slots=True, unsafe_hash=True)
class Heard:
    """The client spoke on the connection that got the token `serial`: older ones are void."""

    outlet: Final[Outlet]
    serial: Final[int]

    def __init__(self, outlet: Outlet, serial: int = 0) -> None:
        self.outlet = outlet
        self.serial = serial


@value
class Kick:
    """Remove a player for good. Durable before anybody is told of it."""

    socket_id: SocketId
    detail: str


@value
class Erase:
    """From the operator: nothing here is about the person any more, players and rules. `names` are
    the real one and the pseudonym in this room. Answered Done, with how many places had it, when
    that is durable, or Refused; not at all where the room fails.
    """

    outlet: Outlet
    person: str = field(repr=False)
    names: frozenset[str] = field(repr=False)


@dataclass(init=False, slots=True, unsafe_hash=True)
class Drained:
    """An outlet that refused takes frames again."""

    outlet: Final[Outlet]

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet


Request = (
    Join | Resume | Move | Ready | Update | Say | Validate | Describe | Moderate | Check | Leave
)
"""What a client asked for: answered (moves aside) also where the room fails."""


@value
class Tick:
    """Moves are due."""


@value
class FarTick:
    """Moves are due to those who are not near."""


@value
class GraceEnded:
    """Somebody's grace may be over."""


@value
class SelfCheck:
    """Hold the room against itself and against the sessions. `again`: it is the look of this
    number, asked for behind all that waited; 0: it is time for a first one.
    """

    again: int = 0


@value
class Close:
    """From the registry, which sends nothing more until it is answered: end if empty."""


@value
class Committed:
    """From the ledger: what the last turn changed is durable, or (not `done`) is to be undone."""

    done: bool


# -- to the registry


@value
class RoomFound:
    """From the ledger: what is kept of a room that was asked for."""

    room_id: RoomId
    found: Found


@value
class RoomEmptied:
    """The room has no players; its idle time begins."""

    room_id: RoomId


@value
class RoomEnded:
    """Answer to Close: the room is gone and its mailbox takes nothing more."""

    room_id: RoomId


@value
class RoomBusy:
    """Answer to Close: somebody joined meanwhile."""

    room_id: RoomId
