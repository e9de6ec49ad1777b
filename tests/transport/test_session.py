"""One request of each kind: what the room is asked, and what the client is answered."""

import json
from typing import Any

import pytest

from actors import messages as m
from actors.answers import Described, Done, Left, Permitted, Validated
from actors.errors import RoomFull
from actors.history import Claim, Verdict
from actors.ids import RoomId, SocketId
from actors.players import LeaveReason
from actors.ports import StateReason
from actors.privacy import Privacy, pseudonym
from actors.room_rules import PLAIN
from actors.settings import Settings
from actors.tokens import verify
from tests.transport import requests as r
from tests.transport.stage import EMPTY, KEYS, Stage, objects, refused

LOBBY = RoomId("lobby")


# -- the first frame


@pytest.mark.rule("C1.2")
def test_the_welcome_names_the_session_and_the_time() -> None:
    """With everything that the protocol page lists."""
    stage = Stage(heartbeat_s=2.5)
    (welcome,) = objects(stage.client("AbC-_9").session.greet())
    limits = welcome.pop("limits")
    assert welcome == {
        "type": "welcome",
        "socketId": "AbC-_9",
        "protocol": 1,
        "serverTime": "2026-01-01T00:00:00.000Z",
        "auth": "anonymous",
        "heartbeatMs": 2500,
    }
    assert limits


@pytest.mark.rule("C1.4")
def test_the_limits_are_the_settings_under_their_names_in_camel_case() -> None:
    """Each with its own value."""
    values: dict[str, Any] = {
        "message_bytes_max": 20_001,
        "messages_per_s": 71,
        "messages_burst": 72,
        "joins_per_s": 13,
        "joins_burst": 14,
        "players_max": 15,
        "outbox_bytes_max": 100_016,
        "slow_reader_s": 17,
        "connections_per_ip_max": 18,
        "connections_max": 19,
    }
    assert all(getattr(Settings(), name) != value for name, value in values.items())
    (welcome,) = objects(Stage(**values).client().session.greet())
    assert welcome["limits"] == {camel(name): value for name, value in values.items()}


