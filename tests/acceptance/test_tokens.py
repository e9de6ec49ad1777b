"""Resume tokens: which one is good, until when, and for what (G6)."""

from __future__ import annotations

import base64

import pytest

from tests.acceptance.client import (
    RESUMED,
    changes_of,
    connected,
    expect,
    refused,
    resume_of,
    seated,
    settle,
)
from tests.acceptance.rawsocket import raw_websocket, until_metrics
from tests.acceptance.server import Server


@pytest.mark.rule("C4.6", "G6.5")
async def test_late_frames_of_a_superseded_connection_touch_nothing(
    server: Server, room: str
) -> None:
    """The old socket ignores its close, says ready and leave, and dies: the session lives on."""
    async with (
        seated(server, room, 1) as (bob,),
        raw_websocket(server) as old,
        raw_websocket(server) as new,
    ):
        await old.send_objects({"type": "joinRoomGameSpace", "roomId": room, "sequenceId": 1})
        seat = await old.next_object("roomGameSpaceJoined")
        await new.send_objects(resume_of(seat, sequenceId=2))
        await new.next_object(RESUMED)
        await old.send_objects(
            {"type": "updatePlayer", "displayName": "ghost", "sequenceId": 3},
            {"type": "leaveRoomGameSpace", "sequenceId": 4},
        )
        assert await old.close_code() == 4509
        old.abort()
        await until_metrics(server, lambda m: m["vaultmeet_connections"] == 2)
        await new.send_objects({"type": "ready", "sequenceId": 5})
        await new.next_object("ok")
        await bob.saw("playerReady")
        assert changes_of(bob, seat["socketId"]) == ["JoinedRoom", "Ready"]
        assert "displayName" not in bob.mirror.players[seat["socketId"]]


@pytest.mark.rule("G6.7", "G6.8")
async def test_a_token_is_good_until_its_successor_is_in_use(server: Server, room: str) -> None:
    """The answer with the new token is lost: the old one resumes; once used, only the new one."""
    async with seated(server, room, 1) as (bob,), connected(server, "ann") as ann:
        seat = await ann.join(room)
        first = ann.tokens[-1]
        await ann.lose()
        for _ in range(3):
            async with raw_websocket(server) as unlucky:
                await unlucky.send_objects(resume_of(seat, resumeToken=first))
                await unlucky.next_object(RESUMED)
                unlucky.abort()
        expect(await ann.reconnect(resumeToken=first), RESUMED)
        await ann.ping()
        await ann.lose()
        refused(await ann.reconnect(resumeToken=first), "resumeExpired")
        expect(await ann.resume(), RESUMED)
        await settle([ann, bob])
        assert ann.mirror.view() == bob.mirror.view()
        assert "LeftRoom" not in changes_of(bob, ann.mirror.socket_id)


@pytest.mark.rule("G6.8")
async def test_an_older_token_is_expired(server: Server, room: str) -> None:
    """Of five tokens of one session only the newest resumes it, and after that still."""
    async with seated(server, room, 1) as (ann,):
        for _ in range(4):
            expect(await ann.reconnect(), RESUMED)
            await ann.ping()
        await ann.lose()
        await ann.open()
        for token in ann.tokens[:-1]:
            refused(await ann.resume(roomId=room, resumeToken=token), "resumeExpired")
        expect(await ann.resume(), RESUMED)


@pytest.mark.rule("G6.8", "E1.7")
async def test_forged_tokens_are_expired(server: Server, room: str) -> None:
    """One character changed, cut short, made longer, made up, or of another room: refused."""
    async with seated(server, room, 1) as (ann,), seated(server, room + "-b", 1) as (bob,):
        await ann.lose()
        await ann.open()
        token = ann.tokens[-1]
        forged = {token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in (0, 5)}
        forged |= {
            token[: n - 1] + ("A" if token[n - 1] != "A" else "Q") + token[n:] for n in (9, 30)
        }
        forged |= {token[:-4], token[:-2] + "!!", token + "A", token * 2, "x", "a.b.c", "é", " "}
        forged |= {base64.urlsafe_b64encode(b"{}").decode(), token.swapcase()}
        for wrong in sorted(forged - {token}):
            refused(await ann.resume(resumeToken=wrong), "resumeExpired")
        refused(await ann.resume(roomId=room + "-b"), "resumeExpired")
        refused(await ann.resume(roomId=room + "-b", resumeToken=token), "resumeExpired")
        refused(await ann.resume(resumeToken=bob.tokens[-1]), "resumeExpired")
        expect(await ann.resume(), RESUMED)
        await bob.ping()


@pytest.mark.rule("G6.9")
@pytest.mark.parametrize("how", ["left", "switched"])
async def test_a_token_of_one_who_left_never_seats_again(
    server: Server, room: str, how: str
) -> None:
    """After a leave or a switch the room's token is worthless, and nobody is seated by it."""
    async with seated(server, room, 2) as (ann, bob):
        token, epoch, version = ann.tokens[-1], ann.mirror.epoch, ann.mirror.version
        if how == "left":
            await ann.leave()
        else:
            await ann.join(room + "-b")
        await bob.saw("playerLeftRoom")
        await ann.lose()
        await ann.open()
        answer = await ann.resume(roomId=room, resumeToken=token, epoch=epoch, version=version)
        refused(answer, "resumeExpired")
        await bob.do("ready")
        assert list(bob.mirror.players) == [bob.mirror.socket_id]


@pytest.mark.rule("G6.17")
async def test_a_resume_in_a_room_is_a_bad_message(server: Server, room: str) -> None:
    """Seated, with its own token: `badMessage`, and it sits there still."""
    async with seated(server, room, 2) as (ann, bob):
        refused(await ann.resume(), "badMessage")
        await ann.do("ready")
        await settle([ann, bob])
        assert len(bob.mirror.players) == 2
        await ann.leave()
        refused(await ann.resume(roomId=room, epoch=1, version=0), "resumeExpired")
