"""The one thread that drives a store: a pykka.ThreadingActor. With runtime.py, futures.py,
recordings.py and audit/writer.py, all that imports pykka.

Owns the seam between the loop and a disk that may be slow, full or gone. What is asked is done in
order; the answer comes back on the loop. Nothing that a store raises ends the thread.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pykka

from actors.ids import RoomId
from actors.records import Record
from actors.stores.port import Batch, Opened, Store, StoreFault


@dataclass(frozen=True, slots=True)
class _Do:
    """Call `work` on the thread, then `deliver` what it returned, or the fault, on the loop."""

    work: Callable[[], object]
    deliver: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class _Write:
    """Write, then tidy; `untidy` is told the fault that ended the latter."""

    batch: Batch
    deliver: Callable[[StoreFault | None], object]
    untidy: Callable[[StoreFault], object]


@dataclass(frozen=True, slots=True)
class _Tidy:
    """Tidy until there is nothing to do, or something else is; `deliver` a fault that ended it."""

    deliver: Callable[[StoreFault], object]
    is_next: bool = False
    """It is the rest of what one before has begun."""


@dataclass(frozen=True, slots=True)
class _Close:
    """Close the store, whatever comes of that, and end the thread."""

    deliver: Callable[[Any], object]


class _StoreActor(pykka.ThreadingActor):
    """Between messages it tidies, a little at a time, so that no message waits for all of it."""

    use_daemon_thread = True  # a stalled disk does not keep the process from ending

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._store = store
        self._loop = loop
        self._is_closed = False
        self._is_tidying = False
        """More of it waits behind the messages that there are: one is enough, whoever asked. Else
        each write would add one for those after it to wait for, as long as there is much to do.
        """

    def on_receive(self, message: Any) -> Any:
        match message:
            case _Do(work, deliver):
                self._answer(deliver, _outcome_of(work))
            case _Write(batch, deliver, untidy):
                self._answer(deliver, _outcome_of(lambda: self._store.write(batch)))
                self._tidy(_Tidy(untidy))
            case _Tidy():
                self._tidy(message)
            case _Close(deliver):
                self._is_closed = True
                self._answer(deliver, _outcome_of(self._store.close))
                self.stop()
        return None

    def _tidy(self, message: _Tidy) -> None:
        if message.is_next:
            self._is_tidying = False
        if self._is_closed or self._is_tidying:
            return
        outcome = _outcome_of(self._store.tidy)
        if outcome is True:
            self._is_tidying = True
            self.actor_ref.tell(_Tidy(message.deliver, is_next=True))  # behind whatever waits
        elif isinstance(outcome, StoreFault):
            self._answer(message.deliver, outcome)

    def _answer(self, deliver: Callable[[Any], object], outcome: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(deliver, outcome)


class Keeper:
    """A store, from the loop's side. `deliver` is called on the loop, in the order asked."""

    def __init__(self, store: Store) -> None:
        self._store: Final = store
        self._actor: Final = _StoreActor.start(store, asyncio.get_running_loop())

    async def open(self, now_ms: int) -> Opened:
        """Raises StoreFault."""
        opened = await self._done(partial(_Do, lambda: self._store.open(now_ms)))
        assert isinstance(opened, Opened)
        return opened

    def load(
        self, room_id: RoomId, deliver: Callable[[Record | StoreFault | None], object]
    ) -> None:
        self._actor.tell(_Do(lambda: self._store.load(room_id), deliver))

    def write(
        self,
        batch: Batch,
        deliver: Callable[[StoreFault | None], object],
        untidy: Callable[[StoreFault], object],
    ) -> None:
        """`untidy` is told where what is tidied after the write fails; nothing is lost by that."""
        self._actor.tell(_Write(batch, deliver, untidy))

    def settle(self, deliver: Callable[[StoreFault | None], object]) -> None:
        self._actor.tell(_Do(self._store.settle, deliver))

    def do(
        self,
        work: Callable[[], object],
        deliver: Callable[[Any], object],
        untidy: Callable[[StoreFault], object],
    ) -> None:
        """Call `work` on the store's thread, `deliver` what it returns or the fault that it was,
        and tidy. `untidy` as of `write`.
        """
        self._actor.tell(_Do(work, deliver))
        self._actor.tell(_Tidy(untidy))

    async def close(self) -> None:
        """After all that was asked: close the store and end the thread. Raises StoreFault."""
        await self._done(_Close)

    async def _done(self, message: Callable[[Callable[[Any], object]], object]) -> object:
        """Tell what `message` makes of the way to answer. Raises the StoreFault that it was."""
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def deliver(outcome: object) -> None:
            if not done.cancelled():
                done.set_result(outcome)

        self._actor.tell(message(deliver))
        outcome = await done
        if isinstance(outcome, StoreFault):
            raise outcome
        return outcome


def _outcome_of(work: Callable[[], object]) -> object:
    """What `work` returns, or a StoreFault."""
    try:
        return work()
    except StoreFault as fault:
        return fault
    except Exception as error:  # noqa: BLE001  # the thread outlives a bug in a store
        return StoreFault(f"{type(error).__name__}: {error}")
