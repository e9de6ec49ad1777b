"""Before a WebSocket is open: the handshake, whole and in pieces, wrong ones, and plain HTTP."""

import json
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from tests.transport.sockets import HOST, Caller, Porch, Wire
from transport.handshake import HEAD_BYTES_MAX

PING = Frame(Opcode.PING, b"early")


def status(raw: bytes, porch: Porch | None = None) -> int | None:
    """The HTTP status that `raw` is answered with; the connection must end with it."""
    porch = porch or Porch()
    caller = porch.caller()
    caller.wire.arrive(raw)
    through = caller.wire.through
    assert caller.is_lost
    assert porch.sessions == []
    return int(through.split(b" ", 2)[1]) if through else None


def shook_hands(caller: Caller) -> bool:
    """Whether the answer was an upgrade."""
    return caller.response is not None and caller.response.status_code == 101


# -- the right one


@pytest.mark.rule("C1.1", "C5.1")
@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        (None, None),
        ("vaultmeet.v1", "vaultmeet.v1"),
        ("chat, vaultmeet.v1, vaultmeet.v2", "vaultmeet.v1"),
        ("vaultmeet.v1.compact", "vaultmeet.v1.compact"),
        ("vaultmeet.v1, vaultmeet.v1.compact", "vaultmeet.v1"),
        ("vaultmeet.v1.compact, vaultmeet.v1", "vaultmeet.v1.compact"),
        ("vaultmeet.v2", None),
        ("VaultMeet.v1", None),
    ],
)
def test_the_subprotocol_is_selected_where_it_is_offered(
    offered: str | None, selected: str | None
) -> None:
    """And a client that offers none, or others, is let in all the same."""
    porch = Porch()
    caller = porch.caller()
    caller.send_raw(caller.handshake_bytes(Sec_WebSocket_Protocol=offered))
    assert shook_hands(caller)
    assert caller.response is not None
    assert caller.response.headers.get("Sec-WebSocket-Protocol") == selected


@pytest.mark.rule("C1.2")
def test_the_welcome_follows_the_answer_and_nothing_comes_between() -> None:
    """In that order, whatever the client says next."""
    porch = Porch()
    caller = porch.caller()
    caller.send_raw(caller.handshake_bytes())
    assert shook_hands(caller)
    assert caller.texts() == [{"type": "welcome"}]
    assert porch.door.admission.open_count == 1


@pytest.mark.rule("C1.5")
def test_no_compression_is_negotiated() -> None:
    """Also where it is offered, with whatever parameters."""
    porch = Porch()
    caller = porch.caller()
    offer = (
        "permessage-deflate; client_max_window_bits, permessage-deflate; server_no_context_takeover"
    )
    caller.send_raw(caller.handshake_bytes(Sec_WebSocket_Extensions=offer))
    assert shook_hands(caller)
    assert caller.response is not None
    assert "Sec-WebSocket-Extensions" not in caller.response.headers


@pytest.mark.rule("C1.1", "H1.4")
def test_a_query_does_not_change_the_path() -> None:
    """But anything else does, also to a right handshake."""
    for path in ("/ws?", "/ws?a=/healthz"):
        caller = Porch().caller()
        caller.send_raw(caller.handshake_bytes(path))
        assert shook_hands(caller), path
    for path in ("/", "/ws/", "/WS", "//ws", "/healthz/ws", "/%77s", "ws", "/ws#", "*"):
        caller = Porch().caller()
        assert status(caller.handshake_bytes(path)) == 404, path


# -- in pieces, and with something behind it


@pytest.mark.rule("C1.16")
def test_a_handshake_may_be_split_at_every_byte() -> None:
    """In two pieces, with a frame behind it in the second."""
    whole = len(Porch().caller().handshake_bytes())
    for at in range(1, whole):
        porch = Porch()
        caller = porch.caller()
        raw = caller.handshake_bytes()
        assert len(raw) == whole
        caller.send_raw(raw[:at])
        assert (caller.wire.through, porch.sessions) == (b"", [])
        caller.send_raw(raw[at:] + caller.bytes_of("hello", PING))
        assert shook_hands(caller)
        assert [each.opcode for each in caller.heard()] == [Opcode.TEXT, Opcode.PONG], at
        assert porch.sessions[0].texts == [b"hello"]


