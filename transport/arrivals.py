"""Handshakes before they are judged: whose address each counts for, how many an address may make,
and how many wait to be completed.

Owns the pool of incomplete handshakes and the rates of addresses. Knows sockets by one method.
"""

from collections.abc import Iterable
from http import HTTPStatus
from math import ceil
from typing import Final, Protocol

from actors.ports import Clock
from actors.settings import Settings
from transport.admission import Rejected
from transport.fading import FadingMap
from transport.forwarding import Proxies, counted_as
from transport.limits import TokenBucket, burst_of


class Caller(Protocol):
    """A socket that was accepted and has not said yet what it wants."""

    def abort(self) -> None: ...


class Arrivals:
    """O(1) for each. Handshakes of one address are counted only where `ip_handshakes_per_s` is set;
    then at most `limited_max` addresses are remembered, and none longer than `limit_burst_s`.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock: Final = clock
        self._proxies: Final = Proxies(settings.trusted_proxies)
        self._waiting_max: Final = settings.handshakes_waiting_max
        self._waiting: Final[dict[Caller, None]] = {}  # the longest waiting first
        self._limited: Final = settings.ip_handshakes_per_s > 0
        rate_per_s = settings.ip_handshakes_per_s
        burst = burst_of(rate_per_s, settings.limit_burst_s)
        # One that was not used for as long as it takes to fill is as good as a new one.
        self._buckets: Final = FadingMap(
            clock,
            burst / rate_per_s if self._limited else 0.0,
            settings.limited_max,
            lambda: TokenBucket(rate_per_s, burst, clock.monotonic_s()),
        )

    def wait_for(self, caller: Caller) -> None:
        """Until `done`. Where too many wait already, the one that has waited longest is cut off: a
        right handshake takes one round trip, so that is the slowest, and likely on purpose.
        """
        if len(self._waiting) >= self._waiting_max:
            slowest = next(iter(self._waiting))
            self.done(slowest)
            slowest.abort()
        self._waiting[caller] = None

    def done(self, caller: Caller) -> None:
        """It is complete, or gone. May be repeated."""
        self._waiting.pop(caller, None)

    def address_of(self, peer: str, forwarded: Iterable[str]) -> str:
        """What a connection of `peer` counts for; `forwarded` are its `X-Forwarded-For` headers."""
        return counted_as(self._proxies.client_of(peer, forwarded))

    def judge(self, address: str) -> Rejected | None:
        """None when `address` may make one more handshake now."""
        if not self._limited:
            return None
        bucket = self._buckets.use(address)
        if bucket is None or bucket.take(self._clock.monotonic_s()):
            return None
        return Rejected(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too many handshakes from this address",
            retry_after_s=ceil(bucket.wait_ms() / 1000),
        )
