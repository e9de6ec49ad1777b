"""Moves that wait, for a token or for a room with a full mailbox: the last one is never lost."""

import pytest

from actors import messages as m
from tests.transport.stage import Stage
from tests.transport.test_session_limits import limited, pings
from tests.transport.test_session_resume import resume


@pytest.mark.rule("G7.3")
def test_a_late_move_goes_to_the_room_before_the_end_and_no_other_after_it() -> None:
    """Where somebody was last is not forgotten with the connection; the seat is dead then."""
    client = limited()
    pings(client, 8)
    client.send("move", x=1, y=1)
    client.session.lost()
    move, lost = client.stage.room("lobby").messages
    assert isinstance(move, m.Move)
    assert (move.x, move.y, type(lost)) == (1, 1, m.Lost)
    client.stage.room("lobby").messages.clear()
    client.stage.clock.advance(10)
    assert client.stage.room("lobby").messages == []
    assert client.stage.clock.waiting == 0


@pytest.mark.rule("G7.1")
def test_a_move_that_finds_its_room_full_is_tried_again_and_only_the_newest() -> None:
    """Until the mailbox takes it."""
    client = limited()
    room = client.stage.room("lobby")
    room.is_full = True
    for x in range(3):
        client.send("move", x=x, y=0)
    client.stage.clock.advance(1)
    assert room.messages == []
    room.is_full = False
    client.stage.clock.advance(1)
    move = room.take(m.Move)
    assert (move.x, client.stage.clock.waiting) == (2, 0)


@pytest.mark.rule("G7.3")
def test_a_move_that_waited_for_a_token_is_told_by_the_session_that_goes_on() -> None:
    """As its own; where it was last is not forgotten with the connection."""
    stage = Stage(messages_per_s=1, messages_burst=10)
    before = stage.client("AAAA")
    token = before.join("lobby")["resumeToken"]
    for x in range(20):
        before.send("move", x=x, y=0)
    stage.room("lobby").messages.clear()
    client = stage.client("BBBB")
    resume(client, token, before.seat)
    stage.clock.advance(10)
    move = stage.room("lobby").take(m.Move)
    assert (move.x, move.outlet) == (19, client.seat)
