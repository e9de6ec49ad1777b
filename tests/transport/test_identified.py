"""A session that must say who it is: what it may do before, whose it is, and until when."""

from typing import Final

import pytest

from actors import messages as m
from tests.transport import minted, requests
from tests.transport.stage import Client, Object, Stage
from tests.transport.token_stage import TokenStage
from transport.identified import STRANGERS_BYTES_MAX, STRANGERS_MESSAGES_MAX
from transport.identity import ANONYMOUS, NOBODY

NEED_IDENTITY: Final[list[Object]] = [
    requests.CHECK, requests.JOIN, requests.MOVE, requests.UPDATE, requests.SAY, requests.VALIDATE,
    requests.RESUME, {"type": "ready"}, {"type": "requestRoomState"},
    {"type": "leaveRoomGameSpace"},
]  # fmt: skip


def say(client: Client, request: Object) -> None:
    """Send it as it is."""
    client.send(**{"kind": request["type"], **{k: v for k, v in request.items() if k != "type"}})


def codes(heard: list[Object]) -> list[str]:
    """Types, and for errors their codes."""
    return [str(each.get("code", each["type"])) for each in heard]


def closes(client: Client) -> list[int]:
    """The codes that it was closed with."""
    return [code for code, _ in client.link.closed]


# -- before


@pytest.mark.rule("T1.1")
@pytest.mark.parametrize("request_", NEED_IDENTITY, ids=[each["type"] for each in NEED_IDENTITY])
def test_nothing_but_ping_and_authenticate_is_answered_before(request_: Object) -> None:
    """Each request gets `unauthenticated` and has no effect; the number may be used again."""
    stage = TokenStage()
    client = stage.client()
    say(client, {**request_, "sequenceId": 1})
    refused = client.heard_one()
    assert (refused["code"], refused["replyTo"], refused["retryable"]) == (
        "unauthenticated",
        1,
        True,
    )
    assert stage.metrics.counts == {"error unauthenticated": 1}
    for room in ("lobby", "room", "r"):
        assert stage.door(room).messages == stage.room(room).messages == []
    assert closes(client) == []
    assert client.ask("ping", t=1, sequenceId=2)["type"] == "pong"


@pytest.mark.rule("T1.1")
def test_what_was_refused_before_may_be_asked_again_after() -> None:
    """With the same number."""
    stage = TokenStage()
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    assert client.error() == "unauthenticated"
    assert client.ask("authenticate", token=stage.token())["type"] == "authenticated"
    assert client.join("lobby", sequenceId=1)["replyTo"] == 1


@pytest.mark.rule("T1.15")
def test_a_stranger_that_talks_too_much_is_turned_away() -> None:
    """Sixteen messages, of whatever kind; with the next one it is over."""
    kinds: list[bytes] = [b'{"type":"ping"}', b"{", b'{"type":"nonsense"}', b'{"type":"ready"}']
    kinds += [b'{"type":"authenticate","token":"x"}', b" " * (STRANGERS_BYTES_MAX + 1)]
    for kind in kinds:
        client = TokenStage().client()
        for _ in range(STRANGERS_MESSAGES_MAX):
            client.session.receive(kind)
        assert closes(client) == []
        assert len(client.heard()) == STRANGERS_MESSAGES_MAX
        client.session.receive(kind)
        client.session.receive(kind)
        assert closes(client) == [4401]


@pytest.mark.rule("T1.15")
def test_a_strangers_message_is_short() -> None:
    """Longer ones are not read; text that is none still ends the connection as ever."""
    stage = TokenStage()
    client = stage.client()
    for size, answer in ((STRANGERS_BYTES_MAX, "pong"), (STRANGERS_BYTES_MAX + 1, "badMessage")):
        client.session.receive(b'{"type":"ping"}'.rjust(size))
        assert codes(client.heard()) == [answer]
    with pytest.raises(UnicodeDecodeError):
        client.session.receive(b"\xff" * (STRANGERS_BYTES_MAX + 1))
    longest = stage.token(x="y" * 5900)
    assert 8000 < len(longest) <= 8192
    assert client.ask("authenticate", token=longest)["type"] == "authenticated"
    client.session.receive(b'{"type":"ping"}'.rjust(16_000))
    assert codes(client.heard()) == ["pong"]


