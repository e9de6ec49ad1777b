"""Actors whose mailbox the event loop drains. Of what rooms are made of, only this file, futures.py
and mailbox.py import pykka.

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
- an actor may `rest` at the end of a turn: the next one begins with `on_wake`.
- what few actors are ever asked for costs nothing before: a ref is made for whoever asks for one,
  and is equal to all others of its actor; so is the actor's URN.
- loop actors are not in `pykka.ActorRegistry`, whose locked list makes each stop O(n); whoever
  starts them stops them.

    created -> started <-> resting
                  |-----> stopped            (stop, or a failure that nobody supervises)
                  `-----> failed             (the mailbox is kept for a successor)
"""

import logging
import sys
import threading
import weakref
from collections.abc import Generator
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import pykka
from pykka import ActorDeadError, ActorRef, Timeout
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from actors.futures import LoopFuture, StopFlag, on_a_loop
from actors.mailbox import Mailbox

__all__ = ["ActorDeadError", "LoopActor", "LoopActorRef", "LoopFuture", "Mailbox", "Timeout"]

A = TypeVar("A", bound="LoopActor")
logger = logging.getLogger("pykka")


class LoopActor(pykka.Actor):
    """A pykka actor that lives on the event loop where it was started.

    Messages are handled one at a time, in the order sent.
    """

    __slots__ = (
        "_is_up", "_postponed", "_rests", "_stopped", "_turn_is_over", "actor_inbox",
        "actor_stopped", "handling", "mailbox",
    )  # fmt: skip

    turn_messages_max: int = 512
    """How many messages are handled before others get their turn."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        # All that pykka's own sets, without the lock, the name and the ref that few are asked for.
        self.actor_inbox = self.mailbox = self._create_actor_inbox()
        self._stopped = StopFlag()
        self.actor_stopped = cast("threading.Event", self._stopped)
        self._is_up = False
        self._rests = False
        self._postponed = False
        self._turn_is_over = False
        self.handling: object = None
        """The message being handled, for on_failure; None outside."""

    @property
    def _actor_ref(self) -> "LoopActorRef[Self]":  # type: ignore[override]
        return LoopActorRef(self)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The actor's name, made when somebody asks for it first."""
        return cast(StopFlag, self.actor_stopped).urn

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
            actor.actor_inbox = actor.mailbox = mailbox
        actor._start_actor_loop()
        return actor._actor_ref

    # -- for subclasses

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

    def rest(self) -> None:
        """To be called from `on_turn_end`: the next turn begins with `on_wake`."""
        self._rests, self._is_up = True, False

    def is_resting(self) -> bool:
        """Since a `rest` nothing has come."""
        return self._rests

    def on_wake(self) -> None:
        """Runs before the first message after a `rest`. What it raises is a failure, as in tell."""

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
        """One turn: on_start or on_wake first if due, at most `turn_messages_max` messages,
        on_turn_end.
        """
        if not self._is_up:
            if self._rests and self.mailbox.empty():
                return  # what this was meant for was handled before it rested
            self._rise()
            if self.mailbox.is_paused():
                return
        entries = self.mailbox.take(self.turn_messages_max)
        handled = 0
        stopped = self._stopped
        for entry in entries:
            if stopped.raised:
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
        if handled and not stopped.raised:
            self.handling = None
            try:
                self.on_turn_end()
            except Exception:  # noqa: BLE001  # as if a tell had raised it
                self._fail()
        if stopped.raised:
            self.mailbox.put_back(entries[handled:])
            self._end()

    def _rise(self) -> None:
        """What comes before the first message, of all or after a rest."""
        self._is_up = True
        if not self._rests:
            self._actor_loop_setup()
            return
        self._rests = False
        try:
            self.on_wake()
        except Exception:  # noqa: BLE001  # as if a tell had raised it
            self._fail()

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

    def __init__(self, actor: A) -> None:
        # All that pykka's own sets, without asking for the name.
        self._actor_weakref = weakref.ref(actor)
        self.actor_class = actor.__class__
        self.actor_inbox = actor.actor_inbox
        self.actor_stopped = actor.actor_stopped

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        return cast(StopFlag, self.actor_stopped).urn

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LoopActorRef) and other.actor_stopped is self.actor_stopped

    def __hash__(self) -> int:
        return hash(self.actor_stopped)

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
