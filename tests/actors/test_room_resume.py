"""Losing a connection and coming back: what was missed, what the others see, which tokens hold."""

from typing import Any

import pytest

from actors import messages as m
from actors.answers import Joined, Left, Refused, Resumed
from actors.ids import SocketId
from actors.players import LeaveReason
from tests.actors.fakes import FakeOutlet, Moved
from tests.actors.stage import Stage

A = SocketId("A")


async def two(**settings: Any) -> tuple[Stage, FakeOutlet, FakeOutlet]:
    """A and B in a room at version 2."""
    stage = Stage(**settings)
    a, b = await stage.seat("A", "B")
    return stage, a, b


# -- being lost


@pytest.mark.rule("G6.1")
async def test_a_lost_connection_keeps_its_player_and_the_others_see_it() -> None:
    """One event; nothing more is offered to who is gone, and a second loss is none."""
    stage, a, b = await two()
    await stage.lose(a)
    assert b.take() == ["connection A- v3"]
    a.offers = 0
    await stage.turn(m.Lost(a), m.Ready(b), m.Say(b, "chat", "anybody?"), m.Move(b, 1.0, 1.0))
    assert a.offers == 0
    assert stage.room().state.version == 4
    (line,) = stage.log.of("player_lost")
    assert line.socket_id == "A"


@pytest.mark.rule("G6.13")
async def test_when_the_grace_ends_the_player_is_gone_with_a_timeout() -> None:
    """Not before, and once."""
    stage, a, b = await two(resume_grace_s=30)
    await stage.lose(a)
    b.take()
    await stage.pass_time(29.999)
    assert b.take() == []
    await stage.pass_time(0.001)
    assert b.take() == ["left A(timeout) v4"]
    await stage.pass_time(1000)
    assert b.take() == []
    assert stage.metrics.count["player_left timeout"] == 1


@pytest.mark.rule("G6.13")
async def test_graces_that_end_together_are_one_event() -> None:
    """Those of later losses end later."""
    stage = Stage(resume_grace_s=30)
    a, b, c, d = await stage.seat("A", "B", "C", "D")
    await stage.lose(a, b)
    await stage.pass_time(10)
    await stage.lose(c)
    d.take()
    await stage.pass_time(25)
    assert d.take() == ["left A(timeout) B(timeout) v9"]
    await stage.pass_time(25)
    assert d.take() == ["left C(timeout) v10"]


@pytest.mark.rule("G6.2", "G6.3")
async def test_who_comes_back_in_time_is_not_removed_by_the_grace_of_before() -> None:
    """And a second loss has a whole grace of its own."""
    stage, a, b = await two(resume_grace_s=30)
    await stage.lose(a)
    await stage.pass_time(20)
    again = await stage.come_back("A", version=2)
    await stage.pass_time(20)
    await stage.lose(again)
    await stage.pass_time(29)
    assert b.take() == ["connection A- v3", "connection A+ v4", "connection A- v5"]
    await stage.pass_time(1)
    assert b.take() == ["left A(timeout) v6"]


# -- what was missed


@pytest.mark.rule("G6.2")
async def test_a_resume_answers_exactly_what_was_missed_its_own_return_last() -> None:
    """In order, as it was published; the others see the return."""
    stage, a, b = await two()
    await stage.lose(a)
    await stage.turn(m.Ready(b))
    c = stage.outlet("C")
    await stage.turn(stage.join(c))
    b.take(), c.take()
    again = await stage.come_back("A", version=2)
    assert again.take() == [
        "Resumed v6 [connection A- v3; ready B v4; joined C v5; connection A+ v6]"
    ]
    assert b.take() == c.take() == ["connection A+ v6"]
    resumed = again.answer_of(Resumed)
    state = stage.room().state
    assert (resumed.epoch, resumed.checksum) == (state.epoch, state.checksum())
    assert (resumed.serial, resumed.succeeds) == (2, a)
    await stage.turn(m.Ready(again))
    assert again.take() == ["ready A v7", "ok v7"]
    assert stage.metrics.count["resume_ended resumed"] == 1


@pytest.mark.rule("G6.2")
async def test_a_client_that_knows_of_its_loss_gets_only_the_rest() -> None:
    """It names the version that it has."""
    stage, a, b = await two()
    await stage.lose(a)
    await stage.turn(m.Ready(b))
    again = await stage.come_back("A", version=3)
    assert again.take() == ["Resumed v5 [ready B v4; connection A+ v5]"]


@pytest.mark.rule("G6.2")
async def test_what_comes_before_the_resume_in_its_turn_is_among_the_missed() -> None:
    """What comes after it follows as events; nothing is told twice."""
    stage, a, b = await two()
    await stage.lose(a)
    again, c = stage.outlet("A"), stage.outlet("C")
    await stage.turn(m.Ready(b), stage.resume(again, "A", version=3), stage.join(c))
    assert again.take() == ["Resumed v5 [ready B v4; connection A+ v5]", "joined C v6"]
    assert c.take() == ["Joined v6: A B* C"]
    assert b.take() == [
        "connection A- v3",
        "ready B v4",
        "connection A+ v5",
        "joined C v6",
        "ok v6",
    ]


