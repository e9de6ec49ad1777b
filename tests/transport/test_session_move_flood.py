"""Moves far over the rate: read more slowly, never refused, and the last one arrives."""

import pytest

from actors import messages as m
from actors.permissions import Grant, Permission
from tests.transport.stage import Stage


@pytest.mark.rule("T6.11", "G7.3")
def test_a_flood_of_moves_stops_the_reading_and_the_last_one_arrives() -> None:
    """Not of those who are a little over the rate."""
    stage = Stage(messages_per_s=60, messages_burst=60, backlog_frames_max=64)
    client = stage.seated("lobby")
    stage.clock.advance(10)
    for x in range(60 + 64):
        assert not client.link.is_held
        client.send("move", x=x, y=0)
    assert not client.link.is_held
    for x in range(200, 210):
        client.send("move", x=x, y=0)
        assert client.link.is_held
    stage.clock.advance(1 / 60 + 0.001)
    assert not client.link.is_held
    stage.clock.advance(1)
    moves = [move.x for move in stage.room("lobby").take_all() if isinstance(move, m.Move)]
    assert (moves[-1], client.link.closed, client.heard()) == (209, [], [])
    assert stage.clock.waiting == 0


@pytest.mark.rule("T6.11", "T2.6", "C3.2")
@pytest.mark.parametrize("kind", ["copies", "not allowed"])
def test_a_flood_of_moves_that_go_nowhere_stops_the_reading_as_well(kind: str) -> None:
    """Reading each costs as much as one that arrives."""
    stage = Stage(messages_per_s=60, messages_burst=60, backlog_frames_max=64)
    client = stage.seated("lobby")
    stage.clock.advance(10)
    number: dict[str, object] = {} if kind == "not allowed" else {"sequenceId": 7}
    if kind == "not allowed":
        client.seat.have(Grant(frozenset({Permission.JOIN})))
    for _ in range(60 + 63):
        client.send("move", x=1, y=0, **number)
        assert client.link.holds == 0
    client.send("move", x=1, y=0, **number)
    assert client.link.holds == 1
    stage.clock.advance(1 / 60 + 0.001)
    assert not client.link.is_held
    told = [] if kind == "copies" else ["forbidden"]
    assert [each["code"] for each in client.heard()] == told
    assert (client.link.closed, stage.clock.waiting) == ([], 0)


@pytest.mark.rule("E2.3", "C3.6", "C4.5")
def test_moves_that_are_refused_for_their_numbers_are_limited_as_other_requests() -> None:
    """Each has an answer."""
    stage = Stage(messages_per_s=60, messages_burst=60)
    client = stage.seated("lobby")
    stage.clock.advance(10)
    client.send("move", x=0, y=0, sequenceId=8)
    for _ in range(59 + 101):
        client.send("move", x=1, y=0, sequenceId=7)
    told = [each["code"] for each in client.heard()]
    assert told == ["staleSequence"] * 59 + ["rateLimited"] * 101
    assert [code for code, _ in client.link.closed] == [1008]


@pytest.mark.rule("T6.11")
def test_the_pause_of_a_flood_is_short_also_where_the_rate_is_low() -> None:
    """Reading never stops for long: the heartbeat's answers are in the same stream."""
    stage = Stage(messages_per_s=0.01, messages_burst=1, backlog_frames_max=4)
    client = stage.seated("lobby")
    for x in range(5):
        client.send("move", x=x, y=0)
    assert client.link.is_held
    stage.clock.advance(0.5)
    assert not client.link.is_held
