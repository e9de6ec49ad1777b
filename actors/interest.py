"""Who in a large room is near whom, and whose moves are still owed to those who are far. PURE.

Owns a grid of square cells whose side is the radius. A player is in one cell: that of the position
that was told last. Its member listens to the 3 x 3 cells around that one, so whatever is within the
radius is near, and some of what is beyond. Members in one cell hear the same.

Knows nothing of who listens at all, nor of time: motion.py says when it is the turn of the near and
when that of all. Bounded by the players that were placed: one entry each, two where it is owed.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from actors.ids import SocketId
from actors.players import Player

Cell = tuple[float, float]
"""Column and row: whole numbers."""


@dataclass(frozen=True, slots=True)
class Told:
    """All of `hearers` are told where all of `moved` are. Good until the grid next changes."""

    hearers: Collection[SocketId]
    moved: Collection[SocketId]


class Interest:
    """`side` of a cell is in coordinates, above 0. `players` are those whom everybody knows."""

    __slots__ = ("_cells", "_inside", "_owed", "_side")

    def __init__(self, side: float, players: Iterable[Player]) -> None:
        self._side: Final = side
        self._cells: dict[SocketId, Cell] = {}
        self._inside: dict[Cell, dict[SocketId, None]] = {}  # no cell is empty
        self._owed: dict[SocketId, None] = {}
        for player in players:
            self.place(player)

    def place(self, player: Player) -> None:
        """Everybody was told of the newcomer, and where it is. O(1)."""
        self.remove(player.socket_id)
        self._enter(player.socket_id, self._cell_of(player))

    def remove(self, socket_id: SocketId) -> None:
        """It is there no more, and nothing is owed of it. Harmless where it is not there. O(1)."""
        self._owed.pop(socket_id, None)
        if (cell := self._cells.pop(socket_id, None)) is not None:
            self._leave(socket_id, cell)

    def owes(self) -> bool:
        """Somebody moved, and not everybody was told."""
        return bool(self._owed)

    def socket_ids(self) -> set[SocketId]:
        """Who is in the grid."""
        return set(self._cells)

    def tell_all(self, moved: Iterable[Player]) -> Collection[SocketId]:
        """Everybody is told where these are: those who moved, and those of whom that is owed. Then
        nothing is owed. O(moved + owed).
        """
        told, self._owed = self._owed, {}
        for player in moved:
            told[player.socket_id] = None
            self._go(player)
        return told

    def tell_near(self, moved: Iterable[Player]) -> list[Told]:
        """Only the near are told: those around the cells where each of `moved` was and is now. It
        stays owed to the rest. Whoever came into a cell also hears what is owed of those near it.
        No hearer is named twice. O(9 moved + the players of cells that somebody came to), and the
        lengths of what is told.
        """
        told_from: dict[Cell, dict[SocketId, None]] = {}
        came: dict[Cell, dict[SocketId, None]] = {}
        for player in moved:
            socket_id = player.socket_id
            before, cell = self._go(player)
            self._owed[socket_id] = None
            told_from.setdefault(cell, {})[socket_id] = None
            if cell != before:
                told_from.setdefault(before, {})[socket_id] = None
                came.setdefault(cell, {})[socket_id] = None
        heard: dict[Cell, dict[SocketId, None]] = {}
        for cell, socket_ids in told_from.items():
            for near in _around(cell):
                if near in self._inside:
                    heard.setdefault(near, {}).update(socket_ids)
        told: list[Told] = []
        for cell, socket_ids in heard.items():
            inside, newcomers = self._inside[cell], came.get(cell)
            if newcomers is None:
                told.append(Told(inside, socket_ids))
                continue
            if len(inside) > len(newcomers):
                told.append(Told([each for each in inside if each not in newcomers], socket_ids))
            told.append(Told(newcomers, socket_ids | self._owed_around(cell)))
        return told

    # -- inside

    def _owed_around(self, cell: Cell) -> dict[SocketId, None]:
        owed = self._owed
        return {
            socket_id: None
            for near in _around(cell)
            for socket_id in self._inside.get(near, ())
            if socket_id in owed
        }

    def _cell_of(self, player: Player) -> Cell:
        # `//` rounds no quotient up to the next cell, as `floor(x / side)` does at times.
        motion, side = player.motion, self._side
        return motion.x // side, motion.y // side

    def _go(self, player: Player) -> tuple[Cell, Cell]:
        """Where it was, and is now. Raises KeyError for somebody who was not placed."""
        socket_id = player.socket_id
        before, cell = self._cells[socket_id], self._cell_of(player)
        if cell != before:
            self._leave(socket_id, before)
            self._enter(socket_id, cell)
        return before, cell

    def _enter(self, socket_id: SocketId, cell: Cell) -> None:
        self._cells[socket_id] = cell
        self._inside.setdefault(cell, {})[socket_id] = None

    def _leave(self, socket_id: SocketId, cell: Cell) -> None:
        inside = self._inside[cell]
        del inside[socket_id]
        if not inside:
            del self._inside[cell]


def _around(cell: Cell) -> Iterator[Cell]:
    """The 3 x 3 cells whose middle is `cell`. Some may be the same, where a whole number has more
    digits than a float: there no two positions are within a radius of each other.
    """
    column, row = cell
    for x in (column - 1, column, column + 1):
        for y in (row - 1, row, row + 1):
            yield x, y
