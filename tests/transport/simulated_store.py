"""A store in the simulated world: slow, failing, stalled, and killed in the middle.

Owns what a thread and a disk would do to a ledger, in simulated time and from a seed. Under it is
the store kept in memory, whose disk outlives the process that wrote to it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.ids import RoomId
from actors.ports import Cancellable
from actors.records import Record
from actors.stores.memory import MemoryDisk, MemoryStore
from actors.stores.port import Batch, Opened, StoreFault, StoreFull
from tests.transport.simulated import SimulatedClock


@dataclass(slots=True)
class Weather:
    """How the disk is at the moment."""

    delay_s: float = 0.002
    fails: bool = False
    stalled: bool = False


class MortalClock:
    """The Clock port of one process: when that is dead, nothing that it waits for happens."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock: Final = clock
        self.is_alive = True

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Cancellable:
        return self._clock.call_later(delay_s, lambda: call() if self.is_alive else None)


class SimulatedStore:
    """The StoreThread of one process on `disk`. Work is done in order, one at a time, each piece
    after the delay of the `weather`; while that is stalled, nothing is.
    """

    def __init__(
        self, disk: MemoryDisk, clock: MortalClock, weather: Weather, rng: random.Random
    ) -> None:
        self._store: Final = MemoryStore(disk)
        self._clock: Final = clock
        self._weather: Final = weather
        self._rng: Final = rng
        self._queue: list[tuple[Callable[[], object], Callable[..., object]]] = []
        self._is_busy = False

    def open(self) -> Opened:
        return self._store.open(self._clock.now_ms())

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
        self._ask(self._store.settle, deliver)

    def _write(self, batch: Batch) -> None:
        if self._weather.fails:
            raise StoreFull("the disk is full")
        self._store.write(batch)

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
        work, deliver = self._queue.pop(0)
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
