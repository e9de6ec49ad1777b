"""Moves far over the rate: read more slowly, never refused, and the last one arrives."""

import pytest

from actors import messages as m
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
