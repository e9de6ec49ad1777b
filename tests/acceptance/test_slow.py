"""Slow readers: bounded, harmless to others, and right again when they drain (G8).

The slow one is a raw socket with a small receive buffer that nobody reads for a while. What is
sent meanwhile is more than any kernel holds for it: the rest waits in the server, or is dropped.
"""

from __future__ import annotations

import asyncio
import select
from typing import Any, Final

import pytest

from tests.acceptance.client import RESUMED, Client, seated, settle
from tests.acceptance.frames import Object
from tests.acceptance.mirror import Mirror
from tests.acceptance.rawsocket import RawSocket, metrics, raw_websocket, text_bytes, until_metrics
from tests.acceptance.server import GENEROUS, Server, running

MESSAGE: Final = "x" * 8000
FILL: Final = "y" * 8000
FLOOD: Final = 1200
"""Messages of 8 kB: more than the 4 MiB that a kernel gives one socket and the outbox together."""


class SlowClient:
    """A raw socket with a mirror, that reads when it is told to."""

    def __init__(self, sock: RawSocket) -> None:
        self.sock = sock
        self.mirror = Mirror("slow", may_fall_behind=True)
        self.mirror.opened()
        self.seen: list[Object] = []
        self.seat: Object = {}

    async def join(self, room: str) -> None:
        await self.sock.send_objects({"type": "joinRoomGameSpace", "roomId": room})
        self.seat = await self.until("roomGameSpaceJoined")
        self.sock.server.secrets.add(self.seat["resumeToken"])

    async def until(self, kind: str, **fields: Any) -> Object:
        """Read until an object of this type with these fields comes; the mirror sees all of it."""
        async for item in self.sock.objects():
            self.mirror.feed(item)
            self.seen.append(item)
            if item["type"] == kind and all(item.get(n) == v for n, v in fields.items()):
                return item
        raise AssertionError(f"closed before {kind}\n{self.sock.server.story()}")


async def flood(sender: Client, count: int = FLOOD) -> None:
    """Send many large messages to the room, each when the one before is answered."""
    for n in range(count):
        await sender.do("sendRoomMessage", event="flood", data={"n": n, "fill": MESSAGE})


@pytest.fixture
def patient() -> Any:
    """A server that keeps slow readers for long, with a small outbox."""
    with running(
        **GENEROUS, outbox_bytes_max=65_536, slow_reader_s=300, heartbeat_timeout_s=300
    ) as server:
        yield server


@pytest.mark.rule("G8.1", "G8.2", "G8.3", "G8.4", "G7.1", "H2.4")
async def test_a_reader_that_stops_gets_one_whole_state_when_it_drains(
    patient: Server, room: str
) -> None:
    """Nobody is slowed; it then holds what all hold, positions included, without the old talk."""
    async with (
        seated(patient, room, 3) as (ann, bob, cid),
        raw_websocket(patient, receive_bytes=4096) as sock,
    ):
        slow = SlowClient(sock)
        await slow.join(room)
        await sock.send_objects({"type": "ping", "t": "before", "sequenceId": 1})
        await flood(ann)
        assert bob.kinds().count("roomMessage") >= FLOOD - 1
        await cid.leave()
        await bob.do("ready")
        for n in range(100):
            await ann.tell("move", x=n, y=n)
        await bob.reach(lambda: bob.mirror.position(ann.mirror.socket_id) == (99, 99), "the move")
        await sock.send_objects({"type": "ping", "t": "meantime", "sequenceId": 2})
        await until_metrics(patient, lambda m: m["vaultmeet_slow_readers_total"] >= 1)

        state = await slow.until("roomState")
        assert state["reason"] == "slowConsumer"
        await ann.do("sendRoomMessage", event="after", data=0)
        await slow.until("roomMessage", event="after")
        await settle([ann, bob])
        assert slow.mirror.view() == bob.mirror.view()
        kinds = [item["type"] for item in slow.seen]
        assert kinds.count("roomState") == 1
        assert kinds.count("roomMessage") < FLOOD
        assert [i["t"] for i in slow.seen if i["type"] == "pong"] == ["before", "meantime"]

        await sock.send_objects({"type": "ready", "sequenceId": 3})
        await slow.until("ok", replyTo=3)
        await bob.reach(
            lambda: bob.mirror.players[slow.mirror.socket_id]["isReady"], "ready of the slow one"
        )


