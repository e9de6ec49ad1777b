"""Visits to all rows of a store: after one no byte is about a person, or rooms are gone."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from actors.ids import RoomId, SocketId
from actors.room_rules import Ban, RoomRules
from actors.sealing import Seal
from actors.stores import sqlite
from actors.stores.erasing import Erasing, Expiring
from actors.stores.port import StoreFault
from actors.stores.sqlite import FILE_NAME, SqliteStore
from actors.stores.sqlite_opening import connect
from tests.actors.stores.canaries import CANARIES, ONE, ROOMS, TWO, found_in, player, room_with
from tests.actors.stores.damage import sql
from tests.actors.stores.places import NOW_MS, Run, folding, killed, seal_of, tiny
from tests.actors.stores.rooms import delta, row, whole

ANN: Final = "CanaryUser-A"
PSEUDONYM: Final = "anon-canary"
WORDS: Final = (b"CanaryUser-A", b"CanaryName-A", b"CanaryHue-A", PSEUDONYM.encode())
B: Final = SocketId("CanarySocket-B")
FORMS: Final[dict[str, Callable[[Path], SqliteStore]]] = {
    "clear": lambda folder: SqliteStore(folder, flush=False),
    "clear tiny": tiny,
    "clear folding": folding,
    "sealed": lambda folder: SqliteStore(folder, flush=False, seal=ONE),
    "sealed folding": lambda folder: folding(folder, ONE),
}


def words_in(folder: Path) -> set[bytes]:
    """What is about the person in any byte of the folder."""
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return {word for word in WORDS if word in everything}


def store_of(run: Run) -> SqliteStore:
    """The store of a run, which is one in a file."""
    assert isinstance(run.store, SqliteStore)
    return run.store


def erasing(store: SqliteStore, person: str = ANN) -> Erasing:
    """A visit that is about to begin."""
    return Erasing(store, person, lambda room_id: PSEUDONYM)


def visit(store: SqliteStore, visitor: Erasing | Expiring) -> int:
    """To its end; in how many steps."""
    steps = 1
    while store.visit(visitor.step):
        steps += 1
        assert steps < 1000
    return steps


def lived(make: Callable[[], SqliteStore]) -> Run:
    """A store in whose rows, journal and free pages, and beside them, the person is. B is, too."""
    run = Run(make)
    records = [room_with(number) for number in range(8)]
    for record in records[:2]:
        record.rules = RoomRules(
            ANN, allow=frozenset({ANN}), bans=MappingProxyType({PSEUDONYM: Ban(PSEUDONYM)})
        )
    run.write(*records)
    run.tidy()
    run.reopen()
    run.write(delta(ROOMS[0], {"CanarySocket-A": player("A", 2)}, version=2))
    run.write(room_with(8), delta(ROOMS[1], {"CanarySocket-A": None}, version=3))
    run.write(delta(ROOMS[2], {"CanarySocket-B": player("B", 5)}, version=4))
    return run


@pytest.mark.rule("T5.3")
@pytest.mark.parametrize("form", FORMS)
def test_no_byte_of_the_files_is_about_the_person_any_more(form: str, tmp_path: Path) -> None:
    """Rows, journal, free pages and SQLite's own journal; the others are as they were, now and in
    the next run.
    """
    run = lived(partial(FORMS[form], tmp_path))
    if "clear" in form:
        assert words_in(tmp_path) == set(WORDS)
    before = run.rooms(ROOMS)
    visitor = erasing(store_of(run))
    visit(store_of(run), visitor)
    assert words_in(tmp_path) == set()
    found = visitor.forgotten
    assert {room_id for room_id, _ in found.seats} >= {*ROOMS[:9]} - {ROOMS[1]}
    assert {part for _, part in found.rules} == {"owner", "allow", "ban"}
    assert found.unreadable == 0
    for _ in "now and then":
        after = run.rooms(ROOMS)
        assert after.keys() == before.keys()
        for room_id, (*numbers, rows, _) in after.items():
            assert B in rows
            assert rows == {key: one for key, one in before[room_id][4].items() if key == B}
            assert numbers == list(before[room_id][:4])
        run.reopen()
    if "clear" in form:
        assert found_in(tmp_path) == set(CANARIES)
    run.store.close()
    assert words_in(tmp_path) == set()


@pytest.mark.rule("T5.3")
def test_what_was_deleted_before_anybody_cared_goes_as_well(tmp_path: Path) -> None:
    """An earlier server left it in the free pages of the file."""
    run = lived(lambda: folding(tmp_path))
    run.tidy()
    run.store.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as earlier:
        earlier.execute("PRAGMA secure_delete = OFF")
        earlier.execute("DELETE FROM rooms")
    assert words_in(tmp_path)
    run = Run(lambda: folding(tmp_path))
    visit(store_of(run), erasing(store_of(run)))
    assert words_in(tmp_path) == set()
    run.store.close()


@pytest.mark.rule("T5.8")
@pytest.mark.parametrize("form", ["clear tiny", "sealed folding"])
def test_killed_after_any_step_it_can_be_done_again(form: str, tmp_path: Path) -> None:
    """Nothing of the others is lost by that, and nothing of the person is left in the end."""
    (tmp_path / "first").mkdir()
    run = lived(partial(FORMS[form], tmp_path / "first"))
    before = run.rooms(ROOMS)
    visitor, steps = erasing(store_of(run)), 0
    going = True
    while going:
        going = store_of(run).visit(visitor.step)
        steps += 1
        left = killed(tmp_path / "first", tmp_path / f"after-{steps}")
        again = Run(partial(FORMS[form], left))
        visit(store_of(again), erasing(store_of(again)))
        assert words_in(left) == set()
        rooms = again.rooms(ROOMS)
        assert {key: set(room[4]) for key, room in rooms.items()} == {
            key: {"CanarySocket-B"} for key in before
        }
        again.store.close()
    assert steps > 4
    run.store.close()


@pytest.mark.rule("T5.3")
def test_what_was_set_aside_goes_as_a_whole(tmp_path: Path) -> None:
    """Nobody can look through it."""
    run = lived(lambda: folding(tmp_path))
    sql(tmp_path, "INSERT INTO set_aside VALUES (1, 5, 'journal 3', ?)", b"[CanaryUser-A")
    visitor = erasing(store_of(run))
    visit(store_of(run), visitor)
    assert visitor.forgotten.set_aside == 1
    assert words_in(tmp_path) == set()
    run.store.close()


@pytest.mark.rule("T5.6")
def test_nobody_is_seated_by_a_token_of_a_run_before(tmp_path: Path) -> None:
    """Also after a further start, which knows nothing of the erasure."""
    run = lived(lambda: folding(tmp_path))
    assert run.opened.gaps
    visit(run.store, erasing(run.store))  # type: ignore[arg-type]
    opened = run.reopen()
    assert len(opened.gaps) == 1, "that of the run that erased: all of it is known"
    assert opened.recalled == {}
    run.store.close()


@pytest.mark.rule("T5.7")
def test_rows_that_cannot_be_read_are_counted_and_left(tmp_path: Path) -> None:
    """Of those nobody knows whom they name."""
    run = lived(lambda: folding(tmp_path, ONE))
    run.tidy()
    turned = (
        "UPDATE rooms SET body = substr(body, 1, 40) || 'AAAA' || substr(body, 45)"
        " WHERE rowid IN (SELECT rowid FROM rooms ORDER BY rowid DESC LIMIT 2)"
    )
    sql(tmp_path, turned)
    visitor = erasing(store_of(run))
    visit(store_of(run), visitor)
    assert visitor.forgotten.unreadable == 2
    run.store.close()


@pytest.mark.rule("T5.9")
def test_a_reader_of_an_older_state_keeps_it_from_its_end(tmp_path: Path) -> None:
    """What he reads has the person: it is said, and done when he is gone."""
    run = lived(lambda: folding(tmp_path))
    visitor = erasing(store_of(run))
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM rooms").fetchone()
        with pytest.raises(StoreFault, match=r"reads it|locked"):
            visit(store_of(run), visitor)
    visit(store_of(run), visitor)
    assert words_in(tmp_path) == set()
    run.store.close()


@pytest.mark.rule("T5.3", "T3.6")
@pytest.mark.parametrize("seal", [ONE, TWO], ids=["sealing", "sealing anew"])
def test_a_store_that_is_being_sealed_is_sealed_first(seal: Seal, tmp_path: Path) -> None:
    """Its rows are numbered anew at the end of both."""
    before = None if seal is ONE else ONE
    run = lived(lambda: folding(tmp_path, before))
    run.store.close()
    run = Run(lambda: folding(tmp_path, seal if seal is ONE else seal_of(2, 1)))
    store = run.store
    assert isinstance(store, SqliteStore)
    assert store.sealing.under_way
    visitor = erasing(store)
    visit(store, visitor)
    assert store.sealing.is_whole
    assert len(visitor.forgotten.seats) >= 8
    assert words_in(tmp_path) == set()
    store.close()


# -- ages


OLD: Final = NOW_MS - 10


@pytest.mark.rule("T5.1")
@pytest.mark.parametrize("form", FORMS)
def test_rooms_that_nobody_has_touched_are_removed_and_no_others(form: str, tmp_path: Path) -> None:
    """Not those that are open, that are newer, or of which there is news that is not folded."""
    run = Run(partial(FORMS[form], tmp_path))
    names = [RoomId(f"room-{number}") for number in range(300)]
    run.write(*(whole(name, "A", active=OLD - 1 + number % 2) for number, name in enumerate(names)))
    run.store.tidy()
    run.store.close()
    run = Run(lambda: folding(tmp_path, ONE if "sealed" in form else None))
    run.write(whole(RoomId("fold"), active=NOW_MS))
    run.tidy()
    run.store.close()
    sql(tmp_path, "INSERT INTO set_aside VALUES (1, ?, 'a', x'5b78')", OLD - 1)
    sql(tmp_path, "INSERT INTO set_aside VALUES (2, ?, 'b', x'5b78')", OLD)
    run = Run(lambda: SqliteStore(tmp_path, flush=False, seal=ONE if "sealed" in form else None))
    run.write(delta(names[2], {"B": row("B")}, active=OLD - 5))
    store = run.store
    assert isinstance(store, SqliteStore)
    visitor = Expiring(store, OLD, lambda room_id: room_id == names[0])
    assert visit(store, visitor) >= 3, "a few rows at a time"
    going = {name for number, name in enumerate(names) if number % 2 == 0} - {names[0], names[2]}
    assert (visitor.rooms, visitor.set_aside) == (len(going), 1)
    for _ in "now and then":
        assert {name for name in names if run.load(name) is None} == going
        run.reopen()
    ((rooms,),) = sql(tmp_path, "SELECT value FROM facts WHERE name = 'rooms'")
    assert int(rooms) == len(names) + 1 - len(going)
    run.store.close()


@pytest.mark.rule("T5.1")
def test_no_byte_of_a_room_that_was_removed_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in free pages nor in SQLite's own journal, whatever SQLite was built to do."""

    def connected(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA secure_delete = OFF")
        return connection

    monkeypatch.setattr(sqlite, "connect", connected)
    run = lived(lambda: folding(tmp_path))
    run.tidy()
    run.reopen()
    run.write(whole(RoomId("kept"), "Z", active=NOW_MS))
    run.tidy()
    assert found_in(tmp_path) == set(CANARIES)
    visit(store_of(run), Expiring(store_of(run), NOW_MS, lambda room_id: False))
    assert run.load(RoomId("kept")) is not None
    assert found_in(tmp_path) == {b"CanarySocket"}, "of those whom tokens have seated"
    run.store.settle()
    run.store.close()
    assert found_in(tmp_path) == set()
