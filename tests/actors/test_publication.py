"""What one turn tells the members, once, in which order, at what number of sends."""

import pytest

from actors import messages as m
from actors.answers import Answer, Joined
from actors.players import LeaveReason, StateView
from tests.actors.fakes import FakeOutlet, Happened
from tests.actors.stage import ROOM, Stage


def offers(*outlets: FakeOutlet) -> int:
    """How often the room called any of `outlets`."""
    return sum(outlet.offers for outlet in outlets)


# -- once


@pytest.mark.rule("G1.2")
async def test_a_turn_is_published_once() -> None:
    """Whatever happens in it: one frame for each who was there, the same bytes for all."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    for outlet in (a, b, c):
        outlet.offers = 0
    newcomer = stage.outlet("D")
    await stage.turn(m.Ready(a), m.Update(b, "Bob", None), stage.join(newcomer), m.Ready(c))
    assert len(a.frames) == len(b.frames) == len(c.frames) == 1
    assert a.frames[0] is b.frames[0] is c.frames[0]
    assert offers(a, b, c) == 3 + 3  # a frame and an ok for each
    assert newcomer.offers == 1


@pytest.mark.rule("G1.2")
async def test_what_comes_in_two_turns_is_published_twice() -> None:
    """The order of turns is the order of frames."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Ready(a))
    await stage.turn(m.Ready(b))
    assert a.take() == ["ready A v3", "ok v3", "ready B v4"]
    assert b.take() == ["ready A v3", "ready B v4", "ok v4"]


@pytest.mark.rule("G2.4")
@pytest.mark.parametrize("storm", [1, 2, 50, 500])
async def test_a_storm_of_joins_in_one_turn_costs_one_send_each(storm: int) -> None:
    """One delta for each who was there, one snapshot, encoded once, for each who came."""
    stage = Stage()
    there = await stage.seat("A", "B", "C")
    for outlet in there:
        outlet.offers = 0
    stage.encoder.count.clear()
    came = [stage.outlet(f"n{number:03}") for number in range(storm)]
    await stage.turn(*(stage.join(outlet) for outlet in came))
    assert offers(*there) == len(there)
    assert offers(*came) == storm
    assert stage.encoder.count == {"event": 1, "batch": 1, "state": 1}
    assert len({id(outlet.answer_of(Joined).state) for outlet in came}) == 1
    assert {outlet.answer_of(Joined).version for outlet in came} == {3 + storm}


@pytest.mark.rule("G2.4")
async def test_a_storm_larger_than_a_turn_costs_a_delta_a_turn() -> None:
    """And everybody still ends with the same list."""
    stage = Stage(turn_messages_max=10)
    came = [stage.outlet(f"n{number:03}") for number in range(35)]
    stage.encoder.count.clear()
    await stage.turn(*(stage.join(outlet) for outlet in came))
    assert stage.encoder.count["event"] == stage.encoder.count["state"] == 4
    names = {outlet.socket_id for outlet in came}
    for outlet in came:
        view = outlet.story[0].thing
        assert isinstance(view, StateView)
        known = {player.socket_id for player in view.players}
        for told in outlet.story[1:]:
            assert isinstance(told.thing, Happened)
            known |= {change.player.socket_id for change in told.thing.event.changes}
        assert known == names


async def test_a_turn_that_says_nothing_sends_nothing() -> None:
    """A tick without moves, a check that finds nothing, news of strangers."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    before = offers(a, b)
    stranger = stage.outlet("X")
    await stage.turn(
        m.Tick(), m.SelfCheck(), m.GraceEnded(), m.Lost(stranger), m.Drained(a), m.Drained(stranger)
    )
    assert offers(a, b, stranger) == before


# -- snapshot and delta


@pytest.mark.rule("G2.1", "G2.2", "G2.3")
async def test_joiners_get_a_snapshot_and_the_others_the_delta_of_the_same_version() -> None:
    """Nobody gets its own joining, and the checksums agree."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    c, d = stage.outlet("C"), stage.outlet("D")
    await stage.turn(stage.join(c), stage.join(d))
    delta = a.story[0].thing
    snapshot = c.story[0].thing
    assert isinstance(delta, Happened)
    assert isinstance(snapshot, StateView)
    assert delta.event.checksum == snapshot.checksum == stage.room().state.checksum()
    assert a.take() == b.take() == ["joined C D v4"]
    assert c.take() == d.take() == ["Joined v4: A B C D"]


@pytest.mark.rule("G2.2")
async def test_what_else_happens_in_the_turn_of_a_join_is_in_its_snapshot() -> None:
    """Before or after the join, and none of it comes again."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    c = stage.outlet("C")
    await stage.turn(m.Ready(a), stage.join(c), m.Ready(b))
    assert c.take() == ["Joined v5: A* B* C"]
    assert a.take() == ["ready A v3", "joined C v4", "ready B v5", "ok v5"]


# -- order


@pytest.mark.rule("G1.1", "G1.2")
async def test_neighbouring_changes_of_one_kind_are_one_event() -> None:
    """Changes of another kind between them part it."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    d, e = stage.outlet("D"), stage.outlet("E")
    await stage.turn(m.Ready(a), m.Ready(b), stage.join(d), m.Ready(c), stage.join(e))
    assert [line for line in a.take() if not line.startswith("ok")] == [
        "ready A B v5",
        "joined D v6",
        "ready C v7",
        "joined E v8",
    ]


