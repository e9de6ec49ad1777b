"""The audit in the simulated world: its disk, which outlives processes, and what must be in it.

Owns a writer in simulated time over a folder in memory. A death may come at any byte of a write; a
loss of power may take the head back to an earlier one. Whatever happens the chain is whole, and
every seating and leave that anybody was told of is in it once, but for what a death took with it.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.audit.book import HEAD_NAME, AuditBook, AuditFault, Bounds
from actors.audit.chain import Keys, Link
from actors.audit.people import SqlitePeople
from actors.audit.port import Gap, Item, Told
from actors.audit.reading import entries, opened, verified
from actors.audit.trail import AuditTrail
from actors.audit.verify import Report
from actors.ports import Clock
from actors.settings import Settings
from tests.actors.audit.stage import MemoryFolder
from tests.simulation.disk import Weather

KEYS: Final = Keys.of(b"a secret for all lives, 32 bytes")
KINDS: Final = {
    "player_joined": "playerJoinedRoom",
    "player_resumed": "playerJoinedRoom",  # seated again by its token, which is its resume, too
    "player_left": "playerLeftRoom",
}
FACTS: Final = ("player_joined", "player_left", "player_lost", "player_resumed")
Fact = tuple[str, str, str, int]
"""Event, room, socketId, version."""
Key = tuple[str, int, int, str, str]
"""Room, epoch, version, what was told, socketId."""


class AuditDisk:
    """Of one machine. `rng` is left as it is."""

    def __init__(self, settings: Settings, weather: Weather, rng: random.Random) -> None:
        self._settings: Final = settings
        self._weather: Final = weather
        self._rng: Final = random.Random()  # of a world, not of a secret
        self._rng.setstate(rng.getstate())
        self._folder: Final = MemoryFolder()
        self._people: Final = SqlitePeople(":memory:", KEYS.people, self._rng.randbytes)
        self._lost: Final[set[Key]] = set()
        self._dropped = 0
        """Counted as a gap of which a death left no entry."""
        self._logged: Final[Counter[Fact]] = Counter()
        self._gone: Final[Counter[Fact]] = Counter()
        self.writer: SimulatedAudit | None = None

    def watch(self, event: str, fields: Mapping[str, Any]) -> None:
        """What a room has told the log, it has told the audit."""
        self._logged[event, fields["room_id"], fields["socket_id"], fields["version"]] += 1

    def begin(self, clock: Clock) -> "SimulatedAudit | None":
        """The writer of the next process; None where there is no audit."""
        if not self._settings.is_audited:
            return None
        self._whole()
        bounds = Bounds(self._settings.audit_file_bytes_max, 0)
        book = AuditBook(self._folder, self._people, KEYS, bounds, self._rng.randbytes)
        end = book.open(clock.now_ms())
        assert end.breach is None, f"the audit does not go on: {end.breach}"
        self.writer = SimulatedAudit(book, self._folder, clock, self._weather, self._rng)
        return self.writer

    def end(self, trail: AuditTrail | None, *, with_machine: bool) -> None:
        """The process is dead, maybe in the midst of a write."""
        if trail is None or self.writer is None:
            return
        if not trail._is_writing and self._rng.random() < 0.5:
            trail._hand_over()  # its last moment was that of a write
        for item in (*trail._batch, *trail._waiting):
            if isinstance(item, Gap):
                self._dropped += item.count
            elif isinstance(item, Told):
                self._lost.add(_key_of(item))
                fact = item.fact
                at = (fact.event, item.room_id, fact.player.socket_id, fact.version)
                self._gone[at] += 1
        heads = self.writer.heads
        self.writer.end()
        self.writer = None
        if with_machine and heads and self._rng.random() < 0.5:
            self._folder.files[HEAD_NAME] = self._rng.choice(heads)

    def judge(self, told: dict[Key, float]) -> None:
        """At the end of a world: `told` is what its clients heard of seatings and leaves. Raises
        AssertionError.
        """
        if not self._settings.is_audited:
            return
        report = self._whole()
        found: Counter[Key] = Counter()
        facts: Counter[Fact] = Counter()
        for entry in entries(self._folder, KEYS):
            if entry["event"] in FACTS:
                at = (entry["event"], entry["roomId"], entry["socketId"])
                facts[(*at, entry["details"]["version"])] += 1
            kind = KINDS.get(entry["event"])
            if kind is not None:
                details = entry["details"]
                key = (
                    entry["roomId"],
                    details["epoch"],
                    details["version"],
                    kind,
                    entry["socketId"],
                )
                if entry["event"] != "player_resumed":
                    found[key] += 1
                else:
                    found.setdefault(key, 1)
            if entry["event"].startswith("player_") and "person" in entry:
                shown = opened(entry, self._people)
                assert "userId" in shown, f"nobody can tell who did {shown}"
        twice = [key for key, count in found.items() if count > 1]
        assert not twice, f"twice in the audit: {twice[0]}"
        dropped = self._dropped + report.lost
        missing = [key for key in told if key not in found and key not in self._lost]
        assert len(missing) <= dropped, f"not in the audit: {missing[0]}"
        invented = facts - self._logged
        assert not invented, f"in the audit, and nobody was told of it: {min(invented)}"
        forgotten = self._logged - facts - self._gone
        assert forgotten.total() <= dropped, f"in the log, and not in the audit: {min(forgotten)}"

    def close(self) -> None:
        """The world is over."""
        self._people.close()

    def _whole(self) -> Report:
        report = verified(self._folder, KEYS)
        assert not report.breaches, f"the audit is not whole: {report.breaches[0]}"
        return report


class SimulatedAudit:
    """The AuditWriter of one process. Work is done in order, after the delay of the `weather`."""

    def __init__(
        self,
        book: AuditBook,
        folder: MemoryFolder,
        clock: Clock,
        weather: Weather,
        rng: random.Random,
    ) -> None:
        self._book: Final = book
        self._folder: Final = folder
        self._clock: Final = clock
        self._weather: Final = weather
        self._rng: Final = rng
        self._queue: deque[tuple[Callable[[], object], Callable[[Any], object]]] = deque()
        self._is_busy = False
        self.heads: list[bytes] = []

    def write(
        self, items: Sequence[Item], now_ms: int, deliver: Callable[[Link | AuditFault], object]
    ) -> None:
        self._ask(lambda: self._book.write(items, now_ms), deliver)

    def forget(
        self, user_id: str, now_ms: int, deliver: Callable[[bool | AuditFault], object]
    ) -> None:
        self._ask(lambda: self._book.forget(user_id, now_ms), deliver)

    def end(self) -> None:
        """Dead. Of what was under way, the disk has the beginning."""
        if self._queue:
            most = self._rng.choice((1, 60, 500, 100_000))
            self._folder.room = self._rng.randrange(most)
            self._folder.cannot_cut = True
            self._folder.keeps_head = self._rng.random() < 0.5
            self._outcome(self._queue[0][0])
            self._folder.room = None
            self._folder.cannot_cut, self._folder.keeps_head = False, True

    def _ask(self, work: Callable[[], object], deliver: Callable[[Any], object]) -> None:
        self._queue.append((work, deliver))
        if not self._is_busy:
            self._is_busy = True
            self._begin()

    def _begin(self) -> None:
        delay_s = self._rng.uniform(0, 2 * self._weather.delay_s)
        self._clock.call_later(delay_s, self._finish)

    def _finish(self) -> None:
        if self._weather.stalled:
            self._clock.call_later(0.05, self._finish)
            return
        self._folder.room = self._rng.randrange(300) if self._weather.fails else None
        head = self._folder.files.get(HEAD_NAME)
        work, deliver = self._queue.popleft()
        outcome = self._outcome(work)
        self._folder.room = None
        if head is not None:
            self.heads = [*self.heads[-3:], head]
        deliver(outcome)
        if self._queue:
            self._begin()
        else:
            self._is_busy = False

    @staticmethod
    def _outcome(work: Callable[[], object]) -> object:
        try:
            return work()
        except AuditFault as fault:
            return fault


def _key_of(item: Told) -> Key:
    kind = KINDS.get(item.fact.event, "")
    version = item.fact.version
    return item.room_id, item.epoch, version, kind, item.fact.player.socket_id
