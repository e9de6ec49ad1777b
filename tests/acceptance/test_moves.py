"""Moves: last wins, batched, coalesced, for those who were told of the mover (G7)."""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance.client import COMPACT, SILENT, Client, connected, expect, refused, seated
from tests.acceptance.server import GENEROUS, Server, running


async def sees(watcher: Client, mover: Client, x: float, y: float) -> None:
    """Wait until the watcher's mirror has the mover there."""
    await watcher.reach(
        lambda: watcher.mirror.position(mover.mirror.socket_id) == (x, y), f"{x}, {y}"
    )


@pytest.mark.rule("G7.1")
async def test_the_last_position_reaches_everybody(server: Server, room: str) -> None:
    """Five members move fifty times each at once; every mirror ends with every last position."""
    async with seated(server, room, 5) as crowd:

        async def wander(client: Client, row: int) -> None:
            for n in range(50):
                await client.tell("move", x=n, y=row + n / 8, sequenceId=SILENT)

        await asyncio.gather(*[wander(client, row) for row, client in enumerate(crowd)])
        for watcher in crowd:
            for row, mover in enumerate(crowd):
                await sees(watcher, mover, 49, row + 49 / 8)


@pytest.mark.rule("G7.2")
async def test_moves_of_one_tick_are_one_entry(room: str) -> None:
    """With a tick of half a second a hundred moves sent at once are at most a few entries."""
    with running(**GENEROUS, tick_ms=500) as server:
        async with seated(server, room, 3) as (ann, bob, cid):
            for client in (ann, bob):
                await client.send(*[{"type": "move", "x": n, "y": 0} for n in range(100)])
            await sees(cid, ann, 99, 0)
            await sees(cid, bob, 99, 0)
            batches = [o["moves"] for o in cid.link.objects if o["type"] == "playersMoved"]
            for moves in batches:
                movers = [move[0] for move in moves]
                assert len(movers) == len(set(movers))
            assert sum(len(moves) for moves in batches) <= 20


@pytest.mark.rule("G7.3")
async def test_moves_over_the_rate_are_coalesced(room: str) -> None:
    """At ten messages a second five hundred moves are sent: no refusal, the last one arrives."""
    with running(messages_per_s=10, messages_burst=20) as server:
        async with seated(server, room, 2) as (ann, bob):
            await ann.send(*[{"type": "move", "x": n, "y": -n} for n in range(500)])
            await sees(bob, ann, 499, -499)
            await sees(ann, ann, 499, -499)
            assert "error" not in ann.kinds()


@pytest.mark.rule("G7.5", "G7.6", "G7.1")
async def test_who_comes_amid_moves_knows_where_all_are(server: Server, room: str) -> None:
    """Somebody moves all the time while others join: each has the mover where it ends."""
    async with seated(server, room, 2) as (ann, bob):
        stop = asyncio.Event()
        steps = 0

        async def wander() -> None:
            nonlocal steps
            while not stop.is_set():
                steps += 1
                await ann.tell("move", x=steps, y=0, sequenceId=SILENT)
                await asyncio.sleep(0.002)

        wandering = asyncio.create_task(wander())
        for _ in range(10):
            async with connected(server, "guest") as guest:
                await guest.join(room, position={"x": 7, "y": 7})
                await guest.tell("move", x=8, y=8)
                await sees(bob, guest, 8, 8)
                await sees(guest, guest, 8, 8)
        stop.set()
        await wandering
        await sees(bob, ann, steps, 0)
        async with connected(server, "late") as late:
            await late.join(room)
            assert late.mirror.position(ann.mirror.socket_id) == (steps, 0)


@pytest.mark.rule("E1.3", "G7.1")
async def test_positions_are_finite_and_bounded(server: Server, room: str) -> None:
    """A coordinate of a thousand million is taken, a larger one named and without effect."""
    async with seated(server, room, 2) as (ann, bob):
        await ann.tell("move", x=1e9, y=-1e9)
        await sees(bob, ann, 1e9, -1e9)
        for x, y, name in ((1e9 + 1, 0, "x"), (0, -1e9 - 1, "y"), (1e300, 0, "x")):
            error = refused(await ann.ask("move", x=x, y=y), "badMessage")
            assert name in error["message"]
        await ann.tell("move", x=1, y=2)
        await sees(bob, ann, 1, 2)