def camel(name: str) -> str:
    """`message_bytes_max` as `messageBytesMax`."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


# -- joining


@pytest.mark.rule("G2.6")
def test_a_join_with_nothing_but_a_room_is_a_guest_at_0_0() -> None:
    """Named after its session, with no attributes, hiding nothing."""
    stage = Stage(join_timeout_s=3)
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby")
    join = stage.door("lobby").take(m.Join)
    now_s = stage.clock.monotonic_s()
    assert (join.room_id, join.asked_s, join.deadline_s) == ("lobby", now_s, now_s + 3)
    assert join.profile == m.Profile(
        user_id=join.profile.user_id,
        display_name=None,
        x=0,
        y=0,
        attributes={},
        hide_position=False,
        person="guest-AAAA",
    )
    assert join.profile.user_id == "guest-AAAA"
    assert (join.outlet.socket_id, join.outlet.alive, join.outlet.heard) == ("AAAA", True, True)
    assert client.heard() == []


def test_a_join_hands_on_how_somebody_wants_to_appear() -> None:
    """Every field of the request."""
    stage = Stage()
    stage.client().session.receive(json.dumps(r.JOIN).encode())
    profile = stage.door("lobby").take(m.Join).profile
    assert (profile.user_id, profile.person, profile.display_name) == ("ann", "ann", "Ann")
    assert (profile.x, profile.y, profile.attributes) == (1, 2.5, {"colour": "red"})
    assert profile.hide_position is True


@pytest.mark.rule("G2.1")
def test_a_join_is_answered_with_state_token_and_grace() -> None:
    """The token says who, where, and which one it is."""
    stage = Stage(resume_grace_s=12.5)
    client = stage.client()
    joined = client.join("lobby", serial=4, userId="ann", privacy={"hidePosition": True})
    token = joined.pop("resumeToken")
    assert joined == {
        "type": "roomGameSpaceJoined",
        "roomId": "lobby",
        "socketId": "AAAA",
        "players": [],
        "metadata": {},
        "consistency": {},
        "resumeGraceMs": 12_500,
    }
    claims = verify(KEYS, token)
    assert claims is not None
    assert (claims.room_id, claims.socket_id, claims.person) == ("lobby", "AAAA", "ann")
    assert (claims.serial, claims.privacy) == (4, Privacy(False, True))
    assert (client.link.states, stage.claims("lobby")) == (1, ["AAAA"])


@pytest.mark.rule("G11.1", "G11.2")
def test_who_hides_is_shown_by_a_pseudonym_of_the_room() -> None:
    """The room never gets to show the name; it keeps it for itself."""
    stage = Stage()
    shown = set()
    for room in ("lobby", "attic"):
        client = stage.client()
        client.send("joinRoomGameSpace", roomId=room, userId="ann", privacy={"hideUserId": True})
        profile = stage.door(room).take(m.Join).profile
        assert profile.user_id == pseudonym(KEYS.pseudonym, RoomId(room), "ann")
        assert profile.person == "ann"
        assert "ann" not in repr(profile)
        shown.add(profile.user_id)
    assert len(shown) == 2


@pytest.mark.rule("G11.1")
def test_a_hidden_guest_does_not_show_its_session_either() -> None:
    """`guest-` and the socketId would give away nothing less."""
    stage = Stage()
    stage.client().send("joinRoomGameSpace", roomId="lobby", privacy={"hideUserId": True})
    join = stage.door("lobby").take(m.Join)
    assert join.profile.user_id == pseudonym(KEYS.pseudonym, LOBBY, "guest-AAAA")


@pytest.mark.rule("E2.2")
def test_a_join_that_is_refused_leaves_the_session_where_it_was() -> None:
    """Nowhere, and free to try again; the seat that was made for it is dead."""
    stage = Stage()
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    outlet = stage.door("lobby").take(m.Join).outlet
    outlet.answer(refused(RoomFull("full")))
    assert client.heard_one()["code"] == "roomFull"
    assert not outlet.alive
    assert outlet.offer(b"taken by nobody")
    assert (client.heard(), stage.claims("lobby")) == ([], [])
    client.send("ready")
    assert client.error() == "notInRoom"
    client.join("lobby")


# -- requests to the room that one sits in


@pytest.mark.rule("G1.3", "G1.5", "C3.1")
@pytest.mark.parametrize(
    ("request_", "kind"),
    [(r.READY, m.Ready), (r.UPDATE, m.Update), (r.SAY, m.Say)],
)
def test_a_change_is_answered_with_ok_and_its_version(
    request_: dict[str, Any], kind: type[m.Ready | m.Update | m.Say]
) -> None:
    """The room's own version, and the number of the request where it had one."""
    client = Stage().seated("lobby")
    for number in ({}, {"sequenceId": 9}):
        client.session.receive(json.dumps({**request_, **number}).encode())
        reply = {"replyTo": 9} if number else {}
        assert client.complete(Done(41), kind) == [{"type": "ok", "version": 41, **reply}]


@pytest.mark.rule("G1.6")
def test_requests_reach_the_room_with_what_they_say() -> None:
    """Field by field, through the seat of the session."""
    stage = Stage()
    client = stage.seated("lobby")
    outlet = client.seat
    room = stage.room("lobby")

    def asked(request: dict[str, Any]) -> object:
        client.session.receive(json.dumps(request).encode())
        (message,) = room.take_all()
        outlet.answer(Done(1))
        client.heard()
        return message

    assert asked(r.READY) == m.Ready(outlet)
    assert asked(r.UPDATE) == m.Update(outlet, "Ann", {"colour": "red"})
    assert asked({"type": "updatePlayer", "displayName": "A"}) == m.Update(outlet, "A", None)
    assert asked({"type": "updatePlayer", "attributes": {}}) == m.Update(outlet, None, {})
    assert asked(r.STATE) == m.Describe(outlet)
    assert asked(r.VALIDATE) == m.Validate(
        outlet, Claim(frozenset({SocketId("AAAA"), SocketId("BBBB")}), 3, 7, "6a5028f9")
    )
    assert asked(r.LEAVE) == m.Leave(outlet, LeaveReason.LEFT)
    said = asked(r.SAY)
    assert isinstance(said, m.Say)
    assert (said.outlet, said.event) == (outlet, "chat")


@pytest.mark.rule("G2.5")
def test_a_request_for_the_state_is_answered_with_it() -> None:
    """As a whole state, which the link may treat as such."""
    client = Stage().seated("lobby")
    client.send("requestRoomState", sequenceId=2)
    (state,) = client.complete(Described(EMPTY), m.Describe)
    assert (state["type"], state["reason"], state["replyTo"]) == ("roomState", "requested", 2)
    assert "resumeToken" not in state
    assert client.link.states == 2


