"""Listening on a real socket: the port that was taken, the drain, and what cannot be had."""

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.uri import parse_uri

from tests.transport.sockets import Porch
from transport.server import Server

PATIENCE_S = 60.0


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run `test` on a loop of its own; only one that hangs comes near the limit."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test

    asyncio.run(bounded())


class RealClient:
    """A client on a real socket."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/ws"))
        self.texts: list[Any] = []

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.protocol.send_request(self.protocol.connect())
        self._flush()

    async def read(self, *, until: int) -> None:
        """Read, and answer a close, until so many texts came or the stream ended."""
        while len(self.texts) < until:
            data = await self.reader.read(65_536)
            if not data:
                return
            self.protocol.receive_data(data)
            self._flush()
            self.texts += [
                json.loads(bytes(event.data))
                for event in self.protocol.events_received()
                if isinstance(event, Frame) and event.data[:1] == b"{"
            ]

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.writer.write(data)

    async def close(self) -> None:
        """End the stream, whatever the server has done to it."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def finish(self) -> int | None:
        """Read to the end; the code that was closed with."""
        await self.read(until=1000)
        await self.close()
        received = self.protocol.close_rcvd
        return int(received.code) if received else None


@pytest.mark.rule("O1.4")
def test_port_0_takes_a_free_one_and_tells_which() -> None:
    """Two servers get two."""

    async def listen() -> None:
        servers = []
        for _ in range(2):
            porch = Porch(port=0)
            server = Server(porch.settings, porch.door)
            await server.listen()
            servers.append(server)
        ports = {server.port for server in servers}
        assert len(ports) == 2
        assert 0 not in ports
        for server in servers:
            assert await server.drain(lambda: 1) == 0

    run(listen())


def test_a_round_of_the_loop_lets_in_as_many_as_there_are_handles() -> None:
    """uvloop accepts one connection a handle and round, and a round may be long. Rounds in which
    nobody comes are not counted: the kernel may be slower than they are.
    """

    async def crowd(handles: int) -> list[int]:
        porch = Porch(port=0)
        server = Server(porch.settings, porch.door)
        await server.listen(handles)
        waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
        inside = [0]
        while inside[-1] < len(waiting):
            await asyncio.sleep(0)
            inside.append(len(porch.door.guests))
        for each in waiting:
            each.close()
        await server.drain(lambda: 1)
        return [after - before for before, after in itertools.pairwise(inside) if after > before]

    alone, together = uvloop.run(crowd(1)), uvloop.run(crowd(16))
    assert alone == [1] * 40
    assert len(together) <= 10


@pytest.mark.rule("O2.1", "O2.2", "O2.4")
@pytest.mark.parametrize("handles", [1, 3])
def test_a_drain_waits_for_those_who_go_and_then_nobody_is_let_in(handles: int) -> None:
    """It is over as soon as the last one has gone, long before `drain_s`."""

    async def drain() -> None:
        porch = Porch(port=0, drain_s=300)
        server = Server(porch.settings, porch.door)
        await server.listen(handles)
        clients = [RealClient(server.port) for _ in range(3)]
        for client in clients:
            await client.connect()
            await client.read(until=1)
        times = iter((11, 22, 33))
        draining = asyncio.create_task(server.drain(lambda: next(times)))
        assert [await client.finish() for client in clients] == [1012] * 3
        assert await draining == 0
        waits = [client.texts[1]["reconnectAfterMs"] for client in clients]
        assert sorted(waits) == [11, 22, 33]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)

    run(drain())


@pytest.mark.rule("O2.4")
def test_who_does_not_go_is_cut_off_at_the_end_of_the_drain() -> None:
    """And counted; the drain is no longer for it."""

    async def drain() -> None:
        porch = Porch(port=0, drain_s=0)
        server = Server(porch.settings, porch.door)
        await server.listen()
        client = RealClient(server.port)
        await client.connect()
        await client.read(until=1)
        assert await server.drain(lambda: 1) == 1
        await client.close()

    run(drain())


def test_an_address_that_is_taken_cannot_be_listened_on() -> None:
    """The caller is told, and there is nothing to clean up."""

    async def listen() -> None:
        porch = Porch(port=0)
        first = Server(porch.settings, porch.door)
        await first.listen()
        other = Porch(port=first.port)
        with pytest.raises(OSError, match="address already in use"):
            await Server(other.settings, other.door).listen()
        await first.drain(lambda: 1)

    run(listen())


@pytest.mark.rule("C1.13")
def test_a_bad_certificate_is_told_before_anybody_is_let_in(tmp_path: Path) -> None:
    """What a good one does is held by the tests through real sockets."""

    async def listen() -> None:
        broken = tmp_path / "cert.pem"
        broken.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n", "utf-8")
        porch = Porch(port=0, tls_cert_file=str(broken), tls_key_file=str(broken))
        with pytest.raises(ssl.SSLError):
            await Server(porch.settings, porch.door).listen()

    run(listen())
