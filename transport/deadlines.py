"""Many waits of one length, with one timer. Knows nobody; time comes from the clock it is given.

Since all waits of a queue are equally long they end in the order they began, so a queue serves
any number of connections: O(1) to begin a wait, nothing to cancel (whoever is told looks whether
it still matters). What ends within one `grain_s` ends together, late by at most that: a thousand
connections wake the loop a few times a second and not a thousand times.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from actors.ports import Cancellable, Clock
from actors.waiting import wait_s

T = TypeVar("T")


class Deadlines(Generic[T]):
    """`ended(item)` is called `delay_s` (to `delay_s + grain_s`) after `add(item)`, in order."""

    def __init__(
        self, clock: Clock, delay_s: float, ended: Callable[[T], object], grain_s: float = 0.0
    ) -> None:
        self._clock: Final = clock
        self._grain_s: Final = grain_s
        self._delay_s: Final = delay_s
        self._ended: Final = ended
        # Side by side: a pair for each would be 56 bytes more, and one object more to collect.
        self._queue: deque[T] = deque()
        self._due_s: deque[float] = deque()
        self._timer: Cancellable | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, item: T) -> None:
        self._due_s.append(self._clock.monotonic_s() + self._delay_s)
        self._queue.append(item)
        self._wait()

    def stop(self) -> None:
        """Forget all."""
        self._queue.clear()
        self._due_s.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        if self._timer is None and self._queue:
            delay_s = wait_s(self._due_s[0] + self._grain_s, self._clock.monotonic_s())
            self._timer = self._clock.call_later(delay_s, self._tell)

    def _tell(self) -> None:
        self._timer = None
        now_s = self._clock.monotonic_s()
        # Only what was due when this began: a wait of no length must not keep the loop.
        for _ in range(len(self._queue)):
            if self._due_s[0] > now_s:
                break
            self._due_s.popleft()
            self._ended(self._queue.popleft())
        self._wait()
