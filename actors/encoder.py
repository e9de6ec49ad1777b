"""What a room has to say in bytes, as a Protocol: the wire's forms, of which a room knows none.

Owns the seam between what is published and how it is written down.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Protocol

from actors.ids import RoomId, SocketId
from actors.players import Event, Player, StateView


class Form(Enum):
    """How a client is told of moves; everything else is told to all in the same way."""

    JSON = "json"
    COMPACT = "compact"


class Encoder(Protocol):
    """The wire's forms of what a room publishes; each is made once and sent to many."""

    def event(self, room_id: RoomId, epoch: int, event: Event) -> bytes: ...

    def said(self, room_id: RoomId, sender: SocketId, event: str, data: object) -> bytes: ...

    def room_changed(self, room_id: RoomId, private: bool, players_max: int) -> bytes:
        """What everybody may know of the room's rules; no version comes with it."""
        ...

    def batch(self, payloads: Sequence[bytes]) -> bytes:
        """One frame of one or several payloads (at least one)."""
        ...

    def moves(self, room_id: RoomId, epoch: int, players: Iterable[Player]) -> bytes:
        """One frame with the positions of `players`, none of them hidden."""
        ...

    def compact_moves(
        self, epoch: int, version: int, player_count: int, moves: Sequence[tuple[int, Player]]
    ) -> bytes:
        """The same as one frame of the compact form. A player is its number: the place of its
        socketId among those of the `player_count` players as of `version`, in ascending order,
        from 0. `moves` are in that order, each player once.
        """
        ...

    def positions(self, players: Iterable[Player]) -> bytes: ...

    def state(self, view: StateView) -> bytes: ...

    def consistency(self, view: StateView) -> bytes:
        """As `state`, without the players."""
        ...
