"""Tokens over a restart: who is seated again, whom the store knows better, which are void."""

from dataclasses import replace
from typing import Any

import pytest

from actors import messages as m
from actors.answers import Joined
from actors.ids import RoomId, SocketId, UserId
from actors.players import LeaveReason
from actors.records import Stamp
from actors.settings import Durability
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.stage import ROOM, profile_of, settle
from tests.actors.test_reloading import A, B, back, restarted, stamp_of

OTHER = RoomId("other")


@pytest.mark.rule("P4.5", "G6.9")
async def test_who_left_stays_out_over_restarts() -> None:
    """Its token is of a batch that the store has."""
    stage = KeptStage()
    a, _ = await stage.seat("A", "B")
    stamp = stamp_of(a)
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    for _ in range(3):
        stage = await stage.restart()
        late = await back(stage, "A", stamp=stamp)
        assert late.take() == ["refused resumeExpired"]


@pytest.mark.rule("P4.6")
async def test_tokens_before_the_proven_one_stay_void_over_a_restart() -> None:
    """Those from it on still work."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    await stage.turn(stage.join(a))
    a.heard = True
    await stage.turn(m.Heard(a))
    stage = await stage.restart()
    old = await back(stage, "A", serial=1)
    assert old.take() == ["refused resumeExpired"]
    new = await back(stage, "A", serial=2)
    assert new.take() == ["Joined v2: A"]


async def unflushed(*names: str, **settings: Any) -> tuple[KeptStage, dict[SocketId, Stamp]]:
    """`names` were told that they sit, and killed with the server before the disk knew."""
    stage = KeptStage(durability=Durability.FAST, **settings)
    stage.store.at_once = False
    outlets = [stage.outlet(name) for name in names]
    stage.post(*(stage.join(outlet) for outlet in outlets))
    await settle()
    while stage.store.waits[:1] == ["load"]:
        stage.store.do()
        await settle()
    stamps = {outlet.socket_id: stamp_of(outlet) for outlet in outlets}
    assert stage.disk.rooms == {}
    return await stage.restart(), stamps


@pytest.mark.rule("P1.1")
async def test_a_token_seats_again_whom_the_store_does_not_know() -> None:
    """Under the same name; those who came back before see it come."""
    stage, stamps = await unflushed("A", "B")
    a = await back(stage, "A", stamp=stamps[A])
    assert a.take() == ["Joined v1: A"]
    b = await back(stage, "B", stamp=stamps[B])
    assert b.take() == ["Joined v2: A B"]
    assert a.take() == ["joined B v2"]
    assert stage.room().members[B].person == "user-B"
    assert stage.metrics.count["player_joined"] == 0
    assert stage.metrics.count["resume_ended joined"] == 2


@pytest.mark.rule("P1.1", "G6.14")
async def test_who_is_recalled_fits_into_a_full_room() -> None:
    """Its seat was promised."""
    stage, stamps = await unflushed("A", players_max=1)
    await stage.seat("Z")
    a = await back(stage, "A", stamp=stamps[A])
    assert a.take() == ["Joined v2: A Z"]


@pytest.mark.rule("P1.1", "P4.5")
async def test_who_was_recalled_and_left_stays_out() -> None:
    """In this run and, since the disk knows, in the next; so does any newer token of it."""
    stage, stamps = await unflushed("A")
    a = await back(stage, "A", stamp=stamps[A])
    newer = stamp_of(a)
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    assert (await back(stage, "A", stamp=stamps[A])).take() == ["refused resumeExpired"]
    await stage.pass_time(0.1)
    stage = await stage.restart()
    for serial, stamp in ((1, stamps[A]), (2, newer)):
        late = await back(stage, "A", serial=serial, stamp=stamp)
        assert late.take() == ["refused resumeExpired"]


@pytest.mark.rule("P1.1")
async def test_a_recalled_player_is_recalled_again_when_the_server_dies_once_more() -> None:
    """In the same grace, and before the disk knew of it."""
    stage, stamps = await unflushed("A")
    stage.store.at_once = False
    stage = await stage.restart()
    a = await back(stage, "A", stamp=stamps[A])
    assert a.take() == ["Joined v1: A"]


async def recalled_durably() -> tuple[KeptStage, FakeOutlet, Stamp]:
    """A run that seated A again, durably; A's way to its room, and its stamp from before."""
    stage, stamps = await unflushed("A")
    a = await back(stage, "A", stamp=stamps[A])
    await stage.pass_time(0.1)
    assert stage.disk.recalled == {A: stage.disk.run}
    return stage, a, stamps[A]


