"""LoopActor from other threads: what pykka's users write runs alike on their actors and on ours.

Owns the comparison with `pykka.ThreadingActor`: each script below is run against both kinds by a
thread that has no loop, and must come to the same end.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pykka
import pytest

from actors.runtime import LoopActor, Mailbox
from tests.actors.stage import settle

PATIENCE_S = 60
"""Longest wait for another thread; only a hanging one gets there."""


class Trouble(Exception):
    """What the actors of this file raise."""


class Clerk(pykka.Actor):
    """The same for both kinds."""

    def __init__(self, fails_at_start: bool = False) -> None:
        super().__init__()
        self.diary: list[str] = []
        self.count = 1
        self.fails_at_start = fails_at_start
        self.failed = threading.Event()
        self.gate = threading.Event()

    def on_start(self) -> None:
        self.diary.append("on_start")
        if self.fails_at_start:
            raise Trouble("on_start")

    def on_stop(self) -> None:
        self.diary.append("on_stop")

    def on_failure(self, *_exc_info: object) -> None:
        self.diary.append("on_failure")
        self.failed.set()

    def on_receive(self, message: Any) -> Any:
        self.diary.append(str(message))
        if message == "raise":
            raise Trouble("raise")
        if message == "wait":
            assert self.gate.wait(PATIENCE_S)
        return message * 2

    def add(self, more: int) -> int:
        self.count += more
        return self.count


class ThreadClerk(Clerk, pykka.ThreadingActor):
    """pykka's own kind."""

    use_daemon_thread = True


class LoopClerk(Clerk, LoopActor):
    """Ours."""


Start = Callable[..., tuple["pykka.ActorRef[Any]", Clerk]]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    loop.close()


def outcome(call: Callable[[], Any]) -> str:
    """What a call comes to: its answer, or the kind of what it raises."""
    try:
        return repr(call())
    except (Trouble, pykka.ActorDeadError, pykka.Timeout, AttributeError) as error:
        return type(error).__name__


def asking(start: Start) -> Iterator[str]:
    """Answers, errors and the life after them."""
    ref, clerk = start()
    yield outcome(lambda: ref.ask("a"))
    yield outcome(lambda: ref.ask("raise"))
    yield outcome(lambda: ref.ask("b", timeout=PATIENCE_S))
    yield repr(ref.is_alive())
    future = ref.ask("c", block=False)
    yield outcome(lambda: future.get(timeout=PATIENCE_S))
    yield outcome(future.get)
    yield outcome(ref.stop)
    yield repr(clerk.diary)


def stopping(start: Start) -> Iterator[str]:
    """A stop behind messages, a second one, and talk to the dead."""
    ref, clerk = start()
    ref.tell("a")
    yield outcome(lambda: ref.stop(timeout=PATIENCE_S))
    yield repr(ref.is_alive())
    yield outcome(ref.stop)
    yield outcome(lambda: ref.stop(block=False).get())
    yield outcome(lambda: ref.ask("b"))
    yield outcome(lambda: ref.ask("b", block=False).get())
    yield outcome(lambda: ref.tell("b"))
    yield outcome(ref.proxy)
    yield repr(clerk.diary)


def stopping_without_waiting(start: Start) -> Iterator[str]:
    """A stop as a future, and the actor's own stop."""
    ref, _ = start()
    yield outcome(lambda: ref.stop(block=False).get(timeout=PATIENCE_S))
    _, clerk = start()
    clerk.stop()
    yield repr(clerk.actor_stopped.wait(PATIENCE_S))


def failing(start: Start) -> Iterator[str]:
    """What nobody awaits stops the actor."""
    ref, clerk = start()
    ref.tell("raise")
    assert clerk.failed.wait(PATIENCE_S)
    yield repr(ref.is_alive())
    yield outcome(lambda: ref.ask("b"))
    yield repr(clerk.diary)


def failing_at_the_start(start: Start) -> Iterator[str]:
    """on_start raises: the actor is over before its first message."""
    ref, clerk = start(fails_at_start=True)
    assert clerk.actor_stopped.wait(PATIENCE_S)
    yield outcome(lambda: ref.ask("a"))
    yield repr(clerk.diary)


def waiting_too_long(start: Start) -> Iterator[str]:
    """A time-out of the asker changes nothing for the actor."""
    ref, clerk = start()
    slow = ref.ask("wait", block=False)
    yield outcome(lambda: ref.ask("a", timeout=0))
    clerk.gate.set()
    yield outcome(lambda: slow.get(timeout=PATIENCE_S))
    yield outcome(lambda: ref.ask("b", timeout=PATIENCE_S))
    yield repr(clerk.diary)