@pytest.mark.rule("G6.2")
async def test_the_checksum_of_a_resume_is_that_of_the_version_it_leads_to() -> None:
    """Also where more follows in the same turn."""
    stage, a, _ = await two()
    await stage.lose(a)
    again, c = stage.outlet("A"), stage.outlet("C")
    await stage.turn(stage.resume(again, "A", version=3))
    alone = again.answer_of(Resumed)
    await stage.lose(again)
    once_more = stage.outlet("A")
    resume = stage.resume(once_more, "A", version=5, serial=2)
    await stage.turn(resume, stage.join(c))
    resumed = once_more.answer_of(Resumed)
    assert (resumed.version, resumed.checksum) == (6, alone.checksum)


@pytest.mark.rule("G6.12")
async def test_room_messages_of_the_meantime_are_gone() -> None:
    """Those after the resume are heard, also in its own turn."""
    stage, a, b = await two()
    await stage.lose(a)
    await stage.turn(m.Say(b, "chat", "lost"))
    again = stage.outlet("A")
    resume = stage.resume(again, "A", version=3)
    await stage.turn(m.Say(b, "chat", "before"), resume, m.Say(b, "chat", "after"))
    assert again.take() == ["Resumed v4 [connection A+ v4]", "said B: after"]


@pytest.mark.rule("G6.11")
async def test_positions_are_as_they_are_now_and_the_hidden_ones_are_missing() -> None:
    """Moves of the meantime are not told one by one."""
    stage, a, b = await two()
    c = stage.outlet("C")
    await stage.turn(stage.join(c, hide_position=True))
    await stage.lose(a)
    await stage.turn(m.Move(b, 1.0, 1.0), m.Move(c, 9.0, 9.0))
    await stage.pass_time(1)
    await stage.turn(m.Move(b, 2.0, 3.0))
    again = await stage.come_back("A", version=4)
    moved = stage.encoder.told(again.answer_of(Resumed).positions).thing
    assert moved == Moved({A: (0.0, 0.0), SocketId("B"): (2.0, 3.0)})


@pytest.mark.rule("G6.11", "G7.5")
async def test_no_position_comes_of_who_joined_after_the_return() -> None:
    """That one is announced by an event after the answer, with its position in it."""
    stage, a, _ = await two()
    await stage.lose(a)
    again, c = stage.outlet("A"), stage.outlet("C")
    await stage.turn(stage.resume(again, "A", version=3), stage.join(c, x=5.0))
    moved = stage.encoder.told(again.answer_of(Resumed).positions).thing
    assert isinstance(moved, Moved)
    assert sorted(moved.positions) == ["A", "B"]
    assert again.take()[-1] == "joined C v5"


