"""How much memory does somebody cost who does nothing?

Resident memory of the server over what it held before the first client: per open connection,
per player seated in a room of five, and per room that everybody left (the baseline drops these at
once; ours keeps their epoch, version and times for `room_idle_s`). Kernel socket buffers are not in
it. CPU is per connection and second of idling, heartbeats included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final

from benchmarks import machine
from benchmarks.dialects import Dialect
from benchmarks.figures import Column, Figures, Row, per_unit
from benchmarks.harness import Harness, Meter, ServerProcess
from benchmarks.load import Client, close_all, connect, each, join_all

NAME: Final = "idle_memory"
TITLE: Final = "Idle memory"
KEY: Final = "kib_per_unit"
COLUMNS: Final = (
    Column("kib_per_unit", "KiB each", 2),
    Column("rss_before_mib", "RSS before, MiB", 1),
    Column("rss_after_mib", "RSS after, MiB", 1),
    Column("set_up_us", "set-up CPU µs each", 0),
    Column("idle_us_per_s", "idle CPU µs each per s", 2),
)
ROOMS, PER_ROOM = 1000, 5
QUICK_ROOMS: Final = 200
EMPTY_ROOMS_PER_CLIENT: Final = 100
HOPPERS: Final = 50
SETTLE_S: Final = 2.0
IDLE_S: Final = 20.5
"""Two heartbeats of ours (every 10 s) and one of the baseline's (every 20 s) fall into it."""
QUICK_IDLE_S: Final = 2.0

Prepare = Callable[[ServerProcess, Dialect], Awaitable[list[Client]]]
SetUp = Callable[[ServerProcess, Dialect, list[Client]], Awaitable[list[Client]]]


async def _cost(
    server: ServerProcess,
    dialect: Dialect,
    prepare: Prepare,
    set_up: SetUp,
    units: int,
    idle_s: float,
) -> Figures:
    prepared = await prepare(server, dialect)
    await asyncio.sleep(SETTLE_S)
    before = machine.rss_kib(server.pid)
    busy = Meter(server)
    clients = await set_up(server, dialect, prepared)
    spent = busy.usage()
    await asyncio.sleep(SETTLE_S)
    idle = Meter(server)
    await asyncio.sleep(idle_s)
    rest = idle.usage()
    after = machine.rss_kib(server.pid)
    figures = {
        "kib_per_unit": per_unit(after - before, units),
        "rss_before_mib": before / 1024,
        "rss_after_mib": after / 1024,
        "set_up_us": per_unit(spent.server_cpu_us, units),
        "idle_us_per_s": per_unit(rest.server_cpu_us / rest.wall_s, units),
        "foreign_pct": rest.foreign_pct,
        "errors": float(sum(client.errors for client in clients)),
    }
    await close_all(clients)
    return figures


async def _nobody(server: ServerProcess, dialect: Dialect) -> list[Client]:
    return []


async def _connections(
    server: ServerProcess, dialect: Dialect, _: list[Client], rooms: int
) -> list[Client]:
    return await connect(dialect, server.port, rooms, PER_ROOM)


async def _players(
    server: ServerProcess, dialect: Dialect, _: list[Client], rooms: int
) -> list[Client]:
    clients = await connect(dialect, server.port, rooms, PER_ROOM)
    await join_all(clients)
    return clients


async def _hop(client: Client, rooms: range) -> None:
    for room in rooms:
        client.room = room
        await client.join()
        await client.leave()


async def _hoppers(server: ServerProcess, dialect: Dialect) -> list[Client]:
    """Those who will open the rooms; they are not part of a room's cost, nor is their first one."""
    clients = await connect(dialect, server.port, HOPPERS, 1)
    await each(partial(_hop, client, range(client.user, client.user + 1)) for client in clients)
    return clients


async def _empty_rooms(
    server: ServerProcess, dialect: Dialect, hoppers: list[Client], each_opens: int
) -> list[Client]:
    def rooms_of(client: Client) -> range:
        first = HOPPERS + client.user * each_opens
        return range(first, first + each_opens)

    await each(partial(_hop, client, rooms_of(client)) for client in hoppers)
    return hoppers


def run(harness: Harness) -> Iterator[Row]:
    """5 000 connections, 5 000 players in 1 000 rooms, 5 000 empty rooms; fewer with `--quick`."""
    quick = harness.options.quick
    rooms = QUICK_ROOMS if quick else ROOMS
    rooms = min(rooms, (harness.sockets_max - 200) // PER_ROOM)
    hops = EMPTY_ROOMS_PER_CLIENT // 5 if quick else EMPTY_ROOMS_PER_CLIENT
    idle_s = QUICK_IDLE_S if quick else IDLE_S
    players = rooms * PER_ROOM
    scenarios: list[tuple[str, Prepare, SetUp, int]] = [
        ("idle connection", _nobody, partial(_connections, rooms=rooms), players),
        (f"idle player, rooms of {PER_ROOM}", _nobody, partial(_players, rooms=rooms), players),
        ("empty room", _hoppers, partial(_empty_rooms, each_opens=hops), HOPPERS * hops),
    ]
    for scenario, prepare, set_up, units in scenarios:
        watch_s = QUICK_IDLE_S if prepare is _hoppers else idle_s  # an empty room has no pulse
        measure = partial(_cost, prepare=prepare, set_up=set_up, units=units, idle_s=watch_s)
        yield from harness.against_servers(NAME, f"{scenario} (of {units:,})", measure)
