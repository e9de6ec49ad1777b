"""A store that has lived, full of words that only rooms and people have, and where they are found.

Owns the words, the keys that the tests of sealing are about, and what such a store went through.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

from actors.ids import RoomId
from actors.records import Record, Row
from actors.sealing import Seal, key_id
from actors.stores.sqlite import FILE_NAME, SqliteStore
from actors.stores.sqlite_opening import seal_of as said_of
from tests.actors.stores.damage import sql
from tests.actors.stores.places import Run, folding, key, seal_of
from tests.actors.stores.rooms import Model, delta, row, whole

CANARIES = (b"CanaryRoom", b"CanaryUser", b"CanaryName", b"CanaryHue", b"CanarySocket")
ROOMS = [RoomId(f"CanaryRoom-{number}") for number in range(10)]
ONE, TWO, BOTH = seal_of(1), seal_of(2), seal_of(2, 1)
FIRST, SECOND = key_id(key(1)), key_id(key(2))


def player(name: str, version: int) -> Row:
    """One with canaries in all its words."""
    user, hue = f"CanaryUser-{name}", {"CanaryHue": f"CanaryHue-{name}"}
    words = {"user": user, "person": user, "display_name": f"CanaryName-{name}"}
    return row(name, **words, attributes=hue, serial=version)


def room_with(number: int, version: int = 1) -> Record:
    """The room of that number, with two players."""
    rows = {f"CanarySocket-{name}": player(name, version) for name in "AB"}
    return whole(ROOMS[number], rows=rows, version=version, recalled=["CanarySocket-A"])


def found_in(folder: Path) -> set[bytes]:
    """The canaries that are in any byte of any file of the folder."""
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return {word for word in CANARIES if word in everything}


def lived(folder: Path, seal: Seal | None) -> Model:
    """Leave a store in which rooms are in rows, in the journal, deleted and set aside."""
    folder.mkdir()
    model, records = Model(), [room_with(number) for number in range(8)]
    model.apply(records)
    run = Run(lambda: folding(folder, seal))
    run.write(*records)
    run.tidy()
    run.store.close()
    run = Run(lambda: SqliteStore(folder, flush=False, seal=seal))
    later: list[Record] = [room_with(8), delta(ROOMS[0], {"CanarySocket-B": None}, version=2)]
    model.apply(later)
    run.write(*later)
    run.store.close()
    if seal is None:
        place = f"room {ROOMS[9]}"
        sql(folder, "INSERT INTO set_aside VALUES (1, 5, ?, x'5b78')", place)
        sql(folder, "INSERT INTO set_aside VALUES (2, 5, 'journal 3', ?)", b"[CanaryUser-Z")
    return model


def steps(store: SqliteStore) -> Iterator[int]:
    """Tidy, one step after the other."""
    for step in count():
        yield step
        if not store.tidy():
            return
        assert step < 1000


def checks_of(folder: Path) -> Mapping[str, str]:
    """The keys that the file says it needs."""
    sealed = said_of(folder / FILE_NAME)
    assert sealed is not None
    return sealed.checks
