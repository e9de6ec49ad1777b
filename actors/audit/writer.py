"""The thread that writes an audit: a pykka.ThreadingActor around the book.

Owns the seam between the loop and a disk that may be slow, full or gone. What is asked is done in
order; the answer comes back on the loop. Nothing that the disk does ends the thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pykka

from actors.audit.book import AuditBook, AuditFault, End
from actors.audit.chain import Link
from actors.audit.port import Item


@dataclass(frozen=True, slots=True)
class _Do:
    """Call `work` on the thread, then `deliver` what it returned, or the fault, on the loop."""

    work: Callable[[], object]
    deliver: Callable[[Any], object]
    is_last: bool = False


class _Actor(pykka.ThreadingActor):
    """One piece of work after the other."""

    use_daemon_thread = True  # a stalled disk does not keep the process from ending

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def on_receive(self, message: Any) -> Any:
        outcome: object
        try:
            outcome = message.work()
        except AuditFault as fault:
            outcome = fault
        except Exception as error:  # noqa: BLE001  # the thread outlives a bug in the book
            outcome = AuditFault(f"{type(error).__name__}: {error}")
        if message.is_last:
            self.stop()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(message.deliver, outcome)


class BookWriter:
    """The AuditWriter port, on the loop's side of the thread."""

    def __init__(self, book: Callable[[], AuditBook]) -> None:
        self._make: Final = book
        self._loop: Final = asyncio.get_running_loop()
        self._actor: Final = _Actor.start(self._loop)
        self._book: AuditBook | None = None

    async def open(self, now_ms: int) -> End:
        """Make the book and open it, on the thread. Raises AuditFault."""
        end = await self._done(lambda: self._opened(now_ms))
        assert isinstance(end, End)
        return end

    def write(
        self, items: Sequence[Item], now_ms: int, deliver: Callable[[Link | AuditFault], object]
    ) -> None:
        self._actor.tell(_Do(lambda: self._own().write(items, now_ms), deliver))

    def forget(
        self, user_id: str, now_ms: int, deliver: Callable[[bool | AuditFault], object]
    ) -> None:
        self._actor.tell(_Do(lambda: self._own().forget(user_id, now_ms), deliver))

    async def close(self) -> None:
        """After all that was asked: close the book and end the thread. Raises AuditFault."""
        await self._done(self._close, is_last=True)

    # -- inside

    def _opened(self, now_ms: int) -> End:
        try:
            self._book = self._make()
        except OSError as error:
            raise AuditFault(str(error)) from None
        return self._book.open(now_ms)

    def _own(self) -> AuditBook:
        assert self._book is not None
        return self._book

    def _close(self) -> None:
        if self._book is not None:
            self._book.close()

    async def _done(self, work: Callable[[], object], *, is_last: bool = False) -> object:
        done: asyncio.Future[object] = self._loop.create_future()

        def deliver(outcome: object) -> None:
            if not done.cancelled():
                done.set_result(outcome)

        self._actor.tell(_Do(work, deliver, is_last))
        outcome = await done
        if isinstance(outcome, AuditFault):
            raise outcome
        return outcome
