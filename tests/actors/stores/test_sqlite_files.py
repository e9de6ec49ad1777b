"""The SQLite store's file: whose it is, who may read it, and what becomes of a broken one.

Nothing that was not written by this server is ever changed, and nothing at all is deleted.
"""

import re
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from actors.stores import schema, sqlite_opening
from actors.stores.port import Batch, StoreDamaged, StoreFault, StoreUnusable
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.damage import aside, contents, filled, smash, sql
from tests.actors.stores.places import NOW_MS, Run, folding, killed, tiny
from tests.actors.stores.rooms import OTHER, ROOM, whole

STAMP = "20250615T150640"
"""`NOW_MS` in a file's name."""


def plain(folder: Path) -> SqliteStore:
    """One that never folds here."""
    return SqliteStore(folder, flush=False)


# -- somebody else's


@pytest.mark.rule("P5.2")
@pytest.mark.parametrize(
    "statements",
    [
        "PRAGMA application_id = 42; CREATE TABLE songs (title)",
        "PRAGMA application_id = 42",
        "CREATE TABLE songs (title); INSERT INTO songs VALUES ('la')",
        "CREATE TABLE facts (name, value); PRAGMA user_version = 1",
    ],
)
def test_a_database_of_another_program_is_left_alone(statements: str, tmp_path: Path) -> None:
    """By its owner's number, or by having tables without one; not a byte of it changes."""
    path = tmp_path / FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
    before = path.read_bytes()
    store = plain(tmp_path)
    with pytest.raises(StoreUnusable, match="another program") as raised:
        store.open(NOW_MS)
    store.close()
    assert str(path) in str(raised.value)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.rule("P5.2")
def test_a_database_of_a_newer_server_is_left_alone(tmp_path: Path) -> None:
    """The message names both versions."""
    filled(tmp_path, folding, 3)
    newer = schema.VERSION + 6
    sql(tmp_path, f"PRAGMA user_version = {newer}")
    before = (tmp_path / FILE_NAME).read_bytes()
    store = plain(tmp_path)
    with pytest.raises(StoreUnusable, match=f"schema {newer}.* at most {schema.VERSION}"):
        store.open(NOW_MS)
    store.close()
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert aside(tmp_path) == []


@pytest.mark.rule("P5.8")
def test_a_folder_that_is_a_file_is_unusable_and_named(tmp_path: Path) -> None:
    """So is one that does not exist; neither is made into one."""
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(StoreUnusable, match=re.escape(str(folder))):
            plain(folder).open(NOW_MS)
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_in_the_files_place_is_unusable(tmp_path: Path) -> None:
    """And stays where it is."""
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreUnusable):
        plain(tmp_path).open(NOW_MS)
    assert (tmp_path / FILE_NAME).is_dir()


# -- ours


