"""A timer of the kernel that an event loop can wait for, exact to some ten microseconds. Linux.

The loop's own timers have a step of 1 ms, which is too coarse for a server that answers within
less. Python has timerfd from 3.13 on; here it is asked of libc.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from typing import Final

_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
_COUNT_BYTES: Final = 8


class _Interval(ctypes.Structure):
    """The kernel's `itimerspec`: the period, and the first moment, each in seconds and ns."""

    _fields_ = (
        ("period_s", ctypes.c_long),
        ("period_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


_libc = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """Calls `call` on the running loop, once for each `set`. Has a file until `close`."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._fd = int(_libc.timerfd_create(_MONOTONIC, _FLAGS))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._due)

    def set(self, at_ns: int) -> None:
        """Call at `at_ns` of the monotonic clock, instead of what was set before; at once where
        that is past.
        """
        seconds, rest = divmod(max(at_ns, 1), 10**9)
        when = _Interval(0, 0, seconds, rest)
        if _libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(when), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Call no more. May be repeated."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _due(self) -> None:
        try:
            os.read(self._fd, _COUNT_BYTES)
        except BlockingIOError:
            return  # set anew between the loop's look and this call
        self._call()
