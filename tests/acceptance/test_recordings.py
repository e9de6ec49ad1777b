"""The flight recorder as its operator sees it: files, log, metrics, and nobody in them (O4)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client, connected, expect
from tests.acceptance.rawsocket import metrics, until_metrics
from tests.acceptance.restarting import place
from tests.acceptance.server import Line, Server

PERSONAL = {
    "userId": "Arthur-Dent-42",
    "displayName": "Arthur-of-Earth",
    "attributes": {"towel-colour": "striped-orange"},
    "position": {"x": 271828.25, "y": 314159.75},
}
SAID = {"event": "secret-event", "data": {"secret-key": "secret-data"}}
WRITTEN = 'vaultmeet_recordings_total{outcome="written"}'
DROPPED = 'vaultmeet_recordings_total{outcome="dropped"}'


async def wrong(client: Client) -> None:
    """Claim what cannot be."""
    answer = await client.ask("validateRoomState", roomId="hall", expectedPlayers=["nobody"])
    assert expect(answer, "roomStateValidated")["valid"] is False


async def told(server: Server, event: str) -> Line:
    """The first line of the log about `event`."""
    return await asyncio.to_thread(server.wait_for_line, lambda line: line["event"] == event)


def words(value: Any) -> set[str]:
    """Every key and every plain value in it, as text."""
    if isinstance(value, dict):
        return set(value) | {word for one in value.values() for word in words(one)}
    return {str(value)}


@pytest.mark.rule("O4.1", "O4.3", "O4.5", "O4.7", "G11.3")
async def test_a_client_that_is_wrong_leaves_one_file_without_anything_personal(
    tmp_path: Path,
) -> None:
    """It hides its user, and is wrong again and again: one file, which only its owner can read."""
    folder = tmp_path / "data"
    with place(folder) as here:
        server = here.start()
        async with connected(server) as client:
            hidden = {"hideUserId": True, "hidePosition": True}
            seat = await client.join("hall", **PERSONAL, privacy=hidden)
            await client.do("sendRoomMessage", **SAID)
            await client.do("updatePlayer", displayName="Arthur-of-nowhere")
            await client.tell("move", x=161803.5, y=-141421.5)
            for _ in range(5):
                await wrong(client)
            await until_metrics(server, lambda m: m[WRITTEN] == 1)
            assert (await metrics(server))[DROPPED] == 4
            line = await told(server, "recording_written")
            (path,) = (folder / "recordings").iterdir()
            assert line["details"]["path"] == str(path)
            assert line["roomId"] == "hall"
            assert path.stat().st_mode & 0o777 == 0o600
            text = path.read_text("utf-8")
            personal = words(PERSONAL) | words(SAID) | {"Arthur-of-nowhere", "161803.5"}
            personal |= {seat["resumeToken"], "secret-key", "nobody"}
            personal -= {*PERSONAL, "x", "y", "event", "data"}
            assert [word for word in personal if word in text] == []
            document = json.loads(text)
            then, mine = document["then"], seat["players"][0]
            assert then["players"] == [[seat["socketId"], mine["userId"], False, True]]
            assert mine["userId"].startswith("anon-")
            assert then["checksum"] == client.mirror.checksum
            kinds = [step["do"] for step in document["inputs"] if step["do"] != "end"]
            assert kinds[0] == "join"
            assert {"say", "update", "validate"} <= set(kinds)
            await told(server, "recordings_dropped")
    dropped = [line for line in server.lines if line["event"] == "recordings_dropped"]
    assert len(dropped) == 1


@pytest.mark.rule("O4.8", "P3.1")
async def test_in_memory_nothing_is_recorded(tmp_path: Path) -> None:
    """There is no folder to write to, and everything else goes on."""
    folder = tmp_path / "data"
    with place(folder, durability="memory") as here:
        server = here.start()
        async with connected(server) as client:
            await client.join("hall")
            await wrong(client)
            await wrong(client)
            found = await metrics(server)
            assert (found[WRITTEN], found[DROPPED]) == (0, 0)
    assert not folder.exists()


@pytest.mark.rule("O4.6")
async def test_a_folder_that_cannot_be_written_to_harms_nobody(tmp_path: Path) -> None:
    """It is told and counted; the client gets its answers."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "recordings").write_text("in the way", "utf-8")
    with place(folder) as here:
        server = here.start(errors_expected=True)
        async with connected(server) as client:
            await client.join("hall")
            await wrong(client)
            failed = 'vaultmeet_recordings_total{outcome="failed"}'
            await until_metrics(server, lambda m: m[failed] == 1)
            await client.do("ready")
        await told(server, "recording_not_written")
        assert here.server.stop() == 0
