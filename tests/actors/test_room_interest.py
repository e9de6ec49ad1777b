"""A room with an `interest_radius`: the near hear of each tick, all others of each round."""

from typing import Any

import pytest

from actors import messages as m
from actors.answers import Joined, Resumed
from actors.ids import SocketId
from actors.players import LeaveReason
from actors.settings import Durability
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.stage import Stage, settle
from tests.actors.test_room_commits import done, failed, waiting

TICK_S = 0.05
FAR_S = 1.0
LARGE: dict[str, Any] = {"interest_radius": 10, "interest_far_ms": 1000, "tick_ms": 50}


async def come(stage: Stage, name: str, x: float, y: float = 0.0, **profile: Any) -> FakeOutlet:
    """Join at a place; all stories begin after it."""
    outlet = stage.outlet(name)
    await stage.turn(stage.join(outlet, x=x, y=y, **profile))
    outlet.answer_of(Joined)
    stage.forget()
    return outlet


async def spread(stage: Stage, **places: float) -> list[FakeOutlet]:
    """Players side by side along one line; a round has just been told, and the tick is over."""
    outlets = [await come(stage, name, x) for name, x in places.items()]
    await stage.turn(m.Move(outlets[0], *at(stage, outlets[0].socket_id)))
    await stage.pass_time(TICK_S)
    stage.forget()
    return outlets


def at(stage: Stage, socket_id: SocketId) -> tuple[float, float]:
    """Where somebody is."""
    motion = stage.room().state.players[socket_id].motion
    return motion.x, motion.y


@pytest.mark.rule("G7.7", "G7.10")
async def test_the_near_hear_of_every_tick_and_the_far_of_a_round() -> None:
    """With its last position; the mover hears of itself as ever."""
    stage = Stage(**LARGE)
    a, b, c = await spread(stage, A=0, B=9, C=500)
    heard: list[str] = []
    for step in range(5):
        await stage.turn(m.Move(a, float(step), 0.0))
        assert a.take() == b.take() == [f"moved A {step} 0"]
        heard += c.take()
        await stage.pass_time(TICK_S)
    assert heard == []
    await stage.pass_time(FAR_S)
    assert a.take() == b.take() == c.take() == ["moved A 4 0"]
    await stage.pass_time(100)
    assert c.take() == []


@pytest.mark.rule("G7.10")
async def test_while_somebody_moves_the_far_hear_it_once_in_interest_far_ms() -> None:
    """And nobody hears more than one frame in a tick."""
    stage = Stage(**LARGE)
    a, b, c = await spread(stage, A=0, B=9, C=500)
    for step in range(200):
        await stage.turn(m.Move(a, step % 7, 0.0))
        await stage.pass_time(TICK_S / 2)
    assert 98 <= len(b.take()) <= 101
    assert 4 <= len(c.take()) <= 5


@pytest.mark.rule("G7.2", "G7.10")
async def test_the_first_move_after_a_quiet_moment_is_told_to_everybody_at_once() -> None:
    """A round is due; the one after it is not."""
    stage = Stage(**LARGE)
    a, _, c = await spread(stage, A=0, B=9, C=500)
    await stage.pass_time(FAR_S)
    await stage.turn(m.Move(a, 1.0, 0.0))
    assert c.take() == ["moved A 1 0"]
    await stage.turn(m.Move(a, 2.0, 0.0))
    await stage.pass_time(TICK_S)
    assert c.take() == []


@pytest.mark.rule("G7.2")
async def test_a_round_waits_for_its_tick_and_a_tick_for_it() -> None:
    """With whatever moved at last in one frame: twice in a tick nobody is told anything."""
    stage = Stage(interest_radius=10, interest_far_ms=60, tick_ms=50)
    a, b, c = await spread(stage, A=0, B=9, C=500)  # the round and the tick of 0 are over
    start_s = stage.clock.monotonic_s()
    await stage.turn(m.Move(a, 1.0, 0.0))
    assert b.take() == ["moved A 1 0"]
    await stage.pass_time(0.011)  # the round would be due, the tick is not
    assert c.take() == []
    await stage.pass_time(TICK_S)
    assert b.take() == c.take() == ["moved A 1 0"]
    told_s = start_s + TICK_S
    await stage.turn(m.Move(a, 2.0, 0.0))
    assert b.take() == [], "so soon after the round"
    await stage.pass_time(told_s + TICK_S - stage.clock.monotonic_s())
    assert b.take() == ["moved A 2 0"]


@pytest.mark.rule("G7.8")
async def test_who_leaves_a_neighbourhood_is_seen_leaving_it() -> None:
    """At once by those whom it leaves and by those to whom it comes, and by none between."""
    stage = Stage(**LARGE)
    a, b, c, d = await spread(stage, A=0, B=9, C=500, D=250)
    await stage.turn(m.Move(a, 495.0, 0.0))
    assert a.take() == b.take() == c.take() == ["moved A 495 0"]
    assert d.take() == []
    await stage.pass_time(TICK_S)
    await stage.turn(m.Move(a, 496.0, 0.0))
    assert b.take() == []
    assert c.take() == ["moved A 496 0"]


