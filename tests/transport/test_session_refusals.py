"""How a session says no, and what becomes of a bug in it."""

import pytest

from actors import messages as m
from actors.answers import Done, Joined, Refused
from actors.errors import REFUSALS, BadMessage, Internal, NotInRoom, Refusal, Unavailable
from actors.ids import RoomId
from tests.transport.stage import Stage, refused
from tests.transport.test_session_resume import ask, resume

LOBBY = RoomId("lobby")


@pytest.mark.rule("E1.1", "E1.4", "E1.7", "C3.1")
def test_a_bad_request_is_refused_and_the_session_lives_on() -> None:
    """With the number of the request, where that could be read."""
    stage = Stage()
    client = stage.client()
    for raw, code, reply in (
        (b"{", "badMessage", None),
        (b"[]", "badMessage", None),
        (b'{"type":1,"sequenceId":5}', "badMessage", 5),
        (b'{"type":"ready","sequenceId":0}', "badMessage", None),
        (b'{"type":"nonsense","sequenceId":6}', "unsupportedType", 6),
        (b'{"type":"joinRoomGameSpace","sequenceId":7}', "badMessage", 7),
    ):
        client.session.receive(raw)
        error = client.heard_one()
        assert (error["type"], error["code"], error.get("replyTo")) == ("error", code, reply)
        assert (error["retryable"], bool(error["message"])) == (False, True)
    assert client.link.closed == []
    assert stage.metrics.counts == {"error badMessage": 5, "error unsupportedType": 1}
    client.join("lobby")


@pytest.mark.rule("E1.7")
@pytest.mark.parametrize("kind", REFUSALS)
def test_the_rooms_no_is_said_in_its_words(kind: type[Refusal]) -> None:
    """Whatever it is; the session stays seated, and the metric counts it."""
    stage = Stage()
    client = stage.seated("lobby")
    refusal = kind("x", "y") if kind is BadMessage else kind("why")
    client.send("ready", sequenceId=2)
    (error,) = client.complete(refused(refusal))
    assert (error["code"], error["message"], error["replyTo"]) == (kind.code, refusal.message, 2)
    assert stage.metrics.counts == {f"error {kind.code}": 1}
    client.send("ready", sequenceId=3)
    assert client.complete(Done(1))[0]["type"] == "ok"


def test_a_room_with_too_much_to_do_is_unavailable() -> None:
    """For joins and for what comes later; the next request may go on at once."""
    stage = Stage()
    stage.door("lobby").is_full = True
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    error = client.heard_one()
    assert (error["code"], error["retryable"], error["replyTo"]) == ("unavailable", True, 1)
    assert error["retryAfterMs"] > 0
    stage.door("lobby").is_full = False
    client.join("lobby", sequenceId=1)
    stage.room("lobby").is_full = True
    client.send("ready", sequenceId=2)
    assert client.error() == "unavailable"
    stage.room("lobby").is_full = False
    client.send("ready", sequenceId=2)
    assert client.complete(Done(1))[0]["type"] == "ok"


@pytest.mark.rule("G9.3")
def test_a_move_that_breaks_its_room_is_told_to_its_sender() -> None:
    """`internal`, without being the answer to anything: the request under way has its own."""
    client = Stage().seated("lobby")
    client.send("move", x=1, y=1)
    client.send("ready", sequenceId=5)
    move, ready = client.stage.room("lobby").take_all()
    assert isinstance(move, m.Move)
    assert isinstance(ready, m.Ready)
    move.outlet.answer(Refused(Internal("broke"), unasked=True))
    error = client.heard_one()
    assert (error["code"], "replyTo" in error) == ("internal", False)
    ready.outlet.answer(Done(3))
    assert client.heard_one() == {"type": "ok", "version": 3, "replyTo": 5}


def test_a_refusal_is_logged_for_who_looks_for_it_only() -> None:
    """Clients may cause any number of them."""
    stage = Stage()
    stage.client().send("ready")
    (line,) = [line for line in stage.log.lines if line.event == "request_refused"]
    assert (line.level, line.fields["error"], line.fields["socket_id"]) == (
        "debug",
        NotInRoom.code,
        "AAAA",
    )


def test_a_bug_in_an_answer_ends_the_connection_and_not_the_room() -> None:
    """What the room calls never raises; the player stays for the grace."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    outlet = stage.room("lobby").take(m.Ready).outlet
    outlet.answer(Joined("no bytes at all", 1, 1))  # type: ignore[arg-type]
    assert [code for code, _ in client.link.closed] == [1011]
    assert stage.room("lobby").take(m.Lost).outlet is outlet
    assert stage.log.told("session_failed")[0]["socket_id"] == "AAAA"


@pytest.mark.rule("G11.3", "O1.3")
def test_no_line_of_a_session_names_who_hides_or_holds_a_token() -> None:
    """At any level: whatever it asks, is refused, and however it ends."""
    stage = Stage()
    client = stage.client()
    client.join("lobby", userId="somebody", privacy={"hideUserId": True})
    at = "2026-01-02T03:04:05Z"
    client.send(
        "resumeRoomGameSpace",
        roomId="lobby",
        resumeToken="a-secret",
        epoch=1,
        version=1,
        timestamp=at,
    )
    client.send("authenticate", token="a-secret", timestamp=at)
    for _ in range(200):
        client.session.receive(b"[]")
    events = {line.event for line in stage.log.lines}
    assert {"request_timed", "request_refused", "client_misbehaved"} <= events
    lines = repr(stage.log.lines)
    assert "somebody" not in lines
    assert "a-secret" not in lines


@pytest.mark.rule("G6.5")
def test_a_session_does_not_supersede_itself() -> None:
    """Its first resume was refused, and had seated it for all that: the second goes on there."""
    stage = Stage()
    token = stage.client("AAAA").join("lobby")["resumeToken"]
    client = stage.client("BBBB")
    ask(client, token, sequenceId=1)
    refusing = stage.door("lobby").take(m.Resume).outlet
    refusing.answer(refused(Unavailable("it could not be stored", retry_after_ms=1000)))
    client.heard_one()
    again = resume(client, token, refusing, sequenceId=1)
    assert (again["type"], again["socketId"]) == ("roomGameSpaceResumed", "AAAA")
    assert client.link.closed == []
    assert "AAAA" in stage.claims("lobby")
