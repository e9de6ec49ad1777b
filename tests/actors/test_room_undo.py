"""A room that commits first, over a disk that fails: what is not durable was never asked."""

import pytest

from actors import messages as m
from actors.answers import Refused, Resumed
from actors.ids import SocketId
from actors.members import Hearing
from actors.players import LeaveReason
from tests.actors.stage import settle
from tests.actors.test_room_commits import done, failed, waiting


@pytest.mark.rule("P2.2")
async def test_a_batch_that_failed_was_never_asked() -> None:
    """Everybody who asked is told so, and everything is as before, versions included."""
    stage, (a, b) = await waiting("A", "B")
    newcomer = stage.outlet("C")
    await stage.turn(
        m.Ready(a), stage.join(newcomer), m.Update(b, "Bob", None), m.Leave(b, LeaveReason.LEFT)
    )
    await failed(stage)
    for outlet, count in ((a, 1), (b, 2), (newcomer, 1)):
        assert outlet.take() == ["refused unavailable"] * count
        refusal = outlet.answer_of(Refused).refusal
        assert refusal.retryable
        assert refusal.retry_after_ms == 1000
    room = stage.room()
    assert (room.state.version, sorted(room.state.players), sorted(room.members)) == (
        2,
        ["A", "B"],
        ["A", "B"],
    )
    assert room.state.checksum() == room.state.recomputed_checksum()
    assert stage.census.players == 2
    assert not stage.log.of("player_left")
    assert len(stage.log.of("player_joined")) == 2
    assert stage.metrics.count["player_joined"] == 2


@pytest.mark.rule("P2.2")
async def test_after_a_failed_batch_the_same_requests_succeed() -> None:
    """With the versions that nobody has seen, and the disk then has it all."""
    stage, (a, b) = await waiting("A", "B")
    await stage.turn(m.Ready(a))
    await failed(stage)
    await stage.pass_time(1)
    stage.store.at_once = True
    while stage.store.asked:
        await done(stage)
    a.take()
    await stage.turn(m.Ready(a))
    assert b.take() == ["ready A v3"]
    assert a.take() == ["ready A v3", "ok v3"]
    assert stage.kept()[SocketId("A")].player.is_ready


@pytest.mark.rule("P2.2")
async def test_a_batch_that_takes_too_long_is_undone_also_where_it_becomes_durable_later() -> None:
    """What the room writes next is the whole room."""
    stage, (a, b) = await waiting("A", "B", commit_timeout_s=2)
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(1.999)
    assert a.take() == []
    await stage.pass_time(0.001)
    assert a.take() == ["refused unavailable"]
    await done(stage)
    assert sorted(stage.kept()) == ["B"], "it became durable after all"
    stage.store.at_once = True
    while stage.store.asked:
        await done(stage)
    await stage.pass_time(0.05)
    assert sorted(stage.kept()) == ["A", "B"]
    assert b.take() == []


@pytest.mark.rule("P2.3")
async def test_a_loss_that_could_not_be_stored_is_told_as_soon_as_it_can_be() -> None:
    """Nobody would ask again, so the room does; the grace counts from then."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=1)
    a.cut()
    await stage.turn(m.Lost(a))
    await failed(stage)
    assert b.take() == []
    await stage.pass_time(1)
    await done(stage)
    assert b.take() == ["connection A- v3"]
    assert stage.room().members[SocketId("A")].hearing is Hearing.LOST


@pytest.mark.rule("P2.3")
async def test_a_leave_whose_session_has_moved_on_is_not_forgotten() -> None:
    """It sits in another room by now."""
    stage, (a, b) = await waiting("A", "B")
    a.alive = False
    await stage.turn(m.Leave(a, LeaveReason.SWITCHED))
    await failed(stage)
    stage.roster.rise(a.room_id, a)
    await stage.pass_time(1)
    await done(stage)
    assert b.take() == ["left A(switched) v3"]


@pytest.mark.rule("P2.3", "G6.13")
async def test_the_end_of_a_grace_that_could_not_be_stored_comes_again() -> None:
    """Once, when the disk takes it."""
    stage, (a, b) = await waiting("A", "B", resume_grace_s=30, store_retry_s=1)
    stage.store.at_once = True
    await stage.lose(a)
    b.take()
    stage.store.at_once = False
    await stage.pass_time(30)
    while stage.store.waits[0] != "write":
        await done(stage)
    await failed(stage)
    assert b.take() == []
    await stage.pass_time(1)
    while stage.store.asked:
        await done(stage)
    assert b.take() == ["left A(timeout) v4"]


@pytest.mark.rule("P2.2", "G6.4")
async def test_a_resume_that_could_not_be_stored_leaves_the_player_as_it_was() -> None:
    """Lost, with what is left of its grace; the same token works later."""
    stage, (a, b) = await waiting("A", "B", resume_grace_s=30)
    stage.store.at_once = True
    await stage.lose(a)
    b.take()
    stage.store.at_once = False
    again = stage.outlet("A")
    await stage.turn(stage.resume(again, "A", version=2))
    await failed(stage)
    assert again.take() == ["refused unavailable"]
    assert b.take() == []
    await stage.pass_time(1)
    stage.store.at_once = True
    while stage.store.asked:
        await done(stage)
    later = await stage.come_back("A", version=2)
    assert isinstance(later.answers[-1], Resumed)
    assert b.take() == ["connection A+ v4"]


@pytest.mark.rule("P2.2")
async def test_somebody_who_is_gone_when_its_join_is_durable_is_lost_and_not_left_over() -> None:
    """Its session knows of no seat, so nobody else would say so."""
    stage, (a,) = await waiting("A", resume_grace_s=30)
    newcomer = stage.outlet("B")
    await stage.turn(stage.join(newcomer))
    newcomer.alive = False
    stage.store.at_once = True
    await done(stage)
    assert a.take() == ["joined B v2", "connection B- v3"]
    await stage.pass_time(30)
    assert a.take() == ["left B(timeout) v4"]


async def test_a_self_check_sees_no_breach_in_what_waits_for_the_disk() -> None:
    """A loss that cannot be stored is no bug of the room."""
    stage, (a, b) = await waiting("A", "B", self_check_s=1, store_retry_s=0.3)
    a.cut()
    await stage.turn(m.Lost(a))
    for _ in range(20):
        await failed(stage)
        await stage.pass_time(0.3)
    assert stage.metrics.count["room_restarted"] == 0
    stage.store.at_once = True
    await done(stage)
    assert b.take() == ["connection A- v3"]


@pytest.mark.rule("P2.3")
async def test_what_came_meanwhile_does_not_share_the_fate_of_what_was_undone() -> None:
    """A message needs no disk and passes, try after try; the loss follows when it can."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=0.1, resume_grace_s=1000)
    a.cut()
    await stage.turn(m.Lost(a))
    for number in range(3):
        stage.post(m.Say(b, "chat", number))
        await failed(stage)
        assert b.take() == [f"said B: {number}", "ok v2"]
        await stage.pass_time(0.1)
    await done(stage)
    assert b.take() == ["connection A- v3"]