@pytest.mark.rule("C1.16")
def test_a_handshake_may_come_in_single_bytes() -> None:
    """And the frames behind it."""
    porch = Porch()
    caller = porch.caller()
    for byte in caller.handshake_bytes():
        caller.send_raw(bytes([byte]))
    assert shook_hands(caller)
    for byte in caller.bytes_of("hello", "x" * 200, PING, "bye"):
        caller.send_raw(bytes([byte]))
    assert porch.sessions[0].texts == [b"hello", b"x" * 200, b"bye"]


@pytest.mark.rule("C1.16")
@pytest.mark.parametrize("padding", [0, 3000, *range(3700, 4000, 1), 6000, 8000])
def test_frames_behind_a_handshake_of_any_length_come_after_its_answer(padding: int) -> None:
    """A pong in front of the answer would be no HTTP to the client: in one piece, or with the
    end of the handshake in a second one.
    """
    for cut in (0, 1, 2, 3, 4, 5):
        porch = Porch()
        caller = porch.caller()
        raw = caller.handshake_bytes(X_Padding="x" * padding)
        caller.wire.arrive(raw[: len(raw) - cut])
        caller.wire.arrive(raw[len(raw) - cut :] + caller.bytes_of(PING, "hello"))
        assert caller.wire.through.startswith(b"HTTP/1.1 101 "), (padding, cut)
        caller.read()
        assert [each.opcode for each in caller.heard()] == [Opcode.TEXT, Opcode.PONG]
        assert porch.sessions[0].texts == [b"hello"]


@pytest.mark.rule("C1.16", "C4.9")
def test_a_handshake_may_end_at_any_byte() -> None:
    """By a half-close or a reset; nobody was welcomed, nothing is left, nothing is raised."""
    whole = len(Porch().caller().handshake_bytes())
    for at in range(0, whole, 3):
        porch = Porch()
        for end in (Wire.hang_up, Wire.break_):
            caller = porch.caller()
            caller.send_raw(caller.handshake_bytes()[:at])
            end(caller.wire)
            assert caller.is_lost
        assert (porch.sessions, porch.door.guests) == ([], {})
        assert porch.door.admission.open_count == 0


@pytest.mark.rule("C1.17")
def test_a_handshake_that_is_not_complete_in_time_is_ended() -> None:
    """However steadily its bytes come; one that is complete is left alone."""
    porch = Porch(handshake_timeout_s=8, heartbeat_s=3600)
    silent, slow, done = porch.caller(), porch.caller(), porch.guest()
    raw = slow.handshake_bytes()
    for byte in raw[:7]:
        porch.clock.advance(1)
        slow.send_raw(bytes([byte]))
    callers = (silent, slow, done)
    assert [each.wire.ended() for each in callers] == [False, False, False]
    porch.clock.advance(1)
    assert [each.wire.ended() for each in callers] == [True, True, False]


# -- wrong ones


@pytest.mark.rule("C1.14")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Upgrade": None}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Upgrade": "websocket, h2c"}, 426),
        ({"Connection": None}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "not base64!"}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Version": None}, 400),
        ({"Sec_WebSocket_Version": "8"}, 400),
        ({"Sec_WebSocket_Protocol": '"'}, 400),
        ({"Upgrade": '"'}, 400),
        ({"Connection": ",,;"}, 400),
        ({"Content_Length": "5"}, 400),
        ({"Transfer_Encoding": "chunked"}, 400),
    ],
)
def test_a_handshake_that_is_none_is_answered_with_its_status(
    headers: dict[str, Any], expected: int
) -> None:
    """And the connection ended."""
    assert status(Porch().caller().handshake_bytes(**headers)) == expected


