"""What one client may do how often. PURE: time is an argument, in monotonic seconds.

Owns the buckets of a connection, its part in its user's share, and its budgets: what goes over a
limit is held back a little (where `slow_down_ms` is set, and only so often), then refused, and too
many refusals end the connection.
"""

from math import ceil
from typing import Final

from actors.errors import RateLimited
from actors.settings import Settings
from transport.limits import SLOWED_MAX, Kind, TokenBucket, ViolationWindow, burst_of
from transport.shares import Share, Shares

_TOO_MANY: Final = {
    Kind.MESSAGE: "too many messages",
    Kind.JOIN: "too many joins, leaves and state requests",
    Kind.RESUME: "too many resumes",
    Kind.VALIDATION: "too many validations",
}


class Throttle:
    """Of one connection. What is rarely used is made when it is."""

    __slots__ = (
        "_in_place_of_one", "_joins", "_messages", "_resumes", "_settings", "_share", "_shares",
        "_slowed", "_takes_both", "_user", "_validations", "_violations",
    )  # fmt: skip

    def __init__(self, settings: Settings, now_s: float) -> None:
        self._settings: Final = settings
        self._messages = TokenBucket(settings.messages_per_s, settings.messages_burst, now_s)
        self._joins: TokenBucket | None = None
        self._resumes: TokenBucket | None = None
        self._validations: TokenBucket | None = None
        self._takes_both = False
        """A frame takes a token of the user, too."""
        self._user: str | None = None
        self._in_place_of_one = False
        """It came in place of another connection, which may be there still."""
        self._share: Share | None = None
        self._shares: Shares | None = None
        self._slowed: ViolationWindow | None = None
        self._violations: ViolationWindow | None = None

    # -- its user

    def speak_for(self, shares: Shares, user: str, *, in_place_of_one: bool = False) -> None:
        """From now on the connection counts for `user`, whoever it counted for before, and maybe
        in place of another connection of his.

        Raises RateLimited where `user` may have no more connections; it then counts as before.
        """
        if user == self._user:
            if self._in_place_of_one and not in_place_of_one:
                shares.stay(self._share)
                self._in_place_of_one = False
            return
        share = shares.enter(user, in_place_of_one=in_place_of_one)
        self.speak_for_nobody()
        self._in_place_of_one = in_place_of_one
        self._user, self._share, self._shares = user, share, shares
        self._takes_both = share is not None and Kind.MESSAGE in share.buckets

    def speak_for_nobody(self) -> None:
        """The connection ends. May be repeated."""
        user, share, shares = self._user, self._share, self._shares
        self._user = self._share = self._shares = None
        if user is not None and share is not None and shares is not None:
            shares.leave(user, share)

    # -- its rates

    def take(self, now_s: float) -> bool:
        """A token for one frame of any kind; False when there is none. Takes monotonic seconds."""
        return self._take_both(now_s) if self._takes_both else self._messages.take(now_s)

    def wait_ms(self) -> int:
        """Until the next token for a frame, after a take that failed."""
        return max(bucket.wait_ms() for bucket in self._of(Kind.MESSAGE, 0.0))

    def admit(self, kind: Kind, now_s: float) -> float:
        """Take a token of `kind`, the connection's and its user's. For so many seconds the request
        is to be held back, 0 where it is in time. Raises RateLimited, and takes none then.
        """
        own = self._messages if kind is Kind.MESSAGE else self._other(kind, now_s)
        if self._share is None and (own is None or own.take(now_s)):
            return 0.0
        buckets = self._of(kind, now_s)
        wait_s = max((bucket.wait_s(now_s) for bucket in buckets), default=0.0)
        if wait_s > 0 and not self._may_be_slow(wait_s, now_s):
            raise RateLimited(_TOO_MANY[kind], retry_after_ms=max(1, ceil(wait_s * 1000)))
        for bucket in buckets:
            bucket.spend()
        return wait_s

    def offend(self, now_s: float) -> bool:
        """Count an offence; True when that was one too many."""
        if self._violations is None:
            self._violations = ViolationWindow()
        return self._violations.add(now_s)

    def _may_be_slow(self, wait_s: float, now_s: float) -> bool:
        if wait_s * 1000 > self._settings.slow_down_ms:
            return False
        if self._slowed is None:
            self._slowed = ViolationWindow(SLOWED_MAX)
        return not self._slowed.add(now_s)

    def _of(self, kind: Kind, now_s: float) -> list[TokenBucket]:
        """The buckets that a token of `kind` comes from."""
        own = self._messages if kind is Kind.MESSAGE else self._other(kind, now_s)
        of_user = None if self._share is None else self._share.buckets.get(kind)
        return [bucket for bucket in (own, of_user) if bucket is not None]

    def _other(self, kind: Kind, now_s: float) -> TokenBucket | None:
        settings = self._settings
        if kind is Kind.JOIN:
            if self._joins is None:
                self._joins = TokenBucket(settings.joins_per_s, settings.joins_burst, now_s)
            return self._joins
        if kind is Kind.RESUME:
            if self._resumes is None:
                self._resumes = self._made(settings.resumes_per_s, now_s)
            return self._resumes
        if self._validations is None:
            self._validations = self._made(settings.validations_per_s, now_s)
        return self._validations

    def _made(self, rate_per_s: float, now_s: float) -> TokenBucket | None:
        """None where there is no limit."""
        if not rate_per_s:
            return None
        return TokenBucket(rate_per_s, burst_of(rate_per_s, self._settings.limit_burst_s), now_s)

    def _take_both(self, now_s: float) -> bool:
        buckets = self._of(Kind.MESSAGE, now_s)
        if any(bucket.wait_s(now_s) for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.spend()
        return True
