"""Members whose outlets are full: what they miss, what they still get, and how they are healed."""

from typing import Any

import pytest

from actors import messages as m
from actors.history import Claim
from actors.ids import SocketId
from actors.players import LeaveReason
from tests.actors.fakes import FakeOutlet, Told
from tests.actors.stage import Stage


async def behind(**settings: Any) -> tuple[Stage, FakeOutlet, FakeOutlet]:
    """A room of A, who is slow and has fallen behind, and B, at version 3."""
    stage = Stage(**settings)
    slow, b = await stage.seat("A", "B")
    slow.full = True
    await stage.turn(m.Ready(b))
    b.take()
    return stage, slow, b


@pytest.mark.rule("G8.1", "H2.4")
async def test_an_outlet_that_refuses_is_behind_and_is_left_alone() -> None:
    """The others go on; it is counted and logged once, and offered nothing more."""
    stage, slow, b = await behind()
    assert stage.metrics.count["slow_reader"] == 1
    (line,) = stage.log.of("reader_fell_behind")
    assert (line.level, line.socket_id) == ("warn", "A")
    slow.offers = 0
    c = stage.outlet("C")
    await stage.turn(m.Update(b, "Bob", None), m.Say(b, "chat", "hi"), stage.join(c))
    await stage.turn(m.Move(b, 1.0, 1.0))
    assert slow.offers == 0
    assert stage.metrics.count["slow_reader"] == 1
    assert b.take()[:3] == ["updated B v4", "said B: hi", "joined C v5"]


@pytest.mark.rule("G8.2", "G8.3")
async def test_when_it_drains_it_gets_one_whole_state_and_goes_on_from_there() -> None:
    """Events and messages of the meantime do not come any more."""
    stage, slow, b = await behind()
    await stage.turn(m.Say(b, "chat", "missed"), m.Update(b, "Bob", None))
    slow.full = False
    await stage.turn(m.Drained(slow))
    assert slow.take() == ["roomState slowConsumer v4: A B*"]
    await stage.turn(m.Drained(slow))
    await stage.turn(m.Say(b, "chat", "heard"), m.Ready(slow))
    assert slow.take() == ["said B: heard", "ready A v5", "ok v5"]


@pytest.mark.rule("G8.2")
async def test_what_happens_in_the_turn_of_the_draining_is_in_the_state() -> None:
    """Before or after it; nothing of it comes twice."""
    stage, slow, b = await behind()
    slow.full = False
    c = stage.outlet("C")
    await stage.turn(m.Update(b, "Bob", None), m.Drained(slow), stage.join(c))
    assert slow.take() == ["roomState slowConsumer v5: A B* C"]


@pytest.mark.rule("G8.3")
async def test_its_own_requests_are_answered_and_take_effect_in_the_meantime() -> None:
    """Its messages reach the others, its events come to it with the state."""
    stage, slow, b = await behind()
    await stage.turn(m.Ready(slow))
    await stage.turn(m.Say(slow, "chat", "hi"))
    state = stage.room().state
    right = Claim(frozenset(state.players), state.epoch, state.version, state.checksum())
    await stage.turn(m.Validate(slow, right))
    assert slow.take() == ["ok v4", "ok v4", "valid v4"]
    assert b.take() == ["ready A v4", "said A: hi"]
    await stage.turn(m.Ready(b))
    assert slow.take() == []
    slow.full = False
    await stage.turn(m.Drained(slow))
    assert slow.take() == ["roomState slowConsumer v4: A* B*"]


@pytest.mark.rule("G8.2")
@pytest.mark.parametrize(
    ("request_of", "told"),
    [
        (m.Describe, "Described v3: A B*"),
        (lambda slow: m.Validate(slow, Claim(frozenset())), "invalid v3: A B*"),
    ],
    ids=["requestRoomState", "a validation that fails"],
)
async def test_an_answer_with_the_whole_state_heals_it(request_of: Any, told: str) -> None:
    """From there on it hears everything, and the draining adds nothing."""
    stage, slow, b = await behind()
    slow.full = False
    await stage.turn(request_of(slow))
    assert slow.take() == [told]
    await stage.turn(m.Drained(slow), m.Update(b, "Bob", None))
    assert slow.take() == ["updated B v4"]


@pytest.mark.rule("G5.1", "G8.2")
async def test_joining_again_heals_it() -> None:
    """As any answer with the whole state."""
    stage, slow, b = await behind()
    slow.full = False
    await stage.turn(stage.join(slow))
    await stage.turn(m.Drained(slow), m.Update(b, "Bob", None))
    assert slow.take() == ["Joined v3: A B*", "updated B v4"]


@pytest.mark.rule("G8.2")
async def test_it_may_fall_behind_again_and_is_healed_again() -> None:
    """Each time with one state."""
    stage, slow, b = await behind()
    for round_ in range(3):
        slow.full = False
        await stage.turn(m.Drained(slow))
        slow.full = True
        await stage.turn(m.Update(b, f"B{round_}", None))
        assert [told.line for told in slow.story] == [f"roomState slowConsumer v{3 + round_}: A B*"]
        slow.take()
    assert stage.metrics.count["slow_reader"] == 4


