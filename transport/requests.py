"""The requests of the wire contract as checked values. PURE: made by wire.py, taken by the session.

Whoever holds one may rely on its bounds: an invalid one is never made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actors.history import Claim
from actors.ids import RoomId
from actors.players import Coordinate
from actors.privacy import Privacy
from actors.room_rules import Act
from actors.values import value


@value
class Authenticate:
    """Say who one is."""

    token: str


@value
class CheckPermission:
    """Ask what one may do in a room."""

    room_id: RoomId


@dataclass(init=False, slots=True, unsafe_hash=True)
class JoinRoom:
    """Sit down in a room, or in another."""

    room_id: Final[RoomId]
    user_id: Final[str | None]
    display_name: Final[str | None]
    x: Final[Coordinate]
    y: Final[Coordinate]
    attributes: Final[Mapping[str, object]]
    privacy: Final[Privacy]

    def __init__(
        self,
        room_id: RoomId,
        user_id: str | None,
        display_name: str | None,
        x: Coordinate,
        y: Coordinate,
        attributes: Mapping[str, object],
        privacy: Privacy,
    ) -> None:
        self.room_id = room_id
        self.user_id = user_id
        self.display_name = display_name
        self.x = x
        self.y = y
        self.attributes = attributes
        self.privacy = privacy


@value
class SetReady:
    """Be ready."""


@dataclass(init=False, slots=True, unsafe_hash=True)
class MoveTo:
    """Be elsewhere."""

    x: Final[Coordinate]
    y: Final[Coordinate]

    def __init__(self, x: Coordinate, y: Coordinate) -> None:
        self.x = x
        self.y = y


@value
class UpdatePlayer:
    """Appear otherwise; what is None stays."""

    display_name: str | None
    attributes: Mapping[str, object] | None


@dataclass(init=False, slots=True, unsafe_hash=True)
class SendMessage:
    """`data` is encoded JSON already."""

    event: Final[str]
    data: Final[object]

    def __init__(self, event: str, data: object) -> None:
        self.event = event
        self.data = data


@value
class ValidateRoom:
    """Compare what one believes."""

    room_id: RoomId
    claim: Claim


@value
class RequestState:
    """Ask for the whole state."""


@value
class ResumeRoom:
    """Come back on a new connection."""

    room_id: RoomId
    token: str
    epoch: int
    version: int


@value
class Moderate:
    """Act on the room that one sits in, or on somebody there."""

    act: Act


@value
class LeaveRoom:
    """Get up."""


@dataclass(init=False, slots=True, unsafe_hash=True)
class Ping:
    """`t` is encoded JSON and comes back as it was; None where there was none."""

    t: Final[object]

    def __init__(self, t: object) -> None:
        self.t = t


Request = (
    Authenticate
    | CheckPermission
    | JoinRoom
    | SetReady
    | MoveTo
    | UpdatePlayer
    | SendMessage
    | ValidateRoom
    | RequestState
    | ResumeRoom
    | LeaveRoom
    | Moderate
    | Ping
)