@pytest.mark.rule("G8.2", "G8.4")
async def test_a_reader_falls_behind_and_recovers_many_times(patient: Server, room: str) -> None:
    """Twice in a row it stops and drains; each time it ends with what the others hold."""
    async with (
        seated(patient, room, 2) as (ann, bob),
        raw_websocket(patient, receive_bytes=4096) as sock,
    ):
        slow = SlowClient(sock)
        await slow.join(room)
        for turn in range(2):
            await flood(ann)
            await ann.do("updatePlayer", attributes={"turn": turn})
            await ann.tell("move", x=turn, y=1)
            await bob.reach(
                lambda at=(turn, 1): bob.mirror.position(ann.mirror.socket_id) == at,  # type: ignore[misc]
                "the move",
            )
            state = await slow.until("roomState")
            assert state["reason"] == "slowConsumer"
            await ann.do("sendRoomMessage", event=f"after {turn}", data=0)
            await slow.until("roomMessage", event=f"after {turn}")
            assert slow.mirror.view() == bob.mirror.view()


@pytest.mark.rule("G8.6", "G6.2")
async def test_a_reader_that_stays_slow_is_closed_and_may_resume(room: str) -> None:
    """Over `slow_reader_s` it is closed with 1013 and lost; a resume brings it back."""
    with running(**GENEROUS, outbox_bytes_max=65_536, slow_reader_s=0.5) as server:
        async with (
            seated(server, room, 2) as (ann, bob),
            raw_websocket(server, receive_bytes=4096) as sock,
        ):
            slow = SlowClient(sock)
            await slow.join(room)
            await flood(ann)
            own = slow.mirror.socket_id
            await bob.reach(lambda: not bob.mirror.players[own]["connected"], "the slow one lost")
            assert await sock.close_code() == 1013
            async with raw_websocket(server) as again:
                slow.mirror.opened()
                back = SlowClient(again)
                back.mirror = slow.mirror
                await again.send_objects(
                    {
                        "type": "resumeRoomGameSpace",
                        "roomId": room,
                        "resumeToken": slow.seat["resumeToken"],
                        "epoch": slow.mirror.epoch,
                        "version": slow.mirror.version,
                    }
                )
                await back.until(RESUMED)
                await settle([ann, bob])
                await bob.reach(lambda: bob.mirror.players[own]["connected"], "the slow one back")
                assert back.mirror.view() == bob.mirror.view()
            assert (await metrics(server))["vaultmeet_slow_readers_total"] >= 1


@pytest.mark.rule("G8.5", "C2.2", "C4.9")
async def test_one_who_asks_and_never_reads_is_read_no_further(patient: Server, room: str) -> None:
    """Its requests wait in its own kernel, the server's memory stays; drained, all are answered."""
    async with (
        seated(patient, room, 10) as crowd,
        raw_websocket(patient, receive_bytes=4096) as sock,
    ):
        for client in crowd:
            await client.do("updatePlayer", attributes={"fill": "z" * 1000})
        slow = SlowClient(sock)
        await slow.join(room)
        ask = {"type": "validateRoomState", "roomId": room, "expectedPlayers": [], "fill": FILL}
        before = patient.resident_kib()
        waiting = b""
        asked = 0
        while not waiting and asked < 5000:
            asked += 1
            request = text_bytes(ask | {"sequenceId": asked})
            waiting = request[await asyncio.to_thread(send_what_fits, sock, request) :]
        assert waiting, "forty megabytes were read from one who reads none of the answers"
        assert patient.resident_kib() - before < 40_000
        await crowd[0].ping()
        rest = asyncio.create_task(sock.send(waiting))
        for number in range(1, asked + 1):
            assert (await slow.until("roomStateValidated"))["replyTo"] == number
        await rest


def send_what_fits(sock: RawSocket, data: bytes) -> int:
    """Send as much as the connection takes until it takes nothing for a second; blocks."""
    sent = 0
    while sent < len(data) and select.select([], [sock.sock], [], 1.0)[1]:
        sent += sock.sock.send(data[sent:])
    return sent
