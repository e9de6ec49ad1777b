"""Every kind of store on a disk of its own, and a run of a server on it.

Owns the list that the contract's tests are run over: a new store is added to `KINDS` and nowhere
else.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from actors.ids import RoomId
from actors.records import Record
from actors.sealing import KEY_BYTES, Seal
from actors.stores.memory import MemoryDisk, MemoryStore
from actors.stores.port import Batch, Opened, Store
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.faulty import FaultyStore
from tests.actors.stores.rooms import Seen, seen

NOW_MS: Final = 1_750_000_000_000
TINY_JOURNAL: Final = 1024
"""Bytes: nearly every write makes something to fold."""

Make: TypeAlias = Callable[[], Store]


def key(number: int) -> bytes:
    """A seal key, the same for the same number."""
    return random.Random(number).randbytes(KEY_BYTES)


def seal_of(*numbers: int) -> Seal:
    """The seal with those keys, the newest first."""
    return Seal([key(number) for number in numbers], os.urandom)


SEAL: Final = seal_of(1)


def tiny(folder: Path, seal: Seal | None = None) -> SqliteStore:
    """One that folds all the time."""
    return SqliteStore(folder, flush=False, journal_bytes_max=TINY_JOURNAL, seal=seal)


def folding(folder: Path, seal: Seal | None = None) -> SqliteStore:
    """One that folds after every write, so that a tidied store has an empty journal."""
    return SqliteStore(folder, flush=False, journal_bytes_max=1, seal=seal)


KINDS: Final[dict[str, Callable[[Path], Make]]] = {
    "memory": lambda _folder: partial(MemoryStore, MemoryDisk()),
    "sqlite": lambda folder: lambda: SqliteStore(folder, flush=False),
    "sqlite flushed": lambda folder: lambda: SqliteStore(folder, flush=True),
    "sqlite tiny": lambda folder: lambda: tiny(folder),
    "sqlite folding": lambda folder: lambda: folding(folder),
    "sqlite sealed": lambda folder: lambda: SqliteStore(folder, flush=False, seal=SEAL),
    "sqlite sealed tiny": lambda folder: lambda: tiny(folder, SEAL),
    "sqlite sealed folding": lambda folder: lambda: folding(folder, SEAL),
    "faulty": lambda folder: lambda: FaultyStore(tiny(folder)),
}


class Run:
    """A run of a server: the store that it has open, opened anew by `reopen`."""

    def __init__(self, make: Make, now_ms: int = NOW_MS) -> None:
        self._make = make
        self.store = make()
        self.opened: Opened = self.store.open(now_ms)
        self._mark = self.opened.mark

    def reopen(self, now_ms: int = NOW_MS) -> Opened:
        """The next run on the same disk."""
        self.store.close()
        self.store = self._make()
        self.opened = self.store.open(now_ms)
        self._mark = self.opened.mark
        return self.opened

    def write(self, *records: Record) -> None:
        """All of `records` as the next batch."""
        self._mark += 1
        self.store.write(Batch(self._mark, records))

    def load(self, room_id: RoomId) -> Seen | None:
        return seen(self.store.load(room_id))

    def rooms(self, room_ids: Iterable[RoomId]) -> dict[RoomId, Seen]:
        """Those that are kept."""
        found = {room_id: self.load(room_id) for room_id in room_ids}
        return {room_id: room for room_id, room in found.items() if room is not None}

    def tidy(self) -> int:
        """Until there is nothing more to do; in how many steps."""
        steps = 1
        while self.store.tidy():
            steps += 1
            assert steps < 10_000
        return steps


def killed(folder: Path, target: Path) -> Path:
    """What kill -9 leaves of the database in `folder`, in a new folder `target`.

    The shared memory file is left out: after a loss of power it is not there, and SQLite does not
    trust it.
    """
    target.mkdir()
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
    return target
