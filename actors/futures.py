"""Answers to come, for threads and for the loop alike. With runtime.py and mailbox.py,
all of the rooms that imports pykka.
"""

import asyncio
import itertools
import threading
from collections.abc import Generator
from typing import Any, Final

import pykka
from pykka import Timeout

_numbers: Final = itertools.count(1)


class StopFlag:
    """The part of `threading.Event` that pykka uses; a real one is made only for who waits, and so
    is the name of the actor whose flag it is.
    """

    __slots__ = ("_event", "_urn", "raised")

    def __init__(self) -> None:
        self.raised = False
        """As `is_set`, without a call."""
        self._event: threading.Event | None = None
        self._urn: str | None = None

    @property
    def urn(self) -> str:
        """The actor's, the same for all who ask, since its refs know this flag, too; another than
        that of any actor of this process.
        """
        if self._urn is None:
            self._urn = f"urn:vaultmeet:actor:{next(_numbers)}"
        return self._urn

    def is_set(self) -> bool:
        return self.raised

    def set(self) -> None:
        self.raised = True
        if self._event is not None:
            self._event.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block this thread (never the loop's) until set; False after `timeout` seconds."""
        if self._event is None:
            self._event = threading.Event()
        if self.raised:
            self._event.set()
        return self._event.wait(timeout)


class LoopFuture(pykka.ThreadingFuture[Any]):
    """An answer to come, for any thread: `get` blocks in others, `await` waits on the loop."""

    def __init__(self, timeout_s: float | None = None) -> None:
        super().__init__()
        self._timeout_s = timeout_s
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def get(self, *, timeout: float | None = None) -> Any:
        """As in pykka; raises RuntimeError on the thread of a running loop while unanswered."""
        if self._result is None and self._get_hook is None and on_a_loop():
            raise RuntimeError("get() would block the event loop: await the future instead")
        return super().get(timeout=timeout)

    def set(self, value: Any | None = None) -> None:
        super().set(value)
        self._wake()

    def set_exception(self, exc_info: Any = None) -> None:
        super().set_exception(exc_info)
        self._wake()

    def __await__(self) -> Generator[Any, None, Any]:
        """Raises pykka.Timeout after `timeout_s`, or what the actor raised."""
        if self._get_hook is not None:
            return self.get()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        with self._condition:
            answered = self._result is not None
            if not answered:
                self._waiters.append((loop, waiter))
        if not answered:
            timer = None
            if self._timeout_s is not None:
                late = Timeout(f"{self._timeout_s} seconds")
                timer = loop.call_later(self._timeout_s, _fail, waiter, late)
            try:
                yield from waiter.__await__()
            finally:
                if timer is not None:
                    timer.cancel()
        return self.get()

    __iter__ = __await__

    def _wake(self) -> None:
        with self._condition:
            waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_finish, waiter)


def on_a_loop() -> bool:
    """This thread runs an event loop at this moment."""
    return asyncio._get_running_loop() is not None


def _finish(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _fail(waiter: "asyncio.Future[None]", error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)
