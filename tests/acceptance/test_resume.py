"""Losing the connection and coming back: what was missed, what others see, the grace (G6)."""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance.client import (
    JOINED,
    RESUMED,
    Client,
    changes_of,
    connected,
    expect,
    refused,
    resume_of,
    seated,
    settle,
)
from tests.acceptance.frames import Object
from tests.acceptance.rawsocket import raw_websocket, until_metrics
from tests.acceptance.server import GENEROUS, Server, running


async def lost(watcher: Client, client: Client) -> None:
    """Wait until the watcher sees the client as lost."""
    await watcher.reach(
        lambda: not watcher.mirror.players[client.mirror.socket_id]["connected"], "a loss"
    )


@pytest.mark.rule("G6.1", "G6.3")
@pytest.mark.parametrize("how", ["cut", "closed", "wrong"])
async def test_a_lost_connection_keeps_the_player(server: Server, room: str, how: str) -> None:
    """Cut off, closed by the client, or closed for a fault of its own: lost, not gone."""
    async with seated(server, room, 2) as (ann, bob):
        match how:
            case "cut":
                await ann.lose()
            case "closed":
                await ann.link.close()
            case _:
                await ann.link.socket.send(b"binary")
                assert await ann.link.closed() == 1003
        await lost(bob, ann)
        assert ann.mirror.socket_id in bob.mirror.players
        expect(await ann.reconnect(), RESUMED)
        await settle([ann, bob])
        own = ann.mirror.socket_id
        assert changes_of(bob, own)[-2:] == ["ConnectionChanged False", "ConnectionChanged True"]
        assert ann.mirror.view() == bob.mirror.view()


@pytest.mark.rule("G6.2", "G6.11", "G6.12", "G6.6")
async def test_a_resume_brings_exactly_what_was_missed(server: Server, room: str) -> None:
    """Others come, get ready, change, go, move and talk meanwhile; all but the talk is there."""
    async with (
        seated(server, room, 3) as (ann, bob, cid),
        connected(server, "dan") as dan,
    ):
        version, own = ann.mirror.version, ann.mirror.socket_id
        await ann.lose()
        await lost(bob, ann)
        await dan.join(room)
        await dan.do("ready")
        await bob.do("updatePlayer", displayName="Bob")
        await cid.leave()
        await bob.tell("move", x=3.5, y=-4)
        await dan.do("sendRoomMessage", event="lost", data=1)
        await dan.saw("playersMoved")
        answer = expect(await ann.reconnect(), RESUMED)
        assert answer["socketId"] == own == ann.mirror.socket_id
        missed: list[Object] = answer["missed"]
        assert [e["type"].removeprefix("player") for e in missed] == [
            "ConnectionChanged",
            "JoinedRoom",
            "Ready",
            "Updated",
            "LeftRoom",
            "ConnectionChanged",
        ]
        assert sum(len(e["players"]) for e in missed) == 6
        assert ann.mirror.version == version + 6
        assert missed[-1]["players"][-1] == {
            "socketId": own,
            "userId": "guest-" + own,
            "connected": True,
        }
        assert ann.mirror.position(bob.mirror.socket_id) == (3.5, -4)
        await settle([ann, bob, dan])
        assert ann.mirror.view() == bob.mirror.view() == dan.mirror.view()
        assert "roomMessage" not in ann.kinds()
        await ann.do("ready")
        await settle([ann, bob])
        assert bob.mirror.players[own]["isReady"] is True


@pytest.mark.rule("G6.4", "G6.3", "G6.6")
async def test_a_session_resumes_again_and_again(server: Server, room: str) -> None:
    """Five losses and resumes in a row, with a token of its own each."""
    async with seated(server, room, 2) as (ann, bob):
        own = ann.mirror.socket_id
        for turn in range(5):
            await ann.lose()
            if turn % 2:
                await lost(bob, ann)
            expect(await ann.reconnect(), RESUMED)
            assert ann.mirror.socket_id == own
            await ann.do("updatePlayer", attributes={"turn": turn})
        await settle([ann, bob])
        assert ann.mirror.view() == bob.mirror.view()
        assert len(set(ann.tokens)) == 6
        assert "LeftRoom" not in changes_of(bob, own)
        assert "JoinedRoom" not in changes_of(bob, own)


@pytest.mark.rule("G6.5", "C4.6", "G6.2")
async def test_a_resume_supersedes_a_connection_that_lingers(server: Server, room: str) -> None:
    """The old one is closed with 4509 at once; nobody is told anything; nothing was missed."""
    async with seated(server, room, 2) as (ann, bob):
        old = ann.link
        version = ann.mirror.version
        answer = expect(await ann.reconnect(), RESUMED)
        assert answer["missed"] == []
        assert await old.closed() == 4509
        await ann.do("sendRoomMessage", event="fence", data=1)
        await bob.saw("roomMessage")
        assert bob.mirror.version == version
        assert changes_of(bob, ann.mirror.socket_id) == []


@pytest.mark.rule("G6.13", "G6.9")
async def test_when_the_grace_ends_the_player_is_gone_once(room: str) -> None:
    """One `playerLeftRoom` with `timeout`; the token then seats nobody."""
    with running(**GENEROUS, resume_grace_s=0.2) as server:
        async with seated(server, room, 3) as (ann, bob, cid):
            await ann.lose()
            for watcher in (bob, cid):
                left = await watcher.saw("playerLeftRoom")
                assert [p["reason"] for p in left["players"]] == ["timeout"]
                told = changes_of(watcher, ann.mirror.socket_id)
                assert told[-2:] == ["ConnectionChanged False", "LeftRoom"]
            refused(await ann.reconnect(), "resumeExpired")
            await bob.do("ready")
            await settle([bob, cid])
            assert bob.mirror.view() == cid.mirror.view()
            assert len(bob.mirror.players) == 2


