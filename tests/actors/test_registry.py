"""The directory of rooms: spawning, reaping by a handshake, parking, bounds, its own failures."""

import pytest

from actors import messages as m
from actors.answers import Joined, Refused
from actors.directory import Phase
from actors.ids import RoomId
from actors.players import LeaveReason
from tests.actors.closing import IDLE_S, Held, closing, emptied
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import ROOM, Stage, profile_of, settle

OTHER = RoomId("other")


# -- spawning


@pytest.mark.rule("G2.1")
async def test_a_join_to_a_cold_room_spawns_it() -> None:
    """The first of a storm; the rest go to the same room."""
    stage = Stage()
    came = [stage.outlet(name) for name in "ABC"]
    await stage.turn(*(stage.join(outlet) for outlet in came))
    assert [outlet.take() for outlet in came] == [["Joined v3: A B C"]] * 3
    assert list(stage.directory.rooms) == [ROOM]
    (line,) = stage.log.of("room_opened")
    assert (line.level, line.room_id) == ("debug", ROOM)
    assert stage.directory.mailbox_for(ROOM) is stage.directory.mailbox_of(ROOM)


async def test_rooms_are_separate() -> None:
    """A name is all that tells them apart."""
    stage = Stage()
    (a,) = await stage.seat("A")
    (b,) = await stage.seat("B", room_id=OTHER)
    await stage.turn(m.Ready(a))
    assert b.take() == []
    assert stage.room(OTHER).state.version == 1


@pytest.mark.rule("G4.1", "G4.2")
async def test_every_epoch_is_higher_than_any_before() -> None:
    """The wall clock where that is ahead, else one more: it may stand still or jump back."""
    stage = Stage(room_idle_s=IDLE_S)
    start_ms = stage.clock.now_ms()
    epochs = []
    for number in range(3):
        await stage.seat("A", room_id=RoomId(f"r{number}"))
        epochs.append(stage.room(RoomId(f"r{number}")).state.epoch)
    assert epochs == [start_ms, start_ms + 1, start_ms + 2]
    await stage.pass_time(1)
    await stage.seat("A", room_id=RoomId("later"))
    assert stage.room(RoomId("later")).state.epoch == start_ms + 1000
    stage.clock._start_ms -= 500_000
    await stage.seat("A", room_id=RoomId("back"))
    assert stage.room(RoomId("back")).state.epoch == start_ms + 1001
    assert 1 <= start_ms < 2**53


@pytest.mark.rule("E2.5")
async def test_no_more_rooms_than_the_server_holds() -> None:
    """Joins to those that are there succeed; one that is reaped makes room."""
    stage = Stage(rooms_max=2, room_idle_s=IDLE_S)
    (a,) = await stage.seat("A")
    await stage.seat("B", room_id=OTHER)
    late = stage.outlet("C", RoomId("third"))
    await stage.turn(stage.join(late))
    refusal = late.answer_of(Refused).refusal
    assert (refusal.code, refusal.retryable) == ("unavailable", True)
    assert refusal.retry_after_ms is not None
    await stage.seat("D")
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    (d,) = list(stage.roster.claims(ROOM))
    assert isinstance(d, FakeOutlet)
    await stage.turn(m.Leave(d, LeaveReason.LEFT))
    await stage.pass_time(IDLE_S)
    await stage.turn(stage.join(late))
    assert late.answer_of(Joined).version == 1


@pytest.mark.rule("G6.8", "G6.9")
async def test_nobody_can_resume_what_is_not_there() -> None:
    """A resume spawns no room."""
    stage, a = await emptied()
    await stage.pass_time(IDLE_S)
    again = stage.outlet("A")
    await stage.turn(m.Resume(again, ROOM, a.socket_id, 1, 1_000_000, 2, 0.0, 1e9, profile_of("A")))
    assert again.take() == ["refused resumeExpired"]
    assert stage.directory.rooms == {}
    assert stage.metrics.count["resume_ended expired"] == 1


async def test_a_room_with_too_much_to_do_refuses_the_join_and_keeps_the_rest() -> None:
    """The bound of its mailbox."""
    stage = Stage(mailbox_messages_max=3, turn_messages_max=3)
    came = [stage.outlet(name) for name in "ABCDE"]
    for outlet in came:
        stage.directory.registry.offer(stage.join(outlet))
    await settle()
    assert [outlet.take()[0] for outlet in came] == [
        *["Joined v3: A B C"] * 3,
        *["refused unavailable"] * 2,
    ]


# -- reaping


