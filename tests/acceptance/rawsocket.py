"""A WebSocket client that may do everything wrong: bytes and frames by hand, reading when told.

Owns RFC 6455 framing for the client's side, as far as hostile tests need it, and plain HTTP. It
reads nothing unless asked, so a client that has stopped reading is one that is not asked. Knows
nothing of rooms.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.acceptance.frames import Object
from tests.acceptance.server import DEADLINE_S, Server

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """One WebSocket frame as it came."""

    opcode: int
    payload: bytes
    final: bool
    reserved: int

    @property
    def close_code(self) -> int | None:
        """The code of a close frame that has one."""
        if self.opcode != CLOSE or len(self.payload) < 2:
            return None
        return int(struct.unpack("!H", self.payload[:2])[0])


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def frame_bytes(
    opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """The bytes of one client frame; `reserved` are RSV1–3 as a number of three bits."""
    first = (0x80 if final else 0) | (reserved << 4) | opcode
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    pad = (key * (size // 4 + 1))[:size]
    whole = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + key + whole.to_bytes(size, "big")


def text_bytes(item: object) -> bytes:
    """The bytes of one text frame with `item` as JSON; `str` goes out as it is."""
    text = item if isinstance(item, str) else json.dumps(item)
    return frame_bytes(TEXT, text.encode())


def handshake_headers(server: Server) -> dict[str, str]:
    """The headers of a right handshake."""
    return {
        "Host": server.address,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }


def request_bytes(
    target: str, headers: Iterable[tuple[str, str]], method: str = "GET", version: str = "1.1"
) -> bytes:
    """The bytes of one HTTP request without a body; Latin-1, so any byte can be sent."""
    rows = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*rows, "", ""]).encode("latin-1")


class RawSocket:
    """One TCP connection to the server. Reads only inside `read…`, `frame`, `objects…`."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self._held = bytearray()

    @classmethod
    async def open(cls, server: Server, receive_bytes: int | None = None) -> RawSocket:
        """Connect; `receive_bytes` keeps the kernel's buffer small, for readers that stop early."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        return cls(server, sock)

    # sending

    async def send(self, data: bytes) -> None:
        """Send bytes; waits as long as the server does not read, up to the deadline."""
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def send_in_bytes(self, data: bytes) -> None:
        """Send bytes one by one, each as its own segment."""
        for at in range(len(data)):
            await self.send(data[at : at + 1])
            await asyncio.sleep(0)

    async def send_objects(self, *items: object) -> None:
        """Send each item as one text frame, all in one write."""
        await self.send(b"".join(text_bytes(item) for item in items))

    async def handshake(self, **headers: str) -> Response:
        """Ask for a WebSocket at `/ws`; the answer, whatever it is."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.send(
            request_bytes("/ws", (handshake_headers(self.server) | named).items()),
        )
        return await self.response()

    def abort(self) -> None:
        """End the connection with a reset, as a crashed machine's kernel would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """End the connection."""
        self.sock.close()

    # reading

    async def _more(self) -> bool:
        try:
            async with asyncio.timeout(DEADLINE_S):
                data = await asyncio.get_running_loop().sock_recv(self.sock, 262_144)
        except TimeoutError:
            raise AssertionError(f"nothing more came\n{self.server.story()}") from None
        except ConnectionError:
            return False
        self._held += data
        return bool(data)

    async def _take(self, size: int) -> bytes | None:
        while len(self._held) < size:
            if not await self._more():
                return None
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    async def response(self, *, has_body: bool = True) -> Response:
        """Read one HTTP response with its body. Raises ConnectionError when the server hangs up."""
        while END not in self._held:
            if not await self._more():
                raise ConnectionError("closed without a response")
        head = await self._take(self._held.index(END) + len(END))
        assert head is not None
        first, *rows = head.decode("latin-1").split("\r\n")[:-2]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (row.partition(":") for row in rows)
        }
        status = int(first.split()[1])
        length = int(headers.get("content-length", 0))
        body = b"" if status == 101 or not has_body else await self._take(length)
        assert body is not None, "a body shorter than its length"
        return Response(status, headers, body)

    async def frame(self) -> Frame | None:
        """The next frame, None at the end of the connection."""
        head = await self._take(2)
        if head is None:
            return None
        size = head[1] & 0x7F
        assert not head[1] & 0x80, "a masked frame from a server"
        if size > 125:
            more = await self._take(2 if size == 126 else 8)
            if more is None:
                return None
            size = int.from_bytes(more, "big")
        payload = await self._take(size)
        if payload is None:
            return None
        return Frame(head[0] & 0x0F, payload, bool(head[0] & 0x80), head[0] >> 4 & 0x7)

    async def objects(self) -> AsyncIterator[Object]:
        """Everything that comes from now on, object by object; pings are answered. Ends with it."""
        while (frame := await self.frame()) is not None and frame.opcode != CLOSE:
            if frame.opcode == PING:
                await self.send(frame_bytes(PONG, frame.payload))
            elif frame.opcode == TEXT:
                said = json.loads(frame.payload)
                for item in said if isinstance(said, list) else [said]:
                    yield item

    async def next_object(self, kind: str, **fields: object) -> Object:
        """Read until an object of this type with these fields comes."""
        seen: list[Any] = []
        async for item in self.objects():
            seen.append(item)
            if item["type"] == kind and all(item.get(n) == v for n, v in fields.items()):
                return item
        raise AssertionError(f"closed before {kind}: {seen[-5:]}\n{self.server.story()}")

    async def close_code(self) -> int | None:
        """Read until the connection ends; the code of the close frame, None where none came."""
        while (frame := await self.frame()) is not None:
            if frame.opcode == CLOSE:
                return frame.close_code
        return None

    async def ended(self) -> None:
        """Read and drop everything until the server hangs up."""
        while await self._more():
            self._held.clear()


@asynccontextmanager
async def raw(server: Server, **options: Any) -> AsyncIterator[RawSocket]:
    """A TCP connection without a handshake, closed at the end."""
    sock = await RawSocket.open(server, **options)
    try:
        yield sock
    finally:
        sock.close()


@asynccontextmanager
async def raw_websocket(server: Server, **options: Any) -> AsyncIterator[RawSocket]:
    """A WebSocket by hand, past its handshake, closed at the end."""
    async with raw(server, **options) as sock:
        response = await sock.handshake()
        assert response.status == 101, response
        yield sock


async def http(server: Server, target: str, method: str = "GET", **headers: str) -> Response:
    """One plain HTTP request over a connection of its own."""
    async with raw(server) as sock:
        named = {"Host": server.address, "Connection": "close"} | headers
        await sock.send(request_bytes(target, named.items(), method))
        return await sock.response(has_body=method != "HEAD")


async def answer_to(server: Server, data: bytes) -> Response | None:
    """The answer to raw bytes, None when the server hangs up without one."""
    async with raw(server) as sock:
        await sock.send(data)
        try:
            return await sock.response()
        except ConnectionError:
            return None


async def metrics(server: Server) -> dict[str, float]:
    """The samples of `/metrics` by name and labels, as written: `name{label="value"}`."""
    text = (await http(server, "/metrics")).body.decode()
    rows = [row for row in text.splitlines() if row and not row.startswith("#")]
    return {name: float(value) for name, _, value in (row.rpartition(" ") for row in rows)}


async def until_metrics(
    server: Server, holds: Callable[[dict[str, float]], bool]
) -> dict[str, float]:
    """Read `/metrics` again and again until what they say `holds`."""
    seen: dict[str, float] = {}
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                seen = await metrics(server)
                if holds(seen):
                    return seen
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"the metrics never said so: {seen}") from None
