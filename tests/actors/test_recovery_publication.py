"""A room that fails while it publishes, while it waits, or while it recovers."""

import pytest

from actors import messages as m
from actors.answers import Joined
from actors.ids import RoomId
from actors.players import LeaveReason
from tests.actors.fakes import Broken, FakeRoster
from tests.actors.stage import ROOM, Stage


class DeafRoster(FakeRoster):
    """Cannot be asked, a number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.to_break = 0

    def claims(self, room_id: RoomId):  # type: ignore[no-untyped-def]
        if self.to_break > 0:
            self.to_break -= 1
            raise Broken("claims")
        return super().claims(room_id)


# -- while publishing


@pytest.mark.rule("G9.1", "G9.2")
@pytest.mark.parametrize("method", ["event", "batch"])
async def test_events_that_cannot_be_told_are_told_as_a_whole_state(method: str) -> None:
    """Nobody's request is to blame: each is answered ok, and every change is kept."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    epoch = stage.room().state.epoch
    stage.encoder.fail(method)
    await stage.turn(m.Ready(a), m.Update(b, "Bob", None))
    assert a.take() == ["roomState roomRecovered v5: A* B C", "ok v5"]
    assert b.take() == ["roomState roomRecovered v5: A* B C", "ok v5"]
    assert c.take() == ["roomState roomRecovered v5: A* B C"]
    assert stage.room().state.epoch > epoch
    (line,) = stage.log.of("room_restarted")
    assert line.details["poison"] is None
    await stage.turn(m.Ready(c))
    assert a.take() == ["ready C v6"]


@pytest.mark.rule("G9.2", "G9.3")
async def test_a_snapshot_that_cannot_be_made_is_made_in_the_next_epoch() -> None:
    """The joiners are answered once; who was there had the event already and gets the state."""
    stage = Stage()
    (a,) = await stage.seat("A")
    b, c = stage.outlet("B"), stage.outlet("C")
    stage.encoder.fail("state")
    await stage.turn(stage.join(b), stage.join(c))
    assert a.take() == ["joined B C v3", "roomState roomRecovered v3: A B C"]
    assert b.take() == c.take() == ["Joined v3: A B C"]
    assert stage.census.players == 3


@pytest.mark.rule("G9.3")
async def test_who_was_answered_before_the_failure_is_not_answered_again() -> None:
    """The rest is, in its order."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    stage.encoder.fail("state")
    await stage.turn(m.Ready(a), m.Describe(b), m.Ready(c))
    state = "v5: A* B C*"
    assert a.take() == ["ready A C v5", "ok v5", f"roomState roomRecovered {state}"]
    assert b.take() == ["ready A C v5", f"roomState roomRecovered {state}", f"Described {state}"]
    assert c.take() == ["ready A C v5", f"roomState roomRecovered {state}", "ok v5"]


@pytest.mark.rule("G9.3", "G6.10")
async def test_a_resume_that_cannot_be_answered_is_answered_with_the_whole_state() -> None:
    """Its positions failed; the session is back all the same."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.lose(a)
    stage.encoder.fail("positions")
    again = await stage.come_back("A", version=3)
    assert again.take() == ["Joined v4: A B"]
    assert b.take() == [
        "connection A- v3",
        "connection A+ v4",
        "roomState roomRecovered v4: A B",
    ]


@pytest.mark.rule("G9.1")
async def test_moves_that_cannot_be_told_are_in_the_state() -> None:
    """And the next ones are told."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    stage.encoder.fail("moves")
    await stage.turn(m.Move(a, 1.0, 1.0))
    assert b.take() == ["roomState roomRecovered v2: A B"]
    await stage.turn(m.Move(a, 2.0, 2.0))
    assert b.take() == ["moved A 2 2"]


@pytest.mark.rule("G9.3")
async def test_a_message_that_cannot_be_encoded_harms_only_its_sender() -> None:
    """Those of the same turn reach everybody, before and after it, once."""
    stage = Stage()
    a, b, c, d = await stage.seat("A", "B", "C", "D")
    stage.encoder.poison = "poison"
    await stage.turn(
        m.Say(a, "chat", "before"),
        m.Say(b, "chat", "poison"),
        m.Say(c, "chat", "after"),
    )
    state = "roomState roomRecovered v4: A B C D"
    assert a.take() == [state, "said A: before", "ok v4", "said C: after"]
    assert b.take() == ["refused internal", state, "said A: before", "said C: after"]
    assert c.take() == [state, "said A: before", "said C: after", "ok v4"]
    assert d.take() == [state, "said A: before", "said C: after"]


@pytest.mark.rule("G1.5", "G9.3")
@pytest.mark.parametrize("method", ["event", "batch"])
async def test_messages_of_a_turn_whose_events_fail_are_still_said(method: str) -> None:
    """Once, after the whole state."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    stage.encoder.fail(method)
    await stage.turn(m.Ready(a), m.Say(b, "chat", "kept"))
    assert a.take() == ["roomState roomRecovered v3: A* B", "said B: kept", "ok v3"]
    assert b.take() == ["roomState roomRecovered v3: A* B", "said B: kept", "ok v3"]


