"""A SQLite store whose process is killed at any moment, or whose last writes are torn.

Files are copied from under an open store: what was handed to the operating system is in the copy,
as it is on the disk after kill -9. What is torn off the end is what a loss of power may take.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from actors.ids import RoomId
from actors.records import Record
from actors.sealing import Seal
from actors.stores import schema
from actors.stores.port import Batch
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.places import NOW_MS, SEAL, Run, killed, tiny
from tests.actors.stores.rooms import Model, delta, row, whole

ROOMS = [RoomId(f"room-{number}") for number in range(5)]


def history(writes: int) -> Iterator[Batch]:
    """Whole rooms first, then deltas, with rooms that empty and fill again."""
    for mark in range(1, writes + 1):
        room, next_room = ROOMS[mark % 5], ROOMS[(mark + 2) % 5]
        name = "ABC"[mark % 3]
        changed = None if mark % 4 == 0 else row(name, serial=mark, attributes={"t": "é" * mark})
        records = [delta(room, {name: changed}, {"A": (float(mark), 0.0, mark)}, version=mark)]
        if mark <= 5:
            records = [whole(room, "A", "B", version=mark)]
        elif mark % 3 == 0:
            records.append(delta(next_room, {"D": row("D", serial=mark)}, version=mark))
        yield Batch(mark, records)


@pytest.mark.rule("P1.2")
@pytest.mark.parametrize("seal", [None, SEAL])
def test_after_every_write_and_every_slice_the_files_hold_just_what_was_written(
    seal: Seal | None, tmp_path: Path
) -> None:
    """Killed there, the next run reads it, tidies it, and reads it again."""
    live = tmp_path / "live"
    live.mkdir()
    store = tiny(live, seal)
    store.open(NOW_MS)
    model = Model()
    copies = count()

    def check(mark: int) -> None:
        folder = killed(live, tmp_path / f"copy-{next(copies)}")
        run = Run(lambda: tiny(folder, seal))
        assert (run.opened.mark, run.opened.remarks) == (mark, ())
        assert run.rooms(ROOMS) == model.rooms
        run.tidy()
        assert run.rooms(ROOMS) == model.rooms
        run.store.close()

    for batch in history(40):
        model.apply(batch.records)
        store.write(batch)
        check(batch.mark)
        store.tidy()
        check(batch.mark)
    store.close()
    assert next(copies) == 80


@pytest.mark.rule("P1.2")
@pytest.mark.parametrize("seal", [None, SEAL])
def test_a_kill_between_two_slices_of_a_fold_loses_nothing(
    seal: Seal | None, tmp_path: Path
) -> None:
    """Some rooms are folded already and others are not: the journal still has them all."""
    live = tmp_path / "live"
    live.mkdir()
    store = tiny(live, seal)
    store.open(NOW_MS)
    model = Model()
    rooms = [RoomId(f"room-{number}") for number in range(200)]

    def make(room: RoomId, mark: int) -> Record:
        rows = {"A": row("A", serial=mark)}
        return (
            whole(room, rows=rows, version=mark) if mark == 1 else delta(room, rows, version=mark)
        )

    for mark in (1, 2, 3):
        records = [make(room, mark) for room in rooms]
        if mark == 3:
            records = [delta(room, {"A": None, "B": row("B")}, version=3) for room in rooms[::2]]
        model.apply(records)
        store.write(Batch(mark, records))
        for step in count():
            more = store.tidy()
            if more and step == 0:  # what comes while it folds
                late = [
                    delta(room, {"A": row("A", serial=99)}, version=9)
                    for room in (rooms[0], rooms[-1])
                ]
                model.apply(late)
                store.write(Batch(mark, late))
            run = Run(partial(tiny, killed(live, tmp_path / f"{mark}-{step}"), seal))
            assert run.rooms(rooms) == model.rooms
            run.store.close()
            if not more:
                assert step >= 2 or mark == 3
                break
    store.close()


@pytest.fixture
def torn(tmp_path: Path) -> tuple[Path, list[Model]]:
    """The files of a store that never folded, and all states that it went through."""
    live = tmp_path / "live"
    live.mkdir()
    store = SqliteStore(live, flush=False)
    store.open(NOW_MS)
    states = [Model()]
    for batch in history(14):
        state = states[-1].copy()
        state.apply(batch.records)
        states.append(state)
        store.write(batch)
    copy = killed(live, tmp_path / "killed")
    store.close()
    return copy, states


def opens_as(folder: Path, states: list[Model]) -> int:
    """Which of `states` the files in `folder` hold; nothing may have been set aside. Where only
    the first versions of the tables had come, the others are made now.
    """
    run = Run(lambda: SqliteStore(folder, flush=False))
    brought = f"{folder / FILE_NAME} was brought to version {schema.VERSION}"
    assert run.opened.remarks in {(), (brought,)}
    rooms = run.rooms(ROOMS)
    run.store.close()
    (number,) = [number for number, state in enumerate(states) if state.rooms == rooms]
    assert run.opened.mark == number
    assert not (number and run.opened.remarks)
    return number


def test_a_torn_tail_leaves_the_writes_before_it(
    torn: tuple[Path, list[Model]], tmp_path: Path
) -> None:
    """Cut at many places: always a prefix, longer the later the cut, and all of it at the end."""
    copy, states = torn
    size = (copy / f"{FILE_NAME}-wal").stat().st_size
    numbers = []
    for cut in [*range(0, size, 517), size - 1, size]:
        folder = killed(copy, tmp_path / f"cut-{cut}")
        with (folder / f"{FILE_NAME}-wal").open("r+b") as file:
            file.truncate(cut)
        numbers.append(opens_as(folder, states))
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[-2], numbers[-1]) == (0, len(states) - 2, len(states) - 1)
    assert set(numbers) == set(range(len(states)))


def test_a_tail_that_is_garbage_leaves_the_writes_before_it(
    torn: tuple[Path, list[Model]], tmp_path: Path
) -> None:
    """A byte of it is another: that write and the later ones are not there."""
    copy, states = torn
    size = (copy / f"{FILE_NAME}-wal").stat().st_size
    numbers = []
    for place in range(40, size, 1511):
        folder = killed(copy, tmp_path / f"flip-{place}")
        with (folder / f"{FILE_NAME}-wal").open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 0x10]))
        numbers.append(opens_as(folder, states))
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert 0 < numbers[-1] < len(states)
