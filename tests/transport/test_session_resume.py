"""Coming back on a new connection: tokens, names, memories, and what becomes of the old one."""

import pytest

from actors import messages as m
from actors.answers import Done, Joined, Left, Resumed
from actors.errors import NotInRoom, ResumeExpired
from actors.ids import RoomId, SocketId
from actors.keys import derived
from actors.players import LeaveReason
from actors.ports import Eviction, Outlet, StateReason
from actors.privacy import Privacy
from actors.tokens import ResumeClaims, mint, verify
from tests.transport.stage import EMPTY, KEYS, Client, Object, Stage, refused
from transport import encoding

EVENT = encoding.frame(b'{"type":"playerReady"}')


def ask(client: Client, token: str, **fields: object) -> None:
    """Ask to resume in the lobby."""
    request: Object = {"roomId": "lobby", "resumeToken": token, "epoch": 3, "version": 7, **fields}
    client.send("resumeRoomGameSpace", **request)


def yes(succeeds: Outlet, serial: int = 2) -> Resumed:
    """The room's answer where nothing was missed."""
    return Resumed([], b"[]", 3, 7, "00000000", 0, serial, succeeds)


def resume(client: Client, token: str, old: Outlet, **fields: object) -> Object:
    """Come back in the lobby, whose member spoke through `old`; the answer."""
    ask(client, token, **fields)
    client.stage.door("lobby").take(m.Resume).outlet.answer(yes(old))
    client.link.run_deferred()
    return client.heard_one()


@pytest.mark.rule("G6.2", "G6.6")
def test_a_resume_asks_the_room_by_what_the_token_says() -> None:
    """Name and serial from the token, epoch and version from the client."""
    stage = Stage(join_timeout_s=3)
    token = stage.client("AAAA").join("lobby", serial=4, userId="ann")["resumeToken"]
    client = stage.client("BBBB")
    ask(client, token)
    now_s = stage.clock.monotonic_s()
    asked = stage.door("lobby").take(m.Resume)
    assert asked == m.Resume(
        asked.outlet, RoomId("lobby"), SocketId("AAAA"), 4, 3, 7, now_s, now_s + 3, asked.profile
    )
    assert (asked.profile.person, asked.profile.user_id) == ("ann", "ann")
    assert (asked.outlet.socket_id, asked.outlet.alive) == ("AAAA", True)


@pytest.mark.rule("G6.2", "G6.6")
def test_a_resume_is_answered_in_the_name_of_the_old_session() -> None:
    """The one in the new connection's welcome is forgotten, and a new token comes along."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby", userId="ann")["resumeToken"]
    before.session.lost()
    client = stage.client("BBBB")
    resumed = resume(client, token, before.seat, sequenceId=2)
    claims = verify(KEYS, resumed.pop("resumeToken"))
    assert claims == ResumeClaims(RoomId("lobby"), SocketId("AAAA"), "ann", Privacy(), 2)
    assert resumed == {
        "type": "roomGameSpaceResumed",
        "roomId": "lobby",
        "socketId": "AAAA",
        "consistency": {
            "epoch": 3,
            "version": 7,
            "checksum": "00000000",
            "lastValidated": "1970-01-01T00:00:00.000Z",
        },
        "missed": [],
        "positions": [],
        "replyTo": 2,
    }
    assert (client.session.socket_id, stage.claims("lobby")) == ("AAAA", ["AAAA"])
    client.send("ready")
    assert stage.room("lobby").take_all()[-1] == m.Ready(client.seat)


@pytest.mark.rule("G6.10")
def test_a_resume_may_be_answered_with_the_whole_state() -> None:
    """Then as a join is, in the old session's name."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby")["resumeToken"]
    client = stage.client("BBBB")
    ask(client, token, sequenceId=1)
    whole = Joined(EMPTY, 9, 2, fresh=False, succeeds=before.seat)
    stage.door("lobby").take(m.Resume).outlet.answer(whole)
    joined = client.heard_one()
    assert (joined["type"], joined["socketId"]) == ("roomGameSpaceJoined", "AAAA")
    assert (client.link.states, client.session.socket_id) == (1, "AAAA")
    assert before.link.closed[0][0] == 4509


