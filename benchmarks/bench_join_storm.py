"""What does one join cost when everybody joins one room at the same moment?

All clients are connected; all joins are written in one go. Time until each client has seen every
other, who was never seen (must be 0), and CPU of the server per join. The frames are kept and
parsed whole afterwards: the cheap scan only decides when to stop the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.dialects import Dialect, Gone, Present, Refused
from benchmarks.figures import Column, Figures, Row, per_unit, quantile
from benchmarks.harness import Harness, Meter, ServerProcess
from benchmarks.load import Client, SetUpFailed, close_all, connect

NAME: Final = "join_storm"
TITLE: Final = "Join storm: all joins of one room written at one moment"
KEY: Final = "cpu_us_per_join"
COLUMNS: Final = (
    Column("cpu_us_per_join", "server CPU µs/join", 0),
    Column("all_seen_ms", "all see all, ms", 0),
    Column("p50_ms", "p50 ms", 0),
    Column("missing", "missing", 0),
    Column("kib_per_client", "KiB to each client", 0),
    Column("frames_per_client", "frames to each client", 1),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
STORM_S_MAX: Final = 20.0
SETTLE_S: Final = 0.4
AFTER_S: Final = 0.3
"""What the server still does after the last client has seen all belongs to the storm too."""


class Storm:
    """Keeps each frame with its time for the audit, and guesses when everybody was named."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.frames: list[list[tuple[int, bytes]]] = [[] for _ in range(count)]
        self.named = [0] * count
        self.waiting = count
        self.all_named = asyncio.Event()

    def on_message(self, client: Client, payload: bytes) -> None:
        user, named = client.user, self.named
        self.frames[user].append((time.monotonic_ns(), payload))
        before = named[user]
        named[user] += client.dialect.named(payload)
        if before < self.count <= named[user]:
            self.waiting -= 1
            if not self.waiting:
                self.all_named.set()


@dataclass(frozen=True, slots=True)
class Sight:
    """What one client saw of a storm."""

    missing: int
    full_ns: int | None
    """When it had seen everybody for the first time."""
    refused: str = ""
    """The code of its last refusal."""


def audit(dialect: Dialect, frames: Sequence[tuple[int, bytes]], count: int) -> Sight:
    """Parse all that one client got: who of users 0 to `count` - 1 is absent in the end."""
    everybody = frozenset(range(count))
    present: set[int] = set()
    full_ns = None
    refused = ""
    for at_ns, payload in frames:
        for fact in dialect.read(payload):
            match fact:
                case Present(users=users, whole=True):
                    present = set(users)
                case Present(users=users):
                    present |= users
                case Gone(users=users):
                    present -= users
                case Refused(code=code):
                    refused = code
                case _:
                    pass
        if full_ns is None and everybody <= present:
            full_ns = at_ns
    return Sight(len(everybody - present), full_ns, refused)


async def storm(server: ServerProcess, dialect: Dialect, count: int) -> Figures:
    """One storm of `count` on a fresh server. Raises SetUpFailed when a join is refused."""
    clients = await connect(dialect, server.port, rooms=1, per_room=count)
    await asyncio.sleep(SETTLE_S)
    watch = Storm(count)
    joins = [dialect.join(0, client.user) for client in clients]
    for client in clients:
        client.on_message = watch.on_message
    bytes_before = sum(client.bytes_in for client in clients)

    meter = Meter(server)
    begun_ns = time.monotonic_ns()
    for client, join in zip(clients, joins, strict=True):
        client.send(join)
    with contextlib.suppress(TimeoutError):  # `missing` tells
        async with asyncio.timeout(STORM_S_MAX):
            await watch.all_named.wait()
    busy = meter.usage()
    await asyncio.sleep(AFTER_S)
    whole = meter.usage()

    sights = [audit(dialect, frames, count) for frames in watch.frames]
    for sight in sights:
        if sight.refused:
            raise SetUpFailed(f"a join was refused: {sight.refused}")
    full_ms = sorted((s.full_ns - begun_ns) / 1e6 for s in sights if s.full_ns is not None)
    figures = {
        **busy.figures(),
        "cpu_us_per_join": per_unit(whole.server_cpu_us, count),
        "all_seen_ms": quantile(full_ms, 1.0) if len(full_ms) == count else math.nan,
        "p50_ms": quantile(full_ms, 0.5),
        "missing": float(sum(sight.missing for sight in sights)),
        "kib_per_client": (sum(c.bytes_in for c in clients) - bytes_before) / 1024 / count,
        "frames_per_client": sum(map(len, watch.frames)) / count,
        "errors": float(sum(client.errors for client in clients)),
    }
    await close_all(clients)
    return figures


def run(harness: Harness) -> Iterator[Row]:
    """Storms of 50, 200 and 500."""
    for count in (50, 200) if harness.options.quick else (50, 200, 500):

        async def measure(server: ServerProcess, dialect: Dialect, count: int = count) -> Figures:
            return await storm(server, dialect, count)

        yield from harness.against_servers(NAME, f"storm of {count}", measure)