@pytest.mark.rule("G5.8")
async def test_an_empty_room_is_reaped_after_its_idle_time_and_nothing_is_left() -> None:
    """Not before; no record, no timer, no actor."""
    stage, _ = await emptied()
    mailbox = stage.directory.mailbox_of(ROOM)
    await stage.pass_time(IDLE_S - 0.001)
    assert ROOM in stage.directory.rooms
    await stage.pass_time(0.001)
    assert stage.directory.rooms == {}
    assert stage.directory.idle == {}
    assert stage.clock.waiting() == []
    assert not mailbox.offer("anything")
    assert stage.directory.mailbox_for(ROOM) is stage.directory.registry


@pytest.mark.rule("G4.2", "G5.8")
async def test_a_reaped_room_comes_back_with_a_higher_epoch() -> None:
    """Empty, at version 0 before its first join."""
    stage, _ = await emptied()
    epoch = stage.room().state.epoch
    await stage.pass_time(IDLE_S)
    (b,) = await stage.seat("B")
    assert b.answer_of(Joined).version == 1
    assert stage.room().state.epoch > epoch


@pytest.mark.rule("G6.15")
async def test_a_lost_player_keeps_its_room_from_being_idle() -> None:
    """The idle time begins when its grace has ended."""
    stage = Stage(room_idle_s=10, resume_grace_s=30)
    (a,) = await stage.seat("A")
    await stage.lose(a)
    await stage.pass_time(39)
    assert ROOM in stage.directory.rooms
    await stage.pass_time(1)
    assert ROOM not in stage.directory.rooms


async def test_the_idle_time_begins_anew_whenever_the_room_empties() -> None:
    """Somebody who came and went in between counts."""
    stage, _ = await emptied()
    await stage.pass_time(200)
    (b,) = await stage.seat("B")
    await stage.pass_time(50)
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    await stage.pass_time(IDLE_S - 1)
    assert ROOM in stage.directory.rooms
    await stage.pass_time(1)
    assert ROOM not in stage.directory.rooms


async def test_a_room_that_is_not_empty_any_more_is_left_alone() -> None:
    """It says that it is busy, and is reaped when its time comes."""
    stage, _ = await emptied()
    (b,) = await stage.seat("B")
    await stage.pass_time(IDLE_S * 2)
    assert stage.directory.rooms[ROOM].phase is Phase.LIVE
    assert b.take() == []
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    await stage.pass_time(IDLE_S)
    assert ROOM not in stage.directory.rooms


async def test_a_room_to_which_nobody_came_is_reaped_too() -> None:
    """Its only join was dropped, since its connection was gone."""
    stage = Stage(room_idle_s=IDLE_S)
    gone = stage.outlet("A")
    gone.alive = False
    await stage.turn(stage.join(gone))
    assert ROOM in stage.directory.rooms
    await stage.pass_time(IDLE_S)
    assert ROOM not in stage.directory.rooms


async def test_rooms_are_reaped_in_the_order_they_emptied_with_one_timer() -> None:
    """No sweep: what is due is at the head of a queue."""
    stage = Stage(room_idle_s=IDLE_S, self_check_s=10_000)
    for number in range(5):
        room_id = RoomId(f"r{number}")
        (outlet,) = await stage.seat("A", room_id=room_id)
        await stage.turn(m.Leave(outlet, LeaveReason.LEFT))
        await stage.pass_time(10)
    idle_timers = [due_s for due_s in stage.clock.waiting() if due_s < 10_000]
    assert idle_timers == [IDLE_S]
    reaped = []
    for _ in range(5):
        await stage.pass_time(min(stage.clock.waiting()) - stage.clock.monotonic_s())
        reaped.append(len(stage.directory.rooms))
    assert reaped == [4, 3, 2, 1, 0]
    assert [line.room_id for line in stage.log.of("room_reaped")] == [f"r{n}" for n in range(5)]


async def test_a_room_that_emptied_a_moment_later_is_reaped_a_moment_later() -> None:
    """The end of one idle time is not that of the next."""
    stage = Stage(room_idle_s=10)
    for room_id in (ROOM, OTHER):
        (outlet,) = await stage.seat("A", room_id=room_id)
        await stage.turn(m.Leave(outlet, LeaveReason.LEFT))
        await stage.pass_time(0.5)
    await stage.pass_time(9)
    assert list(stage.directory.rooms) == [OTHER]
    await stage.pass_time(0.5)
    assert stage.directory.rooms == {}
    assert stage.clock.waiting() == [], "the room's own timers ended with it"


# -- a join that meets the reaping


@pytest.mark.rule("G5.8")
async def test_a_join_that_meets_a_closing_room_succeeds_in_the_next_incarnation() -> None:
    """It is parked while the room ends, then the room is spawned for it."""
    stage, held = await closing()
    epoch = stage.directory.epoch
    b, c = stage.outlet("B"), stage.outlet("C")
    await stage.turn(stage.join(b), stage.join(c))
    assert b.take() == c.take() == []
    assert stage.directory.parked_count == 2
    await held.let_go()
    assert b.take() == c.take() == ["Joined v2: B C"]
    assert stage.room().state.epoch > epoch
    assert stage.directory.parked_count == 0
    assert not stage.directory.parked


