"""Moves: at once or with the tick, the last one wins, and none of somebody unknown."""

import pytest

from actors import messages as m
from actors.encoder import Form
from actors.ids import SocketId
from actors.players import LeaveReason, StateView
from tests.actors.stage import Stage

TICK_S = 0.05


@pytest.mark.rule("G7.2")
async def test_the_first_move_goes_out_at_once_the_next_with_the_tick() -> None:
    """The mover may see its own."""
    stage = Stage(tick_ms=50)
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Move(a, 1.0, 1.0))
    assert a.take() == b.take() == ["moved A 1 1"]
    await stage.turn(m.Move(a, 2.0, 2.0))
    assert b.take() == []
    await stage.pass_time(TICK_S)
    assert b.take() == ["moved A 2 2"]


@pytest.mark.rule("G7.1", "G7.2")
async def test_many_moves_of_one_tick_are_one_frame_and_the_last_of_each_wins() -> None:
    """Encoded once, offered once to each."""
    stage = Stage(tick_ms=50)
    a, b, c = await stage.seat("A", "B", "C")
    await stage.turn(m.Move(a, 0.0, 1.0))
    stage.forget()
    stage.encoder.count.clear()
    for outlet in (a, b, c):
        outlet.offers = 0
    for step in range(20):
        await stage.turn(m.Move(a, float(step), 0.0), m.Move(b, 0.0, float(step)))
    await stage.pass_time(TICK_S)
    assert a.take() == b.take() == c.take() == ["moved A 19 0, B 0 19"]
    assert stage.encoder.count == {"moves": 1}
    assert [outlet.offers for outlet in (a, b, c)] == [1, 1, 1]
    await stage.pass_time(10)
    assert a.take() == []


@pytest.mark.rule("G7.2")
async def test_a_room_that_waits_for_its_tick_is_not_woken_by_moves() -> None:
    """They wait in its mailbox, in order, and lose nothing; any other message wakes it."""
    stage = Stage(tick_ms=50)
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Move(a, 1.0, 1.0))
    await stage.turn(m.Move(a, 2.0, 2.0))
    mailbox = stage.directory.mailbox_of(a.room_id)
    for step in range(3, 6):
        assert mailbox.offer_lazily(m.Move(a, float(step), 0.0))
    await stage.turn()
    assert len(mailbox) == 3
    b.take()
    await stage.turn(m.Ready(b))
    assert len(mailbox) == 0
    assert b.take() == ["ready B v3", "ok v3"]
    assert mailbox.offer_lazily(m.Move(a, 6.0, 0.0))
    await stage.pass_time(TICK_S)
    assert b.take() == ["moved A 6 0"]
    await stage.pass_time(TICK_S)
    assert mailbox.offer_lazily(m.Move(a, 7.0, 0.0))
    await stage.turn()
    assert b.take() == ["moved A 7 0"]


@pytest.mark.rule("G11.4")
async def test_no_move_of_who_hides_is_sent() -> None:
    """Others of the same tick are."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    c = stage.outlet("C")
    await stage.turn(stage.join(c, hide_position=True))
    stage.forget()
    await stage.turn(m.Move(c, 1.0, 1.0))
    assert a.take() == b.take() == c.take() == []
    await stage.turn(m.Move(c, 2.0, 2.0), m.Move(a, 3.0, 3.0))
    assert b.take() == ["moved A 3 3"]


@pytest.mark.rule("G7.5")
async def test_no_move_comes_for_who_has_left_before_the_tick() -> None:
    """The receivers have just been told that it is gone."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    await stage.turn(m.Move(b, 1.0, 1.0))
    stage.forget()
    await stage.turn(m.Move(a, 5.0, 5.0), m.Move(b, 2.0, 2.0))
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(TICK_S)
    assert c.take() == ["left A(left) v4", "moved B 2 2"]
    await stage.turn(m.Move(b, 3.0, 3.0))
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    await stage.pass_time(1)
    assert c.take() == ["left B(left) v5"]


@pytest.mark.rule("G7.5")
async def test_a_move_in_the_turn_of_a_join_comes_after_the_snapshot() -> None:
    """And those of the newcomer after its joining was told."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    c = stage.outlet("C")
    await stage.turn(stage.join(c), m.Move(a, 1.0, 2.0))
    assert c.take() == ["Joined v3: A B C", "moved A 1 2"]
    assert b.take() == ["joined C v3", "moved A 1 2"]


@pytest.mark.rule("G7.6")
async def test_a_snapshot_shows_positions_as_they_are() -> None:
    """Also those that the tick has yet to tell."""
    stage = Stage()
    a, _ = await stage.seat("A", "B")
    await stage.turn(m.Move(a, 1.0, 1.0))
    await stage.turn(m.Move(a, 2.0, 2.0))
    c = stage.outlet("C")
    await stage.turn(stage.join(c))
    view = c.story[0].thing
    assert isinstance(view, StateView)
    motion = {player.socket_id: player.motion for player in view.players}[SocketId("A")]
    assert (motion.x, motion.y) == (2.0, 2.0)


@pytest.mark.rule("G7.1")
async def test_skipped_moves_are_caught_up_when_the_outlet_has_drained() -> None:
    """With all positions as they are then, once; events came all the while."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    b.skips_moves = True
    for step in range(5):
        await stage.turn(m.Move(a, float(step), 0.0))
        await stage.pass_time(TICK_S)
    await stage.turn(m.Ready(a))
    assert b.take() == ["ready A v3"]
    b.skips_moves = False
    await stage.turn(m.Drained(b))
    assert b.take() == ["moved A 4 0, B 0 0"]
    await stage.turn(m.Drained(b))
    assert b.take() == []


