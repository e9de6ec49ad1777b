"""A room's rules and acts of moderation over disks, crashes and restarts."""

import pytest

from actors import messages as m
from actors.answers import Joined
from actors.ids import SocketId
from actors.permissions import NOTHING
from actors.players import LeaveReason
from actors.records import Stamp
from actors.room_rules import Act, BanUser, KickPlayer, SetRoom, UnbanUser
from actors.room_state import RoomState
from actors.settings import Durability
from actors.stores.memory import MemoryStore
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.moderated import MEMBER, act, arrive, checked, no_of, seated
from tests.actors.stage import ROOM, Stage, settle

BOTH = pytest.mark.parametrize("durability", [Durability.FAST, Durability.JOURNAL])
PRIVATE = SetRoom(private=True, players_max=5, allow=("user-B",), owner="user-O")


async def waiting(durability: Durability) -> tuple[KeptStage, list[FakeOutlet]]:
    """A moderator and A, whose disk waits for the test from now on."""
    stage = KeptStage(durability=durability, store_retry_s=1, flush_ms=10_000)
    outlets = await seated(stage, "Mod", "A")
    stage.ledger.flush()
    await settle()
    stage.store.at_once = False
    return stage, outlets


@BOTH
@pytest.mark.rule("T2.17", "P2.5")
@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (BanUser("user-A", "spam"), "left A(kicked) v3"),
        (KickPlayer(SocketId("A"), None), "left A(kicked) v3"),
        (SetRoom(private=True), "room private 1000"),
        (BanUser("user-Z"), "ok v2"),
    ],
)
async def test_an_act_is_durable_before_anybody_is_told(
    durability: Durability, asked: Act, seen: str
) -> None:
    """Whoever is out by it, the moderator, the others."""
    stage, (mod, a) = await waiting(durability)
    stage.post(m.Say(mod, "chat", "hi"), m.Moderate(mod, asked), m.Say(mod, "chat", "so"))
    await settle()
    assert mod.take() == ["said Mod: hi", "ok v2"]
    assert a.take() == ["said Mod: hi"]
    stage.store.do()
    await settle()
    assert mod.take()[0] == seen
    rules = MemoryStore(stage.disk).load(ROOM)
    assert rules is not None
    assert (rules.rules is None) is isinstance(asked, KickPlayer)


@BOTH
@pytest.mark.rule("T2.17")
@pytest.mark.parametrize("asked", [BanUser("user-A"), KickPlayer(SocketId("A"), None), PRIVATE])
async def test_an_act_that_the_disk_does_not_take_is_undone(
    durability: Durability, asked: Act
) -> None:
    """Alone: nobody was told of it, and it may be asked for again."""
    stage, (mod, a) = await waiting(durability)
    stage.store.at_once = True
    await act(stage, mod, BanUser("user-X"))
    stage.forget()
    stage.store.at_once = False
    stage.post(m.Moderate(mod, asked))
    await settle()
    stage.store.fail()
    stage.store.at_once = True
    await stage.pass_time(1)
    assert mod.take() == ["refused unavailable"]
    assert a.take() == []
    assert list(stage.room().state.rules.bans) == ["user-X"]
    assert not stage.room().state.rules.private
    (await arrive(stage, "A2", person="user-A")).answer_of(Joined)
    kept = MemoryStore(stage.disk).load(ROOM)
    assert kept is not None
    assert kept.rules == stage.room().state.rules


@BOTH
@pytest.mark.rule("T2.18", "T2.12", "T2.14")
async def test_rules_outlive_a_kill(durability: Durability) -> None:
    """The ban, the list, the owner, how many fit."""
    stage = KeptStage(durability=durability)
    mod, _ = await seated(stage, "Mod", "A")
    await act(stage, mod, PRIVATE, BanUser("user-A", "spam"))
    stage = await stage.restart()
    stage.store.at_once = True
    assert await checked(stage, "user-C") == NOTHING
    assert (await checked(stage, "user-O")).moderates
    assert stage.directory.rooms == {}, "asking opens no room"
    assert no_of(await arrive(stage, "A")) == ("forbidden", "banned: spam")
    assert no_of(await arrive(stage, "C"))[0] == "forbidden"
    owner = await arrive(stage, "O")
    owner.answer_of(Joined)
    assert stage.room().state.metadata().players_max == 5
    await act(stage, owner, UnbanUser("user-A"), SetRoom(private=False))
    stage = await stage.restart()
    stage.store.at_once = True
    (await arrive(stage, "A")).answer_of(Joined)


