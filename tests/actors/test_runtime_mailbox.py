"""Mailboxes: bounded, drained a little at a time, and able to outlive their actors."""

from types import TracebackType
from typing import Any

import pytest

from actors.runtime import ActorDeadError, LoopActor, Mailbox
from tests.actors.stage import settle


class Worker(LoopActor):
    """Writes what it handles, and the end of each turn, into a diary shared with others."""

    turn_messages_max = 5

    def __init__(self, diary: list[str], name: str = "", *, supervised: bool = False) -> None:
        super().__init__()
        self.diary = diary
        self.name = name
        self.supervised = supervised
        self.failure = ""

    def on_start(self) -> None:
        if self.supervised:
            self.diary.append(f"{self.name}on_start")

    def on_receive(self, message: Any) -> Any:
        if message == "raise":
            raise RuntimeError("raise")
        if message == "again":
            self.mailbox.tell("told by itself")
        self.diary.append(f"{self.name}{message}")
        return message

    def on_turn_end(self) -> None:
        self.diary.append(f"{self.name}|")

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.failure = f"{exception_value} at {self.handling}"

    def keeps_mailbox_on_failure(self) -> bool:
        return self.supervised and bool(self.failure)


class OnlyCounting(LoopActor):
    """A worker without a diary."""

    turn_messages_max = 5

    def __init__(self, handled: list[int]) -> None:
        super().__init__()
        self.handled = handled

    def on_receive(self, message: Any) -> None:
        self.handled[0] += 1


# -- turns


async def test_what_waits_is_handled_in_one_turn_up_to_its_bound() -> None:
    """on_turn_end runs once after each, and not where nothing was handled."""
    diary: list[str] = []
    actor = Worker.start(diary)
    for number in range(7):
        actor.tell(number)
    await settle()
    assert diary == ["0", "1", "2", "3", "4", "|", "5", "6", "|"]
    await settle()
    assert diary[-1] == "|"
    assert len(diary) == 9


async def test_a_quiet_actor_is_served_after_one_turn_of_a_busy_one() -> None:
    """However much waits for the busy one."""
    diary: list[str] = []
    busy, quiet = Worker.start(diary, "busy "), Worker.start(diary, "quiet ")
    for number in range(10_000):
        busy.tell(number)
    quiet.tell("hello")
    await settle(1)
    assert diary.index("quiet hello") <= Worker.turn_messages_max + 1
    await settle(3)
    assert len(diary) < 50


async def test_an_actor_that_keeps_itself_busy_starves_nobody() -> None:
    """What it tells itself comes in a later turn, after the others had theirs."""
    diary: list[str] = []
    busy, quiet = Worker.start(diary, "busy "), Worker.start(diary, "quiet ")
    busy.tell("again")
    quiet.tell("hello")
    await settle()
    assert diary == [
        "busy again",
        "busy |",
        "quiet hello",
        "quiet |",
        "busy told by itself",
        "busy |",
    ]


async def test_the_loop_itself_is_not_starved_by_a_full_mailbox() -> None:
    """Between two turns of an actor everything else on the loop has its turn."""
    handled = [0]
    actor = OnlyCounting.start(handled)
    for number in range(1_000):
        actor.tell(number)
    for step in range(1, 11):
        await settle(1)
        assert handled[0] == step * OnlyCounting.turn_messages_max


# -- bounds


async def test_a_full_mailbox_refuses_offers_and_takes_what_must_be_taken() -> None:
    """And takes offers again when there is room."""
    diary: list[str] = []
    actor = Worker.start(diary, mailbox=Mailbox(limit=2))
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    assert [mailbox.offer(word) for word in "abc"] == [True, True, False]
    assert not mailbox.offer_lazily("d")
    mailbox.tell("must")
    answer = actor.ask("asked")
    assert len(mailbox) == 4
    assert await answer == "asked"
    assert diary == ["a", "b", "must", "asked", "|"]
    assert mailbox.offer("e")
    await settle()
    assert diary[-2:] == ["e", "|"]


async def test_a_closed_mailbox_refuses_everything() -> None:
    """An offer is refused, a tell vanishes, an asker is told."""
    diary: list[str] = []
    actor = Worker.start(diary)
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    await actor.stop()
    assert not mailbox.offer("x")
    assert not mailbox.offer_lazily("x")
    mailbox.tell("x")
    await settle()
    assert len(mailbox) == 0
    assert diary == []
    with pytest.raises(ActorDeadError):
        await actor.ask("x")


async def test_closing_returns_the_messages_that_were_left_and_answers_the_askers() -> None:
    """Whoever closes a mailbox sees to the rest."""
    mailbox = Mailbox()
    actor = Worker.start([], mailbox=mailbox)
    await settle()
    mailbox.adopt(None)
    mailbox.offer("a")
    answer = actor.ask("b")
    mailbox.tell("c")
    assert mailbox.close() == ["a", "b", "c"]
    assert mailbox.close() == []
    with pytest.raises(ActorDeadError):
        await answer


