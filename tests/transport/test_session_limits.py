"""How often a client may ask: buckets, coalesced moves, and the end of patience."""

import json
from typing import Any

import pytest

from actors import messages as m
from actors.answers import Done, Joined
from actors.ports import Eviction
from tests.transport.stage import EMPTY, Client, Object, Stage


def limited(**settings: Any) -> Client:
    """A client that may say four things a second, eight at once; it sits in the lobby."""
    stage = Stage(**{"messages_per_s": 4, "messages_burst": 8, **settings})
    client = stage.seated("lobby")
    stage.clock.advance(100)
    return client


def pings(client: Client, times: int) -> list[str]:
    """What so many pings at one moment are answered with."""
    for _ in range(times):
        client.send("ping")
    return [str(each.get("code", each["type"])) for each in client.heard()]


def positions(client: Client) -> list[tuple[float, float]]:
    """The moves that reached the lobby since the last call."""
    taken = client.stage.room("lobby").take_all()
    return [(move.x, move.y) for move in taken if isinstance(move, m.Move)]


@pytest.mark.rule("E2.3")
def test_messages_beyond_burst_and_rate_are_refused() -> None:
    """And pass again as the bucket fills, one for each part of a second."""
    client = limited()
    assert pings(client, 10) == ["pong"] * 8 + ["rateLimited"] * 2
    client.stage.clock.advance(0.5)
    assert pings(client, 4) == ["pong"] * 2 + ["rateLimited"] * 2
    client.stage.clock.advance(100)
    assert pings(client, 9) == ["pong"] * 8 + ["rateLimited"]


@pytest.mark.rule("E2.3", "E1.7")
def test_the_refusal_says_after_which_time_one_passes() -> None:
    """It is retryable and replies to its request."""
    client = limited()
    pings(client, 8)
    error = client.ask("ready", sequenceId=3)
    assert (error["code"], error["retryable"], error["replyTo"]) == ("rateLimited", True, 3)
    assert error["retryAfterMs"] == 250
    client.stage.clock.advance(0.25)
    client.send("ready", sequenceId=3)
    assert client.complete(Done(1))[0]["type"] == "ok"


@pytest.mark.rule("E2.3")
def test_everything_costs_a_token() -> None:
    """Garbage, unknown types, copies, moves, and frames that are no messages."""
    client = limited()
    client.send("ready", sequenceId=1)
    client.complete(Done(1))
    client.send("ready", sequenceId=1)
    client.session.receive(b"{")
    client.send("nonsense")
    client.send("move", x=1, y=1)
    client.session.charge()
    client.session.charge()
    client.heard()
    assert pings(client, 2) == ["pong", "rateLimited"]


@pytest.mark.rule("E2.3")
def test_a_frame_that_waits_pays_when_its_turn_comes() -> None:
    """By then the bucket may have filled."""
    client = limited()
    client.send("ready")
    for _ in range(11):
        client.send("ping")
    client.stage.clock.advance(1)
    heard = client.complete(Done(1))
    assert [each["type"] for each in heard] == ["ok", *["pong"] * 8, *["error"] * 3]


# -- joins, leaves, whole states


@pytest.mark.rule("E2.4")
def test_joins_leaves_and_whole_states_share_a_bucket_of_their_own() -> None:
    """Everything else passes beside it."""
    stage = Stage(joins_per_s=2, joins_burst=4)
    client = stage.seated("lobby")  # 1
    client.send("requestRoomState")  # 2
    client.complete(Done(1), m.Describe)
    client.leave()  # 3
    client.join("lobby")  # 4
    for kind, fields in (
        ("requestRoomState", {}),
        ("leaveRoomGameSpace", {}),
        ("joinRoomGameSpace", {"roomId": "attic"}),
    ):
        error = client.ask(kind, **fields)
        assert (error["code"], error["retryable"]) == ("rateLimited", True)
        assert error["retryAfterMs"] == 500
    assert stage.room("lobby").messages == stage.door("attic").messages == []
    client.send("ready")
    assert client.complete(Done(1))[0]["type"] == "ok"
    stage.clock.advance(0.5)
    client.send("requestRoomState")
    stage.room("lobby").take(m.Describe)


