"""What a recovery makes of sessions that came, went or died as the room failed.

Owns the stories in which the failed turn, the sessions and the registry had each got half-way.
"""

import asyncio

import pytest

from actors import messages as m
from actors.answers import Answer, Joined
from actors.players import LeaveReason
from actors.seating import HANDLERS, Seating
from tests.actors.closing import closing
from tests.actors.fake_operator import LogBroken
from tests.actors.fakes import Broken, FakeOutlet
from tests.actors.stage import ROOM, Stage, settle


async def failing() -> Stage:
    """A room of A, B and C that fails on any message that says `poison`."""
    stage = Stage(resume_grace_s=30)
    await stage.seat("A", "B", "C")
    stage.encoder.poison = "poison"
    return stage


@pytest.mark.rule("G5.6", "G9.3")
async def test_who_left_before_the_poison_is_told_that_and_nothing_else() -> None:
    """Its leave was handled whole; the session is not thrown out of where it is no more."""
    stage = await failing()
    a, b, c = stage.members()
    await stage.turn(m.Leave(a, LeaveReason.LEFT), m.Say(b, "chat", "poison"))
    assert a.take() == ["Left"]
    assert c.take() == ["roomState roomRecovered v4: B C"]


@pytest.mark.rule("G6.5", "G9.3")
async def test_who_resumed_before_the_poison_while_the_old_connection_lingered_has_one_seat() -> (
    None
):
    """The old connection is superseded by the answer, not told that the room is closed."""
    stage = await failing()
    a, b, _ = stage.members()
    stage.encoder.fail("positions")
    again = await stage.come_back("A", version=3)
    assert again.take() == ["Joined v3: A B C"]
    assert again.answer_of(Joined).succeeds is a
    assert a.take() == []
    assert not a.alive
    await stage.turn(m.Ready(b))
    assert again.take() == ["ready B v4"]


@pytest.mark.rule("G5.7", "G6.13")
async def test_a_joiner_that_dies_between_the_failure_and_the_recovery_is_no_ghost() -> None:
    """It was never answered, so nobody will say that it is lost; the recovery sees it."""
    stage = await failing()
    a, b, _ = stage.members()
    newcomer = stage.outlet("D")
    stage.log.broken.add("player_left")
    stage.post(stage.join(newcomer), m.Leave(a, LeaveReason.LEFT))
    await settle(1)
    assert stage.directory.mailbox_of(ROOM)._owner is None, "the room has not failed yet"
    stage.log.broken.clear()
    newcomer.alive = False
    await settle()
    assert "D?" in b.story[-1].line
    await stage.pass_time(200)
    assert sorted(stage.room().state.players) == ["A", "B", "C"]
    assert stage.metrics.count["room_restarted"] == 1


@pytest.mark.rule("G5.8")
async def test_a_join_that_meets_a_closing_room_that_fails_succeeds() -> None:
    """The room still answers the registry, and what is parked follows."""
    stage, held = await closing()
    parked, p = stage.outlet("B"), stage.outlet("P")
    await stage.turn(stage.join(parked))
    # P's join was on its way when the registry asked the room to close.
    mailbox = stage.directory.mailbox_of(ROOM)
    mailbox.put_back([stage.join(p)])
    stage.log.broken.add("player_joined")
    mailbox.adopt(held.room)
    await settle(1)
    stage.log.broken.clear()
    await settle()
    assert p.take()[-1] == "refused internal"
    assert parked.take() == ["Joined v1: B"]
    assert stage.directory.parked_count == 0


@pytest.mark.rule("G5.8")
async def test_a_room_that_fails_before_it_closes_comes_back_and_closes() -> None:
    """Who was owed an answer gets it, and what is parked finds a new room."""

    class Deaf(FakeOutlet):
        broken = True

        def answer(self, answer: Answer) -> None:
            if self.broken:
                raise Broken("answer")
            super().answer(answer)

    stage, held = await closing()
    parked = stage.outlet("B")
    await stage.turn(stage.join(parked))
    deaf = Deaf("X", stage.encoder, stage.roster, ROOM)
    mailbox = stage.directory.mailbox_of(ROOM)
    mailbox.put_back([stage.resume(deaf, "A", version=1, epoch=1)])
    mailbox.adopt(held.room)
    await settle(1)
    deaf.broken = False
    await settle()
    assert stage.metrics.count["room_restarted"] == 1
    assert parked.take() == ["Joined v1: B"]
    assert deaf.take() == ["refused resumeExpired"]


