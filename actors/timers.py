"""What a room waits for: ends of graces, and the next tick of moves. One timer each, at most.

Owns order and bounds of the waiting; the room decides what happens then. Both post a message to
the room's own mailbox, so that nothing happens outside a turn.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from actors.ids import SocketId
from actors.ports import Cancellable, Clock, Outlet
from actors.recovery import Grace
from actors.waiting import wait_s


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
    """

    __slots__ = ("_clock", "_moved", "_notify", "_tick_s", "_timer", "due_s")

    def __init__(
        self, clock: Clock, tick_s: float, notify: Callable[[], object], due_s: float = 0.0
    ) -> None:
        self._clock: Final = clock
        self._tick_s: Final = tick_s
        self._notify: Final = notify
        self._moved: dict[SocketId, None] = {}
        self.due_s = due_s
        """Until then nothing is due, monotonic."""
        self._timer: Cancellable | None = None

    def note(self, socket_id: SocketId) -> None:
        """`socket_id` has a new position. At most one entry a player."""
        self._moved[socket_id] = None

    def take_due(self) -> list[SocketId]:
        """Who moved, when the tick allows to say it now; else nobody, and a timer is set."""
        if not self._moved or self._timer is not None:
            return []
        now_s = self._clock.monotonic_s()
        if now_s < self.due_s:
            self._timer = self._clock.call_later(self.due_s - now_s, self._notify)
            return []
        self.due_s = now_s + self._tick_s
        moved = list(self._moved)
        self._moved.clear()
        return moved

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

    def ticked(self) -> None:
        """The timer fired: what moved is due at the end of this turn."""
        self._timer = None
        self.due_s = 0.0

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