@pytest.mark.rule("G11.5")
def test_a_resume_keeps_what_the_player_hides() -> None:
    """The token carries it; the person is not shown again."""
    stage = Stage()
    before = stage.client("AAAA")
    privacy = {"hideUserId": True, "hidePosition": True}
    token = before.join("lobby", userId="ann", privacy=privacy)["resumeToken"]
    old = before.seat
    client = stage.client("BBBB")
    resumed = resume(client, token, old)
    assert (client.seat.user_id, client.seat.person) == (old.user_id, "ann")
    claims = verify(KEYS, resumed["resumeToken"])
    assert claims is not None
    assert claims.privacy == Privacy(True, True)


# -- tokens that are none


@pytest.mark.rule("G6.8")
def test_a_token_that_is_not_one_of_this_room_is_expired() -> None:
    """Forged, changed, of another key, of another room: no room is asked."""
    stage = Stage()
    claims = ResumeClaims(RoomId("lobby"), SocketId("AAAA"), "ann", Privacy(), 1)
    good = mint(KEYS, claims)
    client = stage.client("BBBB")
    body, _, signature = good.partition(".")
    other_room = mint(KEYS, ResumeClaims(RoomId("attic"), SocketId("AAAA"), "ann", Privacy(), 1))
    forged = [
        "x",
        ".",
        "a.b",
        good + "A",
        good[:-1],
        good.swapcase(),
        body,
        f"{body}.",
        f".{signature}",
        mint(derived(b"another key"), claims),
        other_room,
        "é" * 10,
        "x" * 2048,
    ]
    for token in forged:
        ask(client, token)
        assert client.error() == "resumeExpired"
    assert stage.door("lobby").messages == stage.door("attic").messages == []
    assert stage.metrics.counts["resume expired"] == len(forged)
    ask(client, good)
    stage.door("lobby").take(m.Resume)


@pytest.mark.rule("G6.8", "G6.9")
def test_a_token_that_the_room_refuses_leaves_the_connection_free_to_join() -> None:
    """Under the name of its own welcome."""
    stage = Stage()
    token = stage.client("AAAA").join("lobby")["resumeToken"]
    client = stage.client("BBBB")
    ask(client, token, sequenceId=1)
    outlet = stage.door("lobby").take(m.Resume).outlet
    outlet.answer(refused(ResumeExpired("gone")))
    assert client.error() == "resumeExpired"
    assert not outlet.alive
    assert client.session.socket_id == "BBBB"
    client.send("joinRoomGameSpace", roomId="lobby")
    assert stage.door("lobby").take(m.Join).outlet.socket_id == "BBBB"


@pytest.mark.rule("G6.17")
def test_a_resume_on_a_connection_that_sits_in_a_room_is_a_bad_message() -> None:
    """Its own room, and any other; after a leave it is none."""
    stage = Stage()
    token = stage.client("AAAA").join("lobby")["resumeToken"]
    client = stage.seated("attic", "BBBB")
    ask(client, token)
    assert client.error() == "badMessage"
    assert (stage.door("lobby").messages, client.seat.room_id) == ([], "attic")
    client.leave()
    ask(client, token)
    stage.door("lobby").take(m.Resume)


# -- the old connection


