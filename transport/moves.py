"""A client's moves on their way to its room: passed on, or, over the limit, coalesced.

Owns the newest move that waits for a token. Moves are never refused for their number, and the
last one always arrives.
"""

from typing import Final

from actors import messages as m
from actors.ports import Clock
from transport.link import Link
from transport.seat import Seat
from transport.throttle import Throttle


class MoveGate:
    """Of one connection; at most one move waits."""

    __slots__ = ("_clock", "_late", "_throttle")

    def __init__(self, throttle: Throttle, clock: Clock) -> None:
        self._throttle: Final = throttle
        self._clock: Final = clock
        self._late: tuple[float, float] | None = None

    def pass_on(self, seat: Seat, x: float, y: float) -> None:
        """To the room; an older one that waits is outdated."""
        self._late = None
        seat.mailbox.offer_lazily(m.Move(seat, x, y))

    def coalesce(self, link: Link, seat: Seat, x: float, y: float) -> None:
        """Keep it until there is a token, in place of the one that waits."""
        waiting, self._late = self._late is not None, (x, y)
        if not waiting:
            self._wait(link, seat)

    def forget(self) -> None:
        """The session left the room that the move was for."""
        self._late = None

    def _wait(self, link: Link, seat: Seat) -> None:
        link.call_later(self._throttle.wait_ms() / 1000, lambda: self._retry(link, seat))

    def _retry(self, link: Link, seat: Seat) -> None:
        if self._late is None or not seat.alive:
            return
        if self._throttle.take(self._clock.monotonic_s()):
            self.pass_on(seat, *self._late)
        else:
            self._wait(link, seat)
