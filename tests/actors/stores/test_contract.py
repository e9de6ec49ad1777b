"""What every store promises, whatever it is made of.

Owns the suite for the port: each test runs on each kind of `places.KINDS`. "The next run" is a new
store on the same disk.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.ids import RoomId, SocketId
from actors.recall import GAPS_MAX
from actors.stores.port import EPOCHS_UNTOLD, Batch
from tests.actors.stores.places import KINDS, NOW_MS, Run
from tests.actors.stores.rooms import OTHER, ROOM, THIRD, Model, delta, row, seen, whole

A, B = SocketId("A"), SocketId("B")


@pytest.fixture(params=KINDS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """The first run on an empty disk."""
    run = Run(KINDS[request.param](tmp_path))
    yield run
    run.store.close()


# -- what is read is what was written


def test_a_room_that_was_never_written_is_none(run: Run) -> None:
    """Also when others were, and in the next run."""
    assert run.load(ROOM) is None
    run.write(whole(OTHER, "A"))
    assert run.load(ROOM) is None
    run.reopen()
    assert run.load(ROOM) is None


def test_a_whole_record_is_read_as_it_was_written(run: Run) -> None:
    """With all its numbers, also by the next run."""
    record = whole(ROOM, "A", "B", spots={"B": (9.0, 8.0, 7)}, epoch=3, version=44, created=5)
    run.write(record)
    for _ in "two runs":
        found = run.store.load(ROOM)
        assert found is not None
        assert found.whole
        assert found.room_id == ROOM
        assert (found.epoch, found.version) == (3, 44)
        assert (found.created_at_ms, found.last_activity_ms) == (5, 2044)
        assert found.rows == {A: row("A"), B: row("B")}
        assert found.spots == {B: (9.0, 8.0, 7)}
        assert len(found.rows) == 2
        run.reopen()


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": {"a": {"b": [1, 2.5, None, True, {"c": []}]}, "": {}}},
        {"attributes": {"n": 2**64 - 1, "m": -(2**63), "e": 1e-300, "f": 0.1 + 0.2}},
        {"attributes": {"text": "\x00\x01\x1f\x7f\x85\u2028\\\"'/\ufeff"}},
        {"display_name": None},
        {"display_name": "Zoë 🦊👩‍👩‍👧 مرحبا", "user": "ünï", "person": "名前"},
        {"x": -0.1, "y": 1.7976931348623157e308, "joined": 2**53, "seen": 0},
        {"hidden": True, "ready": True},
        {"hidden": True, "ready": False, "serial": 2**53, "oldest_good": 1},
    ],
)
def test_a_player_is_read_to_the_last_bit(run: Run, changes: dict[str, object]) -> None:
    """Nested attributes, any Unicode, floats, integers of 64 bits, flags that stay flags."""
    written = row("A", **changes)
    run.write(whole(ROOM, rows={"A": written}))
    for step in (run.tidy, run.reopen, lambda: run.write(delta(version=2)), run.tidy):
        found = run.store.load(ROOM)
        assert found is not None
        assert found.rows == {A: written}
        assert [type(value) for value in found.rows[A] or ()] == [type(value) for value in written]
        step()


def test_an_empty_room_is_kept_with_its_numbers(run: Run) -> None:
    """Its epoch and version are what a room without players is kept for."""
    run.write(whole(ROOM, epoch=4, version=9))
    run.reopen()
    assert run.load(ROOM) == (4, 9, 1000, 2009, {}, {})


# -- what became different


def test_a_delta_changes_what_it_names_and_nothing_else(run: Run) -> None:
    """One player is new, one different, one gone and one as before."""
    run.write(whole(ROOM, "A", "B", "C"))
    ready = row("B", ready=True)
    run.write(delta(rows={"B": ready, "C": None, "D": row("D")}, version=2, epoch=5))
    expected = {A: row("A"), B: ready, SocketId("D"): row("D")}
    for _ in "two runs":
        assert run.load(ROOM) == (5, 2, 1000, 2002, expected, {})
        run.reopen()


def test_a_delta_of_an_unknown_room_begins_it(run: Run) -> None:
    """Who was gone already is no player."""
    run.write(delta(rows={"A": row("A"), "B": None}, spots={"C": (1.0, 1.0, 1)}))
    for _ in "two runs":
        assert run.load(ROOM) == (1, 1, 1000, 2001, {A: row("A")}, {})
        run.reopen()


def test_a_whole_record_replaces_all_that_was(run: Run) -> None:
    """Players, and the positions of those who are still there."""
    run.write(whole(ROOM, "A", "B", spots={"A": (5.0, 5.0, 5)}))
    run.write(whole(ROOM, "A", version=2))
    for _ in "two runs":
        assert run.load(ROOM) == (1, 2, 1000, 2002, {A: row("A")}, {})
        run.reopen()


def test_a_position_newer_than_the_row_wins_until_a_newer_row_comes(run: Run) -> None:
    """And a newer position then wins again."""
    run.write(whole(ROOM, "A", "B"))
    run.write(delta(spots={"A": (5.0, 6.0, 7), "B": (1.0, 1.0, 1)}))
    run.tidy()
    found = run.load(ROOM)
    assert found is not None
    assert found[5] == {A: (5.0, 6.0, 7), B: (1.0, 1.0, 1)}
    run.write(delta(rows={"A": row("A", x=9.0)}))
    found = run.load(ROOM)
    assert found is not None
    assert (found[4][A], found[5]) == (row("A", x=9.0), {B: (1.0, 1.0, 1)})
    run.write(delta(rows={"A": row("A", x=10.0)}, spots={"A": (11.0, 0.0, 8)}))
    run.reopen()
    found = run.load(ROOM)
    assert found is not None
    assert found[5] == {A: (11.0, 0.0, 8), B: (1.0, 1.0, 1)}


def test_nobody_has_a_position_who_is_not_there(run: Run) -> None:
    """A position that comes after its player left, or never had one."""
    run.write(whole(ROOM, "A", "B", spots={"A": (1.0, 1.0, 1)}))
    run.write(delta(rows={"A": None}))
    run.write(delta(spots={"A": (2.0, 2.0, 2), "Z": (3.0, 3.0, 3)}, version=3))
    for _ in "two runs":
        assert run.load(ROOM) == (1, 3, 1000, 2003, {B: row("B")}, {})
        run.reopen()


# -- batches


def test_a_batch_holds_records_of_many_rooms(run: Run) -> None:
    """More than go into one row or one slice of anything."""
    rooms = [RoomId(f"room-{number}") for number in range(700)]
    run.write(*(whole(room, version=number) for number, room in enumerate(rooms)))
    run.write(*(whole(room, "A", version=number) for number, room in enumerate(rooms)))
    for step in (run.tidy, run.reopen, run.tidy):
        for number, room in enumerate(rooms):
            assert run.load(room) == (1, number, 1000, 2000 + number, {A: row("A")}, {})
        step()
    run.write(delta(rooms[5], {"A": None}, version=5))
    assert run.load(rooms[5]) == (1, 5, 1000, 2005, {}, {})


def test_records_of_one_room_in_one_batch_apply_in_their_order(run: Run) -> None:
    """The last one is the newest."""
    run.write(whole(ROOM, "A"), delta(rows={"A": None, "B": row("B")}), delta(rows={"B": None}))
    assert run.load(ROOM) == (1, 1, 1000, 2001, {}, {})
    run.reopen()
    assert run.load(ROOM) == (1, 1, 1000, 2001, {}, {})


def test_batches_apply_in_the_order_written(run: Run) -> None:
    """Over several runs, with and without folds between."""
    model = Model()
    for number in range(60):
        name = "ABC"[number % 3]
        record = delta(
            (ROOM, OTHER, THIRD)[number % 2],
            {name: None if number % 7 == 0 else row(name, serial=number)},
            {"A": (float(number), 0.0, number)} if number % 3 == 2 else {},
            version=number,
        )
        model.apply([record])
        run.write(record)
        if number % 5 == 0:
            run.store.tidy()
        if number % 16 == 15:
            run.reopen()
        assert run.rooms([ROOM, OTHER, THIRD]) == model.rooms


def test_what_was_written_is_no_longer_the_writers(run: Run) -> None:
    """What is read may be changed by the reader; the next read is as before."""
    run.write(whole(ROOM, "A", spots={"A": (1.0, 1.0, 1)}))
    before = run.load(ROOM)
    found = run.store.load(ROOM)
    assert found is not None
    found.absorb(delta(rows={"A": None, "B": row("B")}))
    found.rows.clear()
    found.spots.clear()
    assert run.load(ROOM) == before


def test_a_batch_that_cannot_be_written_leaves_nothing_behind(run: Run) -> None:
    """The record before the one that has no form on a disk is not kept either."""
    run.write(whole(ROOM, "A"))
    before = run.load(ROOM)
    beyond = whole(OTHER, rows={"A": row("A", attributes={"n": 2**80})})
    with pytest.raises(TypeError, match="64-bit"):
        run.store.write(Batch(9, [delta(rows={"B": row("B")}, version=2), beyond]))
    assert run.load(ROOM) == before
    assert run.load(OTHER) is None
    assert run.reopen().mark == 1
    assert run.load(ROOM) == before


# -- tidying


def test_tidying_to_the_end_changes_nothing_that_is_read(run: Run) -> None:
    """Whole rooms, deltas, positions, empty rooms; after each step, and in the next run."""
    model = Model()
    for number in range(40):
        room = RoomId(f"room-{number % 20}")
        record = (whole if number < 20 else delta)(room, version=number, rows={})
        record.rows[A] = row("A", serial=number) if number % 4 else None
        if number < 20 and not number % 4:
            del record.rows[A]
        model.apply([record])
        run.write(record)
    more = True
    while more:
        more = run.store.tidy()
        assert run.rooms(model.rooms) == model.rooms
    assert run.store.tidy() is False
    run.reopen()
    assert run.rooms(model.rooms) == model.rooms


def test_what_is_written_between_two_steps_is_the_newest(run: Run) -> None:
    """Of rooms that were tidied already, and of those that were not."""
    rooms = [RoomId(f"room-{number}") for number in range(300)]
    run.write(*(whole(room, "A", "B", spots={"B": (1.0, 1.0, 1)}) for room in rooms))
    run.store.tidy()
    run.write(*(delta(room, {"A": None, "B": row("B", serial=9)}, version=2) for room in rooms))
    for step in (run.store.tidy, run.tidy, run.reopen):
        for room in (rooms[0], rooms[150], rooms[-1]):
            assert run.load(room) == (1, 2, 1000, 2002, {B: row("B", serial=9)}, {})
        step()


def test_there_is_nothing_to_tidy_where_nothing_was_written(run: Run) -> None:
    """At once False."""
    assert run.store.tidy() is False


# -- what is known at the start


def test_a_first_run_knows_nothing(run: Run) -> None:
    """Its number is the time, in seconds."""
    opened = run.opened
    assert (opened.run, opened.mark, opened.epoch) == (NOW_MS // 1000, 0, NOW_MS)
    assert (dict(opened.gaps), opened.recalled, opened.remarks) == ({}, {}, ())


def test_the_names_of_all_rooms_are_told_at_the_start(run: Run) -> None:
    """Folded or not, empty or not."""
    assert run.opened.rooms == frozenset()
    run.store.write(Batch(1, [whole(ROOM, "A"), whole(OTHER)]))
    run.tidy()
    run.store.write(Batch(2, [whole(THIRD, "B")]))
    assert run.reopen().rooms == frozenset({ROOM, OTHER, THIRD})


@pytest.mark.parametrize("later_ms", [0, -10_000_000, 999, 1000, 86_400_000])
def test_the_number_of_a_run_is_above_all_before(run: Run, later_ms: int) -> None:
    """Also where the clock stands still or went back."""
    runs = [run.opened.run]
    now_ms = NOW_MS
    for _ in range(4):
        now_ms += later_ms
        runs.append(run.reopen(now_ms).run)
    assert runs == sorted(set(runs))
    assert runs[-1] >= now_ms // 1000


def test_the_mark_is_the_highest_that_is_durable(run: Run) -> None:
    """Folded or not."""
    run.store.write(Batch(5, [whole(ROOM)]))
    run.store.write(Batch(6, [whole(OTHER)]))
    assert run.reopen().mark == 6
    run.tidy()
    assert run.reopen().mark == 6


@pytest.mark.rule("G4.3")
@pytest.mark.parametrize("later_ms", [0, -10_000_000, 86_400_000])
def test_no_epoch_is_given_twice_whatever_was_lost(run: Run, later_ms: int) -> None:
    """Those of a run that wrote nothing are not given again, also where the clock went back."""
    given, now_ms = run.opened.epoch, NOW_MS
    for _ in range(3):
        now_ms += later_ms
        opened = run.reopen(now_ms)
        assert opened.epoch >= max(given + EPOCHS_UNTOLD, now_ms)
        given = opened.epoch


@pytest.mark.rule("G4.3")
def test_an_epoch_is_above_that_of_any_room(run: Run) -> None:
    """Whichever was written last; folded or not."""
    high = run.opened.epoch + 3 * EPOCHS_UNTOLD
    run.store.write(Batch(5, [whole(ROOM, epoch=high)]))
    run.store.write(Batch(6, [whole(OTHER, epoch=3)]))
    assert run.reopen().epoch >= high
    high = run.opened.epoch + 3 * EPOCHS_UNTOLD
    run.store.write(Batch(7, [whole(THIRD, "A", epoch=high)]))
    run.tidy()
    assert run.reopen().epoch >= high


def test_a_gap_has_the_newest_durable_mark_of_each_earlier_run(run: Run) -> None:
    """A run that wrote nothing ends where it began; gaps stay until the grace is over."""
    first = run.opened.run
    run.store.write(Batch(4, [whole(ROOM, "A")]))
    second = run.reopen().run
    assert dict(run.opened.gaps) == {first: 4}
    run.store.write(Batch(9, [delta(version=2)]))
    third = run.reopen().run
    assert dict(run.opened.gaps) == {first: 4, second: 9}
    assert dict(run.reopen().gaps) == {first: 4, second: 9, third: 9}


def test_once_settled_only_the_ending_run_is_a_gap(run: Run) -> None:
    """Gaps and recalled players of before are forgotten, not those of after."""
    first = run.opened.run
    run.write(whole(ROOM, "A", recalled=["A"]))
    run.reopen()
    assert run.opened.recalled == {A: first}
    run.store.settle()
    run.write(delta(version=2))
    settled = run.opened.run
    assert dict(run.reopen().gaps) == {settled: 2}
    assert run.opened.recalled == {}
    run.store.settle()
    run.write(delta(version=3, recalled=["B"]))
    last = run.opened.run
    assert run.reopen().recalled == {B: last}


def test_recalled_players_are_kept_until_the_grace_is_over(run: Run) -> None:
    """Of all rooms and runs, each once, with its run, also when they have left since."""
    first = run.opened.run
    run.write(whole(ROOM, "A", recalled=["A"]), delta(OTHER, {"B": row("B")}, recalled=["B", "A"]))
    run.write(delta(rows={"A": None}))
    run.tidy()
    opened = run.reopen()
    run.write(delta(OTHER, {}, recalled=["C"]))
    assert opened.recalled == {A: first, B: first}
    assert run.reopen().recalled == {A: first, B: first, SocketId("C"): opened.run}


@pytest.mark.parametrize("later_ms", [0, -10_000_000, 86_400_000])
def test_of_who_is_recalled_again_the_newest_run_is_kept(run: Run, later_ms: int) -> None:
    """Whatever the clock did; others keep theirs, and a run that recalls nobody changes none."""
    first = newest = run.opened.run
    now_ms = NOW_MS
    run.write(whole(ROOM, "A", "B", recalled=["A", "B"]))
    for _ in range(3):
        now_ms += later_ms
        newest = run.reopen(now_ms).run
        run.write(delta(version=2, recalled=["A"]), delta(OTHER, recalled=["A"]))
        run.tidy()
    run.reopen(now_ms)
    for _ in "two runs":
        assert run.opened.recalled == {A: newest, B: first}
        run.write(delta(version=3))
        run.reopen(now_ms)


def test_only_so_many_gaps_are_remembered(run: Run) -> None:
    """The newest ones."""
    runs = [run.opened.run]
    for _ in range(GAPS_MAX + 3):
        runs.append(run.reopen().run)
        assert len(run.opened.gaps) <= GAPS_MAX
    assert sorted(run.opened.gaps) == runs[-GAPS_MAX - 1 : -1]


def test_closing_may_be_repeated(run: Run) -> None:
    """And what was written is there for the next run."""
    run.write(whole(ROOM, "A"))
    run.store.close()
    run.store.close()
    run.reopen()
    assert run.load(ROOM) == seen(whole(ROOM, "A"))
