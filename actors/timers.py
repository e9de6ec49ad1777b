"""What a room waits for: ends of graces, the next tick of moves, the next round to those who are
far. One timer each, at most.

Owns order and bounds of the waiting; the room decides what happens then. All post a message to
the room's own mailbox, so that nothing happens outside a turn.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from actors.ids import SocketId
from actors.ports import Cancellable, Clock, Outlet
from actors.recovery import Grace
from actors.waiting import wait_s

LATENESS: Final = 0.25


class Graces:
    """Lost players and when they are gone. All graces are equally long, so they end in the order
    they began: a queue with one timer, for its head. At most one entry per loss, O(1) each.
    """

    __slots__ = ("_clock", "_notify", "_queue", "_timer", "grace_s")

    def __init__(
        self, clock: Clock, grace_s: float, notify: Callable[[], object], graces: Iterable[Grace]
    ) -> None:
        self._clock: Final = clock
        self.grace_s: Final = grace_s
        self._notify: Final = notify
        self._queue: deque[Grace] | None = deque(graces) or None
        self._timer: Cancellable | None = None
        self._wait()

    def begin(self, socket_id: SocketId, outlet: Outlet, now_s: float) -> None:
        """`outlet` is the one that was lost: a later one means that the player came back."""
        if self._queue is None:
            self._queue = deque()
        self._queue.append(Grace(now_s + self.grace_s, socket_id, outlet))
        self._wait()

    def take_ended(self, now_s: float) -> Grace | None:
        """The oldest over by `now_s`; None when there is none (more), and the rest waits on.

        One at a time: if handling one fails, the others still wait.
        """
        self._timer = None
        if self._queue and self._queue[0].deadline_s <= now_s:
            return self._queue.popleft()
        self._wait()
        return None

    def end_now(self, socket_id: SocketId, outlet: Outlet, now_s: float) -> None:
        """A grace that was over, and whose end was undone: it is over again."""
        if self._queue is None:
            self._queue = deque()
        self._queue.appendleft(Grace(now_s, socket_id, outlet))
        self.stop()
        self._wait()

    def all(self) -> Sequence[Grace]:
        """Those that wait, for a successor."""
        return tuple(self._queue or ())

    def socket_ids(self) -> set[SocketId]:
        """Whose grace is running, or has yet to be ended."""
        return {grace.socket_id for grace in self._queue or ()}

    def awaits(self, outlet: Outlet) -> bool:
        """The grace of just this loss is running: that of an earlier one ends nothing. O(n)."""
        return any(grace.outlet is outlet for grace in self._queue or ())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        if not self._queue:
            self._queue = None
        elif self._timer is None:
            delay_s = wait_s(self._queue[0].deadline_s, self._clock.monotonic_s())
            self._timer = self._clock.call_later(delay_s, self._notify)


class Ticker:
    """Who moved since the last tick. The first move after a quiet moment is due at once; the
    tick only bounds how often a room sends.

    Ticks that follow each other keep their distance on the whole: one that is late by up to
    `LATENESS` of a tick does not put off the next. Otherwise each would be late by the loop's, and
    people who move as often as a room ticks would have two moves in one tick now and then.
    """

    __slots__ = ("_clock", "_is_due", "_moved", "_notify", "_tick_s", "_timer", "due_s")

    def __init__(
        self, clock: Clock, tick_s: float, notify: Callable[[], object], due_s: float = 0.0
    ) -> None:
        self._clock: Final = clock
        self._tick_s: Final = tick_s
        self._notify: Final = notify
        self._moved: dict[SocketId, None] = {}
        self.due_s = due_s
        """Until then nothing is due, monotonic."""
        self._is_due = False
        self._timer: Cancellable | None = None

    def note(self, socket_id: SocketId) -> None:
        """`socket_id` has a new position. At most one entry a player."""
        self._moved[socket_id] = None

    def take_due(self) -> list[SocketId]:
        """Who moved, when the tick allows to say it now; else nobody, and a timer is set."""
        if not self._moved or self._timer is not None:
            return []
        now_s = self._clock.monotonic_s()
        if now_s < self.due_s and not self._is_due:
            self._timer = self._clock.call_later(self.due_s - now_s, self._notify)
            return []
        self._is_due = False
        is_on_time = abs(now_s - self.due_s) <= LATENESS * self._tick_s
        self.due_s = (self.due_s if is_on_time else now_s) + self._tick_s
        moved = list(self._moved)
        self._moved.clear()
        return moved

    def put_off(self, moved: Iterable[SocketId]) -> None:
        """It could not be said that they `moved`: they are due once more, a tick from now."""
        self._moved |= dict.fromkeys(moved)
        self._timer = self._clock.call_later(self._tick_s, self._notify)

    def has_waiting(self) -> bool:
        """Somebody moved, and is not due yet."""
        return bool(self._moved)

    def waiting(self) -> list[SocketId]:
        """Who that is."""
        return list(self._moved)

    @property
    def is_waiting(self) -> bool:
        """A timer runs: there will be a turn when the tick is due."""
        return self._timer is not None

    def told(self, now_s: float) -> None:
        """Positions were sent although nobody had moved: the next ones wait for a tick from now."""
        self._is_due = False
        self.due_s = now_s + self._tick_s

    def ticked(self) -> None:
        """The timer fired: what moved is due at the end of this turn."""
        self._timer = None
        self._is_due = True

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Rounds:
    """When everybody is told of whoever moved: at most once in `every_s`. The first round after a
    quiet moment is due at once; the timer runs only while something waits for the next one.
    """

    __slots__ = ("_clock", "_due_s", "_every_s", "_notify", "_timer", "is_woken")

    def __init__(self, clock: Clock, every_s: float, notify: Callable[[], object]) -> None:
        self._clock: Final = clock
        self._every_s: Final = every_s
        self._notify: Final = notify
        self._due_s = 0.0
        self._timer: Cancellable | None = None
        self.is_woken = False
        """The timer fired, and the turn has not ended since."""

    def is_due(self, now_s: float) -> bool:
        return now_s >= self._due_s

    def begin(self, now_s: float) -> None:
        """All are told now, and nothing waits."""
        self._due_s = now_s + self._every_s
        self.stop()

    def wait(self, earliest_s: float, now_s: float) -> None:
        """Something waits for the next round, which does not come before `earliest_s`."""
        if self._timer is None:
            delay_s = wait_s(max(self._due_s, earliest_s), now_s)
            self._timer = self._clock.call_later(delay_s, self._notify)

    def ticked(self) -> None:
        """The timer fired: the round comes at the end of this turn, or waits on."""
        self.stop()
        self.is_woken = True

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
