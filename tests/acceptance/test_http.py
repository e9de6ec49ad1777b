"""HTTP on the same port: health, readiness, metrics (H)."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.acceptance.client import RESUMED, clients, connected, expect, refused, seated
from tests.acceptance.rawsocket import http, metrics, until_metrics
from tests.acceptance.server import GENEROUS, Server, running

NAMES: Final[dict[str, str]] = {
    "vaultmeet_connections": "gauge",
    "vaultmeet_rooms": "gauge",
    "vaultmeet_players": "gauge",
    "vaultmeet_joins_total": "counter",
    "vaultmeet_leaves_total": "counter",
    "vaultmeet_resumes_total": "counter",
    "vaultmeet_validations_total": "counter",
    "vaultmeet_room_restarts_total": "counter",
    "vaultmeet_errors_total": "counter",
    "vaultmeet_slow_readers_total": "counter",
    "vaultmeet_join_seconds": "histogram",
    "vaultmeet_store_sealed": "gauge",
    "vaultmeet_store_rows_to_seal": "gauge",
    "vaultmeet_seal_key_records": "gauge",
    "vaultmeet_tasks": "gauge",
    "vaultmeet_memory_blocks": "gauge",
    "python_gc_collections_total": "counter",
    "process_open_fds": "gauge",
    "process_resident_memory_bytes": "gauge",
}


@pytest.mark.rule("H1.1", "H1.2")
async def test_a_server_that_runs_is_healthy_and_ready(server: Server) -> None:
    """Both answer 200, also with a query string, and to whatever name it is asked by."""
    for target in ("/healthz", "/readyz", "/healthz?verbose=1"):
        assert (await http(server, target)).status == 200
    assert (await http(server, "/healthz", "HEAD")).status == 200


@pytest.mark.rule("H1.4")
async def test_other_paths_are_not_found(server: Server) -> None:
    """Nothing is there that the protocol does not name, and nothing of the disk."""
    for target in ("/nothing", "/healthz/", "/metrics.json", "/../etc/passwd", "/%2e%2e/x", "*"):
        assert (await http(server, target)).status in (400, 404), target
    assert (await http(server, "/ws")).status == 426
    for method in ("POST", "PUT", "DELETE", "TRACE", "OPTIONS"):
        assert (await http(server, "/healthz", method)).status in (400, 404, 405, 501), method


@pytest.mark.rule("H1.3")
async def test_every_metric_is_there_from_the_start(server: Server) -> None:
    """With its type, in Prometheus' text format."""
    answer = await http(server, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.body.decode()
    for name, kind in NAMES.items():
        assert f"# TYPE {name} {kind}" in text
    for line in text.splitlines():
        if not line.startswith("#"):
            float(line.rpartition(" ")[2])


@pytest.mark.rule("H2.1")
async def test_gauges_say_how_many_there_are() -> None:
    """Connections, rooms and players rise and fall; a lost player still counts."""

    def now(connections: int, rooms: int, players: int) -> dict[str, float]:
        return {
            "vaultmeet_connections": connections,
            "vaultmeet_rooms": rooms,
            "vaultmeet_players": players,
        }

    with running(**GENEROUS) as server:
        async with clients(server, 4) as (ann, bob, cid, _):
            await until_metrics(server, lambda m: now(4, 0, 0).items() <= m.items())
            await ann.join("gauge-a")
            await bob.join("gauge-a")
            await cid.join("gauge-b")
            await until_metrics(server, lambda m: now(4, 2, 3).items() <= m.items())
            await cid.join("gauge-a")
            await until_metrics(server, lambda m: now(4, 2, 3).items() <= m.items())
            await bob.lose()
            await until_metrics(server, lambda m: now(3, 2, 3).items() <= m.items())
            await ann.leave()
            await until_metrics(server, lambda m: now(3, 2, 2).items() <= m.items())


@pytest.mark.rule("H2.2", "H2.3")
async def test_counters_count(server: Server, room: str) -> None:
    """Seatings, leaves by reason, errors by code, resumes by outcome, and how long joins took."""
    before = await metrics(server)

    async def rose(name: str, by: float) -> None:
        await until_metrics(server, lambda m: m.get(name, 0) - before.get(name, 0) == by)

    async with seated(server, room, 3) as (ann, bob, _), connected(server) as dan:
        await ann.join(room)
        await ann.lose()
        expect(await ann.reconnect(), RESUMED)
        await dan.ask("resumeRoomGameSpace", roomId=room, resumeToken="x", epoch=1, version=1)
        await bob.join(room + "-b")
        await ann.leave()
        for _ in range(3):
            refused(await ann.ask("ready"), "notInRoom")
        refused(await ann.ask("ready", timestamp=5), "badMessage")
        await rose("vaultmeet_joins_total", 4)
        timed = await metrics(server)
        name = "vaultmeet_join_seconds_count"
        assert timed[name] - before[name] >= 4
        await rose('vaultmeet_leaves_total{reason="left"}', 1)
        await rose('vaultmeet_leaves_total{reason="switched"}', 1)
        await rose('vaultmeet_errors_total{code="notInRoom"}', 3)
        await rose('vaultmeet_errors_total{code="badMessage"}', 1)
        await rose('vaultmeet_errors_total{code="resumeExpired"}', 1)
        await rose("vaultmeet_room_restarts_total", 0)
        now = await metrics(server)
        outcomes = {
            name: value - before.get(name, 0)
            for name, value in now.items()
            if name.startswith("vaultmeet_resumes_total")
        }
        assert sorted(v for v in outcomes.values() if v) == [1, 1]
        assert all("outcome=" in name for name in outcomes)


@pytest.mark.rule("H2.1")
async def test_only_open_web_sockets_are_connections() -> None:
    """Neither the scrape itself nor a socket that has said nothing yet is one."""
    with running() as server:
        _, silent = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            assert (await metrics(server))["vaultmeet_connections"] == 0
            async with connected(server):
                assert (await metrics(server))["vaultmeet_connections"] == 1
        finally:
            silent.close()
            await silent.wait_closed()
