"""Limits that are off unless set: of one connection, and of one user over all of them."""

from typing import Any

import pytest

from actors import messages as m
from actors.answers import Done
from actors.errors import RoomFull
from tests.transport.stage import Client, Stage, refused
from tests.transport.test_session_resume import resume

SLOW = {"limit_burst_s": 2.0}
"""A rate of 1 a second lets 2 through at once."""


def codes(client: Client, kind: str, times: int, **fields: Any) -> list[str]:
    """What so many requests at one moment are answered with; those that go to a room, `ok`."""
    found = []
    for _ in range(times):
        client.send(kind, **fields)
        heard = client.heard()
        if not heard:
            for box in (client.stage.room("lobby"), client.stage.door("lobby")):
                for message in box.take_all():
                    message.outlet.answer(Done(1))  # type: ignore[attr-defined]  # all have one
            client.link.run_deferred()
            heard = client.heard()
        found += [str(each.get("code", each["type"])) for each in heard]
    return found


def validate(client: Client, times: int) -> list[str]:
    """So many validations at one moment."""
    return codes(client, "validateRoomState", times, roomId="lobby", expectedPlayers=[])


# -- of one connection


@pytest.mark.rule("T6.5")
def test_validations_beyond_their_rate_are_refused_and_other_requests_are_not() -> None:
    """After the time that was told one passes."""
    stage = Stage(validations_per_s=1, **SLOW)
    client = stage.seated("lobby")
    assert validate(client, 3) == ["ok", "ok", "rateLimited"]
    assert codes(client, "ready", 3) == ["ok"] * 3
    error = client.ask("validateRoomState", roomId="lobby", expectedPlayers=[])
    assert (error["retryable"], error["retryAfterMs"]) == (True, 1000)
    stage.clock.advance(1)
    assert validate(client, 2) == ["ok", "rateLimited"]


@pytest.mark.rule("T6.5")
def test_resumes_beyond_their_rate_are_refused_before_any_room_hears_of_them() -> None:
    """Whoever guesses tokens guesses slowly, whatever user the guesses name."""
    stage = Stage(resumes_per_s=1, user_resumes_per_s=1000, **SLOW)
    client = stage.client()
    guess = {"roomId": "lobby", "resumeToken": "x", "epoch": 1, "version": 1}
    assert codes(client, "resumeRoomGameSpace", 3, **guess) == [
        "resumeExpired",
        "resumeExpired",
        "rateLimited",
    ]
    assert stage.door("lobby").messages == []


@pytest.mark.rule("T6.5", "T6.6", "T6.7", "T6.8", "T6.10")
def test_out_of_the_box_nothing_of_users_is_counted() -> None:
    """No limit of users is set, so no user is remembered."""
    stage = Stage()
    clients = [stage.seated("lobby", f"S{n}", userId="ann") for n in range(50)]
    assert validate(clients[0], 200) == ["ok"] * 200
    assert len(stage.host.shares) == 0


# -- of one user


@pytest.mark.rule("T6.6")
def test_the_messages_of_one_user_are_counted_over_all_connections() -> None:
    """Another user has a share of his own; who has not said who he is counts for nobody."""
    stage = Stage(user_messages_per_s=2, limit_burst_s=2)
    ann, more, bob, nobody = (stage.client(name) for name in ("A", "B", "C", "D"))
    for client, user in ((ann, "ann"), (more, "ann"), (bob, "bob")):
        client.join("lobby", userId=user)
    assert codes(ann, "ping", 3) == ["pong"] * 3
    assert codes(more, "ping", 2) == ["pong", "rateLimited"]
    assert codes(bob, "ping", 4) == ["pong"] * 4
    assert codes(nobody, "ping", 20) == ["pong"] * 20
    stage.clock.advance(1)
    assert codes(ann, "ping", 3) == ["pong", "pong", "rateLimited"]


@pytest.mark.rule("T6.6", "G7.3")
def test_moves_beyond_a_users_rate_are_coalesced_and_never_refused() -> None:
    """As those beyond a connection's."""
    stage = Stage(user_messages_per_s=2, limit_burst_s=1)
    ann = stage.seated("lobby", userId="ann")
    for x in range(20):
        ann.send("move", x=x, y=0)
    stage.clock.advance(5)
    assert ann.heard() == []
    moves = stage.room("lobby").take_all()
    assert [move.x for move in moves if isinstance(move, m.Move)] == [0, 1, 19]