async def test_messages_that_were_out_before_the_failure_are_not_said_again() -> None:
    """The failure came with the answers."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    stage.encoder.fail("state")
    await stage.turn(m.Say(a, "chat", "once"), m.Describe(b))
    assert a.take() == ["said A: once", "ok v2", "roomState roomRecovered v2: A B"]


# -- while waiting, and while recovering


@pytest.mark.rule("G9.1")
async def test_a_check_that_raises_is_a_failure_like_any_other() -> None:
    """Nobody is answered, all are healed, and the checks go on."""
    stage = Stage(self_check_s=60)
    roster = DeafRoster()
    a, b = await stage.seat("A", "B")
    roster.seated = stage.roster.seated
    roster.to_break = 1
    object.__setattr__(stage.ports, "roster", roster)
    await stage.pass_time(60)
    assert a.take() == b.take() == ["roomState roomRecovered v2: A B"]
    assert stage.metrics.count["room_restarted"] == 1
    await stage.pass_time(120)
    assert stage.metrics.count["room_restarted"] == 1
    assert a.take() == []


@pytest.mark.rule("G9.1", "G9.2")
async def test_a_recovery_that_fails_is_tried_again() -> None:
    """The sender of the poison is answered once; whoever has the state gets a newer one."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    stage.encoder.poison = "poison"
    stage.encoder.fail("state", times=2)
    await stage.turn(m.Ready(a), m.Say(b, "chat", "poison"), m.Ready(c))
    assert stage.metrics.count["room_restarted"] == 3
    assert [told for told in b.take() if told.startswith("refused")] == ["refused internal"]
    assert a.take() == ["roomState roomRecovered v4: A* B C", "ok v4", "ready C v5"]
    assert c.take() == ["roomState roomRecovered v4: A* B C", "ready C v5", "ok v5"]
    epochs = [line.details["roomState"] for line in stage.log.of("room_restarted")]
    numbers = [numbers["epoch"] for numbers in epochs if isinstance(numbers, dict)]
    assert numbers == sorted(set(numbers))
    assert stage.room().state.epoch > max(numbers)


@pytest.mark.rule("G9.3")
async def test_joins_and_messages_survive_a_recovery_that_fails() -> None:
    """They are owed until they are given."""
    stage = Stage()
    (a, _b) = await stage.seat("A", "B")
    c = stage.outlet("C")
    stage.encoder.fail("event")
    stage.encoder.fail("state")
    await stage.turn(stage.join(c), m.Ready(a))
    assert c.take() == ["Joined v4: A* B C"]
    assert a.take() == ["roomState roomRecovered v4: A* B C", "ok v4"]
    assert c.answer_of(Joined).fresh


async def test_a_room_that_failed_empty_is_reaped_like_any_other() -> None:
    """Its idle time begins with its recovery."""
    stage = Stage(room_idle_s=300)
    (a,) = await stage.seat("A")
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    await stage.pass_time(200)
    b = stage.outlet("B")
    stage.log.broken.add("player_joined")
    await stage.turn(stage.join(b))
    assert b.refusal() == "internal"
    stage.log.broken.clear()
    assert stage.metrics.count["room_restarted"] == 1
    await stage.pass_time(299)
    assert ROOM in stage.directory.rooms
    await stage.pass_time(1)
    assert ROOM not in stage.directory.rooms
    assert stage.clock.waiting() == []
