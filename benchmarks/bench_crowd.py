"""What does it cost to hold very many connections at once, and does the server still answer?

Rooms of five, each player moving once in ten seconds, held by several generator processes from
several addresses. Meanwhile others, on connections of their own and in no room, send pings by the
kernel's timer: the latency counts from when a ping was due until its answer was read. So many
moves and heartbeats may make the server hold its breath before it reads (`pace_ms`). Memory is
resident memory over what the empty server held, without the kernel's socket buffers. CPU is per
connection and second, heartbeats and moves included.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from benchmarks import machine
from benchmarks.crowd import Crowd, shares
from benchmarks.dialects import Dialect, ping, ponged
from benchmarks.figures import Column, Figures, Row, per_unit, quantile
from benchmarks.harness import Harness, Meter, ServerProcess
from benchmarks.load import Client, MovePump, close_all, connect

NAME: Final = "crowd"
TITLE: Final = "Very many connections at once"
KEY: Final = "cpu_us_per_connection_s"
COLUMNS: Final = (
    Column(KEY, "server CPU µs/connection and s", 2),
    Column("kib_per_connection", "KiB/connection", 2),
    Column("rss_mib", "RSS, MiB", 0),
    Column("set_up_us", "set-up CPU µs each", 0),
    Column("ping_p50_ms", "ping p50 ms", 2),
    Column("ping_p99_ms", "p99 ms", 2),
    Column("ping_max_ms", "greatest", 1),
    Column("pings_answered_pct", "pings answered %", 1),
    Column("delivered_pct", "moves delivered %", 1),
    Column("server_cpu_pct", "server CPU %", 0),
    Column("gen_cpu_pct", "generators' CPU %", 0),
)
ROOMS, PER_ROOM = 3_000, 5
QUICK_ROOMS: Final = 300
PROCESSES: Final = 3
MOVE_HZ: Final = 0.1
PINGERS: Final = 20
PING_HZ: Final = 5.0
"""Of each pinger: a hundred pings a second altogether."""
SPARE_SOCKETS: Final = 200
SETTLE_S: Final = 2.0
WARM_UP_S: Final = 2.0
WINDOW_S: Final = 20.5
"""Every connection moves twice, and has two heartbeats of ours or one of the baseline's."""
QUICK_WINDOW_S: Final = 3.0


class Pings:
    """Times answers to pings whose `t` is when they were due, in µs since `base_ns`."""

    def __init__(self, base_ns: int) -> None:
        self.base_ns = base_ns
        self.counting = False
        self.since_us = 0
        self.took_us: list[int] = []

    def now_us(self) -> int:
        """Microseconds since the base."""
        return (time.monotonic_ns() - self.base_ns) // 1000

    def on_message(self, _: Client, payload: bytes) -> None:
        due_us = ponged(payload)
        if self.counting and due_us is not None and due_us >= self.since_us:
            self.took_us.append(self.now_us() - due_us)


def _ping(_: Client, due_us: int, __: int) -> bytes:
    return ping(due_us)


async def crowd(server: ServerProcess, dialect: Dialect, rooms: int, window_s: float) -> Figures:
    """One window on a fresh server that holds `rooms` rooms."""
    pingers = await connect(dialect, server.port, 1, PINGERS)
    await asyncio.sleep(SETTLE_S)
    before_kib = machine.rss_kib(server.pid)
    connections = rooms * PER_ROOM
    setting_up = Meter(server)
    with Crowd(shares(dialect, server.port, rooms, PER_ROOM, MOVE_HZ, PROCESSES)) as others:
        await others.held()
        set_up = setting_up.usage()
        await asyncio.sleep(SETTLE_S)
        others.move()
        base_ns = time.monotonic_ns()
        pings = Pings(base_ns)
        for pinger in pingers:
            pinger.on_message = pings.on_message
        pump = MovePump(pingers, PING_HZ, base_ns, frame_of=_ping, exact=True)
        pump.start()
        await asyncio.sleep(WARM_UP_S)
        pings.since_us = pings.now_us()
        pings.counting = True
        sent, others_us = pump.offered, others.cpu_us()
        meter = Meter(server)
        await asyncio.sleep(window_s)
        usage = meter.usage()
        pings.counting = False
        sent = pump.offered - sent
        others_us = others.cpu_us() - others_us
        pump.stop()
        after_kib = machine.rss_kib(server.pid)
        counts = await others.end()
    took_ms = sorted(took / 1e3 for took in pings.took_us)
    figures = {
        **usage.figures(),
        KEY: per_unit(usage.server_cpu_us / usage.wall_s, connections),
        "kib_per_connection": per_unit(after_kib - before_kib, connections),
        "rss_mib": after_kib / 1024,
        "set_up_us": per_unit(set_up.server_cpu_us, connections),
        "ping_p50_ms": quantile(took_ms, 0.5),
        "ping_p99_ms": quantile(took_ms, 0.99),
        "ping_max_ms": quantile(took_ms, 1.0),
        "pings_answered_pct": per_unit(100.0 * len(took_ms), sent),
        "delivered_pct": per_unit(100.0 * counts["delivered"], counts["updates"]),
        "missing": counts["lost"],
        "miscounted": counts["miscounted"],
        "errors": counts["errors"] + sum(pinger.errors for pinger in pingers),
    }
    figures["gen_cpu_pct"] += others_us / usage.wall_s / 1e4
    await close_all(pingers)
    return figures


def run(harness: Harness) -> Iterator[Row]:
    """15 000 connections, or as many as a process may have files; a tenth with `--quick`."""
    quick = harness.options.quick
    fitting = (harness.sockets_max - SPARE_SOCKETS - PINGERS) // PER_ROOM
    rooms = min(QUICK_ROOMS if quick else ROOMS, fitting)
    yield from harness.against_servers(
        NAME,
        f"{rooms * PER_ROOM:,} connections in rooms of {PER_ROOM}",
        partial(crowd, rooms=rooms, window_s=QUICK_WINDOW_S if quick else WINDOW_S),
    )