@pytest.mark.rule("T2.12", "T2.11")
async def test_no_token_seats_whom_the_store_lost_and_a_ban_keeps_out() -> None:
    """Its seating was in the last moments before the kill; the ban came after the restart."""
    stage = KeptStage(durability=Durability.FAST, flush_ms=10_000)
    (mod,) = await seated(stage, "Mod")
    stage.ledger.flush()
    await settle()
    stage.store.at_once = False
    a = await arrive(stage, "A")
    a.answer_of(Joined)
    stamp = stage.room().members[SocketId("A")].stamp
    assert stamp is not None
    stage = await stage.restart()
    stage.store.at_once = True
    mod = await arrive(stage, "Mad", mod.grant)
    await act(stage, mod, BanUser("user-A"))
    assert no_of(await _back(stage, stamp))[0] == "resumeExpired"
    await act(stage, mod, UnbanUser("user-A"))
    assert stage.ledger.recall.admits(stamp, SocketId("A"), stage.clock.monotonic_s())


async def _back(stage: KeptStage, stamp: Stamp) -> FakeOutlet:
    back = stage.outlet("A")
    back.grant = MEMBER
    await stage.turn(stage.resume(back, "A", version=2, stamp=stamp))
    return back


@pytest.mark.rule("T2.18")
@pytest.mark.parametrize("durability", list(Durability))
async def test_rules_outlive_that_the_room_is_empty(durability: Durability) -> None:
    """Where nothing is stored the room does not end as long as it has some."""
    stage: Stage
    if durability is Durability.MEMORY:
        stage = Stage(room_idle_s=1)
    else:
        stage = KeptStage(durability=durability, room_idle_s=1)
    (mod,) = await seated(stage, "Mod")
    await act(stage, mod, BanUser("user-A", None, 100))
    await stage.turn(m.Leave(mod, LeaveReason.LEFT))
    await stage.pass_time(50)
    assert (stage.directory.rooms == {}) is (durability is not Durability.MEMORY)
    assert no_of(await arrive(stage, "A"))[0] == "forbidden"
    await stage.pass_time(51)
    await stage.pass_time(3)
    assert stage.directory.rooms == {}, "a ban that has ended keeps no room"
    (await arrive(stage, "A")).answer_of(Joined)


@pytest.mark.rule("T2.18")
@pytest.mark.parametrize("durability", list(Durability))
async def test_rules_outlive_a_crash(durability: Durability) -> None:
    """Those that were published, and those of the very turn that crashed."""
    stage = Stage() if durability is Durability.MEMORY else KeptStage(durability=durability)
    mod, a = await seated(stage, "Mod", "A")
    await act(stage, mod, BanUser("user-B"))
    stage.encoder.fail("event")
    await act(stage, mod, BanUser("user-A"))
    assert len(stage.log.of("room_restarted")) == 1
    assert a.take()[-1] == "evicted kicked"
    for name in "AB":
        assert no_of(await arrive(stage, f"{name}2", person=f"user-{name}"))[0] == "forbidden"


@pytest.mark.parametrize("place", ["log", "encoder"])
async def test_an_act_that_failed_half_way_leaves_nothing(place: str) -> None:
    """Neither the rules nor who would have been out; its answer is `internal`."""
    stage = Stage()
    mod, a = await seated(stage, "Mod", "A")
    await act(stage, mod, BanUser("user-X"))
    stage.forget()
    if place == "log":
        stage.log.broken.add("user_banned")
        await act(stage, mod, BanUser("user-A"))
    else:
        stage.encoder.fail("room_changed")
        await act(stage, mod, SetRoom(private=True))
    assert no_of(mod)[0] == "internal"
    assert a.take() == ["roomState roomRecovered v2: A Mod"]
    assert list(stage.room().state.rules.bans) == ["user-X"]
    assert not stage.room().state.rules.private


@pytest.mark.rule("T2.17")
async def test_an_act_of_a_turn_that_crashed_is_durable_before_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the successor, in `fast` too: it was handled whole, and a move after it was not."""
    stage, (mod, a) = await waiting(Durability.FAST)
    with monkeypatch.context() as broken:
        broken.delattr(RoomState, "move")
        stage.post(m.Moderate(mod, BanUser("user-A")), m.Move(mod, 1.0, 1.0))
        await settle()
    assert list(stage.room().state.rules.bans) == ["user-A"]
    assert (a.take(), mod.take()) == ([], ["refused internal"]), "that of the move"
    while stage.store.asked:
        stage.store.do()
        await settle()
    assert a.take()[-1] == "evicted kicked"
    assert "ok v3" in mod.take()


@pytest.mark.rule("T2.18")
async def test_a_room_that_is_closed_for_failing_keeps_its_rules() -> None:
    """In the store: whoever was banned stays so when it has rested."""
    stage = KeptStage(room_restarts_max=0, room_closed_s=1)
    mod, a = await seated(stage, "Mod", "A")
    await act(stage, mod, BanUser("user-B"))
    stage.encoder.fail("event")
    await stage.turn(m.Ready(a))
    await stage.pass_time(2)
    assert no_of(await arrive(stage, "B"))[0] == "forbidden"
