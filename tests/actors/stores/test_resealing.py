"""A store on its way from no key, or one, to another: step by step, killed at each of them.

`-wal` and everything else in the folder are looked through byte by byte for words that only rooms
and people have.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from actors.ids import SocketId
from actors.sealing import RECORDS_MAX, Seal, key_id, key_of
from actors.stores import resealing, sqlite_opening
from actors.stores.port import StoreFault, StoreUnusable
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.canaries import (
    BOTH,
    CANARIES,
    FIRST,
    ONE,
    ROOMS,
    SECOND,
    TWO,
    checks_of,
    found_in,
    lived,
    room_with,
    steps,
)
from tests.actors.stores.damage import aside, contents, sql
from tests.actors.stores.places import NOW_MS, Run, key, killed, seal_of, tiny
from tests.actors.stores.rooms import delta, row


class News:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.details: list[dict[str, object]] = []

    def __call__(self, event: str, /, **details: object) -> None:
        self.events.append(event)
        self.details.append(details)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few rooms take several."""
    monkeypatch.setattr(resealing, "SLICE_ROWS_MAX", 3)


@pytest.mark.rule("T3.1")
def test_a_sealed_store_says_nothing_of_rooms_and_people(tmp_path: Path) -> None:
    """In no byte of any file, while it is open and after; one in the clear says everything."""
    lived(tmp_path / "clear", None)
    assert found_in(tmp_path / "clear") == set(CANARIES)
    lived(tmp_path / "sealed", ONE)
    assert found_in(tmp_path / "sealed") == set()
    store = tiny(tmp_path / "sealed", ONE)
    opened = store.open(NOW_MS)
    assert set(opened.recalled) == {SocketId("CanarySocket-A")}
    assert opened.rooms == frozenset(ROOMS[:9])
    while store.tidy():
        assert found_in(tmp_path / "sealed") == set()
    assert found_in(tmp_path / "sealed") == set()
    store.close()


@pytest.mark.rule("T3.2")
@pytest.mark.parametrize(
    ("seal", "said"),
    [
        (None, f"the store is sealed with key id {FIRST}; give seal_key_file"),
        (TWO, f"sealed with key id {FIRST}; {FIRST} is not among the seal keys given: {SECOND}"),
    ],
)
def test_a_store_without_its_key_is_refused_and_left_as_it_is(
    seal: Seal | None, said: str, tmp_path: Path
) -> None:
    """Also where the last run has noted damage, which else sets the file aside."""
    folder = tmp_path / "data"
    model = lived(folder, ONE)
    names = [FILE_NAME, f"{FILE_NAME}.damaged"]
    for damaged in (False, True):
        if damaged:
            (folder / f"{FILE_NAME}.damaged").write_text("it was noted")
        before = contents(folder, names)
        with pytest.raises(StoreUnusable) as refused:
            SqliteStore(folder, flush=False, seal=seal).open(NOW_MS)
        assert said in str(refused.value)
        assert str(folder / FILE_NAME) in str(refused.value)
        assert contents(folder, names) == before
        assert aside(folder) == []
    (folder / f"{FILE_NAME}.damaged").unlink()
    run = Run(lambda: SqliteStore(folder, flush=False, seal=ONE))
    assert run.rooms(ROOMS) == model.rooms
    run.store.close()


@pytest.mark.rule("T3.2", "T3.3")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE facts SET value = hex(randomblob(16)) WHERE name = 'store'", "check of seal key"),
        ("UPDATE facts SET value = '[]' WHERE name = 'seal'", "its seal cannot be read"),
        (
            """UPDATE facts SET value = '{"checks":{"0":"1"},"clear":0}' WHERE name = 'seal'""",
            "its seal cannot be read",
        ),
        (
            """UPDATE facts SET value = replace(value, 'false', 'true') WHERE name = 'seal'""",
            "it does not say the same of rows in the clear",
        ),
        ("DELETE FROM facts WHERE name = 'seal'", "what it says of its seal is gone"),
    ],
)
def test_a_seal_that_was_changed_is_refused(change: str, said: str, tmp_path: Path) -> None:
    """The file of another identity, or with a seal that is none, or that would have rows in the
    clear be taken, is not touched.
    """
    lived(tmp_path / "data", ONE)
    sql(tmp_path / "data", change)
    with pytest.raises(StoreUnusable, match=said):
        SqliteStore(tmp_path / "data", flush=False, seal=ONE).open(NOW_MS)
    assert aside(tmp_path / "data") == []


# -- step by step