async def test_a_disk_that_now_fails_and_now_works_is_no_breach_of_a_room() -> None:
    """Looks of the self-check fall between the tries, and each sees what could not be stored."""
    stage, (a, b) = await waiting("A", "B", self_check_s=1, store_retry_s=0.1, resume_grace_s=1000)
    a.cut()
    await stage.turn(m.Lost(a))
    await stage.pass_time(1)
    for number in range(4):
        stage.post(m.Update(b, f"n{number}", None))
        await failed(stage)
        await stage.pass_time(0.1)
        if stage.store.asked:
            await done(stage)
        await stage.turn(m.Update(b, f"m{number}", None))
    assert stage.metrics.count["room_restarted"] == 0


@pytest.mark.rule("G7.1")
async def test_a_move_that_was_undone_is_told_later() -> None:
    """The last position always arrives."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=1)
    await stage.turn(m.Move(a, 1.0, 2.0))
    await failed(stage)
    stage.store.at_once = True
    await stage.pass_time(2)
    assert b.take() == ["moved A 1 2"]


@pytest.mark.rule("P2.6", "G7.1")
@pytest.mark.parametrize("tick_ms", [0, 16])
async def test_a_message_does_not_share_the_fate_of_moves_that_cannot_be_stored(
    tick_ms: int,
) -> None:
    """Try after try, though each message comes while the moves are tried again."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=1, tick_ms=tick_ms)
    await stage.turn(m.Move(a, 1.0, 2.0))
    for number in range(3):
        stage.post(m.Say(b, "chat", number))
        await failed(stage)
        assert b.take() == [f"said B: {number}", "ok v2"]
        await stage.pass_time(1)
        assert stage.store.waits == ["write"]
    while stage.store.asked:
        await done(stage)
        await stage.pass_time(0.1)
    assert b.take() == ["moved A 1 2"]


@pytest.mark.rule("P2.2")
async def test_over_a_disk_in_trouble_no_whole_state_shows_a_move_that_is_not_stored() -> None:
    """It is refused with them."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=1)
    await stage.turn(m.Move(a, 1.0, 2.0))
    stage.post(m.Describe(b))
    await failed(stage)
    await stage.pass_time(1)
    await failed(stage)
    assert b.take() == ["refused unavailable"]


@pytest.mark.rule("G9.1")
async def test_a_recovery_that_fails_commits_once_a_try_and_handles_nothing_meanwhile() -> None:
    """What waits in the mailbox waits until the room is back."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=1, resume_grace_s=1000)
    stage.encoder.poison = "poison"
    stage.post(m.Say(a, "chat", "poison"))
    await settle()
    stage.post(m.Ready(b))
    b_gone = m.Leave(b, LeaveReason.SWITCHED)
    for _ in range(3):
        await failed(stage)
        await stage.pass_time(1)
        assert stage.store.waits == ["write"]
    b.cut()
    stage.post(b_gone)
    stage.store.at_once = True
    while stage.store.asked:
        await done(stage)
    await stage.pass_time(5)
    assert sorted(stage.room().members) == ["A"]
    assert b_gone.outlet is b
    assert "left B(switched)" in " ".join(a.take())


@pytest.mark.rule("G6.1", "G9.1")
async def test_a_session_that_goes_while_a_recovery_waits_for_the_disk_is_lost() -> None:
    """The room is held against the sessions at each try."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=1, resume_grace_s=1000)
    stage.encoder.poison = "poison"
    stage.post(m.Say(a, "chat", "poison"))
    await settle()
    b.cut()
    await failed(stage)
    stage.store.at_once = True
    await stage.pass_time(2)
    assert a.take()[-1].startswith("roomState roomRecovered")
    assert not stage.room().state.players[SocketId("B")].connected
