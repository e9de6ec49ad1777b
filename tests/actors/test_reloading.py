"""Rooms that come back from the store: loading, the grace since the start, positions, crashes."""

from typing import Any

import pytest

from actors import messages as m
from actors.answers import Joined, Refused
from actors.directory import Phase
from actors.ids import RoomId, SocketId
from actors.members import Hearing
from actors.players import LeaveReason
from actors.ports import Found
from actors.records import Stamp
from actors.settings import Durability
from actors.stores.memory import MemoryStore
from actors.stores.port import StoreDamaged
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.stage import ROOM, settle

A, B = SocketId("A"), SocketId("B")


async def restarted(*names: str, **settings: Any) -> KeptStage:
    """`names` were in the room when the server was killed; all is durable."""
    stage = KeptStage(**settings)
    await stage.seat(*names)
    return await stage.restart()


async def back(
    stage: KeptStage,
    name: str,
    *,
    version: int = 1,
    serial: int = 1,
    stamp: Stamp | None = None,
    room_id: RoomId = ROOM,
) -> FakeOutlet:
    """Show a token of the epoch before the restart."""
    outlet = stage.outlet(name, room_id)
    message = stage.resume(
        outlet, name, version=version, serial=serial, epoch=1, **({"stamp": stamp} if stamp else {})
    )
    await stage.turn(message)
    return outlet


def stamp_of(outlet: FakeOutlet) -> Stamp:
    """What is in the newest token that it was given."""
    return outlet.answer_of(Joined).stamp


# -- loading


@pytest.mark.rule("P4.1")
async def test_a_stored_room_is_loaded_when_it_is_first_asked_for() -> None:
    """Not before; everybody in it is lost, and nobody is told of anything else."""
    stage = await restarted("A", "B")
    assert stage.directory.rooms == {}
    a = await back(stage, "A", version=2)
    assert a.take() == ["Joined v3: A B?"]
    b = await back(stage, "B", version=2)
    assert b.take() == ["Joined v4: A B"]
    assert a.take() == ["connection B+ v4"]


