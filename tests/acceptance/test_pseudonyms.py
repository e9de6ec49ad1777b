"""Who hides stays hidden, whatever happens to the room, the server, and him (T5.12, G11)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import pytest

from tests.acceptance import crashing_rooms
from tests.acceptance.client import Client, connected, expect
from tests.acceptance.rawsocket import http
from tests.acceptance.restarting import KILL, listed, place
from tests.acceptance.test_erasure import bearer, returned, said
from tests.acceptance.test_moderation import ALL, secret_file
from tests.acceptance.test_sealed import told, vaultmeet

HIDDEN: Final = "CanaryHidden-47"
USER: Final = bearer(HIDDEN, {"*": ["join", "move", "message"]})
MOD: Final = bearer("mod", {"*": ALL})
PROFILE: Final[dict[str, Any]] = {"privacy": {"hideUserId": True, "hidePosition": True}}
PLANTED: Final = "tests.acceptance.crashing_rooms"
PERSONAL: Final = ("rooms.db", "rooms.db-wal", "rooms.db-shm")
"""Where the real user is, by need: who comes back is known by it. Nowhere else in the folder."""


def frames_of(*clients: Client) -> Iterator[str]:
    """All that clients were told."""
    for client in clients:
        for link in client.links:
            yield from link.frames


def sum_of(client: Client) -> str:
    """The checksum of the list that the client holds."""
    lines = [
        f"{key}|{one['userId']}|{one['isReady']:d}|{one['connected']:d}"
        for key, one in sorted(client.mirror.players.items())
    ]
    return format(crc32("\n".join(lines).encode()), "08x")


@pytest.mark.rule("T5.12", "G11.1", "G11.3", "T6.13")
async def test_the_real_user_is_nowhere_but_where_it_is_needed(tmp_path: Path) -> None:
    """A whole story: join hidden, ready, move, say, be wrong, be lost, resume, crash, restart, be
    kicked and banned, be erased. Frames of all, log at its most talkative, recordings, pages.
    """
    folder = tmp_path / "data"
    settings: dict[str, Any] = {
        "auth": "jwt",
        "auth_timeout_s": 60,
        "jwt_secret_file": secret_file(tmp_path),
        "log_level": "debug",
        "resume_grace_s": 300,
    }
    pages: list[str] = []
    with place(folder, **settings) as here:
        server = here.start(errors_expected=True, program=PLANTED)
        lines = [server.lines]
        async with (
            connected(server, "mod", **MOD) as mod,
            connected(server, "hidden", **USER) as hidden,
        ):
            await mod.join("hall")
            seat = await hidden.join("hall", **PROFILE)
            assert HIDDEN not in json.dumps(seat["players"])
            await hidden.do("ready")
            await hidden.tell("move", x=1, y=2)
            await hidden.do("sendRoomMessage", event="hello", data="all")
            await hidden.ask("validateRoomState", roomId="hall", expectedPlayers=["nobody"])
            assert sum_of(mod) == mod.mirror.checksum
            await hidden.lose()
            await hidden.open(**USER)
            expect(await hidden.resume(), "roomGameSpaceResumed")
            await hidden.ask("updatePlayer", displayName=crashing_rooms.POISON)
            await told(server, "room_restarted")
            await mod.saw("roomState")
            pages += [(await http(server, path)).body.decode() for path in ("/metrics", "/readyz")]
            await here.flushed()
            server = await here.restart(KILL, errors_expected=True, program=PLANTED)
            lines.append(server.lines)
            await returned(server, mod, MOD)
            await returned(server, hidden, USER)
            shown = hidden.mirror.players[hidden.mirror.socket_id]["userId"]
            expect(await mod.ask("kickPlayer", userId=shown), "ok")
            assert await hidden.link.closed() == 4503
            hidden.server = server
            await hidden.open(**USER)
            await hidden.join("hall", **PROFILE)
            await here.flushed()
            answer = said(
                await asyncio.to_thread(vaultmeet, "erase-user", HIDDEN, "--data-dir", str(folder))
            )
            assert await hidden.link.closed() == 4503
            await mod.ask("requestRoomState")
            pages += [(await http(server, path)).body.decode() for path in ("/metrics", "/readyz")]
            everything = [*frames_of(mod, hidden), *pages, answer, json.dumps(lines)]
            assert not [text for text in everything if HIDDEN in text]
            held = {name for name, data in listed(folder).items() if HIDDEN.encode() in data}
            assert held == set()


@pytest.mark.rule("T5.12")
async def test_a_folder_in_the_clear_has_the_real_user_in_its_store_alone(tmp_path: Path) -> None:
    """Not in recordings, and not in the audit, which encrypts it."""
    folder = tmp_path / "data"
    with place(folder, auth="jwt", jwt_secret_file=secret_file(tmp_path)) as here:
        server = here.start()
        async with connected(server, "hidden", **USER) as hidden:
            await hidden.join("hall", **PROFILE)
            await hidden.ask("validateRoomState", roomId="hall", expectedPlayers=["nobody"])
            await told(server, "recording_written")
            await here.flushed()
            held = {str(name) for name, data in listed(folder).items() if HIDDEN.encode() in data}
            assert held
            assert held <= set(PERSONAL)
