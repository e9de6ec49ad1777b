"""A bounded map whose entries fade when nobody uses them. Knows nobody; time comes from its clock.

What is counted for somebody (an address, a user) must be there when he comes back a moment later,
and must not be there for ever. An entry that is held stays; one that is not fades `idle_s` after
it was last used. One timer serves all; nothing waits where there is nothing to fade.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from actors.ports import Cancellable, Clock
from actors.waiting import wait_s

T = TypeVar("T")


class FadingMap(Generic[T]):
    """`make()` makes an entry; at most `size_max` are kept. Everything is O(1).

    At the bound the one that has gone unused longest makes room; where all are held there is no
    room, and `use` and `hold` answer None.
    """

    def __init__(self, clock: Clock, idle_s: float, size_max: int, make: Callable[[], T]) -> None:
        self._clock: Final = clock
        self._idle_s: Final = idle_s
        self._size_max: Final = size_max
        self._make: Final = make
        self._held: dict[str, tuple[T, int]] = {}
        self._idle: dict[str, tuple[T, float]] = {}  # the longest unused first
        self._timer: Cancellable | None = None

    def __len__(self) -> int:
        return len(self._held) + len(self._idle)

    def use(self, key: str) -> T | None:
        """The entry of `key`, made where there is none; it fades from now on unless held."""
        if key in self._held:
            return self._held[key][0]
        known = self._idle.pop(key, None)
        entry = known[0] if known is not None else self._made()
        if entry is not None:
            self._idle[key] = entry, self._clock.monotonic_s()
            self._wait()
        return entry

    def hold(self, key: str) -> T | None:
        """As `use`, and it stays until as many `release`s."""
        if key in self._held:
            entry, holds = self._held[key]
            self._held[key] = entry, holds + 1
            return entry
        known = self._idle.pop(key, None)
        held = known[0] if known is not None else self._made()
        if held is not None:
            self._held[key] = held, 1
        return held

    def release(self, key: str) -> None:
        """Once for each `hold` that answered an entry."""
        entry, holds = self._held[key]
        if holds > 1:
            self._held[key] = entry, holds - 1
            return
        del self._held[key]
        self._idle[key] = entry, self._clock.monotonic_s()
        self._wait()

    def _made(self) -> T | None:
        if len(self) >= self._size_max:
            if not self._idle:
                return None
            del self._idle[next(iter(self._idle))]
        return self._make()

    def _wait(self) -> None:
        if self._timer is None and self._idle:
            since_s = next(iter(self._idle.values()))[1]
            delay_s = wait_s(since_s + self._idle_s, self._clock.monotonic_s())
            self._timer = self._clock.call_later(delay_s, self._fade)

    def _fade(self) -> None:
        self._timer = None
        now_s = self._clock.monotonic_s()
        while self._idle:
            key = next(iter(self._idle))
            if self._idle[key][1] + self._idle_s > now_s:
                break
            del self._idle[key]
        self._wait()