@pytest.mark.rule("G8.4")
async def test_its_positions_are_right_after_it_has_drained() -> None:
    """Moves were skipped; the state shows where everybody is."""
    stage, slow, b = await behind()
    await stage.turn(m.Move(b, 1.0, 1.0))
    await stage.pass_time(1)
    await stage.turn(m.Move(b, 8.0, 9.0))
    slow.full = False
    await stage.turn(m.Drained(slow))
    (told,) = slow.story
    assert isinstance(told, Told)
    assert told.line.startswith("roomState slowConsumer")
    motion = stage.room().state.players[SocketId("B")].motion
    assert (motion.x, motion.y) == (8.0, 9.0)
    slow.take()
    await stage.turn(m.Move(b, 9.0, 9.0))
    await stage.pass_time(1)
    assert slow.take() == ["moved B 9 9"]


async def test_a_joiner_whose_outlet_is_full_gets_its_snapshot_all_the_same() -> None:
    """It falls behind with the next event, not before."""
    stage = Stage()
    (a,) = await stage.seat("A")
    slow = stage.outlet("B")
    slow.full = True
    await stage.turn(stage.join(slow))
    assert slow.take() == ["Joined v2: A B"]
    assert stage.metrics.count["slow_reader"] == 0
    await stage.turn(m.Ready(a))
    assert stage.metrics.count["slow_reader"] == 1


async def test_who_resumes_and_cannot_take_the_rest_of_the_turn_is_behind() -> None:
    """It has its answer, and gets a state when it drains."""
    stage = Stage()
    a, _ = await stage.seat("A", "B")
    await stage.lose(a)
    slow, c = stage.outlet("A"), stage.outlet("C")
    slow.full = True
    await stage.turn(stage.resume(slow, "A", version=3), stage.join(c))
    assert slow.take() == ["Resumed v4 [connection A+ v4]"]
    slow.full = False
    await stage.turn(m.Drained(slow))
    assert slow.take() == ["roomState slowConsumer v5: A B C"]


@pytest.mark.rule("G8.6")
async def test_who_is_behind_and_lost_comes_back_with_what_it_missed() -> None:
    """A resume knows what it has: no state is needed."""
    stage, slow, b = await behind()
    await stage.lose(slow)
    await stage.turn(m.Update(b, "Bob", None))
    again = await stage.come_back("A", version=2)
    assert again.take() == [
        "Resumed v6 [ready B v3; connection A- v4; updated B v5; connection A+ v6]"
    ]
    await stage.turn(m.Drained(slow), m.Drained(again))
    assert again.take() == slow.take() == []


async def test_who_is_behind_and_leaves_gets_its_goodbye_alone() -> None:
    """No state of a room in which it is no more."""
    stage, slow, b = await behind()
    await stage.turn(m.Leave(slow, LeaveReason.LEFT))
    slow.full = False
    await stage.turn(m.Drained(slow))
    assert slow.take() == ["Left"]
    assert b.take() == ["left A(left) v4"]


@pytest.mark.rule("G8.2")
async def test_who_drains_and_leaves_in_one_turn_gets_its_goodbye_alone() -> None:
    """A state of that turn would be one without itself."""
    stage, slow, b = await behind()
    slow.full = False
    await stage.turn(m.Drained(slow), m.Leave(slow, LeaveReason.LEFT))
    assert slow.take() == ["Left"]
    assert b.take() == ["left A(left) v4"]


@pytest.mark.rule("G6.13", "G8.6")
async def test_who_drains_and_is_lost_in_one_turn_is_lost() -> None:
    """No state is sent after it, and its grace ends as any other."""
    stage, slow, b = await behind(resume_grace_s=30)
    slow.full = False
    slow.cut()
    await stage.turn(m.Drained(slow), m.Lost(slow))
    await stage.pass_time(30)
    assert slow.take() == []
    assert b.take() == ["connection A- v4", "left A(timeout) v5"]


@pytest.mark.rule("G6.2")
async def test_who_drains_and_resumes_in_one_turn_gets_the_answer_alone() -> None:
    """What the old connection would have got is not for the new one."""
    stage, slow, _ = await behind()
    again = stage.outlet("A")
    await stage.turn(m.Drained(slow), stage.resume(again, "A", version=2))
    assert again.take() == ["Resumed v3 [ready B v3]"]
    assert slow.take() == []


@pytest.mark.rule("G8.2", "G9.2")
async def test_who_drains_in_the_turn_of_a_failure_gets_one_state() -> None:
    """That of the recovery."""
    stage, slow, b = await behind()
    slow.full = False
    stage.encoder.poison = "poison"
    await stage.turn(m.Drained(slow), m.Say(b, "chat", "poison"))
    assert slow.take() == ["roomState roomRecovered v3: A B*"]