@pytest.mark.rule("G5.8")
async def test_a_join_before_the_close_keeps_the_room_and_what_was_parked_follows() -> None:
    """The room answers that it is busy; nobody waits for another incarnation."""
    stage, _ = await emptied(join_timeout_s=IDLE_S)
    epoch = stage.room().state.epoch
    held = Held(stage)
    b, c = stage.outlet("B"), stage.outlet("C")
    stage.post(stage.join(b))
    await stage.pass_time(IDLE_S)
    assert stage.directory.rooms[ROOM].phase is Phase.CLOSING
    await stage.turn(stage.join(c))
    assert stage.directory.parked_count == 1
    await held.let_go()
    assert b.take() == ["Joined v3: B", "joined C v4"]
    assert c.take() == ["Joined v4: B C"]
    assert stage.room().state.epoch == epoch
    assert stage.directory.rooms[ROOM].phase is Phase.LIVE
    assert stage.directory.parked_count == 0


@pytest.mark.rule("E1.7")
async def test_what_is_owed_in_the_turn_of_the_close_is_answered() -> None:
    """A refusal that meets the end of its room is not forgotten with it."""
    stage, _ = await emptied()
    held = Held(stage)
    late = stage.outlet("B")
    stage.clock.jump(IDLE_S)
    stage.post(stage.resume(late, "A", version=1, epoch=1))
    await settle()
    await held.let_go()
    assert late.take() == ["refused resumeExpired"]
    assert stage.directory.rooms == {}


async def test_a_resume_that_meets_a_closing_room_is_refused_when_the_room_is_gone() -> None:
    """Nobody was in it."""
    stage, held = await closing()
    again = stage.outlet("A")
    await stage.turn(stage.resume(again, "A", version=1, epoch=1))
    await held.let_go()
    assert again.take() == ["refused resumeExpired"]
    assert stage.directory.rooms == {}


async def test_a_join_that_is_parked_too_long_is_unavailable_and_never_takes_effect() -> None:
    """At its deadline, by the registry's own timer; what came later waits on."""
    stage, held = await closing(join_timeout_s=5)
    early, late = stage.outlet("B"), stage.outlet("C")
    await stage.turn(stage.join(early))
    await stage.pass_time(3)
    await stage.turn(stage.join(late))
    await stage.pass_time(1.9)
    assert early.take() == []
    await stage.pass_time(0.1)
    assert early.take() == ["refused unavailable"]
    assert stage.directory.parked_count == 1
    await held.let_go()
    assert late.take() == ["Joined v1: C"]
    assert early.take() == []
    assert stage.directory.parked_count == 0


async def test_no_more_joins_are_parked_than_the_bound() -> None:
    """Over all rooms; the rest are told to come again."""
    stage, held = await closing(parked_joins_max=2)
    came = [stage.outlet(name) for name in "BCDE"]
    await stage.turn(*(stage.join(outlet) for outlet in came))
    assert [outlet.take() for outlet in came] == [[], [], *[["refused unavailable"]] * 2]
    await held.let_go()
    assert came[0].take() == came[1].take() == ["Joined v2: B C"]


@pytest.mark.rule("G5.7")
async def test_a_parked_join_whose_connection_goes_leaves_nobody_behind() -> None:
    """It is dropped when its turn comes."""
    stage, held = await closing()
    gone, b = stage.outlet("X"), stage.outlet("B")
    await stage.turn(stage.join(gone), stage.join(b))
    gone.alive = False
    await held.let_go()
    assert gone.take() == []
    assert b.take() == ["Joined v1: B"]


async def test_parked_joins_of_many_rooms_wait_each_for_its_own() -> None:
    """One room's end frees its own alone."""
    stage = Stage(room_idle_s=IDLE_S)
    held = {}
    for room_id in (ROOM, OTHER):
        (a,) = await stage.seat("A", room_id=room_id)
        await stage.turn(m.Leave(a, LeaveReason.LEFT))
        held[room_id] = Held(stage, room_id)
    await stage.pass_time(IDLE_S)
    b, c = stage.outlet("B"), stage.outlet("C", OTHER)
    await stage.turn(stage.join(b), stage.join(c))
    assert stage.directory.parked_count == 2
    await held[OTHER].let_go()
    assert (b.take(), c.take()) == ([], ["Joined v1: C"])
    assert stage.directory.parked_count == 1
    await held[ROOM].let_go()
    assert b.take() == ["Joined v1: B"]
