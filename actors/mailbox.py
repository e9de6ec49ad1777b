"""What waits for one actor on the loop, until its owner drains it.

Owns the order, the bound and the pause of what waits, and that nobody who asked is left without an
answer when it closes. Knows no actor but as whoever drains it.
"""

import asyncio
import threading
from typing import Any, Final, Protocol

from pykka import ActorDeadError
from pykka._envelope import Envelope
from pykka.messages import _ActorStop


class Owner(Protocol):
    """Who takes what waits: one turn a call."""

    def _drain(self) -> None: ...


class Mailbox:
    """What waits for one actor. Bounded by `limit`; drained by the loop it was made on.

    `put` is pykka's door and always takes (an answer or a stop must get through); `offer` is the
    one for messages that may be refused. It outlives its actor until it is closed.
    """

    __slots__ = (
        "_closed", "_loop", "_owner", "_paused", "_queue", "_scheduled", "_thread_id", "limit",
        "patient",
    )  # fmt: skip

    def __init__(self, limit: int = 65_536) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._thread_id: Final = threading.get_ident()
        # Bare messages, and envelopes where pykka's own ref put them.
        self._queue: list[Any] = []
        self._owner: Owner | None = None
        self._scheduled = False
        self._closed = False
        self._paused = False
        self.limit = limit
        self.patient = False
        """Set by an owner that will wake anyway soon: what is offered `lazily` waits for that."""

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, message: object) -> bool:
        """Queue a message that nobody awaits. False when closed or full; loop's thread only."""
        if self._closed or len(self._queue) >= self.limit:
            return False
        self._queue.append(message)
        if not self._scheduled:
            self._schedule()
        return True

    def offer_lazily(self, message: object) -> bool:
        """As `offer`, but a patient owner is not woken for it. The order stays."""
        if self._closed or len(self._queue) >= self.limit:
            return False
        self._queue.append(message)
        if not (self._scheduled or (self.patient and len(self._queue) < self.limit // 2)):
            self._schedule()
        return True

    def tell(self, message: object) -> None:
        """Queue a message that must not be refused, whatever the limit; loop's thread only."""
        self.put(Envelope(message))

    def is_closed(self) -> bool:
        """It takes nothing any more."""
        return self._closed

    def put(self, envelope: Envelope[Any], /) -> None:
        """From any thread. To a closed mailbox: the asker gets ActorDeadError, a tell vanishes."""
        if self._closed:
            _answer_dead(envelope)
            return
        self._queue.append(envelope)
        if self.is_closed():  # by the loop's thread, since we looked
            self.close()
            return
        if threading.get_ident() != self._thread_id:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._schedule)
        elif not self._scheduled:
            self._schedule()

    def get(self) -> Envelope[Any]:
        """The oldest; raises IndexError when empty (a loop actor never waits here)."""
        item = self._queue.pop(0)
        return item if type(item) is Envelope else Envelope(item)

    def empty(self) -> bool:
        return not self._queue

    def take(self, most: int) -> list[Any]:
        """The oldest `most` entries, in order: bare messages and envelopes."""
        taken = self._queue[:most]
        del self._queue[:most]
        return taken

    def put_back(self, entries: list[Any]) -> None:
        """What was taken and not handled, in front of everything else."""
        self._queue[:0] = entries

    def adopt(self, owner: Owner | None) -> None:
        """From now on `owner` drains; None: nobody does, and everything waits."""
        self._owner = owner
        if owner is not None and not self._scheduled:
            self._schedule()

    def pause(self) -> None:
        """Deliver nothing until `go_on`; what comes waits, up to the limit as always."""
        self._paused = True

    def is_paused(self) -> bool:
        """It delivers nothing at the moment."""
        return self._paused

    def go_on(self, message: object) -> None:
        """End the pause, with `message` before all that waits. Loop's thread only."""
        self._paused = False
        if not self._closed:
            self._queue.insert(0, Envelope(message))
            if not self._scheduled:
                self._schedule()

    def close(self) -> list[Any]:
        """Take nothing any more; the messages that were left are returned, askers answered."""
        self._closed = True
        self._owner = None
        left = self.take(len(self._queue))
        for entry in left:
            if type(entry) is Envelope:
                _answer_dead(entry)
        return [entry.message if type(entry) is Envelope else entry for entry in left]

    def _schedule(self) -> None:
        if not self._scheduled and self._owner is not None and not self._paused:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        owner = self._owner
        if owner is not None and not self._paused:
            owner._drain()
            if self._queue:
                self._schedule()


def _answer_dead(envelope: Envelope[Any]) -> None:
    """As pykka's teardown: a stop is answered with None, anything else with ActorDeadError."""
    if envelope.reply_to is None:
        return
    if isinstance(envelope.message, _ActorStop):
        envelope.reply_to.set(None)
    else:
        dead = ActorDeadError("the actor stopped before handling the message")
        envelope.reply_to.set_exception((ActorDeadError, dead, None))
