"""Every version of the schema that was ever written still opens, with all that is in it.

`schemas/N.sql` is a file of version N as it was left by a server that was killed: rooms in their
rows, a journal that was not folded, facts. A new version brings a new file, and the old ones stay.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from actors.ids import RoomId, SocketId
from actors.recall import Recall
from actors.records import Stamp
from actors.stores import schema
from actors.stores.port import StoreFault
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.damage import sql
from tests.actors.stores.places import NOW_MS, Run
from tests.actors.stores.rooms import Seen, row

SCHEMAS = Path(__file__).with_name("schemas")
FIXTURES = {int(path.stem): path for path in SCHEMAS.glob("*.sql")}
LOBBY, HALL, ATTIC, EMPTY = map(RoomId, ("lobby", "hall:2", "attic", "empty"))
A, B, C, D = map(SocketId, "ABCD")
ZOE = {
    "display_name": "Zoë 🦊",
    "attributes": {"n": 2**63, "nested": {"list": [1.5, None, True, "\u0000"]}},
    "hidden": True,
    "ready": True,
}
RUN = 1_700_000_500
"""The one that was killed; it had recalled D."""
ROOMS: dict[RoomId, Seen] = {
    LOBBY: (
        3,
        9,
        1000,
        2009,
        {A: row("A", **ZOE), C: row("C"), D: row("D", ready=True)},
        {A: (7.5, 8.0, 1_700_000_009_000)},
    ),
    HALL: (2, 4, 1000, 2004, {B: row("B")}, {B: (-1.0, 0.5, 1_700_000_002_000)}),
    ATTIC: (4, 1, 1000, 2001, {A: row("A")}, {}),
    EMPTY: (1, 6, 1000, 2006, {}, {}),
}
"""What every fixture holds. In rows: lobby (A, B, C), hall:2, empty. In the journal: lobby's B left
and D came, A moved; attic, which is new."""

GROWS = (
    "ALTER TABLE rooms ADD COLUMN hue TEXT NOT NULL DEFAULT 'none'",
    "UPDATE rooms SET hue = 'blue' WHERE room = 'lobby'",
)
STEPS = (*schema.MIGRATIONS, GROWS)
"""All that there are, and one to come."""


def laid_out(version: int, folder: Path) -> Path:
    """The fixture of `version` as a file in `folder`."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.executescript(FIXTURES[version].read_text("utf-8"))
    return folder


def dump_of(folder: Path) -> list[str]:
    """All that is in the file."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """To a file of the first version, as the store connects."""
    with closing(
        sqlite3.connect(laid_out(1, tmp_path) / FILE_NAME, isolation_level=None)
    ) as connection:
        yield connection


def test_there_is_a_file_of_every_version() -> None:
    """From the first to the newest."""
    assert sorted(FIXTURES) == list(range(1, schema.VERSION + 1))


@pytest.mark.rule("P5.7")
@pytest.mark.parametrize("version", FIXTURES)
def test_a_file_of_every_version_opens_with_all_its_rooms(version: int, tmp_path: Path) -> None:
    """Before and after the journal is folded, and in the runs after it."""
    laid_out(version, tmp_path)
    run = Run(lambda: SqliteStore(tmp_path, flush=False, journal_bytes_max=1))
    opened = run.opened
    assert (opened.mark, opened.epoch) == (8, NOW_MS)
    assert opened.run == NOW_MS // 1000
    assert dict(opened.gaps) == {1_700_000_000: 5, RUN: 8}
    # Version 1 does not say in which run: all tokens that there are stay spent.
    assert opened.recalled == {D: RUN + 1 if version == 1 else RUN}
    brought = f"{tmp_path / FILE_NAME} was brought to version {schema.VERSION}"
    assert opened.remarks == ((brought,) if version != schema.VERSION else ())
    assert run.rooms(ROOMS) == ROOMS
    run.tidy()
    assert run.rooms(ROOMS) == ROOMS
    assert sql(tmp_path, "SELECT count(*) FROM journal") == [(0,)]
    run.reopen()
    assert run.rooms(ROOMS) == ROOMS
    assert sql(tmp_path, "SELECT at_ms, place, body FROM set_aside") == [(5, "room cellar", b"[x")]
    run.store.close()


@pytest.mark.parametrize("version", FIXTURES)
def test_a_file_of_every_version_becomes_like_a_fresh_one(version: int, tmp_path: Path) -> None:
    """The same tables, and the same two numbers in its header."""
    shapes = []
    for name in ("old", "fresh"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "old":
            laid_out(version, folder)
        Run(lambda folder=folder: SqliteStore(folder, flush=False)).store.close()  # type: ignore[misc]
        shapes.append(
            [
                sql(folder, "SELECT type, name, sql FROM sqlite_master ORDER BY name"),
                sql(folder, "PRAGMA user_version"),
                sql(folder, "PRAGMA application_id"),
            ]
        )
    assert shapes[0] == shapes[1]
    assert shapes[0][1:] == [[(schema.VERSION,)], [(schema.APPLICATION_ID,)]]


# -- the way from one version to the next


def test_an_empty_file_goes_through_every_version() -> None:
    """And one that is at the newest goes nowhere."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        assert schema.is_empty(connection)
        assert schema.version_of(connection) == schema.owner_of(connection) == 0
        assert schema.migrate(connection) == list(range(1, schema.VERSION + 1))
        assert schema.owner_of(connection) == schema.APPLICATION_ID
        assert schema.migrate(connection) == []
        assert not schema.is_empty(connection)


