"""The server's process in the simulated world: it starts, is killed at any moment, starts anew.

Owns a life of the real `Application`: its clock, its log, its store, its listening address. What is
dead does nothing any more: its timers do not fire, its connections hear nothing, its log is silent.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from actors.keys import KeyRing, derived
from actors.ports import Cancellable, Recordings
from actors.room import RoomActor
from actors.settings import Durability, Settings
from tests.simulation.auditing import FACTS, AuditDisk
from tests.simulation.disk import SimulatedStore, UnflushedDisk, Weather
from tests.simulation.loop import SimulatedLoop
from tests.simulation.papers import verifier
from transport.app import Application

HOST: Final = "127.0.0.1"
PORT: Final = 8765
WALL_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class WallClock:
    """What the people's clocks say. Runs with the loop's time, and may be set."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop: Final = loop
        self._began_s: Final = loop.time()
        self.ahead_ms = 0
        self.jumps = 0
        """How often it was set."""

    def now_ms(self) -> int:
        return WALL_MS + self.ahead_ms + round((self._loop.time() - self._began_s) * 1000)


class MortalClock:
    """The Clock port of one process; its monotonic time begins anywhere, as after a reboot."""

    def __init__(self, loop: SimulatedLoop, wall: WallClock, offset_s: float) -> None:
        self._loop: Final = loop
        self._wall: Final = wall
        self._offset_s: Final = offset_s
        self.is_alive = True

    def now_ms(self) -> int:
        return self._wall.now_ms()

    def monotonic_s(self) -> float:
        return self._loop.time() + self._offset_s

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Cancellable:
        assert delay_s >= 0
        return self._loop.call_later(delay_s, self._call, call)

    def _call(self, call: Callable[[], object]) -> None:
        if self.is_alive:
            call()


@dataclass(frozen=True, slots=True)
class Line:
    """One fact that was told, and when."""

    at_s: float
    level: str
    event: str
    fields: dict[str, Any]


@dataclass(slots=True)
class MortalLog:
    """The Log port. Warnings and errors are kept, and what somebody looks for by name."""

    clock: MortalClock
    watched: dict[str, Callable[[Line], object]]
    alarms: list[Line]

    def debug(self, event: str, **fields: Any) -> None:
        self._tell("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._tell("info", event, fields)

    def warn(self, event: str, **fields: Any) -> None:
        self._tell("warn", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._tell("error", event, fields)

    def _tell(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if not self.clock.is_alive:
            return
        watcher = self.watched.get(event)
        if watcher is not None or level == "error":
            line = Line(self.clock.monotonic_s(), level, event, fields)
            if level == "error":
                self.alarms.append(line)
            if watcher is not None:
                watcher(line)


class Machine:
    """Where the server's processes live, one after another: the disk, the wall clock, the keys."""

    def __init__(
        self,
        loop: SimulatedLoop,
        settings: Settings,
        rng: random.Random,
        recordings: Recordings,
    ) -> None:
        self._loop: Final = loop
        self.settings: Final = settings
        self._rng: Final = rng
        self.wall: Final = WallClock(loop)
        self.weather: Final = Weather()
        self.disk: Final = UnflushedDisk(flush=settings.durability is Durability.JOURNAL)
        self.audit: Final = AuditDisk(settings, self.weather, rng)
        self.keys: KeyRing = derived(b"a key for all lives")
        self.watched: Final[dict[str, Callable[[Line], object]]] = {}
        for event in FACTS:
            self.watched[event] = lambda line: self.audit.watch(line.event, line.fields)
        self.recordings: Final = recordings
        self.alarms: Final[list[Line]] = []
        """Errors that processes told of, this one or one before."""
        self.lives = 0
        self.life: Life | None = None
        self.began_s = 0.0
        """When the present life did, by the loop's time."""

    async def start(self) -> None:
        """A new process, on what the disk has."""
        assert self.life is None
        self.lives += 1
        self.began_s = self._loop.time()
        life = Life(self, self._loop, self._rng, self.lives)
        await life.app.server.listen()
        self.life = life

    async def kill(self, *, with_machine: bool) -> int:
        """kill -9, or the plug pulled: how many writes are lost with that."""
        life, self.life = self.life, None
        if life is None:
            return 0
        life.end(silent=with_machine)
        self.audit.end(life.app.audit, with_machine=with_machine)
        await life.app.registry.stop()
        return self.disk.lose_power(self._rng) if with_machine else 0


class Life:
    """One process of the server."""

    def __init__(
        self, machine: Machine, loop: SimulatedLoop, rng: random.Random, number: int
    ) -> None:
        settings = machine.settings
        self._machine: Final = machine
        self._loop: Final = loop
        self.clock: Final = MortalClock(loop, machine.wall, rng.uniform(0, 1e6))
        self.log: Final = MortalLog(self.clock, machine.watched, machine.alarms)
        store = None
        if settings.durability is not Durability.MEMORY:
            thread = SimulatedStore(machine.disk, self.clock, machine.weather, rng)
            store = (thread, thread.open())
        names = (f"S{number}x{each}" for each in range(10**6))
        self.app: Final = Application(
            settings,
            self.log,
            self.clock,
            machine.keys,
            "1.2.3",
            store,
            new_name=lambda size: next(names),
            recordings=lambda metrics: machine.recordings,
            verify=verifier(settings),
            audit=machine.audit.begin(self.clock),
        )

    def end(self, *, silent: bool) -> None:
        """From now on nothing of it happens."""
        self.clock.is_alive = False
        for listening in self.app.server._servers:
            listening.close()
        for end in list(self._loop.network.accepted.values()):
            end.die(silent=silent)

    async def drain(self, wait_ms: Callable[[], int]) -> None:
        """SIGTERM: what the composition root does then."""
        await self.app.server.drain(wait_ms)
        await self.app.commit_all(1.0)
        if self.app.audit is not None:
            self.app.audit.stop(0)
            await self.app.audit.settle(1.0)
        self.end(silent=False)
        self._machine.audit.end(self.app.audit, with_machine=False)
        await self.app.registry.stop()

    def rooms(self) -> dict[str, RoomActor]:
        """The live rooms by name."""
        found: dict[str, RoomActor] = {}
        for room_id, record in self.app.directory.rooms.items():
            owner = record.mailbox._owner
            if isinstance(owner, RoomActor):
                found[room_id] = owner
        return found
