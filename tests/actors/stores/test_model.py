"""Random histories of a disk, with every store held against a plain dictionary.

Batches, slices of tidying, ends of runs by closing and by kill -9, on a SQLite store that folds all
the time and on the memory store. After every step both answer what the dictionary has, and at the
start of every run both know the same.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actors.records import Record
from actors.sealing import KEYS_MAX, Seal
from actors.stores import resealing, sqlite
from actors.stores.memory import MemoryDisk, MemoryStore
from actors.stores.port import Batch
from tests.actors.stores.places import NOW_MS, killed, seal_of, tiny
from tests.actors.stores.rooms import OTHER, ROOM, THIRD, Model, records, seen


class Disks(RuleBasedStateMachine):
    """A SQLite store, a memory store and the model, all told the same."""

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.folders = 0
        self.folder = self.home / "0"
        self.folder.mkdir()
        self.disk = MemoryDisk()
        self.model = Model()
        self.now_ms = NOW_MS
        self.mark = 0
        self.open_both()

    def open_both(self) -> None:
        self.sqlite, self.memory = tiny(self.folder, self.seal()), MemoryStore(self.disk)
        opened = self.sqlite.open(self.now_ms)
        assert opened == self.memory.open(self.now_ms)
        assert opened.mark == self.mark

    def seal(self) -> Seal | None:
        return None

    @rule(batch=st.lists(records(), min_size=1, max_size=4), skipped=st.integers(0, 2))
    def write(self, batch: list[Record], skipped: int) -> None:
        self.mark += 1 + skipped
        # The memory store comes first: the records are the other's own from then on.
        self.memory.write(Batch(self.mark, batch))
        self.model.apply(batch)
        self.sqlite.write(Batch(self.mark, batch))

    @rule()
    def tidy_a_little(self) -> None:
        self.sqlite.tidy()

    @rule()
    def tidy_all(self) -> None:
        while self.sqlite.tidy():
            pass

    @rule()
    def settle(self) -> None:
        self.sqlite.settle()
        self.memory.settle()

    @rule(later_ms=st.integers(-5000, 5000))
    def close_and_open(self, later_ms: int) -> None:
        self.now_ms += later_ms
        self.sqlite.close()
        self.open_both()

    @rule(later_ms=st.integers(-5000, 5000))
    def kill_and_open(self, later_ms: int) -> None:
        self.now_ms += later_ms
        self.folders += 1
        self.folder = killed(self.folder, self.home / str(self.folders))
        self.sqlite.close()
        self.open_both()

    @invariant()
    def both_are_as_the_model(self) -> None:
        for room_id in (ROOM, OTHER, THIRD):
            expected = self.model.rooms.get(room_id)
            assert seen(self.memory.load(room_id)) == expected
            assert seen(self.sqlite.load(room_id)) == expected

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            self.sqlite.close()
            shutil.rmtree(self.home)


class SealedDisks(Disks):
    """The same in the clear at first, then with a key, and another one, and so on."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[int] = []

    def seal(self) -> Seal | None:
        return seal_of(*self.keys) if self.keys else None

    @precondition(lambda self: len(self.keys) < KEYS_MAX)
    @rule(starts_anew=st.booleans())
    def rotate(self, *, starts_anew: bool) -> None:
        starts_anew = starts_anew or not self.keys
        self.keys.insert(0, max(self.keys, default=0) + 1)
        if starts_anew:
            self.close_and_open(0)
        else:
            self.sqlite.reseal(seal_of(*self.keys))

    @precondition(lambda self: bool(self.keys))
    @rule()
    def drop_old(self) -> None:
        self.tidy_all()
        assert self.sqlite.sealing.is_whole
        del self.keys[1:]
        self.close_and_open(0)


@pytest.mark.parametrize(
    "machine", [Disks, pytest.param(SealedDisks, marks=pytest.mark.rule("T3.4", "T3.5"))]
)
def test_any_history_of_a_disk_is_read_as_it_was_written(
    machine: type[Disks], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was written, tidied, sealed, closed and killed, in whatever order. Rows and slices
    are so small that few rooms need many of them.
    """
    monkeypatch.setattr(sqlite, "_SLICE_ROOMS_MAX", 1)
    monkeypatch.setattr(sqlite, "_ROW_RECORDS_MAX", 2)
    monkeypatch.setattr(resealing, "SLICE_ROWS_MAX", 1)
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=25))
