"""The real clock: one of two places where time is read (the other is the composition root)."""

import asyncio
import time
from collections.abc import Callable

from actors.ports import Cancellable


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class LoopClock:
    """The Clock port on a running loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000  # not by `now_ms`: it is asked for very often

    # Not loop.time(): that is the time at which the loop last woke, in whole milliseconds.
    monotonic_s = staticmethod(time.monotonic)

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Cancellable:
        return self._loop.call_later(delay_s, call)