@pytest.mark.rule("P4.1", "G4.3")
async def test_a_loaded_room_has_a_higher_epoch_and_goes_on_at_its_version() -> None:
    """Also where the clock went back."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    await stage.turn(m.Ready(a))
    epoch, version = stage.room().state.epoch, stage.room().state.version
    stage = await stage.restart()
    stage.clock._start_ms -= 10**6
    await back(stage, "A", version=2)
    assert stage.room().state.epoch > epoch
    assert stage.room().state.version == version + 1


@pytest.mark.rule("P4.1", "P4.7", "P1.2")
async def test_a_player_comes_back_with_all_that_it_was() -> None:
    """Name, attributes, ready, position, the time it joined; the room with its own."""
    stage = KeptStage()
    outlet = stage.outlet("A")
    hat = {"hat": ["red"]}
    await stage.turn(stage.join(outlet, display_name="Ann", attributes=hat, x=1.0, y=2.0))
    await stage.turn(m.Ready(outlet), m.Move(outlet, 5.0, 6.0))
    await stage.pass_time(1)
    created_ms = stage.room().state.created_at_ms
    before = stage.room().state.players[A]
    stage = await stage.restart()
    await stage.pass_time(3)
    await back(stage, "A")
    after = stage.room().state.players[A]
    assert after.display_name == "Ann"
    assert after.attributes == hat
    assert after.is_ready
    assert (after.motion.x, after.motion.y) == (5.0, 6.0)
    assert after.joined_at_ms == before.joined_at_ms
    assert stage.room().state.created_at_ms == created_ms


@pytest.mark.rule("P4.7")
async def test_a_room_that_was_reaped_keeps_the_time_it_was_made() -> None:
    """And begins at version 0, as there is nobody who could compare."""
    stage = KeptStage(room_idle_s=1)
    (a,) = await stage.seat("A")
    created_ms = stage.room().state.created_at_ms
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(2)
    assert stage.directory.rooms == {}
    await stage.seat("B")
    assert stage.room().state.created_at_ms == created_ms
    assert stage.room().state.version == 1
    stage = await stage.restart()
    await back(stage, "B")
    assert stage.room().state.created_at_ms == created_ms


async def test_joins_wait_while_a_room_is_loaded_and_follow_in_order() -> None:
    """However slow the disk is."""
    stage = await restarted("A")
    stage.store.at_once = False
    outlets = [stage.outlet(name) for name in "BCD"]
    await stage.turn(*(stage.join(outlet) for outlet in outlets))
    assert stage.directory.rooms[ROOM].phase is Phase.LOADING
    assert stage.directory.parked_count == 3
    stage.store.do()
    stage.store.at_once = True
    await settle()
    while stage.store.asked:
        stage.store.do()
        await settle()
    assert outlets[0].take() == ["Joined v4: A? B C D"]
    assert stage.directory.parked_count == 0


@pytest.mark.rule("G5.7")
async def test_joins_that_wait_too_long_for_the_disk_are_unavailable() -> None:
    """And when it answers at last, no room is opened for nobody."""
    stage = await restarted("A", join_timeout_s=5)
    stage.store.at_once = False
    b = stage.outlet("B")
    await stage.turn(stage.join(b))
    await stage.pass_time(5)
    assert b.take() == ["refused unavailable"]
    stage.store.do()
    await settle()
    assert stage.directory.rooms == {}
    assert stage.directory.loading == set()


async def test_a_room_that_cannot_be_loaded_is_unavailable_until_it_can() -> None:
    """Nothing is guessed, and the next join asks again."""
    stage = await restarted("A")
    stage.store.at_once = False
    b = stage.outlet("B")
    await stage.turn(stage.join(b))
    stage.store.fail(StoreDamaged("the record of room room was set aside"))
    await settle()
    assert b.take() == ["refused unavailable"]
    assert stage.directory.rooms == {}
    await stage.turn(stage.join(b))
    assert stage.store.waits == ["load"]


async def test_a_join_that_may_not_wait_asks_the_store_once_at_most() -> None:
    """However often it comes: a store that stalls does not gather what nobody waits for."""
    stage = await restarted("A", parked_joins_max=1)
    (other,) = await stage.seat("Z", room_id=RoomId("other"))
    stage = await stage.restart()
    stage.store.at_once = False
    await stage.turn(stage.join(stage.outlet("W", other.room_id)))
    b = stage.outlet("B")
    for _ in range(3):
        await stage.turn(stage.join(b))
        assert b.take() == ["refused unavailable"]
    assert stage.store.waits == ["load", "load"]
    for _ in range(2):
        stage.store.do()
        await settle()
    assert (ROOM in stage.directory.rooms, stage.directory.loading) == (False, set())
    await stage.turn(stage.join(b))
    assert stage.store.waits[-1] == "load"
    while stage.store.asked:
        stage.store.do()
        await settle()
    assert b.take() == ["Joined v2: A? B"]


async def test_a_record_that_no_room_can_be_made_of_is_unavailable_and_named() -> None:
    """Its joiners are answered, and the registry goes on."""
    stage = await restarted("A")
    record = stage.store._store.load(ROOM)
    assert record is not None
    record.rows[A] = ("too", "short")  # type: ignore[assignment]
    stage.store._store.load = lambda room_id: record  # type: ignore[method-assign]
    b = stage.outlet("B")
    await stage.turn(stage.join(b))
    assert b.take() == ["refused unavailable"]
    assert stage.log.of("room_not_loaded")[0].room_id == ROOM
    assert (stage.directory.rooms, stage.directory.parked_count) == ({}, 0)
    assert not stage.log.of("registry_restarted")


async def test_a_registry_that_fails_while_a_room_is_loaded_asks_again() -> None:
    """What waits for the room is not lost."""
    stage = await restarted("A")
    stage.store.at_once = False
    b = stage.outlet("B")
    await stage.turn(stage.join(b))
    stage.directory.registry.tell(m.RoomFound(ROOM, None))  # type: ignore[arg-type]  # poison
    await settle()
    assert stage.log.of("registry_restarted")
    stage.store.at_once = True
    while stage.store.asked:
        stage.store.do()
        await settle()
    assert b.take() == ["Joined v2: A? B"]


# -- the grace since the start


@pytest.mark.rule("P4.2", "G6.13")
async def test_who_does_not_come_back_leaves_once_when_the_grace_since_the_start_ends() -> None:
    """However late the room was loaded."""
    stage = await restarted("A", "B", "C", resume_grace_s=30)
    await stage.pass_time(20)
    a = await back(stage, "A")
    a.take()
    await stage.pass_time(9.999)
    assert a.take() == []
    await stage.pass_time(0.001)
    assert a.take() == ["left B(timeout) C(timeout) v6"]
    await stage.pass_time(100)
    assert a.take() == []
    assert stage.metrics.count["player_left timeout"] == 2


@pytest.mark.rule("P4.3", "P4.4")
async def test_after_the_grace_a_stored_room_shows_nobody_of_before() -> None:
    """They timed out, which is told once to the operator, and to nobody else."""
    stage = await restarted("A", "B", resume_grace_s=30)
    await stage.pass_time(30)
    late = await back(stage, "A")
    assert late.take() == ["refused resumeExpired"]
    assert stage.directory.rooms == {}
    (c,) = await stage.seat("C")
    assert sorted(stage.room().state.players) == ["C"]
    assert [line.socket_id for line in stage.log.of("player_left")] == ["A", "B"]
    assert stage.metrics.count["player_left timeout"] == 2
    assert c.take() == []
    await stage.pass_time(1)
    assert sorted(stage.kept()) == ["C"]
    later = await stage.restart()
    await later.pass_time(40)
    await later.seat("D")
    assert later.metrics.count["player_left timeout"] == 1


@pytest.mark.rule("G6.14")
async def test_stored_players_count_and_always_fit() -> None:
    """A full room is full also before they are back."""
    stage = await restarted("A", "B", players_max=2)
    c = stage.outlet("C")
    await stage.turn(stage.join(c))
    assert c.take() == ["refused roomFull"]
    a = await back(stage, "A")
    assert a.take()[0].startswith("Joined")


@pytest.mark.rule("C4.7")
async def test_a_newer_session_replaces_a_stored_one_of_the_same_user() -> None:
    """Under one_session_per_user; the old token is then void."""
    stage = await restarted("A", one_session_per_user=True)
    newer = stage.outlet("B")
    await stage.turn(stage.join(newer, person="user-A"))
    assert newer.take() == ["Joined v3: B"]
    late = await back(stage, "A")
    assert late.take() == ["refused resumeExpired"]


# -- positions, in fast


@pytest.mark.rule("P1.3")
async def test_positions_are_kept_now_and_then() -> None:
    """Every position_save_s, however much somebody moves."""
    stage = KeptStage(durability=Durability.FAST, position_save_s=5)
    (a,) = await stage.seat("A")
    await stage.pass_time(0.1)
    writes = len(stage.store.batches)
    for step in range(40):
        await stage.turn(m.Move(a, float(step), 0.0))
        await stage.pass_time(0.1)
    assert len(stage.store.batches) == writes
    await stage.pass_time(5)
    assert len(stage.store.batches) == writes + 1
    assert stage.kept()[A].player.motion.x == 39.0


# -- crashes and ends


async def test_a_crashed_room_is_kept_as_it_comes_back() -> None:
    """With its new epoch."""
    stage = KeptStage(durability=Durability.FAST)
    a, b = await stage.seat("A", "B")
    stage.encoder.poison = "poison"
    await stage.turn(m.Ready(a), m.Say(b, "chat", "poison"))
    await stage.pass_time(0.1)
    record = MemoryStore(stage.disk).load(ROOM)
    assert record is not None
    assert record.epoch == stage.room().state.epoch
    assert stage.kept()[A].player.is_ready


@pytest.mark.rule("G9.4")
async def test_a_room_that_was_closed_for_crashing_comes_back_empty() -> None:
    """Its members were told that they are out."""
    stage = KeptStage(durability=Durability.FAST, room_restarts_max=0, room_closed_s=1)
    (a,) = await stage.seat("A")
    stage.encoder.poison = "poison"
    await stage.turn(m.Say(a, "chat", "poison"))
    await stage.pass_time(0.1)
    assert stage.kept() == {}
    stage = await stage.restart()
    assert (await back(stage, "A")).take() == ["refused resumeExpired"]


async def test_a_loaded_room_holds_against_its_self_check() -> None:
    """Those who are not back have no session, and need none."""
    stage = await restarted("A", "B", self_check_s=1)
    await back(stage, "A")
    await stage.pass_time(10)
    assert stage.metrics.count["room_restarted"] == 0
    assert stage.room().members[B].hearing is Hearing.LOST
    assert stage.census.players == 2


async def test_a_join_refused_by_a_loaded_room_is_told_so() -> None:
    """As by any room."""
    stage = await restarted("A", players_max=1)
    b = stage.outlet("B")
    await stage.turn(stage.join(b))
    assert b.answer_of(Refused).refusal.code == "roomFull"


@pytest.mark.rule("P4.7")
async def test_loading_a_room_is_no_activity_in_it() -> None:
    """Only who comes back is."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    await stage.pass_time(10)
    await stage.turn(m.Ready(a))
    before_ms = stage.room().state.last_activity_ms
    stage = await stage.restart()
    await stage.pass_time(3)
    stranger = stage.outlet("W")
    await stage.turn(stage.resume(stranger, "W", version=1, epoch=1))
    assert stage.room().state.last_activity_ms == before_ms


