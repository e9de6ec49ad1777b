"""Do a join and a move cost the same with one room and with 100,000 of them?

In each room sits one resident who does nothing else. A visitor goes through the rooms, one after
the other: a join with its leave is always the same work, whatever the number of rooms. Then the
residents move in turn, at a tick so short that each move is told by itself. So the ratio to one
room says what the number alone costs: look-ups, timers, caches, and, where rooms are stored, that
records of many rooms do not merge as those of one do.

Over sockets with 1 to 10,000 rooms, a connection for each resident, nothing pinged meanwhile, with
nothing stored and with the default durability. In this process with up to 100,000: the real
registry and rooms under a clock moved by hand, with outlets and an encoder that do nothing, so
these figures are those of the actors alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final

import uvloop

from actors import messages as m
from actors.directory import Directory
from actors.encoder import Form
from actors.ids import RoomId, SocketId, UserId
from actors.permissions import ANONYMOUS_GRANTS
from actors.players import LeaveReason
from actors.registry import RegistryActor
from actors.runtime import Mailbox
from actors.settings import Settings
from benchmarks.bench_spawn_reap import COLLECTOR, HandClock, ports_of
from benchmarks.dialects import Dialect
from benchmarks.figures import OURS, Column, Figures, Row, per_unit, quantile
from benchmarks.harness import Harness, Meter, ServerProcess, variant
from benchmarks.load import Client, MovePump, SetUpFailed, close_all, connect, join_all

NAME: Final = "scale"
TITLE: Final = "Cost of a join and of a move against the number of rooms"
KEY: Final = "cpu_us_per_unit"
COLUMNS: Final = (
    Column(KEY, "CPU µs/unit", 1),
    Column("p50_ms", "p50 ms", 2),
    Column("p99_ms", "p99 ms", 2),
    Column("told_alone_pct", "told by itself %", 1),
    Column("server_cpu_pct", "server CPU %", 0),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
COUNTS: Final = (1, 10, 100, 1_000, 10_000)
QUICK_COUNT_MAX: Final = 1_000
COUNTS_IN_PROCESS: Final = (1, 10, 100, 1_000, 10_000, 100_000)
QUICK_COUNT_IN_PROCESS_MAX: Final = 10_000
JOINS: Final = "joins (unit: a join with its leave)"
MOVES: Final = "moves (unit: a move, told to the one who made it)"
DURABILITIES: Final = ("memory", "fast")
VISITS: Final = 2_000
QUICK_VISITS: Final = 500
WARM_UP_VISITS: Final = 200
STRIDE: Final = 7_919
"""From one visited room to the next: a prime, so that all have their turn."""
MOVES_PER_S: Final = 400.0
TICK_MS: Final = 1
"""Less than the time between two moves, also where there is one room only."""
MOVES_S: Final = 4.0
QUICK_MOVES_S: Final = 1.0
SETTLE_S: Final = 0.5
TURNS_MAX: Final = 100
"""Turns of the loop that an answer in the process may take."""
STEP_S: Final = 0.002


def named(rooms: int) -> str:
    """The row of so many rooms."""
    return f"{rooms:,} room{'s' if rooms > 1 else ''}"


FIRST: Final = named(COUNTS[0])
_COUNT_OF: Final = {named(count): count for count in COUNTS_IN_PROCESS}
_FLAGS: Final = (
    *("--tick-ms", str(TICK_MS)),
    *("--heartbeat-s", "3600", "--heartbeat-timeout-s", "3600"),
)


# ---------------------------------------------------------------- over sockets


async def _visit(visitor: Client, room: int) -> float:
    """Join and leave; the ms that the join took. There is one other in each room."""
    visitor.room = room
    begun = time.perf_counter()
    await visitor.join()
    took_ms = (time.perf_counter() - begun) * 1e3
    if len(visitor.seen) != 2:
        raise SetUpFailed(f"{len(visitor.seen)} players in room {room}, not 2")
    await visitor.leave()
    return took_ms


async def over_sockets(
    server: ServerProcess, dialect: Dialect, visits: int, moves_s: float
) -> Figures:
    """Both costs; those of the moves have keys that begin with `moves_`."""
    rooms = _COUNT_OF[server.target.name]
    residents = await connect(dialect, server.port, rooms, 1)
    await join_all(residents)
    visitor = Client(dialect, server.port, rooms, 0)
    await visitor.connect()
    for n in range(WARM_UP_VISITS):
        await _visit(visitor, n * STRIDE % rooms)
    await asyncio.sleep(SETTLE_S)
    joining = Meter(server)
    took_ms = sorted([await _visit(visitor, n * STRIDE % rooms) for n in range(visits)])
    joined = joining.usage()

    heard = 0

    def on_message(_: Client, __: bytes) -> None:
        nonlocal heard
        heard += 1

    for resident in residents:
        resident.on_message = on_message
    pump = MovePump(residents, MOVES_PER_S / rooms, time.monotonic_ns(), exact=True)
    pump.start()
    await asyncio.sleep(SETTLE_S)
    heard, offered = 0, pump.offered
    moving = Meter(server)
    await asyncio.sleep(moves_s)
    moved = moving.usage()
    offered = pump.offered - offered
    pump.stop()
    figures = {
        **joined.figures(),
        KEY: per_unit(joined.server_cpu_us, visits),
        "p50_ms": quantile(took_ms, 0.5),
        "p99_ms": quantile(took_ms, 0.99),
        **{f"moves_{key}": value for key, value in moved.figures().items()},
        f"moves_{KEY}": per_unit(moved.server_cpu_us, offered),
        "moves_told_alone_pct": per_unit(100.0 * heard, offered),
        "errors": float(sum(client.errors for client in [*residents, visitor])),
    }
    await close_all([*residents, visitor])
    return figures


# ---------------------------------------------------------------- in this process


class Nowhere:
    """An outlet that takes all and sends nothing."""

    alive = heard = True
    form = Form.JSON
    grant = ANONYMOUS_GRANTS.elsewhere

    def __init__(self, number: int) -> None:
        self.socket_id = SocketId(f"bench-{number:07}")
        self.told = 0

    def offer(self, _: bytes) -> bool:
        return True

    def offer_moves(self, _: bytes) -> bool:
        self.told += 1
        return True

    def send_state(self, *_: object) -> None: ...

    def answer(self, _: object) -> None:
        self.told += 1

    def evict(self, *_: object) -> None: ...


class Blank:
    """An encoder that makes nothing of everything."""

    def __getattr__(self, _: str) -> Callable[..., bytes]:
        return self._nothing

    @staticmethod
    def _nothing(*_: object) -> bytes:
        return b"{}"


class Inside:
    """A registry with `rooms` rooms, and what one does with them."""

    def __init__(self, rooms: int) -> None:
        blank: Any = Blank()
        self.clock = HandClock()
        self.ports = dataclasses.replace(
            ports_of(self.clock), encoder=blank, settings=Settings(tick_ms=TICK_MS)
        )
        self.ids = [RoomId(f"room-{number}") for number in range(rooms)]
        mailbox = Mailbox()
        self.directory = Directory(mailbox)
        self.registry = RegistryActor.start(self.ports, self.directory, mailbox=mailbox)
        self.residents = [Nowhere(number) for number in range(rooms)]
        self.visitor = Nowhere(rooms)

    async def _until_told(self, outlet: Nowhere, before: int) -> None:
        for _ in range(TURNS_MAX):
            if outlet.told > before:
                return
            await asyncio.sleep(0)
        raise SetUpFailed("a room did not answer")

    async def join(self, outlet: Nowhere, room: int) -> None:
        """Seat it, and wait for the answer."""
        room_id, at_s, before = self.ids[room], self.clock.now_s, outlet.told
        user = UserId(outlet.socket_id)
        profile = m.Profile(user, None, 0.0, 0.0, {}, hide_position=False, person=user)
        join = m.Join(outlet, room_id, profile, at_s, at_s + 60)
        self.directory.mailbox_for(room_id).tell(join)
        await self._until_told(outlet, before)

    async def visit(self, n: int) -> None:
        """The visitor's join and leave of the room whose turn is `n`."""
        room = n * STRIDE % len(self.ids)
        await self.join(self.visitor, room)
        before = self.visitor.told
        leave = m.Leave(self.visitor, LeaveReason.LEFT)
        self.directory.mailbox_of(self.ids[room]).tell(leave)
        await self._until_told(self.visitor, before)

    async def move(self, n: int) -> None:
        """One resident moves and is told of it."""
        room = n * STRIDE % len(self.ids)
        outlet = self.residents[room]
        before = outlet.told
        self.clock.advance(STEP_S)
        self.directory.mailbox_of(self.ids[room]).offer_lazily(m.Move(outlet, float(n), 0.0))
        await self._until_told(outlet, before)


