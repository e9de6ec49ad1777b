"""A disk in the simulated world: slow, stalled or failing, and what of it outlives a death.

Owns what a store's thread and its disk would do to a ledger, in simulated time and from a seed. The
rooms themselves are kept by the store in memory, whose disk outlives the process that wrote to it;
where writes are not flushed, the last of them may be lost when the whole machine dies.
"""

import copy
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

from actors.ids import RoomId
from actors.ports import Clock
from actors.records import Record
from actors.stores.memory import MemoryDisk, MemoryStore
from actors.stores.port import Batch, Opened, StoreFault, StoreFull

UNFLUSHED_MAX: Final = 8
"""So many writes may wait in the machine's memory before it flushes by itself."""


@dataclass(slots=True)
class Weather:
    """How the disk is at the moment."""

    delay_s: float = 0.002
    fails: bool = False
    stalled: bool = False

    def clear(self) -> None:
        """Nothing is the matter."""
        self.delay_s, self.fails, self.stalled = 0.002, False, False


class UnflushedDisk:
    """A disk whose machine says `done` before it is: `flush` says whether it waits instead."""

    def __init__(self, *, flush: bool) -> None:
        self.kept: Final = MemoryDisk()
        self._flush: Final = flush
        self._pasts: deque[MemoryDisk] = deque(maxlen=UNFLUSHED_MAX)

    def changes(self) -> None:
        """To be called before a write."""
        if not self._flush:
            self._pasts.append(copy.deepcopy(self.kept))

    def flushed(self) -> None:
        """All that was written is there to stay."""
        self._pasts.clear()

    def lose_power(self, rng: random.Random) -> int:
        """Go back to some moment since the last flush; how many writes are lost."""
        pasts, self._pasts = list(self._pasts), deque(maxlen=UNFLUSHED_MAX)
        lost = rng.randrange(len(pasts) + 1)
        if lost:
            for field in fields(MemoryDisk):
                setattr(self.kept, field.name, getattr(pasts[-lost], field.name))
        return lost


class SimulatedStore:
    """The StoreThread of one process on `disk`. Work is done in order, one at a time, each piece
    after the delay of the `weather`; while that is stalled, nothing is.
    """

    def __init__(
        self, disk: UnflushedDisk, clock: Clock, weather: Weather, rng: random.Random
    ) -> None:
        self._disk: Final = disk
        self._store: Final = MemoryStore(disk.kept)
        self._clock: Final = clock
        self._weather: Final = weather
        self._rng: Final = rng
        self._queue: deque[tuple[Callable[[], object], Callable[..., object]]] = deque()
        self._is_busy = False

    def open(self) -> Opened:
        opened = self._store.open(self._clock.now_ms())
        self._disk.flushed()  # the number of a run is never given twice
        return opened

    def load(
        self, room_id: RoomId, deliver: Callable[[Record | StoreFault | None], object]
    ) -> None:
        self._ask(lambda: self._store.load(room_id), deliver)

    def write(
        self,
        batch: Batch,
        deliver: Callable[[StoreFault | None], object],
        untidy: Callable[[StoreFault], object],
    ) -> None:
        del untidy
        self._ask(lambda: self._write(batch), deliver)

    def settle(self, deliver: Callable[[StoreFault | None], object]) -> None:
        self._ask(self._settle, deliver)

    def _write(self, batch: Batch) -> None:
        if self._weather.fails:
            raise StoreFull("the disk is full")
        self._disk.changes()
        self._store.write(batch)

    def _settle(self) -> None:
        self._disk.changes()
        self._store.settle()

    def _ask(self, work: Callable[[], object], deliver: Callable[..., object]) -> None:
        self._queue.append((work, deliver))
        if not self._is_busy:
            self._is_busy = True
            self._begin()

    def _begin(self) -> None:
        delay_s = self._rng.uniform(0, 2 * self._weather.delay_s)
        self._clock.call_later(delay_s, self._finish)

    def _finish(self) -> None:
        if self._weather.stalled:
            self._clock.call_later(0.05, self._finish)
            return
        work, deliver = self._queue.popleft()
        outcome: object
        try:
            outcome = work()
        except StoreFault as fault:
            outcome = fault
        deliver(outcome)
        if self._queue:
            self._begin()
        else:
            self._is_busy = False
