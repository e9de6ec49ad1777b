"""LoopActor's life as pykka's users know it, from its own loop: start, tell, ask, stop, failing.

Mailboxes are in test_runtime_mailbox.py, calls from other threads in test_runtime_threads.py.
"""

import asyncio
import gc
import sys
from collections import deque
from typing import Any

import pykka
import pytest

from actors.runtime import ActorDeadError, LoopActor, Timeout
from tests.actors.diary import Diary, OneAtATime, Trouble, wait_for
from tests.actors.stage import settle

# -- starting


async def test_an_actor_starts_before_its_first_message() -> None:
    """on_start runs on the loop, not in start(), and once."""
    diary: list[str] = []
    actor = Diary.start(diary)
    assert diary == []
    actor.tell("one")
    await settle()
    actor.tell("two")
    await settle()
    assert diary == ["on_start", "one", "two"]


async def test_an_actor_without_messages_starts_too() -> None:
    """Starting does not wait for work."""
    diary: list[str] = []
    Diary.start(diary)
    await settle()
    assert diary == ["on_start"]


def test_an_actor_cannot_start_where_no_loop_runs() -> None:
    """The error comes from start(), not from some later message."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        Diary.start()


async def test_starting_and_stopping_leaves_pykkas_own_list_alone() -> None:
    """Its list is locked and searched at each removal, which makes each stop O(n)."""
    before = pykka.ActorRegistry.get_all()
    actor = Diary.start()
    await settle()
    assert pykka.ActorRegistry.get_all() == before
    assert pykka.ActorRegistry.get_by_urn(actor.actor_urn) is None
    await actor.stop()
    assert pykka.ActorRegistry.get_all() == before


class Quiet(LoopActor):
    """Does nothing."""


async def calls_of_a_life() -> int:
    """How many calls, of Python and of C, the start and the stop of one actor make. Nothing is
    collected meanwhile: what other tests left would be counted, and whoever watches collections.
    """
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    gc.disable()
    sys.setprofile(count)
    try:
        await Quiet.start().stop()
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def containers_of_at_least(length: int) -> set[int]:
    """The identities of all big lists, dicts, sets and queues of the process."""
    gc.collect()
    kinds = (list, dict, set, frozenset, tuple, deque)
    return {
        id(thing) for thing in gc.get_objects() if isinstance(thing, kinds) and len(thing) >= length
    }


async def test_a_life_costs_the_same_among_ten_and_among_many() -> None:
    """Counted, not timed: as many calls, and nothing that all of them are in and is searched."""
    many = 20_000
    alive: list[object] = [Quiet.start() for _ in range(10)]
    await settle()
    await calls_of_a_life()
    among_ten = await calls_of_a_life()
    big = containers_of_at_least(many)
    alive += [Quiet.start() for _ in range(many)]
    await settle()
    assert containers_of_at_least(many) - big == {id(alive)}
    assert await calls_of_a_life() == among_ten


# -- telling and asking


async def test_messages_are_handled_in_the_order_sent() -> None:
    """tell and ask share one queue."""
    diary: list[str] = []
    actor = Diary.start(diary)
    actor.tell("one")
    answer = actor.ask("two")
    actor.tell("three")
    assert await answer == "twotwo"
    await settle()
    assert diary == ["on_start", "one", "two", "three"]


async def test_an_answer_can_be_awaited_again_and_by_many() -> None:
    """As any future's."""
    actor = Diary.start()
    answer = actor.ask("x")
    assert set(await asyncio.gather(wait_for(answer), wait_for(answer))) == {"xx"}
    assert await answer == "xx"
    assert answer.get() == "xx"


async def test_an_answer_that_is_not_there_cannot_be_waited_for_by_blocking_the_loop() -> None:
    """The actor that would give it lives on the very loop."""
    answer = Diary.start().ask("x")
    with pytest.raises(RuntimeError, match="await the future"):
        answer.get()
    assert await answer == "xx"


async def test_what_a_message_raises_goes_to_who_asked_and_the_actor_lives() -> None:
    """As in pykka: only what nobody awaits stops an actor."""
    diary: list[str] = []
    actor = Diary.start(diary)
    with pytest.raises(Trouble, match="raise"):
        await actor.ask("raise")
    assert actor.is_alive()
    assert await actor.ask("x") == "xx"
    assert diary == ["on_start", "raise", "x"]


async def test_a_late_answer_is_a_timeout_and_harms_nobody() -> None:
    """The actor is busy for longer than its asker waits; it answers into the void."""
    diary: list[str] = []
    actor = OneAtATime.start(diary)
    for number in range(10):
        actor.tell(number)
    with pytest.raises(Timeout):
        await actor.ask("too late", timeout=0)
    assert "too late" not in diary
    assert await actor.ask("x", timeout=60) == "xx"
    assert "too late" in diary


async def test_an_asker_that_is_cancelled_leaves_the_actor_alone() -> None:
    """The answer finds nobody."""
    diary: list[str] = []
    actor = OneAtATime.start(diary)
    actor.tell("first")
    asker = asyncio.ensure_future(wait_for(actor.ask("nobody waits")))
    await asyncio.sleep(0)
    asker.cancel()
    await settle()
    assert asker.cancelled()
    assert diary == ["on_start", "first", "nobody waits"]
    assert actor.is_alive()


async def test_a_message_of_no_known_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """pykka's default for on_receive."""
    assert await Quiet.start().ask("hello") is None
    assert "Unexpected message" in caplog.text


# -- stopping


async def test_a_stop_waits_behind_the_messages_before_it() -> None:
    """And what comes after it is answered by ActorDeadError."""
    diary: list[str] = []
    actor = Diary.start(diary)
    before = actor.ask("before")
    stopped = actor.stop()
    after = actor.ask("after")
    actor.tell("told after")
    assert await stopped is True
    assert await before == "beforebefore"
    with pytest.raises(ActorDeadError):
        await after
    assert diary == ["on_start", "before", "on_stop"]


async def test_a_dead_actor_is_stopped_by_nobody_and_tells_whoever_speaks_to_it() -> None:
    """stop() answers False, tell() and ask() say ActorDeadError."""
    actor = Diary.start()
    assert await actor.stop() is True
    assert not actor.is_alive()
    assert await actor.stop() is False
    with pytest.raises(ActorDeadError):
        await actor.ask("x")
    with pytest.raises(ActorDeadError):
        actor.tell("x")
    with pytest.raises(ActorDeadError):
        actor.proxy()


async def test_a_stop_is_sent_also_when_nobody_awaits_it() -> None:
    """stop() is no coroutine that has to be driven."""
    diary: list[str] = []
    actor = Diary.start(diary)
    actor.stop()
    await settle()
    assert not actor.is_alive()
    assert diary == ["on_start", "on_stop"]


async def test_two_stops_are_both_true_and_stop_once() -> None:
    """Whoever asks while the actor lives is told that it stopped."""
    diary: list[str] = []
    actor = Diary.start(diary)
    assert all(await asyncio.gather(wait_for(actor.stop()), wait_for(actor.stop())))
    assert diary == ["on_start", "on_stop"]


async def test_an_actor_can_stop_itself() -> None:
    """By the message that everybody else would send."""

    class Weary(LoopActor):
        def on_receive(self, message: Any) -> Any:
            if message == "enough":
                self.stop()
            return message

    actor = Weary.start()
    assert await actor.ask("enough") == "enough"
    await settle()
    assert not actor.is_alive()
