"""Fewer and fuller wake-ups of a busy loop, as network drivers moderate interrupts (Linux NAPI).

Owns when the loop holds its breath before it looks at the sockets again. With thousands of small
messages a second, evenly spread, a loop wakes for each of them, and waking costs as much as
handling one. So a busy loop waits a little until some have come: for about `READS_PER_WAKE` of
them, and never longer than `longest_s` from one look to the next. The time that handling takes
counts, so that a loop with much to do does not wait at all, and nobody waits while there is little.

Only moves, of which nobody awaits an answer, may wait. Where many do await one, waiting would slow
them down and not save anything: each answer weighs against `ANSWER_WEIGHT` reads.

    resting --(BUSY_PER_S reads a second)--> pacing --(less than half of that)--> resting
"""

from collections.abc import Callable
from typing import Final

from actors.ports import Clock

BUSY_PER_S: Final = 1500.0
READS_PER_WAKE: Final = 4
ANSWER_WEIGHT: Final = 4
LOOK_READS: Final = 256
"""After so many reads a resting loop looks how fast they came."""
WINDOW_S: Final = 0.05
"""So often a pacing one does."""
_WORTH_S: Final = 0.000_1
"""A shorter wait costs more than it saves."""


class Pacer:
    """`sleep(seconds)` blocks the loop's thread, on which all of this is called; without one, or
    where `longest_s` is 0, nothing is ever waited for.
    """

    __slots__ = (
        "_answers", "_clock", "_longest_s", "_look_at", "_reads", "_since_s", "_sleep", "_step_s",
        "_woke_s",
    )  # fmt: skip

    def __init__(
        self, clock: Clock, longest_s: float, sleep: Callable[[float], object] | None
    ) -> None:
        self._clock: Final = clock
        self._longest_s: Final = longest_s
        self._sleep: Final = sleep
        self._reads = 0
        self._answers = 0
        self._since_s = clock.monotonic_s()
        self._woke_s = 0.0
        self._step_s = 0.0
        self._look_at: float = LOOK_READS if sleep is not None and longest_s > 0 else float("inf")

    @property
    def is_pacing(self) -> bool:
        """The loop looks at its sockets at most once a step."""
        return self._step_s > 0

    def note(self) -> None:
        """Something was read from a socket."""
        self._reads += 1
        if self._reads >= self._look_at:
            self._look()

    def answer(self) -> None:
        """Somebody is answered."""
        self._answers += 1

    def _look(self) -> None:
        now_s = self._clock.monotonic_s()
        rate_per_s = self._rate(now_s)
        if rate_per_s >= BUSY_PER_S:
            self._look_at = float("inf")
            self._woke_s = now_s
            self._set_step(rate_per_s)
            self._clock.call_later(0, self._pace)

    def _pace(self) -> None:
        """Once in each round of the loop, before it looks at its sockets."""
        assert self._sleep is not None
        now_s = self._clock.monotonic_s()
        if now_s - self._since_s >= WINDOW_S:
            rate_per_s = self._rate(now_s)
            if rate_per_s < BUSY_PER_S / 2:
                self._step_s = 0.0
                self._look_at = float(LOOK_READS)
                return
            self._set_step(rate_per_s)
        left_s = self._woke_s + self._step_s - now_s
        if left_s > _WORTH_S:
            self._sleep(left_s)
            now_s = self._clock.monotonic_s()
        self._woke_s = now_s
        self._clock.call_later(0, self._pace)

    def _set_step(self, rate_per_s: float) -> None:
        self._step_s = min(self._longest_s, READS_PER_WAKE / rate_per_s)

    def _rate(self, now_s: float) -> float:
        """Reads a second since the last call, of those who await no answer."""
        reads, self._reads = self._reads - ANSWER_WEIGHT * self._answers, 0
        self._answers = 0
        since_s, self._since_s = self._since_s, now_s
        return reads / max(now_s - since_s, 1e-6)