@pytest.mark.rule("G6.10")
async def test_a_resume_from_elsewhere_gets_the_whole_room(server: Server, room: str) -> None:
    """Another epoch, or a version ahead of the room: the present state, on the same session."""
    async with seated(server, room, 2) as (ann, bob):
        own = ann.mirror.socket_id
        for wrong in (
            {"epoch": ann.mirror.epoch - 1},
            {"epoch": ann.mirror.epoch + 1},
            {"version": 1_000_000},
        ):
            await ann.lose()
            await lost(bob, ann)
            answer = expect(await ann.reconnect(**wrong), JOINED)
            assert answer["socketId"] == own
            await settle([ann, bob])
            assert ann.mirror.view() == bob.mirror.view()
            assert bob.mirror.players[own]["connected"] is True
        assert "JoinedRoom" not in changes_of(bob, own)


@pytest.mark.rule("G6.10", "G6.2")
async def test_a_resume_from_too_far_behind_gets_the_whole_room(room: str) -> None:
    """The room remembers five events: after three the delta comes, after thirty the whole."""
    with running(**GENEROUS, history_events_max=5) as server:
        async with seated(server, room, 2) as (ann, bob):
            for count, answer in ((3, RESUMED), (30, JOINED)):
                await ann.lose()
                await lost(bob, ann)
                for n in range(count):
                    await bob.do("updatePlayer", attributes={"n": n})
                expect(await ann.reconnect(), answer)
                await settle([ann, bob])
                assert ann.mirror.view() == bob.mirror.view()
                await ann.do("updatePlayer", displayName=f"after {count}")


@pytest.mark.rule("G6.14", "E2.2")
async def test_lost_players_count_and_always_fit(room: str) -> None:
    """The room is full with one of two lost: a third is refused, the lost one comes back."""
    with running(**GENEROUS, players_max=2) as server:
        async with seated(server, room, 2) as (ann, bob), connected(server, "cid") as cid:
            await ann.lose()
            await lost(bob, ann)
            refused(await cid.ask("joinRoomGameSpace", roomId=room), "roomFull")
            expect(await ann.reconnect(), RESUMED)
            await ann.leave()
            await cid.join(room)


@pytest.mark.rule("G6.15")
async def test_a_lost_player_keeps_its_room(room: str) -> None:
    """A room emptied later is reaped; the one with a lost player is still there to resume."""
    with running(**GENEROUS, room_idle_s=0.1) as server:
        async with seated(server, room, 1) as (ann,), connected(server, "bob") as bob:
            await ann.lose()
            for turn in range(3):
                await bob.join(f"brief-{turn}")
                await bob.leave()
                await until_metrics(server, lambda m: m["vaultmeet_rooms"] == 1)
            expect(await ann.reconnect(), RESUMED)


@pytest.mark.rule("G6.16", "G6.1")
async def test_a_half_open_connection_is_lost_within_the_heartbeat(room: str) -> None:
    """A client that answers no ping is lost and then times out; those who answer stay."""
    with running(
        **GENEROUS, heartbeat_s=0.2, heartbeat_timeout_s=1.5, resume_grace_s=0.3
    ) as server:
        async with seated(server, room, 2) as (ann, bob), raw_websocket(server) as dead:
            await dead.send_objects({"type": "joinRoomGameSpace", "roomId": room})
            seat = await dead.next_object(JOINED)
            for watcher in (ann, bob):
                await watcher.saw(
                    "playerLeftRoom",
                    lambda o: (
                        o["players"]
                        == [
                            {
                                "socketId": seat["socketId"],
                                "userId": "guest-" + seat["socketId"],
                                "reason": "timeout",
                            }
                        ]
                    ),
                )
                told = changes_of(watcher, seat["socketId"])
                assert told == ["JoinedRoom", "ConnectionChanged False", "LeftRoom"]
            await dead.ended()
            await asyncio.gather(ann.ping(), bob.ping())
            assert len(ann.mirror.players) == 2


@pytest.mark.rule("G6.16", "G6.5")
async def test_a_half_open_session_resumes_elsewhere(room: str) -> None:
    """The dead socket was found first, and then a resume over a new one brings the player back."""
    with running(**GENEROUS, heartbeat_s=0.2, heartbeat_timeout_s=1.5) as server:
        async with seated(server, room, 1) as (bob,), raw_websocket(server) as dead:
            await dead.send_objects({"type": "joinRoomGameSpace", "roomId": room})
            seat = await dead.next_object(JOINED)
            own = seat["socketId"]
            await bob.reach(
                lambda: bob.mirror.players.get(own, {}).get("connected") is False,
                "the half-open connection as lost",
            )
            async with raw_websocket(server) as new:
                await new.send_objects(resume_of(seat))
                await new.next_object(RESUMED)
                await bob.reach(lambda: bob.mirror.players[own]["connected"], "the player back")


@pytest.mark.rule("G6.3")
async def test_everybody_lost_at_once_comes_back(server: Server, room: str) -> None:
    """Thirty connections are cut at one moment and resume at one moment: nobody left or joined."""
    async with seated(server, room, 31) as (watcher, *crowd):
        joins = watcher.kinds().count("playerJoinedRoom")
        await asyncio.gather(*[client.lose() for client in crowd])
        for client in crowd:
            await lost(watcher, client)
        for answer in await asyncio.gather(*[client.reconnect() for client in crowd]):
            expect(answer, RESUMED)
        await settle([watcher, *crowd])
        assert all(client.mirror.view() == watcher.mirror.view() for client in crowd)
        assert watcher.kinds().count("playerJoinedRoom") == joins
        assert "playerLeftRoom" not in watcher.kinds()
