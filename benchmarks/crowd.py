"""Many connections held by several generator processes, as one object of the measuring one.

Owns the processes, what they are told and what they count. Each holds its share of whole rooms,
from an address of its own, since one address has too few ports for all; moves when told to; and
ends when told to, when its parent does, or when its time is over.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, Self

import uvloop

from benchmarks import machine
from benchmarks.dialects import Dialect
from benchmarks.load import (
    Client,
    MoveCounter,
    MovePump,
    SetUpFailed,
    close_all,
    each,
    join_all,
)

HOLD_S_MAX: Final = 170.0
"""A generator process ends after this, whatever it was told."""
LOOK_S: Final = 0.02
_HELD, _MOVE, _END = "held", "move", "end"

Counts = dict[str, float]


@dataclass(frozen=True, slots=True)
class Share:
    """What one process holds: `rooms` rooms from number `first_room` on, of `per_room` players
    each, from the address `source`; each player moves `hz` times a second.
    """

    dialect: Dialect
    port: int
    first_room: int
    rooms: int
    per_room: int
    source: str
    hz: float

    @property
    def players(self) -> int:
        return self.rooms * self.per_room


def shares(
    dialect: Dialect, port: int, rooms: int, per_room: int, hz: float, processes: int
) -> list[Share]:
    """All rooms, cut into as many shares as there are processes; they differ by one at most."""
    cuts = [rooms * n // processes for n in range(processes + 1)]
    return [
        Share(dialect, port, first, after - first, per_room, f"127.0.0.{n + 2}", hz)
        for n, (first, after) in enumerate(itertools.pairwise(cuts))
        if after > first
    ]


async def _told(pipe: Connection, word: str) -> None:
    while not pipe.poll():  # noqa: ASYNC110 a pipe of another process has no event
        await asyncio.sleep(LOOK_S)
    told = pipe.recv()
    if told != word:
        raise SetUpFailed(f"told {told!r} instead of {word!r}")


async def _hold(share: Share, pipe: Connection) -> None:
    clients = []
    for n in range(share.players):
        room, seat = share.first_room + n // share.per_room, n % share.per_room
        client = Client(share.dialect, share.port, room * share.per_room + seat, room)
        client.source = share.source
        clients.append(client)
    await each(client.connect for client in clients)
    await join_all(clients)
    pipe.send(_HELD)
    await _told(pipe, _MOVE)
    base_ns = time.monotonic_ns()
    counter = MoveCounter(base_ns)
    counter.counting = True
    for client in clients:
        client.on_message = counter.on_message
    pump = MovePump(clients, share.hz, base_ns)
    pump.start()
    await _told(pipe, _END)
    pump.stop()
    counts: Counts = {
        "updates": float((pump.offered - pump.unsent) * (share.per_room - 1)),
        "delivered": float(counter.delivered),
        "miscounted": float(counter.miscounted),
        "errors": float(sum(client.errors for client in clients)),
        "lost": float(sum(client.transport is None for client in clients)),
    }
    await close_all(clients)
    pipe.send(counts)


def _process(share: Share, pipe: Connection) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(HOLD_S_MAX):
            await _hold(share, pipe)

    gc.disable()  # a pause would be read as latency of the server
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(bounded())
    except Exception as failure:  # noqa: BLE001 the parent raises it
        pipe.send(f"{type(failure).__name__}: {failure}")


class Crowd:
    """The processes of `shares`, on the core of the caller; ended with the block, by their ids.

    `held`, `move` and `end` in this order. They raise SetUpFailed when a process fails.
    """

    def __init__(self, shares: Sequence[Share]) -> None:
        self._shares = shares
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Self:
        fresh = multiprocessing.get_context("spawn")
        for share in self._shares:
            mine, theirs = fresh.Pipe()
            process = fresh.Process(target=_process, args=(share, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(mine)
            self._processes.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.join()

    def cpu_us(self) -> float:
        """What the processes have used so far."""
        ids = [process.pid for process in self._processes]
        return sum(machine.cpu_ns(pid) for pid in ids if pid is not None) / 1e3

    async def held(self) -> None:
        """Wait until all are connected and seated, and everybody sees his whole room."""
        for pipe in self._pipes:
            await self._answer(pipe)

    def move(self) -> None:
        """Let them move from now on."""
        for pipe in self._pipes:
            pipe.send(_MOVE)

    async def end(self) -> Counts:
        """Stop, let go of all connections; the counts of all processes together."""
        for pipe in self._pipes:
            pipe.send(_END)
        total: Counter[str] = Counter()
        for pipe in self._pipes:
            counts = await self._answer(pipe)
            if isinstance(counts, dict):
                total.update(counts)
        return {key: float(value) for key, value in total.items()}

    async def _answer(self, pipe: Connection) -> object:
        deadline = time.monotonic() + HOLD_S_MAX
        while not pipe.poll():
            if time.monotonic() > deadline:
                raise SetUpFailed(f"no word of a generator within {HOLD_S_MAX:.0f} s")
            await asyncio.sleep(LOOK_S)
        try:
            said: object = pipe.recv()
        except EOFError:
            raise SetUpFailed("a generator ended") from None
        if isinstance(said, str) and said != _HELD:
            raise SetUpFailed(said)
        return said