@pytest.mark.rule("E2.4", "C3.10")
def test_a_join_that_was_too_hasty_may_be_sent_again() -> None:
    """It was not remembered."""
    stage = Stage(joins_per_s=1, joins_burst=1)
    client = stage.seated("lobby")
    client.send("joinRoomGameSpace", roomId="attic", sequenceId=5)
    assert client.error() == "rateLimited"
    stage.clock.advance(1)
    assert client.join("attic", sequenceId=5)["replyTo"] == 5


@pytest.mark.rule("E2.4", "C3.2")
def test_copies_of_a_join_are_limited_as_joins_and_change_nothing_of_it() -> None:
    """Each gets the whole state and a new token; the first one's effect is remembered."""
    stage = Stage(joins_per_s=1, joins_burst=3)
    client = stage.client()
    request: Object = {"roomId": "lobby", "sequenceId": 5}
    client.join("lobby", sequenceId=5)
    for serial in (2, 3):
        client.send("joinRoomGameSpace", **request)
        stage.room("lobby").take(m.Join).outlet.answer(Joined(EMPTY, 1, serial, fresh=False))
        assert client.heard_one()["replyTo"] == 5
    assert client.ask("joinRoomGameSpace", **request)["code"] == "rateLimited"
    client.link.run_deferred()
    assert stage.room("lobby").messages == []
    stage.clock.advance(1)
    client.send("joinRoomGameSpace", **request)
    assert stage.room("lobby").take(m.Join).outlet is client.seat


@pytest.mark.rule("E2.4", "C3.2", "T6.9")
def test_a_copy_of_a_join_is_held_back_as_a_join_and_what_follows_waits() -> None:
    """Who left meanwhile is not seated by it."""
    stage = Stage(joins_per_s=2, joins_burst=2, slow_down_ms=500)
    client = stage.seated("attic")
    client.join("lobby", sequenceId=5)
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=5)
    client.send("ping", t=1)
    assert (client.heard(), stage.room("lobby").messages) == ([], [])
    client.seat.evict(Eviction.CLOSED, "gone")
    client.heard()
    stage.clock.advance(0.5)
    assert [each["type"] for each in client.heard()] == ["ok", "pong"]
    assert stage.room("lobby").messages == stage.door("lobby").messages == []


# -- moves


@pytest.mark.rule("G7.3", "G7.1")
def test_moves_over_the_limit_are_coalesced_and_the_last_one_arrives() -> None:
    """None is refused; of those in between only the newest is passed on."""
    client = limited()
    for x in range(50):
        client.send("move", x=x, y=-x)
    assert positions(client) == [(x, -x) for x in range(8)]
    client.stage.clock.advance(0.25)
    assert positions(client) == [(49, -49)]
    client.stage.clock.advance(100)
    assert (positions(client), client.heard()) == ([], [])


@pytest.mark.rule("G7.3")
@pytest.mark.parametrize("extra", [{}, {"sequenceId": 7}, {"timestamp": "2026-01-02T03:04:05Z"}])
def test_a_move_is_coalesced_whatever_it_carries(extra: dict[str, object]) -> None:
    """A number does not make it a request that is answered."""
    client = limited()
    pings(client, 8)
    client.send("move", x=3, y=4, **extra)
    assert (positions(client), client.heard()) == ([], [])
    client.stage.clock.advance(1)
    assert positions(client) == [(3, 4)]


@pytest.mark.rule("G7.3")
def test_a_late_move_waits_on_while_others_take_its_token() -> None:
    """Nothing that the client sends meanwhile loses it."""
    client = limited()
    pings(client, 8)
    client.send("move", x=1, y=1)
    for _ in range(5):
        client.stage.clock.advance(0.24)
        pings(client, 1)
    client.stage.clock.advance(1)
    assert positions(client) == [(1, 1)]


