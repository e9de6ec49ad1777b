"""The SQLite store's rows: what is damaged, what does not fit, and who else looks.

A row that is not what was written is moved to the table `set_aside`, costs its own room alone, and
is never given out.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from actors.ids import RoomId
from actors.room_rules import PLAIN, Ban, RoomRules
from actors.stores import sqlite
from actors.stores.port import StoreDamaged, StoreFault, StoreFull, StoreReadOnly
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.damage import filled, sql
from tests.actors.stores.places import NOW_MS, Run, folding
from tests.actors.stores.rooms import OTHER, ROOM, THIRD, Model, delta, row, seen, whole


def connection_of(run: Run) -> sqlite3.Connection:
    """The store's own."""
    assert isinstance(run.store, SqliteStore)
    connection = run.store._connection
    assert connection is not None
    return connection


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run with three rooms in their rows and an empty journal."""
    run = Run(lambda: folding(tmp_path))
    run.write(whole(ROOM, "A", "B"), whole(OTHER, "A"), whole(THIRD, "C"))
    run.tidy()
    assert sql(tmp_path, "SELECT count(*) FROM journal") == [(0,)]
    yield run
    run.store.close()


# -- damage

HARMS = {
    "another byte": "UPDATE rooms SET body = replace(body, 'user-A', 'user-Q')",
    "a byte that is no text": (
        "UPDATE rooms SET body = cast(replace(cast(body AS BLOB), x'41', x'C1') AS TEXT)"
    ),
    "shorter": "UPDATE rooms SET body = substr(body, 1, length(body) - 1)",
    "empty": "UPDATE rooms SET body = ''",
    "another checksum": "UPDATE rooms SET checksum = checksum + 1",
    "another room's": (
        "UPDATE rooms SET (checksum, body) ="
        " (SELECT checksum, body FROM rooms WHERE room = 'attic')"
    ),
}
HERE = f" WHERE room = '{ROOM}'"


@pytest.mark.rule("P5.4")
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_room_is_set_aside_once_and_then_unknown(
    run: Run, harm: str, tmp_path: Path
) -> None:
    """Its bytes are kept for the operator; the other rooms are as they were."""
    sql(tmp_path, harm + HERE)
    ((body,),) = sql(tmp_path, "SELECT cast(body AS BLOB) FROM rooms WHERE room = ?", ROOM)
    with pytest.raises(StoreDamaged, match=ROOM) as raised:
        run.store.load(ROOM)
    assert "person-" not in str(raised.value)
    assert sql(tmp_path, "SELECT at_ms, place, body FROM set_aside") == [
        (NOW_MS, f"room {ROOM}", body)
    ]
    for _ in "two runs":
        assert run.load(ROOM) is None
        assert run.load(OTHER) == seen(whole(OTHER, "A"))
        assert run.load(THIRD) == seen(whole(THIRD, "C"))
        run.reopen()
    run.write(whole(ROOM, "Z", version=9))
    run.tidy()
    assert run.load(ROOM) == seen(whole(ROOM, "Z", version=9))


@pytest.mark.rule("P5.4")
def test_a_row_under_another_name_is_damage(run: Run, tmp_path: Path) -> None:
    """A room is never given out as another one."""
    sql(tmp_path, "UPDATE rooms SET room = 'cellar' WHERE room = ?", ROOM)
    with pytest.raises(StoreDamaged, match="cellar"):
        run.store.load(RoomId("cellar"))
    assert run.load(RoomId("cellar")) is None
    assert run.load(ROOM) is None
    assert sql(tmp_path, "SELECT place FROM set_aside") == [("room cellar",)]


@pytest.mark.rule("P5.4")
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_room_that_is_found_damaged_by_a_fold_does_not_stop_it(
    run: Run, harm: str, tmp_path: Path
) -> None:
    """The fold says so once, then goes on: the journal is cut and the others are up to date."""
    sql(tmp_path, harm + HERE)
    run.write(*(delta(room, {"N": row("N")}, version=2) for room in (ROOM, OTHER, THIRD)))
    with pytest.raises(StoreDamaged, match=ROOM):
        run.store.tidy()
    run.tidy()
    assert sql(tmp_path, "SELECT count(*) FROM journal") == [(0,)]
    assert sql(tmp_path, "SELECT place FROM set_aside") == [(f"room {ROOM}",)]
    for _ in "two runs":
        found = run.rooms([OTHER, THIRD])
        assert [sorted(room[4]) for room in found.values()] == [["A", "N"], ["C", "N"]]
        run.reopen()


def test_a_whole_record_folds_over_a_damaged_room(run: Run, tmp_path: Path) -> None:
    """Nothing of the old row is needed."""
    sql(tmp_path, HARMS["another byte"] + HERE)
    run.write(whole(ROOM, "Z", version=2))
    run.tidy()
    assert run.load(ROOM) == seen(whole(ROOM, "Z", version=2))


@pytest.mark.rule("P5.4")
@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE journal SET body = substr(body, 1, length(body) - 1) WHERE seq = 2",
        "UPDATE journal SET body = cast('[' || body || ']' AS BLOB) WHERE seq = 2",
        "UPDATE journal SET checksum = checksum + 1 WHERE seq = 2",
        (
            "UPDATE journal SET (checksum, body) ="
            " (SELECT checksum, body FROM journal WHERE seq = 3) WHERE seq = 2"
        ),
        "UPDATE journal SET body = x'ff00' WHERE seq = 2",
    ],
)
def test_a_damaged_row_of_the_journal_is_set_aside_at_the_start(harm: str, tmp_path: Path) -> None:
    """With a remark; what the other rows say is kept, and the next start is quiet."""
    run = Run(lambda: SqliteStore(tmp_path, flush=False))
    run.write(whole(ROOM, "A"))
    run.write(delta(ROOM, {"B": row("B")}, version=2))
    run.write(delta(ROOM, {"C": row("C")}, version=3))
    run.store.close()
    sql(tmp_path, harm)
    ((body,),) = sql(tmp_path, "SELECT body FROM journal WHERE seq = 2")
    opened = run.reopen()
    assert opened.mark == 3
    (remark,) = opened.remarks
    assert "row 2 of the journal was set aside" in remark
    assert str(tmp_path / FILE_NAME) in remark
    assert sql(tmp_path, "SELECT place, body FROM set_aside") == [("journal 2", body)]
    for _ in "two runs":
        assert run.load(ROOM) == (1, 3, 1000, 2003, {"A": row("A"), "C": row("C")}, {})
        assert run.reopen().remarks == ()
    run.store.close()


# -- what does not fit


def full(run: Run, pages: int = 0) -> None:
    """So many pages more fit into the file; 0 are none at all."""
    connection = connection_of(run)
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {used + pages}")


def roomy(run: Run) -> None:
    """As large as may be."""
    connection_of(run).execute("PRAGMA max_page_count = 1000000")


@pytest.mark.parametrize("recalled", [[], ["A"]])
def test_of_a_batch_that_does_not_fit_nothing_is_kept(
    recalled: list[str], run: Run, tmp_path: Path
) -> None:
    """Neither now nor in the next run; once there is space again, writing goes on."""
    full(run)
    big = [whole(RoomId(f"big-{n}"), *map(str, range(80)), recalled=recalled) for n in range(600)]
    before = run.rooms([ROOM, OTHER, THIRD])
    with pytest.raises(StoreFull) as raised:
        run.write(delta(ROOM, {"N": row("N")}), *big)
    assert str(tmp_path / FILE_NAME) in str(raised.value)
    assert run.rooms([ROOM, OTHER, THIRD, big[0].room_id]) == before
    roomy(run)
    run.write(delta(ROOM, {"M": row("M")}, version=2))
    for _ in "two runs":
        found = run.load(ROOM)
        assert found is not None
        assert sorted(found[4]) == ["A", "B", "M"]
        assert run.load(big[0].room_id) is None
        assert run.reopen().recalled == {}


def test_a_fold_that_does_not_fit_loses_nothing(tmp_path: Path) -> None:
    """It is told, everything is still read, also by the next run; later it goes through."""
    run = Run(lambda: folding(tmp_path))
    model = Model()
    rooms = [RoomId(f"room-{number}") for number in range(100)]
    for version in (1, 2):
        records = [delta(room, {f"P{version}": row("P")}, version=version) for room in rooms]
        model.apply(records)
        run.write(*records)
    full(run)
    for _ in "two tries":
        with pytest.raises(StoreFull):
            run.tidy()
        assert run.rooms(rooms) == model.rooms
    late = [delta(rooms[0], {"late": row("late")}, version=3)]
    roomy(run)
    model.apply(late)
    run.write(*late)
    full(run)
    with pytest.raises(StoreFull):
        run.tidy()
    run.reopen()
    assert run.rooms(rooms) == model.rooms
    run.tidy()
    assert run.rooms(rooms) == model.rooms
    assert sql(tmp_path, "SELECT count(*) FROM journal") == [(0,)]
    run.store.close()


def test_a_store_that_may_not_write_still_reads(run: Run, tmp_path: Path) -> None:
    """And writes again once it may."""
    connection_of(run).execute("PRAGMA query_only = 1")
    works: list[Callable[[], object]] = [
        lambda: run.write(delta(ROOM, {"N": row("N")})),
        run.store.settle,
    ]
    for work in works:
        with pytest.raises(StoreReadOnly) as raised:
            work()
        assert raised.value.code == "readOnly"
        assert str(tmp_path / FILE_NAME) in str(raised.value)
    assert run.load(ROOM) == seen(whole(ROOM, "A", "B"))
    connection_of(run).execute("PRAGMA query_only = 0")
    run.write(delta(ROOM, {"N": row("N")}))
    found = run.load(ROOM)
    assert found is not None
    assert sorted(found[4]) == ["A", "B", "N"]


def test_any_other_failure_of_a_write_is_a_fault_and_leaves_nothing(
    run: Run, tmp_path: Path
) -> None:
    """Half of the batch's rows were inserted when it came."""
    sql(
        tmp_path,
        "CREATE TRIGGER no BEFORE INSERT ON journal WHEN new.seq > 2"
        " BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    rooms = [RoomId(f"room-{number}") for number in range(1100)]  # three rows
    with pytest.raises(StoreFault, match="no"):
        run.write(*(whole(room, "A") for room in rooms))
    sql(tmp_path, "DROP TRIGGER no")
    assert run.rooms(rooms) == {}
    assert run.reopen().mark == 1
    assert run.rooms(rooms) == {}


def test_a_reader_beside_it_disturbs_nothing(run: Run, tmp_path: Path) -> None:
    """It holds its view of the file through writes and folds."""
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as reader:
        reader.execute("BEGIN")
        (before,) = reader.execute("SELECT count(*) FROM rooms").fetchone()
        for number in range(20):
            run.write(whole(RoomId(f"room-{number}"), "A"), delta(ROOM, {"N": row("N")}))
            run.tidy()
        assert reader.execute("SELECT count(*) FROM rooms").fetchone() == (before,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM rooms").fetchone() == (before + 20,)
    assert run.load(RoomId("room-19")) is not None


# -- how many rooms


def test_beyond_the_bound_an_empty_room_is_not_kept(tmp_path: Path) -> None:
    """One with players is, however many there are; below the bound both are."""
    run = Run(
        partial(SqliteStore, tmp_path, flush=False, journal_bytes_max=1, rooms_max=4),
    )
    rooms = [RoomId(f"room-{number}") for number in range(10)]
    run.write(*(whole(room) for room in rooms[:3]))
    run.tidy()
    assert len(run.rooms(rooms)) == 3
    run.reopen()
    for room in rooms[3:6]:
        run.write(whole(room, "A"))
        run.tidy()
    assert list(run.rooms(rooms)) == rooms[:6]
    run.reopen()
    run.write(whole(rooms[6]))
    run.tidy()
    assert list(run.rooms(rooms)) == rooms[:6]
    run.write(delta(rooms[4], {"A": None}), whole(rooms[0], version=2))
    run.tidy()
    assert list(run.rooms(rooms)) == [rooms[1], rooms[2], rooms[3], rooms[5]]
    run.write(whole(rooms[1], version=2))
    run.tidy()
    assert run.load(rooms[1]) is not None
    run.store.close()


def test_the_number_of_rooms_survives_runs_and_damage(tmp_path: Path) -> None:
    """It is counted as they come and go, and is what the table has."""
    rooms = filled(tmp_path, folding, 12)
    run = Run(lambda: folding(tmp_path))
    sql(tmp_path, "UPDATE rooms SET checksum = 1 WHERE room = ?", rooms[3])
    with pytest.raises(StoreDamaged):
        run.store.load(rooms[3])
    run.write(whole(ROOM, "A"), delta(rooms[0], {"A": None}))
    run.tidy()
    run.reopen()
    counted = sql(tmp_path, "SELECT value FROM facts WHERE name = 'rooms'")
    ((there,),) = sql(tmp_path, "SELECT count(*) FROM rooms")
    assert counted == [(str(there),)] == [("12",)]
    run.store.close()


def test_the_names_of_very_many_rooms_are_not_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start reads none of them then; at the bound it does."""
    monkeypatch.setattr(sqlite, "ROOMS_TOLD_MAX", 3)
    assert run.reopen().rooms == frozenset({ROOM, OTHER, THIRD})
    monkeypatch.setattr(sqlite, "ROOMS_TOLD_MAX", 2)
    assert run.reopen().rooms is None


def test_a_name_that_is_no_text_any_more_does_not_stop_a_start(run: Run, tmp_path: Path) -> None:
    """Nobody can ask for that room, and the others are there."""
    run.store.close()
    sql(tmp_path, "UPDATE rooms SET room = cast(x'ff41' AS TEXT) WHERE room = ?", THIRD)
    names = run.reopen().rooms
    assert names is not None
    assert {ROOM, OTHER} <= names
    assert THIRD not in names


@pytest.mark.rule("T2.18")
def test_beyond_the_bound_an_empty_room_with_rules_is_kept(tmp_path: Path) -> None:
    """Until they say nothing any more; they are read from the row, as they were written."""
    run = Run(
        partial(SqliteStore, tmp_path, flush=False, journal_bytes_max=1, rooms_max=1),
    )
    first, private, plain = map(RoomId, ("first", "private", "plain"))
    rules = RoomRules("ann", private=True, allow=frozenset({"bob"}), bans={"eve": Ban("eve")})
    run.write(whole(first, "A"))
    run.tidy()
    for room in (private, plain):
        record = whole(room)
        record.rules = rules if room is private else PLAIN
        run.write(record)
        run.tidy()
    assert list(run.rooms([first, private, plain])) == [first, private]
    run.reopen()
    kept = run.store.load(private)
    assert kept is not None
    assert kept.rules == rules
    said = delta(private, {})
    said.rules = PLAIN
    run.write(said)
    run.tidy()
    assert run.load(private) is None
    run.store.close()
