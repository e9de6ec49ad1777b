"""Frames that break the rules, and floods of frames that do not (C2, C4).

After each attack the server must still serve somebody else, who was connected all the time.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from tests.acceptance.client import connected, seated
from tests.acceptance.rawsocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawSocket,
    frame_bytes,
    raw,
    raw_websocket,
    text_bytes,
)
from tests.acceptance.server import GENEROUS, Server, running

IMPATIENT: Final[dict[str, Any]] = {
    "message_timeout_s": 0.3,
    "heartbeat_s": 0.1,
    "heartbeat_timeout_s": 300,
}
PING_TEXT: Final = b'{"type":"ping","t":1,"sequenceId":1}'


@asynccontextmanager
async def attacked(server: Server, room: str) -> AsyncIterator[RawSocket]:
    """A socket that may do its worst, beside two members who must not notice."""
    async with seated(server, room, 2) as (ann, bob):
        version = ann.mirror.version
        async with raw_websocket(server) as sock:
            await sock.next_object("welcome")
            yield sock
        await ann.do("sendRoomMessage", event="alive", data=1)
        await bob.saw("roomMessage")
        assert bob.mirror.version == version
    async with connected(server, "new") as new:
        await new.join(room)


def closing(code: int, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return frame_bytes(CLOSE, struct.pack("!H", code) + reason)


@pytest.mark.rule("C4.1", "C4.9")
async def test_a_binary_frame_closes_with_1003(server: Server, room: str) -> None:
    """Also when its bytes would be a right message."""
    async with attacked(server, room) as sock:
        await sock.send(frame_bytes(BINARY, PING_TEXT))
        assert await sock.close_code() == 1003


@pytest.mark.rule("C4.1")
async def test_a_binary_message_in_fragments_closes_with_1003(server: Server, room: str) -> None:
    """The first fragment says what it is."""
    async with attacked(server, room) as sock:
        await sock.send(frame_bytes(BINARY, b"a", final=False))
        await sock.send(frame_bytes(CONTINUATION, b"b"))
        assert await sock.close_code() == 1003


@pytest.mark.rule("C4.2", "C4.9")
async def test_a_frame_at_the_limit_is_taken_and_one_byte_more_closes(
    server: Server, room: str
) -> None:
    """16384 bytes pass, 16385 close with 1009; counted in bytes, not in characters."""
    async with attacked(server, room) as sock:
        head, tail = b'{"type":"ping","t":1,"fill":"', b'"}'
        room_left = 16_384 - len(head) - len(tail)
        await sock.send(frame_bytes(TEXT, head + b"x" * room_left + tail))
        await sock.next_object("pong")
        await sock.send(frame_bytes(TEXT, head + "é".encode() * (room_left // 2 + 1) + tail))
        assert await sock.close_code() == 1009


@pytest.mark.rule("C4.2")
@pytest.mark.parametrize("announced", [16_385, 2**31, 2**62, 2**63 - 1])
async def test_a_large_frame_is_refused_by_its_length_alone(
    server: Server, room: str, announced: int
) -> None:
    """Announced and never sent: closed with 1009 without waiting for any of it."""
    async with attacked(server, room) as sock:
        await sock.send(struct.pack("!BBQ4s", 0x81, 0xFF, announced, b"mask"))
        assert await sock.close_code() == 1009


@pytest.mark.rule("C4.2")
async def test_many_small_fragments_are_one_large_message(server: Server, room: str) -> None:
    """The limit is for the message: fragments below it add up to 1009."""
    async with attacked(server, room) as sock:
        await sock.send(frame_bytes(TEXT, b'"' + b"a" * 999, final=False))
        await sock.send(frame_bytes(CONTINUATION, b"a" * 1000, final=False) * 20)
        assert await sock.close_code() == 1009


@pytest.mark.rule("C4.3", "C4.9")
@pytest.mark.parametrize(
    "data",
    [b'{"type":"\xff"}', b'"\xc3"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xc0\xaf"'],
)
async def test_text_that_is_not_utf_8_closes_with_1007(
    server: Server, room: str, data: bytes
) -> None:
    """Stray bytes, cut and overlong sequences, surrogates, and beyond the last character."""
    async with attacked(server, room) as sock:
        await sock.send(frame_bytes(TEXT, data))
        assert await sock.close_code() == 1007


@pytest.mark.rule("C4.4", "C4.9")
@pytest.mark.parametrize(
    "data",
    [
        frame_bytes(TEXT, PING_TEXT, masked=False),
        frame_bytes(TEXT, PING_TEXT, reserved=4),
        frame_bytes(TEXT, PING_TEXT, reserved=2),
        frame_bytes(TEXT, PING_TEXT, reserved=1),
        frame_bytes(0x3, b""),
        frame_bytes(0x7, b"x"),
        frame_bytes(0xB, b""),
        frame_bytes(0xF, b"x"),
        frame_bytes(CONTINUATION, PING_TEXT),
        frame_bytes(TEXT, b"{", final=False) + frame_bytes(TEXT, PING_TEXT),
        frame_bytes(PING, b"x" * 126),
        frame_bytes(PING, b"x", final=False),
        frame_bytes(CLOSE, b"x"),
        frame_bytes(TEXT, zlib.compress(b"0" * 10_000_000)[2:-4], reserved=4),
    ],
    ids=[
        "unmasked",
        "rsv1",
        "rsv2",
        "rsv3",
        "opcode 3",
        "opcode 7",
        "opcode 11",
        "opcode 15",
        "stray continuation",
        "text inside fragments",
        "long ping",
        "fragmented ping",
        "close of one byte",
        "compressed bomb",
    ],
)
async def test_frames_against_the_rfc_close_with_1002(
    server: Server, room: str, data: bytes
) -> None:
    """Each breaks RFC 6455 in one way."""
    async with attacked(server, room) as sock:
        await sock.send(data)
        assert await sock.close_code() == 1002


@pytest.mark.rule("C4.4")
@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535])
async def test_close_codes_that_no_one_may_send_are_refused(
    server: Server, room: str, code: int
) -> None:
    """Reserved and unknown ones close with 1002."""
    async with attacked(server, room) as sock:
        await sock.send(closing(code))
        assert await sock.close_code() == 1002


@pytest.mark.rule("C4.8")
@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_is_answered_with_its_code(server: Server, room: str, code: int) -> None:
    """The answer carries the code and nothing that did not come from us; then TCP ends."""
    async with attacked(server, room) as sock:
        await sock.send(closing(code, "bye ä".encode()))
        frame = await sock.frame()
        assert frame is not None
        assert frame.close_code == code
        assert frame.payload[2:] in (b"", "bye ä".encode())
        assert await sock.frame() is None


@pytest.mark.rule("C4.8")
async def test_a_close_without_a_code_is_answered(server: Server, room: str) -> None:
    """The answer has no code either, or the normal one; then TCP ends."""
    async with attacked(server, room) as sock:
        await sock.send(frame_bytes(CLOSE, b""))
        frame = await sock.frame()
        assert frame is not None
        assert frame.opcode == CLOSE
        assert frame.close_code in (None, 1000)
        assert await sock.frame() is None


@pytest.mark.rule("C2.4", "C4.9")
async def test_a_message_may_come_in_fragments_of_one_byte(server: Server, room: str) -> None:
    """Each byte a frame, each frame written byte by byte, with pings between and empty ones."""
    async with attacked(server, room) as sock:
        first, *middle, last = (PING_TEXT[n : n + 1] for n in range(len(PING_TEXT)))
        await sock.send_in_bytes(frame_bytes(TEXT, first, final=False))
        for byte in middle:
            await sock.send_in_bytes(frame_bytes(CONTINUATION, byte, final=False))
            await sock.send(frame_bytes(CONTINUATION, b"", final=False))
        await sock.send(frame_bytes(PING, b"between"))
        await sock.send_in_bytes(frame_bytes(CONTINUATION, last))
        frames = [await sock.frame(), await sock.frame()]
        assert (PONG, b"between") in [(f.opcode, f.payload) for f in frames if f is not None]
        assert [json.loads(f.payload)["t"] for f in frames if f and f.opcode == TEXT] == [1]


@pytest.mark.rule("C2.4", "C4.3")
async def test_a_character_may_be_split_between_fragments(server: Server, room: str) -> None:
    """UTF-8 is judged over the whole message."""
    async with attacked(server, room) as sock:
        text = '{"type":"sendRoomMessage","event":"e","data":"ä"}'.encode()
        at = text.index(b"\xa4")
        await sock.send_objects({"type": "joinRoomGameSpace", "roomId": room + "-alone"})
        await sock.send(frame_bytes(TEXT, text[:at], final=False))
        await sock.send(frame_bytes(CONTINUATION, text[at:]))
        assert (await sock.next_object("roomMessage"))["data"] == "ä"


@pytest.mark.rule("C2.5")
async def test_a_message_that_never_ends_loses_its_connection(room: str) -> None:
    """Fragments that come for ever, none of them the last: ended within bounds."""
    with running(**GENEROUS, **IMPATIENT) as server:
        async with attacked(server, room) as sock:
            await sock.send(frame_bytes(TEXT, b"{", final=False))
            ended = asyncio.create_task(sock.ended())
            while not ended.done():
                try:
                    await sock.send(frame_bytes(CONTINUATION, b"", final=False))
                except ConnectionError:
                    break
                await asyncio.wait([ended], timeout=0.05)
            await ended


@pytest.mark.rule("C2.5")
async def test_a_frame_that_never_comes_whole_loses_its_connection(room: str) -> None:
    """A header, half of its payload, and then only silence: ended after `message_timeout_s`."""
    with running(**GENEROUS, **IMPATIENT) as server:
        async with attacked(server, room) as sock:
            await sock.send(frame_bytes(TEXT, PING_TEXT)[:20])
            await sock.ended()


@pytest.mark.rule("C2.6")
async def test_a_ping_is_answered_with_its_own_payload(server: Server, room: str) -> None:
    """From nothing to 125 bytes, and never a byte more."""
    async with attacked(server, room) as sock:
        for payload in (b"", b"x", bytes(range(125))):
            await sock.send(frame_bytes(PING, payload))
            frame = await sock.frame()
            assert frame is not None
            assert (frame.opcode, frame.payload) == (PONG, payload)


@pytest.mark.rule("C2.6", "C4.9")
@pytest.mark.parametrize("kind", ["pings", "pongs", "empty text", "empty continuations"])
async def test_a_flood_of_small_frames_harms_nobody(server: Server, room: str, kind: str) -> None:
    """Thousands at once: answered, ignored or closed, while others are served all the time."""
    flood = {
        "pings": frame_bytes(PING, b"p"),
        "pongs": frame_bytes(PONG, b"p"),
        "empty text": frame_bytes(TEXT, b""),
        "empty continuations": frame_bytes(CONTINUATION, b"", final=False),
    }[kind]
    memory = server.resident_kib()
    async with attacked(server, room) as sock, connected(server, "ann") as ann:
        if kind == "empty continuations":
            await sock.send(frame_bytes(TEXT, b"{", final=False))
        try:
            for _ in range(20):
                await sock.send(flood * 1000)
                await ann.ping()
        except ConnectionError:
            pass
        await ann.ping()
    assert server.resident_kib() - memory < 30_000


@pytest.mark.rule("C4.9")
async def test_garbage_instead_of_frames_harms_nobody(server: Server, room: str) -> None:
    """Seeded random bytes after a right handshake: every connection ends, none takes another."""
    chance = random.Random(1)
    async with attacked(server, room):
        for _ in range(40):
            async with raw_websocket(server) as sock:
                try:
                    await sock.send(chance.randbytes(chance.randrange(1, 5000)))
                    await sock.send(closing(1000))
                except ConnectionError:
                    continue
                sock.abort()


@pytest.mark.rule("C4.9")
async def test_garbage_instead_of_a_handshake_harms_nobody(server: Server, room: str) -> None:
    """Random bytes, TLS, HTTP/2 and what scanners send."""
    chance = random.Random(2)
    openings = [chance.randbytes(2000) for _ in range(20)]
    openings += [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]
    openings += [b"\x00" * 4000, b"\n" * 4000, b"GET " + b"\xff" * 3000 + b"\r\n\r\n", b"QUIT\n"]
    async with attacked(server, room):
        for opening in openings:
            async with raw(server) as sock:
                try:
                    await sock.send(opening)
                except ConnectionError:
                    continue
                sock.abort()


@pytest.mark.rule("C4.9")
async def test_right_frames_cut_off_at_any_byte_harm_nobody(server: Server, room: str) -> None:
    """A reset within a frame, at each of its bytes."""
    data = text_bytes({"type": "joinRoomGameSpace", "roomId": "cut"})
    async with attacked(server, room):
        for end in range(0, len(data), 3):
            async with raw_websocket(server) as sock:
                await sock.send(data[:end])
                sock.abort()


@pytest.mark.rule("C4.9", "C4.8")
async def test_frames_after_a_close_are_ignored(server: Server, room: str) -> None:
    """Whoever says goodbye and then talks on is not heard."""
    async with attacked(server, room) as sock:
        join = text_bytes({"type": "joinRoomGameSpace", "roomId": room})
        await sock.send(closing(1000) + join)
        assert await sock.close_code() == 1000
