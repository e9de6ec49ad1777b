"""Whatever happened in a room can be played again, from every moment of it."""

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors import messages as m
from actors.answers import Joined
from actors.ids import RoomId, SocketId
from actors.room import RoomActor
from actors.settings import Durability
from tests.actors.fake_operator import read_back
from tests.actors.kept_stage import KeptStage
from tests.actors.recorded_lives import Lives, cut, poison, replayed
from tests.actors.stage import Stage


@pytest.fixture
def poisoned_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """P is poison, for the rooms that live and for those that are played."""
    poison(monkeypatch, "ready", "update", "touch", "leave")


@pytest.mark.rule("O4.2")
@pytest.mark.parametrize("seed", range(40))
async def test_a_life_can_be_played_again_from_every_moment(
    seed: int, poisoned_ready: None
) -> None:
    """Crashes, restarts, undone turns, graces, replacements, recalls; cut after each step."""
    lives = Lives(seed)
    await lives.live(40)
    assert lives.cuts > 0


@pytest.mark.rule("O4.2")
@settings(max_examples=40)
@given(seed=st.integers(1000, 2**32))
@example(seed=4961006)
def test_another_life_can_be_played_again_too(seed: int) -> None:
    """Of healthy rooms, others in every run."""
    asyncio.run(Lives(seed).live(30))


@pytest.mark.rule("O4.2")
@pytest.mark.parametrize("one_session_per_user", [False, True])
async def test_who_is_recalled_is_recalled_again(one_session_per_user: bool) -> None:
    """Its token alone seated it, and it replaced whom the store had."""
    given: dict[str, Any] = {
        "durability": Durability.FAST,
        "one_session_per_user": one_session_per_user,
    }
    before = KeptStage(**given)
    await before.seat("B", person="user-A")
    await before.pass_time(1)
    before.store.at_once = False
    await before.pass_time(1)
    (a,) = await before.seat("A")
    stamp = a.answer_of(Joined).stamp
    stage = await before.restart(**given)
    again = stage.outlet("A")
    await stage.turn(stage.resume(again, "A", version=1, epoch=1, stamp=stamp))
    again.answer_of(Joined)
    recording = cut(stage.room())
    (resume,) = [step for step in read_back(recording)["inputs"] if step["do"] == "resume"]
    assert set(resume["flags"]) == {"alive", "admitted", "newest"}
    assert sorted(stage.room().state.players) == (["A"] if one_session_per_user else ["A", "B"])
    assert replayed(recording).same, str(replayed(recording))


@pytest.mark.rule("O4.2")
@pytest.mark.parametrize("heard", [False, True])
async def test_the_proof_of_a_token_is_played_again(heard: bool) -> None:
    """Which tokens are good is the same at the end, also those that nobody has asked with."""
    stage = Stage()
    (a,) = await stage.seat("A")
    await stage.turn(stage.join(a))
    a.heard = heard
    await stage.turn(m.Heard(a))
    again = replayed(cut(stage.room()))
    assert again.room is not None
    assert again.room.members[SocketId("A")].confirmed == 1 + heard


@pytest.mark.rule("O4.2")
async def test_a_token_that_was_never_sent_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room crashed between making it and sending it: the one before is good, here as there."""
    stage = Stage()
    (p,) = await stage.seat("P")
    p.heard = True
    await stage.lose(p)
    with monkeypatch.context() as broken:
        poison(broken, "resume")
        await stage.turn(stage.resume(stage.outlet("P"), "P", version=1))
    assert len(stage.log.of("room_restarted")) == 1
    await stage.come_back("P", version=1)
    again = replayed(cut(stage.room()))
    assert again.same, str(again)


async def test_lives_see_all_that_matters(poisoned_ready: None) -> None:
    """The dice fall on everything that a recording must survive."""
    seen: set[str] = set()
    crashes = 0
    for seed in range(80):
        lives = Lives(seed, seen)
        await lives.live(40)
        crashes += lives.crashes
    assert crashes >= 20
    wanted = {
        "join", "resume", "ready", "update", "say", "validate", "describe", "leave", "lost",
        "heard", "drained", "kick", "graceEnded", "selfCheck", "moves", "join:late", "resume:late",
        "join:heard", "resume:heard", "join:present", "drained:behind",
        "moderate", "moderate:barred", "join:barred", "check",
        "end:undone", "end:durable", "end:pending", "base:players", "base:graces", "base:absent",
    }  # fmt: skip
    assert wanted <= seen, sorted(wanted - seen)


async def test_two_rooms_are_recorded_apart() -> None:
    """Each has its own story."""
    stage = Stage()
    await stage.seat("A")
    await stage.seat("B", room_id=RoomId("other"))
    rooms: list[RoomActor] = [stage.room(), stage.room(RoomId("other"))]
    shown = [[one[0] for one in read_back(cut(room))["then"]["players"]] for room in rooms]
    assert shown == [["A"], ["B"]]