@pytest.mark.rule("G7.9")
async def test_who_comes_to_others_is_told_at_once_where_they_are_by_now() -> None:
    """Of whom it has not heard, and hears of each of their ticks from then on."""
    stage = Stage(**LARGE)
    a, b, c = await spread(stage, A=0, B=500, C=501)
    await stage.turn(m.Move(b, 502.0, 0.0))
    assert a.take() == []
    await stage.pass_time(TICK_S)
    await stage.turn(m.Move(a, 503.0, 0.0))
    assert a.take() == ["moved A 503 0, B 502 0"]
    assert c.take() == ["moved B 502 0", "moved A 503 0"]
    await stage.pass_time(TICK_S)
    await stage.turn(m.Move(c, 504.0, 0.0))
    assert a.take() == ["moved C 504 0"]


async def test_members_of_one_cell_hear_the_same_bytes() -> None:
    """One frame a cell in which somebody listens, and none where nobody moved nearby."""
    stage = Stage(**LARGE)
    places = {f"{row}{n}": 1000.0 * row + n for row in range(4) for n in range(8)}
    crowd = await spread(stage, **places)
    stage.encoder.count.clear()
    for outlet in crowd:
        outlet.offers = 0
    await stage.turn(*(m.Move(outlet, *at(stage, outlet.socket_id)) for outlet in crowd[:16]))
    assert stage.encoder.count == {"moves": 2}
    assert [outlet.offers for outlet in crowd] == [1] * 16 + [0] * 16
    await stage.pass_time(FAR_S)
    assert stage.encoder.count == {"moves": 3}
    assert [outlet.offers for outlet in crowd] == [2] * 16 + [1] * 16


async def test_nothing_is_encoded_for_a_cell_whose_members_are_lost() -> None:
    """They are told all positions when they come back."""
    stage = Stage(**LARGE)
    a, b = await spread(stage, A=0, B=15)
    c = await come(stage, "C", 25)
    await stage.lose(b, c)
    stage.encoder.count.clear()
    await stage.turn(m.Move(a, 1.0, 0.0))
    assert stage.encoder.count == {"moves": 1}
    again = await stage.come_back("B", version=stage.room().state.version)
    positions = stage.encoder.told(again.answer_of(Resumed).positions).line
    assert positions == "at A 1 0, B 15 0, C 25 0"


@pytest.mark.rule("G7.5", "G7.10")
async def test_no_round_tells_of_who_has_left() -> None:
    """And where nothing else is owed there is none, and no timer for it."""
    stage = Stage(**LARGE)
    a, b, c = await spread(stage, A=0, B=9, C=500)
    idle = len(stage.clock.waiting())
    await stage.turn(m.Move(a, 1.0, 0.0))
    assert len(stage.clock.waiting()) == idle + 1
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    stage.forget()
    await stage.pass_time(2 * FAR_S)
    assert b.take() == c.take() == []
    assert len(stage.clock.waiting()) == idle
    grid = stage.room()._motions._interest
    assert grid is not None
    assert grid.socket_ids() == {"B", "C"}


@pytest.mark.rule("G7.5", "G7.7")
async def test_who_comes_listens_from_its_first_tick_on() -> None:
    """And is heard of; also who sat here before, elsewhere."""
    stage = Stage(**LARGE)
    a, b = await spread(stage, A=0, B=500)
    c = await come(stage, "C", 502)
    await stage.turn(m.Move(b, 503.0, 0.0))
    assert c.take() == ["moved B 503 0"]
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    b = await come(stage, "B", 3)
    await stage.pass_time(TICK_S)
    await stage.turn(m.Move(b, 4.0, 0.0))
    assert a.take() == ["moved B 4 0"]
    assert c.take() == []
    grid = stage.room()._motions._interest
    assert grid is not None
    assert grid.socket_ids() == {"A", "B", "C"}


@pytest.mark.rule("G7.11", "G11.4")
async def test_who_hides_listens_around_the_place_where_it_joined() -> None:
    """Wherever it goes, and nobody is told of that."""
    stage = Stage(**LARGE)
    a, b = await spread(stage, A=0, B=500)
    hidden = await come(stage, "H", 5, hide_position=True)
    await stage.turn(m.Move(hidden, 500.0, 0.0), m.Move(a, 1.0, 0.0))
    assert hidden.take() == a.take() == ["moved A 1 0"]
    await stage.pass_time(TICK_S)
    await stage.turn(m.Move(b, 501.0, 0.0))
    assert hidden.take() == []
    await stage.pass_time(2 * FAR_S)
    assert hidden.take() == ["moved A 1 0, B 501 0"]


@pytest.mark.rule("G7.1", "G8.4")
async def test_skipped_moves_are_caught_up_wherever_they_were() -> None:
    """An outlet that skipped some is told all positions, of near and far, and none that hides."""
    stage = Stage(**LARGE)
    a, b, c = await spread(stage, A=0, B=9, C=500)
    await come(stage, "H", 9, hide_position=True)
    b.skips_moves = True
    await stage.turn(m.Move(a, 1.0, 0.0), m.Move(c, 501.0, 0.0))
    b.skips_moves = False
    await stage.turn(m.Drained(b))
    assert b.take() == ["moved A 1 0, B 9 0, C 501 0"]
    c.skips_moves = True
    await stage.pass_time(FAR_S)
    c.skips_moves = False
    c.take()
    await stage.turn(m.Drained(c))
    assert c.take() == ["moved A 1 0, B 9 0, C 501 0"]