async def switched(stage: KeptStage, outlet: FakeOutlet, room_id: RoomId) -> FakeOutlet:
    """Seat its session in `room_id` and let it leave where it sat; its way to the new room."""
    there = stage.outlet(str(outlet.socket_id), room_id)
    await stage.turn(stage.join(there))
    await stage.turn(m.Leave(outlet, LeaveReason.SWITCHED))
    while stage.store.waits[:1] == ["load"]:
        stage.store.do()
        await settle()
    assert stage.disk.mark < stamp_of(there).mark
    return there


@pytest.mark.rule("P1.1")
async def test_a_recalled_player_that_switched_in_a_gap_is_recalled_by_its_newest_token() -> None:
    """Nothing of the switch is durable: it was told that it sits in the other room."""
    stage, a, _ = await recalled_durably()
    stage.store.at_once = False
    there = await switched(stage, a, OTHER)
    newest = stamp_of(there)
    stage = await stage.restart()
    there = await back(stage, "A", stamp=newest, room_id=OTHER)
    assert there.take() == ["Joined v1: A"]


@pytest.mark.rule("P1.1", "P4.5", "G6.9")
@pytest.mark.parametrize("room_id", [ROOM, OTHER])
async def test_of_a_player_recalled_twice_all_is_void_that_it_held_before_once_it_left(
    room_id: RoomId,
) -> None:
    """The second time by the token of a gap of the run that recalled it first, and by no other."""
    stage, a, first = await recalled_durably()
    known = stamp_of(a)
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(0.1)
    stage.store.at_once = False
    newest = stamp_of(await switched(stage, a, room_id))
    assert newest > known > first
    stage = await stage.restart()
    for stamp in (first, known):
        assert (await back(stage, "A", stamp=stamp)).take() == ["refused resumeExpired"]
    a = await back(stage, "A", stamp=newest, room_id=room_id)
    assert a.answer_of(Joined).serial == 2
    assert list(stage.room(room_id).state.players) == [A]
    last = stamp_of(a)
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(0.1)
    for _ in "two runs":
        for stamp in (first, known, newest, last):
            late = await back(stage, "A", stamp=stamp, room_id=room_id)
            assert late.take() == ["refused resumeExpired"]
        stage = await stage.restart()


@pytest.mark.rule("P1.1", "P4.5")
async def test_what_a_recalled_player_held_before_stays_void_when_its_departure_is_lost() -> None:
    """It is in the store, and comes back by the token that it was given then, or not at all."""
    stage, a, first = await recalled_durably()
    newer = stamp_of(a)
    stage.store.at_once = False
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    stage = await stage.restart()
    a = await back(stage, "A", serial=2, stamp=newer)
    assert a.take() == ["Joined v2: A"]
    newest = stamp_of(a)
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(0.1)
    stage = await stage.restart()
    for serial, stamp in ((1, first), (2, newer), (3, newest)):
        late = await back(stage, "A", serial=serial, stamp=stamp)
        assert late.take() == ["refused resumeExpired"]


@pytest.mark.rule("P1.1", "P4.5")
async def test_a_second_recall_that_is_undone_leaves_void_what_the_first_one_made_so() -> None:
    """And may be tried again."""
    stage, a, first = await recalled_durably()
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(0.1)
    stage.store.at_once = False
    newest = stamp_of(await switched(stage, a, ROOM))
    stage = await stage.restart(durability=Durability.JOURNAL, store_retry_s=1)
    stage.store.at_once = False
    outlet = stage.outlet("A")
    await stage.turn(stage.resume(outlet, "A", version=1, epoch=1, stamp=newest))
    while stage.store.waits[:1] == ["load"]:
        stage.store.do()
        await settle()
    stage.store.fail()
    await settle()
    assert outlet.take() == ["refused unavailable"]
    stage.store.at_once = True
    await stage.pass_time(1)
    assert (await back(stage, "A", stamp=first)).take() == ["refused resumeExpired"]
    assert (await back(stage, "A", stamp=newest)).answer_of(Joined).serial == 2


