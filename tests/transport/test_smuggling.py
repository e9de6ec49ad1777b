"""Requests that a proxy in front may read in another way than we do: one answer, and the end.

Whoever gets a second answer out of one request can hide a request from the proxy's rules. So the
first one decides, what is behind it is never read as another, and what is ambiguous is refused.
"""

from typing import Final

import pytest

from tests.transport.sockets import HOST, Porch

HOST_LINE: Final = f"Host: {HOST}\r\n".encode()
GET: Final = b"GET /healthz HTTP/1.1\r\n" + HOST_LINE
HIDDEN: Final = b"GET /metrics HTTP/1.1\r\n" + HOST_LINE + b"\r\n"
UPGRADE: Final = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
WS: Final = b"GET /ws HTTP/1.1\r\n"


def answers(raw: bytes, *, in_bytes: bool = False) -> list[int]:
    """The status of every response to these bytes; the connection must have ended with the last,
    and nobody been welcomed.
    """
    porch = Porch()
    caller = porch.caller()
    for piece in [raw[at : at + 1] for at in range(len(raw))] if in_bytes else [raw]:
        caller.wire.arrive(piece)
    assert caller.is_lost
    assert porch.sessions == []
    assert b"up 1" not in caller.wire.through, "the hidden request was answered"
    responses = caller.wire.through.split(b"HTTP/1.1 ")[1:]
    return [int(each[:3]) for each in responses]


@pytest.mark.rule("H1.5", "C1.14")
@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        GET + b"Content-Length: 5\r\n\r\nhello" + HIDDEN,
        GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        GET + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        GET + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + HIDDEN,
        GET + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        GET + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        GET + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        GET + b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n" + HIDDEN,
        GET + b"Content-Length: +5\r\n\r\nhello" + HIDDEN,
        GET + b"Content-Length: 0x5\r\n\r\nhello" + HIDDEN,
        GET + b"X: a\r\n folded\r\n\r\n" + HIDDEN,
        GET + b"X: a\r\n\tfolded\r\n\r\n" + HIDDEN,
        b"GET /ws HTTP/1.1\r\nHost:\r\n " + HOST.encode() + b"\r\n" + UPGRADE,
        b"GET /healthz HTTP/1.1\nHost: a\n\n" + HIDDEN,
        b"GET /healthz HTTP/1.1\rHost: a\r\r" + HIDDEN,
        GET + b"X: a\rY: b\r\n\r\n" + HIDDEN,
        GET + b"X: a\nY: b\r\n\r\n" + HIDDEN,
        GET + b"X: a\x00b\r\n\r\n" + HIDDEN,
        GET + b"\x00: a\r\n\r\n" + HIDDEN,
        GET + b": a\r\n\r\n" + HIDDEN,
        GET + b"Host: evil.example\r\n\r\n" + HIDDEN,
        WS + HOST_LINE + b"Host: evil.example\r\n" + UPGRADE,
        WS + b"Host: evil.example\r\n" + HOST_LINE + UPGRADE,
        b"GET /healthz\r\n\r\n" + HIDDEN,
        b"GET /healthz HTTP/1.1 HTTP/1.1\r\n" + HOST_LINE + b"\r\n" + HIDDEN,
        b" GET /healthz HTTP/1.1\r\n" + HOST_LINE + b"\r\n" + HIDDEN,
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(raw: bytes, in_bytes: bool) -> None:
    """Two lengths, two hosts, folded lines, bare ends of lines, what stands in names: 400 at most
    once, and nothing behind it is a request.
    """
    assert answers(raw, in_bytes=in_bytes) == [400]


@pytest.mark.rule("H1.5")
@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize(
    ("first", "status"),
    [
        (GET + b"\r\n", 200),
        (GET + b"Content-Length: 0\r\n\r\n", 200),
        (GET + b"Connection: keep-alive\r\n\r\n", 200),
        (b"HEAD /healthz HTTP/1.1\r\n" + HOST_LINE + b"\r\n", 200),
        (b"POST /healthz HTTP/1.1\r\n" + HOST_LINE + b"\r\n", 405),
        (b"GET /nothing HTTP/1.1\r\n" + HOST_LINE + b"\r\n", 404),
        (WS + HOST_LINE + b"\r\n", 426),
        (WS + b"Host: evil.example\r\n" + UPGRADE, 403),
    ],
)
def test_a_second_request_behind_the_first_is_never_answered(
    first: bytes, status: int, in_bytes: bool
) -> None:
    """Neither a page nor an upgrade: every response ends its connection."""
    for second in (HIDDEN, WS + HOST_LINE + UPGRADE):
        assert answers(first + second, in_bytes=in_bytes) == [status]


@pytest.mark.rule("H1.4", "H1.5")
@pytest.mark.parametrize(
    "line",
    [
        b"GET http://evil.example/healthz HTTP/1.1",
        b"GET http://127.0.0.1/metrics HTTP/1.1",
        b"GET //evil.example/healthz HTTP/1.1",
        b"GET ws://127.0.0.1:8765/ws HTTP/1.1",
        b"CONNECT evil.example:443 HTTP/1.1",
        b"CONNECT /healthz@evil.example HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET * HTTP/1.1",
    ],
)
def test_a_target_that_is_no_path_of_ours_is_not_found(line: bytes) -> None:
    """In absolute form, of a tunnel, of everything: this is no proxy, and passes nothing on."""
    assert answers(line + b"\r\n" + HOST_LINE + UPGRADE) == [404]


@pytest.mark.rule("H1.5")
def test_what_follows_an_upgrade_is_frames_and_nothing_else() -> None:
    """A request behind it breaks the protocol, and closes with 1002."""
    porch = Porch()
    caller = porch.caller()
    caller.send_raw(caller.handshake_bytes() + HIDDEN)
    assert caller.response is not None
    assert caller.response.status_code == 101
    assert caller.close_code == 1002
    assert porch.sessions[0].texts == []
