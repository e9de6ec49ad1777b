"""What does durability cost where nobody asked for it: on joins and on moves?

The same server three times, keeping nothing (`memory`), writing behind its answers (`fast`) and
before them (`journal`): storms into one room that nobody knows yet, players who change rooms all
the time, and moves. The target: `fast` takes at most 10 % of the joins a second that `memory`
does, and nothing of the moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final

from benchmarks.bench_churn import CHURNERS, churning
from benchmarks.bench_fan_out import fan_out
from benchmarks.bench_join_storm import storm
from benchmarks.dialects import Dialect
from benchmarks.figures import OURS, Column, Figures, Row, per_unit
from benchmarks.harness import Harness, Meter, ServerProcess, Target, variant
from benchmarks.scrape import COMMITS, Commits, scrape

NAME: Final = "persistence"
TITLE: Final = "What durability costs on joins and moves"
KEY: Final = "cpu_us_per_unit"
FIRST: Final = "memory"
DURABILITIES: Final = ("memory", "fast", "journal")
COLUMNS: Final = (
    Column(KEY, "server CPU µs/unit", 2),
    Column("joins_per_s", "joins/s", 0),
    Column("delivered_per_s", "delivered/s", 0),
    Column("p50_ms", "p50 ms", 1),
    Column("p99_ms", "p99 ms", 1),
    Column("missing", "missing", 0),
    Column("commits_per_s", "commits/s", 0),
    Column("commits", "commits since start", 0),
    Column("records_per_commit", "records/commit", 1),
    Column("server_cpu_pct", "server CPU %", 0),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
STORMS: Final = (50, 200, 500)
SHAPES: Final = ((1, 50), (10, 50))
CHURN_ROOMS: Final = (10, 1_000)
"""Few, whose changes merge while they wait for the writer, and so many that they hardly do."""
CHURN_S: Final = 4.0
QUICK_CHURN_S: Final = 1.0
MOVES_S: Final = 6.0
"""Longer than `position_save_s`, so that a save of all positions falls into it."""
QUICK_MOVES_S: Final = 2.0

Scenario = Callable[[ServerProcess, Dialect], Awaitable[Figures]]


async def churn(server: ServerProcess, dialect: Dialect, rooms: int, window_s: float) -> Figures:
    """One window of joining and leaving. A unit is a join with its leave."""
    async with churning(server, dialect, rooms) as traffic:
        before = await scrape(server.port)
        joins = traffic.joins
        meter = Meter(server)
        await asyncio.sleep(window_s)
        usage = meter.usage()
        joins = traffic.joins - joins
        after = await scrape(server.port)
    return {
        **usage.figures(),
        KEY: per_unit(usage.server_cpu_us, joins),
        "joins_per_s": joins / usage.wall_s,
        **Commits.between(before, after).figures(usage.wall_s),
        "errors": float(traffic.errors()),
    }


async def joins(server: ServerProcess, dialect: Dialect, count: int) -> Figures:
    """A storm of `count`. A unit is a join."""
    found = dict(await storm(server, dialect, count))
    found[KEY] = found.pop("cpu_us_per_join")
    found["joins_per_s"] = per_unit(1e3 * count, found["all_seen_ms"])
    return {**found, **await _commits(server)}


async def moves(
    server: ServerProcess, dialect: Dialect, rooms: int, per_room: int, window_s: float
) -> Figures:
    """`rooms` x `per_room` who move. A unit is a delivered update."""
    found = dict(await fan_out(server, dialect, rooms, per_room, window_s))
    found[KEY] = found.pop("cpu_us_per_update")
    return {**found, **await _commits(server)}


async def _commits(server: ServerProcess) -> dict[str, float]:
    """How often the server has written since its start."""
    return {"commits": (await scrape(server.port)).get(COMMITS, 0.0)}


def kept(harness: Harness) -> list[Target]:
    """Our server at each durability."""
    return [variant(harness.options, name, "--durability", name) for name in DURABILITIES]


def run(harness: Harness) -> Iterator[Row]:
    """Storms of 50, 200 and 500, churn, 1x50 and 10x50 moving."""
    if OURS not in harness.options.servers:
        return
    quick = harness.options.quick
    churn_s, moves_s = (QUICK_CHURN_S, QUICK_MOVES_S) if quick else (CHURN_S, MOVES_S)
    scenarios: dict[str, Any] = {
        f"storm of {count} (unit: a join)": partial(joins, count=count) for count in STORMS
    }
    for rooms in CHURN_ROOMS:
        scenarios[f"churn: {CHURNERS} clients, {rooms:,} rooms (unit: a join and a leave)"] = (
            partial(churn, rooms=rooms, window_s=churn_s)
        )
    for rooms, each in SHAPES:
        scenarios[f"moves of {rooms}x{each} at 20 Hz (unit: a delivered update)"] = partial(
            moves, rooms=rooms, per_room=each, window_s=moves_s
        )
    for scenario, measure in scenarios.items():
        yield from harness.against(NAME, scenario, kept(harness), measure)