def through_a_proxy(start: Start) -> Iterator[str]:
    """Calls, reads and writes."""
    ref, _ = start()
    proxy = ref.proxy()
    yield outcome(lambda: proxy.add(2).get(timeout=PATIENCE_S))
    yield outcome(lambda: proxy.count.get(timeout=PATIENCE_S))
    proxy.count = 10
    yield outcome(lambda: proxy.count.get(timeout=PATIENCE_S))
    proxy.add.defer(5)
    yield outcome(lambda: proxy.count.get(timeout=PATIENCE_S))
    yield outcome(lambda: proxy.nothing_of_this_name)
    yield outcome(ref.stop)


def with_futures(start: Start) -> Iterator[str]:
    """Futures are mapped, joined and gathered."""
    ref, _ = start()
    first, second = ref.ask("a", block=False), ref.ask("b", block=False)
    yield outcome(lambda: first.map(lambda text: text + "!").get(timeout=PATIENCE_S))
    yield outcome(lambda: first.join(second).get(timeout=PATIENCE_S))
    yield outcome(lambda: pykka.get_all([first, second], timeout=PATIENCE_S))


@pytest.mark.parametrize(
    "script",
    [
        asking,
        stopping,
        stopping_without_waiting,
        failing,
        failing_at_the_start,
        waiting_too_long,
        through_a_proxy,
        with_futures,
    ],
)
def test_a_script_comes_to_the_same_end_with_either_kind_of_actor(
    script: Callable[[Start], Iterator[str]], loop: asyncio.AbstractEventLoop
) -> None:
    """What is told, asked, stopped and raised reads alike to a thread without a loop."""

    def start_thread(**arguments: Any) -> tuple[pykka.ActorRef[Any], Clerk]:
        ref = ThreadClerk.start(**arguments)
        clerk = ref._actor_weakref()
        assert clerk is not None
        kept.append(clerk)
        return ref, clerk

    def start_loop(**arguments: Any) -> tuple[pykka.ActorRef[Any], Clerk]:
        async def start() -> tuple[pykka.ActorRef[Any], Clerk]:
            ref = LoopClerk.start(**arguments)
            clerk = ref._actor_weakref()
            assert clerk is not None
            kept.append(clerk)
            return ref, clerk

        return asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE_S)

    kept: list[Clerk] = []
    try:
        theirs = list(script(start_thread))
        assert list(script(start_loop)) == theirs
    finally:
        pykka.ActorRegistry.stop_all(timeout=PATIENCE_S)


async def test_messages_of_many_threads_all_arrive_each_thread_in_its_order() -> None:
    """No message is lost between the threads and the loop, and none wakes it in vain."""
    seen: list[tuple[int, int]] = []

    class Counter(LoopActor):
        def on_receive(self, message: Any) -> None:
            seen.append(message)

    actor = Counter.start()

    def tell_all(thread: int) -> int:
        for number in range(500):
            actor.tell((thread, number))
        answer: int = actor.ask((thread, 500)) or thread
        return answer

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(4) as pool:
        done = [loop.run_in_executor(pool, tell_all, thread) for thread in range(4)]
        assert await asyncio.gather(*done) == [0, 1, 2, 3]
    for thread in range(4):
        assert [number for of, number in seen if of == thread] == list(range(501))


async def test_an_answer_can_be_awaited_on_another_loop() -> None:
    """A second loop in a second thread gets its answer through its own waking."""

    class Echo(LoopActor):
        def on_receive(self, message: Any) -> Any:
            return message

    actor = Echo.start()

    def elsewhere() -> Any:
        async def ask() -> Any:
            return await actor.ask("hello", timeout=PATIENCE_S)

        return asyncio.run(ask())

    assert await asyncio.to_thread(elsewhere) == "hello"


async def test_a_thread_that_asks_as_the_mailbox_closes_is_answered() -> None:
    """Between its look and its message the actor stopped: it is told, not left waiting."""

    class Closing(list[Any]):
        """A queue that the loop closes just before a thread puts something in."""

        def append(self, item: Any) -> None:
            if threading.get_ident() != home:
                asyncio.run_coroutine_threadsafe(stop(), loop).result(PATIENCE_S)
            super().append(item)

    async def stop() -> None:
        await actor.stop()

    home = threading.get_ident()
    loop = asyncio.get_running_loop()
    actor = LoopClerk.start()
    await settle()
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    mailbox._queue = Closing()
    late = asyncio.to_thread(outcome, lambda: actor.ask("late", timeout=PATIENCE_S))
    assert await late == "ActorDeadError"