@pytest.mark.rule("T6.6")
@pytest.mark.parametrize("rate", ["user_joins_per_s", "user_validations_per_s"])
def test_joins_and_validations_of_one_user_are_counted_over_all_connections(rate: str) -> None:
    """Each kind for itself."""
    stage = Stage(**{rate: 1}, limit_burst_s=4)
    one, other = (stage.client(name) for name in ("A", "B"))
    for client in (one, other):
        client.join("lobby", userId="ann")

    def ask(client: Client) -> list[str]:
        if rate == "user_validations_per_s":
            return validate(client, 2)
        return codes(client, "requestRoomState", 1)

    assert ask(one) + ask(other) in (["ok"] * 4, ["ok"] * 2)
    assert set(ask(one) + ask(other)) == {"rateLimited"}


@pytest.mark.rule("T6.6")
def test_a_user_who_reconnects_does_not_begin_anew() -> None:
    """His share waits for him until it makes no difference; then nothing of him is left."""
    stage = Stage(user_messages_per_s=1, limit_burst_s=4)
    ann = stage.seated("lobby", userId="ann")
    assert codes(ann, "ping", 5) == ["pong"] * 4 + ["rateLimited"]
    ann.session.lost()
    assert len(stage.host.shares) == 1
    back = stage.seated("lobby", "BBBB", userId="ann")
    assert codes(back, "ping", 1) == ["rateLimited"]
    back.session.lost()
    stage.clock.advance(60)
    assert (len(stage.host.shares), stage.clock.waiting) == (0, 0)


@pytest.mark.rule("T6.7")
def test_a_user_has_so_many_connections_and_one_that_ends_makes_room() -> None:
    """The one too many is refused at its join, and may join as somebody else."""
    stage = Stage(user_connections_max=2)
    first, second = (stage.seated("lobby", name, userId="ann") for name in ("A", "B"))
    third = stage.client("C")
    third.send("joinRoomGameSpace", roomId="lobby", userId="ann")
    error = third.heard_one()
    assert (error["code"], error["retryable"]) == ("rateLimited", True)
    assert error["retryAfterMs"] == 1000
    assert stage.door("lobby").messages == []
    third.join("lobby", userId="bob")
    first.session.lost()
    fourth = stage.seated("lobby", "D", userId="ann")
    for client in (second, third, fourth):
        client.session.lost()
    stage.clock.advance(60)
    assert len(stage.host.shares) == 0


@pytest.mark.rule("T6.7")
def test_a_connection_counts_once_however_often_its_user_joins() -> None:
    """And for him whom it named last."""
    stage = Stage(user_connections_max=1)
    client = stage.client()
    for room in ("one", "two", "three"):
        client.join(room, userId="ann")
    client.join("four", userId="bob")
    stage.seated("one", "BBBB", userId="ann")


@pytest.mark.rule("T6.7", "G6.5")
def test_a_resume_takes_the_place_of_a_connection_that_lingers() -> None:
    """Though the user has no more; one whose old connection is known to be gone needs a place."""
    stage = Stage(user_connections_max=1)
    before = stage.client("AAAA")
    token = before.join("lobby", userId="ann")["resumeToken"]
    client = stage.client("BBBB")
    assert resume(client, token, before.seat)["type"] == "roomGameSpaceResumed"
    assert [code for code, _ in before.link.closed] == [4509]
    third = stage.client("CCCC")
    third.send("joinRoomGameSpace", roomId="lobby", userId="ann")
    assert third.error() == "rateLimited"


@pytest.mark.rule("T6.8")
def test_a_user_sits_in_so_many_rooms() -> None:
    """In one of them with as many sessions as he likes; a leave makes room."""
    stage = Stage(user_rooms_max=2)
    one, two = stage.seated("one", "A", userId="ann"), stage.seated("two", "B", userId="ann")
    three = stage.client("C")
    three.send("joinRoomGameSpace", roomId="three", userId="ann")
    assert three.error() == "rateLimited"
    assert stage.door("three").messages == []
    three.join("two", userId="ann")
    one.leave()
    three.leave()
    three.send("joinRoomGameSpace", roomId="three", userId="ann")
    assert isinstance(stage.door("three").take(m.Join), m.Join)
    assert two.seat.room_id == "two"


