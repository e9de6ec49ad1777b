"""A disk that takes nothing, under a server that runs: what goes on, what is refused, and that
nothing is lost when it takes writes again (O).

The disk is full by a limit on the size of files, set from outside on the running process: every
write fails, as on a full disk, and is possible again when the limit is lifted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.client import Client, connected, refused, seated, settle
from tests.acceptance.rawsocket import http, until_metrics
from tests.acceptance.restarting import (
    KILL,
    MOVED_TO,
    TERM,
    UNLIMITED,
    Place,
    come_back,
    follow,
    place,
)
from tests.acceptance.server import Line

QUICK: Final[dict[str, Any]] = {"store_retry_s": 0.05, "position_save_s": 0.02}
FAILING: Final = b'"store":"failing"'


def told(here: Place, event: str) -> list[Line]:
    """The lines of the server's log about this event."""
    return [line for line in here.server.lines if line["event"] == event]


async def store_errors(here: Place, at_least: int) -> None:
    """Wait until so many writes have failed."""
    await until_metrics(
        here.server,
        lambda m: (
            sum(v for k, v in m.items() if k.startswith("vaultmeet_store_errors_total")) >= at_least
        ),
    )


@asynccontextmanager
async def full(here: Place) -> AsyncIterator[None]:
    """The disk is full meanwhile, and afterwards everything gets through."""
    here.limit_files(1)
    yield
    since = len(here.server.lines)
    here.limit_files(UNLIMITED)
    await until_metrics(here.server, lambda m: m["vaultmeet_store_healthy"] == 1)
    await here.flushed()
    is_over = partial(_is_about, "store_recovered")
    await asyncio.to_thread(here.server.wait_for_line, is_over, since)


def _is_about(event: str, line: Line) -> bool:
    return bool(line["event"] == event)


async def say(client: Client, others: list[Client]) -> None:
    """A message is not kept, so it passes whatever the disk does, if not at first where it shares
    its turn with what is undone: a fence for what came before.
    """
    marks = [other.mark() for other in others]
    await client.insist("sendRoomMessage", event="fence", data=client.sequence)
    for other, mark in zip(others, marks, strict=True):
        await other.saw("roomMessage", since=mark)


@pytest.mark.rule("H1.2")
async def test_in_fast_rooms_go_on_over_a_full_disk(tmp_path: Path) -> None:
    """Joins, changes, moves, leaves and resumes as ever; told once; ready; then all is written."""
    with place(tmp_path / "data", durability="fast", **QUICK) as here:
        server = here.start(errors_expected=True)
        async with seated(server, "hall", 3) as (ann, bob, cid), connected(server) as dan:
            await here.flushed()
            async with full(here):
                await dan.join("hall")
                await dan.do("ready")
                await dan.join("attic", attributes={"n": 1})
                await store_errors(here, 3)
                await ann.do("updatePlayer", displayName="Ann", attributes={"during": True})
                await bob.tell("move", x=MOVED_TO[0], y=MOVED_TO[1])
                await ann.reach(
                    lambda: ann.mirror.position(bob.mirror.socket_id) == MOVED_TO, "the move"
                )
                left = await cid.leave()
                await bob.lose()
                await bob.reconnect()
                await settle([ann, bob])
                samples = await until_metrics(server, lambda m: m["vaultmeet_store_healthy"] == 0)
                assert samples["vaultmeet_store_rooms_waiting"] == 2
                ready = await http(server, "/readyz")
                assert (ready.status, FAILING in ready.body) == (200, True)
                await store_errors(here, 10)
            assert left["type"] == "roomGameSpaceLeft"
            assert len(told(here, "store_failed")) == len(told(here, "store_recovered")) == 1
            assert told(here, "store_failed")[0]["level"] == "error"
            assert (await http(server, "/readyz")).body.find(b"store") == -1
            server = await here.restart(KILL)
            await come_back(server, [ann, bob, dan])
            await settle([ann, bob])
            assert ann.mirror.view() == bob.mirror.view()
            assert len(ann.mirror.players) == 2
            assert ann.mirror.own["attributes"] == {"during": True}
            assert bob.mirror.position(bob.mirror.socket_id) == MOVED_TO
            assert dan.mirror.own["attributes"] == {"n": 1}


