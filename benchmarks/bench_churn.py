"""What does coming and going cost: a join with its leave, and a whole connection?

First players who change rooms all the time: join, answered, leave, answered, the next room. Then
whole visits, a few at a time: connect, WebSocket handshake, join, leave, closing handshake. CPU is
the server's per join with its leave, and per visit; the figure per CPU second is how many of them
a full core would take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from benchmarks.dialects import Dialect
from benchmarks.figures import Column, Figures, Row, per_unit, quantile
from benchmarks.harness import Harness, Meter, ServerProcess
from benchmarks.load import Client, close_all, connect, each

NAME: Final = "churn"
TITLE: Final = "Coming and going"
KEY: Final = "cpu_us_per_unit"
COLUMNS: Final = (
    Column(KEY, "server CPU µs/unit", 1),
    Column("per_cpu_s", "units per CPU second", 0),
    Column("per_s", "units/s", 0),
    Column("p50_ms", "p50 ms", 2),
    Column("p99_ms", "p99 ms", 1),
    Column("server_cpu_pct", "server CPU %", 0),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
CHURNERS: Final = 50
ROOMS: Final = (10, 1_000)
"""Five players in a room on the average, and hardly ever two."""
WARM_UP_S: Final = 1.0
WINDOW_S: Final = 4.0
QUICK_WINDOW_S: Final = 1.0
VISITS: Final = 4_000
QUICK_VISITS: Final = 500
WARM_UP_VISITS: Final = 200
VISITORS: Final = 20
"""So many visits are under way at once."""
VISIT_ROOMS: Final = 10


class Churn:
    """Each client joins, and when it is answered leaves, and when it is answered joins the next
    room. An answer is known by its type alone: parsing would cost more than the server does.
    """

    def __init__(self, dialect: Dialect, rooms: int) -> None:
        self._dialect = dialect
        self._rooms = rooms
        self._leave = dialect.leave()
        self.joins = self.leaves = self.refused = 0
        self._going = True
        self._clients: list[Client] = []

    def begin(self, clients: list[Client]) -> None:
        self._clients = clients
        for client in clients:
            client.on_message = self.on_message
            self._join(client)

    def errors(self) -> int:
        """Requests that were refused, and connections that broke."""
        return self.refused + sum(client.errors for client in self._clients)

    def end(self) -> None:
        """Nobody asks for anything more."""
        self._going = False

    def _join(self, client: Client) -> None:
        client.room = (client.room + 1) % self._rooms
        client.send(self._dialect.join(client.room, client.user))

    def on_message(self, client: Client, payload: bytes) -> None:
        if self._dialect.joined_mark in payload:
            self.joins += 1
            if self._going:
                client.send(self._leave)
        elif self._dialect.left_mark in payload:
            self.leaves += 1
            if self._going:
                self._join(client)
        elif b'"type":"error"' in payload:
            self.refused += 1


@asynccontextmanager
async def churning(server: ServerProcess, dialect: Dialect, rooms: int) -> AsyncIterator[Churn]:
    """`CHURNERS` clients that join and leave all the time, warmed up; closed at the end."""
    clients = await connect(dialect, server.port, 1, CHURNERS)
    for client in clients:
        client.room = client.user * rooms // CHURNERS
    traffic = Churn(dialect, rooms)
    traffic.begin(clients)
    await asyncio.sleep(WARM_UP_S)
    yield traffic
    traffic.end()
    await close_all(clients)


async def hop(server: ServerProcess, dialect: Dialect, rooms: int, window_s: float) -> Figures:
    """One window of joining and leaving. A unit is a join with its leave."""
    async with churning(server, dialect, rooms) as traffic:
        leaves = traffic.leaves
        meter = Meter(server)
        await asyncio.sleep(window_s)
        usage = meter.usage()
        leaves = traffic.leaves - leaves
    cost_us = per_unit(usage.server_cpu_us, leaves)
    return {
        **usage.figures(),
        KEY: cost_us,
        "per_cpu_s": per_unit(1e6, cost_us),
        "per_s": leaves / usage.wall_s,
        "errors": float(traffic.errors()),
    }


async def visits(server: ServerProcess, dialect: Dialect, count: int) -> Figures:
    """So many whole connections, `VISITORS` at a time. A unit is one of them."""
    took_ms: list[float] = []
    errors = 0

    async def visit(user: int) -> None:
        nonlocal errors
        client = Client(dialect, server.port, user, user % VISIT_ROOMS)
        begun = time.perf_counter()
        await client.connect()
        await client.join()
        await client.leave()
        await client.say_goodbye()
        took_ms.append((time.perf_counter() - begun) * 1e3)
        errors += client.errors

    await each((partial(visit, user) for user in range(WARM_UP_VISITS)), at_once=VISITORS)
    took_ms.clear()
    meter = Meter(server)
    await each((partial(visit, user) for user in range(count)), at_once=VISITORS)
    usage = meter.usage()
    took_ms.sort()
    cost_us = per_unit(usage.server_cpu_us, count)
    return {
        **usage.figures(),
        KEY: cost_us,
        "per_cpu_s": per_unit(1e6, cost_us),
        "per_s": count / usage.wall_s,
        "p50_ms": quantile(took_ms, 0.5),
        "p99_ms": quantile(took_ms, 0.99),
        "errors": float(errors),
    }


def run(harness: Harness) -> Iterator[Row]:
    """Few rooms, many rooms, whole connections; less of each with `--quick`."""
    quick = harness.options.quick
    for rooms in ROOMS:
        yield from harness.against_servers(
            NAME,
            f"{CHURNERS} clients over {rooms:,} rooms (unit: a join with its leave)",
            partial(hop, rooms=rooms, window_s=QUICK_WINDOW_S if quick else WINDOW_S),
        )
    count = QUICK_VISITS if quick else VISITS
    yield from harness.against_servers(
        NAME,
        f"whole visits, {VISITORS} at a time, in {VISIT_ROOMS} rooms (unit: a connection)",
        partial(visits, count=count),
    )
