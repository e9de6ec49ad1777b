"""Token buckets and error budgets of one connection. PURE: time is an argument, in seconds.

A bucket holds at most `burst` tokens and gains `rate_per_s`; each message takes one.
"""

from math import ceil
from typing import Final

VIOLATIONS_MAX: Final = 100
VIOLATIONS_WINDOW_S: Final = 10.0


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

    def wait_ms(self) -> int:
        """How long until there is a token, after a take that failed; at least 1."""
        return max(1, ceil((1.0 - self._tokens) / self._rate_per_s * 1000))


class ViolationWindow:
    """Counts offences; too many within the window end the connection (1008).

    Fixed windows that begin with an offence: bounded memory, and at most twice the budget passes
    in any 10 s.
    """

    __slots__ = ("_count", "_since_s")

    def __init__(self) -> None:
        self._count = 0
        self._since_s = 0.0

    def add(self, now_s: float) -> bool:
        """Count one; True when that is one too many."""
        if now_s - self._since_s > VIOLATIONS_WINDOW_S:
            self._since_s, self._count = now_s, 0
        self._count += 1
        return self._count > VIOLATIONS_MAX
