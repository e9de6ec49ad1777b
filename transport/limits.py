"""Token buckets and budgets of offences. PURE: time is an argument, in seconds.

A bucket holds at most `burst` tokens and gains `rate_per_s`; each message takes one.
"""

from enum import IntEnum
from math import ceil
from typing import Final

VIOLATIONS_MAX: Final = 100
VIOLATIONS_WINDOW_S: Final = 10.0
SLOWED_MAX: Final = 20
"""So many requests over a limit are held back within the same window, where that is set; then they
are refused."""


class Kind(IntEnum):
    """What is counted apart. Integers, since they are looked up for each join."""

    MESSAGE = 1
    JOIN = 2
    """Leaves and requests for the whole state among them."""
    RESUME = 3
    VALIDATION = 4


def burst_of(rate_per_s: float, burst_s: float) -> float:
    """What a rate lets through at once: so many seconds' worth, and 1 at least."""
    return max(1.0, rate_per_s * burst_s)


class TokenBucket:
    """Full at the start. O(1)."""

    __slots__ = ("_burst", "_rate_per_s", "_tokens", "_updated_s")

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self._rate_per_s: Final = rate_per_s
        self._burst: Final = burst
        self._tokens = burst
        self._updated_s = now_s

    def take(self, now_s: float) -> bool:
        """Take a token; False, and nothing taken, when there is none."""
        tokens = self._tokens + (now_s - self._updated_s) * self._rate_per_s
        self._updated_s = now_s
        tokens = min(tokens, self._burst)
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True

    def wait_s(self, now_s: float) -> float:
        """How long until there is a token, 0 where there is one. Takes none."""
        tokens = self._tokens + (now_s - self._updated_s) * self._rate_per_s
        self._updated_s = now_s
        self._tokens = min(tokens, self._burst)
        return max(0.0, (1.0 - self._tokens) / self._rate_per_s)

    def spend(self) -> None:
        """Take a token ahead of its time: whoever does so waits for `wait_s` before he goes on."""
        self._tokens -= 1.0

    def wait_ms(self) -> int:
        """How long until there is a token, after a take that failed; at least 1."""
        return max(1, ceil((1.0 - self._tokens) / self._rate_per_s * 1000))


class ViolationWindow:
    """Counts offences; more than `most` within the window are too many.

    Fixed windows that begin with an offence: bounded memory, and at most twice the budget passes
    in any 10 s.
    """

    __slots__ = ("_count", "_most", "_since_s")

    def __init__(self, most: int = VIOLATIONS_MAX) -> None:
        self._most: Final = most
        self._count = 0
        self._since_s = 0.0

    def add(self, now_s: float) -> bool:
        """Count one; True when that is one too many."""
        if now_s - self._since_s > VIOLATIONS_WINDOW_S:
            self._since_s, self._count = now_s, 0
        self._count += 1
        return self._count > self._most
