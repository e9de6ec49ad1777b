"""A room that keeps failing is closed: all are told, all that waits is answered, and it rests."""

from typing import Any

import pytest

from actors import messages as m
from actors.answers import Refused
from actors.room_state import RoomState
from tests.actors.fakes import Broken, FakeOutlet
from tests.actors.stage import ROOM, Stage, profile_of, settle


async def fail(stage: Stage, sender: FakeOutlet) -> None:
    """Let the room fail once on a message of `sender`."""
    await stage.turn(m.Say(sender, "chat", "poison"))


async def failing(times: int, **settings: Any) -> tuple[Stage, list[FakeOutlet]]:
    """A room of A, B and C that has failed `times`, at this very moment."""
    stage = Stage(**settings)
    outlets = await stage.seat("A", "B", "C")
    stage.encoder.poison = "poison"
    for _ in range(times):
        await fail(stage, outlets[0])
    stage.forget()
    return stage, outlets


@pytest.mark.rule("G9.4")
async def test_the_fourth_failure_within_five_seconds_closes_the_room() -> None:
    """Three are restarts; with the fourth every member is told, and the sender has its answer."""
    stage, (a, b, c) = await failing(3)
    assert stage.metrics.count["room_restarted"] == 3
    await stage.pass_time(4.9)
    await fail(stage, a)
    assert a.take() == ["refused internal", "evicted closed"]
    assert b.take() == c.take() == ["evicted closed"]
    assert stage.metrics.count["room_restarted"] == 3
    assert ROOM not in stage.directory.rooms
    assert stage.census.players == 0
    (line,) = stage.log.of("room_closed")
    assert line.level == "error"
    assert isinstance(line.details["roomState"], dict)
    assert line.details["roomState"]["count"] == 3


async def test_failures_that_are_further_apart_close_nothing() -> None:
    """Only those of the last five seconds count."""
    stage, (a, b, _) = await failing(3)
    await stage.pass_time(5)
    for _ in range(3):
        await fail(stage, a)
    assert stage.metrics.count["room_restarted"] == 6
    await stage.turn(m.Ready(b))
    assert b.take()[-1] == "ok v4"


@pytest.mark.rule("G9.4")
async def test_a_closed_room_refuses_joins_for_a_minute_and_then_opens_anew() -> None:
    """The refusal says how long; the new room is empty and of a higher epoch."""
    stage, (a, b, _) = await failing(3, room_closed_s=60)
    epoch = stage.room().state.epoch
    await fail(stage, a)
    await stage.pass_time(20)
    newcomer = stage.outlet("D")
    await stage.turn(stage.join(newcomer))
    refusal = newcomer.answer_of(Refused).refusal
    assert (refusal.code, refusal.retryable, refusal.retry_after_ms) == ("roomClosed", True, 40_000)
    resume = m.Resume(b, ROOM, b.socket_id, 1, epoch, 3, 0.0, 1e9, profile_of("B"))
    await stage.turn(resume)
    assert b.answers[-1:] != []
    assert b.refusal() == "roomClosed"
    await stage.pass_time(39.999)
    await stage.turn(stage.join(newcomer))
    assert newcomer.refusal() == "roomClosed"
    await stage.pass_time(0.001)
    await stage.turn(stage.join(newcomer))
    assert newcomer.take()[-1] == "Joined v1: D"
    assert stage.room().state.epoch > epoch
    assert stage.directory.resting == {}


@pytest.mark.rule("G9.4")
async def test_everything_that_waits_for_a_closed_room_is_answered() -> None:
    """What the turn owed, what stood behind the poison; moves and losses await nothing."""
    stage, (a, b, c) = await failing(3)
    (d,) = await stage.seat("D")
    stage.forget()
    e = stage.outlet("E")
    await stage.turn(
        m.Ready(b),
        m.Say(a, "chat", "poison"),
        m.Ready(c),
        stage.join(e),
        m.Move(d, 1.0, 1.0),
        m.Lost(d),
    )
    assert a.take() == ["refused internal", "evicted closed"]
    assert b.take() == c.take() == ["refused roomClosed", "evicted closed"]
    assert d.take() == ["evicted closed"]
    assert e.take() == ["refused roomClosed"]


async def test_what_nobody_asked_for_is_not_answered() -> None:
    """A reader that drained as the room was closed is told that it is closed, and no more."""
    stage, (a, b, c) = await failing(3)
    c.full = True
    await stage.turn(m.Ready(b))
    c.full = False
    await stage.turn(m.Drained(c), m.Say(a, "chat", "poison"))
    assert c.take() == ["evicted closed"]


@pytest.mark.rule("G9.4")
async def test_a_room_that_cannot_be_restored_is_closed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left of it cannot be made a room of; nobody is left waiting."""

    def broken(*_arguments: object) -> None:
        raise Broken("restore")

    stage, (a, b, c) = await failing(0)
    monkeypatch.setattr(RoomState, "restore", broken)
    await stage.turn(m.Ready(b), m.Say(a, "chat", "poison"))
    assert a.take() == ["refused internal", "evicted closed"]
    assert b.take() == ["refused roomClosed", "evicted closed"]
    assert c.take() == ["evicted closed"]
    (line,) = stage.log.of("room_lost")
    assert (line.level, line.room_id) == ("error", ROOM)
    assert stage.log.of("registry_restarted") == []
    await stage.turn(stage.join(newcomer := stage.outlet("D")))
    assert newcomer.take() == ["refused roomClosed"]


async def test_other_rooms_do_not_notice() -> None:
    """The census counts their players on."""
    stage = Stage()
    other = type(ROOM)("other")
    (z,) = await stage.seat("Z", room_id=other)
    a, _ = await stage.seat("A", "B")
    stage.encoder.poison = "poison"
    for _ in range(4):
        await fail(stage, a)
    assert stage.census.players == 1
    await stage.turn(m.Ready(z))
    assert z.take() == ["ready Z v2", "ok v2"]


async def test_nothing_of_a_closed_room_is_left_behind() -> None:
    """No timer, no record, no seat; and the lost get no grace any more."""
    stage, (a, b, c) = await failing(2, room_closed_s=60)
    await stage.lose(b)
    await stage.turn(m.Move(c, 1.0, 1.0), m.Move(c, 2.0, 2.0))
    await fail(stage, a)
    await fail(stage, a)
    assert stage.clock.waiting() == [60]
    assert list(stage.roster.claims(ROOM)) == []
    await stage.pass_time(100)
    assert stage.clock.waiting() == []
    assert stage.directory.resting == {}
    assert stage.directory.idle == {}


async def test_a_room_that_may_never_restart_is_closed_at_once() -> None:
    """`room_restarts_max` may be 0, and `room_closed_s` too: then a join opens it anew."""
    stage, (a, b, _) = await failing(0, room_restarts_max=0, room_closed_s=0)
    await fail(stage, a)
    assert b.take() == ["evicted closed"]
    newcomer = stage.outlet("D")
    await stage.turn(stage.join(newcomer))
    assert newcomer.take() == ["Joined v1: D"]


async def test_a_room_that_cannot_even_recover_is_closed() -> None:
    """Each try is a failure; at last the members are told."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    stage.encoder.fail("state", times=100)
    await stage.turn(m.Describe(a))
    await settle()
    assert stage.metrics.count["room_restarted"] == 3
    assert a.take() == ["refused roomClosed", "evicted closed"]
    assert b.take() == ["evicted closed"]