@pytest.mark.rule("T1.15")
@pytest.mark.parametrize("timeout_s", [5, 0.5])
def test_a_stranger_has_its_time(timeout_s: float) -> None:
    """Then it is closed with 4401; who has authenticated by then stays."""
    stage = TokenStage(auth_timeout_s=timeout_s)
    client, other = stage.client("AAAA"), stage.client("BBBB")
    assert stage.authentication.strangers == 2
    assert stage.pass_time(client, timeout_s - 0.001) == []
    assert other.ask("authenticate", token=stage.token())["type"] == "authenticated"
    assert stage.authentication.strangers == 1
    stage.pass_time(client, 0.002)
    assert client.link.closed == [(4401, f"not authenticated within {timeout_s} s")]
    assert closes(other) == []
    assert stage.authentication.strangers == 0


@pytest.mark.rule("T1.15", "T1.16")
def test_who_is_gone_is_waited_for_no_more() -> None:
    """However it went, and the memory with it."""
    stage = TokenStage()
    client = stage.client()
    client.session.lost()
    stage.client("BBBB").session.drain(100)
    assert stage.authentication.strangers == 0
    stage.clock.advance(6)
    assert len(stage.authentication._waits) == 0
    assert stage.clock.waiting == 0


# -- whose it is


@pytest.mark.rule("T1.2")
def test_the_user_is_the_tokens_sub() -> None:
    """Told, and in the room; with the time until which it holds."""
    stage = TokenStage()
    client = stage.client()
    assert client.session.identity is NOBODY
    answer = client.ask("authenticate", token=stage.token("ann", 60), sequenceId=3)
    assert answer == {
        "type": "authenticated",
        "userId": "ann",
        "expiresAt": "2026-01-01T00:01:00.000Z",
        "replyTo": 3,
    }
    client.send("joinRoomGameSpace", roomId="lobby")
    assert stage.door("lobby").take(m.Join).profile.person == "ann"


@pytest.mark.rule("T1.3")
def test_a_header_of_the_handshake_has_said_it_already() -> None:
    """No message is needed then."""
    stage = TokenStage()
    now_ms = stage.clock.now_ms()
    stage.identity = stage.authentication.identity_of(stage.token("zoë"))
    client = stage.client()
    assert stage.authentication.strangers == 0
    client.join("lobby")
    assert client.seat.person == "zoë"
    assert client.session.identity.expires_at_ms == now_ms + 3_600_000


@pytest.mark.rule("T1.10")
def test_a_request_that_names_another_user_is_forbidden() -> None:
    """One's own may be named."""
    stage = TokenStage()
    client = stage.known("ann")
    for other in ("bob", "Ann", "ann ", "guest-AAAA", "anon-123456789012"):
        client.send("joinRoomGameSpace", roomId="lobby", userId=other)
        assert client.error() == "forbidden"
    assert stage.door("lobby").messages == []
    client.join("lobby", userId="ann")
    client.send("joinRoomGameSpace", roomId="lobby", userId="bob")
    assert client.error() == "forbidden"


@pytest.mark.rule("T1.11")
def test_a_stolen_resume_token_seats_nobody_else() -> None:
    """`resumeExpired`, and the room is not asked; its owner may still use it."""
    stage = TokenStage()
    owner = stage.known("ann")
    token = owner.join("lobby")["resumeToken"]
    fields: Object = {"roomId": "lobby", "resumeToken": token, "epoch": 3, "version": 7}
    thief = stage.known("eve", socket_id="EEEE")
    thief.send("resumeRoomGameSpace", **fields)
    assert thief.error() == "resumeExpired"
    assert stage.door("lobby").messages == []
    assert stage.metrics.counts["resume expired"] == 1
    assert closes(owner) == []
    again = stage.known("ann", socket_id="BBBB")
    again.send("resumeRoomGameSpace", **fields)
    assert stage.door("lobby").take(m.Resume).profile.person == "ann"