@pytest.mark.rule("C4.6", "G6.5")
def test_a_resume_supersedes_the_old_connection_at_once() -> None:
    """It is closed with 4509, and nothing that it does later touches the session."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby")["resumeToken"]
    old = before.seat
    client = stage.client("BBBB")
    resume(client, token, old)
    assert [code for code, _ in before.link.closed] == [4509]
    assert not old.alive
    before.session.lost()
    before.session.drained()
    old.evict(Eviction.KICKED, "late")
    old.answer(Left(1))
    old.send_state(EMPTY, StateReason.ROOM_RECOVERED)
    assert old.offer(EVENT)
    assert stage.room("lobby").messages == []
    assert stage.claims("lobby") == ["AAAA"]
    assert (client.heard(), client.link.closed) == ([], [])
    assert client.seat.offer(EVENT)
    assert len(client.heard()) == 1


@pytest.mark.rule("C4.6")
def test_a_session_that_had_moved_on_meanwhile_leaves_its_newer_room_too() -> None:
    """The token was of the room before, and its session goes back there."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby")["resumeToken"]
    old = before.seat
    before.join("attic")
    newer = before.seat
    client = stage.client("BBBB")
    resume(client, token, old)
    assert stage.room("attic").take(m.Leave) == m.Leave(newer, LeaveReason.LEFT)
    assert not newer.alive
    assert [code for code, _ in before.link.closed] == [4509]
    assert (stage.claims("attic"), stage.claims("lobby")) == ([], ["AAAA"])


@pytest.mark.rule("G6.4")
def test_a_session_may_come_back_any_number_of_times() -> None:
    """Each time with the token of the time before, over the connection that is there by then."""
    stage = Stage()
    client = stage.client("AAAA")
    token = client.join("lobby")["resumeToken"]
    for number in range(5):
        old = client
        if number % 2:
            old.session.lost()
            stage.room("lobby").take(m.Lost)
        client = stage.client(f"X{number}")
        token = resume(client, token, old.seat)["resumeToken"]
        assert client.session.socket_id == "AAAA"
        assert stage.claims("lobby") == ["AAAA"]
        assert stage.room("lobby").messages == []


@pytest.mark.rule("G6.5")
def test_a_resume_whose_own_connection_is_gone_by_then_still_ends_the_old_one() -> None:
    """The room has gone over to it; a later one takes over from there, with all it knows."""
    stage = Stage()
    first = stage.client("AAAA")
    token = first.join("lobby", sequenceId=1)["resumeToken"]
    first.send("ready", sequenceId=2)
    first.complete(Done(5))
    second = stage.client("BBBB")
    ask(second, token, sequenceId=3)
    asked = stage.door("lobby").take(m.Resume)
    second.session.lost()
    asked.outlet.answer(yes(first.seat))
    assert [code for code, _ in first.link.closed] == [4509]
    assert (second.heard(), stage.claims("lobby")) == ([], [])
    third = stage.client("CCCC")
    resume(third, token, asked.outlet, sequenceId=4)
    assert third.ask("ready", sequenceId=2) == {"type": "ok", "version": 5, "replyTo": 2}


# -- numbers over a resume


@pytest.mark.rule("C3.8")
def test_what_was_done_is_remembered_over_a_resume() -> None:
    """A copy sent over the new connection has no second effect."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby", sequenceId=1)["resumeToken"]
    before.send("sendRoomMessage", event="e", data=1, sequenceId=2)
    before.complete(Done(5), m.Say)
    client = stage.client("BBBB")
    resume(client, token, before.seat, sequenceId=3)
    copy = client.ask("sendRoomMessage", event="e", data=1, sequenceId=2)
    assert copy == {"type": "ok", "version": 5, "replyTo": 2}
    assert stage.room("lobby").messages == []


@pytest.mark.rule("C3.8", "C3.3")
def test_what_was_under_way_at_the_loss_is_remembered_by_what_became_of_it() -> None:
    """The answer found nobody, but the copy gets it."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby", sequenceId=1)["resumeToken"]
    before.send("sendRoomMessage", event="e", data=1, sequenceId=2)
    said = stage.room("lobby").take(m.Say)
    before.session.lost()
    stage.room("lobby").take(m.Lost)
    said.outlet.answer(Done(6))
    client = stage.client("BBBB")
    resume(client, token, before.seat, sequenceId=3)
    assert client.ask("sendRoomMessage", event="e", data=1, sequenceId=2)["version"] == 6
    assert stage.room("lobby").messages == []