@pytest.mark.rule("H1.2")
async def test_in_journal_nothing_changes_over_a_full_disk(tmp_path: Path) -> None:
    """Changes get `unavailable` and are undone, messages pass, not ready; then the same succeed."""
    with place(tmp_path / "data", durability="journal", **QUICK) as here:
        server = here.start(errors_expected=True)
        async with seated(server, "hall", 3) as (ann, bob, cid), connected(server) as dan:
            await dan.join("attic")
            crowd = [ann, bob, cid]
            before = ann.mirror.view()
            marks = [client.mark() for client in crowd]
            async with full(here):
                requests: list[tuple[Client, str, dict[str, Any]]] = [
                    (ann, "ready", {"sequenceId": 100}),
                    (bob, "updatePlayer", {"attributes": {"n": 1}, "sequenceId": 100}),
                    (cid, "leaveRoomGameSpace", {"sequenceId": 100}),
                    (dan, "joinRoomGameSpace", {"roomId": "hall", "sequenceId": 100}),
                ]
                for _ in range(2):
                    for client, kind, fields in requests:
                        answer = refused(await client.ask(kind, **fields), "unavailable")
                        assert answer["retryable"] is True
                        client.sequence = 100
                async with connected(server, "eve") as eve:
                    for room in ("hall", "new"):
                        refused(await eve.ask("joinRoomGameSpace", roomId=room), "unavailable")
                await bob.tell("move", x=MOVED_TO[0], y=MOVED_TO[1])
                said = [client.mark() for client in crowd]
                await ann.do("sendRoomMessage", event="fence", data="passes at once")
                for client, mark in zip(crowd, said, strict=True):
                    await client.saw("roomMessage", since=mark)
                for client, mark in zip(crowd, marks, strict=True):
                    assert client.mirror.view() == before
                    assert not {"playersMoved", "playerJoinedRoom"} & set(client.kinds(mark))
                    await client.ask("requestRoomState")
                    assert client.mirror.players.keys() == before.keys()
                ready = await http(server, "/readyz")
                assert (ready.status, FAILING in ready.body) == (503, True)
                assert (await http(server, "/healthz")).status == 200
            for client in crowd:
                await client.reach(
                    lambda m=client.mirror: m.position(bob.mirror.socket_id) == MOVED_TO,  # type: ignore[misc]
                    "the move that waited",
                )
            for client, kind, fields in requests:
                assert (await client.ask(kind, **fields))["type"] != "error"
            await settle([ann, bob, dan])
            assert (await http(server, "/readyz")).status == 200
            assert len(told(here, "store_failed")) == len(told(here, "store_recovered")) == 1
            server = await here.restart(KILL)
            await come_back(server, [ann, bob, dan])
            await settle([ann, bob, dan])
            assert ann.mirror.view() == bob.mirror.view() == dan.mirror.view()
            assert len(ann.mirror.players) == 3
            assert ann.mirror.own["isReady"] is True
            assert bob.mirror.own["attributes"] == {"n": 1}


@pytest.mark.rule("G6.1", "G6.3")
async def test_in_journal_a_loss_over_a_full_disk_is_told_when_it_can_be(tmp_path: Path) -> None:
    """A resume meanwhile is refused and may be tried again; later it succeeds with its token."""
    with place(tmp_path / "data", durability="journal", **QUICK) as here:
        async with seated(here.start(errors_expected=True), "hall", 2) as (ann, bob):
            own = ann.mirror.socket_id
            async with full(here):
                await ann.lose()
                await store_errors(here, 3)
                await say(bob, [bob])
                assert bob.mirror.players[own]["connected"] is True
                refused(await ann.reconnect(), "unavailable")
            await bob.reach(lambda: not bob.mirror.players[own]["connected"], "the loss")
            answer = await ann.resume(roomId="hall")
            assert answer["socketId"] == own
            await settle([ann, bob])
            assert ann.mirror.view() == bob.mirror.view()
            server = await here.restart(KILL)
            await come_back(server, [ann, bob])


@pytest.mark.rule("O2.4")
@pytest.mark.parametrize("level", ["fast", "journal"])
async def test_a_server_that_cannot_write_at_its_end_says_so(tmp_path: Path, level: str) -> None:
    """SIGTERM over a full disk: exit code 1 soon after `drain_s`; what was written is there."""
    with place(tmp_path / "data", durability=level, **QUICK) as here:
        server = here.start(errors_expected=True, drain_s=1)
        async with seated(server, "hall", 2) as (ann, bob):
            await here.flushed()
            here.limit_files(1)
            await ann.tell("ready")
            await store_errors(here, 2)
            since_s = time.monotonic()
            await here.end(TERM, code=1)
            assert [line["level"] for line in told(here, "store_not_drained")] == ["error"]
            assert time.monotonic() - since_s < 30
            server = here.start()
            await come_back(server, [ann, bob])
            assert bob.mirror.players[ann.mirror.socket_id]["isReady"] is False


@pytest.mark.rule("O2.5")
async def test_a_second_sigterm_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """It would try for five minutes; the second signal ends it at once, with code 1."""
    with place(tmp_path / "data", durability="fast", **QUICK) as here:
        server = here.start(errors_expected=True, drain_s=300)
        async with seated(server, "hall", 1) as (ann,):
            await here.flushed()
            here.limit_files(1)
            await ann.do("ready")
            await store_errors(here, 1)
            await ann.link.close()
            server.signal(TERM)
            await asyncio.to_thread(
                server.wait_for_line, lambda line: line["event"] == "server_draining"
            )
            await here.end(TERM, code=1)
            await follow(here.start(), [ann])


@pytest.mark.rule("O3.2")
async def test_a_disk_that_is_full_from_the_start_and_then_is_not(tmp_path: Path) -> None:
    """The folder exists, the disk is full before the first client: rooms go on, then are kept."""
    with place(tmp_path / "data", durability="fast", **QUICK) as here:
        server = here.start(errors_expected=True)
        here.limit_files(1)
        async with connected(server, "bob") as bob, seated(server, "hall", 2) as crowd:
            await store_errors(here, 2)
            await bob.join("hall")
            await settle([bob, *crowd])
            here.limit_files(UNLIMITED)
            await until_metrics(server, lambda m: m["vaultmeet_store_healthy"] == 1)
            await here.flushed()
            server = await here.restart(KILL)
            await come_back(server, [bob, *crowd])
