"""A room that commits first: nobody is told what is not durable, also after a crash."""

from typing import Any

import pytest

from actors import messages as m
from actors.answers import Joined
from actors.history import Claim
from actors.ids import RoomId, SocketId
from actors.players import LeaveReason
from actors.records import vacant
from actors.settings import Durability
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.stage import settle


async def waiting(*names: str, **settings: Any) -> tuple[KeptStage, list[FakeOutlet]]:
    """A room of `names`, whose disk waits to be told from now on."""
    stage = KeptStage(**settings)
    outlets = await stage.seat(*names)
    stage.store.at_once = False
    return stage, outlets


async def done(stage: KeptStage) -> None:
    """Let the disk do what waits, and what that causes happen."""
    stage.store.do()
    await settle()


async def failed(stage: KeptStage) -> None:
    """Let the disk fail once."""
    stage.store.fail()
    await settle()


# -- what is told when


@pytest.mark.rule("P2.1")
async def test_nobody_is_told_of_a_change_before_it_is_durable() -> None:
    """Neither the others nor whoever asked."""
    stage, (a, b) = await waiting("A", "B")
    newcomer = stage.outlet("C")
    await stage.turn(m.Ready(a), stage.join(newcomer), m.Leave(b, LeaveReason.LEFT))
    assert (a.take(), b.take(), newcomer.take()) == ([], [], [])
    assert sorted(stage.kept()) == ["A", "B"]
    await done(stage)
    assert a.take() == ["ready A v3", "joined C v4", "left B(left) v5", "ok v5"]
    assert b.take()[-1] == "Left"
    assert newcomer.take() == ["Joined v5: A* C"]
    assert sorted(stage.kept()) == ["A", "C"]
    assert stage.kept()[SocketId("A")].player.is_ready


@pytest.mark.rule("P2.1", "G7.1")
async def test_nobody_is_told_of_a_move_before_it_is_durable() -> None:
    """Ticks wait with the rest, and the last position is kept."""
    stage, (a, b) = await waiting("A", "B")
    await stage.turn(m.Move(a, 1.0, 2.0))
    assert b.take() == []
    stage.post(m.Move(a, 3.0, 4.0))
    await done(stage)
    assert b.take() == ["moved A 1 2"]
    await stage.pass_time(0.05)
    assert b.take() == []
    await done(stage)
    assert b.take() == ["moved A 3 4"]
    motion = stage.kept()[SocketId("A")].player.motion
    assert (motion.x, motion.y) == (3.0, 4.0)


async def test_what_comes_while_a_batch_commits_is_the_next_batch() -> None:
    """In the order sent, each told when its own batch is durable."""
    stage, (a, b) = await waiting("A", "B")
    await stage.turn(m.Ready(a))
    await stage.turn(m.Ready(b), m.Update(b, "Bob", None))
    assert len(stage.store.waits) == 1
    await done(stage)
    assert b.take() == ["ready A v3"]
    await done(stage)
    assert b.take() == ["ready B v4", "updated B v5", "ok v5", "ok v5"]


async def test_what_changes_nothing_waits_for_no_disk() -> None:
    """Messages, questions and repeated requests; also where the disk is stalled."""
    stage, (a, b) = await waiting("A", "B")
    await stage.turn(m.Say(a, "chat", "hi"))
    await stage.turn(m.Describe(b))
    assert a.take() == ["said A: hi", "ok v2"]
    assert b.take() == ["said A: hi", "Described v2: A B"]
    assert stage.store.waits == []


async def test_a_new_token_is_durable_before_it_is_given() -> None:
    """Else a restart would take it for forged, or take an older one."""
    stage, (a,) = await waiting("A")
    await stage.turn(stage.join(a))
    assert a.take() == []
    assert stage.kept()[SocketId("A")].serial == 1
    await done(stage)
    assert a.answer_of(Joined).serial == 2
    assert stage.kept()[SocketId("A")].serial == 2


