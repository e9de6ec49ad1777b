"""What a user's lost players count for while somebody tries to bring them back."""

import pytest

from actors import messages as m
from actors.errors import ResumeExpired
from tests.transport.stage import Stage, refused
from tests.transport.test_session_resume import ask, yes


@pytest.mark.rule("T6.7")
def test_who_came_in_place_of_a_connection_and_is_refused_joins_once_that_has_gone() -> None:
    """The resume would have ended the other one; a join does not."""
    stage = Stage(user_connections_max=1)
    before = stage.client("AAAA")
    token = before.join("lobby", userId="ann")["resumeToken"]
    client = stage.client("BBBB")
    ask(client, token)
    outlet = stage.door("lobby").take(m.Resume).outlet
    outlet.answer(refused(ResumeExpired("outdated")))
    assert client.error() == "resumeExpired"
    client.send("joinRoomGameSpace", roomId="two", userId="ann")
    assert client.error() == "rateLimited"
    before.send("joinRoomGameSpace", roomId="two", userId="ann")
    stage.door("two").take(m.Join)
    before.session.lost()
    client.join("two", userId="ann")


@pytest.mark.rule("T6.8")
@pytest.mark.parametrize("end", ["refused", "gone", "too much to do"])
def test_a_resume_that_seats_nobody_leaves_the_lost_player_counted(end: str) -> None:
    """Else a room more for each token that is outdated: the others still come back."""
    stage = Stage(user_rooms_max=1, resume_grace_s=30)
    before = stage.client("AAAA")
    token = before.join("lobby", userId="ann")["resumeToken"]
    before.session.lost()
    client, other = stage.client("BBBB"), stage.client("CCCC")
    stage.door("lobby").is_full = end == "too much to do"
    ask(client, token)
    if end == "refused":
        outlet = stage.door("lobby").take(m.Resume).outlet
        outlet.answer(refused(ResumeExpired("outdated")))
    elif end == "gone":
        client.session.lost()
    other.send("joinRoomGameSpace", roomId="two", userId="ann")
    assert other.error() == "rateLimited"
    stage.clock.advance(31)
    other.join("two", userId="ann")


@pytest.mark.rule("T6.8", "T6.10")
def test_a_player_that_is_lost_while_a_resume_is_under_way_is_counted_once() -> None:
    """And lost again it is forgotten with its grace."""
    stage = Stage(user_rooms_max=1, resume_grace_s=30)
    before = stage.client("AAAA")
    token = before.join("lobby", userId="ann")["resumeToken"]
    seat, client = before.seat, stage.client("BBBB")
    ask(client, token)
    before.session.lost()
    stage.door("lobby").take(m.Resume).outlet.answer(yes(seat))
    client.session.lost()
    stage.clock.advance(31)
    assert (len(stage.host.shares), stage.clock.waiting) == (0, 0)
