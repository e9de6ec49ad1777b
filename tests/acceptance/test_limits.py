"""Limits that are off unless set, over real sockets (T6)."""

from __future__ import annotations

import pytest

from tests.acceptance.client import connected, refused, seated
from tests.acceptance.rawsocket import RawSocket, raw, text_bytes, until_metrics
from tests.acceptance.server import GENEROUS, Server, running


async def status(server: Server, **headers: str) -> int:
    """What a handshake is answered with; its connection is ended."""
    async with raw(server) as sock:
        return (await sock.handshake(**headers)).status


@pytest.mark.rule("T6.1", "T6.2", "C1.11")
async def test_behind_a_proxy_clients_are_counted_by_their_own_addresses() -> None:
    """One that ends makes room; nobody becomes another by what he writes himself."""
    with running(trusted_proxies="127.0.0.0/8,::1", connections_per_ip_max=1) as server:
        sock = await RawSocket.open(server)
        assert (await sock.handshake(X_Forwarded_For="2001:db8::1")).status == 101
        assert await status(server, X_Forwarded_For="203.0.113.9, 2001:db8::2") == 429
        assert await status(server, X_Forwarded_For="2001:db8::2, 203.0.113.9") == 101
        sock.close()
        await until_metrics(server, lambda m: m["vaultmeet_connections"] == 0)
        assert await status(server, X_Forwarded_For="2001:db8::2") == 101


@pytest.mark.rule("T6.3")
async def test_an_address_that_comes_too_often_is_told_when_to_come_back() -> None:
    """Health and metrics are still answered."""
    with running(ip_handshakes_per_s=0.01, limit_burst_s=300) as server:
        assert [await status(server) for _ in range(4)] == [101, 101, 101, 429]
        async with raw(server) as sock:
            answer = await sock.handshake()
        assert 1 <= int(answer.headers["retry-after"]) <= 100
        await until_metrics(server, lambda m: m["vaultmeet_connections"] == 0)


@pytest.mark.rule("T6.7", "T6.8")
async def test_a_user_has_so_many_connections_and_rooms(room: str) -> None:
    """The one too many is refused and lives on; who leaves makes room."""
    with running(**GENEROUS, user_connections_max=2, user_rooms_max=1) as server:
        async with connected(server, "a") as first, connected(server, "b") as second:
            await first.join(room, userId="ann")
            refused(await second.ask("joinRoomGameSpace", roomId="x", userId="ann"), "rateLimited")
            await second.join(room, userId="ann")
            async with connected(server, "c") as third:
                join = {"roomId": room, "userId": "ann"}
                error = refused(await third.ask("joinRoomGameSpace", **join), "rateLimited")
                assert error["retryAfterMs"] > 0
                await third.join(room, userId="bob")
            await second.leave()
            await first.join("x", userId="ann")


@pytest.mark.rule("T6.9")
async def test_whoever_asks_too_fast_is_answered_more_slowly_and_in_order(room: str) -> None:
    """None of ten is refused, and pings behind them wait for them."""
    with running(**GENEROUS, validations_per_s=50, limit_burst_s=0.1, slow_down_ms=500) as server:
        async with connected(server) as ann:
            await ann.join(room)
            mark = ann.mark()
            own = [ann.mirror.socket_id]
            for _ in range(15):
                await ann.tell("validateRoomState", roomId=room, expectedPlayers=own)
            await ann.ping()
            kinds = ann.kinds()[mark:]
            assert kinds == ["roomStateValidated"] * 15 + ["pong"]


@pytest.mark.rule("T6.11", "G7.3", "C4.9")
async def test_a_flood_of_moves_is_read_slowly_and_arrives(room: str) -> None:
    """Thousands at once: nobody is refused or closed, others are served, the last one counts."""
    with running(messages_per_s=200, messages_burst=200) as server:
        async with seated(server, room, 1) as (bob,), raw(server) as sock:
            await sock.handshake()
            await sock.send(text_bytes({"type": "joinRoomGameSpace", "roomId": room}))
            own = (await sock.next_object("roomGameSpaceJoined"))["socketId"]
            await sock.send(
                b"".join(text_bytes({"type": "move", "x": x, "y": 0}) for x in range(3000))
            )
            await bob.ping()
            await bob.reach(lambda: bob.mirror.position(own) == (2999, 0), "the last move")
            await sock.send(text_bytes({"type": "ping", "t": 1}))
            assert (await sock.next_object("pong"))["t"] == 1
