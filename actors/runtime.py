"""Actors whose mailbox the event loop drains. With futures.py, the only file that imports pykka.

Owns the seam between pykka and asyncio: a `LoopActor` is a pykka actor without a thread. Its
mailbox schedules its own drain on the loop, a bounded number of messages at a time, so that a
busy actor starves none. `tell`, `ask`, `stop`, proxies, `on_start`, `on_stop` and `on_failure`
behave as pykka's documentation says, with these additions:

- `ask` from the loop's own thread answers an awaitable instead of blocking the loop.
- `on_turn_end` runs after each drain that handled something: the place to publish from.
- a mailbox can outlive its actor: `start(mailbox=...)` takes over what waits in it.
- a mailbox can pause: all waits, in order, until it goes on, with one message in front of the rest.
- an actor may `postpone` the message that it is handling: the turn ends, and the next one begins
  with it.
- loop actors are not in `pykka.ActorRegistry`, whose locked list makes each stop O(n); whoever
  starts them stops them.

    created -> started -> stopped            (stop, or a failure that nobody supervises)
                  `-----> failed             (the mailbox is kept for a successor)
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Generator
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

import pykka
from pykka import ActorDeadError, ActorRef, Timeout
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from actors.futures import LoopFuture, StopFlag, on_a_loop

__all__ = ["ActorDeadError", "LoopActor", "LoopActorRef", "LoopFuture", "Mailbox", "Timeout"]

A = TypeVar("A", bound="LoopActor")
logger = logging.getLogger("pykka")


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
        self._owner: LoopActor | None = None
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

    def adopt(self, owner: "LoopActor | None") -> None:
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


class LoopActor(pykka.Actor):
    """A pykka actor that lives on the event loop where it was started.

    Messages are handled one at a time, in the order sent.
    """

    turn_messages_max: int = 512
    """How many messages are handled before others get their turn."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        super().__init__()
        self.actor_stopped = cast("threading.Event", StopFlag())
        self._started = False
        self._postponed = False
        self._turn_is_over = False
        self.handling: object = None
        """The message being handled, for on_failure; None outside."""
        self._actor_ref = LoopActorRef(self)

    # -- pykka's hooks for new actor types

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> LoopFuture:
        return LoopFuture()

    def _start_actor_loop(self) -> None:
        self.mailbox.adopt(self)

    @classmethod
    def start(
        cls, *args: Any, mailbox: Mailbox | None = None, **kwargs: Any
    ) -> "LoopActorRef[Self]":
        """Start on the running loop; O(1) whatever the number of actors.

        `mailbox` is that of a predecessor: what waits in it is handled after `on_start`.
        Raises RuntimeError when no loop runs on this thread.
        """
        actor = cls(*args, **kwargs)
        if mailbox is not None:
            actor.actor_inbox = mailbox
            actor._actor_ref = LoopActorRef(actor)
        actor._start_actor_loop()
        return cast("LoopActorRef[Self]", actor._actor_ref)

    # -- for subclasses

    @property
    def mailbox(self) -> Mailbox:
        return cast(Mailbox, self.actor_inbox)

    def on_turn_end(self) -> None:
        """Runs after each drain that handled a message. What it raises is a failure, as in tell."""

    def postpone(self) -> None:
        """To be called while handling a message, and nothing else done: it comes again, first in
        the next turn. Never in a turn that began with it.
        """
        self._postponed = True

    def end_turn(self) -> None:
        """To be called while handling a message: the turn ends with it, and the rest waits."""
        self._turn_is_over = True

    def keeps_mailbox_on_failure(self) -> bool:
        """True where a supervisor starts a successor on the same mailbox."""
        return False

    # -- pykka's life cycle, without its global list

    def _stop(self) -> None:
        self.actor_stopped.set()
        try:
            self.on_stop()
        except Exception:  # noqa: BLE001  # as pykka does
            self._handle_failure(*sys.exc_info())

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logger.error(
            "Unhandled exception in %s:",
            self,
            exc_info=(exception_type, exception_value, traceback),  # type: ignore[arg-type]
        )
        self.actor_stopped.set()

    def _drain(self) -> None:
        """One turn: on_start first if due, at most `turn_messages_max` messages, on_turn_end."""
        if not self._started:
            self._started = True
            self._actor_loop_setup()
            if self.mailbox.is_paused():
                return
        entries = self.mailbox.take(self.turn_messages_max)
        handled = 0
        stopped = self.actor_stopped
        for entry in entries:
            if stopped.is_set():
                break
            handled += 1
            try:
                if type(entry) is Envelope:
                    self._handle(entry)
                else:
                    self.handling = entry
                    self.on_receive(entry)
            except Exception:  # noqa: BLE001  # pykka: whatever a tell raises ends the actor
                self._fail()
            except BaseException:
                # The process is being told to end: stop, leave no asker behind, pass it on.
                self._stop()
                self.mailbox.put_back(entries[handled:])
                self._end()
                raise
            if self._postponed or self._turn_is_over:
                handled -= self._postponed
                self._postponed = self._turn_is_over = False
                self.mailbox.put_back(entries[handled:])
                del entries[handled:]
                break
        if self.mailbox.is_paused():
            return
        if handled and not stopped.is_set():
            self.handling = None
            try:
                self.on_turn_end()
            except Exception:  # noqa: BLE001  # as if a tell had raised it
                self._fail()
        if stopped.is_set():
            self.mailbox.put_back(entries[handled:])
            self._end()

    def _handle(self, envelope: Envelope[Any]) -> None:
        """As pykka does: an asker gets what is raised, otherwise the caller does."""
        self.handling = envelope.message
        try:
            response = self._handle_receive(envelope.message)
            if envelope.reply_to is not None and not self._postponed:
                envelope.reply_to.set(response)
        except Exception:
            if envelope.reply_to is None:
                raise
            logger.info("Exception returned from %s to caller:", self, exc_info=True)
            envelope.reply_to.set_exception()
        except BaseException:
            if envelope.reply_to is not None:
                envelope.reply_to.set_exception()
            raise

    def _fail(self) -> None:
        """An exception that nobody awaits: the actor is over, and on_failure is told why."""
        exc_info = sys.exc_info()
        self._handle_failure(*exc_info)
        try:
            self.on_failure(*exc_info)
        except Exception:  # noqa: BLE001  # as pykka does
            self._handle_failure(*sys.exc_info())

    def _end(self) -> None:
        """After the last message: nobody is left without an answer, unless a successor comes."""
        if self.keeps_mailbox_on_failure():
            if self.mailbox._owner is self:
                self.mailbox.adopt(None)
            return
        self.mailbox.close()