# -- saying it again


@pytest.mark.rule("T1.12")
def test_a_token_is_renewed_by_another_of_the_same_user() -> None:
    """Also with an earlier end; the seat stays."""
    stage = TokenStage()
    client = stage.known("ann", 100)
    client.join("lobby")
    for life_s in (200.0, 50.0, 400.0):
        answer = client.ask("authenticate", token=stage.token("ann", life_s))
        assert answer["type"] == "authenticated"
    assert stage.pass_time(client, 300) == []
    assert closes(client) == []
    assert client.seat.alive


@pytest.mark.rule("T1.12")
def test_another_users_token_is_forbidden_and_changes_nothing() -> None:
    """Nor does one that is not taken: the token of before stays good."""
    stage = TokenStage()
    client = stage.known("ann", 100)
    before = client.session.identity
    client.send("authenticate", token=stage.token("bob"))
    assert client.error() == "forbidden"
    forged = minted.hs256(minted.good(sub="ann"), b"another secret of 32 bytes and so on")
    for token in (forged, stage.token("ann", -1), "x", "a.b.c"):
        client.send("authenticate", token=token)
        assert client.error() == "unauthenticated"
    assert client.session.identity is before
    assert client.join("lobby")["type"] == "roomGameSpaceJoined"


@pytest.mark.rule("T1.12", "C4.5")
def test_tokens_that_are_not_taken_are_offences() -> None:
    """Each costs a signature: more than 100 in 10 s end the connection."""
    stage = TokenStage()
    client = stage.known("ann")
    for _ in range(100):
        client.send("authenticate", token="a.b.c")
    assert closes(client) == []
    client.send("authenticate", token="a.b.c")
    assert closes(client) == [1008]


# -- until when


@pytest.mark.rule("T1.13", "T1.14")
def test_a_client_is_told_before_its_token_ends_and_closed_when_it_does() -> None:
    """Once, 30 s before; then a loss with grace, and 4401."""
    stage = TokenStage()
    client = stage.known("ann", 3600)
    client.join("lobby")
    seat = client.seat
    assert stage.pass_time(client, 3569.99) == []
    assert stage.pass_time(client, 0.02) == [
        {"type": "tokenExpiring", "expiresAt": "2026-01-01T01:00:00.000Z"}
    ]
    assert stage.pass_time(client, 29.98) == []
    stage.pass_time(client, 0.02)
    assert client.link.closed == [(4401, "the token has expired")]
    assert stage.room("lobby").take(m.Lost).outlet is seat
    stage.pass_time(client, 4000)
    assert closes(client) == [4401]


@pytest.mark.rule("T1.13")
@pytest.mark.parametrize(("life_s", "told_s"), [(10, 9), (300, 270), (301, 271), (0.5, 0.45)])
def test_a_short_token_is_told_of_with_a_tenth_of_its_life_left(
    life_s: float, told_s: float
) -> None:
    """At most 30 s."""
    stage = TokenStage()
    client = stage.known("ann", life_s)
    assert stage.pass_time(client, told_s - 0.005) == []
    assert codes(stage.pass_time(client, 0.01)) == ["tokenExpiring"]


@pytest.mark.rule("T1.13", "T1.12")
def test_a_renewal_takes_the_end_back_and_is_told_of_again() -> None:
    """Each token once; one that is nearly over is told of at once."""
    stage = TokenStage()
    client = stage.known("ann", 100)
    assert codes(stage.pass_time(client, 95)) == ["tokenExpiring"]
    client.ask("authenticate", token=stage.token("ann", 100))
    assert stage.pass_time(client, 89) == []
    assert codes(stage.pass_time(client, 2)) == ["tokenExpiring"]
    old = stage.token("ann", 4, iat=minted.NOW_S)
    client.ask("authenticate", token=old)
    assert codes(stage.pass_time(client, 0.001)) == ["tokenExpiring"]
    stage.pass_time(client, 4)
    assert closes(client) == [4401]


