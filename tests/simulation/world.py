"""One simulated world: a machine with the server on it, people around it, and one history.

Owns what everybody in it shares: the loop, the settings, the fuse of planted faults, the first
broken promise. Knows no story.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

import orjson

from actors.settings import Durability, Settings
from tests.simulation.chronicle import Chronicle
from tests.simulation.faults import Fuse
from tests.simulation.loop import SimulatedLoop
from tests.simulation.moderation import Court
from tests.simulation.person import Person
from tests.simulation.process import Life, Line, Machine
from tests.simulation.replaying import Replaying
from tests.simulation.story import NAMES
from tests.simulation.websocket import ClientSocket

RESETS_S: Final = 1.0
"""So long after its death a process' connections are still being reset."""
SETTLED_S: Final = 3.0
"""So long after it was told, a change is on a disk that works."""
TAKEN_S: Final = 0.5
"""So soon a disk that is neither slow nor full has taken what waits."""
HEARTBEAT_S_MAX: Final = 25.0
"""So long after the server got no processor it may take somebody for silent."""


class World:
    """Everything in it comes from `seed`."""

    def __init__(
        self, loop: SimulatedLoop, seed: str, people: int, settings: Settings, fuse: Fuse
    ) -> None:
        self.loop: Final = loop
        self.settings: Final = settings
        self.fuse: Final = fuse
        self.recordings: Final = Replaying(fuse)
        chance = random.Random(f"{seed}/machine")
        self.machine: Final = Machine(loop, settings, chance, self.recordings)
        commits_first = settings.durability is Durability.JOURNAL
        self._told_s: Final = 3 * settings.commit_timeout_s if commits_first else 0.0
        self.chronicle: Final = Chronicle(settings.resume_grace_s, self._told_late, self._outlasts)
        self.people: Final = [Person(self, name, f"{seed}/{name}") for name in NAMES[:people]]
        self.left_behind: list[ClientSocket] = []
        """Connections that nobody listens to any more, and that are still open."""
        self.court: Final = Court(unmasked=self.chronicle.hidden)
        self.violation: AssertionError | None = None
        self.internals = 0
        """How often somebody was refused with `internal`."""
        self.may_forget = settings.durability is not Durability.JOURNAL
        """A death of the server may undo what was told last."""
        self._lives: Final[list[tuple[float, float]]] = []
        self._deeds: Final[set[asyncio.Task[None]]] = set()
        self.deaths = 0
        self.rotations = 0
        self.bad_weather_s = float("-inf")
        """When the disk was last seen full or stalled, or so slow that commits queue up."""
        self.froze_s = float("-inf")
        self.lost_writes = 0
        self._power_s = float("-inf")
        """When the power last failed."""
        self._closed_s: Final[dict[str, float]] = {}
        self._digest: Final = hashlib.blake2b(digest_size=16)
        self.story: list[str] | None = None
        """What was said and heard, where somebody wants to read it."""
        for event in ("room_closed", "room_lost"):
            self.machine.watched[event] = self._room_closed

    def begin(self, deed: Coroutine[Any, Any, None]) -> None:
        """Something that takes its time; the story goes on meanwhile."""
        task = self.loop.create_task(deed)
        self._deeds.add(task)
        task.add_done_callback(self._deeds.discard)

    def freeze(self, seconds: float) -> None:
        """The server's process gets no processor for so long."""
        self.loop.freeze(seconds)
        self.froze_s = self.loop.time()

    async def die(self, down_s: float, *, with_machine: bool) -> None:
        """The server is killed, and comes back after `down_s`."""
        if self.machine.life is None:
            return
        self._lives.append((self.machine.began_s, self.loop.time()))
        if with_machine:
            self._power_s = self.loop.time()
        self.lost_writes += await self.machine.kill(with_machine=with_machine)
        self.deaths += 1
        self.court.died(self.settings.durability, with_machine=with_machine)
        self.begin(self._come_back(down_s))

    async def end(self, wait_ms: Callable[[], int]) -> None:
        """The server drains, ends, and comes back."""
        if self.machine.life is None:
            return
        self.deaths += 1
        life, self.machine.life = self.machine.life, None
        self.begin(self._restart(life, wait_ms))

    async def _restart(self, life: Life, wait_ms: Callable[[], int]) -> None:
        began_s = self.machine.began_s
        await life.drain(wait_ms)
        self.court.died(self.settings.durability, with_machine=False)
        self._lives.append((began_s, self.loop.time()))
        await self._come_back(0.01)

    async def _come_back(self, down_s: float) -> None:
        await asyncio.sleep(down_s)
        await self.machine.start()

    def _told_late(self) -> float:
        """How much later than it happened a loss may be told: it is committed first."""
        if not self._told_s:
            return 0.0
        since_s = self.loop.time() - max(self.bad_weather_s, self.froze_s)
        return self._told_s if since_s > self.settings.resume_grace_s + 10 else float("inf")

    def tell(self, person: Person, verb: str, item: Any) -> None:
        """Note what somebody said or heard."""
        line = orjson.dumps([round(self.loop.time(), 6), person.name, verb, item])
        self._digest.update(line)
        if self.story is not None:
            self.story.append(line.decode())

    def digest(self) -> str:
        """Of all that was said and heard so far, and when."""
        return self._digest.hexdigest()

    def broken(self, violation: AssertionError) -> None:
        """A promise was broken; the first one counts."""
        if self.violation is None:
            self.violation = violation

    def internal_heard(self, *, is_copy: bool) -> None:
        """Only the request that made a room fail is answered so, and each copy of it."""
        self.internals += not is_copy
        if self.internals > self.fuse.burnt:
            self.broken(AssertionError("`internal`, and nothing had raised"))

    def was_reset(self, name: str, *, excused: bool) -> None:
        """Somebody's connection was reset, though its link works."""
        now_s = self.loop.time()
        is_new = self.machine.life is None or now_s - self.machine.began_s < RESETS_S
        if not excused and not is_new and now_s - self.froze_s > HEARTBEAT_S_MAX:
            self.broken(AssertionError(f"{name}'s connection was reset without a reason"))

    # -- the server's lives, as far as people may reckon with them

    def life_of(self, sent_s: float) -> int:
        """The number of the life of the server that said something at that time."""
        return 1 + sum(ended_s < sent_s for _, ended_s in self._lives)

    def _outlasts(self, at_s: float) -> bool:
        """What was told then is known since: its process had the time to keep it, and a disk."""
        if self.fuse.burnt or max(self.bad_weather_s, self.froze_s) > at_s - SETTLED_S:
            return False
        ends_s = [ended_s for _, ended_s in self._lives if ended_s > at_s]
        return bool(ends_s) and ends_s[0] > at_s + SETTLED_S and self._power_s < at_s

    def kept(self, at_s: float) -> bool:
        """What the server came to know then is kept since: that is a little later, which it must
        have lived for, and a full disk may not have taken it. `at_s` 0: it never came to know it.
        """
        ends_s = [ended_s for _, ended_s in self._lives if ended_s > at_s]
        if not at_s or self.bad_weather_s > 0:
            return False
        if not ends_s:
            return True
        froze_s = self.froze_s if self.froze_s < ends_s[0] else at_s
        return ends_s[0] - max(at_s, froze_s) > TAKEN_S

    def was_forgotten(self, life: int, now: int) -> bool:
        """What the process of that number knew is gone by design."""
        return self.settings.durability is Durability.MEMORY and life != now

    def away_too_long(self, heard_s: float, until_s: float, slack_s: float) -> bool:
        """Somebody last heard from at `heard_s` may have timed out by `until_s`: the grace counts
        anew in each life of the server.
        """
        spans = [*self._lives, (self.machine.began_s, until_s)]
        return any(
            ended_s - max(began_s, heard_s) > self.settings.resume_grace_s - slack_s
            for began_s, ended_s in spans
        )

    def was_closed(self, room_id: str, since_s: float) -> bool:
        """The room kept failing, and was closed."""
        return self._closed_s.get(room_id, -1.0) >= since_s

    def rests(self, room_id: str, since_s: float, until_s: float) -> bool:
        """The room was closed by the time `since_s`, and has to rest beyond `until_s`."""
        closed_s = self._closed_s.get(room_id, float("inf"))
        is_known = self.machine.began_s <= closed_s < since_s
        return is_known and until_s < closed_s + self.settings.room_closed_s

    def _room_closed(self, line: Line) -> None:
        self._closed_s[str(line.fields["room_id"])] = self.loop.time()
