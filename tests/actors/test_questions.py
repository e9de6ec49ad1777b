"""Questions about rooms that are not open, while the store takes its time."""

import pytest

from actors import messages as m
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.moderated import MEMBER
from tests.actors.stage import ROOM, settle

WAIT_S = 5.0


async def asked() -> tuple[KeptStage, FakeOutlet]:
    """Somebody asks about a stored room, and the store waits for the test."""
    stage = KeptStage()
    await stage.seat("A")
    stage = await stage.restart()
    stage.store.at_once = False
    outlet = stage.outlet("B")
    outlet.grant = MEMBER
    deadline_s = stage.clock.monotonic_s() + WAIT_S
    assert stage.directory.mailbox_for(ROOM).offer(m.Check(outlet, ROOM, "user-B", deadline_s))
    await settle()
    assert outlet.take() == []
    return stage, outlet


@pytest.mark.rule("T2.8", "C2.1")
async def test_a_question_waits_for_a_store_that_stalls_as_long_as_a_join() -> None:
    """What its client sent after it waits for it as well; what the store says later is nobody's."""
    stage, outlet = await asked()
    await stage.pass_time(WAIT_S - 0.1)
    assert outlet.take() == []
    await stage.pass_time(0.2)
    assert outlet.take() == ["refused unavailable"]
    stage.store.do()
    await settle()
    assert (outlet.take(), stage.directory.rooms) == ([], {})


@pytest.mark.rule("T2.8")
async def test_a_question_that_the_store_answers_in_time_is_answered_once() -> None:
    """No room is opened, and nothing is left of the wait."""
    stage, outlet = await asked()
    stage.store.do()
    await settle()
    assert len(outlet.take()) == 1
    await stage.pass_time(2 * WAIT_S)
    assert (outlet.take(), stage.directory.rooms) == ([], {})