@pytest.mark.rule("T6.8")
def test_a_switch_takes_no_second_room_and_a_refused_one_none_at_all() -> None:
    """Whoever may sit in one room may go from one to the next."""
    stage = Stage(user_rooms_max=1)
    client = stage.seated("one", userId="ann")
    client.send("joinRoomGameSpace", roomId="two", userId="ann")
    stage.door("two").take(m.Join).outlet.answer(refused(RoomFull("full")))
    client.link.run_deferred()
    assert client.error() == "roomFull"
    for room in ("two", "three"):
        client.join(room, userId="ann")
    stage.door("four").is_full = True
    client.send("joinRoomGameSpace", roomId="four", userId="ann")
    assert client.error() == "unavailable"
    client.leave()
    client.session.lost()
    stage.clock.advance(60)
    assert (len(stage.host.shares), stage.clock.waiting) == (0, 0)


@pytest.mark.rule("T6.8")
def test_a_lost_player_counts_until_its_grace_ends() -> None:
    """Else one connection after the other would seat him everywhere."""
    stage = Stage(user_rooms_max=1, resume_grace_s=30)
    stage.seated("one", "A", userId="ann").session.lost()
    client = stage.client("B")
    client.send("joinRoomGameSpace", roomId="two", userId="ann")
    assert client.error() == "rateLimited"
    stage.clock.advance(31)
    client.join("two", userId="ann")


@pytest.mark.rule("T6.8", "G6.4")
def test_a_resume_takes_its_seat_over_and_is_never_refused_for_rooms() -> None:
    """After it the seat counts once: a switch goes through, and nothing is left in the end."""
    stage = Stage(user_rooms_max=1, resume_grace_s=30)
    before = stage.client("AAAA")
    token = before.join("lobby", userId="ann")["resumeToken"]
    seat = before.seat
    before.session.lost()
    client = stage.client("BBBB")
    resume(client, token, seat)
    client.join("two", userId="ann")
    client.session.lost()
    stage.clock.advance(100)
    assert (len(stage.host.shares), stage.clock.waiting) == (0, 0)


@pytest.mark.rule("T6.10")
def test_more_users_than_can_be_remembered_are_refused_while_all_are_here() -> None:
    """A limit that many names together could lift would be none; who leaves makes room."""
    stage = Stage(user_connections_max=1, limited_max=3)
    clients = [stage.seated("lobby", f"S{n}", userId=f"user {n}") for n in range(3)]
    late = stage.client("LATE")
    late.send("joinRoomGameSpace", roomId="lobby", userId="late")
    assert late.error() == "rateLimited"
    clients[0].session.lost()
    late.join("lobby", userId="late")
    assert len(stage.host.shares) == 3


# -- first slower, then not at all, then the end


@pytest.mark.rule("T6.9")
def test_over_the_limit_a_request_is_first_held_back_and_what_follows_waits() -> None:
    """In order; the answer comes when there would have been a token."""
    stage = Stage(validations_per_s=4, limit_burst_s=0.5, slow_down_ms=500)
    client = stage.seated("lobby")
    assert validate(client, 2) == ["ok"] * 2
    client.send("validateRoomState", roomId="lobby", expectedPlayers=[], sequenceId=7)
    client.send("ping", t=1)
    stage.clock.advance(0.24)
    assert client.heard() == []
    assert stage.room("lobby").messages == []
    stage.clock.advance(0.02)
    assert isinstance(stage.room("lobby").messages[0], m.Validate)
    heard = client.complete(Done(1), m.Validate)
    assert [(each["type"], each.get("replyTo")) for each in heard] == [("ok", 7), ("pong", None)]


@pytest.mark.rule("T6.9")
def test_nobody_else_waits_for_whom_is_held_back() -> None:
    """Not even another connection of the same user, for what is not over a limit."""
    stage = Stage(user_validations_per_s=4, limit_burst_s=0.5, slow_down_ms=500)
    one, other = (stage.seated("lobby", name, userId="ann") for name in ("A", "B"))
    validate(one, 2)
    one.send("validateRoomState", roomId="lobby", expectedPlayers=[])
    assert codes(other, "ping", 3) == ["pong"] * 3
    assert one.heard() == []