@pytest.mark.rule("C5.1", "C5.2", "C5.3", "C5.4")
async def test_both_forms_tell_the_same_moves_and_a_session_may_change_its_form(
    server: Server, room: str
) -> None:
    """Through joins, leaves and a resume; whole states are exact, and so is what is far out."""
    async with (
        connected(server, "ann") as ann,
        connected(server, "bob", subprotocols=[COMPACT]) as bob,
    ):
        for client in (ann, bob):
            await client.join(room)
        async with connected(server, "cid") as cid:
            await cid.join(room)
            for client, x, y in ((ann, 0.1, -7.25), (cid, 16_383.75, 0.0)):
                await client.tell("move", x=x, y=y, sequenceId=SILENT)
            await sees(bob, cid, 16_383.75, 0.0)
            seen = bob.mirror.position(ann.mirror.socket_id)
            assert seen is not None
            assert max(abs(seen[0] - 0.1), abs(seen[1] + 7.25)) < 1 / 1024
            await sees(ann, cid, 16_383.75, 0.0)
            await cid.tell("move", x=-1e9, y=0.1, sequenceId=SILENT)
            await sees(bob, cid, -1e9, 0.1)
            await cid.leave()
            await bob.saw("playerLeftRoom")
        await bob.tell("move", x=1, y=2, sequenceId=SILENT)
        await sees(bob, bob, 1, 2)
        assert [o for o in bob.link.objects if o["type"] == "playersMoved"]
        assert not any("playersMoved" in text for text in bob.link.frames)
        await bob.lose()
        expect(await bob.reconnect(), "roomGameSpaceResumed")
        await ann.tell("move", x=3, y=4, sequenceId=SILENT)
        await sees(bob, ann, 3, 4)
        assert any("playersMoved" in text for text in bob.link.frames)


@pytest.mark.rule("G7.7", "G7.8", "G7.9", "G7.10")
async def test_in_a_large_room_the_near_see_each_move_and_all_see_the_last(room: str) -> None:
    """Two are together and one is far away. One of the two wanders, and then goes to the third,
    which sees it there with the first frame that tells of it; in the end all are right everywhere.
    """
    with running(**GENEROUS, tick_ms=10, interest_radius=50, interest_far_ms=60_000) as server:
        async with seated(server, room, 3) as (ann, bob, cid):
            # Quiet so far: this one goes to everybody, and the next such frame is a minute away.
            await cid.tell("move", x=1e6, y=0)
            for watcher in (ann, bob, cid):
                await sees(watcher, cid, 1e6, 0)
            for step in range(1, 11):
                await ann.tell("move", x=step, y=-step)
                await sees(bob, ann, step, -step)
                await sees(ann, ann, step, -step)
            assert cid.mirror.position(ann.mirror.socket_id) == (0, 0)
            await cid.tell("move", x=1e6 + 1, y=0)
            await sees(cid, cid, 1e6 + 1, 0)
            await ann.tell("move", x=1e6 + 2, y=1)
            await sees(bob, ann, 1e6 + 2, 1)
            await sees(cid, ann, 1e6 + 2, 1)
            await sees(ann, cid, 1e6 + 1, 0)
            heard = [
                move for o in cid.link.objects if o["type"] == "playersMoved" for move in o["moves"]
            ]
            assert [move[1:] for move in heard if move[0] == ann.mirror.socket_id] == [[1e6 + 2, 1]]


@pytest.mark.rule("G7.1", "G7.10")
async def test_in_a_large_room_everybody_is_right_in_the_end(room: str) -> None:
    """Each on a place of its own, far from all others: rounds alone tell of them."""
    with running(**GENEROUS, tick_ms=10, interest_radius=1, interest_far_ms=50) as server:
        async with seated(server, room, 5) as crowd:

            async def wander(client: Client, row: int) -> None:
                for n in range(50):
                    await client.tell("move", x=100 * n, y=1000 * row, sequenceId=SILENT)

            await asyncio.gather(*[wander(client, row) for row, client in enumerate(crowd)])
            for watcher in crowd:
                for row, mover in enumerate(crowd):
                    await sees(watcher, mover, 4900, 1000 * row)
