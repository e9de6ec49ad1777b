"""Time, log and metrics that tests hold in their hands: nothing waits, everything is written down.

Owns fakes of the ports that every layer above shares. Knows no session and no connection.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

from actors.ports import Cancellable

CALLS_MAX: Final = 100_000
"""More calls than this in one step of time are a loop that never ends."""


@dataclass(slots=True)
class Timer:
    """A call to come."""

    call: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class SimulatedClock:
    """The Clock port. Time passes only in `advance`, and calls run there, in order of their time.

    Neither time begins at zero, so that a zero that should be `None` is seen.
    """

    def __init__(self) -> None:
        self._began_s: Final = 4096.0
        self._began_ms: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
        self._now_s = self._began_s
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()

    def now_ms(self) -> int:
        return self._began_ms + round((self._now_s - self._began_s) * 1000)

    def monotonic_s(self) -> float:
        return self._now_s

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Cancellable:
        assert delay_s >= 0
        timer = Timer(call)
        heappush(self._heap, (self._now_s + delay_s, next(self._order), timer))
        return timer

    def be_late(self, seconds: float) -> None:
        """Let time pass as on a busy loop: what falls due runs in the next `advance`."""
        self._now_s += seconds

    @property
    def waiting(self) -> int:
        """How many calls are to come."""
        return sum(not timer.cancelled for _, _, timer in self._heap)

    def advance(self, seconds: float = 0.0) -> None:
        """Let time pass and run what falls due, also what that calls for in its turn."""
        until_s = self._now_s + seconds
        for _ in range(CALLS_MAX):
            if not self._heap or self._heap[0][0] > until_s:
                self._now_s = until_s
                return
            due_s, _, timer = heappop(self._heap)
            self._now_s = max(self._now_s, due_s)
            if not timer.cancelled:
                timer.call()
        raise AssertionError("time does not get on: calls beget calls")


@dataclass(frozen=True, slots=True)
class Line:
    """One fact that was told."""

    level: str
    event: str
    fields: dict[str, Any]


@dataclass(slots=True)
class WrittenLog:
    """The Log port, kept in memory."""

    lines: list[Line] = field(default_factory=list)

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append(Line("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(Line("info", event, fields))

    def warn(self, event: str, **fields: Any) -> None:
        self.lines.append(Line("warn", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append(Line("error", event, fields))

    def told(self, event: str) -> list[dict[str, Any]]:
        """The fields of each line about `event`."""
        return [line.fields for line in self.lines if line.event == event]


class CountedMetrics:
    """The Metrics port: a count for each call and its argument."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def player_joined(self) -> None:
        self.counts["joined"] += 1

    def player_left(self, reason: str) -> None:
        self.counts[f"left {reason}"] += 1

    def resume_ended(self, outcome: str) -> None:
        self.counts[f"resume {outcome}"] += 1

    def state_validated(self, valid: bool) -> None:
        self.counts[f"valid {valid}"] += 1

    def room_restarted(self) -> None:
        self.counts["restarted"] += 1

    def error_sent(self, code: str) -> None:
        self.counts[f"error {code}"] += 1

    def slow_reader(self) -> None:
        self.counts["slow"] += 1

    def join_answered(self, seconds: float) -> None:
        self.counts["answered"] += 1