@pytest.mark.rule("T1.14", "T1.8")
def test_the_leeway_holds_for_open_connections_too() -> None:
    """What would be taken is not cut off."""
    stage = TokenStage(jwt_leeway_s=5)
    client = stage.known("ann", 10)
    assert codes(stage.pass_time(client, 14.99)) == ["tokenExpiring"]
    assert closes(client) == []
    stage.pass_time(client, 0.02)
    assert closes(client) == [4401]


@pytest.mark.rule("T1.14")
def test_a_request_under_way_does_not_keep_an_expired_session() -> None:
    """Its join is dropped by the room, since its connection is gone."""
    stage = TokenStage()
    client = stage.known("ann", 10)
    client.send("joinRoomGameSpace", roomId="lobby")
    stage.pass_time(client, 11)
    assert closes(client) == [4401]
    assert not stage.door("lobby").take(m.Join).outlet.alive


@pytest.mark.rule("T1.14")
def test_a_wall_clock_that_jumps_ends_a_token_within_a_minute() -> None:
    """And one that is set back does not end it early."""
    stage = TokenStage()
    client = stage.known("ann", 7200)
    stage.clock._began_ms += 7_300_000  # type: ignore[misc]
    stage.pass_time(client, 60.1)
    assert closes(client) == [4401]
    other = stage.known("bob", 100, "BBBB")
    stage.clock._began_ms -= 7_200_000  # type: ignore[misc]
    assert stage.pass_time(other, 7000) == []
    assert closes(other) == []


@pytest.mark.rule("T1.14")
def test_a_session_has_one_timer_at_most_and_none_when_it_is_over() -> None:
    """However often it renews, and however it ends."""
    stage = TokenStage()
    clients = [stage.known(f"u{n}", 3600, f"S{n}") for n in range(4)]
    stage.clock.advance(6)  # the strangers' time is over
    for client in clients:
        client.link.run_deferred()
    before = stage.clock.waiting
    assert before == 4
    for client in clients:
        for _ in range(10):
            client.ask("authenticate", token=stage.token(f"u{clients.index(client)}"))
    assert stage.clock.waiting == before
    clients[0].session.lost()
    clients[1].session.drain(100)
    clients[2].session.on_fault(ValueError("a bug"))
    assert stage.clock.waiting == 1


# -- where nobody is asked


@pytest.mark.rule("T1.20", "E2.7")
def test_an_anonymous_session_looks_at_no_token_and_waits_for_nothing() -> None:
    """As it ever was."""
    stage = Stage()
    client = stage.client()
    assert client.session.identity is ANONYMOUS
    before = stage.clock.waiting
    answer = client.ask("authenticate", token="whatever")
    assert answer == {"type": "authenticated", "userId": "guest-AAAA"}
    client.join("lobby", userId="bob")
    assert client.seat.person == "bob"
    assert stage.clock.waiting == before == 0


@pytest.mark.rule("T1.4")
def test_no_token_is_in_the_log() -> None:
    """Neither a good nor a bad one, whatever is asked with it."""
    stage = TokenStage()
    client = stage.client()
    good, bad = stage.token(), minted.hs256(secret=b"x" * 40)
    for token in (bad, good, bad, good):
        client.send("authenticate", token=token, timestamp="2026-01-01T00:00:00Z")
    client.send("authenticate", token={"a": good})
    said = repr(stage.log.lines)
    assert codes(client.heard()).count("authenticated") == 2
    for secret in (*good.split("."), *bad.split("."), minted.SECRET.decode()):
        assert secret not in said