def test_a_migration_keeps_all_that_was_there(connection: sqlite3.Connection) -> None:
    """Several are done one after the other."""
    before = connection.execute("SELECT room, checksum, body FROM rooms ORDER BY room").fetchall()
    more = (*STEPS, ("CREATE TABLE later (a)",))
    assert schema.migrate(connection, more) == list(range(2, len(more) + 1))
    assert schema.version_of(connection) == len(more)
    after = connection.execute("SELECT * FROM rooms ORDER BY room").fetchall()
    assert [row[:3] for row in after] == before
    assert [row[3] for row in after if row[0] == LOBBY] == ["blue"]


@pytest.mark.parametrize(
    ("version", "at"),
    [(version, at) for version in FIXTURES for at in range(len(STEPS[version]) + 1)],
)
def test_a_migration_that_fails_leaves_the_version_before_it(
    version: int, at: int, tmp_path: Path
) -> None:
    """Whole, whichever statement fails; a migration before it stays done."""
    laid_out(version, tmp_path)
    broken = [*STEPS[version]]
    broken.insert(at, "INSERT INTO nowhere VALUES (1)")
    before = dump_of(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.Error, match="nowhere"):
            schema.migrate(connection, (*STEPS[:version], tuple(broken)))
        assert not connection.in_transaction
        assert schema.version_of(connection) == version
        assert dump_of(tmp_path) == before
        steps = (*STEPS[:version], ("CREATE TABLE done (a)",), tuple(broken))
        with pytest.raises(sqlite3.Error, match="nowhere"):
            schema.migrate(connection, steps)
        assert schema.version_of(connection) == version + 1
    after = dump_of(tmp_path)
    after.remove("CREATE TABLE done (a);")
    assert after == before


@pytest.mark.rule("P4.5", "P5.7")
def test_tokens_that_version_1_has_as_spent_stay_spent_and_later_ones_are_not(
    tmp_path: Path,
) -> None:
    """It does not say in which run, so they are all that there are; also where the clock stands."""
    laid_out(1, tmp_path)
    sql(tmp_path, "INSERT INTO recalled VALUES ('C')")
    run = Run(lambda: SqliteStore(tmp_path, flush=False), now_ms=0)
    here = run.opened.run
    for admitted in ([], [here]):
        opened = run.opened
        recall = Recall(opened.gaps, opened.recalled, opened.run, 1.0)
        for name in (C, D):
            shown = [of for of in opened.gaps if recall.admits(Stamp(of, 99), name, 0.0)]
            assert shown == admitted
        assert all(recall.admits(Stamp(of, 99), A, 0.0) for of in opened.gaps)
        run.reopen(0)
    run.store.close()


def test_a_store_says_that_its_file_was_brought_to_a_newer_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and all rooms are there; a migration that fails is a fault and changes nothing."""
    laid_out(schema.VERSION, tmp_path)
    before = dump_of(tmp_path)
    make = partial(SqliteStore, tmp_path, flush=False)
    monkeypatch.setattr(schema, "VERSION", len(STEPS))
    migrate, bad = schema.migrate, (*schema.MIGRATIONS, (*GROWS, "broken"))
    monkeypatch.setattr(schema, "migrate", partial(migrate, migrations=bad))
    store = make()
    with pytest.raises(StoreFault, match="broken"):
        store.open(NOW_MS)
    store.close()
    assert dump_of(tmp_path) == before
    monkeypatch.setattr(schema, "migrate", partial(migrate, migrations=STEPS))
    run = Run(make)
    (remark,) = run.opened.remarks
    assert remark == f"{tmp_path / FILE_NAME} was brought to version {len(STEPS)}"
    assert run.rooms(ROOMS) == ROOMS
    assert run.reopen().remarks == ()
    assert run.rooms(ROOMS) == ROOMS
    run.store.close()
