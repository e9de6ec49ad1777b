"""Actors that rest between two turns, and what is made only for who asks for it."""

from typing import Any

import pykka

from actors.runtime import LoopActor, Mailbox
from tests.actors.stage import settle


class Sleeper(LoopActor):
    """Rests after each turn, and writes down what happens to it; `fails` as it wakes."""

    def __init__(self, diary: list[str], *, fails: bool = False) -> None:
        super().__init__()
        self.diary = diary
        self.fails = fails

    def on_start(self) -> None:
        self.diary.append("start")

    def on_wake(self) -> None:
        if self.fails:
            raise RuntimeError("woke badly")
        self.diary.append("wake")

    def on_receive(self, message: Any) -> Any:
        self.diary.append(str(message))
        if message == "echo":
            self.mailbox.tell("more")
        return message

    def on_turn_end(self) -> None:
        self.rest()

    def on_stop(self) -> None:
        self.diary.append("stop")

    def on_failure(self, *_: Any) -> None:
        self.diary.append("failure")


async def test_an_actor_that_rests_is_woken_by_the_next_message() -> None:
    """Before that is handled, and once for all that waits by then."""
    diary: list[str] = []
    ref = Sleeper.start(diary)
    ref.tell("a")
    await settle()
    assert diary == ["start", "a"]
    ref.tell("b")
    ref.tell("c")
    await settle()
    assert await ref.ask("d") == "d"
    assert diary == ["start", "a", "wake", "b", "c", "wake", "d"]


async def test_an_actor_that_rests_is_woken_for_nothing_else() -> None:
    """What it tells itself as it starts is handled in its first turn, and nothing is left for the
    next one, which is due all the same.
    """
    diary: list[str] = []

    class Eager(Sleeper):
        def on_start(self) -> None:
            self.mailbox.tell("a")

    Eager.start(diary)
    await settle()
    assert diary == ["a"]


async def test_an_actor_that_rests_is_woken_for_what_it_told_itself() -> None:
    """In the turn before its rest."""
    diary: list[str] = []
    Sleeper.start(diary).tell("echo")
    await settle()
    assert diary == ["start", "echo", "wake", "more"]


async def test_an_actor_that_rests_can_be_stopped() -> None:
    """As any other; nothing follows."""
    diary: list[str] = []
    ref = Sleeper.start(diary)
    ref.tell("a")
    await settle()
    assert await ref.stop()
    assert diary == ["start", "a", "wake", "stop"]
    assert not ref.is_alive()


async def test_what_raises_as_an_actor_wakes_is_its_failure() -> None:
    """As if a tell had raised it: nothing is handled, and nobody is left without an answer."""
    diary: list[str] = []
    ref = Sleeper.start(diary, fails=True)
    ref.tell("a")
    await settle()
    asked = ref.ask("b", block=False)
    await settle()
    assert diary == ["start", "a", "failure"]
    assert not ref.is_alive()
    try:
        await asked
    except pykka.ActorDeadError:
        diary.append("dead")
    assert diary[-1] == "dead"


async def test_refs_of_one_actor_are_equal_and_have_its_name() -> None:
    """However many are made of it, and whenever."""
    kept: list[LoopActor] = []

    class Known(LoopActor):
        def on_start(self) -> None:
            kept.append(self)

    ref, other = Known.start(), Known.start(mailbox=Mailbox())
    await settle()
    actor, another = kept
    assert actor.actor_ref == ref
    assert hash(actor.actor_ref) == hash(ref)
    assert another.actor_ref == other
    assert other != ref
    assert ref.actor_urn == actor.actor_urn == actor.actor_ref.actor_urn
    assert other.actor_urn != ref.actor_urn
    assert str(ref) == str(actor)
    await ref.stop()
    await other.stop()
