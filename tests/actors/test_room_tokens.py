"""Which resume tokens seat a session again, and which never do."""

import dataclasses
from typing import Any

import pytest

from actors import messages as m
from actors.answers import Joined, Resumed
from actors.players import LeaveReason
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import ROOM, Stage


async def two(**settings: Any) -> tuple[Stage, FakeOutlet, FakeOutlet]:
    """A and B in a room at version 2."""
    stage = Stage(**settings)
    a, b = await stage.seat("A", "B")
    return stage, a, b


@pytest.mark.rule("G6.4", "G6.7", "G6.8")
async def test_second_and_third_resumes_work_each_with_the_token_before() -> None:
    """The one before that is outdated as soon as the newer one was shown."""
    stage, a, _ = await two()
    outlet = a
    for serial in (1, 2, 3):
        await stage.lose(outlet)
        version = stage.room().state.version
        outlet = await stage.come_back("A", version=version, serial=serial)
        assert outlet.answer_of(Resumed).serial == serial + 1
        if serial > 1:
            stale = stage.outlet("A")
            await stage.turn(stage.resume(stale, "A", version=version, serial=serial - 1))
            assert stale.refusal() == "resumeExpired"


@pytest.mark.rule("G6.7")
async def test_the_token_before_holds_until_a_frame_comes_where_the_new_one_went() -> None:
    """An answer may be lost with its connection."""
    stage, a, _ = await two()
    await stage.lose(a)
    unheard = await stage.come_back("A", version=3, serial=1)
    await stage.lose(unheard)
    heard = await stage.come_back("A", version=3, serial=1)
    heard.heard = True
    late = stage.outlet("A")
    await stage.turn(stage.resume(late, "A", version=3, serial=1))
    assert late.refusal() == "resumeExpired"
    assert stage.metrics.count["resume_ended expired"] == 1
    await stage.lose(heard)
    assert (await stage.come_back("A", version=3, serial=3)).answer_of(Resumed).serial == 4


@pytest.mark.rule("G6.7")
async def test_a_token_whose_answer_found_nobody_makes_no_older_one_void(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client was heard before it asked, and its connection ended before the answer."""
    stage, a, b = await two()
    a.heard = True

    def offer(frame: bytes) -> bool:
        a.alive = False
        return True

    monkeypatch.setattr(b, "offer", offer)
    await stage.turn(m.Ready(a), stage.join(a))
    await stage.lose(a)
    back = await stage.come_back("A", version=3, serial=1)
    assert back.answer_of(Resumed).serial > 1


@pytest.mark.rule("G6.8")
@pytest.mark.parametrize("serial", [0, 2, 99, -1])
async def test_a_token_that_was_never_given_out_is_refused_without_effect(serial: int) -> None:
    """The session goes on as it was."""
    stage, a, b = await two()
    await stage.lose(a)
    b.take()
    thief = stage.outlet("X")
    await stage.turn(stage.resume(thief, "A", version=3, serial=serial))
    assert thief.take() == ["refused resumeExpired"]
    assert b.take() == []
    await stage.come_back("A", version=3)


@pytest.mark.rule("G6.9")
async def test_a_token_never_seats_who_left_timed_out_or_was_replaced() -> None:
    """Their players are gone for good."""
    stage = Stage(one_session_per_user=True, resume_grace_s=30)
    a, b = await stage.seat("A", "B")
    await stage.seat("C", person="user-A")
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    (d, _) = await stage.seat("D", "E")
    await stage.lose(d)
    await stage.pass_time(30)
    for name in ("A", "B", "D"):
        late = stage.outlet(name)
        await stage.turn(stage.resume(late, name, version=3))
        assert late.take() == ["refused resumeExpired"]
    assert a.alive is b.alive is False
    assert sorted(stage.room().state.players) == ["C", "E"]


@pytest.mark.rule("G6.8")
async def test_a_session_of_another_room_is_not_here() -> None:
    """Nor one that never was."""
    stage, _, _ = await two()
    await stage.seat("Z", room_id=type(ROOM)("other"))
    for name in ("Z", "nobody"):
        late = stage.outlet(name)
        await stage.turn(stage.resume(late, name, version=1))
        assert late.take() == ["refused resumeExpired"]


@pytest.mark.rule("G6.9")
async def test_a_token_of_an_earlier_seating_never_seats_the_later_one() -> None:
    """The session left and came again: its tokens are numbered on."""
    stage, a, _ = await two()
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    second = stage.outlet("A")
    await stage.turn(dataclasses.replace(stage.join(second), first_serial=2))
    assert second.answer_of(Joined).serial == 2
    stale = stage.outlet("A")
    await stage.turn(stage.resume(stale, "A", version=4, serial=1))
    assert stale.take() == ["refused resumeExpired"]
    assert (await stage.come_back("A", version=4, serial=2)).take() == ["Resumed v4 []"]


@pytest.mark.rule("G6.7")
async def test_a_second_resume_in_one_turn_shows_the_token_that_the_first_did() -> None:
    """Neither answer can have arrived yet, whatever was heard on the connections."""
    stage, a, _ = await two()
    await stage.lose(a)
    first, second = stage.outlet("A"), stage.outlet("A")
    first.heard = second.heard = True
    await stage.turn(stage.resume(first, "A", version=3), stage.resume(second, "A", version=3))
    assert second.answer_of(Resumed).serial == 3


@pytest.mark.rule("G6.7")
async def test_a_proof_is_of_the_token_that_had_been_sent_by_then() -> None:
    """Another one was asked for meanwhile, and nothing proves that that one arrived."""
    stage, a, _ = await two()
    await stage.lose(a)
    back = await stage.come_back("A", version=3, serial=1)
    await stage.turn(stage.join(back), m.Heard(back, serial=2))
    assert back.answer_of(Joined).serial == 3
    for serial, accepted in ((1, False), (2, True)):
        late = stage.outlet("A")
        await stage.turn(stage.resume(late, "A", version=4, serial=serial))
        assert isinstance(late.answers[-1], Joined | Resumed) is accepted