@pytest.mark.rule("P4.6")
async def test_the_proof_of_a_token_is_kept() -> None:
    """From then on older ones are void on the disk, too."""
    stage, (a,) = await waiting("A")
    stage.store.at_once = True
    await stage.turn(stage.join(a))
    assert stage.kept()[SocketId("A")].oldest_good_serial == 1
    a.heard = True
    await stage.turn(m.Heard(a))
    assert stage.kept()[SocketId("A")].oldest_good_serial == 2
    assert a.take()[1:] == []


# -- crashes


@pytest.mark.rule("P2.1", "G9.2", "G9.3")
async def test_a_crashed_room_tells_its_members_when_what_it_saved_is_durable() -> None:
    """What the turn had handled whole is in it."""
    stage, (a, b) = await waiting("A", "B")
    stage.encoder.poison = "poison"
    stage.post(m.Ready(a), m.Say(b, "chat", "poison"))
    await settle()
    assert a.take() == []
    assert b.take() == ["refused internal"]
    await done(stage)
    assert a.take() == ["roomState roomRecovered v3: A* B", "ok v3"]
    assert b.take() == ["roomState roomRecovered v3: A* B"]
    assert stage.kept()[SocketId("A")].player.is_ready


@pytest.mark.rule("P2.2", "G9.1")
async def test_a_crashed_room_whose_disk_fails_comes_back_as_it_was_last_told() -> None:
    """Who asked for something in the failed turn is refused; the members wait, and are told."""
    stage, (a, b) = await waiting("A", "B", store_retry_s=1)
    stage.encoder.poison = "poison"
    stage.post(m.Ready(a), m.Leave(b, LeaveReason.LEFT), m.Say(a, "chat", "poison"))
    await settle()
    await failed(stage)
    assert a.take() == ["refused internal", "refused unavailable"]
    assert b.take() == ["refused unavailable"]
    await stage.pass_time(1)
    await done(stage)
    assert a.take() == b.take() == ["roomState roomRecovered v2: A B"]
    assert sorted(stage.room().members) == ["A", "B"]


# -- kicks, in fast too


@pytest.mark.rule("P2.5")
@pytest.mark.parametrize("durability", [Durability.FAST, Durability.JOURNAL])
async def test_a_kick_is_durable_before_anybody_is_told(durability: Durability) -> None:
    """Whatever the setting; what was before it is told first, what comes after waits."""
    stage, (a, b) = await waiting("A", "B", durability=durability)
    await stage.turn(m.Say(a, "chat", "hi"), m.Kick(SocketId("B"), "spam"), m.Say(a, "chat", "so"))
    assert b.take() == ["said A: hi"]
    assert a.take() == ["said A: hi", "ok v2"]
    await done(stage)
    assert sorted(stage.kept()) == ["A"]
    assert b.take() == ["evicted kicked"]
    assert a.take() == ["left B(kicked) v3", "said A: so", "ok v3"]


@pytest.mark.rule("P2.5")
async def test_a_kick_that_could_not_be_stored_is_done_as_soon_as_it_can_be() -> None:
    """It is not forgotten, and has not acted before."""
    stage, (a, b) = await waiting("A", "B", durability=Durability.FAST, store_retry_s=1)
    await stage.turn(m.Kick(SocketId("B"), "spam"))
    await failed(stage)
    assert (a.take(), b.take()) == ([], [])
    await stage.pass_time(1)
    while stage.store.asked:
        await done(stage)
    assert b.take() == ["evicted kicked"]
    assert a.take() == ["left B(kicked) v3"]


async def test_a_kick_of_nobody_is_nothing() -> None:
    """It may be late, or come twice."""
    stage, (a,) = await waiting("A")
    await stage.turn(m.Kick(SocketId("Z"), "spam"))
    assert a.take() == []
    assert stage.store.waits == []


# -- bounds