async def test_an_answer_of_the_store_for_a_room_that_is_open_changes_nothing() -> None:
    """It was asked for twice."""
    stage = KeptStage()
    await stage.seat("A")
    room = stage.room()
    stage.directory.registry.tell(m.RoomFound(ROOM, Found()))
    await settle()
    assert stage.directory.rooms[ROOM].mailbox._owner is room


async def test_a_resume_does_not_open_a_stored_room_that_is_empty() -> None:
    """Nobody can come back to it."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    stage = await stage.restart()
    assert (await back(stage, "A")).take() == ["refused resumeExpired"]
    assert stage.directory.rooms == {}


@pytest.mark.rule("G4.2")
async def test_a_room_that_was_closed_keeps_its_epoch_and_the_time_it_was_made() -> None:
    """The next one is higher."""
    stage = KeptStage(room_restarts_max=0)
    (a,) = await stage.seat("A")
    epoch, created_ms = stage.room().state.epoch, stage.room().state.created_at_ms
    stage.encoder.poison = "poison"
    await stage.turn(m.Say(a, "chat", "poison"))
    await stage.pass_time(1)
    record = stage.store._store.load(ROOM)
    assert record is not None
    assert (record.epoch, record.created_at_ms, record.rows) == (epoch, created_ms, {})
