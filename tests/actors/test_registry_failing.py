"""A registry that raises: the message is dropped, its sender told, and all else goes on."""

import pytest

from actors.ids import RoomId
from tests.actors.closing import IDLE_S, closing, emptied
from tests.actors.stage import ROOM, Stage, settle

OTHER = RoomId("other")


async def test_a_message_that_makes_the_registry_raise_is_dropped_and_the_rest_goes_on() -> None:
    """Its sender gets internal; the directory, what waits and what is idle are kept."""
    stage, _ = await emptied()
    stage.log.broken.add("room_opened")
    p, b = stage.outlet("P", OTHER), stage.outlet("B")
    registry = stage.directory.registry
    registry.offer(stage.join(p))
    registry.offer(stage.join(b))
    await settle()
    assert p.refusal() == "internal"
    assert b.take()[0].startswith("Joined")
    (line,) = stage.log.of("registry_restarted")
    assert line.level == "error"
    assert "LogBroken" in str(line.details["error"])
    assert str(line.details["poison"]).startswith("Join(")
    assert "user-P" not in str(line.details["poison"]).replace("user_id='user-P'", "")
    stage.log.broken.clear()
    await stage.turn(stage.join(p))
    assert p.take()[-1] == "Joined v1: P"
    assert stage.directory.mailbox_for(OTHER) is stage.directory.mailbox_of(OTHER)


async def test_a_registry_that_failed_still_reaps_what_was_idle_before() -> None:
    """Its successor sets the timer anew, and the failed one leaves none."""
    stage, _ = await emptied(self_check_s=10_000)
    stage.log.broken.add("room_opened")
    await stage.turn(stage.join(stage.outlet("P", OTHER)))
    stage.log.broken.clear()
    assert len([due_s for due_s in stage.clock.waiting() if due_s <= IDLE_S]) == 1
    await stage.pass_time(IDLE_S)
    assert ROOM not in stage.directory.rooms


async def test_a_registry_that_failed_keeps_what_is_parked() -> None:
    """It follows when the room has ended."""
    stage, held = await closing()
    b = stage.outlet("B")
    await stage.turn(stage.join(b))
    stage.log.broken.add("room_opened")
    await stage.turn(stage.join(stage.outlet("P", OTHER)))
    stage.log.broken.clear()
    await held.let_go()
    assert b.take() == ["Joined v1: B"]


async def test_a_message_of_no_known_kind_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged as pykka does, and dropped."""
    stage = Stage()
    stage.directory.registry.offer("what?")
    await settle()
    assert "Unexpected message" in caplog.text
    assert stage.log.of("registry_restarted") == []
    await stage.seat("A")