class LoopActorRef(ActorRef[A]):
    """As pykka's, except that on the loop's thread nothing blocks: the answer is awaited."""

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Off the loop as in pykka. On it: an awaitable, which raises pykka.Timeout after
        `timeout` seconds, ActorDeadError when the actor is or gets stopped, or what it raised.
        """
        future = LoopFuture(timeout)
        if not self.is_alive():
            dead = ActorDeadError(f"{self} not found")
            future.set_exception((ActorDeadError, dead, None))
        else:
            self.actor_inbox.put(Envelope(message, reply_to=future))
        if block and not on_a_loop():
            return future.get(timeout=timeout)
        return future

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """True when this stopped it, False when it was dead already; awaitable on the loop."""
        if on_a_loop():
            return self._stopped(timeout)
        return super().stop(block=block, timeout=timeout)

    def _stopped(self, timeout: float | None) -> "_StopResult":
        return _StopResult(self.ask(_ActorStop(), block=False, timeout=timeout))


class _StopResult:
    """Awaitable: whether the actor was alive. The stop is sent whether or not it is awaited."""

    __slots__ = ("_future",)

    def __init__(self, future: LoopFuture) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, bool]:
        try:
            yield from self._future.__await__()
        except ActorDeadError:
            return False
        return True


def _answer_dead(envelope: Envelope[Any]) -> None:
    """As pykka's teardown: a stop is answered with None, anything else with ActorDeadError."""
    if envelope.reply_to is None:
        return
    if isinstance(envelope.message, _ActorStop):
        envelope.reply_to.set(None)
    else:
        dead = ActorDeadError("the actor stopped before handling the message")
        envelope.reply_to.set_exception((ActorDeadError, dead, None))