@pytest.mark.rule("G7.1", "G7.3")
def test_a_newer_move_that_finds_a_token_outdates_the_late_one() -> None:
    """The last position is the one that stays."""
    client = limited()
    pings(client, 8)
    client.send("move", x=1, y=1)
    client.stage.clock.be_late(0.25)
    client.send("move", x=2, y=2)
    client.stage.clock.advance(10)
    assert positions(client) == [(2, 2)]


@pytest.mark.rule("G5.4", "G7.3")
def test_a_late_move_is_for_the_room_that_it_was_made_in() -> None:
    """After a switch it is dropped, and those made since are not lost with it."""
    client = limited()
    stage = client.stage
    pings(client, 7)
    client.send("move", x=1, y=1)
    client.send("move", x=2, y=2)
    assert positions(client) == [(1, 1)]
    stage.clock.be_late(0.25)
    client.join("attic")
    client.send("move", x=3, y=3)
    stage.clock.advance(10)
    assert positions(client) == []
    moves = [each for each in stage.room("attic").take_all() if isinstance(each, m.Move)]
    assert [(move.x, move.y) for move in moves] == [(3, 3)]


# -- the end of patience


@pytest.mark.rule("C4.5")
def test_more_than_a_hundred_offences_in_ten_seconds_end_the_connection() -> None:
    """A hundred do not. What went wrong is said before, and the player stays for the grace."""
    stage = Stage()
    client = stage.seated("lobby")
    for _ in range(100):
        client.session.receive(b"{")
    assert client.link.closed == []
    client.session.receive(b"{")
    assert [code for code, _ in client.link.closed] == [1008]
    assert [each["code"] for each in client.heard()] == ["badMessage"] * 101
    stage.room("lobby").take(m.Lost)
    named = {"socket_id": "AAAA", "user_id": "guest-AAAA"}
    assert stage.log.told("client_misbehaved") == [named]
    client.session.receive(b"{")
    client.session.charge()
    assert len(client.link.closed) == 1


@pytest.mark.rule("C4.5")
def test_a_hundred_offences_in_each_ten_seconds_are_suffered() -> None:
    """The budget begins anew."""
    stage = Stage()
    client = stage.seated("lobby")
    for _ in range(5):
        for _ in range(100):
            client.session.receive(b"{")
        stage.clock.advance(10.5)
    assert client.link.closed == []


@pytest.mark.rule("C4.5")
def test_haste_counts_as_an_offence_like_nonsense() -> None:
    """In messages, and in frames that are none; coalesced moves and other errors do not count."""
    client = limited()
    for _ in range(200):
        client.send("move", x=1, y=1)
    assert client.link.closed == []
    pings(client, 50)
    for _ in range(50):
        client.session.charge()
    assert client.link.closed == []
    client.session.charge()
    assert [code for code, _ in client.link.closed] == [1008]


@pytest.mark.rule("C4.5")
def test_other_errors_are_no_offences() -> None:
    """A client may be wrong about the room, or newer than the server, as often as it likes."""
    client = Stage().client()
    for _ in range(300):
        client.send("ready")
        client.send("nonsense")
    assert client.link.closed == []


@pytest.mark.rule("C4.5")
def test_a_bad_message_is_an_offence_however_often_it_is_copied() -> None:
    """Each copy is answered with the same error, and each answer counts."""
    client = Stage().client()
    raw = json.dumps({"type": "joinRoomGameSpace", "sequenceId": 1}).encode()
    for _ in range(101):
        client.session.receive(raw)
    assert [code for code, _ in client.link.closed] == [1008]


@pytest.mark.rule("G7.3")
def test_a_late_move_that_finds_its_token_taken_waits_for_the_next() -> None:
    """A request that came in just before it is answered, and the move still arrives."""
    client = limited()
    pings(client, 8)
    client.send("move", x=1, y=1)
    client.stage.clock.be_late(0.25)
    assert pings(client, 1) == ["pong"]
    client.stage.clock.advance()
    assert positions(client) == []
    client.stage.clock.advance(0.25)
    assert positions(client) == [(1, 1)]