async def _cost_us(step: Callable[[int], Awaitable[None]], count: int) -> float:
    for n in range(WARM_UP_VISITS):
        await step(n)
    begun = time.process_time_ns()
    for n in range(count):
        await step(n)
    return (time.process_time_ns() - begun) / 1e3 / count


async def _inside(rooms: int, count: int) -> Figures:
    world = Inside(rooms)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR)
    for room, resident in enumerate(world.residents):
        await world.join(resident, room)
    figures = {
        KEY: await _cost_us(world.visit, count),
        f"moves_{KEY}": await _cost_us(world.move, count),
    }
    await world.registry.stop()
    return figures


def in_process(job: tuple[int, int]) -> Figures:
    """Both costs with so many rooms, from so many of each."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_inside(*job))


# ---------------------------------------------------------------- both


def split(row: Row) -> Iterator[Row]:
    """A measurement of both as two rows, so that each has its own table and ratio."""
    moves = {key[6:]: value for key, value in row.figures.items() if key.startswith("moves_")}
    joins = {key: value for key, value in row.figures.items() if not key.startswith("moves_")}
    for what, figures in ((JOINS, joins), (MOVES, moves)):
        yield dataclasses.replace(row, scenario=f"{row.scenario}, {what}", figures=figures)


def run(harness: Harness) -> Iterator[Row]:
    """Every number of rooms; at most 1 000 over sockets and 10 000 in process with `--quick`."""
    if OURS not in harness.options.servers:
        return
    quick = harness.options.quick
    visits = QUICK_VISITS if quick else VISITS
    counts = [count for count in COUNTS if not quick or count <= QUICK_COUNT_MAX]
    measure = partial(over_sockets, visits=visits, moves_s=QUICK_MOVES_S if quick else MOVES_S)
    for durability in DURABILITIES:
        flags = (*_FLAGS, "--durability", durability)
        chosen = [variant(harness.options, named(count), *flags) for count in counts]
        for row in harness.against(NAME, f"durability {durability}", chosen, measure):
            yield from split(row)
    ways: dict[str, tuple[Callable[..., Figures], Any]] = {
        named(count): (in_process, (count, visits))
        for count in COUNTS_IN_PROCESS
        if not quick or count <= QUICK_COUNT_IN_PROCESS_MAX
    }
    for row in harness.in_processes(NAME, "actors alone", ways):
        yield from split(row)
