"""A client's moves on their way to its room: passed on, or, over the limit, coalesced.

Owns the newest move that waits for a token. Moves are never refused for their number, and the
last one always arrives. Somebody who floods is read more slowly instead: of moves that only replace
each other, so many are taken and no more until the waiting one has had its time.
"""

from typing import Final

from actors import messages as m
from actors.players import Coordinate
from actors.ports import Clock
from transport.link import Link
from transport.seat import Seat
from transport.throttle import Throttle

FULL_WAIT_S: Final = 0.1
"""A move that found a full mailbox is tried again after this."""
PAUSE_S_MAX: Final = 0.5
"""Reading pauses for as long as the waiting move waits, and never for longer than this."""
NO_EVERY_S: Final = 5.0
"""Moves that are not allowed are dropped, and answered at most once in this time."""


class MoveGate:
    """Of one connection; at most one move waits."""

    __slots__ = ("_clock", "_no_s", "_outdated", "_outdated_max", "_throttle", "late")

    def __init__(self, throttle: Throttle, clock: Clock, outdated_max: int) -> None:
        self._throttle: Final = throttle
        self._clock: Final = clock
        self._outdated_max: Final = outdated_max
        self._outdated = 0
        """How many moves were replaced, or went nowhere, since one began to wait or since the last
        pause.
        """
        self._no_s: float | None = None
        self.late: tuple[Coordinate, Coordinate] | None = None

    def pass_on(self, seat: Seat, x: Coordinate, y: Coordinate) -> None:
        """To the room; an older one that waits is outdated. One that finds the room's mailbox full
        waits itself.
        """
        waiting, self.late = self.late is not None, None
        if not seat.mailbox.offer_lazily(m.Move(seat, x, y)):
            self.late = (x, y)
            if not waiting and seat.link is not None:
                self._wait(seat.link, seat, FULL_WAIT_S)

    def hand_over(self, seat: Seat) -> None:
        """The connection ends: what waits goes to the room now, as far as that takes it."""
        if self.late is not None:
            late, self.late = self.late, None
            seat.mailbox.offer_lazily(m.Move(seat, *late))

    def coalesce(self, link: Link, seat: Seat, x: Coordinate, y: Coordinate) -> None:
        """Keep it until there is a token, in place of the one that waits."""
        waiting, self.late = self.late is not None, (x, y)
        wait_s = self._throttle.wait_ms() / 1000
        if not waiting:
            self._outdated = 0
            self._wait(link, seat, wait_s)
            return
        self._slow_down(link, wait_s)

    def pass_over(self, link: Link) -> None:
        """One over the rate that goes nowhere, a copy or one that is not allowed, costs as much."""
        self._slow_down(link, self._throttle.wait_ms() / 1000)

    def is_no_due(self, now_s: float) -> bool:
        """A move is not allowed: whether its client is to be told again."""
        if self._no_s is not None and now_s < self._no_s + NO_EVERY_S:
            return False
        self._no_s = now_s
        return True

    def forget(self) -> None:
        """The session left the room that the move was for."""
        self.late = None

    def _slow_down(self, link: Link, wait_s: float) -> None:
        self._outdated += 1
        if self._outdated >= self._outdated_max:
            link.hold()
        if self._outdated == self._outdated_max:
            link.call_later(min(wait_s, PAUSE_S_MAX), lambda: self._read_on(link))

    def _read_on(self, link: Link) -> None:
        self._outdated = 0
        link.release()

    def _wait(self, link: Link, seat: Seat, delay_s: float) -> None:
        link.call_later(delay_s, lambda: self._retry(link, seat))

    def _retry(self, link: Link, seat: Seat) -> None:
        if self.late is None or not seat.alive:
            return
        if self._throttle.take(self._clock.monotonic_s()):
            late, self.late = self.late, None
            self.pass_on(seat, *late)
        else:
            self._wait(link, seat, self._throttle.wait_ms() / 1000)
