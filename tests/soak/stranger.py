"""Who comes to a server beside its users: scrapers, scanners, peers that hang, that read slowly.

Owns one visit of each kind. Bytes go out by hand (`rawsocket.py`); what comes back over a WebSocket
is judged by a mirror all the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

from tests.acceptance.client import give_up
from tests.acceptance.frames import Object
from tests.acceptance.mirror import Mirror
from tests.acceptance.rawsocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawSocket,
    answer_to,
    frame_bytes,
    handshake_headers,
    http,
    raw,
    raw_websocket,
    request_bytes,
)
from tests.soak.town import Town

PATHS: Final = {"/metrics": 200, "/healthz": 200, "/readyz": 200, "/nothing": 404, "/ws": 426}
FILL: Final = "y" * 4000
FLOOD: Final = 80
"""Messages of 4 kB that one says to itself: more than the outbox and the kernel hold."""


class Stranger:
    """`visit` is one of them, by chance."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.chance = random.Random(town.chance.random())
        self.mirror: Mirror

    async def visit(self) -> None:
        """Come and go. Raises what the server did wrong."""
        visits: dict[Callable[[], Awaitable[None]], int] = {
            self._scrape: 6,
            self._bad_handshake: 4,
            self._no_http: 2,
            self._half_a_handshake: 3,
            self._stalled_handshake: 1,
            self._only_a_connection: 3,
            self._half_a_frame: 2,
            self._broken_frames: 2,
            self._half_open: 2,
            self._slow_reader: 2,
            self._stalled_reader: 1,
        }
        (visit,) = self.chance.choices(list(visits), list(visits.values()))
        self.town.counts[getattr(visit, "__name__", "").strip("_")] += 1
        self.mirror = Mirror("stranger", may_fall_behind=True)
        await visit()

    # -- plain HTTP and handshakes

    async def _scrape(self) -> None:
        path, status = self.chance.choice(list(PATHS.items()))
        assert (await http(self.town.server, path)).status == status, path

    async def _bad_handshake(self) -> None:
        wrong = self.chance.choice(
            [
                ({"Origin": "https://elsewhere.example"}, 403),
                ({"Host": "elsewhere.example"}, 403),
                ({"Sec_WebSocket_Key": "short"}, 400),
                ({"Upgrade": "h2c"}, 426),
            ]
        )
        async with raw(self.town.server) as sock:
            assert (await sock.handshake(**wrong[0])).status == wrong[1], wrong

    async def _no_http(self) -> None:
        junk = bytes(self.chance.randrange(256) for _ in range(200)) + b"\r\n\r\n"
        with suppress(ConnectionError):
            await answer_to(self.town.server, junk)

    async def _half_a_handshake(self) -> None:
        whole = request_bytes("/ws", handshake_headers(self.town.server).items())
        async with raw(self.town.server) as sock:
            await sock.send(whole[: self.chance.randrange(len(whole))])
            if self.chance.random() < 0.5:
                sock.abort()

    async def _stalled_handshake(self) -> None:
        async with raw(self.town.server) as sock:
            await sock.send(b"GET /ws HTTP/1.1\r\n")
            await sock.ended()

    # -- WebSockets that come to nothing

    async def _only_a_connection(self) -> None:
        async with self._websocket() as sock:
            if self.chance.random() < 0.5:
                sock.abort()

    async def _half_a_frame(self) -> None:
        async with self._websocket() as sock:
            await sock.send(frame_bytes(TEXT, b'{"type": "ping", ', final=False))
            await sock.send(frame_bytes(CONTINUATION, b'"t": 1}')[:-3])
            if self.chance.random() < 0.5:
                sock.abort()

    async def _broken_frames(self) -> None:
        broken = self.chance.choice(
            [
                frame_bytes(TEXT, b"{}", masked=False),
                frame_bytes(TEXT, b"{}", reserved=4),
                frame_bytes(CONTINUATION, b"{}"),
                frame_bytes(PING, b"p", final=False),
                frame_bytes(BINARY, b"b"),
                frame_bytes(CLOSE, b"\x03"),
                frame_bytes(0x3, b""),
            ]
        )
        async with self._websocket() as sock:
            await sock.send(broken)
            await self._read(sock)

    # -- seated, and no good

    async def _half_open(self) -> None:
        """It answers no ping, until the server has had enough."""
        async with self._websocket() as sock:
            await self._join(sock)
            await self._read(sock, answers=False)

    async def _slow_reader(self) -> None:
        """It reads nothing for a while, and then everything."""
        async with self._websocket(receive_bytes=4096) as sock:
            await self._join(sock)
            await self._flood(sock)
            await sock.send_objects({"type": "ping", "sequenceId": 1_000_000})
            await self._read(sock, until=lambda item: item.get("replyTo") == 1_000_000)

    async def _stalled_reader(self) -> None:
        """It reads nothing until it is thrown out, of which its neighbour tells."""
        neighbour = await self.town.newcomer()
        try:
            async with self._websocket(receive_bytes=4096) as sock:
                await self._join(sock)
                await neighbour.join(self.mirror.room_id, userId=self.town.a_user())
                await self._flood(sock)
                await neighbour.reach(
                    lambda: self._is_lost(neighbour.mirror), "the end of the stalled reader"
                )
                await self._read(sock)
            await neighbour.close()
        except BaseException:
            await give_up([neighbour])
            raise
        self.town.judged(neighbour)

    def _is_lost(self, seen: Mirror) -> bool:
        own = seen.players.get(self.mirror.socket_id)
        return own is None or not own["connected"]

    async def _flood(self, sock: RawSocket) -> None:
        say = {"type": "sendRoomMessage", "event": "flood", "data": FILL}
        await sock.send_objects(*[say | {"sequenceId": n + 2} for n in range(FLOOD)])

    # -- parts

    def _websocket(
        self, receive_bytes: int | None = None
    ) -> AbstractAsyncContextManager[RawSocket]:
        self.town.counts["sessions"] += 1
        self.town.counts["connections"] += 1
        self.mirror.opened()
        return raw_websocket(self.town.server, receive_bytes=receive_bytes)

    async def _join(self, sock: RawSocket) -> None:
        """Take a seat in a room of its own."""
        room, user = self.town.a_new_room(), self.town.a_user()
        join = {"type": "joinRoomGameSpace", "roomId": room, "userId": user, "sequenceId": 1}
        await sock.send_objects(join)
        await self._read(sock, until=lambda item: item.get("replyTo") == 1)

    async def _read(
        self,
        sock: RawSocket,
        *,
        until: Callable[[Object], bool] | None = None,
        answers: bool = True,
    ) -> None:
        """Read to the end, or up to the object that is waited for; all of it is judged."""
        while (frame := await sock.frame()) is not None and frame.opcode != CLOSE:
            if frame.opcode == PING and answers:
                with suppress(ConnectionError):
                    await sock.send(frame_bytes(PONG, frame.payload))
            if frame.opcode != TEXT:
                continue
            said = json.loads(frame.payload)
            self.mirror.feed(said)
            items = said if isinstance(said, list) else [said]
            self.town.counts["frames"] += len(items)
            if until is not None and any(until(item) for item in items):
                return
        assert until is None, f"closed too soon\n{self.town.server.story()}"
