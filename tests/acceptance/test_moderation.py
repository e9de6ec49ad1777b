"""Permissions and moderation over real sockets, with real tokens (T2)."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.client import connected, expect, refused, resume_of
from tests.acceptance.restarting import place
from tests.acceptance.server import (
    GENEROUS,
    REPOSITORY,
    Server,
    command,
    environment,
    running,
)
from tests.transport import minted

ALL: Final = ("join", "move", "message", "moderate")
LATER: Final[dict[str, Any]] = {"auth_timeout_s": 60, "auth": "jwt"}


def secret_file(folder: Path) -> Path:
    """The secret, for its owner alone."""
    path = folder / "secret"
    path.touch(0o600)
    path.write_bytes(minted.SECRET)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that asks everybody who he is."""
    secret = secret_file(tmp_path_factory.mktemp("keys"))
    with running(**GENEROUS, **LATER, jwt_secret_file=secret) as started:
        yield started


def bearer(user: str, rooms: object = None) -> dict[str, Any]:
    """The options of a connection of `user`, whose token says so of rooms."""
    claims = {"sub": user, "exp": time.time() + 600} | ({} if rooms is None else {"rooms": rooms})
    return {"additional_headers": {"Authorization": f"Bearer {minted.hs256(claims)}"}}


def audited(folder: Path, user: str) -> list[dict[str, Any]]:
    """What the audit says of somebody."""
    done = subprocess.run(
        command("audit", "show", str(folder), "--user", user),
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def moderator(room: str) -> dict[str, Any]:
    """A connection's options."""
    return bearer("mod", {room: ALL})


@pytest.mark.rule("T2.9", "T2.11", "T2.12")
async def test_who_is_banned_is_out_and_stays_out(server: Server, room: str) -> None:
    """Closed with 4503 and the reason; the others see it; no token and no join comes back."""
    async with (
        connected(server, "mod", **moderator(room)) as mod,
        connected(server, "ann", **bearer("ann")) as ann,
        connected(server, "eve", **bearer("eve")) as eve,
    ):
        await mod.join(room)
        await ann.join(room)
        seat = await eve.join(room)
        refused(await ann.ask("banUser", userId="eve"), "forbidden")
        expect(await mod.ask("banUser", userId="eve", reason="spam"), "ok")
        assert await eve.link.closed() == 4503
        left = await ann.saw("playerLeftRoom")
        assert left["players"][0]["reason"] == "kicked"
        async with connected(server, "eve", **bearer("eve")) as again:
            error = refused(await again.ask("joinRoomGameSpace", roomId=room), "forbidden")
            assert error["message"] == "banned: spam"
            told = expect(await again.ask("checkRoomPermission", roomId=room), "roomPermission")
            assert (told["allowed"], told["reason"]) == (False, "banned: spam")
            refused(await again.ask("resumeRoomGameSpace", **resume_of(seat)), "resumeExpired")
            expect(await mod.ask("unbanUser", userId="eve"), "ok")
            await again.join(room)


@pytest.mark.rule("T2.5", "T2.6", "T2.7")
async def test_a_renewed_token_counts_with_the_next_request(server: Server, room: str) -> None:
    """It loses the room message, the moves, and at last its seat; its connection lives on."""
    async with connected(server, "ann", **bearer("ann")) as ann:
        await ann.join(room)
        for rooms, kind, fields in (
            ({room: ["join", "move"]}, "sendRoomMessage", {"event": "e", "data": 1}),
            ({room: ["join"]}, "move", {"x": 1, "y": 1}),
        ):
            token = minted.hs256({"sub": "ann", "exp": time.time() + 600, "rooms": rooms})
            expect(await ann.ask("authenticate", token=token), "authenticated")
            refused(await ann.ask(kind, **fields), "forbidden")
        token = minted.hs256({"sub": "ann", "exp": time.time() + 600, "rooms": {}})
        expect(await ann.ask("authenticate", token=token), "authenticated")
        closed = await ann.saw("roomClosed")
        assert (closed["roomId"], closed["reason"]) == (room, "not allowed")
        refused(await ann.ask("ready"), "notInRoom")
        await ann.ping()


@pytest.mark.rule("T2.8", "T2.14", "T2.15", "T2.16")
async def test_a_private_room_has_its_own_rules(server: Server, room: str) -> None:
    """Everybody in it is told of them; whoever is outside hears no more than of any other."""
    async with (
        connected(server, "mod", **moderator(room)) as mod,
        connected(server, "ann", **bearer("ann")) as ann,
        connected(server, "eve", **bearer("eve")) as eve,
    ):
        await mod.join(room)
        expect(await mod.ask("setRoom", private=True, playersMax=2, allow=["ann", "eve"]), "ok")
        told = await mod.saw("roomChanged")
        assert (told["private"], told["maxPlayers"]) == (True, 2)
        seat = await ann.join(room)
        assert seat["metadata"]["maxPlayers"] == 2
        refused(await eve.ask("joinRoomGameSpace", roomId=room), "roomFull")
        expect(await mod.ask("setRoom", allow=["ann"]), "ok")
        refused(await eve.ask("joinRoomGameSpace", roomId=room), "forbidden")
        private = await eve.ask("checkRoomPermission", roomId=room)
        async with connected(server, "eve", **bearer("eve", {})) as stranger:
            other = await stranger.ask("checkRoomPermission", roomId=room)
        wanted = {"allowed": False, "permissions": [], "reason": "not allowed"}
        assert private | wanted == private
        assert other | wanted == other


@pytest.mark.rule("T2.18", "T2.17")
@pytest.mark.parametrize("durability", ["fast", "journal"])
async def test_rules_outlive_kill_9(tmp_path: Path, durability: str) -> None:
    """At once after the answer."""
    settings = {**GENEROUS, **LATER, "jwt_secret_file": secret_file(tmp_path)}
    with place(tmp_path / "data", **settings, durability=durability) as kept:
        server = kept.start()
        async with connected(server, "mod", **moderator("game:7")) as mod:
            await mod.join("game:7")
            expect(await mod.ask("banUser", userId="eve"), "ok")
            expect(await mod.ask("setRoom", private=True, owner="ann"), "ok")
            await kept.end(signal.SIGKILL)
        server = kept.start()
        async with (
            connected(server, "eve", **bearer("eve")) as eve,
            connected(server, "ann", **bearer("ann")) as ann,
        ):
            error = refused(await eve.ask("joinRoomGameSpace", roomId="game:7"), "forbidden")
            assert error["message"] == "banned"
            told = expect(await ann.ask("checkRoomPermission", roomId="game:7"), "roomPermission")
            assert told["permissions"] == list(ALL)
            await ann.join("game:7")
            expect(await ann.ask("unbanUser", userId="eve"), "ok")


@pytest.mark.rule("T4.1", "T4.6")
async def test_every_act_is_in_the_audit(tmp_path: Path) -> None:
    """Under whoever decided, with whom it was about, and why, for whoever has the keys alone."""
    settings = {**GENEROUS, **LATER, "jwt_secret_file": secret_file(tmp_path)}
    folder = tmp_path / "data"
    with place(folder, **settings) as kept:
        server = kept.start()
        async with (
            connected(server, "mod", **moderator("game:7")) as mod,
            connected(server, "eve", **bearer("eve-canary")) as eve,
        ):
            await mod.join("game:7")
            await eve.join("game:7")
            for kind, fields in (
                ("kickPlayer", {"userId": "eve-canary", "reason": "too-loud"}),
                ("banUser", {"userId": "eve-canary", "reason": "too-loud", "forS": 60}),
                ("unbanUser", {"userId": "eve-canary"}),
                ("setRoom", {"private": True, "owner": "eve-canary"}),
            ):
                expect(await mod.ask(kind, **fields), "ok")
        await kept.end(signal.SIGTERM)
    files = b"".join(path.read_bytes() for path in (folder / "audit").iterdir())
    assert b"eve-canary" not in files
    assert b"too-loud" not in files
    entries = audited(folder, "eve-canary")
    acts = [entry for entry in entries if entry.get("userId") == "mod"]
    assert [entry["event"] for entry in acts] == [
        "player_kicked",
        "user_banned",
        "user_unbanned",
        "room_set",
    ]
    for entry in acts:
        (about,) = entry["about"]
        assert about["userId"] == "eve-canary"
    assert [entry["about"][0].get("why") for entry in acts] == ["too-loud", "too-loud", None, None]