@pytest.mark.rule("P1.1", "P2.2")
async def test_a_recall_that_took_too_long_to_store_spends_nothing() -> None:
    """It is not written, and the next run may try."""
    stage, stamps = await unflushed("A")
    stage = await stage.restart(durability=Durability.JOURNAL, commit_timeout_s=2)
    await stage.seat("Z", room_id=OTHER)
    stage.store.at_once = False
    z = stage.members(OTHER)[0]
    await stage.turn(m.Ready(z))
    assert stage.store.waits == ["write"]
    a = stage.outlet("A")
    await stage.turn(stage.resume(a, "A", version=1, epoch=1, stamp=stamps[A]))
    await stage.pass_time(2.5)
    assert a.take() == ["refused unavailable"]
    while stage.store.waits:
        stage.store.do()
        await stage.pass_time(0.1)
    assert stage.disk.recalled == {}
    stage = await stage.restart()
    assert (await back(stage, "A", stamp=stamps[A])).answer_of(Joined).serial == 2


@pytest.mark.rule("P4.4")
async def test_nobody_is_recalled_after_the_grace() -> None:
    """Whether or not the room is open."""
    stage, stamps = await unflushed("A", resume_grace_s=30)
    await stage.pass_time(30)
    assert (await back(stage, "A", stamp=stamps[A])).take() == ["refused resumeExpired"]
    await stage.seat("Z")
    assert (await back(stage, "A", stamp=stamps[A])).take() == ["refused resumeExpired"]
    assert stage.disk.gaps == {}


async def test_a_resume_in_a_room_that_nobody_was_in_opens_none() -> None:
    """Asked for, and not there."""
    stage = await restarted("A")
    outlet = stage.outlet("Q", RoomId("other"))
    await stage.turn(stage.resume(outlet, "Q", version=1, epoch=1))
    assert outlet.refusal() == "resumeExpired"
    assert stage.directory.rooms == {}
    assert stage.metrics.count["resume_ended expired"] == 1


@pytest.mark.rule("P1.1")
async def test_a_recall_that_could_not_be_stored_may_be_tried_again() -> None:
    """In a journal, over a disk that fails once."""
    stage, stamps = await unflushed("A", store_retry_s=1)
    stage = await stage.restart(durability=Durability.JOURNAL)
    stage.store.at_once = False
    outlet = stage.outlet("A")
    resume = stage.resume(outlet, "A", version=1, epoch=1, stamp=stamps[A])
    await stage.turn(resume)
    stage.store.fail()
    await settle()
    assert outlet.take() == ["refused unavailable"]
    stage.store.at_once = True
    await stage.pass_time(1)
    a = await back(stage, "A", stamp=stamps[A])
    assert a.take() == ["Joined v1: A"]


@pytest.mark.rule("P1.1")
async def test_the_newest_token_counts_also_where_the_disk_had_only_an_older_one() -> None:
    """Of a player that the store gave back; once it is back, no number beyond the newest does."""
    stage = await restarted("A")
    outlet = await back(stage, "A", serial=3)
    assert outlet.take() == ["Joined v2: A"]
    assert outlet.answer_of(Joined).serial == 4
    await stage.lose(outlet)
    assert (await back(stage, "A", serial=5)).take() == ["refused resumeExpired"]
    assert (await back(stage, "A", serial=4)).answer_of(Joined).serial == 5


@pytest.mark.rule("P1.1", "C4.7")
async def test_nobody_is_recalled_beside_a_newer_session_of_the_same_user() -> None:
    """Under one_session_per_user that one has replaced it."""
    stage, stamps = await unflushed("A", one_session_per_user=True)
    newer = stage.outlet("B")
    await stage.turn(stage.join(newer, person="user-A"))
    assert (await back(stage, "A", stamp=stamps[A])).take() == ["refused resumeExpired"]
    assert sorted(stage.room().state.players) == ["B"]
    assert newer.take() == ["Joined v1: B"]