@pytest.mark.rule("G10.4")
def test_a_validation_that_heals_is_a_whole_state_and_one_that_agrees_is_not() -> None:
    """What waits in front of a whole state counts no more."""
    client = Stage().seated("lobby")
    states = client.link.states
    client.session.receive(json.dumps(r.VALIDATE).encode())
    (valid,) = client.complete(Validated(Verdict(True), b'"consistency":{}'), m.Validate)
    assert (valid["type"], valid["valid"], client.link.states) == (
        "roomStateValidated",
        True,
        states,
    )
    client.session.receive(json.dumps(r.VALIDATE).encode())
    wrong = Verdict(False, (SocketId("CCCC"),), ())
    (invalid,) = client.complete(Validated(wrong, EMPTY), m.Validate)
    assert (invalid["missingPlayers"], client.link.states) == (["CCCC"], states + 1)


@pytest.mark.rule("E2.1")
@pytest.mark.parametrize(
    "request_", [r.READY, r.MOVE, r.UPDATE, r.SAY, r.VALIDATE, r.STATE, r.LEAVE]
)
def test_what_needs_a_room_is_refused_without_one(request_: dict[str, Any]) -> None:
    """Before the first, and after the last."""
    stage = Stage()
    client = stage.client()
    client.session.receive(json.dumps(request_).encode())
    assert client.error() == "notInRoom"
    client.join("lobby")
    client.leave()
    client.session.receive(json.dumps(request_).encode())
    assert client.error() == "notInRoom"
    assert stage.room("lobby").messages == []


@pytest.mark.rule("E2.1")
def test_another_room_than_ones_own_cannot_be_validated() -> None:
    """It is not asked at all."""
    stage = Stage()
    client = stage.seated("attic")
    client.session.receive(json.dumps(r.VALIDATE).encode())
    assert client.error() == "notInRoom"
    assert stage.room("attic").messages == stage.room("lobby").messages == []


@pytest.mark.rule("G5.6")
def test_a_leave_is_answered_and_the_seat_is_dead() -> None:
    """Nothing that the room says later reaches anybody."""
    stage = Stage()
    client = stage.seated("lobby")
    outlet = client.seat
    client.send("leaveRoomGameSpace", sequenceId=3)
    assert client.complete(Left(1), m.Leave) == [
        {"type": "roomGameSpaceLeft", "roomId": "lobby", "replyTo": 3}
    ]
    assert outlet.offer(b"an event")
    assert outlet.offer_moves(b"a move")
    outlet.send_state(EMPTY, StateReason.ROOM_RECOVERED)
    assert client.heard() == []
    assert (outlet.alive, stage.claims("lobby")) == (False, [])


# -- what the session answers itself


@pytest.mark.rule("C2.7")
@pytest.mark.parametrize("t", [None, 0, 1.5, "x", True, [], {"a": [None]}])
def test_a_ping_comes_back_with_its_t_and_the_time(t: object) -> None:
    """Also null, and also without a room."""
    client = Stage().client()
    client.stage.clock.advance(1.25)
    time = {"type": "pong", "serverTime": "2026-01-01T00:00:01.250Z"}
    assert client.ask("ping", t=t) == {**time, "t": t}
    assert client.ask("ping") == time
    assert client.ask("ping", sequenceId=4) == {**time, "replyTo": 4}


@pytest.mark.rule("E2.6")
def test_permissions_are_told_for_any_room() -> None:
    """In words of the protocol; nobody moderates without authentication."""
    stage = Stage()
    client = stage.client()
    client.send("checkRoomPermission", roomId="lobby", sequenceId=1)
    asked = stage.door("lobby").take(m.Check)
    asked.outlet.answer(Permitted(PLAIN.granted(asked.person, asked.outlet.grant, 0)))
    assert client.heard_one() == {
        "type": "roomPermission",
        "roomId": "lobby",
        "allowed": True,
        "permissions": ["join", "move", "message"],
        "replyTo": 1,
    }


@pytest.mark.rule("E2.7", "G11.1")
def test_authenticating_tells_the_name_that_is_shown() -> None:
    """A guest's before joining, and in a room the pseudonym of who hides there."""
    stage = Stage()
    client = stage.client()
    assert client.ask("authenticate", token="t") == {
        "type": "authenticated",
        "userId": "guest-AAAA",
    }
    client.join("lobby", userId="ann", privacy={"hideUserId": True})
    shown = client.ask("authenticate", token="t")["userId"]
    assert shown == pseudonym(KEYS.pseudonym, LOBBY, "ann")
