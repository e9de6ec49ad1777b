"""Does a room cost the same to spawn and to reap with 10 and with 100 000 of them?

The real registry and the real rooms, in this process, under a clock moved by hand, so that idle
time passes at once. A room is spawned by a join whose connection is gone when its turn comes: it
seats nobody, so the figures are those of the room alone. The comparison is one ThreadingActor for
each room, with 10 and 1 000 of them: 100 000 threads are more than a machine starts.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pykka
import uvloop

from actors.directory import Directory
from actors.ids import RoomId, SocketId, UserId
from actors.ledger import Forgetful
from actors.messages import Join, Profile
from actors.outside import Census, Ports
from actors.registry import RegistryActor
from actors.runtime import Mailbox
from actors.settings import Settings
from benchmarks.bench_mailbox import THREAD
from benchmarks.figures import OURS, Column, Figures, Row
from benchmarks.harness import Harness
from benchmarks.machine import rss_kib

NAME: Final = "spawn_reap"
TITLE: Final = "Spawning and reaping rooms"
KEY: Final = "spawn_us"
COLUMNS: Final = (
    Column("spawn_us", "spawn, CPU µs each", 1),
    Column("reap_us", "reap, CPU µs each", 1),
    Column("kib_per_room", "KiB each", 2),
    Column("rss_before_mib", "RSS before, MiB", 1),
    Column("rss_with_mib", "with the rooms", 1),
    Column("rss_after_mib", "after", 1),
)
COUNTS: Final = (10, 1_000, 100_000)
THREADS_MAX: Final = 1_000
ROOMS_AT_LEAST: Final = 10_000
"""Small counts are repeated until so many rooms were measured."""
COLLECTOR: Final = (10_000, 20, 10)
"""Python's garbage collector as transport/app.py sets it: it is most of what is not flat."""
BURST: Final = 200
STEP_S: Final = 0.001


@dataclass(slots=True)
class HandClock:
    """Time that passes only by `advance`; due calls run there, in order."""

    now_s: float = 1_000_000.0
    _calls: list[tuple[float, int, _Call]] = field(default_factory=list)
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], object]) -> _Call:
        later = _Call(call)
        heapq.heappush(self._calls, (self.now_s + delay_s, next(self._serial), later))
        return later

    def advance(self, by_s: float) -> None:
        """Let `by_s` seconds pass."""
        self.now_s += by_s
        while self._calls and self._calls[0][0] <= self.now_s:
            _, _, later = heapq.heappop(self._calls)
            if later.call is not None:
                later.call()


@dataclass(slots=True)
class _Call:
    call: Callable[[], object] | None

    def cancel(self) -> None:
        self.call = None


class Silent:
    """Stands for the log, the metrics and the encoder, none of which an empty room should need
    to any cost; and for a connection that is gone.
    """

    alive = False
    heard = False
    socket_id = SocketId("bench")

    def __getattr__(self, _: str) -> Callable[..., None]:
        return self._nothing

    @staticmethod
    def _nothing(*_: object, **__: object) -> None:
        return None


def ports_of(clock: HandClock) -> Ports:
    """What a registry and its rooms need, all of it silent."""
    silent: Any = Silent()
    return Ports(clock, silent, silent, silent, silent, Census(), Forgetful(), Settings())


async def _rounds(rooms: int, rounds: int) -> Figures:
    clock = HandClock()
    ports = ports_of(clock)
    mailbox = Mailbox()
    directory = Directory(mailbox)
    registry = RegistryActor.start(ports, directory, mailbox=mailbox)
    nobody: Any = Silent()
    profile = Profile(UserId("nobody"), None, 0.0, 0.0, {}, hide_position=False, person="nobody")
    idle_s = ports.settings.room_idle_s

    async def spawn() -> None:
        for number in range(rooms):
            at_s = clock.now_s
            mailbox.tell(Join(nobody, RoomId(f"room-{number}"), profile, at_s, at_s + 60))
            if number % BURST == BURST - 1:
                clock.advance(STEP_S)
                await asyncio.sleep(0)
        while len(directory.idle) < rooms:  # noqa: ASYNC110 the registry tells nobody
            await asyncio.sleep(0)

    async def reap() -> None:
        clock.advance(idle_s - rooms / BURST * STEP_S)
        while directory.rooms:
            clock.advance(STEP_S)
            await asyncio.sleep(0)

    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR)
    await spawn()  # code and allocator warm, as in a server that has been up for a while
    await reap()
    found = await _timed(spawn, reap, rooms, rounds)
    await registry.stop()
    return found


async def _timed(spawn: Any, reap: Any, rooms: int, rounds: int) -> Figures:
    gc.collect()
    before = rss_kib(os.getpid())
    spawn_ns = reap_ns = with_rooms = 0
    begun = time.monotonic_ns()
    for _ in range(rounds):
        start = time.process_time_ns()
        await spawn()
        spawned = time.process_time_ns()
        with_rooms = rss_kib(os.getpid())
        again = time.process_time_ns()
        await reap()
        spawn_ns += spawned - start
        reap_ns += time.process_time_ns() - again
    # Actors refer to themselves, so part of a reap is done by the collector, whenever it comes.
    collecting = time.process_time_ns()
    gc.collect()
    reap_ns += time.process_time_ns() - collecting
    wall_ns = time.monotonic_ns() - begun
    after = rss_kib(os.getpid())
    each = 1e3 * rooms * rounds
    found = {
        "spawn_us": spawn_ns / each,
        "reap_us": reap_ns / each,
        "rss_before_mib": before / 1024,
        "rss_with_mib": with_rooms / 1024,
        "rss_after_mib": after / 1024,
        "wall_ms": wall_ns / 1e6,
    }
    if rooms >= ROOMS_AT_LEAST:  # fewer do not show above the allocator's own steps
        found["kib_per_room"] = (with_rooms - before) / rooms
    return found


def with_registry(rooms: int) -> Figures:
    """Rooms of ours."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_rounds(rooms, max(1, ROOMS_AT_LEAST // rooms)))


class ThreadRoom(pykka.ThreadingActor):
    """As little as an actor with a thread can be."""


def with_threads(rooms: int) -> Figures:
    """A thread for each room. Counted as spawned when every one has answered."""
    actors: list[Any] = []

    async def spawn() -> None:
        actors.extend(ThreadRoom.start() for _ in range(rooms))

    async def reap() -> None:
        for actor in actors:
            actor.stop()
        actors.clear()
        while threading.active_count() > 1:  # noqa: ASYNC110 nor do threads
            await asyncio.sleep(0)

    async def rounds() -> Figures:
        await spawn()
        await reap()
        return await _timed(spawn, reap, rooms, max(1, ROOMS_AT_LEAST // rooms))

    return asyncio.run(rounds())


def run(harness: Harness) -> Iterator[Row]:
    """10, 1 000 and 100 000 rooms; 10 000 at most with `--quick`."""
    for count in COUNTS:
        rooms = min(count, 10_000) if harness.options.quick else count
        ways: dict[str, Any] = {OURS: (with_registry, rooms)}
        if rooms <= THREADS_MAX:
            ways[THREAD] = (with_threads, rooms)
        yield from harness.in_processes(NAME, f"{rooms:,} rooms", ways)