@pytest.mark.rule("C1.14")
@pytest.mark.parametrize(
    ("right", "wrong", "times"),
    [
        (b"GET", b"POST", 1),
        (b"GET", b"get", 1),
        (b"HTTP/1.1", b"HTTP/1.0", 1),
        (b"HTTP/1.1", b"HTTP/2", 1),
        (b"HTTP/1.1", b"", 1),
        (b"\r\n", b"\n", -1),
        (b"/ws", b"/w\xc3\xa9", 1),
        (b"Host:", b"Host :", 1),
        (b"Host:", b"Host", 1),
        (b"\r\nHost", b"\r\n folded\r\nHost", 1),
        (b"\r\nHost", b"\r\nHost: a\x00b\r\nHost", 1),
        (b"GET", b"\r\n\r\nGET", 1),
        (b"GET", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1),
    ],
)
def test_what_is_no_http_or_another_method_is_never_an_upgrade(
    right: bytes, wrong: bytes, times: int
) -> None:
    """And never a silent end."""
    raw = Porch().caller().handshake_bytes()
    assert right in raw
    assert status(raw.replace(right, wrong, times)) in {400, 405, 505}


@pytest.mark.rule("C1.14")
@pytest.mark.parametrize(
    "raw",
    [
        b"\x00" * 100 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_another_protocol_is_answered_400(raw: bytes) -> None:
    """As far as a line of it was sent."""
    assert status(raw) == 400


@pytest.mark.rule("C1.15")
@pytest.mark.parametrize("piece", [1, 700, 4096, 100_000])
def test_what_an_incomplete_handshake_holds_is_bounded(piece: int) -> None:
    """However it comes, and however often it is begun: a handshake of just the bound passes."""
    porch = Porch()
    caller = porch.caller()
    short = caller.handshake_bytes()
    room = HEAD_BYTES_MAX - len(short) - 1000
    padding = b"".join(b"A: %s\r\n" % (b"x" * 994) for _ in range(room // 999))
    raw = short[:-2] + padding + b"\r\n"
    for at in range(0, len(raw), piece):
        caller.wire.arrive(raw[at : at + piece])
    caller.read()
    assert shook_hands(caller)
    other = porch.caller()
    endless = short[:-2] + padding + padding
    for at in range(0, len(endless), piece):
        other.wire.arrive(endless[at : at + piece])
        if other.wire.through:
            break
    assert other.wire.through.startswith(b"HTTP/1.1 431 ")
    assert at <= HEAD_BYTES_MAX
    assert other.is_lost


@pytest.mark.rule("C1.15")
def test_a_flood_of_headers_is_431() -> None:
    """In number and in length, also where the head has no end; the line of the request is 414."""
    head = f"GET /ws HTTP/1.1\r\nHost: {HOST}\r\n".encode()
    assert status(head + b"A: b\r\n" * 200 + b"\r\n") == 431
    assert status(head + b"A: b\r\n" * 200_000) == 431
    assert status(head + b"A: " + b"x" * 9000 + b"\r\n\r\n") == 431
    assert status(head + (b"A: " + b"x" * 1000 + b"\r\n") * 40 + b"\r\n") == 431
    assert status(head + (b"A: " + b"x" * 8000 + b"\r\n") * 100) == 431
    assert status(head + b"A: " + b"x" * 1_000_000) == 431
    assert status(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n") == 414


@pytest.mark.rule("C1.15")
def test_the_bytes_of_a_flood_are_not_kept() -> None:
    """Whatever still comes after the answer is thrown away."""
    porch = Porch()
    caller = porch.caller()
    caller.wire.flows = False
    caller.wire.arrive(b"GET /ws HTTP/1.1\r\n" + b"A: b\r\n" * 200)
    assert caller.wire.buffer.startswith(b"HTTP/1.1 431 ")
    assert not caller.wire.is_reading()
    caller.wire.let_through()
    assert caller.is_lost


@pytest.mark.rule("C1.14")
@pytest.mark.parametrize("name", [b"Host: evil.example", b"Origin: http://127.0.0.1:8765"])
def test_a_header_that_decides_may_not_come_twice(name: bytes) -> None:
    """Which one would count?"""
    raw = Porch().caller().handshake_bytes(Origin=f"http://{HOST}")
    assert status(raw.replace(b"\r\n", b"\r\n" + name + b"\r\n", 1)) == 400


@pytest.mark.rule("C1.7", "C1.10")
def test_who_is_not_let_in_gets_the_status_of_the_reason() -> None:
    """And a line for the operator; the table of reasons is held by the tests of admission."""
    porch = Porch()
    assert status(porch.caller().handshake_bytes(Host="evil.example"), porch) == 403
    assert status(porch.caller().handshake_bytes(Host=None), porch) == 403
    assert status(porch.caller().handshake_bytes(Origin="http://evil.example"), porch) == 403
    assert [each["status"] for each in porch.log.told("handshake_refused")] == [403] * 3


# -- plain HTTP


@pytest.mark.rule("H1.1", "H1.2", "H1.3", "H1.4")
@pytest.mark.parametrize(
    ("path", "expected", "body"),
    [
        ("/healthz", 200, b'{"status":"ok"}\n'),
        ("/readyz", 200, b'{"status":"ready"}\n'),
        ("/metrics", 200, b"up 1\n"),
        ("/nothing", 404, b'{"error":"not found"}\n'),
    ],
)
def test_plain_http_is_answered_and_the_connection_ended(
    path: str, expected: int, body: bytes
) -> None:
    """With all headers that a reader needs."""
    porch = Porch()
    caller = porch.caller()
    caller.wire.arrive(f"GET {path} HTTP/1.1\r\nHost: any\r\n\r\n".encode())
    head, _, found = caller.wire.through.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {expected} ".encode())
    assert b"\r\nConnection: close" in head
    assert f"\r\nContent-Length: {len(body)}".encode() in head
    assert (found, caller.is_lost, porch.sessions) == (body, True, [])
    assert porch.door.admission.open_count == 0


@pytest.mark.rule("H1.1")
def test_head_is_answered_with_the_length_and_no_body() -> None:
    """HTTP/1.0, which some probes speak, is answered too."""
    caller = Porch().caller()
    caller.wire.arrive(b"HEAD /healthz HTTP/1.0\r\n\r\n")
    head, _, body = caller.wire.through.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nContent-Length: 16" in head
    assert (body, caller.is_lost) == (b"", True)


@pytest.mark.rule("H1.2", "O2.3")
def test_while_draining_readiness_and_handshakes_are_503() -> None:
    """Health is not: the process lives."""
    porch = Porch()
    porch.door.drain(lambda: 1)
    assert status(b"GET /readyz HTTP/1.1\r\n\r\n", porch) == 503
    assert status(porch.caller().handshake_bytes(), porch) == 503
    assert status(b"GET /healthz HTTP/1.1\r\n\r\n", porch) == 200


def test_a_page_that_is_not_read_is_cut_off() -> None:
    """After the time that a closing connection has."""
    porch = Porch(close_timeout_s=5, handshake_timeout_s=300)
    caller = porch.caller()
    caller.wire.flows = False
    caller.wire.arrive(b"GET /healthz HTTP/1.1\r\n\r\n")
    porch.clock.advance(4.9)
    assert not caller.wire.ended()
    porch.clock.advance(0.2)
    assert (caller.wire.ended(), caller.wire.was_aborted) == (True, True)


def test_a_second_request_behind_the_first_is_not_answered() -> None:
    """The connection ends with the first answer."""
    caller = Porch().caller()
    caller.wire.arrive(b"GET /healthz HTTP/1.1\r\n\r\n" * 3)
    assert caller.wire.through.count(b"HTTP/1.1 200 ") == 1
    assert json.loads(caller.wire.through.partition(b"\r\n\r\n")[2]) == {"status": "ok"}
    assert caller.is_lost
