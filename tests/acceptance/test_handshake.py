"""The handshake: subprotocol, welcome, TLS, and requests that are no handshake (C1)."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Origin, Subprotocol

from tests.acceptance.client import connected
from tests.acceptance.frames import is_socket_id, is_time
from tests.acceptance.rawsocket import (
    RawSocket,
    answer_to,
    handshake_headers,
    raw,
    request_bytes,
    until_metrics,
)
from tests.acceptance.server import Server, running


async def serves(server: Server, room: str) -> None:
    """Prove that the server still serves others."""
    async with connected(server, "other") as other:
        await other.join(room)
        await other.leave()


@pytest.mark.rule("C1.1")
async def test_the_subprotocol_is_offered_and_optional(server: Server) -> None:
    """Asked for it is selected, among others too; asked for none, none is."""
    for asked, selected in (
        (None, None),
        (["vaultmeet.v1"], "vaultmeet.v1"),
        (["chat", "vaultmeet.v1"], "vaultmeet.v1"),
        (["vaultmeet.v1.compact", "vaultmeet.v1"], "vaultmeet.v1.compact"),
    ):
        protocols = None if asked is None else [Subprotocol(name) for name in asked]
        async with connected(server, subprotocols=protocols) as ann:
            assert ann.link.socket.subprotocol == selected


@pytest.mark.rule("C1.2", "C1.3", "C2.8")
async def test_the_first_frame_is_the_welcome(server: Server) -> None:
    """With everything that a client needs to begin."""
    async with connected(server) as ann:
        welcome = ann.link.objects[0]
        assert welcome["type"] == "welcome"
        assert is_socket_id(welcome["socketId"])
        assert welcome["protocol"] == 1
        assert is_time(welcome["serverTime"])
        assert welcome["auth"] == "anonymous"
        assert welcome["heartbeatMs"] == 10_000


@pytest.mark.rule("C1.5")
async def test_no_compression_is_negotiated(server: Server) -> None:
    """Offered or not: the answer names no extension, and what comes is plain."""
    offer = [ClientPerMessageDeflateFactory(client_max_window_bits=True)]
    async with connected(server, extensions=offer) as ann:
        assert ann.link.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in ann.link.socket.response.headers
        await ann.ping()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """An authority of our own, and a chain with key that it made for this machine."""
    authority, chain = tmp_path / "authority.pem", tmp_path / "chain.pem"
    own = trustme.CA()
    own.cert_pem.write_to_path(str(authority))
    own.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        str(chain)
    )
    return authority, chain


@pytest.mark.rule("C1.13", "C4.9")
async def test_the_same_is_spoken_over_tls(certificate: tuple[Path, Path], room: str) -> None:
    """With a certificate of our own making; who speaks plainly, or garbage, gets nothing."""
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    with running(tls_cert_file=certificate[1], tls_key_file=certificate[1]) as server:
        async with connected(server, ssl=trust) as ann, connected(server, ssl=trust) as bob:
            await ann.join(room, attributes={"fill": "x" * 900})
            await bob.join(room)
            await ann.saw("playerJoinedRoom")
            assert ann.mirror.view().keys() == bob.mirror.view().keys()
            for garbage in (b"GET /ws HTTP/1.1\r\n\r\n", bytes(range(256)), b"\x16\x03\x01"):
                async with raw(server) as sock:
                    await sock.send(garbage)
                    sock.abort()
            await ann.lose()
            await bob.saw("playerConnectionChanged")
            await ann.open(ssl=trust)
            assert (await ann.resume())["type"] == "roomGameSpaceResumed"
        same_page = Origin(f"https://{server.address}")
        async with connect(server.url, ssl=trust, origin=same_page, proxy=None) as socket:
            assert socket.response is not None
            assert socket.response.status_code == 101


@pytest.mark.rule("C1.14", "C4.9")
async def test_handshakes_that_are_none_are_refused(server: Server, room: str) -> None:
    """Each with its status, and after all of them the server serves others."""
    right = handshake_headers(server)

    def variant(**changed: str | None) -> list[tuple[str, str]]:
        named = {name.replace("_", "-"): value for name, value in changed.items()}
        return [(n, v) for n, v in (right | named).items() if v is not None]

    key = "Sec_WebSocket_Key"
    cases: list[tuple[bytes, set[int]]] = [
        (request_bytes("/ws", variant(Upgrade=None)), {426}),
        (request_bytes("/ws", variant(Upgrade="h2c")), {426}),
        (request_bytes("/ws", variant(Connection="close")), {426}),
        (request_bytes("/ws", variant(Sec_WebSocket_Version="8")), {400, 426}),
        (request_bytes("/ws", variant(Sec_WebSocket_Version=None)), {400, 426}),
        (request_bytes("/ws", variant(**{key: None})), {400}),
        (request_bytes("/ws", variant(**{key: "short"})), {400}),
        (request_bytes("/ws", variant(**{key: "!" * 24})), {400}),
        (
            request_bytes("/ws", [*variant(), ("Sec-WebSocket-Key", right["Sec-WebSocket-Key"])]),
            {400},
        ),
        (request_bytes("/ws", variant(), method="POST"), {400, 405}),
        (request_bytes("/ws", variant(), method="get"), {400, 405}),
        (request_bytes("/ws", variant(), version="1.0"), {400, 505}),
        (request_bytes("/ws", variant(), version="2.0"), {400, 505}),
        (request_bytes("/ws", [*variant(), ("Content-Length", "5")]) + b"hello", {400, 413}),
        (request_bytes("/ws", [*variant(), ("Transfer-Encoding", "chunked")]), {400, 413, 501}),
        (request_bytes("/ws", [*variant(), ("bad header", "x")]), {400}),
        (request_bytes("/ws", [*variant(), ("X", "a\x00b")]), {400}),
        (b"GET /ws\r\n\r\n", {400}),
        (b"\r\n\r\n", {400}),
        (b"hello\r\n\r\n", {400}),
        (b"GET  /ws  HTTP/1.1\r\n\r\n", {400}),
    ]
    for data, allowed in cases:
        answer = await answer_to(server, data)
        assert answer is not None, data
        assert answer.status in allowed, (data, answer)
    await serves(server, room)


@pytest.mark.rule("C1.15", "C4.9")
async def test_floods_of_headers_are_refused(server: Server, room: str) -> None:
    """Thousands of headers, or 32 kB in one: 431, and the server serves others."""
    right = handshake_headers(server)
    many = [*right.items(), *((f"X-{n}", "v") for n in range(3000))]
    answer = await answer_to(server, request_bytes("/ws", many))
    assert answer is not None
    assert answer.status == 431
    fillings = ["a" * 32_000, ", " * 16_000, " " * 32_000, "a;" * 16_000, "=,;" * 10_000]
    for name in [*right, "Origin", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Cookie"]:
        for filling in fillings:
            answer = await answer_to(
                server, request_bytes("/ws", (right | {name: filling}).items())
            )
            assert answer is not None
            assert answer.status == 431, (name, answer)
    answer = await answer_to(server, request_bytes("/" + "p" * 32_000, right.items()))
    assert answer is not None
    assert answer.status in (400, 414, 431)
    await serves(server, room)


@pytest.mark.rule("C1.15")
async def test_an_endless_header_is_cut_off(server: Server, room: str) -> None:
    """A megabyte without a line end is not collected: the server hangs up first."""
    async with raw(server) as sock:
        await sock.send(b"GET /ws HTTP/1.1\r\nX: ")
        try:
            for _ in range(64):
                await sock.send(b"a" * 16_384)
        except ConnectionError:
            pass
        await sock.ended()
    await serves(server, room)


@pytest.mark.rule("C1.16")
async def test_a_handshake_may_come_in_single_bytes(server: Server, room: str) -> None:
    """Byte by byte, with a request behind it in the same stream: both are answered."""
    async with raw(server) as sock:
        data = request_bytes("/ws", handshake_headers(server).items())
        await sock.send_in_bytes(data)
        assert (await sock.response()).status == 101
        await sock.next_object("welcome")
    async with raw(server) as sock:
        await sock.send(data)
        await sock.send_objects({"type": "joinRoomGameSpace", "roomId": room})
        assert (await sock.response()).status == 101
        await sock.next_object("roomGameSpaceJoined")


@pytest.mark.rule("C1.16", "C4.9")
async def test_a_handshake_may_end_at_any_byte(server: Server, room: str) -> None:
    """Cut off by a reset after every single byte; nothing of it stays behind."""
    data = request_bytes("/ws", handshake_headers(server).items())
    for end in range(len(data)):
        sock = await RawSocket.open(server)
        await sock.send(data[:end])
        sock.abort()
    await until_metrics(server, lambda m: m["vaultmeet_connections"] == 0)
    await serves(server, room)


@pytest.mark.rule("C1.17")
async def test_a_handshake_that_never_ends_is_ended(room: str) -> None:
    """Neither silence nor a drop now and then keeps a connection beyond its time."""
    with running(handshake_timeout_s=1) as server:
        async with raw(server) as silent, raw(server) as slow:
            await slow.send(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            await silent.ended()
            await slow.ended()
        async with connected(server) as ann:
            await ann.join(room)


@pytest.mark.rule("H1.4")
async def test_a_handshake_elsewhere_finds_nothing(server: Server) -> None:
    """`/`, `/ws/` and others answer 404; a query string at `/ws` does not matter."""
    headers = handshake_headers(server)
    for target in ("/", "/ws/", "/wss", "/ws/../x", "/WS", "//ws", "/socket.io/?EIO=4"):
        answer = await answer_to(server, request_bytes(target, headers.items()))
        assert answer is not None
        assert answer.status == 404, target
    answer = await answer_to(server, request_bytes("/ws?room=1", headers.items()))
    assert answer is not None
    assert answer.status == 101
