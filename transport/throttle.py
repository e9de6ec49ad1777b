"""What one client may do how often. PURE: time is an argument, in monotonic seconds.

Owns the two buckets of a connection and its budget of offences.
"""

from collections.abc import Callable
from typing import Final

from actors.errors import RateLimited
from actors.settings import Settings
from transport.limits import TokenBucket, ViolationWindow


class Throttle:
    """Of one connection. What is rarely used is made when it is."""

    __slots__ = ("_joins", "_messages", "_settings", "_violations", "take")

    def __init__(self, settings: Settings, now_s: float) -> None:
        self._settings: Final = settings
        self._messages = TokenBucket(settings.messages_per_s, settings.messages_burst, now_s)
        self.take: Final[Callable[[float], bool]] = self._messages.take
        """A token for one frame of any kind; False when there is none. Takes monotonic seconds."""
        self._joins: TokenBucket | None = None
        self._violations: ViolationWindow | None = None

    def wait_ms(self) -> int:
        """Until the next token, after a take that failed."""
        return self._messages.wait_ms()

    def too_many(self) -> RateLimited:
        """The refusal of a frame that got no token."""
        return RateLimited("too many messages", retry_after_ms=self.wait_ms())

    def take_join(self, now_s: float) -> None:
        """For a join, a leave or a request for the whole state. Raises RateLimited."""
        settings = self._settings
        if self._joins is None:
            self._joins = TokenBucket(settings.joins_per_s, settings.joins_burst, now_s)
        if not self._joins.take(now_s):
            wait_ms = self._joins.wait_ms()
            raise RateLimited("too many joins, leaves and state requests", retry_after_ms=wait_ms)

    def offend(self, now_s: float) -> bool:
        """Count an offence; True when that was one too many."""
        if self._violations is None:
            self._violations = ViolationWindow()
        return self._violations.add(now_s)
