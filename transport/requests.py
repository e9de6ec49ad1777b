"""The requests of the wire contract as checked values. PURE: made by wire.py, taken by the session.

Whoever holds one may rely on its bounds: an invalid one is never made.
"""

from collections.abc import Mapping

from actors.history import Claim
from actors.ids import RoomId
from actors.privacy import Privacy
from actors.room_rules import Act
from actors.room_state import Coordinate
from actors.values import value


@value
class Authenticate:
    """Say who one is."""

    token: str


@value
class CheckPermission:
    """Ask what one may do in a room."""

    room_id: RoomId


@value
class JoinRoom:
    """Sit down in a room, or in another."""

    room_id: RoomId
    user_id: str | None
    display_name: str | None
    x: Coordinate
    y: Coordinate
    attributes: Mapping[str, object]
    privacy: Privacy


@value
class SetReady:
    """Be ready."""


@value
class MoveTo:
    """Be elsewhere."""

    x: Coordinate
    y: Coordinate


@value
class UpdatePlayer:
    """Appear otherwise; what is None stays."""

    display_name: str | None
    attributes: Mapping[str, object] | None


@value
class SendMessage:
    """`data` is encoded JSON already."""

    event: str
    data: object


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


@value
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
    | Moderate
    | Ping
)