@pytest.mark.rule("T3.5", "T3.6")
def test_a_store_in_the_clear_is_sealed_step_by_step_and_a_kill_loses_nothing(
    tmp_path: Path,
) -> None:
    """At each step all rooms are there, also for the run after a kill, which goes on; at the end
    nothing in the clear is left in the folder.
    """
    live, copies = tmp_path / "live", count()
    model = lived(live, None)
    news = News()
    store = SqliteStore(live, flush=False, seal=ONE, news=news)
    assert set(store.open(NOW_MS).recalled) == {SocketId("CanarySocket-A")}
    for _ in steps(store):
        folder = killed(live, tmp_path / f"{next(copies)}")
        run = Run(partial(tiny, folder, ONE))
        assert set(run.opened.recalled) == {SocketId("CanarySocket-A")}
        assert run.rooms(ROOMS) == model.rooms
        run.tidy()
        assert run.rooms(ROOMS) == model.rooms
        run.store.close()
        assert found_in(folder) == set()
    assert news.events == ["store_sealing", "store_sealed"]
    assert found_in(live) == set()
    assert sql(live, "SELECT count(*) FROM set_aside WHERE place = 'sealed'") == [(2,)]
    store.close()
    assert found_in(live) == set()
    assert next(copies) > 5


@pytest.mark.rule("T3.4", "T3.5")
def test_a_rotation_seals_anew_step_by_step_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    """Killed at any step, the next run goes on with both keys, which it needs until all is done;
    afterwards it needs the new one alone.
    """
    live, copies = tmp_path / "live", count()
    model = lived(live, ONE)
    store = SqliteStore(live, flush=False, seal=ONE)
    store.open(NOW_MS)
    store.reseal(BOTH)
    assert store.sealing.rows_left >= 8
    for _ in steps(store):
        folder = killed(live, tmp_path / f"{next(copies)}")
        make = partial(tiny, folder)
        if not store.sealing.is_whole:
            with pytest.raises(StoreUnusable, match=FIRST):
                Run(partial(make, TWO))
        run = Run(partial(make, BOTH))
        assert run.rooms(ROOMS) == model.rooms
        run.tidy()
        run.store.close()
        run = Run(partial(make, TWO))
        assert run.rooms(ROOMS) == model.rooms
        assert set(run.opened.recalled) == {SocketId("CanarySocket-A")}
        run.store.close()
    assert (store.sealing.is_whole, store.sealing.rows_left) == (True, 0)
    assert found_in(live) == set()
    store.close()
    assert list(checks_of(live)) == [SECOND]
    assert f"~{FIRST}.".encode() not in (live / FILE_NAME).read_bytes(), "it is overwritten"
    assert all(name.startswith(f"~{SECOND}.") for (name,) in sql(live, "SELECT room FROM rooms"))
    assert next(copies) >= 5


@pytest.mark.rule("T3.4")
def test_what_is_written_after_a_rotation_has_the_new_key_at_once(tmp_path: Path) -> None:
    """Before anything else is done, in the journal and in the rows; also in a room that has a row
    of the old key, of which then one is left.
    """
    live = tmp_path / "live"
    model = lived(live, ONE)
    run = Run(lambda: SqliteStore(live, flush=False, seal=ONE))
    assert isinstance(run.store, SqliteStore)
    run.store.reseal(BOTH)
    late = [room_with(9, 7), delta(ROOMS[1], {"CanarySocket-N": row("N")}, version=5)]
    model.apply(late)
    run.write(*late)
    ((body,),) = sql(live, "SELECT body FROM journal ORDER BY seq DESC LIMIT 1")
    assert key_of(body) == SECOND
    run.store.tidy()
    names = [name for (name,) in sql(live, "SELECT room FROM rooms")]
    assert len(names) == 10
    assert run.store.sealing.form.room_key(ROOMS[1]) in names
    assert run.rooms(ROOMS) == model.rooms
    run.tidy()
    assert run.rooms(ROOMS) == model.rooms
    assert sql(live, "SELECT count(*) FROM rooms") == [(10,)]
    run.store.close()


@pytest.mark.rule("T3.4")
def test_a_rotation_that_lacks_a_key_in_use_changes_nothing(tmp_path: Path) -> None:
    """It is refused, and the store goes on with the keys that it has."""
    live = tmp_path / "live"
    model = lived(live, ONE)
    run = Run(lambda: SqliteStore(live, flush=False, seal=ONE))
    assert isinstance(run.store, SqliteStore)
    with pytest.raises(StoreUnusable, match=FIRST):
        run.store.reseal(TWO)
    run.write(room_with(9))
    model.apply([room_with(9)])
    run.tidy()
    run.reopen()
    assert run.rooms(ROOMS) == model.rooms
    run.store.close()


def test_a_store_that_was_opened_in_the_clear_is_not_sealed_under_way(tmp_path: Path) -> None:
    """What was deleted is not overwritten in such a run: the next start is for that."""
    store = SqliteStore(tmp_path, flush=False)
    store.open(NOW_MS)
    with pytest.raises(StoreUnusable, match="start the server anew"):
        store.reseal(ONE)
    store.close()


