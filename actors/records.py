"""What is kept of a room, as plain values. PURE: no clock, no disk, no actor.

Owns the form in which rooms outlive their actors. A record says how a room is after some step:
whole, or only what became different. Records of one room absorb each other in order, the newest
value of each player wins, and absorbing one twice changes nothing. So a queue of records may be
merged at any time, and a journal may be replayed over a state that has some of it already.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from actors.ids import RoomId, SocketId, UserId
from actors.players import Coordinate, Motion, Player
from actors.room_rules import PLAIN, RoomRules

Row: TypeAlias = tuple[
    str, str, str | None, Mapping[str, object], int, int, Coordinate, Coordinate, bool, bool, int,
    int,
]  # fmt: skip
"""One seated player: shown user, person, display name, attributes, joined and last seen (Unix ms),
x, y, whether the position is hidden, whether ready, newest token's number, oldest good one's. A
bare tuple, since one is made for each change and encoded as an array."""
ROW_FIELDS: Final = 12

Spot: TypeAlias = tuple[Coordinate, Coordinate, int]
"""Where a player is: x, y, last seen (Unix ms)."""


class Stamp(NamedTuple):
    """When a player was seated, in the store's own count: which run of a server on its data, and
    which batch of writes. A run's batches with a number up to its newest durable one are kept.
    """

    run: int
    mark: int


LONG_KEPT: Final = Stamp(0, 0)
"""Of a player whom the store gave back: there is no run 0, so this never counts as missing."""


@dataclass(init=False, slots=True)
class Record:
    """How `room_id` is as of `version`. Not `whole`: `rows` are the players that became different
    (None: gone), and what is not named is as before. `spots` are positions newer than the rows.
    `recalled` are those seated here by their tokens alone, in the run that writes the record.
    `rules` are the room's; None in a whole record: it has none.
    """

    room_id: RoomId
    epoch: int
    version: int
    created_at_ms: int
    last_activity_ms: int
    whole: bool
    rows: dict[SocketId, Row | None]
    spots: dict[SocketId, Spot]
    recalled: tuple[SocketId, ...]
    rules: RoomRules | None

    def __init__(
        self,
        room_id: RoomId,
        epoch: int,
        version: int,
        created_at_ms: int,
        last_activity_ms: int,
        whole: bool,
        rows: dict[SocketId, Row | None],
        spots: dict[SocketId, Spot] | None = None,
        recalled: tuple[SocketId, ...] = (),
        rules: RoomRules | None = None,
    ) -> None:
        self.room_id = room_id
        self.epoch = epoch
        self.version = version
        self.created_at_ms = created_at_ms
        self.last_activity_ms = last_activity_ms
        self.whole = whole
        self.rows = rows
        self.spots = {} if spots is None else spots
        self.recalled = recalled
        self.rules = rules

    @property
    def is_bare(self) -> bool:
        """Of a whole record: nobody is there, and no rule has to be kept."""
        return not self.rows and (self.rules is None or self.rules == PLAIN)

    def absorb(self, newer: "Record") -> None:
        """Become what `self` and then `newer` say. O(rows of `newer`); `newer` stays as it is."""
        self.epoch, self.version = newer.epoch, newer.version
        self.created_at_ms = newer.created_at_ms
        self.last_activity_ms = newer.last_activity_ms
        self.recalled += newer.recalled
        if newer.whole or newer.rules is not None:
            self.rules = newer.rules
        if newer.whole:
            self.whole = True
            self.rows, self.spots = dict(newer.rows), dict(newer.spots)
            return
        rows, spots = self.rows, self.spots
        for socket_id, row in newer.rows.items():
            spots.pop(socket_id, None)
            if row is None and self.whole:
                rows.pop(socket_id, None)
            else:
                rows[socket_id] = row
        if not rows:
            rows.clear()  # else the space of those who were there stays
        for socket_id, spot in newer.spots.items():
            if not self.whole or socket_id in rows:
                spots[socket_id] = spot


def row_of(player: Player, person: str, serial: int, oldest_good_serial: int) -> Row:
    """The row of `player` as it is now."""
    motion = player.motion
    return (
        player.user_id,
        person,
        player.display_name,
        player.attributes,
        player.joined_at_ms,
        motion.last_seen_ms,
        motion.x,
        motion.y,
        player.hide_position,
        player.is_ready,
        serial,
        oldest_good_serial,
    )


def spot_of(player: Player) -> Spot:
    """Where `player` is now."""
    motion = player.motion
    return motion.x, motion.y, motion.last_seen_ms


@dataclass(init=False, slots=True, unsafe_hash=True)
class Kept:
    """A player as the store has it: seated, and without a connection."""

    player: Final[Player]
    person: Final[str]
    serial: Final[int]
    oldest_good_serial: Final[int]

    def __init__(self, player: Player, person: str, serial: int, oldest_good_serial: int) -> None:
        self.player = player
        self.person = person
        self.serial = serial
        self.oldest_good_serial = oldest_good_serial


def kept_in(record: Record) -> Iterator[Kept]:
    """The players of a whole record."""
    for socket_id, row in record.rows.items():
        if row is None:
            continue
        user_id, person, display_name, attributes, joined_ms, seen_ms, x, y, *rest = row
        hidden, ready, serial, oldest_good = rest
        x, y, seen_ms = record.spots.get(socket_id, (x, y, seen_ms))
        player = Player(
            socket_id,
            UserId(user_id),
            display_name,
            attributes,
            joined_ms,
            Motion(x, y, seen_ms),
            bool(hidden),
            bool(ready),
            connected=False,
        )
        yield Kept(player, person, int(serial), int(oldest_good))


def vacant(room_id: RoomId) -> Record:
    """A room of which nothing is known yet, to absorb what is."""
    return Record(room_id, 0, 0, 0, 0, True, {})


def merged(records: Iterable[Record]) -> dict[RoomId, Record]:
    """One record a room, of `records` in their order. The first of each room is changed."""
    by_room: dict[RoomId, Record] = {}
    for record in records:
        known = by_room.get(record.room_id)
        if known is None:
            by_room[record.room_id] = record
        else:
            known.absorb(record)
    return by_room