@pytest.mark.rule("G1.5")
async def test_events_and_room_messages_keep_the_rooms_order() -> None:
    """A message parts the changes around it, too."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    await stage.turn(m.Ready(a), m.Say(b, "chat", "hi"), m.Ready(c))
    for outlet in (a, b, c):
        lines = outlet.take()
        assert lines[:3] == ["ready A v4", "said B: hi", "ready C v5"]
        assert lines[3:] == ["ok v5"]


@pytest.mark.rule("G1.5")
async def test_a_message_reaches_whoever_joined_before_it_in_the_same_turn() -> None:
    """And not who joined after it; everybody gets every change once."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    c, d = stage.outlet("C"), stage.outlet("D")
    await stage.turn(stage.join(c), m.Say(a, "chat", "hi"), stage.join(d))
    assert b.take() == ["joined C v3", "said A: hi", "joined D v4"]
    assert a.take() == ["joined C v3", "said A: hi", "joined D v4", "ok v4"]
    assert c.take() == ["Joined v3: A B C", "said A: hi", "joined D v4"]
    assert d.take() == ["Joined v4: A B C D"]


@pytest.mark.rule("G1.5")
async def test_a_message_reaches_whoever_leaves_after_it_in_the_same_turn() -> None:
    """It was said while they were there."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Say(a, "chat", "bye"), m.Leave(b, LeaveReason.LEFT))
    assert b.take() == ["said A: bye", "Left"]
    assert a.take() == ["said A: bye", "ok v2", "left B(left) v3"]


@pytest.mark.rule("G1.5")
async def test_what_is_said_after_a_leave_is_not_heard_by_who_left() -> None:
    """Nothing of the room comes after its `Left`."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Leave(b, LeaveReason.LEFT), m.Say(a, "chat", "gone?"))
    assert b.take() == ["Left"]
    assert a.take() == ["left B(left) v3", "said A: gone?", "ok v3"]


@pytest.mark.rule("G1.3", "G1.5")
async def test_ok_comes_after_the_event_or_message_of_its_request() -> None:
    """With a version not below it."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Ready(a))
    assert a.take() == ["ready A v3", "ok v3"]
    await stage.turn(m.Update(a, "Ann", None))
    assert a.take() == ["updated A v4", "ok v4"]
    await stage.turn(m.Say(a, "chat", "hi"))
    assert a.take() == ["said A: hi", "ok v4"]
    await stage.turn(m.Ready(a), m.Ready(b))
    assert a.take() == ["ready B v5", "ok v5"]


async def test_answers_come_in_the_order_of_their_requests() -> None:
    """Among several sessions, after all events."""
    stage = Stage()
    order: list[str] = []

    class Noting(FakeOutlet):
        def answer(self, answer: Answer) -> None:
            order.append(self.socket_id)
            super().answer(answer)

    outlets = [Noting(name, stage.encoder, stage.roster, ROOM) for name in "ABCD"]
    await stage.turn(*(stage.join(outlet) for outlet in outlets))
    a, b, c, d = outlets
    order.clear()
    await stage.turn(m.Describe(c), m.Ready(a), m.Leave(d, LeaveReason.LEFT), m.Say(b, "e", 1))
    assert order == ["C", "A", "D", "B"]


async def test_moves_come_after_the_events_and_answers_of_their_turn() -> None:
    """So no position is told of somebody not yet announced."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    c = stage.outlet("C")
    await stage.turn(m.Move(a, 1.0, 2.0), stage.join(c))
    assert b.take() == ["joined C v3", "moved A 1 2"]
    assert c.take() == ["Joined v3: A B C", "moved A 1 2"]


@pytest.mark.rule("G3.1")
async def test_every_event_carries_epoch_checksum_and_metadata_of_its_own_version() -> None:
    """Not those of the end of its turn."""
    stage = Stage()
    a, _ = await stage.seat("A", "B")
    c = stage.outlet("C")
    await stage.turn(m.Leave(a, LeaveReason.LEFT), stage.join(c))
    (b,) = [seat for seat in stage.roster.claims(c.room_id) if seat.socket_id == "B"]
    assert isinstance(b, FakeOutlet)
    left, joined = (told.thing for told in b.story)
    assert isinstance(left, Happened)
    assert isinstance(joined, Happened)
    assert left.epoch == joined.epoch == stage.room().state.epoch
    assert (left.event.metadata.player_count, joined.event.metadata.player_count) == (1, 2)
    assert left.event.checksum != joined.event.checksum == stage.room().state.checksum()
