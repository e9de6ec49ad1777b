"""Who is let in: origins, hosts, limits, and the names that are given (C1)."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.acceptance.client import Client, connected, seated
from tests.acceptance.frames import is_socket_id
from tests.acceptance.rawsocket import (
    answer_to,
    handshake_headers,
    http,
    raw,
    raw_websocket,
    request_bytes,
    until_metrics,
)
from tests.acceptance.server import Server, running


async def status(server: Server, **headers: str) -> int:
    """The HTTP status that a handshake with these headers is answered with."""
    async with raw(server) as sock:
        return (await sock.handshake(**headers)).status


@pytest.mark.rule("C1.4")
async def test_the_limits_are_the_settings() -> None:
    """What was set is what clients are told."""
    settings: dict[str, Any] = {
        "message_bytes_max": 20_000,
        "messages_per_s": 77,
        "messages_burst": 99,
        "joins_per_s": 7,
        "joins_burst": 9,
        "players_max": 12,
        "outbox_bytes_max": 100_000,
    }
    with running(**settings, heartbeat_s=3) as server:
        async with connected(server) as ann:
            welcome = ann.link.objects[0]
            assert welcome["heartbeatMs"] == 3000
            for name, value in settings.items():
                first, *rest = name.split("_")
                camel = first + "".join(word.title() for word in rest)
                assert welcome["limits"].get(camel) == value, welcome["limits"]


@pytest.mark.rule("C1.6")
async def test_socket_ids_are_never_given_twice_and_tell_nothing(server: Server) -> None:
    """Three hundred in a row are all different, and vary in every character."""
    ids = []
    for _ in range(300):
        async with raw_websocket(server) as sock:
            ids.append((await sock.next_object("welcome"))["socketId"])
    assert len(set(ids)) == 300
    assert all(is_socket_id(each) for each in ids)
    assert len({len(each) for each in ids}) == 1
    for letters in zip(*ids, strict=True):
        assert len(set(letters)) > 4


@pytest.mark.rule("C1.7", "C1.8")
async def test_foreign_origins_are_refused(server: Server, room: str) -> None:
    """No origin, the page's own host and loopback pass; every other, however alike, does not."""
    port = server.port
    assert await status(server) == 101
    for own in (f"http://127.0.0.1:{port}", "http://localhost:3000", "http://[::1]"):
        assert await status(server, Origin=own) == 101, own
    for foreign in (
        "http://evil.example",
        f"http://evil.example:{port}",
        f"http://127.0.0.1.evil.example:{port}",
        f"http://127.0.0.1:{port}.evil.example",
        f"http://evil127.0.0.1:{port}",
        f"http://127.0.0.1:{port}0",
        f"http://127.0.0.1:{port}@evil.example",
        f"http://evil.example/127.0.0.1:{port}",
        f"http://evil.example#127.0.0.1:{port}",
        f"ftp://127.0.0.1:{port}",
        "null",
        "",
        "*",
        "file://",
        "http://",
        "127.0.0.1",
        "http://[",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
    ):
        assert await status(server, Origin=foreign) == 403, foreign
    async with connected(server) as ann:
        await ann.join(room)


@pytest.mark.rule("C1.7", "C1.8")
async def test_only_the_origin_of_the_host_asked_for_passes() -> None:
    """For a host with a name: the same name and port, nothing that only begins or ends like it."""
    with running(allowed_hosts="rooms.example") as server:
        host = f"rooms.example:{server.port}"
        assert await status(server, Host=host, Origin=f"http://{host}") == 101
        assert await status(server, Host="rooms.example", Origin="http://rooms.example") == 101
        for wrong in (
            f"http://rooms.example:{server.port - 1}",
            "http://rooms.example",
            f"http://sub.{host}",
            f"http://evil{host}",
            f"http://rooms.example.evil.example:{server.port}",
            f"http://{host}.evil.example",
            f"http://{host}@evil.example",
            "null",
        ):
            assert await status(server, Host=host, Origin=wrong) == 403, wrong


@pytest.mark.rule("C1.7")
async def test_two_origins_are_none(server: Server) -> None:
    """The right one does not make up for a foreign one beside it."""
    right, foreign = ("Origin", f"http://{server.address}"), ("Origin", "http://evil.example")
    for pair in ([right, foreign], [foreign, right]):
        headers = [*handshake_headers(server).items(), *pair]
        answer = await answer_to(server, request_bytes("/ws", headers))
        assert answer is None or answer.status in (400, 403)


@pytest.mark.rule("C1.9")
async def test_allowed_origins_are_compared_exactly() -> None:
    """Those given pass, and nothing that only looks like them; a star lets everybody in."""
    allowed = "https://app.example,http://b.example:8080"
    with running(allowed_origins=allowed) as server:
        for right in ("https://app.example", "http://b.example:8080"):
            assert await status(server, Origin=right) == 101
        for wrong in (
            f"http://{server.address}",
            "http://app.example",
            "https://app.example:444",
            "https://app.example.evil.example",
            "https://evilapp.example",
            "https://sub.app.example",
            "https://app.example/",
            "http://b.example",
            "null",
        ):
            assert await status(server, Origin=wrong) == 403, wrong
    with running(allowed_origins="*") as server:
        assert await status(server, Origin="https://anybody.example") == 101


@pytest.mark.rule("C1.10")
async def test_foreign_hosts_are_refused(server: Server) -> None:
    """A name that is neither loopback nor configured is one that was rebound to us."""
    port = server.port
    for right in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "localhost"):
        assert await status(server, Host=right) == 101, right
    for wrong in (
        "evil.example",
        f"evil.example:{port}",
        f"127.0.0.1.evil.example:{port}",
        f"localhost.evil.example:{port}",
        f"evillocalhost:{port}",
        "",
        "127.0.0.1@evil.example",
        "127.0.0.1:port",
        "[::1",
    ):
        assert await status(server, Host=wrong) in (400, 403), wrong
    assert await status(server, Host="evil.example") == 403
    with running(allowed_hosts="rooms.example") as other:
        assert await status(other, Host="rooms.example") == 101
        assert await status(other, Host="sub.rooms.example") == 403
        assert await status(other, Host="rooms.example.evil") == 403


@pytest.mark.rule("C1.11")
async def test_connections_of_one_address_are_limited(room: str) -> None:
    """The fourth of three is answered 429; when one ends, there is room again."""
    with running(connections_per_ip_max=3) as server:
        async with seated(server, room, 3) as (ann, *_):
            with pytest.raises(InvalidStatus) as refused:
                await Client(server, "fourth").open()
            assert refused.value.response.status_code == 429
            assert (await http(server, "/healthz")).status == 200
            await ann.lose()
            await until_metrics(server, lambda m: m["vaultmeet_connections"] == 2)
            async with connected(server, "fourth") as fourth:
                await fourth.ping()


@pytest.mark.rule("C1.12")
async def test_connections_are_limited(room: str) -> None:
    """Beyond the limit 503; those inside are not touched; when one ends, there is room again."""
    with running(connections_max=3) as server:
        async with seated(server, room, 3) as (ann, bob, _):
            for _ in range(10):
                assert await status(server) == 503
            await bob.ping()
            await ann.close()
            await until_metrics(server, lambda m: m["vaultmeet_connections"] == 2)
            async with connected(server, "fourth") as fourth:
                await fourth.join(room)
