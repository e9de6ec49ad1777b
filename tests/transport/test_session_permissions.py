"""A session whose token allows this and not that, and changes meanwhile."""

from typing import Any

import pytest

from actors import messages as m
from actors.answers import Done, Joined, Permitted, Refused
from actors.errors import Banned
from actors.ids import SocketId
from actors.permissions import Grants
from actors.players import LeaveReason
from actors.room_rules import BanUser, KickPlayer, SetRoom, UnbanUser
from tests.transport.stage import EMPTY, Client, Stage
from transport.identity import ANONYMOUS, Identity
from transport.moves import NO_EVERY_S


def known(rooms: object) -> Identity:
    """Somebody with a token that says so of rooms."""
    return Identity("ann", Grants.of_claim(rooms))


def client_of(*words: str, stage: Stage | None = None, attic: tuple[str, ...] = ()) -> Client:
    """Its token allows `words` in the lobby, and others in the attic."""
    client = (stage or Stage()).client()
    client.session.review(known({"lobby": list(words), "attic": list(attic)}))
    return client


def seated(*words: str, attic: tuple[str, ...] = ()) -> Client:
    """In the lobby."""
    client = client_of("join", *words, attic=attic)
    client.join("lobby")
    return client


@pytest.mark.rule("T2.5")
def test_without_join_there_is_no_joining_and_no_resuming() -> None:
    """The room is not even asked."""
    client = client_of("move", "message")
    token = client_of("join").join("lobby")["resumeToken"]
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    assert client.error() == "forbidden"
    client.send("joinRoomGameSpace", roomId="attic", sequenceId=2)
    assert client.error() == "forbidden"
    resume = {"roomId": "lobby", "resumeToken": token, "epoch": 1, "version": 1}
    client.send("resumeRoomGameSpace", **resume, sequenceId=3)
    assert client.error() == "forbidden"
    assert client.stage.door("lobby").take_all() == client.stage.door("attic").take_all() == []


@pytest.mark.rule("T2.5")
def test_a_switch_that_is_forbidden_leaves_the_session_where_it_is() -> None:
    """As any join that is refused."""
    client = seated("message")
    client.send("joinRoomGameSpace", roomId="attic", sequenceId=2)
    assert client.error() == "forbidden"
    assert client.seat.room_id == "lobby"


@pytest.mark.rule("T2.5")
def test_permissions_are_those_of_the_token_at_the_moment() -> None:
    """With the very next request, one way and the other."""
    client = seated()
    say: dict[str, Any] = {"event": "e", "data": 1}
    client.send("sendRoomMessage", **say)
    assert client.error() == "forbidden"
    client.session.review(known({"lobby": ["join", "message"]}))
    client.send("sendRoomMessage", **say)
    assert client.complete(Done(3), m.Say)[0]["type"] == "ok"
    client.session.review(known({"lobby": ["join"]}))
    client.send("sendRoomMessage", **say)
    assert client.error() == "forbidden"
    client.send("ready")
    assert client.complete(Done(4), m.Ready)[0]["type"] == "ok", (
        "that needs no more than to be there"
    )


@pytest.mark.rule("T2.6")
@pytest.mark.parametrize("number", [{}, {"sequenceId": 7}])
def test_a_move_that_is_not_allowed_is_dropped_and_told_once_in_a_while(
    number: dict[str, int],
) -> None:
    """Also one with a number."""
    client = seated("message")
    for _ in range(3):
        client.send("move", x=1, y=1)
    assert client.error() == "forbidden"
    client.stage.clock.advance(NO_EVERY_S - 0.001)
    client.send("move", x=1, y=1, **number)
    assert client.heard() == []
    client.stage.clock.advance(0.001)
    client.send("move", x=1, y=1)
    assert client.error() == "forbidden"
    assert client.stage.room("lobby").take_all() == []
    client.session.review(ANONYMOUS)
    client.send("move", x=2, y=2)
    assert client.stage.room("lobby").take(m.Move).x == 2


@pytest.mark.rule("T2.6")
def test_a_move_that_waits_for_its_turn_goes_with_the_permission() -> None:
    """It was over the limit when it was allowed."""
    stage = Stage(messages_per_s=1, messages_burst=2)
    client = client_of("join", "move", stage=stage)
    client.join("lobby")
    client.send("move", x=1, y=1)
    client.send("move", x=2, y=2)
    client.session.review(known({"lobby": ["join"]}))
    stage.clock.advance(5)
    assert [move.x for move in stage.room("lobby").take_all()] == [1]  # type: ignore[attr-defined]