@pytest.mark.rule("G5.1", "P4.1")
async def test_a_session_that_sat_here_in_the_midst_of_a_switch_is_seated_again_by_a_join() -> None:
    """As it was, with a token above all that it had; nobody sees it leave."""
    stage = await restarted("A", "B")
    b = await back(stage, "B")
    b.take()
    a = stage.outlet("A")
    await stage.turn(replace(stage.join(a), first_serial=7))
    assert a.take() == ["Joined v4: A B"]
    assert a.answer_of(Joined).serial == 7
    assert b.take() == ["connection A+ v4"]


@pytest.mark.rule("P1.1", "C4.7")
async def test_the_newest_session_of_a_user_is_recalled_in_place_of_the_stored_one() -> None:
    """It had replaced that one when the server died."""
    stage = KeptStage(durability=Durability.FAST, one_session_per_user=True)
    await stage.seat("A", person="pat")
    await stage.pass_time(1)
    stage.store.at_once = False
    b = stage.outlet("B")
    await stage.turn(stage.join(b, person="pat"))
    stamp = stamp_of(b)
    stage = await stage.restart()
    outlet = stage.outlet("B")
    resume = stage.resume(outlet, "B", version=1, epoch=1, stamp=stamp)
    await stage.turn(replace(resume, profile=profile_of("pat")))
    assert outlet.take() == ["Joined v3: B"]
    assert sorted(stage.room().state.players) == ["B"]


@pytest.mark.rule("G11.1", "G11.4")
async def test_a_session_that_joins_its_stored_seat_as_somebody_else_is_seated_afresh() -> None:
    """With the name and the privacy that it asks for now."""
    stage = await restarted("A", "B")
    b = await back(stage, "B", version=2)
    b.take()
    a = stage.outlet("A")
    await stage.turn(stage.join(a, person="other", hide_position=True))
    player = stage.room().state.players[A]
    assert (player.user_id, player.hide_position) == ("other", True)
    assert stage.room().members[A].person == "other"
    assert b.take() == ["left A(switched) v4", "joined A v5"]


@pytest.mark.rule("C4.7")
async def test_who_replaces_itself_fits_into_a_room_that_is_more_than_full() -> None:
    """Recalled players are beyond the bound; a refusal would have cost the seat that it had."""
    stage, stamps = await unflushed("A", players_max=1, one_session_per_user=True)
    (z,) = await stage.seat("Z", person="zoe")
    a = await back(stage, "A", stamp=stamps[A])
    newer = stage.outlet("Y")
    await stage.turn(stage.join(newer, person="zoe"))
    assert z.take()[-1] == "evicted replaced"
    assert newer.take() == ["Joined v4: A Y"]
    assert a.take() == ["Joined v2: A Z", "left Z(replaced) v3", "joined Y v4"]


@pytest.mark.rule("G6.9")
@pytest.mark.parametrize("other", [{"hide_position": True}, {"user_id": UserId("somebody")}])
async def test_who_joined_again_as_somebody_else_does_not_come_back_as_it_was(
    other: dict[str, Any],
) -> None:
    """The store has it from before, and its token says more: a leave and a join were lost."""
    stage = KeptStage(durability=Durability.FAST)
    (a, b) = await stage.seat("A", "B")
    await stage.pass_time(0.1)
    stage.store.at_once = False
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    again = stage.outlet("A")
    await stage.turn(replace(stage.join(again, **other), first_serial=2))
    newest, known = stamp_of(again), stamp_of(b)
    stage = await stage.restart()
    b = await back(stage, "B", stamp=known)
    assert b.take() == ["Joined v3: A? B"]
    a = stage.outlet("A")
    shown = stage.resume(a, "A", version=4, serial=2, epoch=1, stamp=newest)
    await stage.turn(replace(shown, profile=replace(shown.profile, **other)))
    assert a.take() == ["Joined v5: A B"]
    assert b.take() == ["left A(switched) v4", "joined A v5"]
    player = stage.room().state.players[A]
    assert all(getattr(player, name) == value for name, value in other.items())


@pytest.mark.rule("G6.9")
async def test_an_outdated_token_of_somebody_else_removes_nobody() -> None:
    """The player that the store has is the newer one."""
    stage = await restarted("A")
    a = stage.outlet("A")
    shown = stage.resume(a, "A", version=1, serial=0, epoch=1)
    await stage.turn(replace(shown, profile=replace(shown.profile, hide_position=True)))
    assert a.take() == ["refused resumeExpired"]
    assert (await back(stage, "A")).take() == ["Joined v2: A"]
