"""What a server needs of its process: open files, and faults and signals that do not end it.

Owns what is set once, before anything else runs. Knows nothing of rooms.
"""

import asyncio
import contextlib
import gc
import importlib.util
import logging
import os
import resource
import signal
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from actors.faults import explained
from actors.ports import Log


def is_compiled() -> bool:
    """The modules that setup.cfg names for it are extension modules, not Python."""
    spec = importlib.util.find_spec("actors.room_state")
    return spec is not None and not str(spec.origin).endswith(".py")


class ClosingLog(Log, Protocol):
    """A log that has an end."""

    def close(self) -> object: ...


def prepare(loop: asyncio.AbstractEventLoop, log: Log) -> None:
    """Set it up for whatever will run on `loop`."""
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # failures are told by our own log
    loop.set_exception_handler(lambda _, context: _tell_fault(log, context))
    _raise_open_files()
    watch_reloads(loop, ())  # else it would end the process


def watch_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, log: ClosingLog) -> None:
    """Set `stop` when the process is told to; told twice, it ends at once."""

    def told(name: str) -> None:
        if stop.is_set():
            log.warn("server_killed", signal=name)
            log.close()
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number.name)


def watch_reloads(loop: asyncio.AbstractEventLoop, reloads: Iterable[Callable[[], object]]) -> None:
    """On SIGHUP do all `reloads`, those included that are added later."""

    def told() -> None:
        for reload in reloads:
            reload()

    loop.add_signal_handler(signal.SIGHUP, told)


def keep_what_is_there() -> None:
    """What was made by now stays for good, and garbage is looked for more rarely."""
    gc.collect()
    gc.freeze()  # no collection needs to look at it again
    gc.set_threshold(10_000, 20, 10)


def _tell_fault(log: Log, context: dict[str, Any]) -> None:
    """What a callback of the loop raised: a bug, told and survived."""
    error = context.get("exception")
    if isinstance(error, BaseException):  # the loop's message has the callback's arguments in it
        log.error("callback_failed", error=explained(error))
    else:
        log.error("callback_failed", reason=str(context.get("message")))


def _raise_open_files() -> None:
    """A connection is a file: take what the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
