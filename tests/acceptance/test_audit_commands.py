"""Every command is in the audit: whatever it is, whoever has the folder, whenever it dies (T4)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.client import connected
from tests.acceptance.restarting import KILL, TERM, Place, listed, place
from tests.acceptance.server import wait_until
from tests.acceptance.test_erasure import bearer, said
from tests.acceptance.test_moderation import ALL, secret_file
from tests.acceptance.test_sealed import rotated, told, vaultmeet

USER: Final = "CanaryUser"
DYING: Final = "tests.acceptance.dying"


@dataclass
class Office:
    """Where an operator works: a folder, and the settings that server and commands share."""

    here: Place
    config: Path

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command, with the settings."""
        return vaultmeet(*words, "--config", str(self.config), **more)

    async def do(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The same, while others go on."""
        return await asyncio.to_thread(self.run, *words, **more)

    def entries(self) -> list[dict[str, Any]]:
        """All of the audit, which is whole, the entry that it is shown now included."""
        assert said(self.run("audit", "verify")).rstrip().endswith("whole")
        return [json.loads(line) for line in said(self.run("audit", "show")).splitlines()]

    def commands(self) -> list[dict[str, Any]]:
        """What of it is about commands, without the two that looked."""
        return [entry for entry in self.entries() if entry["event"] == "command_run"][:-2]

    def notes(self) -> list[str]:
        """What waits in the folder."""
        notes = self.here.data_dir / "audit-notes"
        return sorted(path.name for path in notes.iterdir()) if notes.is_dir() else []


def office(here: Place, tmp_path: Path, **settings: Any) -> Office:
    """With these settings for the commands."""
    config = tmp_path / "vaultmeet.toml"
    chosen = {"data_dir": str(here.data_dir), **settings}
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in chosen.items()))
    return Office(here, config)


@pytest.mark.rule("T4.12", "T4.6")
@pytest.mark.parametrize("is_running", [True, False], ids=["server", "alone"])
async def test_every_command_is_an_entry_before_what_came_of_it(
    is_running: bool, tmp_path: Path
) -> None:
    """With who ran it and what matters of its arguments, never a key; whom it is about is sealed.
    Nothing is an entry that did not happen.
    """
    folder, seal = tmp_path / "data", tmp_path / "seal.keys"
    rotated(seal, folder, "--init")
    settings = {
        "auth": "jwt",
        "jwt_secret_file": str(secret_file(tmp_path)),
        "seal_key_file": str(seal),
    }
    with place(folder, **settings) as here:
        server = here.start()
        desk = office(here, tmp_path, **settings)
        async with connected(server, "eve", **bearer(USER, {"*": ALL})) as eve:
            await eve.join("hall")
            await here.flushed()
        if not is_running:
            await here.end(TERM)
        for words in (
            ("export-user", USER),
            ("audit", "show", "--user", USER, "--room", "hall", "--since", "2026-01-01"),
            ("audit", "verify"),
            ("rotate-keys", "--revoke"),
            ("rotate-key",),
            ("token", "--sub", USER, "--rooms", '{"hall": ["join"]}', "--ttl-s", "60"),
            ("export-user", "nobody"),
            ("erase-user", "nobody"),
        ):
            assert said(await desk.do(*words))
            assert desk.notes() == [], words
        if is_running:
            await told(server, "seal_keys_reloaded")
            await here.end(TERM)
            logged = [line["event"] for line in server.lines if "_reloaded" in line["event"]]
            assert logged == ["keys_reloaded", "seal_keys_reloaded"], "nor does the log"
        entries = desk.entries()
        exported = json.loads(said(desk.run("export-user", USER)))["audit"]
    told_to_user = [entry for entry in exported if entry["event"] == "command_run"]
    assert [entry["role"] for entry in told_to_user] == ["concerned"] * 3
    assert all("by" not in entry["details"] for entry in told_to_user), "who it was is about others"
    assert desk.notes() == []
    runs = [entry for entry in entries if entry["event"] == "command_run"][:-2]
    details = [entry["details"] for entry in runs]
    for one in details:
        assert one.pop("note")
        assert one.pop("ranAt")
        by = one.pop("by")
        assert (by["uid"], by["pid"] > 0) == (os.getuid(), True)
    ids = [line.split()[0] for line in seal.read_text("ascii").splitlines()[1:]]
    assert [one["command"] for one in details] == [
        "export-user",
        "audit show",
        "audit verify",
        "rotate-keys",
        "rotate-key",
        "token",
        "export-user",
        "erase-user",
    ]
    export, show, verify, keys, sealing, token, nobody, erased = details
    assert (export["rooms"], export["audit"] > 0) == (1, True)
    assert show["since"] == "2026-01-01T00:00:00+00:00"
    assert (verify["breaches"], verify["through"] > 0) == (0, True)
    assert (keys["revoke"], keys["signingKeys"]) == (True, 1)
    assert (sealing["turn"], sealing["keys"]) == ("add", ids)
    assert token == {"command": "token", "ttlS": 60}
    assert nobody == {"command": "export-user", "rooms": 0, "recordings": 0, "audit": 0}
    assert erased == {"command": "erase-user"}
    about = [[one["userId"] for one in entry.get("about", ())] for entry in runs]
    assert about == [[USER], [USER], [], [], [], [USER], [], []]
    assert runs[5]["about"][0]["rooms"] == '{"hall": ["join"]}'
    assert runs[1]["roomId"] == "hall"
    assert all(USER.encode() not in content for content in listed(folder).values())
    reloaded = [entry for entry in entries if entry["event"].endswith("keys_reloaded")]
    if is_running:
        events = [entry["event"] for entry in reloaded]
        assert events == ["keys_reloaded", "seal_keys_reloaded"], "not for every command"
        assert reloaded[0]["n"] > runs[3]["n"]
        assert reloaded[0]["details"]["keys"] == keys["keys"]
        assert reloaded[1]["n"] > runs[4]["n"]
    else:
        assert reloaded == []


@pytest.mark.rule("T4.14")
@pytest.mark.parametrize("moment", ["note", "entry"])
@pytest.mark.parametrize("words", [("export-user", USER), ("rotate-keys",)], ids=["out", "change"])
async def test_a_command_that_dies_is_recorded_by_whoever_comes_next(
    words: tuple[str, ...], moment: str, tmp_path: Path
) -> None:
    """The server's start here; written twice it has the same name. Nothing was given out."""
    with place(tmp_path / "data") as here:
        here.start()
        await here.end(TERM)
        desk = office(here, tmp_path)
        died = desk.run(*words, program=DYING, VAULTMEET_DIES_AT=moment)
        assert (died.returncode, died.stdout) == (-KILL, "")
        assert len(desk.notes()) == 1
        server = here.start()
        await told(server, "command_recorded")
        await here.end(TERM)
        assert desk.notes() == []
        runs = desk.commands()
        assert [run["details"]["command"] for run in runs] == [words[0]] * len(runs)
        assert len({run["details"]["note"] for run in runs}) == 1
        assert len(runs) == (2 if moment == "entry" else 1)


@pytest.mark.rule("T4.14")
async def test_the_next_command_has_a_server_take_what_a_dead_one_left(tmp_path: Path) -> None:
    """And a server that dies leaves it to the command that waits for it."""
    with place(tmp_path / "data") as here:
        server = here.start()
        desk = office(here, tmp_path)
        died = await desk.do("export-user", USER, program=DYING, VAULTMEET_DIES_AT="note")
        assert died.returncode == -KILL
        said(await desk.do("audit", "verify"))
        assert desk.notes() == []
        with here.stopped():
            asked = asyncio.create_task(desk.do("export-user", "bob"))
            await asyncio.to_thread(wait_until, lambda: len(desk.notes()) == 1, "the note")
        server.kill()
        assert json.loads(said(await asked))["userId"] == "bob"
        names = [run["details"]["command"] for run in desk.commands()]
        assert names == ["export-user", "audit verify", "export-user"]
        here.start()


@pytest.mark.rule("T4.17", "T5.3", "T5.5")
@pytest.mark.parametrize("is_running", [True, False], ids=["server", "alone"])
async def test_no_note_of_somebody_who_is_erased_is_left(is_running: bool, tmp_path: Path) -> None:
    """Neither one that waited, nor one that was set aside; and no entry names the user again."""
    folder = tmp_path / "data"
    with place(folder) as here:
        server = here.start(errors_expected=True)
        desk = office(here, tmp_path)
        async with connected(server) as eve:
            await eve.join("hall", userId=USER)
            await here.flushed()
        if not is_running:
            await here.end(KILL)
        died = await desk.do("export-user", USER, program=DYING, VAULTMEET_DIES_AT="note")
        assert died.returncode == -KILL
        (folder / "audit-notes" / "x.note").write_text(json.dumps({"person": USER}))
        (folder / "audit-notes" / ".y.note.new").write_text(USER if not is_running else "")
        said(await desk.do("erase-user", USER))
        if is_running:
            await told(server, "command_note_refused")
            (folder / "audit-notes" / ".y.note.new").unlink()
        assert desk.notes() == []
        everything = b"".join(listed(folder).values())
        assert b"Canary" not in everything
        assert said(await desk.do("audit", "show", "--user", USER)) == ""
        exported = json.loads(said(await desk.do("export-user", USER)))
        assert (exported["rooms"], exported["audit"]) == ([], [])
        assert said(await desk.do("audit", "show", "--user", USER)) == ""
        if is_running:
            await here.end(TERM)
        told_of = [entry for entry in desk.entries() if "about" in entry]
        assert [entry["details"]["command"] for entry in told_of] == ["export-user"]
        assert all(one.get("erased") for entry in told_of for one in entry["about"])


@pytest.mark.rule("T4.13")
@pytest.mark.parametrize("is_running", [True, False], ids=["server", "alone"])
async def test_what_cannot_be_recorded_is_not_given_out(is_running: bool, tmp_path: Path) -> None:
    """Keys are rotated all the same, and persons erased by a server that can; both say so."""
    folder = tmp_path / "data"
    with place(folder) as here:
        server = here.start()
        if not is_running:
            await here.end(TERM)
        desk = office(here, tmp_path, audit_key_file=str(tmp_path / "nowhere.key"))
        for words in (("export-user", USER), ("audit", "show")):
            ended = await desk.do(*words)
            assert (ended.returncode, ended.stdout) == (1, "")
            assert "nowhere.key" in ended.stderr
        ended = await desk.do("rotate-keys")
        assert (ended.returncode, ended.stderr.count("not in the audit: ")) == (0, 1)
        assert "signing keys: 2" in ended.stdout
        if is_running:
            await told(server, "keys_reloaded")
            ended = await desk.do("erase-user", USER)
            assert (ended.returncode, ended.stderr.count("not in the audit: ")) == (0, 1)
            await here.end(TERM)
        assert desk.notes() == []
        desk = office(here, tmp_path)
        assert desk.commands() == []


@pytest.mark.rule("T4.16")
async def test_with_audit_off_no_command_is_recorded(tmp_path: Path) -> None:
    """Where the server keeps none, and where there was one once."""
    folder = tmp_path / "data"
    with place(folder, audit="off") as here:
        here.start()
        desk = office(here, tmp_path)
        said(await desk.do("export-user", USER))
        said(await desk.do("rotate-keys"))
        await here.end(TERM)
        said(desk.run("export-user", USER))
        assert not [name for name in listed(folder) if "audit" in name]
    with place(folder) as here:
        here.start()
        await here.end(TERM)
        off = office(here, tmp_path, audit="off")
        said(off.run("export-user", USER))
        said(off.run("erase-user", USER))
        on = office(here, tmp_path)
        server = here.start(audit="off")
        said(await on.do("export-user", USER))
        await told(server, "command_notes_discarded")
        await here.end(TERM)
        assert on.commands() == []


@pytest.mark.rule("T4.12", "P5.1")
async def test_commands_and_the_start_of_a_server_wait_for_each_other(tmp_path: Path) -> None:
    """None of them fails for another, and each is recorded."""
    with place(tmp_path / "data") as here:
        here.start()
        await here.end(TERM)
        desk = office(here, tmp_path)
        asked = [asyncio.create_task(desk.do("export-user", f"user-{n}")) for n in range(3)]
        await asyncio.to_thread(here.start)
        for one in asked:
            said(await one)
        await here.end(TERM)
        assert len(desk.commands()) == 3
        assert len({run["details"]["note"] for run in desk.commands()}) == 5, "two looks before"
