"""Mailboxes that pause, and messages that are postponed: what a room needs that commits first."""

from typing import Any

from actors.runtime import LoopActor, Mailbox
from tests.actors.stage import settle


class Careful(LoopActor):
    """Writes down what it handles and where its turns end. `late` is postponed, unless its turn
    begins with it; `pause` stops the mailbox at the end of the turn.
    """

    turn_messages_max = 8

    def __init__(self, diary: list[str], *, pauses_at_start: bool = False) -> None:
        super().__init__()
        self.diary = diary
        self.pauses_at_start = pauses_at_start
        self.begun = False
        self.pausing = False

    def on_start(self) -> None:
        if self.pauses_at_start:
            self.mailbox.pause()

    def on_receive(self, message: Any) -> Any:
        if message == "late" and self.begun:
            self.postpone()
            return "not yet"
        if message == "raise":
            raise RuntimeError("raise")
        self.begun = True
        self.pausing = self.pausing or message == "pause"
        self.diary.append(str(message))
        return message

    def on_turn_end(self) -> None:
        self.begun = False
        self.diary.append("|")
        if self.pausing:
            self.pausing = False
            self.mailbox.pause()


def started(**kind: Any) -> tuple[list[str], Mailbox]:
    """A careful actor and its mailbox."""
    diary: list[str] = []
    actor = Careful.start(diary, **kind)
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    return diary, mailbox


async def test_a_postponed_message_begins_the_next_turn() -> None:
    """What was before it is told first, and what came after it stays behind it."""
    diary, mailbox = started()
    for message in ("a", "late", "b"):
        mailbox.offer(message)
    await settle()
    assert diary == ["a", "|", "late", "b", "|"]


async def test_several_postponed_messages_keep_their_order() -> None:
    """Each ends a turn."""
    diary, mailbox = started()
    for message in ("late", "late", "a", "late"):
        mailbox.offer(message)
    await settle()
    assert diary == ["late", "|", "late", "a", "|", "late", "|"]


async def test_a_postponed_question_is_answered_when_it_is_handled() -> None:
    """And not by what it was postponed with."""
    diary: list[str] = []
    actor = Careful.start(diary)
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    mailbox.offer("a")
    assert await actor.ask("late") == "late"
    assert diary == ["a", "|", "late", "|"]


async def test_a_postponed_message_is_not_doubled_where_the_turn_then_fails() -> None:
    """It waits for whoever comes next, once."""

    class Failing(Careful):
        def on_turn_end(self) -> None:
            raise RuntimeError("at the end")

        def keeps_mailbox_on_failure(self) -> bool:
            return True

    diary: list[str] = []
    actor = Failing.start(diary)
    mailbox = actor.actor_inbox
    assert isinstance(mailbox, Mailbox)
    for message in ("a", "late", "b"):
        mailbox.offer(message)
    await settle()
    assert mailbox.take(10) == ["late", "b"]


async def test_a_paused_mailbox_delivers_nothing_until_it_goes_on() -> None:
    """Then one message comes first, and the rest in order."""
    diary, mailbox = started()
    mailbox.offer("pause")
    await settle()
    for message in ("a", "b"):
        mailbox.offer(message)
    mailbox.tell("c")
    await settle()
    assert diary == ["pause", "|"]
    assert mailbox.is_paused()
    mailbox.go_on("done")
    await settle()
    assert diary == ["pause", "|", "done", "a", "b", "c", "|"]
    assert not mailbox.is_paused()


async def test_what_waited_in_the_turn_of_a_pause_waits_on() -> None:
    """More than a turn takes: the rest is not delivered by the way."""
    diary, mailbox = started()
    mailbox.offer("pause")
    for number in range(20):
        mailbox.offer(number)
    await settle()
    assert diary == ["pause", *map(str, range(7)), "|"]
    mailbox.go_on("done")
    await settle()
    assert [entry for entry in diary if entry.isdigit()] == [str(number) for number in range(20)]


async def test_an_actor_that_pauses_as_it_starts_handles_nothing_before_it_goes_on() -> None:
    """Also what was there before it."""
    mailbox = Mailbox()
    mailbox.offer("a")
    diary: list[str] = []
    Careful.start(diary, pauses_at_start=True, mailbox=mailbox)
    await settle()
    assert diary == []
    mailbox.go_on("done")
    await settle()
    assert diary == ["done", "a", "|"]


async def test_a_closed_mailbox_does_not_go_on() -> None:
    """Its actor is gone; what comes too late vanishes."""
    diary, mailbox = started()
    mailbox.offer("pause")
    await settle()
    mailbox.close()
    mailbox.go_on("done")
    await settle()
    assert diary == ["pause", "|"]
    assert mailbox.empty()
