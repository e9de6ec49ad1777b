"""The course of a soak: churn, trough, churn, trough ... on one server, and what is read in them.

    everybody churns -> a reading under load -> nobody comes any more -> the server says that it is
    empty -> nothing of the gone is waited for any more -> a reading -> everybody churns ...

Owns when things are read. Knows no judgement of sizes (`verdict.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.acceptance.rawsocket import until_metrics
from tests.acceptance.server import PROGRAM, Server, faults_of_log, running
from tests.soak import filled
from tests.soak.pace import Pace
from tests.soak.person import Person
from tests.soak.readings import Reading, is_empty, read
from tests.soak.stranger import Stranger
from tests.soak.town import Town

LIFE_S_MAX: Final = 90.0
"""No session takes so long; one that does hangs."""
PULSE_S: Final = 0.05
STRANGERS_OF_PEOPLE: Final = 5
"""One for so many people."""


@dataclass
class Report:
    """What a soak found; `counts` as in the town, `levels` of the log by level and event.

    `before` was read before anybody came. `stall_s` is the longest time for which the clients
    themselves stood still: more than a heartbeat of it, and faults may be theirs.
    """

    before: Reading | None = None
    troughs: list[Reading] = field(default_factory=list)
    loads: list[Reading] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    stall_s: float = 0.0


class Soak:
    """`tell` is called after each trough. `collects`: the server is one of `served.py`, and is
    made to collect its garbage in each of them.
    """

    def __init__(
        self,
        server: Server,
        pace: Pace,
        *,
        people: int,
        seed: int,
        collects: bool = True,
        tell: Callable[[Report], object] = lambda _: None,
    ) -> None:
        self.server = server
        self.town = Town(server, pace, seed)
        self.report = Report(counts=self.town.counts, faults=self.town.faults)
        self._people = people
        self._collects = collects
        self._tell = tell
        self._began_s = time.monotonic()

    async def for_minutes(self, minutes: float, churn_s: float) -> Report:
        """Churn for `churn_s` between troughs, until the minutes are over."""
        until_s = self._began_s + minutes * 60
        while time.monotonic() < until_s and not self._is_hopeless():
            end_s = time.monotonic() + churn_s
            await self._round(lambda end_s=end_s: time.monotonic() >= end_s)  # type: ignore[misc]
        return self.report

    async def for_rounds(self, rounds: int, sessions: int) -> Report:
        """So many rounds of so many sessions each, and a few more that are under way then."""
        for _ in range(rounds):
            most = self.town.counts["sessions"] + sessions
            await self._round(lambda most=most: self.town.counts["sessions"] >= most)  # type: ignore[misc]
        return self.report

    def _is_hopeless(self) -> bool:
        return self.town.counts["faults"] >= 100

    async def _round(self, is_over: Callable[[], bool]) -> None:
        strangers = max(1, self._people // STRANGERS_OF_PEOPLE)
        lives: list[Callable[[], Awaitable[None]]] = [
            *[lambda: Person(self.town).live()] * self._people,
            *[lambda: Stranger(self.town).visit()] * strangers,
        ]
        if self.report.before is None:
            self.report.before = await self._read()
        over = asyncio.Event()
        everybody = [asyncio.create_task(self._again(life, is_over, over)) for life in lives]
        pulse = asyncio.create_task(self._feel_pulse())
        await over.wait()
        self.report.loads.append(await self._read())
        await asyncio.gather(*everybody)
        pulse.cancel()
        self.report.troughs.append(await self._trough())
        await self._take_log()
        self._tell(self.report)

    async def _again(
        self, life: Callable[[], Awaitable[None]], is_over: Callable[[], bool], over: asyncio.Event
    ) -> None:
        """One after the other. `over` is set when the first sees that it is."""
        while not is_over() and not self._is_hopeless():
            try:
                async with asyncio.timeout(LIFE_S_MAX):
                    await life()
            except Exception as fault:  # noqa: BLE001  # told, and the others go on
                self.town.fault(f"{type(fault).__name__}: {fault}")
        over.set()

    async def _feel_pulse(self) -> None:
        """Note how late this loop wakes."""
        while True:
            slept_s = time.monotonic()
            await asyncio.sleep(PULSE_S)
            late_s = time.monotonic() - slept_s - PULSE_S
            self.report.stall_s = max(self.report.stall_s, late_s)

    async def _trough(self) -> Reading:
        """Read when the server is empty and has nothing to wait for.

        What is gone may still stand in a queue of deadlines, for as long as the longest of them:
        the server says nothing of that, so this is a time and no condition.
        """
        with suppress(AssertionError):  # what is left over is in the reading
            await until_metrics(self.server, is_empty)
        await asyncio.sleep(self.town.pace.longest_s)
        return await self._read(collect=self._collects)

    async def _read(self, *, collect: bool = False) -> Reading:
        counts = self.town.counts
        at_s = time.monotonic() - self._began_s
        sessions, rooms = counts["sessions"], counts["rooms"]
        return await read(self.server, at_s, sessions, rooms, collect=collect)

    async def _take_log(self) -> None:
        """Judge the log so far, and forget it: it would outgrow everything else."""
        for fault in await asyncio.to_thread(faults_of_log, self.server):
            self.town.fault(fault)
        for line in self.server.take_lines():
            self.report.levels[f"{line['level']} {line['event']}"] += 1
        self.server.secrets.clear()


@contextmanager
def soaked(folder: Path, pace: Pace, durability: str, *, collects: bool = True) -> Iterator[Server]:
    """A server to be soaked, whose data is in `folder`, which is made and filled."""
    settings = {**pace.settings(), "durability": durability}
    if durability != "memory":
        filled.fill(folder)
        settings["stored_rooms_max"] = filled.ROOMS
    program = "tests.soak.served" if collects else PROGRAM
    with running(data_dir=folder, program=program, **settings) as server:
        yield server