@pytest.mark.rule("G9.2", "G7.10")
async def test_after_a_crash_all_know_where_all_are_and_listen_there() -> None:
    """What was owed is in the whole state; no timer of the room before is left."""
    stage = Stage(**LARGE)
    stage.encoder.poison = "poison"
    a, b, c = await spread(stage, A=0, B=9, C=500)
    await stage.turn(m.Move(c, 15.0, 0.0))
    await stage.turn(m.Say(a, "chat", "poison"))
    timers = len(stage.clock.waiting())
    stage.forget()
    await stage.pass_time(2 * FAR_S)
    assert a.take() == b.take() == c.take() == []
    assert len(stage.clock.waiting()) == timers
    await stage.turn(m.Move(a, 1.0, 0.0))
    await stage.pass_time(TICK_S)
    stage.forget()
    await stage.turn(m.Move(b, 8.0, 0.0))
    assert a.take() == b.take() == c.take() == ["moved B 8 0"]


async def test_a_room_that_ends_leaves_no_timer_behind() -> None:
    """Also where it ends owing a round."""
    stage = Stage(**LARGE, room_idle_s=0.1)
    a, b = await spread(stage, A=0, B=500)
    await stage.turn(m.Move(a, 1.0, 0.0))
    await stage.turn(m.Leave(a, LeaveReason.LEFT), m.Leave(b, LeaveReason.LEFT))
    await stage.pass_time(0.2)
    assert not stage.directory.rooms
    assert stage.clock.waiting() == []


@pytest.mark.rule("P2.1", "G7.10")
async def test_a_round_tells_of_no_position_that_is_not_durable() -> None:
    """One that waits for its tick takes the round with it."""
    stage, (a, b) = await waiting("A", "B", **LARGE | {"tick_ms": 400, "interest_far_ms": 500})
    await stage.turn(m.Move(a, 1.0, 0.0))
    await done(stage)
    await stage.pass_time(0.4)
    await stage.turn(m.Move(a, 500.0, 0.0))
    await done(stage)  # at 0.4; the round would come at 0.5, and the tick is over at 0.8
    assert a.take() == b.take() == ["moved A 1 0", "moved A 500 0"]
    await stage.turn(m.Move(a, 501.0, 0.0))
    await stage.pass_time(0.2)
    assert a.take() == b.take() == []
    await stage.pass_time(0.2)
    assert a.take() == b.take() == []
    await done(stage)
    assert a.take() == b.take() == ["moved A 501 0"]


@pytest.mark.rule("P2.2", "G7.8")
async def test_a_move_that_was_undone_is_told_later_to_all_whom_it_concerns() -> None:
    """To those whom it leaves, too: they were told of nothing."""
    stage, (a, b) = await waiting("A", "B", **LARGE, store_retry_s=0.1)
    await stage.turn(m.Move(a, 1.0, 0.0))
    await done(stage)
    await stage.pass_time(TICK_S)
    stage.forget()
    await stage.turn(m.Move(a, 500.0, 0.0))
    await failed(stage)
    assert a.take() == b.take() == []
    stage.store.at_once = True
    await stage.pass_time(FAR_S / 2)
    assert a.take() == b.take() == ["moved A 500 0"]


@pytest.mark.rule("P4.1", "G7.7")
async def test_after_a_restart_those_who_are_back_listen_where_they_are() -> None:
    """Where the store has them."""
    stage = KeptStage(durability=Durability.FAST, position_save_s=0.1, **LARGE)
    a, b, _ = await spread(stage, A=0, B=100, C=200)
    await stage.turn(m.Move(b, 205.0, 0.0))
    await stage.pass_time(1)
    await settle()
    again = await stage.restart()
    for name in "ABC":
        outlet = again.outlet(name)
        await again.turn(again.resume(outlet, name, version=1, epoch=1))
    a, b, c = again.members()
    await again.turn(m.Move(a, 1.0, 0.0))
    await again.pass_time(TICK_S)
    again.forget()
    await again.turn(m.Move(c, 201.0, 0.0))
    assert a.take() == []
    assert b.take() == c.take() == ["moved C 201 0"]


@pytest.mark.rule("G7.7")
async def test_without_a_radius_everybody_hears_of_every_tick() -> None:
    """However far away, and no second timer runs."""
    stage = Stage(tick_ms=50, interest_far_ms=1000)
    a, b = await spread(stage, A=0, B=1e9)
    idle = len(stage.clock.waiting())
    await stage.turn(m.Move(a, 1.0, 0.0))
    assert a.take() == b.take() == ["moved A 1 0"]
    assert len(stage.clock.waiting()) == idle
    assert stage.encoder.count["moves"] == 2