@pytest.mark.rule("C3.8", "C4.6")
def test_what_comes_too_late_on_the_old_connection_is_not_remembered_as_refused() -> None:
    """The room had gone over to the new one by then; the copy there is taken up as new."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby", sequenceId=1)["resumeToken"]
    before.send("sendRoomMessage", event="e", data=1, sequenceId=2)
    said = stage.room("lobby").take(m.Say)
    client = stage.client("BBBB")
    resume(client, token, before.seat, sequenceId=3)
    said.outlet.answer(refused(NotInRoom("another connection speaks for it")))
    client.send("sendRoomMessage", event="e", data=1, sequenceId=2)
    assert client.complete(Done(6), m.Say) == [{"type": "ok", "version": 6, "replyTo": 2}]
    assert before.heard() == []


@pytest.mark.rule("C3.8")
def test_what_never_reached_the_room_is_done_when_it_is_sent_again() -> None:
    """It waited when the connection went, and the resume had no number to go before it."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby", sequenceId=1)["resumeToken"]
    before.send("ready", sequenceId=2)
    before.send("sendRoomMessage", event="e", data=1, sequenceId=3)
    stage.room("lobby").take(m.Ready).outlet.answer(Done(5))
    before.session.lost()
    stage.room("lobby").take(m.Lost)
    client = stage.client("BBBB")
    resume(client, token, before.seat)
    client.send("sendRoomMessage", event="e", data=1, sequenceId=3)
    assert client.complete(Done(6), m.Say) == [{"type": "ok", "version": 6, "replyTo": 3}]


@pytest.mark.rule("C3.9")
def test_the_number_of_the_resume_counts_on_in_the_resumed_session() -> None:
    """Its copies get the present state; what the new connection had numbered is forgotten."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby", sequenceId=10)["resumeToken"]
    client = stage.client("BBBB")
    client.ask("ping", sequenceId=11)
    resume(client, token, before.seat, sequenceId=12)
    assert client.ask("ready", sequenceId=11)["code"] == "staleSequence"
    client.send("resumeRoomGameSpace", roomId="lobby", resumeToken=token, epoch=3, version=7,
                sequenceId=12)  # fmt: skip
    (again,) = client.complete(Joined(EMPTY, 8, 3, fresh=False), m.Join)
    assert (again["type"], again["replyTo"]) == ("roomGameSpaceJoined", 12)
    client.send("ready", sequenceId=13)
    stage.room("lobby").take(m.Ready)


@pytest.mark.rule("C3.9")
def test_a_resume_that_is_refused_counts_in_its_own_connection() -> None:
    """There is no other session to count on in."""
    stage = Stage()
    client = stage.client("BBBB")
    ask(client, "forged", sequenceId=5)
    error = client.heard_one()
    ask(client, "forged", sequenceId=5)
    assert client.heard_one() == error
    assert client.ask("ready", sequenceId=4)["code"] == "staleSequence"


# -- which token is good: what the room goes by


@pytest.mark.rule("G6.7")
def test_a_frame_after_the_token_proves_that_it_arrived() -> None:
    """Not one before it, and not one that was read before it was sent."""
    stage = Stage()
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby")
    client.send("ping")
    join = stage.door("lobby").take(m.Join)
    join.outlet.answer(Joined(EMPTY, 1, 1))
    client.link.run_deferred()
    client.heard()
    heard = [client.seat.heard]
    client.session.receive(b"{")
    heard.append(client.seat.heard)
    client.send("joinRoomGameSpace", roomId="lobby")
    client.complete(Joined(EMPTY, 1, 2, fresh=False), m.Join)
    heard.append(client.seat.heard)
    assert heard == [False, True, False]


@pytest.mark.rule("G6.7")
def test_on_the_connection_of_a_resume_nothing_was_heard_yet() -> None:
    """The request itself came before its answer; the old connection's frames count for nothing."""
    stage = Stage()
    before = stage.client("AAAA")
    token = before.join("lobby")["resumeToken"]
    before.ask("ping")
    assert before.seat.heard
    client = stage.client("BBBB")
    resume(client, token, before.seat)
    heard = [client.seat.heard]
    client.ask("ping")
    assert [*heard, client.seat.heard] == [False, True]