@pytest.mark.rule("G7.1")
async def test_an_outlet_that_is_full_again_at_once_stays_to_be_caught_up() -> None:
    """Until it takes them."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    b.skips_moves = True
    await stage.turn(m.Move(a, 1.0, 0.0))
    await stage.turn(m.Drained(b))
    assert b.take() == []
    b.skips_moves = False
    await stage.turn(m.Drained(b))
    assert b.take() == ["moved A 1 0, B 0 0"]


async def test_who_has_skipped_nothing_is_not_caught_up() -> None:
    """A drained outlet alone is no reason to send."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Move(a, 1.0, 0.0))
    stage.forget()
    await stage.turn(m.Drained(b))
    assert b.take() == []


async def test_a_move_keeps_the_player_seen_and_the_room_active() -> None:
    """Also that of who hides."""
    stage = Stage()
    (a,) = await stage.seat("A", hide_position=True)
    await stage.pass_time(3)
    await stage.turn(m.Move(a, 1.0, 1.0))
    state = stage.room().state
    assert state.last_activity_ms == stage.clock.now_ms()
    assert state.players[SocketId("A")].motion.last_seen_ms == stage.clock.now_ms()


@pytest.mark.rule("G7.12")
async def test_without_a_tick_each_turn_tells_its_moves_at_its_end() -> None:
    """Those of one turn together, the last one of each; no timer runs."""
    stage = Stage(tick_ms=0)
    a, b = await stage.seat("A", "B")
    timers = len(stage.clock.waiting())
    for step in range(3):
        await stage.turn(m.Move(a, float(step), 0.0), m.Move(b, 0.0, 0.0), m.Move(a, 9.0, step))
        assert b.take() == a.take() == [f"moved A 9 {step}, B 0 0"]
        assert len(stage.clock.waiting()) == timers
        assert stage.room().mailbox.patient is False


@pytest.mark.rule("C5.2")
async def test_moves_are_encoded_once_for_each_form_in_use() -> None:
    """The compact one counts by the order of the names, as of the version all have reached."""
    stage = Stage(tick_ms=0)
    d, a, c, b = await stage.seat("D", "A", "C", "B")
    stage.encoder.count.clear()
    await stage.turn(m.Move(d, 1.0, 2.0), m.Move(b, 3.0, 4.0))
    assert stage.encoder.count == {"moves": 1}
    a.form = c.form = Form.COMPACT
    stage.forget()
    await stage.turn(m.Move(d, 1.0, 2.0), m.Move(b, 3.0, 4.0))
    assert stage.encoder.count == {"moves": 2, "compact_moves": 1}
    assert a.take() == c.take() == ["moved [1, 3] of 4 at v4: B 3 4, D 1 2"]
    assert b.take() == d.take() == ["moved D 1 2, B 3 4"]
    for outlet in (b, d):
        outlet.form = Form.COMPACT
    await stage.turn(m.Move(d, 1.0, 2.0))
    assert stage.encoder.count == {"moves": 2, "compact_moves": 2}


@pytest.mark.rule("C5.2", "G7.5")
async def test_numbers_follow_who_comes_and_goes() -> None:
    """Those of the moves behind an event are of the list after it."""
    stage = Stage(tick_ms=0)
    a, c = await stage.seat("A", "C")
    c.form = Form.COMPACT
    await stage.turn(m.Move(c, 1.0, 1.0))
    stage.forget()
    b = stage.outlet("B")
    await stage.turn(m.Move(c, 2.0, 2.0), stage.join(b))
    assert c.take() == ["joined B v3", "moved [2] of 3 at v3: C 2 2"]
    await stage.turn(m.Leave(a, LeaveReason.LEFT), m.Move(c, 3.0, 3.0))
    assert c.take() == ["left A(left) v4", "moved [1] of 2 at v4: C 3 3"]


@pytest.mark.rule("C5.2", "G8.3")
async def test_a_compact_reader_that_skipped_moves_is_told_all_positions() -> None:
    """In its own form, when it has drained; and in the other, where it comes back with that."""
    stage = Stage(tick_ms=0)
    a, b = await stage.seat("A", "B")
    b.form = Form.COMPACT
    b.skips_moves = True
    await stage.turn(m.Move(a, 5.0, 5.0))
    b.skips_moves = False
    stage.forget()
    await stage.turn(m.Drained(b))
    assert b.take() == ["moved [0, 1] of 2 at v2: A 5 5, B 0 0"]
    await stage.lose(b)
    again = stage.outlet("B")
    await stage.turn(stage.resume(again, "B", version=2))
    stage.forget()
    await stage.turn(m.Move(a, 6.0, 6.0))
    assert again.take() == ["moved A 6 6"]