@pytest.mark.rule("T3.4")
def test_a_second_rotation_before_the_first_is_done_loses_nothing(tmp_path: Path) -> None:
    """Three keys are in use for a while, and then one."""
    live = tmp_path / "live"
    model = lived(live, ONE)
    run = Run(lambda: tiny(live, seal_of(3, 2, 1)))
    run.store.close()
    run = Run(lambda: tiny(live, seal_of(2, 3, 1)))
    run.store.tidy()
    assert run.rooms(ROOMS) == model.rooms
    assert set(checks_of(live)) == {key_id(key(number)) for number in (1, 2, 3)}
    run.tidy()
    run.store.close()
    run = Run(lambda: tiny(live, TWO))
    assert run.rooms(ROOMS) == model.rooms
    run.store.close()


@pytest.mark.rule("T3.3", "T3.4")
def test_a_row_that_cannot_be_unsealed_stays_and_so_does_its_key(tmp_path: Path) -> None:
    """It is told, the others are done, and the old key is still asked for by the next start."""
    live = tmp_path / "live"
    model = lived(live, ONE)
    bad = f"~{FIRST}.{'A' * 40}"
    sql(live, "INSERT INTO rooms VALUES (?, 1, '~AAAA')", bad)
    news = News()
    store = SqliteStore(live, flush=False, seal=BOTH, news=news)
    store.open(NOW_MS)
    while store.tidy():
        pass
    assert news.events == ["store_sealing", "seal_refused"]
    assert bad in str(news.details[-1])
    assert (store.sealing.rows_left, store.sealing.is_whole) == (1, False)
    names = [name for (name,) in sql(live, "SELECT room FROM rooms") if name != bad]
    assert all(name.startswith(f"~{SECOND}.") for name in names)
    store.close()
    assert list(checks_of(live)) == [SECOND, FIRST]
    run = Run(lambda: tiny(live, BOTH))
    assert run.rooms(ROOMS) == model.rooms
    run.store.close()


@pytest.mark.rule("T3.5")
@pytest.mark.parametrize("seal", [None, ONE])
def test_a_step_that_does_not_go_through_is_done_again(
    seal: Seal | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fails once, as it would on a full disk: nothing is passed over."""
    live = tmp_path / "live"
    model = lived(live, seal)
    run = Run(lambda: SqliteStore(live, flush=False, seal=BOTH))
    failing = True

    @contextmanager
    def every_second(connection: sqlite3.Connection) -> Iterator[None]:
        nonlocal failing
        failing = not failing
        with sqlite_opening.transaction(connection):
            yield
            if not failing:
                raise sqlite3.OperationalError("planted")

    monkeypatch.setattr(resealing, "transaction", every_second)
    failures = 0
    assert isinstance(run.store, SqliteStore)
    while run.store.sealing.under_way:
        try:
            run.store.tidy()
        except StoreFault:
            failures += 1
            assert failures < 20
    monkeypatch.undo()
    assert failures > 3
    assert sql(live, "SELECT count(*) FROM set_aside WHERE place != 'sealed'") == [(0,)]
    assert all(name.startswith(f"~{SECOND}.") for (name,) in sql(live, "SELECT room FROM rooms"))
    run.reopen()
    run.tidy()
    run.store.close()
    run = Run(lambda: SqliteStore(live, flush=False, seal=TWO))
    assert run.rooms(ROOMS) == model.rooms
    assert found_in(live) == set()
    run.store.close()


@pytest.mark.rule("T3.11")
def test_a_key_that_has_sealed_half_of_what_it_may_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count outlives the run, and begins anew with the next key."""
    news = News()

    def run_with(seal: Seal) -> Run:
        make = partial(SqliteStore, tmp_path, flush=False, journal_bytes_max=1)
        return Run(lambda: make(seal=seal, news=news))

    run = run_with(ONE)
    run.write(room_with(1))
    run.tidy()
    assert isinstance(run.store, SqliteStore)
    sealed = run.store.sealing.records
    assert sealed == 3, "a check, a row of the journal, and a row"
    run.reopen()
    assert run.store.sealing.records == sealed
    run.store.close()
    half = RECORDS_MAX // 2
    sql(tmp_path, "UPDATE facts SET value = ? WHERE name = 'seals'", str(half - 3))
    run = run_with(ONE)
    for version in range(2, 6):
        assert news.events.count("seal_key_worn") == (version > 3)
        run.write(room_with(1, version))
        run.tidy()
    run.store.close()
    run = run_with(BOTH)
    run.tidy()
    assert isinstance(run.store, SqliteStore)
    assert run.store.sealing.records < 10
    run.store.close()
