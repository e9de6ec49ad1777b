"""What a client says of itself is in no place where operators look (T6)."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance import crashing_rooms
from tests.acceptance.canaries import CANARY, keys_of, leaks_of
from tests.acceptance.client import Client, connected, expect, refused
from tests.acceptance.rawsocket import http, raw_websocket, text_bytes
from tests.acceptance.server import GENEROUS, Line, Server, faults_of_log, running

USER: Final = "Arthur-Dent-42"
HIDDEN: Final = "Ford-Prefect-43"
SAID: Final = {
    "displayName": "Name-of-Earth",
    "attributes": {"towel-colour": "striped-orange"},
    "position": {"x": 271828.25, "y": 314159.75},
}
WORDS: Final = ("Name-of-Earth", "towel", "striped", "271828", "314159", "161803", "said-event")
PLANTED: Final = "tests.acceptance.crashing_rooms"


async def say_everything(server: Server, client: Client, user: str, **privacy: bool) -> None:
    """Every field of every request with something that is to be found nowhere."""
    await client.join("hall", userId=user, privacy=privacy, **SAID)
    await client.do("updatePlayer", displayName="Name-of-Earth", attributes={"towel": "striped"})
    await client.do("sendRoomMessage", event="said-event", data={"said-event": "towel"})
    await client.tell("move", x=161803.5, y=-141421.5)
    await client.ask("validateRoomState", roomId="hall", expectedPlayers=["towel"])
    await client.ask("authenticate", token=f"towel-{CANARY}")
    refused(await client.ask("joinRoomGameSpace", roomId="towel hall"), "badMessage")
    refused(await client.ask("updatePlayer", attributes="striped"), "badMessage")
    refused(
        await client.ask(
            "resumeRoomGameSpace", roomId="hall", resumeToken=CANARY, epoch=1, version=1
        ),
        "badMessage",
    )
    async with connected(server, "thief") as thief:
        guess = {"roomId": "hall", "resumeToken": f"{CANARY}-x", "epoch": 1, "version": 1}
        refused(await thief.ask("resumeRoomGameSpace", **guess), "resumeExpired")
    await client.ask("updatePlayer", displayName=f"Name-of-Earth {crashing_rooms.POISON}")
    await client.lose()
    await client.reconnect()
    await client.leave()


def restarted(server: Server) -> Line:
    """The line of the crash."""
    return server.wait_for_line(lambda line: line["event"] == "room_restarted")


@pytest.mark.rule("T6.12", "T6.13", "G11.3", "O1.3")
@pytest.mark.parametrize("shown", ["full", "hashed", "none"])
async def test_nothing_that_a_client_says_of_itself_is_where_operators_look(
    shown: str, tmp_path: Path
) -> None:
    """Log at its most talkative, also of a room that crashes, recordings, metrics, health; a user
    shows in the log as the setting says, and one who hides nowhere at all.
    """
    settings: dict[str, Any] = {"log_user_ids": shown, "log_level": "debug"}
    with running(
        **GENEROUS, **settings, data_dir=tmp_path, errors_expected=True, program=PLANTED
    ) as server:
        async with connected(server, "arthur") as arthur, connected(server, "ford") as ford:
            await say_everything(server, arthur, USER)
            await say_everything(server, ford, HIDDEN, hideUserId=True, hidePosition=True)
        await asyncio.to_thread(restarted, server)
        pages = [(await http(server, path)).body for path in ("/metrics", "/readyz", "/healthz")]
        assert server.stop() == 0
    log = server.log_text()
    files = [path.read_text("utf-8") for path in (tmp_path / "recordings").iterdir()]
    assert len(files) >= 2
    everywhere = [log, *files, *(page.decode() for page in pages)]
    for word in (*WORDS, HIDDEN, CANARY):
        assert not any(word in text for text in everywhere), word
    assert USER not in "".join(everywhere[len(files) + 1 :])
    assert (USER in log) == (shown == "full")
    users = {line.get("userId") for line in server.lines if line["event"] == "player_joined"}
    expected = {"full": rf"{USER}|anon-.{{12}}", "hashed": "user-[a-z2-7]{16}", "none": "None"}
    assert all(re.fullmatch(expected[shown], str(user)) for user in users), users
    assert len(users) == (1 if shown == "none" else 2)


@pytest.mark.rule("T6.12")
async def test_a_hash_outlives_the_process_with_its_keys(tmp_path: Path) -> None:
    """What happened before a restart can be told together with what happens after it."""
    hashes = set()
    for _ in range(2):
        with running(**GENEROUS, log_user_ids="hashed", data_dir=tmp_path) as server:
            async with connected(server) as client:
                await client.join("hall", userId=USER)
            joined = await asyncio.to_thread(
                server.wait_for_line, lambda line: line["event"] == "player_joined"
            )
            hashes.add(joined["userId"])
    assert len(hashes) == 1


@pytest.mark.rule("T6.14")
async def test_a_secret_in_a_log_would_be_found(tmp_path: Path) -> None:
    """The search itself: by shape, by canary, and by the keys that the folder holds."""
    with running(**GENEROUS, data_dir=tmp_path) as server:
        async with connected(server) as client:
            token = (await client.join("hall"))["resumeToken"]
        keys = keys_of(tmp_path)
        assert len(keys) >= 6  # of two keys; both alphabets of base64 may spell the same
        assert not faults_of_log(server)
        for secret in (token, f"x {CANARY} y", "eyJhbGciOiJI.eyJzdWIi.x", "-----BEGIN PRIVATE"):
            assert leaks_of(json.dumps({"event": "e", "details": {"error": secret}})), secret
        for secret in (*keys, token):
            server.lines.append({**server.lines[0], "details": {"error": f"({secret})"}})
            assert any("a secret in the log" in fault for fault in faults_of_log(server))
            server.lines.pop()


@pytest.mark.rule("T6.14", "O1.3")
async def test_secrets_in_wrong_places_are_not_logged_either() -> None:
    """In the path, in headers, in JSON that is none, in a close reason."""
    with running(**GENEROUS, log_level="debug") as server:
        await http(server, f"/metrics?token={CANARY}")
        await http(server, f"/{CANARY}")
        async with connected(server) as client:
            await client.send(f'{{"token":"{CANARY}"')
            refused(expect(await client.ask("authenticate", token=[CANARY]), "error"), "badMessage")
        async with raw_websocket(server) as sock:
            await sock.send(text_bytes({"type": "authenticate", "token": CANARY, "timestamp": "x"}))
            await sock.next_object("error")
