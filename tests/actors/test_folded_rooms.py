"""A room in which nobody is: what it lets go of, what outlasts that, and how it comes back."""

import pytest

from actors import messages as m
from actors.answers import Joined, Validated
from actors.history import Claim
from actors.players import LeaveReason
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.stage import ROOM, Stage


async def left(stage: Stage, *outlets: FakeOutlet) -> None:
    """All of them leave, in one turn."""
    await stage.turn(*(m.Leave(outlet, LeaveReason.LEFT) for outlet in outlets))


async def test_a_room_folds_as_the_last_one_leaves_and_not_before() -> None:
    """Its parts are gone, and no timer of it runs; the registry's runs on."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await left(stage, a)
    room = stage.room()
    assert not room.is_folded()
    await left(stage, b)
    assert stage.room() is room
    assert room.is_folded()
    for part in ("_publication", "_recorder", "_seating", "_ticker", "_graces", "_turn"):
        assert not hasattr(room, part)
    assert stage.clock.waiting() == [stage.settings.room_idle_s]


@pytest.mark.rule("G5.8")
async def test_a_folded_room_goes_on_in_its_epoch_and_from_its_version() -> None:
    """Name, epoch, version and the time of its making are those of before."""
    stage = Stage()
    (a,) = await stage.seat("A")
    before = stage.room().state
    epoch, made_ms = before.epoch, before.created_at_ms
    await left(stage, a)
    await stage.pass_time(5)
    (b,) = await stage.seat("B")
    state = stage.room().state
    assert not stage.room().is_folded()
    assert (state.epoch, state.version, state.created_at_ms) == (epoch, 3, made_ms)
    assert b.answer_of(Joined).version == 3
    assert list(state.players) == [b.socket_id]


async def test_a_room_stays_whole_while_a_grace_runs() -> None:
    """Who is lost may come back; as the grace is over, nobody is there."""
    stage = Stage()
    (a,) = await stage.seat("A")
    await stage.lose(a)
    await stage.pass_time(stage.settings.resume_grace_s - 1)
    assert not stage.room().is_folded()
    await stage.pass_time(2)
    assert stage.room().is_folded()


async def test_a_grace_that_a_return_made_void_is_waited_for() -> None:
    """Its timer runs on, so the room is whole until then."""
    stage = Stage(room_idle_s=300)
    (a,) = await stage.seat("A")
    await stage.lose(a)
    again = await stage.come_back("A", version=1)
    await left(stage, again)
    assert not stage.room().is_folded()
    await stage.pass_time(stage.settings.resume_grace_s)
    assert stage.room().is_folded()


async def test_a_room_that_a_session_believes_itself_in_does_not_fold() -> None:
    """It is looked at in time, and the session is told that it is out."""
    stage = Stage(room_idle_s=300)
    (a,) = await stage.seat("A")
    ghost = stage.outlet("G")
    stage.roster.sit(ROOM, ghost)
    await left(stage, a)
    assert not stage.room().is_folded()
    await stage.pass_time(stage.settings.self_check_s)
    assert stage.log.of("room_restarted")
    assert stage.members() == []
    assert stage.room().is_folded()


async def test_what_comes_late_to_a_folded_room_changes_nothing() -> None:
    """It is taken up, has no effect, and the room folds again."""
    stage = Stage()
    (a,) = await stage.seat("A")
    mailbox = stage.directory.mailbox_of(ROOM)
    await left(stage, a)
    version = stage.room().state.version
    late = (m.Move(a, 1, 1), m.Lost(a), m.Drained(a), m.Heard(a, 1), m.SelfCheck(), m.Tick())
    for message in late:
        mailbox.tell(message)
        await stage.turn()
        assert stage.room().is_folded()
    assert stage.room().state.version == version
    assert not stage.log.of("room_restarted")


@pytest.mark.rule("G5.8")
async def test_a_folded_room_is_reaped() -> None:
    """As any empty room is, and nothing of it is left."""
    stage = Stage()
    (a,) = await stage.seat("A")
    await left(stage, a)
    await stage.pass_time(stage.settings.room_idle_s)
    assert stage.directory.rooms == {}
    assert stage.clock.waiting() == []


async def test_the_end_of_a_folded_room_is_kept() -> None:
    """The store knows of it, so it is told the last of it; and where it has nothing, nothing."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    await left(stage, a)
    await stage.pass_time(1)
    written = len(stage.store.batches)
    await stage.pass_time(stage.settings.room_idle_s)
    (record,) = [record for batch in stage.store.batches[written:] for record in batch.records]
    assert record.whole
    assert record.rows == {}


async def test_positions_are_not_kept_of_a_room_that_has_folded() -> None:
    """The ledger asks for them when nobody is there any more."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    await stage.turn(m.Move(a, 1, 1))
    await left(stage, a)
    assert stage.room().is_folded()
    await stage.pass_time(1)
    written = len(stage.store.batches)
    await stage.pass_time(stage.settings.position_save_s)
    assert len(stage.store.batches) == written


async def test_a_tick_is_no_shorter_for_a_room_that_folded_in_it() -> None:
    """Who comes at once, and moves, is told of at the time at which it would have been."""
    stage = Stage(tick_ms=1000)
    (a,) = await stage.seat("A")
    await stage.turn(m.Move(a, 1, 1))
    await left(stage, a)
    assert stage.room().is_folded()
    (b,) = await stage.seat("B")
    await stage.turn(m.Move(b, 2, 2))
    assert b.take() == []
    await stage.pass_time(1)
    assert len(b.take()) == 1


@pytest.mark.rule("G10.5")
async def test_nothing_of_before_a_room_was_empty_is_remembered() -> None:
    """A version of then is not valid; those from the next join on are."""
    stage = Stage()
    (a,) = await stage.seat("A")
    room = stage.room()
    epoch, checksum = room.state.epoch, room.state.checksum()
    await left(stage, a)
    (b,) = await stage.seat("A")
    await stage.turn(m.Validate(b, Claim(epoch=epoch, version=1, checksum=checksum)))
    assert not b.answer_of(Validated).verdict.valid
    await stage.turn(m.Ready(b))
    await stage.turn(m.Validate(b, Claim(epoch=epoch, version=3, checksum=checksum)))
    assert b.answer_of(Validated).verdict.valid


async def test_a_fold_is_the_last_look() -> None:
    """A room folds where nothing is wrong with it, and says so to who comes."""
    stage = Stage()
    (a,) = await stage.seat("A")
    await stage.pass_time(7)
    await left(stage, a)
    folded_ms = stage.clock.now_ms()
    await stage.pass_time(5)
    await stage.seat("B")
    assert stage.room()._publication.last_validated_ms == folded_ms
