"""The audit as its operator finds it: on disk after whatever end, and by the command (T4)."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import connected, refused
from tests.acceptance.rawsocket import metrics, until_metrics
from tests.acceptance.restarting import KILL, TERM, UNLIMITED, Place, place
from tests.acceptance.server import REPOSITORY, command, environment

WRITTEN = 'vaultmeet_audit_entries_total{outcome="written"}'
DROPPED = 'vaultmeet_audit_entries_total{outcome="dropped"}'
HIDDEN = {"hideUserId": True}


def audit(act: str, folder: Path, *words: str) -> tuple[int, list[str]]:
    """Run the command: its exit code and what it printed."""
    done = subprocess.run(
        command("audit", act, str(folder), *words),
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def shown(folder: Path, *words: str) -> list[dict[str, Any]]:
    """The entries, as objects, without those about our own looking."""
    code, lines = audit("show", folder, *words)
    assert code == 0
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if entry["event"] != "command_run"]


def verified(folder: Path, *words: str) -> list[str]:
    """What the command says of a whole audit."""
    code, lines = audit("verify", folder, *words)
    assert code == 0, lines
    return lines


async def flushed(here: Place) -> None:
    """Whatever was done so far is on the disk."""
    await until_metrics(here.server, lambda m: m["vaultmeet_audit_entries_waiting"] == 0)


@pytest.mark.rule("T4.1", "T4.6", "T4.9", "T4.10", "G11.3")
async def test_what_somebody_did_is_there_with_who_it_was(tmp_path: Path) -> None:
    """Joined, lost, resumed, refused, left; the real user for whoever has the keys, and in no file
    of the audit, nor in the log.
    """
    folder = tmp_path / "data"
    with place(folder) as here:
        server = here.start()
        async with connected(server) as client:
            seat = await client.join("hall", userId="Arthur-Dent-42", privacy=HIDDEN)
            await client.lose()
            await until_metrics(server, lambda m: m["vaultmeet_connections"] == 0)
            await client.reconnect()
            await client.leave()
            for _ in range(5):
                refused(await client.resume(roomId="hall"), "resumeExpired")
        await here.end(TERM)
        log = server.log_text()
    assert "Arthur-Dent-42" not in log
    files = b"".join(path.read_bytes() for path in (folder / "audit").iterdir())
    assert b"Arthur-Dent-42" not in files
    entries = shown(folder)
    assert [entry["event"] for entry in entries] == [
        "server_started",
        "player_joined",
        "player_lost",
        "player_resumed",
        "player_left",
        "request_refused",
        "request_refused",
        "server_stopped",
    ]
    for entry in entries[1:5]:
        assert entry["userId"] == "Arthur-Dent-42"
        assert entry["shownAs"].startswith("anon-")
        assert entry["roomId"] == "hall"
        assert entry["socketId"] == seat["socketId"]
    assert entries[4]["details"]["reason"] == "left"
    assert entries[6]["details"]["more"] == 4
    assert len(shown(folder, "--user", "Arthur-Dent-42")) == 6
    (anchor,) = [
        line["details"]["record"] for line in server.lines if line["event"] == "audit_anchored"
    ][-1:]
    assert verified(folder, "--contains", anchor)[-1].endswith(": whole")


@pytest.mark.rule("T4.1", "T4.9")
async def test_who_finds_a_room_full_is_there_with_the_room_that_it_asked_for(
    tmp_path: Path,
) -> None:
    """Also whoever shows a token that is none."""
    folder = tmp_path / "data"
    with place(folder, players_max=1) as here:
        server = here.start()
        async with connected(server) as ann, connected(server) as bob:
            await ann.join("hall", userId="ann")
            full = await bob.ask("joinRoomGameSpace", roomId="hall", userId="bob")
            refused(full, "roomFull")
            forged = {"roomId": "attic", "resumeToken": "x" * 40, "epoch": 1, "version": 1}
            refused(await bob.ask("resumeRoomGameSpace", **forged), "resumeExpired")
        await here.end(TERM)
    told = [entry for entry in shown(folder) if entry["event"] == "request_refused"]
    assert [(entry["details"]["code"], entry["roomId"]) for entry in told] == [
        ("roomFull", "hall"),
        ("resumeExpired", "attic"),
    ]
    assert told[0]["userId"] == "bob"
    assert "person" not in told[1]


@pytest.mark.rule("T4.4")
async def test_after_a_kill_what_was_flushed_is_there_and_the_chain_goes_on(tmp_path: Path) -> None:
    """Over and over; a line that was torn is told by the log, by the chain and by the command."""
    folder = tmp_path / "data"
    with place(folder, audit_flush_ms=1) as here:
        here.start()
        for number in range(3):
            async with connected(here.server) as client:
                await client.join("hall", userId=f"user-{number}")
                await flushed(here)
                await here.end(KILL)
            newest = max((folder / "audit").glob("audit-*.jsonl"))
            with newest.open("ab") as file:
                file.write(b'{"n":99,"at":')
            here.start()
            torn = [line for line in here.server.lines if line["event"] == "audit_torn"]
            assert [line["details"]["part"]["bytes"] for line in torn] == [13]
        await here.end(TERM)
    lines = verified(folder)
    assert sum("torn: 13 bytes" in line for line in lines) == 3
    joined = [entry for entry in shown(folder) if entry["event"] == "player_joined"]
    assert [entry["userId"] for entry in joined] == ["user-0", "user-1", "user-2"]
    assert len([entry for entry in shown(folder) if entry["event"] == "server_started"]) == 4


@pytest.mark.rule("T4.2", "T4.3")
async def test_what_somebody_changes_between_two_lives_is_found(tmp_path: Path) -> None:
    """The next server says that the end is not as it was, and goes on."""
    folder = tmp_path / "data"
    with place(folder) as here:
        here.start()
        async with connected(here.server) as client:
            await client.join("hall", userId="ann")
            await client.leave()
        await here.end(TERM)
        path = folder / "audit" / "audit-000001.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-2]))
        server = here.start(errors_expected=True)
        assert [line for line in server.lines if line["event"] == "audit_damaged"]
        await here.end(TERM)
    code, said = audit("verify", folder)
    assert code == 1
    last = len(lines)
    assert said[0] == (
        f"breach: audit-000002.jsonl:1: expected records {last - 1} to {last}"
        " at the end of the file before"
    )


@pytest.mark.rule("T4.7")
async def test_a_full_disk_holds_nobody_up_and_the_audit_says_what_it_lacks(tmp_path: Path) -> None:
    """Joins go on; what waits is written later; what was too much is counted in a gap."""
    folder = tmp_path / "data"
    settings = {"audit_flush_ms": 1, "audit_waiting_max": 8, "store_retry_s": 0.05}
    with place(folder, **settings) as here:
        server = here.start(errors_expected=True)
        async with connected(server) as client:
            await client.join("hall", userId="ann")
            await flushed(here)
            here.limit_files(1)
            for _ in range(20):
                await client.leave()
                await client.join("hall", userId="ann")
            await until_metrics(server, lambda m: m["vaultmeet_audit_healthy"] == 0)
            assert (await metrics(server))[DROPPED] >= 30
            here.limit_files(UNLIMITED)
            await until_metrics(server, lambda m: m["vaultmeet_audit_healthy"] == 1)
            await flushed(here)
            await client.leave()
        await here.end(TERM)
        events = {line["event"] for line in server.lines}
        assert {"audit_failed", "audit_entries_dropped", "audit_recovered"} <= events
    lines = verified(folder)
    gaps = [entry for entry in shown(folder) if entry["event"] == "audit_gap"]
    lost = sum(gap["details"]["count"] for gap in gaps)
    assert f"remark: {lost} entries were lost and counted: see audit_gap" in lines
    told = [entry for entry in shown(folder) if entry["event"].startswith("player_")]
    assert len(told) + lost == 42


@pytest.mark.rule("T4.1")
@pytest.mark.parametrize(
    ("settings", "is_kept"),
    [
        ({"durability": "memory"}, False),
        ({"audit": "off"}, False),
        ({"durability": "memory", "audit": "on"}, True),
        ({"durability": "journal"}, True),
    ],
)
async def test_where_nothing_outlives_the_process_neither_does_an_audit(
    tmp_path: Path, settings: dict[str, str], is_kept: bool
) -> None:
    """Unless it is asked for."""
    folder = tmp_path / "data"
    with place(folder, **settings) as here:
        here.start()
        async with connected(here.server) as client:
            await client.join("hall", userId="ann")
        await here.end(TERM)
    assert (folder / "audit").is_dir() is is_kept
    if is_kept:
        assert "player_joined" in {entry["event"] for entry in shown(folder)}
        assert verified(folder)


@pytest.mark.rule("T4.11")
async def test_without_its_key_the_server_does_not_start(tmp_path: Path) -> None:
    """It says which file is missing, and makes none."""
    folder = tmp_path / "data"
    with place(folder) as here:
        here.start()
        await here.end(TERM)
    (folder / "audit.key").unlink()
    done = await asyncio.to_thread(
        subprocess.run,
        command("serve", "--port", "0", "--data-dir", str(folder)),
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{folder}/audit.key: is missing" in done.stderr
    assert not (folder / "audit.key").exists()


@pytest.mark.rule("T4.1")
async def test_a_rotation_of_keys_is_an_entry(tmp_path: Path) -> None:
    """With the name of the new key, which says nothing about it."""
    folder = tmp_path / "data"
    with place(folder) as here:
        here.start()
        rotate = command("rotate-keys", "--data-dir", str(folder))
        await asyncio.to_thread(
            subprocess.run, rotate, cwd=REPOSITORY, env=environment(), check=True, stdout=-3
        )
        await asyncio.to_thread(
            here.server.wait_for_line, lambda line: line["event"] == "keys_reloaded"
        )
        await here.end(TERM)
    started, rotated, _ = shown(folder)
    assert rotated["event"] == "keys_reloaded"
    assert rotated["details"]["signingKeys"] == 2
    assert rotated["details"]["keys"] != started["details"]["keys"]


@pytest.mark.rule("T4.1")
async def test_other_keys_of_the_seal_and_of_tokens_are_entries(tmp_path: Path) -> None:
    """By their names, where they have some."""
    folder, seal, secret = tmp_path / "data", tmp_path / "seal.keys", tmp_path / "secret"
    rotate = command("rotate-key", "--seal-key-file", str(seal), "--data-dir", str(folder))

    async def rotated(*more: str) -> None:
        await asyncio.to_thread(
            subprocess.run,
            [*rotate, *more],
            cwd=REPOSITORY,
            env=environment(),
            check=True,
            stdout=-3,
        )

    secret.touch(0o600)
    secret.write_bytes(b"s" * 32)
    await rotated("--init")
    with place(folder, auth="jwt", jwt_secret_file=secret, seal_key_file=seal) as here:
        here.start()
        secret.write_bytes(b"t" * 32)
        await rotated()
        await asyncio.to_thread(
            here.server.wait_for_line, lambda line: line["event"] == "seal_keys_reloaded"
        )
        await here.end(TERM)
    told = {entry["event"]: entry.get("details") for entry in shown(folder)}
    ids = [line.split()[0] for line in seal.read_text("ascii").splitlines()[1:]]
    assert told["seal_keys_reloaded"] == {"keys": ids}
    assert "auth_keys_reloaded" in told