async def test_a_state_too_damaged_for_its_checksum_is_reported_and_replaced() -> None:
    """The operator gets the numbers that there are."""
    stage = await failing()
    a, b, _ = stage.members()
    stage.room().state._lines[:] = [None] * 3  # type: ignore[list-item]
    await stage.turn(m.Ready(a), m.Ready(b))
    (line,) = stage.log.of("room_restarted")
    numbers = line.details["roomState"]
    assert isinstance(numbers, dict)
    assert (numbers["version"], numbers["count"], numbers["checksum"]) == (5, 3, "unknown")
    assert a.take()[-1] == b.take()[-1] == "ok v5"


async def test_the_census_is_right_after_a_leave_that_made_the_room_fail() -> None:
    """The leave had no effect, so player and member are both still there."""
    stage = await failing()
    a, b, _ = stage.members()
    stage.log.broken.add("player_left")
    stage.post(m.Leave(a, LeaveReason.LEFT))
    await settle(1)
    stage.log.broken.clear()
    await settle()
    assert stage.census.players == len(stage.room().state.players) == 3
    assert a.take() == ["refused internal", "roomState roomRecovered v3: A B C"]
    assert b.take() == ["roomState roomRecovered v3: A B C"]
    (line,) = stage.log.of("room_restarted")
    assert LogBroken.__name__ in str(line.details["error"])


async def test_a_turn_that_fails_over_and_over_answers_each_once() -> None:
    """Two recoveries fail on the way."""
    stage = await failing()
    a, b, c = stage.members()
    newcomer = stage.outlet("D")
    stage.encoder.fail("event")
    stage.encoder.fail("state", times=2)
    await stage.turn(m.Ready(a), stage.join(newcomer), m.Describe(b))
    await asyncio.sleep(0)
    assert stage.metrics.count["room_restarted"] == 3
    assert [len(outlet.answers) for outlet in (a, b, c, newcomer)] == [2, 2, 1, 1]
    assert newcomer.take() == ["Joined v5: A* B C D"]


async def test_what_a_recovery_changed_is_not_changed_again_by_the_next() -> None:
    """Two failures in a row, before anything was published."""
    stage = await failing()
    a, b, c = stage.members()
    a.cut()
    await stage.turn(m.Say(b, "chat", "poison"), m.Say(c, "chat", "poison"))
    assert stage.metrics.count["room_restarted"] == 2
    assert b.story[-1].line == "roomState roomRecovered v4: A? B C"


async def test_a_joiner_that_had_become_a_member_when_the_room_failed_is_out() -> None:
    """It is told that it was its request; nothing of it is left."""
    stage = await failing()
    p = stage.outlet("P")
    stage.log.broken.add("player_joined")
    await stage.turn(stage.join(p))
    assert p.take() == ["refused internal"]
    assert "P" not in stage.room().members
    assert stage.census.players == 3


@pytest.mark.rule("G6.13", "G9.3")
async def test_a_lost_player_whose_resume_made_the_room_fail_has_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss of the new connection is what ends now, not that of the one before."""
    stage = await failing()
    a, b, _ = stage.members()
    await stage.lose(a)

    def resume(seating: Seating, message: m.Resume) -> None:
        Seating.resume(seating, message)
        raise Broken

    monkeypatch.setitem(HANDLERS, m.Resume, resume)
    again = stage.outlet("A")
    await stage.turn(stage.resume(again, "A", version=4))
    assert again.refusal() == "internal"
    b.take()
    await stage.pass_time(31)
    assert b.take() == ["left A(timeout) v5"]
