"""A room's players, what becomes of them, and how a room looks at a version. PURE: plain values.

They are made and read for each message, so they spell out how they are made (values.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from actors.ids import RoomId, SocketId, UserId


class EventKind(StrEnum):
    """What a versioned event tells the members."""

    JOINED = "joined"
    LEFT = "left"
    READY = "ready"
    UPDATED = "updated"
    CONNECTION = "connection"


class LeaveReason(StrEnum):
    """Why a player is gone, in the wire's words."""

    LEFT = "left"
    SWITCHED = "switched"
    TIMEOUT = "timeout"
    KICKED = "kicked"
    REPLACED = "replaced"


Coordinate: TypeAlias = int | float
"""A number as its client wrote it: whole ones stay whole, on the wire and on the disk. Not `float`,
which a compiled module would make of it.
"""


@dataclass(init=False, slots=True)
class Motion:
    """The volatile part of a player: not versioned, last one wins. All its versions share it."""

    x: Coordinate
    y: Coordinate
    last_seen_ms: int

    def __init__(self, x: Coordinate, y: Coordinate, last_seen_ms: int) -> None:
        self.x = x
        self.y = y
        self.last_seen_ms = last_seen_ms


@dataclass(init=False, slots=True, unsafe_hash=True)
class Player:
    """A person seated in a room, as the members see them. `user_id` is the shown one."""

    socket_id: Final[SocketId]
    user_id: Final[UserId]
    display_name: Final[str | None]
    attributes: Final[Mapping[str, object]]
    joined_at_ms: Final[int]
    motion: Final[Motion]
    hide_position: Final[bool]
    is_ready: Final[bool]
    connected: Final[bool]

    def __init__(
        self,
        socket_id: SocketId,
        user_id: UserId,
        display_name: str | None,
        attributes: Mapping[str, object],
        joined_at_ms: int,
        motion: Motion,
        hide_position: bool = False,
        is_ready: bool = False,
        connected: bool = True,
    ) -> None:
        self.socket_id = socket_id
        self.user_id = user_id
        self.display_name = display_name
        self.attributes = attributes
        self.joined_at_ms = joined_at_ms
        self.motion = motion
        self.hide_position = hide_position
        self.is_ready = is_ready
        self.connected = connected

    def line(self) -> bytes:
        """This player's line of the checksum (G3)."""
        flags = f"{self.is_ready:d}|{self.connected:d}"
        return f"{self.socket_id}|{self.user_id}|{flags}".encode()


@dataclass(init=False, slots=True, unsafe_hash=True)
class Change:
    """The step from `version - 1` to `version`: `player` as at `version` (when LEFT: as before)."""

    kind: Final[EventKind]
    player: Final[Player]
    version: Final[int]
    reason: Final[LeaveReason | None]

    def __init__(
        self,
        kind: EventKind,
        player: Player,
        version: int,
        reason: LeaveReason | None = None,
    ) -> None:
        self.kind = kind
        self.player = player
        self.version = version
        self.reason = reason


@dataclass(init=False, slots=True, unsafe_hash=True)
class Metadata:
    """What the room tells about itself beside its players. Times are Unix milliseconds."""

    created_at_ms: Final[int]
    last_activity_ms: Final[int]
    player_count: Final[int]
    is_active: Final[bool]
    players_max: Final[int]

    def __init__(
        self,
        created_at_ms: int,
        last_activity_ms: int,
        player_count: int,
        is_active: bool,
        players_max: int,
    ) -> None:
        self.created_at_ms = created_at_ms
        self.last_activity_ms = last_activity_ms
        self.player_count = player_count
        self.is_active = is_active
        self.players_max = players_max


@dataclass(init=False, slots=True, unsafe_hash=True)
class Event:
    """Neighbouring changes of one kind, in order; all else is as at the last one."""

    kind: Final[EventKind]
    changes: Final[tuple[Change, ...]]
    version: Final[int]
    checksum: Final[str]
    metadata: Final[Metadata]

    def __init__(
        self,
        kind: EventKind,
        changes: tuple[Change, ...],
        version: int,
        checksum: str,
        metadata: Metadata,
    ) -> None:
        self.kind = kind
        self.changes = changes
        self.version = version
        self.checksum = checksum
        self.metadata = metadata

    @property
    def base_version(self) -> int:
        """The version before the first change."""
        return self.version - len(self.changes)


@dataclass(init=False, slots=True, unsafe_hash=True)
class StateView:
    """A whole room at one version, to be encoded once for all who get it."""

    room_id: Final[RoomId]
    epoch: Final[int]
    version: Final[int]
    checksum: Final[str]
    last_validated_ms: Final[int]
    players: Final[Sequence[Player]]
    metadata: Final[Metadata]

    def __init__(
        self,
        room_id: RoomId,
        epoch: int,
        version: int,
        checksum: str,
        last_validated_ms: int,
        players: Sequence[Player],
        metadata: Metadata,
    ) -> None:
        self.room_id = room_id
        self.epoch = epoch
        self.version = version
        self.checksum = checksum
        self.last_validated_ms = last_validated_ms
        self.players = players
        self.metadata = metadata
