"""LoopActors that fail, and what is asked of an actor through a proxy."""

import asyncio

import pytest

from actors.runtime import ActorDeadError, LoopFuture
from tests.actors.diary import Diary, Trouble
from tests.actors.stage import settle

# -- failing


async def test_what_a_told_message_raises_stops_the_actor() -> None:
    """on_failure hears of it, on_stop does not, and those who wait are answered."""
    diary: list[str] = []
    actor = Diary.start(diary)
    actor.tell("raise")
    behind = actor.ask("behind")
    stop_behind = actor.stop()
    with pytest.raises(ActorDeadError):
        await behind
    assert await stop_behind is True
    assert not actor.is_alive()
    assert diary == ["on_start", "raise", "on_failure raise"]


@pytest.mark.parametrize(
    ("place", "diary"),
    [
        ("on_start", ["on_start"]),
        ("on_stop", ["on_start", "x", "on_stop"]),
        ("on_failure", ["on_start", "x", "raise", "on_failure raise"]),
        ("on_turn_end", ["on_start", "x", "on_failure on_turn_end"]),
    ],
)
async def test_what_a_hook_raises_is_logged_and_the_actor_is_over(
    place: str, diary: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is raised into the loop, and nobody is left without an answer."""
    seen: list[str] = []
    actor = Diary.start(seen, place)
    actor.tell("x")
    await settle()
    if actor.is_alive() and place == "on_failure":
        actor.tell("raise")
    answer = actor.stop() if place == "on_stop" else actor.ask("behind")
    await settle()
    assert not actor.is_alive()
    assert seen == diary
    assert f"Trouble: {place}" in caplog.text
    if place == "on_stop":
        assert await answer is True
    else:
        with pytest.raises(ActorDeadError):
            await answer


def test_a_call_to_end_the_process_passes_and_leaves_nobody_waiting() -> None:
    """SystemExit goes up through the loop; the actor is stopped, and all askers are told."""
    seen: list[str] = []

    async def scene() -> None:
        actor = Diary.start(seen)
        answers.extend([actor.ask("exit"), actor.ask("behind")])
        await settle()

    answers: list[LoopFuture] = []
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(scene())
        with pytest.raises(SystemExit):
            loop.run_until_complete(task)
        loop.run_until_complete(task)
    finally:
        loop.close()
    assert seen == ["on_start", "exit", "on_stop"]
    exiting, behind = answers
    with pytest.raises(SystemExit):
        exiting.get(timeout=0)
    with pytest.raises(ActorDeadError):
        behind.get(timeout=0)


# -- proxies


async def test_a_proxy_calls_reads_and_writes() -> None:
    """Each answer is awaited; a write is done before the next read."""
    proxy = Diary.start().proxy()
    assert await proxy.double(21) == 42
    assert await proxy.mood == "calm"
    proxy.mood = "merry"
    assert await proxy.mood == "merry"


async def test_what_a_call_through_a_proxy_raises_goes_to_the_caller() -> None:
    """And the actor lives on."""
    actor = Diary.start()
    with pytest.raises(Trouble, match="complain"):
        await actor.proxy().complain()
    assert actor.is_alive()


async def test_a_deferred_call_is_a_tell() -> None:
    """Nobody awaits it, so what it raises stops the actor."""
    diary: list[str] = []
    actor = Diary.start(diary)
    actor.proxy().complain.defer()
    await settle()
    assert diary == ["on_start", "on_failure complain"]