async def test_a_mailbox_is_read_as_pykka_reads_one() -> None:
    """Oldest first."""
    mailbox = Mailbox()
    assert mailbox.empty()
    mailbox.offer("a")
    mailbox.offer("b")
    assert not mailbox.empty()
    assert [mailbox.get().message, mailbox.get().message] == ["a", "b"]
    with pytest.raises(IndexError):
        mailbox.get()


# -- patience


async def test_a_patient_mailbox_is_woken_by_an_offer_and_not_by_a_lazy_one() -> None:
    """What was offered lazily is handled first, since it came first."""
    diary: list[str] = []
    actor = Worker.start(diary)
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    await settle()
    mailbox.patient = True
    assert mailbox.offer_lazily("lazy")
    await settle()
    assert diary == []
    assert mailbox.offer("awake")
    await settle()
    assert diary == ["lazy", "awake", "|"]
    mailbox.patient = False
    assert mailbox.offer_lazily("lazy")
    await settle()
    assert diary[-2:] == ["lazy", "|"]


async def test_patience_ends_where_the_mailbox_fills_up() -> None:
    """What was offered lazily must not crowd out what cannot wait."""
    diary: list[str] = []
    actor = Worker.start(diary, mailbox=Mailbox(limit=8))
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    await settle()
    mailbox.patient = True
    for word in "abc":
        assert mailbox.offer_lazily(word)
    await settle()
    assert diary == []
    assert mailbox.offer_lazily("d")
    await settle()
    assert diary == ["a", "b", "c", "d", "|"]


# -- outliving


async def test_a_mailbox_outlives_a_supervised_actor_that_fails() -> None:
    """The message that did it is gone; the rest waits and is handled by a successor."""
    diary: list[str] = []
    mailbox = Mailbox()
    first = Worker.start(diary, "1 ", supervised=True, mailbox=mailbox)
    for message in ("a", "raise", "b"):
        mailbox.offer(message)
    await settle()
    assert not first.is_alive()
    assert diary == ["1 on_start", "1 a"]
    assert mailbox.offer("c")
    await settle()
    assert len(mailbox) == 2
    second = Worker.start(diary, "2 ", supervised=True, mailbox=mailbox)
    await settle()
    assert diary[2:] == ["2 on_start", "2 b", "2 c", "2 |"]
    assert await second.ask("d") == "d"


async def test_an_ask_that_waits_is_answered_by_the_successor() -> None:
    """Whoever asked does not notice the change."""
    diary: list[str] = []
    mailbox = Mailbox()
    first = Worker.start(diary, "1 ", supervised=True, mailbox=mailbox)
    first.tell("raise")
    answer = first.ask("asked")
    await settle()
    Worker.start(diary, "2 ", supervised=True, mailbox=mailbox)
    assert await answer == "asked"
    assert diary[-2:] == ["2 asked", "2 |"]


async def test_a_failing_actor_knows_what_it_was_handling() -> None:
    """For its supervisor; at the end of a turn there is nothing to name."""
    diary: list[str] = []
    ref = Worker.start(diary, supervised=True)
    actor = ref._actor_weakref()
    assert actor is not None
    ref.tell("raise")
    await settle()
    assert actor.failure == "raise at raise"

    class AtTheEnd(Worker):
        def on_turn_end(self) -> None:
            raise RuntimeError("at the end")

    at_the_end = AtTheEnd.start(diary, supervised=True)
    actor = at_the_end._actor_weakref()
    assert actor is not None
    at_the_end.tell("fine")
    await settle()
    assert actor.failure == "at the end at None"


async def test_a_stopped_actors_mailbox_closes_also_where_it_is_supervised() -> None:
    """Only a failure leaves it for a successor."""
    mailbox = Mailbox()
    actor = Worker.start([], supervised=True, mailbox=mailbox)
    await actor.stop()
    assert not mailbox.offer("x")


async def test_the_rest_of_a_turn_after_a_failure_keeps_its_order() -> None:
    """Also with what arrived during the turn, and over several failures."""
    diary: list[str] = []
    mailbox = Mailbox()
    for message in ("raise", "a", "again", "raise", "b", "raise", "c"):
        mailbox.offer(message)
    for name in "123":
        Worker.start(diary, name, supervised=True, mailbox=mailbox)
        await settle()
    Worker.start(diary, "4", supervised=True, mailbox=mailbox)
    await settle()
    handled = [entry for entry in diary if not entry.endswith(("on_start", "|"))]
    assert handled == ["2a", "2again", "3b", "4c", "4told by itself"]