@pytest.mark.rule("G6.2")
async def test_two_who_return_in_one_turn_are_one_event_for_everybody() -> None:
    """Each is told of both returns, since they are neighbours."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    await stage.lose(a, b)
    c.take()
    outlets = [stage.outlet("A"), stage.outlet("B")]
    resumes = [stage.resume(outlet, outlet.socket_id, version=5) for outlet in outlets]
    await stage.turn(*resumes)
    assert c.take() == ["connection A+ B+ v7"]
    for outlet in outlets:
        assert outlet.take() == ["Resumed v7 [connection A+ B+ v7]"]


# -- where the delta is gone


@pytest.mark.rule("G6.10")
@pytest.mark.parametrize(
    "claim",
    [
        pytest.param({"version": 99}, id="a version ahead"),
        pytest.param({"version": 4}, id="the version that its own return will have"),
        pytest.param({"version": 1}, id="inside an event"),
        pytest.param({"version": -1}, id="below zero"),
        pytest.param({"version": 3, "epoch": 7}, id="an older epoch"),
        pytest.param({"version": 3, "epoch": 2**53 - 1}, id="a newer epoch"),
    ],
)
async def test_whom_no_delta_can_help_gets_the_whole_state(claim: dict[str, int]) -> None:
    """As the same session, and the others see it return."""
    stage, a, b = await two()
    await stage.lose(a)
    b.take()
    again = await stage.come_back("A", **claim)
    joined = again.answer_of(Joined)
    assert (joined.fresh, joined.serial, joined.succeeds) == (False, 2, a)
    assert again.take() == ["Joined v4: A B"]
    assert b.take() == ["connection A+ v4"]
    assert stage.metrics.count["resume_ended joined"] == 1
    assert stage.metrics.count["player_joined"] == 2
    assert stage.metrics.count["room_restarted"] == 0


@pytest.mark.rule("G6.10")
async def test_who_is_too_far_behind_gets_the_whole_state() -> None:
    """The room remembers three events here."""
    stage, a, b = await two(history_events_max=3)
    await stage.lose(a)
    for number in range(3):
        await stage.turn(m.Update(b, f"B{number}", None))
    again = await stage.come_back("A", version=3)
    assert again.take() == ["Joined v7: A B"]


# -- a loss that nobody noticed


@pytest.mark.rule("G6.5")
async def test_a_resume_while_the_old_connection_lingers_tells_nobody() -> None:
    """It succeeds at once, and nothing is a change."""
    stage, a, b = await two()
    again = await stage.come_back("A", version=2)
    assert again.take() == ["Resumed v2 []"]
    assert again.answer_of(Resumed).succeeds is a
    assert b.take() == []
    assert stage.room().state.version == 2


@pytest.mark.rule("G6.5")
async def test_what_a_lingering_connection_did_not_get_is_in_the_answer() -> None:
    """Also where it happens in the turn of the resume."""
    stage, a, b = await two()
    await stage.turn(m.Ready(b))
    again, c = stage.outlet("A"), stage.outlet("C")
    await stage.turn(stage.resume(again, "A", version=2), stage.join(c))
    assert again.take() == ["Resumed v4 [ready B v3; joined C v4]"]
    assert a.take() == ["ready B v3"]


@pytest.mark.rule("C4.6")
async def test_nothing_that_the_old_connection_does_later_touches_the_session() -> None:
    """A late frame, a late close, a late leave."""
    stage, a, b = await two()
    again = await stage.come_back("A", version=2)
    again.take(), a.take()
    await stage.turn(
        m.Lost(a),
        m.Drained(a),
        m.Move(a, 7.0, 7.0),
        m.Ready(a),
        m.Update(a, "late", None),
        m.Leave(a, LeaveReason.LEFT),
    )
    await stage.pass_time(100)
    assert again.take() == b.take() == []
    assert a.take() == []
    ready, update, left = a.answers[1:]
    assert isinstance(ready, Refused)
    assert isinstance(update, Refused)
    assert ready.refusal.code == update.refusal.code == "notInRoom"
    assert isinstance(left, Left)
    player = stage.room().state.players[A]
    assert (player.is_ready, player.connected, player.motion.x) == (False, True, 0.0)


@pytest.mark.rule("C4.6", "G6.5")
async def test_two_resumes_in_one_turn_leave_the_newer_connection() -> None:
    """The first is answered, and superseded by the second."""
    stage, a, b = await two()
    await stage.lose(a)
    first, second = stage.outlet("A"), stage.outlet("A")
    await stage.turn(stage.resume(first, "A", version=3), stage.resume(second, "A", version=3))
    assert first.answer_of(Resumed).succeeds is a
    assert second.answer_of(Resumed).succeeds is first
    first.take(), second.take(), b.take()
    await stage.turn(m.Ready(b))
    assert first.take() == []
    assert second.take() == ["ready B v5"]


# -- places, deadlines


@pytest.mark.rule("G6.14")
async def test_a_lost_player_always_fits_on_resume() -> None:
    """The room is full with it."""
    stage, a, _ = await two(players_max=2)
    await stage.lose(a)
    again = await stage.come_back("A", version=3)
    assert again.take() == ["Resumed v4 [connection A+ v4]"]


async def test_a_resume_is_dropped_without_its_connection_and_unavailable_after_its_deadline() -> (
    None
):
    """Neither has an effect."""
    stage, a, b = await two(join_timeout_s=5)
    await stage.lose(a)
    b.take()
    gone, late = stage.outlet("A"), stage.outlet("A")
    resumes = [stage.resume(gone, "A", version=3), stage.resume(late, "A", version=3)]
    gone.alive = False
    stage.clock.step(5.5)
    await stage.turn(*resumes)
    assert gone.take() == b.take() == []
    assert late.take() == ["refused unavailable"]
    assert (await stage.come_back("A", version=3)).take() == ["Resumed v4 [connection A+ v4]"]


async def test_a_join_of_a_lost_session_asks_it_to_resume() -> None:
    """Its player is still here, and nobody else may take its place."""
    stage, a, b = await two()
    await stage.lose(a)
    b.take()
    other = stage.outlet("A")
    await stage.turn(stage.join(other))
    assert other.take() == ["refused unavailable"]
    assert b.take() == []


@pytest.mark.rule("G6.1", "G6.13")
async def test_a_second_loss_within_the_grace_of_the_first_has_a_whole_grace_of_its_own() -> None:
    """The end of the first one's grace is not for who came back in between."""
    stage, a, b = await two(resume_grace_s=30)
    await stage.lose(a)
    await stage.pass_time(10)
    again = await stage.come_back("A", version=2)
    await stage.pass_time(10)
    await stage.lose(again)
    b.take()
    await stage.pass_time(29)
    assert b.take() == []
    await stage.pass_time(1)
    assert b.take() == ["left A(timeout) v6"]