@pytest.mark.rule("T2.7")
def test_who_may_not_be_there_any_more_is_out_and_the_connection_lives_on() -> None:
    """It may go elsewhere on it."""
    client = seated("message")
    client.session.review(known({"attic": ["join"]}))
    assert client.heard_one() == {"type": "roomClosed", "roomId": "lobby", "reason": "not allowed"}
    assert client.stage.room("lobby").take(m.Leave).reason is LeaveReason.KICKED
    client.send("ready")
    assert client.error() == "notInRoom"
    assert client.join("attic")["roomId"] == "attic"
    assert client.link.closed == []


@pytest.mark.rule("T2.7")
def test_a_join_that_is_answered_when_it_is_not_allowed_any_more_ends_at_once() -> None:
    """The room had seated it before it could know."""
    client = client_of("join")
    client.send("joinRoomGameSpace", roomId="lobby")
    outlet = client.stage.door("lobby").take(m.Join).outlet
    client.session.review(known({}))
    assert not outlet.grant.allowed
    outlet.answer(Joined(EMPTY, 1, 1))
    assert [said["type"] for said in client.heard()] == ["roomGameSpaceJoined", "roomClosed"]
    assert client.session.seat is None
    assert client.stage.room("lobby").take(m.Leave).outlet is outlet


@pytest.mark.rule("T2.8")
def test_what_the_token_forbids_is_told_without_asking_the_room() -> None:
    """In the words in which a private room says it."""
    client = client_of("move")
    for room in ("lobby", "attic"):
        assert client.ask("checkRoomPermission", roomId=room, sequenceId=1) == {
            "type": "roomPermission",
            "roomId": room,
            "allowed": False,
            "permissions": [],
            "reason": "not allowed",
            "replyTo": 1,
        }
        assert client.stage.door(room).take_all() == []


@pytest.mark.rule("T2.8")
def test_what_the_token_allows_is_for_the_room_to_say() -> None:
    """Whoever sits somewhere stays there meanwhile."""
    client = seated("moderate", attic=("join",))
    client.send("checkRoomPermission", roomId="attic", sequenceId=2)
    check = client.stage.door("attic").take(m.Check)
    assert check.person == client.seat.person
    check.outlet.answer(Permitted(check.outlet.grant))
    told = client.heard_one()
    assert (told["allowed"], told["permissions"], told["replyTo"]) == (True, ["join"], 2)
    assert client.seat.room_id == "lobby"
    assert not check.outlet.alive


@pytest.mark.parametrize(
    ("kind", "fields", "act"),
    [
        ("kickPlayer", {"socketId": "B", "reason": "r"}, KickPlayer(SocketId("B"), None, "r")),
        ("banUser", {"userId": "bob", "forS": 5}, BanUser("bob", None, 5)),
        ("unbanUser", {"userId": "bob"}, UnbanUser("bob")),
        ("setRoom", {"private": True}, SetRoom(private=True)),
    ],
)
def test_an_act_goes_to_the_room_and_has_one_effect(
    kind: str, fields: dict[str, Any], act: object
) -> None:
    """Who may, the room knows; a copy is answered as the first one was."""
    client = seated()
    client.send(kind, **fields, sequenceId=2)
    asked = client.stage.room("lobby").messages[-1]
    assert isinstance(asked, m.Moderate)
    assert asked.act == act
    assert client.complete(Done(7), m.Moderate) == [{"type": "ok", "version": 7, "replyTo": 2}]
    client.send(kind, **fields, sequenceId=2)
    assert client.heard_one() == {"type": "ok", "version": 7, "replyTo": 2}
    assert client.stage.room("lobby").take_all() == []


def test_who_sits_nowhere_moderates_nothing() -> None:
    """The request is about the room that one is in."""
    client = client_of("join", "moderate")
    client.send("setRoom", private=True)
    assert client.error() == "notInRoom"


@pytest.mark.rule("T2.13")
def test_the_reason_of_a_ban_is_for_whom_it_keeps_out_and_not_for_the_log() -> None:
    """A moderator wrote it, and may have named somebody who hides."""
    client = client_of("join")
    client.send("joinRoomGameSpace", roomId="lobby")
    asked = client.stage.door("lobby").take(m.Join)
    asked.outlet.answer(Refused(Banned("banned: it is zoe")))
    assert client.heard_one()["message"] == "banned: it is zoe"
    lines = str(client.stage.log.lines)
    assert "request_refused" in lines
    assert "zoe" not in lines
