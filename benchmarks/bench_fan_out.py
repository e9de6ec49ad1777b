"""What does it cost to show one player's move to one other player?

R rooms of P players, each moving 20 times a second on its own schedule. A delivered update is one
player's new position seen by one other client: a frame of the baseline, one entry of a batch of
ours. Ours stands twice, with moves in JSON and in binary. Moves are last-wins, so two moves of a
player within one tick are one update: a little less than 100 % delivered is no loss.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.dialects import Dialect
from benchmarks.figures import OURS, Column, Figures, Row, per_unit, quantile
from benchmarks.harness import (
    Harness,
    Meter,
    Options,
    ServerProcess,
    Target,
    compact,
    targets,
)
from benchmarks.load import SAMPLE_EVERY, MoveCounter, MovePump, close_all, connect, join_all

NAME: Final = "fan_out"
TITLE: Final = "Fan-out of moves at 20 Hz (rooms x players)"
KEY: Final = "cpu_us_per_update"
FIRST: Final = OURS
COLUMNS: Final = (
    Column("cpu_us_per_update", "server CPU µs/update", 2),
    Column("delivered_pct", "delivered %", 1),
    Column("delivered_per_s", "delivered/s", 0),
    Column("p50_ms", "p50 ms", 1),
    Column("p99_ms", "p99 ms", 1),
    Column("frames_per_client_s", "frames/client/s", 0),
    Column("kb_per_client_s", "kB/client/s", 1),
    Column("server_cpu_pct", "server CPU %", 0),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
HZ: Final = 20.0
WARM_UP_S: Final = 1.0
WINDOW_S: Final = 5.0
QUICK_WINDOW_S: Final = 2.0
SHAPES: Final = ((10, 10), (1, 50), (10, 50), (1, 200))


async def fan_out(
    server: ServerProcess,
    dialect: Dialect,
    rooms: int,
    per_room: int,
    window_s: float,
    *,
    sample_every: int = SAMPLE_EVERY,
    exact: bool = False,
) -> Figures:
    """One window of moves on a fresh server whose players all see each other; `exact` and
    `sample_every` as for `MovePump` and `MoveCounter`.
    """
    clients = await connect(dialect, server.port, rooms, per_room)
    await join_all(clients)
    base_ns = time.monotonic_ns()
    counter = MoveCounter(base_ns, sample_every)
    pump = MovePump(clients, HZ, base_ns, exact=exact)
    for client in clients:
        client.on_message = counter.on_message
    pump.start()
    await asyncio.sleep(WARM_UP_S)

    offered, unsent = pump.offered, pump.unsent
    before = [(client.bytes_in, client.frames_in) for client in clients]
    counter.since_us = counter.now_us()
    counter.counting = True
    meter = Meter(server)
    await asyncio.sleep(window_s)
    usage = meter.usage()
    counter.counting = False
    pump.stop()

    now_ms = sorted(latency / 1e3 for latency in counter.latencies_us)
    updates = (pump.offered - offered) * (per_room - 1)
    got_bytes = sum(client.bytes_in for client in clients) - sum(b for b, _ in before)
    got_frames = sum(client.frames_in for client in clients) - sum(f for _, f in before)
    figures = {
        **usage.figures(),
        "cpu_us_per_update": per_unit(usage.server_cpu_us, counter.delivered),
        "delivered_pct": per_unit(100.0 * counter.delivered, updates),
        "delivered_per_s": counter.delivered / usage.wall_s,
        "offered_per_s": updates / usage.wall_s,
        "p50_ms": quantile(now_ms, 0.5),
        "p99_ms": quantile(now_ms, 0.99),
        "latency_samples": float(len(now_ms)),
        "frames_per_client_s": got_frames / len(clients) / usage.wall_s,
        "kb_per_client_s": got_bytes / 1e3 / len(clients) / usage.wall_s,
        "unsent": float(pump.unsent - unsent),
        "miscounted": float(counter.miscounted),
        "errors": float(sum(client.errors for client in clients)),
    }
    await close_all(clients)
    return figures


def servers(options: Options) -> list[Target]:
    """Ours in both forms of moves, and the baseline, as far as they were chosen."""
    found = targets(options)
    if OURS in options.servers:
        found.insert(1, compact(options))
    return found


def run(harness: Harness) -> Iterator[Row]:
    """Every shape; shorter windows with `--quick`."""
    window_s = QUICK_WINDOW_S if harness.options.quick else WINDOW_S
    for rooms, per_room in SHAPES:

        async def measure(
            server: ServerProcess,
            dialect: Dialect,
            rooms: int = rooms,
            per_room: int = per_room,
        ) -> Figures:
            return await fan_out(server, dialect, rooms, per_room, window_s)

        yield from harness.against(NAME, f"{rooms}x{per_room}", servers(harness.options), measure)
