"""Starts the servers, keeps each side on its core, reads their costs, repeats, interleaves.

Owns processes and the order of measurements; knows neither what a scenario does nor the wire.
A measurement gets a fresh server and has a deadline; one that fails becomes a row with its error
and the run goes on.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import uvloop

from benchmarks import machine
from benchmarks.compact import Compact
from benchmarks.dialects import Dialect, Plain, Rooms
from benchmarks.figures import OURS, Figures, Row

ROOT: Final = Path(__file__).resolve().parent.parent
BASELINE: Final = "baseline"
COMPACT: Final = f"{OURS}, compact"
_JSON: Final = Rooms()
START_S_MAX: Final = 15.0
STOP_S_MAX: Final = 10.0
MEASUREMENT_S_MAX: Final = 180.0

# A load generator is one address with many clients, each far over what a person does.
_UNLIMITED: Final = (
    *("--messages-per-s", "100000", "--messages-burst", "200000"),
    *("--joins-per-s", "100000", "--joins-burst", "200000"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line chose. `reps` repetitions; `quick` shortens windows and sizes."""

    reps: int = 5
    quick: bool = False
    servers: tuple[str, ...] = (OURS, BASELINE)
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "transport.cli", "serve")  # installed


@dataclass(frozen=True, slots=True)
class Target:
    """One server to measure. It starts on a copy of the folder `stored`, where there is one."""

    name: str
    dialect: Dialect
    command: tuple[str, ...]
    stored: Path | None = None


def variant(
    options: Options,
    name: str,
    *flags: str,
    dialect: Dialect = _JSON,
    stored: Path | None = None,
) -> Target:
    """Our server with more `flags`, to clients that speak `dialect`."""
    command = (*options.command, "--port", "0", *_UNLIMITED, *flags)
    return Target(name, dialect, command, stored)


def compact(options: Options, *flags: str) -> Target:
    """Our server with more `flags`, to clients that take moves in binary."""
    return variant(options, COMPACT, *flags, dialect=Compact())


def baseline() -> Target:
    """The server that is not ours."""
    return Target(BASELINE, Plain(), (sys.executable, "-m", "benchmarks.baseline"))


def targets(options: Options) -> list[Target]:
    """The servers chosen, ours first."""
    known = [variant(options, OURS), baseline()]
    return [target for target in known if target.name in options.servers]


class ServerFailed(Exception):
    """The server did not start, or ended before it was told to."""


def started_in(log: str) -> dict[str, Any] | None:
    """The `server_started` line of a JSON log; None while it is not there whole."""
    for line in log.splitlines(keepends=True):
        if '"server_started"' in line and line.endswith("\n"):
            entry: dict[str, Any] = json.loads(line)
            return entry
    return None


def port_in(log: str) -> int | None:
    """The port in the `server_started` line of a JSON log; None while it is not there."""
    entry = started_in(log) or {}
    port = entry.get("port") or entry.get("details", {}).get("port")
    return int(port) if port else None


def seconds_between(begun: float, entry: dict[str, Any]) -> float:
    """From `begun` (Unix time) to the log line `entry`, whose stamp has milliseconds."""
    return datetime.fromisoformat(entry["timestamp"]).timestamp() - begun


