"""A room as its members know it. PURE.

Owns what a turn that fails is undone to, and what a room that fails is made anew from.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from actors.ids import SocketId
from actors.players import Change, EventKind, Player
from actors.room_rules import PLAIN, RoomRules
from actors.room_state import RoomState

_LEFT: Final = EventKind.LEFT


@dataclass(init=False, slots=True)
class Checkpoint:
    """The players and rules at the last publication. Kept by reference: they are immutable."""

    version: int
    players: dict[SocketId, Player]
    rules: RoomRules

    def __init__(
        self,
        version: int = 0,
        players: dict[SocketId, Player] | None = None,
        rules: RoomRules = PLAIN,
    ) -> None:
        self.version = version
        self.players = {} if players is None else players
        self.rules = rules

    @staticmethod
    def of(state: RoomState) -> "Checkpoint":
        """What is in `state` now. O(players)."""
        return Checkpoint(state.version, dict(state.players), state.rules)

    def advance(self, changes: Iterable[Change], rules: RoomRules | None) -> None:
        """Note what was published; `rules` None: they stayed. O(changes)."""
        if rules is not None:
            self.rules = rules
        for change in changes:
            if change.kind is _LEFT:
                self.players.pop(change.player.socket_id, None)
            else:
                self.players[change.player.socket_id] = change.player
            self.version = change.version
