"""The requests of the wire contract as checked values. PURE: made by wire.py, taken by the session.

Whoever holds one may rely on its bounds: an invalid one is never made.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from actors.history import Claim
from actors.ids import RoomId
from actors.privacy import Privacy


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Say who one is."""

    token: str


@dataclass(frozen=True, slots=True)
class CheckPermission:
    """Ask what one may do in a room."""

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class JoinRoom:
    """Sit down in a room, or in another."""

    room_id: RoomId
    user_id: str | None
    display_name: str | None
    x: float
    y: float
    attributes: Mapping[str, object]
    privacy: Privacy


@dataclass(frozen=True, slots=True)
class SetReady:
    """Be ready."""


@dataclass(frozen=True, slots=True)
class MoveTo:
    """Be elsewhere."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class UpdatePlayer:
    """Appear otherwise; what is None stays."""

    display_name: str | None
    attributes: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class SendMessage:
    """`data` is encoded JSON already."""

    event: str
    data: object


@dataclass(frozen=True, slots=True)
class ValidateRoom:
    """Compare what one believes."""

    room_id: RoomId
    claim: Claim


@dataclass(frozen=True, slots=True)
class RequestState:
    """Ask for the whole state."""


@dataclass(frozen=True, slots=True)
class ResumeRoom:
    """Come back on a new connection."""

    room_id: RoomId
    token: str
    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class LeaveRoom:
    """Get up."""


@dataclass(frozen=True, slots=True)
class Ping:
    """`t` is encoded JSON and comes back as it was; None where there was none."""

    t: object


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
    | Ping
)