class ServerProcess:
    """A server of its own on a free port, pinned to `core`; ended with the block, by its pid."""

    def __init__(self, target: Target, core: int | None) -> None:
        self.target = target
        self.core = core
        self.port = 0
        self.start_s = math.nan
        """From the start of the process to its `server_started`, by the stamp in its log."""
        self.start_cpu_s = math.nan
        self._folder = Path(tempfile.mkdtemp(prefix="vaultmeet-bench-"))
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running server. Raises ServerFailed when it has ended."""
        if self._process is None or self._process.poll() is not None:
            raise ServerFailed(f"{self.target.name} ended: {self._last_words()}")
        return self._process.pid

    def __enter__(self) -> Self:
        environment = dict(os.environ, VAULTMEET_DATA_DIR=str(self._folder / "data"))
        environment["VAULTMEET_LOG_FORMAT"] = "json"
        try:
            if self.target.stored is not None:
                shutil.copytree(self.target.stored, self._folder / "data")
            # The log goes to a file: a pipe that nobody drains would stop the server, and
            # draining it would cost the generator.
            with self._log.open("wb") as log:
                begun = time.time()
                self._process = subprocess.Popen(
                    self.target.command, cwd=ROOT, env=environment, stdout=log, stderr=log
                )
            if self.core is not None:
                os.sched_setaffinity(self._process.pid, {self.core})
            self.port = self._wait_for_port(time.monotonic() + START_S_MAX)
            self.start_cpu_s = machine.cpu_ns(self.pid) / 1e9
            entry = started_in(self._log.read_text(errors="replace")) or {}
            if "timestamp" in entry:
                self.start_s = seconds_between(begun, entry)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _wait_for_port(self, deadline: float) -> int:
        while time.monotonic() < deadline:
            if self.pid and (port := port_in(self._log.read_text(errors="replace"))):
                return port
            time.sleep(0.02)
        raise ServerFailed(f"{self.target.name} named no port within {START_S_MAX:.0f} s")

    def _last_words(self) -> str:
        said = self._log.read_text(errors="replace") if self._log.exists() else ""
        # What was wrong stands above where to look for help.
        return "; ".join(said.strip().splitlines()[-2:])[-300:] or "it said nothing"

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Usage:
    """What passed between two readings of a `Meter`."""

    wall_s: float
    server_cpu_us: float
    generator_cpu_us: float
    foreign_pct: float

    def figures(self) -> dict[str, float]:
        """The figures that every row carries."""
        return {
            "wall_ms": self.wall_s * 1e3,
            "server_cpu_pct": self.server_cpu_us / self.wall_s / 1e4,
            "gen_cpu_pct": self.generator_cpu_us / self.wall_s / 1e4,
            "foreign_pct": self.foreign_pct,
        }


class Meter:
    """Reads wall time and CPU of both sides from when it is made; about 50 µs a reading."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._begun = self._read()

    def _read(self) -> tuple[int, int, int, int]:
        core = self._server.core
        busy = 0 if core is None else machine.core_busy_ns(core)
        return (
            time.monotonic_ns(),
            machine.cpu_ns(self._server.pid),
            time.process_time_ns(),
            busy,
        )

    def usage(self) -> Usage:
        """Since the meter was made."""
        wall, server, generator, busy = (
            now - then for now, then in zip(self._read(), self._begun, strict=True)
        )
        # The kernel counts cores in ticks of 10 ms, so a short window says little.
        foreign = max(0.0, (busy - server) / wall * 100) if busy and wall > 10**9 else 0.0
        return Usage(wall / 1e9, server / 1e3, generator / 1e3, foreign)


Measure = Callable[[ServerProcess, Dialect], Awaitable[Figures]]


class Harness:
    """Repeats measurements; servers run on `server_core`, on any core when it is None."""

    def __init__(self, options: Options, server_core: int | None, sockets_max: int) -> None:
        self.options = options
        self.server_core = server_core
        self.sockets_max = sockets_max

    def against_servers(self, bench: str, scenario: str, measure: Measure) -> Iterator[Row]:
        """Ours and the baseline, as far as they were chosen."""
        yield from self.against(bench, scenario, targets(self.options), measure)

    def against(
        self, bench: str, scenario: str, chosen: Sequence[Target], measure: Measure
    ) -> Iterator[Row]:
        """Each server in turn, `reps` times, so that drift of the machine hits all alike."""
        for rep in range(self.options.reps):
            for target in chosen if rep % 2 == 0 else reversed(chosen):
                try:
                    with ServerProcess(target, self.server_core) as server:
                        figures = self._run(measure(server, target.dialect))
                        found = Row(bench, scenario, target.name, rep, figures)
                except Exception as failure:  # noqa: BLE001 a row, not the end of the run
                    found = _failed(bench, scenario, target.name, rep, failure)
                yield found

    @staticmethod
    def _run(measurement: Awaitable[Figures]) -> Figures:
        async def bounded() -> Figures:
            async with asyncio.timeout(MEASUREMENT_S_MAX):
                return await measurement

        gc.collect()
        gc.disable()  # a pause of the generator would be read as latency of the server
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(bounded())
        finally:
            gc.enable()

    def in_processes(
        self, bench: str, scenario: str, ways: dict[str, tuple[Callable[..., Figures], Any]]
    ) -> Iterator[Row]:
        """Each way as `function(argument)` in a fresh interpreter on the server's core."""
        order: Sequence[str] = list(ways)
        for rep in range(self.options.reps):
            for name in order if rep % 2 == 0 else list(reversed(order)):
                function, argument = ways[name]
                try:
                    figures = self._in_process(function, argument)
                    found = Row(bench, scenario, name, rep, figures)
                except Exception as failure:  # noqa: BLE001 as above
                    found = _failed(bench, scenario, name, rep, failure)
                yield found

    def _in_process(self, function: Callable[..., Figures], argument: Any) -> Figures:
        fresh = multiprocessing.get_context("spawn")
        with fresh.Pool(1, initializer=_pin, initargs=(self.server_core,)) as pool:
            return pool.apply_async(function, (argument,)).get(MEASUREMENT_S_MAX)


def _failed(bench: str, scenario: str, server: str, rep: int, failure: Exception) -> Row:
    return Row(bench, scenario, server, rep, {}, f"{type(failure).__name__}: {failure}")


def _pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
