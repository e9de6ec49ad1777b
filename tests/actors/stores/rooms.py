"""Records made up for the tests of stores, and the model that stores are held against.

Owns the model: a plain dictionary a room, with the meaning of a record written out once more, so
that a mistake in `Record.absorb` is not on both sides of a comparison.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import strategies as st

from actors.ids import RoomId, SocketId
from actors.records import Record, Row, Spot

ROOM, OTHER, THIRD = map(RoomId, ("lobby", "hall:2", "attic"))

Seen: TypeAlias = tuple[int, int, int, int, dict[SocketId, Row], dict[SocketId, Spot]]
"""All of a room that outlives a run: epoch, version, created, last activity, rows, spots."""


def row(name: str, **changes: Any) -> Row:
    """The row of a player called `name`, with `changes` by the name of the field."""
    fields: dict[str, Any] = {
        "user": f"user-{name}",
        "person": f"person-{name}",
        "display_name": name.title(),
        "attributes": {"colour": "red"},
        "joined": 1_700_000_000_000,
        "seen": 1_700_000_001_000,
        "x": 1.5,
        "y": -2.25,
        "hidden": False,
        "ready": False,
        "serial": 7,
        "oldest_good": 6,
    }
    assert changes.keys() <= fields.keys()
    made: Row = tuple((fields | changes).values())
    return made


def whole(
    room: RoomId = ROOM,
    *names: str,
    rows: Mapping[str, Row] | None = None,
    spots: Mapping[str, Spot] | None = None,
    **numbers: Any,
) -> Record:
    """A whole record of `room`: players `names` with common rows, and `rows` as given."""
    return _record(
        room, True, {name: row(name) for name in names} | dict(rows or {}), spots, numbers
    )


def delta(
    room: RoomId = ROOM,
    rows: Mapping[str, Row | None] | None = None,
    spots: Mapping[str, Spot] | None = None,
    **numbers: Any,
) -> Record:
    """What became different in `room`."""
    return _record(room, False, rows or {}, spots, numbers)


def _record(
    room: RoomId,
    is_whole: bool,
    rows: Mapping[str, Row | None],
    spots: Mapping[str, Spot] | None,
    numbers: Mapping[str, Any],
) -> Record:
    version = numbers.get("version", 1)
    return Record(
        room,
        numbers.get("epoch", 1),
        version,
        numbers.get("created", 1000),
        numbers.get("active", 2000 + version),
        is_whole,
        {SocketId(name): value for name, value in rows.items()},
        {SocketId(name): spot for name, spot in (spots or {}).items()},
        tuple(map(SocketId, numbers.get("recalled", ()))),
    )


def seen(record: Record | None) -> Seen | None:
    """What `load` answered, to be compared; it must be whole."""
    if record is None:
        return None
    assert record.whole
    rows = {}
    for socket_id, value in record.rows.items():
        assert value is not None
        rows[socket_id] = value
    numbers = (record.epoch, record.version, record.created_at_ms, record.last_activity_ms)
    return *numbers, rows, dict(record.spots)


@dataclass
class Model:
    """Rooms as the records say, in the plainest way."""

    rooms: dict[RoomId, Seen] = field(default_factory=dict)

    def apply(self, records: Iterable[Record]) -> None:
        for record in records:
            rows: dict[SocketId, Row] = {}
            spots: dict[SocketId, Spot] = {}
            if not record.whole and record.room_id in self.rooms:
                rows, spots = self.rooms[record.room_id][4:]
                rows, spots = dict(rows), dict(spots)
            for socket_id, value in record.rows.items():
                spots.pop(socket_id, None)
                rows.pop(socket_id, None)
                if value is not None:
                    rows[socket_id] = value
            spots.update((name, spot) for name, spot in record.spots.items() if name in rows)
            self.rooms[record.room_id] = (
                record.epoch,
                record.version,
                record.created_at_ms,
                record.last_activity_ms,
                rows,
                spots,
            )

    def copy(self) -> "Model":
        """As it is now."""
        return Model(dict(self.rooms))


# -- made at random

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(0, 2**53)
coordinates = st.floats(allow_nan=False, allow_infinity=False)
names = st.sampled_from(["A", "b_", "-C", "0", "zzzzzzzzzzzz"]).map(SocketId)
room_ids = st.sampled_from([ROOM, OTHER, THIRD])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | coordinates | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(texts, values, max_size=3)
rows = st.tuples(
    texts,
    texts,
    st.none() | texts,
    attributes,
    numbers,
    numbers,
    coordinates,
    coordinates,
    st.booleans(),
    st.booleans(),
    numbers,
    numbers,
)
spots = st.tuples(coordinates, coordinates, numbers)


@st.composite
def records(draw: st.DrawFn, rooms: st.SearchStrategy[RoomId] = room_ids) -> Record:
    """A record such as a room makes: a whole one has no gaps, and spots only of its players."""
    is_whole = draw(st.booleans())
    seats = draw(st.dictionaries(names, rows if is_whole else st.none() | rows, max_size=4))
    moved = draw(st.dictionaries(names, spots, max_size=2))
    if is_whole:
        moved = {name: spot for name, spot in moved.items() if name in seats}
    recalled = draw(st.lists(names, max_size=1))
    room, epoch, version = draw(rooms), draw(st.integers(1, 9)), draw(numbers)
    created, active = draw(numbers), draw(numbers)
    return Record(
        room, epoch, version, created, active, is_whole, dict(seats), moved, tuple(recalled)
    )