@pytest.mark.rule("T6.9", "C4.5")
def test_who_goes_on_is_refused_and_in_the_end_closed() -> None:
    """20 are held back within 10 s, 100 more are refused, one more ends it."""
    stage = Stage(validations_per_s=2, limit_burst_s=0.5, slow_down_ms=500)
    client = stage.seated("lobby")
    assert validate(client, 1) == ["ok"]
    for _ in range(20):
        stage.clock.advance(0.01)
        client.send("validateRoomState", roomId="lobby", expectedPlayers=[])
        assert client.heard() == []
        stage.clock.advance(0.49)
        assert client.complete(Done(1), m.Validate)[0]["type"] == "ok"
    assert set(validate(client, 100)) == {"rateLimited"}
    assert client.link.closed == []
    client.send("validateRoomState", roomId="lobby", expectedPlayers=[])
    assert [code for code, _ in client.link.closed] == [1008]


@pytest.mark.rule("T6.9")
def test_a_wait_longer_than_allowed_is_a_refusal_at_once() -> None:
    """Nothing is held back for nothing."""
    stage = Stage(validations_per_s=1, limit_burst_s=1, slow_down_ms=500)
    client = stage.seated("lobby")
    assert validate(client, 2) == ["ok", "rateLimited"]
    assert stage.clock.waiting == 0


@pytest.mark.rule("T6.9")
def test_messages_and_joins_are_held_back_too() -> None:
    """The limits that are always on, in the same way."""
    stage = Stage(messages_per_s=10, messages_burst=10, slow_down_ms=100)
    client = stage.seated("lobby")
    assert codes(client, "ping", 9) == ["pong"] * 9
    client.send("ping", t=1)
    assert client.heard() == []
    stage.clock.advance(0.11)
    assert client.heard_one()["t"] == 1
    stage = Stage(joins_per_s=10, joins_burst=10, slow_down_ms=100)
    client = stage.seated("lobby")
    assert codes(client, "requestRoomState", 9) == ["ok"] * 9
    client.send("requestRoomState")
    assert stage.room("lobby").messages == []
    stage.clock.advance(0.11)
    stage.room("lobby").take(m.Describe)


@pytest.mark.rule("T6.9", "C2.2")
def test_what_waits_behind_it_is_bounded() -> None:
    """As behind every request: then reading stops, and nothing is lost."""
    stage = Stage(validations_per_s=4, limit_burst_s=0.25, slow_down_ms=500)
    client = stage.seated("lobby")
    validate(client, 1)
    client.send("validateRoomState", roomId="lobby", expectedPlayers=[])
    for t in range(64):
        assert not client.link.is_held
        client.send("ping", t=t)
    assert client.link.is_held
    stage.clock.advance(0.3)
    heard = client.complete(Done(1), m.Validate)
    assert [each["t"] for each in heard[1:]] == list(range(64))
    assert not client.link.is_held


@pytest.mark.rule("T6.9", "G5.7")
def test_a_request_that_is_held_back_ends_with_its_connection() -> None:
    """A join that nobody waits for any more takes no effect, and the number may be sent again."""
    stage = Stage(joins_per_s=4, joins_burst=4, slow_down_ms=500)
    client = stage.seated("lobby")
    codes(client, "requestRoomState", 3)
    client.send("joinRoomGameSpace", roomId="other")
    client.session.lost()
    stage.clock.advance(1)
    assert stage.door("other").messages == []


@pytest.mark.rule("T6.9", "E2.1")
def test_a_request_that_is_held_back_may_be_refused_when_its_time_comes() -> None:
    """By what is true then."""
    stage = Stage(validations_per_s=4, limit_burst_s=0.25, slow_down_ms=500)
    client = stage.client()
    fields = {"roomId": "lobby", "expectedPlayers": []}
    assert client.ask("validateRoomState", **fields)["code"] == "notInRoom"
    client.send("validateRoomState", sequenceId=3, **fields)
    client.send("ping", t=4)
    stage.clock.advance(0.3)
    error, pong = client.heard()
    assert pong["t"] == 4
    assert (error["code"], error["replyTo"]) == ("notInRoom", 3)