@pytest.mark.rule("P5.5")
def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    """The database and its companions, from the first write on."""
    run = Run(lambda: tiny(tmp_path))
    run.write(whole(ROOM, "A"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    run.store.close()
    assert modes == dict.fromkeys((FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"), 0o600)


@pytest.mark.parametrize("name", ["a b", "what?mode=rw", "a#b", "50%41", "é:ü"])
def test_any_name_of_a_folder_will_do(name: str, tmp_path: Path) -> None:
    """Also one that means something in an address; nothing is made beside it."""
    folder = tmp_path / name
    folder.mkdir()
    run = Run(lambda: tiny(folder))
    run.write(whole(ROOM, "A"))
    assert run.reopen().remarks == ()
    assert run.load(ROOM) is not None
    run.store.close()
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert [found.name for found in folder.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(("flush", "level"), [(True, 2), (False, 1)])
def test_flush_says_whether_a_write_waits_for_the_disk(
    flush: bool, level: int, tmp_path: Path
) -> None:
    """FULL or NORMAL, both in WAL mode."""
    store = SqliteStore(tmp_path, flush=flush)
    store.open(NOW_MS)
    connection = store._connection
    assert connection is not None
    assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_after_close_everything_is_refused(tmp_path: Path) -> None:
    """With a fault that says so, not with an error of the library."""
    run = Run(lambda: tiny(tmp_path))
    run.write(whole(ROOM, *"ABCDEFGHIJK"))
    run.store.close()
    for work in (
        lambda: run.write(whole(OTHER, "A")),
        lambda: run.store.load(ROOM),
        run.store.settle,
        run.store.tidy,
    ):
        with pytest.raises(StoreFault, match="closed"):
            work()
    run.reopen()
    assert run.load(OTHER) is None
    assert run.load(ROOM) is not None
    run.store.close()


# -- broken


@pytest.mark.rule("P5.3")
@pytest.mark.parametrize(
    "garbage", [b"hello", b"x" * 99, b"x" * 9000, b"\0" * 5000, b"SQLite format 3\0" + b"x" * 999]
)
def test_a_file_that_is_no_database_is_set_aside(garbage: bytes, tmp_path: Path) -> None:
    """Under a name with the time, unchanged and named in a remark; a fresh store opens."""
    (tmp_path / FILE_NAME).write_bytes(garbage)
    run = Run(lambda: plain(tmp_path))
    name = f"{FILE_NAME}.corrupt-{STAMP}"
    assert (tmp_path / name).read_bytes() == garbage
    (remark,) = run.opened.remarks
    assert name in remark
    assert str(tmp_path / FILE_NAME) in remark
    run.write(whole(ROOM, "A"))
    assert run.reopen().remarks == ()
    assert run.load(ROOM) is not None
    assert len(aside(tmp_path)) == 1
    run.store.close()


@pytest.mark.rule("P5.3")
def test_two_broken_files_within_a_second_get_two_names(tmp_path: Path) -> None:
    """Neither takes the other's place."""
    garbage = [b"first" * 99, b"second" * 99, b"third" * 99]
    for content in garbage:
        (tmp_path / FILE_NAME).write_bytes(content)
        store = plain(tmp_path)
        assert len(store.open(NOW_MS).remarks) == 1
        store.close()
    assert [path.read_bytes() for path in aside(tmp_path)] == garbage


@pytest.mark.rule("P5.3")
@pytest.mark.parametrize("make", [plain, folding])
def test_damaged_pages_are_found_at_the_start(
    make: Callable[[Path], SqliteStore], tmp_path: Path
) -> None:
    """In the journal or in the rooms; the file is set aside as it is."""
    filled(tmp_path, make)
    smashed = smash(tmp_path / FILE_NAME, 20)
    run = Run(lambda: make(tmp_path))
    assert [path.read_bytes() for path in aside(tmp_path)] == [smashed]
    assert len(run.opened.remarks) == 1
    assert run.load(ROOM) is None
    run.write(whole(ROOM, "A"))
    assert run.reopen().remarks == ()
    assert run.load(ROOM) is not None
    run.store.close()


@pytest.mark.rule("P5.3")
def test_a_damaged_file_is_set_aside_with_what_was_not_yet_in_it(tmp_path: Path) -> None:
    """The journal of SQLite goes with it: not a byte of either is lost or changed."""
    live = tmp_path / "live"
    live.mkdir()
    filled(live, folding)
    run = Run(lambda: folding(live))
    run.write(whole(ROOM, "A"))
    folder = killed(live, tmp_path / "killed")
    run.store.close()
    smash(folder / FILE_NAME, 60)
    names = (FILE_NAME, f"{FILE_NAME}-wal")
    before = contents(folder, names)
    assert len(before) == 2
    store = plain(folder)
    assert len(store.open(NOW_MS).remarks) == 1
    store.close()
    moved = f"{FILE_NAME}.corrupt-{STAMP}"
    assert contents(folder, (moved, f"{moved}-wal")) == {
        name.replace(FILE_NAME, moved): content for name, content in before.items()
    }


@pytest.mark.rule("P5.3")
def test_damage_in_the_journal_of_a_large_file_costs_that_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found while the journal is read; the fresh file is then kept by the next start."""
    monkeypatch.setattr(sqlite_opening, "_CHECKED_BYTES_MAX", 0)
    filled(tmp_path, plain)
    smashed = smash(tmp_path / FILE_NAME, 30)
    run = Run(lambda: plain(tmp_path))
    assert [path.read_bytes() for path in aside(tmp_path)] == [smashed]
    run.write(whole(ROOM, "A"))
    assert run.reopen().remarks == ()
    assert run.load(ROOM) is not None
    assert len(aside(tmp_path)) == 1
    run.store.close()


@pytest.mark.rule("P5.3")
@pytest.mark.parametrize("wrote", [True, False])
def test_damage_that_is_found_by_a_load_is_set_aside_by_the_next_start(
    wrote: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file is too large to be read through; whether or not this run wrote before."""
    monkeypatch.setattr(sqlite_opening, "_CHECKED_BYTES_MAX", 0)
    rooms = filled(tmp_path, folding)
    ((tables_end,),) = sql(tmp_path, "SELECT max(rootpage) FROM sqlite_master")
    smash(tmp_path / FILE_NAME, tables_end)
    run = Run(lambda: folding(tmp_path))
    assert run.opened.remarks == ()
    if wrote:
        run.write(whole(ROOM, "A"))
    with pytest.raises(StoreDamaged):
        run.rooms(rooms)
    assert len(run.reopen().remarks) == 1
    assert len(aside(tmp_path)) == 1
    assert run.load(rooms[0]) is None
    run.write(whole(ROOM, "A"))
    assert run.reopen().remarks == ()
    assert run.load(ROOM) is not None
    run.store.close()


@pytest.mark.rule("P5.3")
@pytest.mark.parametrize("value", [b"{x", b"[]", b"\xff\xfe"])
@pytest.mark.parametrize("fact", ["gaps", "run", "rooms", "mark", "epoch"])
def test_a_fact_that_cannot_be_read_is_damage(fact: str, value: bytes, tmp_path: Path) -> None:
    """It is said and something is set aside: no other error ends a start."""
    filled(tmp_path, folding, 3)
    sql(tmp_path, "UPDATE facts SET value = cast(? AS TEXT) WHERE name = ?", value, fact)
    store = plain(tmp_path)
    opened = store.open(NOW_MS)
    assert opened.remarks
    store.write(Batch(1, [whole(ROOM, "A")]))
    store.close()


@pytest.mark.rule("G4.3")
def test_a_run_is_flushed_as_it_begins_also_where_writes_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a loss of power its number and its epochs must not come again."""
    told: list[str] = []

    def traced(path: Path) -> sqlite3.Connection:
        connection = sqlite_opening.connect(path)
        connection.set_trace_callback(told.append)
        (level,) = connection.execute("PRAGMA synchronous").fetchone()
        assert level == 2, "full"
        return connection

    monkeypatch.setattr("actors.stores.sqlite.connect", traced)
    with closing(SqliteStore(tmp_path, flush=False)) as store:
        store.open(NOW_MS)
        assert told.index("COMMIT") < told.index("PRAGMA synchronous = NORMAL")
    told.clear()
    with closing(SqliteStore(tmp_path, flush=True)) as store:
        store.open(NOW_MS)
    assert not [each for each in told if "synchronous = " in each]
