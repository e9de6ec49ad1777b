"""The composition root: the only file that names every concrete class, and where the process's
time, randomness and signals come from.
"""

import asyncio
import contextlib
import gc
import logging
import os
import random
import resource
import secrets
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import uvloop

from actors.ids import SocketId
from actors.ports import Census, Clock, Log, Ports
from actors.registry import Directory, RegistryActor
from actors.runtime import Mailbox
from actors.settings import Settings
from transport.clock import LoopClock
from transport.door import Door
from transport.encoding import WireEncoder
from transport.host import Host
from transport.link import Link
from transport.log import StructuredLog
from transport.metrics import PrometheusMetrics
from transport.roster import SessionRoster
from transport.server import Server
from transport.session import Session
from transport.wire import dumps

SOCKET_ID_BYTES: Final = 9
"""12 characters of URL-safe base64: 72 random bits."""
RECONNECT_SPREAD: Final = (0.05, 0.8)
"""Whoever is sent off comes back within this part of the grace, each at a time of its own."""


def run(settings: Settings, warnings: Sequence[str], version: str) -> int:
    """Serve until SIGTERM or SIGINT. The exit code: 0, or 1 where it could not listen or was
    told twice to stop.
    """
    return uvloop.run(_serve(settings, warnings, version))


class Application:
    """Everything, wired. `new_name` gives a URL-safe text of so many random bytes."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        clock: Clock,
        key: bytes,
        version: str,
        new_name: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self.metrics: Final = PrometheusMetrics(version)
        self.census: Final = Census()
        roster = SessionRoster()
        encoder = WireEncoder(settings.players_max, settings.tick_ms)
        ports = Ports(clock, encoder, roster, log, self.metrics, self.census, settings)
        self.directory: Final = Directory(Mailbox(settings.mailbox_messages_max))
        self.registry: Final = RegistryActor.start(
            ports, self.directory, mailbox=self.directory.registry
        )
        host = Host(
            settings,
            clock,
            key,
            self.directory.mailbox_for,
            self.directory.mailbox_of,
            roster,
            log,
            self.metrics,
        )

        def new_session(link: Link) -> Session:
            return Session(host, link, SocketId(new_name(SOCKET_ID_BYTES)))

        self.door: Final = Door(settings, clock, log, new_session, self.metrics.exposition)
        self.server: Final = Server(settings, self.door)
        self.metrics.watch(
            connections=lambda: self.door.admission.open_count,
            rooms=lambda: len(self.directory.rooms),
            players=lambda: self.census.players,
        )


async def _serve(settings: Settings, warnings: Sequence[str], version: str) -> int:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop)
    log = StructuredLog(
        dumps,
        clock.now_ms,
        lambda data: os.write(sys.stdout.fileno(), data),
        level=settings.log_level,
        form=settings.log_format,
        terminal=sys.stdout.isatty(),
        lines_max=settings.log_lines_max,
    )
    for warning in warnings:
        log.warn("setting_ignored", reason=warning)
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # failures are told by our own log
    loop.set_exception_handler(lambda _, context: _tell_fault(log, context))
    _raise_open_files()
    app = Application(settings, log, clock, secrets.token_bytes(32), version)
    app.metrics.watch_log(lambda: log.dropped_total)
    stop = asyncio.Event()
    _watch_signals(loop, stop, log)
    try:
        await app.server.listen()
    except (OSError, ssl.SSLError) as error:
        log.error("server_not_started", error=str(error), host=settings.host, port=settings.port)
        sys.stderr.write(f"vaultmeet: cannot listen on {settings.host}:{settings.port}: {error}\n")
        log.close()
        return 1
    gc.collect()
    gc.freeze()  # what is there now stays: no collection needs to look at it again
    gc.set_threshold(10_000, 20, 10)
    log.info(
        "server_started",
        host=settings.host,
        port=app.server.port,
        version=version,
        auth=settings.auth.value,
    )
    await stop.wait()
    log.info("server_draining", connections=app.door.admission.open_count)
    cut = await app.server.drain(_reconnect_times(settings))
    await app.registry.stop()
    log.info("server_stopped", cutOff=cut)
    log.close()
    return 0


def _reconnect_times(settings: Settings) -> Callable[[], int]:
    """A time in milliseconds for each client, spread so that they do not come back together."""
    least, most = (settings.resume_grace_s * 1000 * part for part in RECONNECT_SPREAD)
    return lambda: int(random.uniform(least, most))  # noqa: S311  # spread, not secrecy


def _watch_signals(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event, log: StructuredLog
) -> None:
    def told(name: str) -> None:
        if stop.is_set():
            log.warn("server_killed", signal=name)
            log.close()
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number.name)


def _tell_fault(log: Log, context: dict[str, Any]) -> None:
    """What a callback of the loop raised: a bug, told and survived."""
    error = context.get("exception")
    log.error("callback_failed", error=repr(error), reason=str(context.get("message")))


def _raise_open_files() -> None:
    """A connection is a file: take what the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
