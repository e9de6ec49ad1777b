"""What waits to be sent on one connection: the transport's own write buffer, and its bound.

Behind the last whole state at most `outbox_bytes_max` (and one frame) may wait; the state itself
is taken whatever its size. Owns the counting, the refusals, and the deadline of a slow reader.
Knows no frame: bytes go through as they are.

    flowing <-> paused (moves are skipped) -> over the bound (events, too, until it has drained)
"""

import asyncio
from typing import Final, Protocol

from actors.ports import Clock
from actors.settings import Settings
from actors.waiting import wait_s

PAUSE_BYTES_MAX: Final = 65_536
"""From here on, or from half the bound, the transport says that it is full."""


class Sender(Protocol):
    """The connection, as its outbox sees it."""

    def on_drained(self) -> None:
        """Something was refused, and now there is room again."""
        ...

    def on_overload(self) -> None:
        """Past twice the bound: read nothing more until it has drained."""
        ...

    def on_too_slow(self) -> None:
        """Over the bound for `slow_reader_s`."""
        ...


class Outbox:
    """`put`, `put_state` always take; `offer`, `offer_moves` answer whether they did."""

    __slots__ = (
        "_bound", "_clock", "_is_watched", "_paused", "_refused", "_sender", "_shut",
        "_slow_reader_s", "_slow_since_s", "_state_end", "_transport", "_written", "overloaded",
    )  # fmt: skip

    def __init__(
        self, transport: asyncio.Transport, settings: Settings, clock: Clock, sender: Sender
    ) -> None:
        self._transport: Final = transport
        self._clock: Final = clock
        self._sender: Final = sender
        self._bound: Final = settings.outbox_bytes_max
        self._slow_reader_s: Final = settings.slow_reader_s
        self._paused = False
        self._refused = False
        self._shut = False
        self._slow_since_s: float | None = None
        self._is_watched = False
        self._state_end = 0
        self._written = 0
        self.overloaded = False
        high = min(PAUSE_BYTES_MAX, self._bound // 2)
        transport.set_write_buffer_limits(high=high, low=high // 4)

    def put(self, data: bytes) -> None:
        """Write it; past twice the bound nothing more is read."""
        if self._paused and self._waiting() <= self._bound:
            self._slow_since_s = None
        self._written += len(data)
        self._transport.write(data)
        if self._paused:
            self._weigh()

    def put_state(self, *parts: bytes) -> None:
        """What waits in front of a whole state counts no more, and neither does the state. Its
        parts are not copied, unless they have to be encrypted.
        """
        self._slow_since_s = None
        self._written += sum(map(len, parts))
        self._state_end = self._written
        self._transport.writelines(parts)
        if self._paused:
            self._weigh()

    def offer(self, data: bytes, /) -> bool:
        """Refused while more than the bound waits."""
        if self._paused:
            if self._shut:
                return True
            if self._waiting() > self._bound:
                self._refused = True
                return False
        self.put(data)
        return True

    def offer_moves(self, data: bytes, /) -> bool:
        """Refused while anything much waits."""
        is_full = self._paused
        if is_full:
            self._refused = True
            return self._shut
        self._written += len(data)
        self._transport.write(data)
        if self._paused:  # by this very frame
            self._weigh()
        return True

    def written_bytes(self) -> int:
        """How much was given to the socket or waits for it."""
        return self._written

    def sent_bytes(self) -> int:
        """How much the socket has taken so far: grows as long as the reader gets on."""
        return self._written - self._transport.get_write_buffer_size()

    def shut(self) -> None:
        """Swallow whatever is offered from now on: nobody would read it."""
        self._paused = self._shut = True

    # -- from the transport

    def pause(self) -> None:
        """The transport's buffer is full."""
        self._paused = True

    def resume(self) -> bool:
        """It has drained. True when it was past twice the bound: reading may go on."""
        was_overloaded = self.overloaded
        self._paused, self.overloaded = self._shut, False
        self._slow_since_s = None
        if self._refused:
            self._refused = False
            self._sender.on_drained()
        return was_overloaded

    # -- inside

    def _waiting(self) -> int:
        """Bytes that wait behind the last whole state."""
        return min(self._transport.get_write_buffer_size(), self._written - self._state_end)

    def _weigh(self) -> None:
        if self._waiting() > self._bound:
            self._grow_slow()
        if self._transport.get_write_buffer_size() > 2 * self._bound and not self.overloaded:
            self.overloaded = True
            self._sender.on_overload()

    def _grow_slow(self) -> None:
        """Over the bound: it has `slow_reader_s` from here."""
        if self._slow_since_s is None:
            self._slow_since_s = self._clock.monotonic_s()
            if not self._is_watched:
                self._watch(self._slow_reader_s)

    def _watch(self, delay_s: float) -> None:
        self._is_watched = True
        self._clock.call_later(delay_s, self._look)

    def _look(self) -> None:
        self._is_watched = False
        if self._slow_since_s is None or self._waiting() <= self._bound:
            self._slow_since_s = None
            return
        left_s = wait_s(self._slow_since_s + self._slow_reader_s, self._clock.monotonic_s())
        if left_s:
            self._watch(left_s)
        else:
            self._sender.on_too_slow()
