"""What does a turn cost: an actor drained by the event loop, or an actor with a thread?

Ours is `LoopActor`, the other pykka's own `ThreadingActor`; each in a fresh interpreter on one
core, with the event loop that a server has. Turns: messages told and handled, nobody waits. Tell
to answer: one message at a time, answered by a call back to the loop, as sessions and rooms talk.
Ask: the same through pykka's `ask`. CPU is that of the whole process, sender included.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import pykka
import uvloop

from actors.runtime import LoopActor
from benchmarks.figures import OURS, Column, Figures, Row
from benchmarks.harness import Harness

NAME: Final = "mailbox"
TITLE: Final = "Mailbox: LoopActor against pykka.ThreadingActor"
KEY: Final = "cpu_us_per_turn"
COLUMNS: Final = (
    Column("cpu_us_per_turn", "CPU µs/turn", 2),
    Column("turns_per_s", "turns/s", 0),
    Column("answer_us", "tell to answer, µs", 1),
)
THREAD: Final = "ThreadingActor"
TURNS: Final = 200_000
ANSWERS: Final = 20_000
BURST: Final = 500
"""Told before the loop goes on: about what one turn of a busy room finds."""

Answer = Callable[[int], None]


class Question(NamedTuple):
    """A message with the way back."""

    number: int
    answer: Answer


class LoopEcho(LoopActor):
    """Counts what it is told; answers what is asked."""

    def __init__(self, goal: int, done: Callable[[], object]) -> None:
        super().__init__()
        self.left = goal
        self.done = done

    def on_receive(self, message: Any) -> Any:
        return _handle(self, message)


class ThreadEcho(pykka.ThreadingActor):
    """The same with a thread."""

    def __init__(self, goal: int, done: Callable[[], object]) -> None:
        super().__init__()
        self.left = goal
        self.done = done

    def on_receive(self, message: Any) -> Any:
        return _handle(self, message)


def _handle(actor: LoopEcho | ThreadEcho, message: Any) -> Any:
    if type(message) is Question:
        message.answer(message.number)
        return None
    actor.left -= 1
    if not actor.left:
        actor.done()
    return message


def _measured(work: Callable[[], Awaitable[None]], turns: int, key: str) -> Figures:
    """Run `work` on uvloop; `key` says which figure its wall time makes."""

    async def timed() -> tuple[int, int]:
        wall_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
        await work()
        return time.monotonic_ns() - wall_ns, time.process_time_ns() - cpu_ns

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        wall_ns, cpu_ns = runner.run(timed())
    per_turn_us = wall_ns / 1e3 / turns
    return {
        "cpu_us_per_turn": cpu_ns / 1e3 / turns,
        key: 1e6 / per_turn_us if key == "turns_per_s" else per_turn_us,
        "wall_ms": wall_ns / 1e6,
    }


async def _tell(tell: Callable[[Any], None], turns: int) -> None:
    for start in range(0, turns, BURST):
        for number in range(start, min(start + BURST, turns)):
            tell(number)
        await asyncio.sleep(0)


async def _tell_and_wait(tell: Callable[[Any], None], turns: int, *, threads: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in range(turns):
        answered = loop.create_future()
        answer: Answer = answered.set_result
        if threads:

            def answer(number: int, answered: asyncio.Future[int] = answered) -> None:
                loop.call_soon_threadsafe(answered.set_result, number)

        tell(Question(number, answer))
        await answered


def loop_turns(turns: int) -> Figures:
    """Tell a `LoopActor`."""

    async def work() -> None:
        done = asyncio.Event()
        actor = LoopEcho.start(turns, done.set)
        await _tell(actor.tell, turns)
        await done.wait()
        await actor.stop()

    return _measured(work, turns, "turns_per_s")


def thread_turns(turns: int) -> Figures:
    """Tell a `ThreadingActor`."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        actor = ThreadEcho.start(turns, partial(loop.call_soon_threadsafe, done.set))
        await _tell(actor.tell, turns)
        await done.wait()
        actor.stop()

    return _measured(work, turns, "turns_per_s")


def loop_answers(turns: int) -> Figures:
    """A `LoopActor` that calls back."""

    async def work() -> None:
        actor = LoopEcho.start(turns, lambda: None)
        await _tell_and_wait(actor.tell, turns, threads=False)
        await actor.stop()

    return _measured(work, turns, "answer_us")


def thread_answers(turns: int) -> Figures:
    """A `ThreadingActor` that calls back to the loop."""

    async def work() -> None:
        actor = ThreadEcho.start(turns, lambda: None)
        await _tell_and_wait(actor.tell, turns, threads=True)
        actor.stop()

    return _measured(work, turns, "answer_us")


def loop_asks(turns: int) -> Figures:
    """`ask` of a `LoopActor`, awaited."""

    async def work() -> None:
        actor = LoopEcho.start(turns, lambda: None)
        for number in range(turns):
            await actor.ask(number)
        await actor.stop()

    return _measured(work, turns, "answer_us")


def thread_asks(turns: int) -> Figures:
    """`ask` of a `ThreadingActor`, blocking."""

    async def work() -> None:
        actor = ThreadEcho.start(turns, lambda: None)
        for number in range(turns):
            actor.ask(number)
        actor.stop()

    return _measured(work, turns, "answer_us")


def run(harness: Harness) -> Iterator[Row]:
    """Turns, answers, asks; a tenth of each with `--quick`."""
    share = 10 if harness.options.quick else 1
    for scenario, count, ours, theirs in (
        ("turns", TURNS // share, loop_turns, thread_turns),
        ("tells answered", ANSWERS // share, loop_answers, thread_answers),
        ("asks", ANSWERS // share, loop_asks, thread_asks),
    ):
        ways = {OURS: (ours, count), THREAD: (theirs, count)}
        yield from harness.in_processes(NAME, f"{count:,} {scenario}", ways)
