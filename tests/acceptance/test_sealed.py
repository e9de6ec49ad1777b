"""A server that seals what it stores, as its operator sees it (T3)."""

from __future__ import annotations

import asyncio
import base64
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.client import connected, refused
from tests.acceptance.rawsocket import metrics, until_metrics
from tests.acceptance.restarting import KILL, TERM, attempt, come_back, listed, place
from tests.acceptance.server import (
    DEADLINE_S,
    PROGRAM,
    REPOSITORY,
    Line,
    Server,
    command,
    environment,
    wait_until,
)

ROOM: Final = "CanaryRoom"
PERSON: Final = {
    "userId": "CanaryUser",
    "displayName": "CanaryName",
    "attributes": {"CanaryHue": "CanaryBlue"},
}
CANARIES: Final = ("CanaryRoom", "CanaryUser", "CanaryName", "CanaryHue", "CanaryBlue")
DATABASE: Final = "rooms.db"


def vaultmeet(
    *words: str, program: str = PROGRAM, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*words, program=program),
        cwd=REPOSITORY,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def rotated(key_file: Path, data_dir: Path, *more: str) -> str:
    """Rotate the seal key; what the command said."""
    words = ("--seal-key-file", str(key_file), "--data-dir", str(data_dir), *more)
    ended = vaultmeet("rotate-key", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not any(key in ended.stdout for key in keys_in(key_file))
    return ended.stdout


def keys_in(key_file: Path) -> list[str]:
    """The keys themselves, as the file has them."""
    lines = key_file.read_text("ascii").splitlines()
    return [line.split()[1] for line in lines if not line.startswith("#")]


def first_id(key_file: Path) -> str:
    """What the newest key is called."""
    return key_file.read_text("ascii").splitlines()[1].split()[0]


def exposed(key_file: Path, target: Path) -> None:
    """Move the file, and let everybody read it."""
    key_file.rename(target)
    target.chmod(0o644)


def found_in(folder: Path) -> set[str]:
    """The canaries in any name or byte below the folder."""
    listing = listed(folder)
    everything = b"".join(listing.values()) + " ".join(listing).encode()
    return {word for word in CANARIES if word.encode() in everything}


async def told(server: Server, event: str, since: int = 0) -> Line:
    """The first line of the log about `event`."""
    return await asyncio.to_thread(server.wait_for_line, lambda line: line["event"] == event, since)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with a first key, made by the command, outside of the data folder."""
    path = tmp_path / "seal.keys"
    assert "made" in rotated(path, tmp_path / "data", "--init")
    assert path.stat().st_mode & 0o777 == 0o600
    return path


@pytest.mark.rule("T3.1", "T3.10")
@pytest.mark.parametrize("sealed", [True, False])
async def test_nothing_in_the_folder_says_anything_of_rooms_and_people(
    sealed: bool, key_file: Path, tmp_path: Path
) -> None:
    """Not a byte of the database, its journal, or the recordings and their names; in the clear all
    of it does. Who was there resumes after a kill either way.
    """
    folder = tmp_path / "data"
    chosen: dict[str, Any] = {"seal_key_file": key_file} if sealed else {}
    with place(folder, durability="journal", journal_bytes_max=1024, **chosen) as here:
        server = here.start()
        async with connected(server) as client:
            await client.join(ROOM, **PERSON)
            for number in range(4):  # so that some of it is folded
                attributes = {"CanaryHue": "CanaryBlue", "text": "x" * 500, "n": number}
                await client.do("updatePlayer", attributes=attributes)
            await client.ask("validateRoomState", roomId=ROOM, expectedPlayers=["nobody"])
            await told(server, "recording_written")
            assert found_in(folder) == (set() if sealed else set(CANARIES))
            (recording,) = (folder / "recordings").iterdir()
            assert recording.suffix == (".sealed" if sealed else ".json")
            assert (ROOM in recording.name) is not sealed
            events = [line["event"] for line in server.lines]
            assert events.count("stored_in_the_clear") == (0 if sealed else 1)
            assert (await metrics(server))["vaultmeet_store_sealed"] == sealed
            await come_back(await here.restart(KILL), [client])
            assert client.mirror.own["displayName"] == "CanaryName"
            assert found_in(folder) == (set() if sealed else set(CANARIES))
            await here.end(TERM)
        assert found_in(folder) == (set() if sealed else set(CANARIES))


@pytest.mark.rule("T3.4", "T3.6", "T3.9", "T3.10")
async def test_a_store_is_sealed_and_its_key_rotated_while_the_server_runs(
    key_file: Path, tmp_path: Path
) -> None:
    """From the clear to a first key with the next start, and to a second one in the midst of it;
    the first is dropped when nothing needs it, not before, and then the second alone opens all.
    """
    folder = tmp_path / "data"
    drop = ("--seal-key-file", str(key_file), "--data-dir", str(folder), "--drop-old")
    with place(folder) as here:
        async with connected(here.start()) as client:
            await client.join(ROOM, **PERSON)
            await client.ask("validateRoomState", roomId=ROOM, expectedPlayers=["nobody"])
            await told(here.server, "recording_written")
            await here.flushed()
            assert found_in(folder) == set(CANARIES)
            early = vaultmeet("rotate-key", *drop)
            assert (early.returncode, early.stdout) == (1, "")
            assert "not all that is stored there is sealed yet" in early.stderr

            server = await here.restart(TERM, seal_key_file=key_file)
            await told(server, "store_sealed")
            await come_back(server, [client])
            await here.flushed()
            await asyncio.to_thread(sealed_recordings, folder)
            assert found_in(folder) == set()
            (first,) = keys_in(key_file)

            assert f"server {server.process.pid} was told" in rotated(key_file, folder)
            since = next(
                n for n, line in enumerate(server.lines) if line["event"] == "store_sealed"
            )
            await told(server, "store_sealed", since + 1)
            await told(server, "seal_keys_reloaded")
            await client.do("ready")
            await here.flushed()
            await until_metrics(
                server,
                lambda m: (
                    m["vaultmeet_store_sealed"] == 1 and not m["vaultmeet_store_rows_to_seal"]
                ),
            )
            second, also_first = keys_in(key_file)
            assert also_first == first
            await until_dropped(drop)
            assert keys_in(key_file) == [second]
            await come_back(await here.restart(KILL, seal_key_file=key_file), [client])
            assert client.mirror.own["isReady"] is True
            assert client.mirror.own["displayName"] == "CanaryName"
            assert found_in(folder) == set()
            assert not any(key in server.log_text() for key in (first, second))


def sealed_recordings(folder: Path) -> None:
    """Wait until no recording is in the clear."""
    wait_until(lambda: not [*(folder / "recordings").glob("*.json")], "recordings are sealed")


async def until_dropped(words: tuple[str, ...]) -> None:
    """Drop the old keys as soon as the recordings are sealed anew, too."""
    async with asyncio.timeout(DEADLINE_S):
        while (ended := await asyncio.to_thread(vaultmeet, "rotate-key", *words)).returncode:
            assert "recordings are still sealed with" in ended.stderr


@pytest.mark.rule("T3.2", "T3.8")
async def test_a_sealed_store_without_its_key_is_refused_and_left_as_it_is(
    key_file: Path, tmp_path: Path
) -> None:
    """No key, another one, a file that is gone or holds none: exit code 1, and the reason; with the
    right key, also from the environment, everybody is there.
    """
    folder, other = tmp_path / "data", tmp_path / "other.keys"
    with place(folder, durability="journal") as here:
        async with connected(here.start(seal_key_file=key_file)) as client:
            await client.join(ROOM, **PERSON)
            await here.end(KILL)
            before = {name: data for name, data in listed(folder).items() if name == DATABASE}
            other.write_bytes(base64.b64encode(os.urandom(32)))
            other.chmod(0o600)
            named = first_id(key_file)
            for given, why in (
                ({}, f"sealed with key id {named}; give seal_key_file"),
                ({"seal_key_file": other}, f"{named} is not among the seal keys given"),
                ({"seal_key_file": tmp_path / "gone"}, "gone cannot be read: No such file"),
                ({"seal_key_file": folder / "keys"}, "keys holds no seal keys: line 1"),
            ):
                ended = attempt(folder, **given)
                assert ended.returncode == 1, why
                (line,) = ended.stderr.splitlines()
                assert why in line
                after = {name: data for name, data in listed(folder).items() if name == DATABASE}
                assert after == before
                assert not [*folder.glob("*corrupt*")]
                assert other.read_text() not in ended.stdout + ended.stderr
            (key,) = keys_in(key_file)
            server = here.start(variables={"VAULTMEET_SEAL_KEY": key})
            await come_back(server, [client])
            assert key not in server.log_text()
            shown = vaultmeet("check-config", VAULTMEET_SEAL_KEY=key)
            assert (shown.returncode, shown.stderr) == (0, "")
            assert key not in shown.stdout


@pytest.mark.rule("T3.3")
async def test_a_room_whose_record_was_tampered_with_is_unavailable(
    key_file: Path, tmp_path: Path
) -> None:
    """Again and again, and never empty; the others are there, and nothing is set aside."""
    folder = tmp_path / "data"
    chosen: dict[str, Any] = {"durability": "journal", "journal_bytes_max": 1024}
    with place(folder, seal_key_file=key_file, **chosen) as here:
        async with connected(here.start()) as client:
            for room in ("hall", "attic"):
                await client.join(room)
                for number in range(4):  # so that it is folded
                    await client.do("updatePlayer", attributes={"text": "x" * 900, "n": number})
                await client.leave()
            await here.end(TERM)
        with sqlite3.connect(folder / DATABASE) as connection:
            rows = connection.execute("SELECT room, checksum, body FROM rooms").fetchall()
            assert len(rows) == 2
            for (room, _, _), (_, stated, body) in zip(rows, reversed(rows), strict=True):
                connection.execute(
                    "UPDATE rooms SET checksum = ?, body = ? WHERE room = ?", (stated, body, room)
                )
        connection.close()
        server = here.start(errors_expected=True)
        async with connected(server) as client:
            for _ in "twice":
                for room in ("hall", "attic"):
                    refused(await client.ask("joinRoomGameSpace", roomId=room), "unavailable")
            await client.join("cellar")
        line = await told(server, "room_not_loaded")
        assert "is refused" in line["details"]["error"]
        assert not [*folder.glob("*corrupt*")]


@pytest.mark.rule("T3.7")
async def test_a_key_that_others_can_read_is_told_of(key_file: Path, tmp_path: Path) -> None:
    """As is one beside what it seals."""
    folder = tmp_path / "data"
    folder.mkdir()
    inside = folder / "seal.keys"
    exposed(key_file, inside)
    with place(folder, seal_key_file=inside) as here:
        server = here.start()
        said = [line for line in server.lines if line["event"] == "seal_key_exposed"]
        assert [line["level"] for line in said] == ["warn", "warn"]
        assert "can be read by others" in said[0]["details"]["reason"]
        assert "is in data_dir" in said[1]["details"]["reason"]