async def test_a_paused_room_takes_no_more_than_its_mailbox_holds() -> None:
    """What is beyond is refused as by any busy room."""
    stage, (a,) = await waiting("A", mailbox_messages_max=4, turn_messages_max=4)
    await stage.turn(m.Ready(a))
    mailbox = stage.directory.mailbox_of(a.room_id)
    taken = [mailbox.offer(m.Describe(a)) for _ in range(6)]
    assert taken == [True] * 4 + [False] * 2
    await done(stage)
    assert len(a.take()) == 2 + 4


@pytest.mark.rule("P1.5")
async def test_what_waits_of_a_room_is_bounded_however_long_the_disk_stalls() -> None:
    """Beyond twice its players and 64 rows it is the whole room."""
    stage, (a,) = await waiting("A", durability=Durability.FAST, resume_grace_s=10_000)
    stage.ledger.note(vacant(RoomId("other")))
    stage.ledger.flush()
    for number in range(500):
        outlet = stage.outlet(f"X{number}")
        await stage.turn(stage.join(outlet))
        await stage.turn(m.Leave(outlet, LeaveReason.LEFT))
        assert stage.ledger.rows_waiting(a.room_id) <= 2 * 2 + 64 + 1
    assert stage.ledger.rooms_waiting == 3, "two are under way, and one waits"
    while stage.store.asked:
        await done(stage)
    await stage.pass_time(0.05)
    while stage.store.asked:
        await done(stage)
    assert sorted(stage.kept()) == ["A"]


@pytest.mark.rule("P2.1")
@pytest.mark.parametrize("shown", ["join", "state", "validation"])
async def test_a_position_that_a_whole_state_shows_is_durable_before_its_tick(shown: str) -> None:
    """It is told to one before it is told to all."""
    stage, (a, b) = await waiting("A", "B", tick_ms=10_000)
    stage.store.at_once = True
    await stage.turn(m.Move(a, 1.0, 0.0))
    stage.store.at_once = False
    await stage.turn(m.Move(a, 2.0, 0.0))
    wrong = m.Validate(b, Claim(players=frozenset()))
    asked = {"join": stage.join(stage.outlet("C")), "state": m.Describe(b), "validation": wrong}
    await stage.turn(asked[shown])
    assert stage.kept()[SocketId("A")].player.motion.x == 1.0
    while stage.store.asked:
        await done(stage)
    assert stage.kept()[SocketId("A")].player.motion.x == 2.0


@pytest.mark.rule("P2.5")
async def test_what_comes_after_a_kick_waits_for_the_next_turn() -> None:
    """So that a kick is undone alone."""
    stage, (a, b) = await waiting("A", "B", durability=Durability.FAST, store_retry_s=1)
    await stage.turn(m.Kick(SocketId("B"), "spam"), m.Ready(a))
    stage.store.fail()
    await settle()
    assert "refused unavailable" not in a.take()
    assert "evicted kicked" not in b.take()


async def test_what_was_handled_is_forgotten_when_it_is_told() -> None:
    """Also where nothing is ever undone."""
    stage = KeptStage(durability=Durability.FAST)
    await stage.seat("Z")
    for number in range(5):
        (a,) = await stage.seat(f"A{number}")
        await stage.turn(m.Leave(a, LeaveReason.LEFT))
    assert stage.room()._turning.handled == []


@pytest.mark.rule("P2.1", "G8.3")
async def test_who_has_drained_is_told_no_position_that_is_not_durable() -> None:
    """Somebody has moved since the last tick: that is committed first."""
    stage, (a, b) = await waiting("A", "B", tick_ms=10_000)
    b.skips_moves = True
    await stage.turn(m.Move(a, 1.0, 2.0))
    await done(stage)
    await stage.turn(m.Move(a, 3.0, 4.0))
    b.skips_moves = False
    stage.forget()
    await stage.turn(m.Drained(b))
    assert b.take() == []
    await done(stage)
    assert b.take() == ["moved A 3 4, B 0 0"]
    assert (stage.kept()[SocketId("A")].player.motion.x) == 3.0
