"""A person erased from everything that a server keeps, as its operator sees it (T5)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.client import Client, connected, expect, refused, resume_of
from tests.acceptance.frames import Object
from tests.acceptance.restarting import KILL, UNLIMITED, Place, listed, place
from tests.acceptance.server import Server, wait_until
from tests.acceptance.test_moderation import ALL, secret_file
from tests.acceptance.test_sealed import rotated, told, vaultmeet
from tests.transport import minted

USER: Final = "CanaryUser"
PROFILE: Final = {"displayName": "CanaryName", "attributes": {"CanaryHue": "CanaryBlue"}}
CANARIES: Final = ("CanaryUser", "CanaryName", "CanaryHue", "CanaryBlue")


@dataclass
class Story:
    """What is known of the folder before the erasure."""

    here: Place
    options: list[str]
    eve: Client
    hidden: Client
    mod: Client
    seat: Object
    pseudonym: str

    def command(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        return vaultmeet(name, *words, *self.options)

    def audit(self, act: str, *words: str) -> subprocess.CompletedProcess[str]:
        return vaultmeet("audit", act, str(self.here.data_dir), *words)

    def found(self) -> set[str]:
        """What of the person is in any name or byte below the folder."""
        listing = listed(self.here.data_dir)
        everything = b"".join(listing.values()) + " ".join(map(str, listing)).encode()
        return {word for word in (*CANARIES, self.pseudonym) if word.encode() in everything}


def bearer(user: str, rooms: object) -> dict[str, Any]:
    """The options of a connection of `user`, whose token says so of rooms."""
    claims = {"sub": user, "exp": time.time() + 600, "rooms": rooms}
    return {"additional_headers": {"Authorization": f"Bearer {minted.hs256(claims)}"}}


@asynccontextmanager
async def story(tmp_path: Path, sealed: bool, **settings: Any) -> AsyncIterator[Story]:
    """Somebody sits in one room by name and hides in another, owns one, is on a list, was banned,
    and is in a recording; a moderator is there, too. The server was killed once in between.
    """
    folder = tmp_path / "data"
    options = ["--data-dir", str(folder)]
    chosen: dict[str, Any] = {
        "auth": "jwt",
        "auth_timeout_s": 60,
        "jwt_secret_file": secret_file(tmp_path),
        "journal_bytes_max": 1024,
        "resume_grace_s": 300,
    } | settings
    if sealed:
        keys = tmp_path / "seal.keys"
        rotated(keys, folder, "--init")
        chosen["seal_key_file"] = keys
        options += ["--seal-key-file", str(keys)]
    user = bearer(USER, {"*": ["join", "move", "message"]})
    with place(folder, **chosen) as here:
        server = here.start()
        async with (
            connected(server, "mod", **bearer("mod", {"*": ALL})) as mod,
            connected(server, "eve", **user) as eve,
            connected(server, "hidden", **user) as hidden,
        ):
            for room, act in (
                ("gate", {"type": "banUser", "userId": USER, "reason": "spam"}),
                ("court", {"type": "setRoom", "owner": USER}),
                ("list", {"type": "setRoom", "private": True, "allow": [USER, "mod"]}),
            ):
                await mod.join(room)
                kind = str(act.pop("type"))
                expect(await mod.ask(kind, **act), "ok")
            await mod.join("hall")
            seat = await eve.join("hall", **PROFILE)
            den = await hidden.join("den", privacy={"hideUserId": True}, **PROFILE)
            (shown,) = [one["userId"] for one in den["players"]]
            for number in range(4):  # so that some of it is folded
                attributes = {"CanaryHue": "CanaryBlue", "text": "x" * 500, "n": number}
                await eve.do("updatePlayer", attributes=attributes)
            await eve.do("sendRoomMessage", event="CanaryEvent", data="CanaryData")
            await hidden.ask("validateRoomState", roomId="den", expectedPlayers=["nobody"])
            await told(server, "recording_written")
            await here.flushed()
            await asyncio.to_thread(wait_until, lambda: _is_audited(folder), "the audit")
            server = await here.restart(KILL)
            await returned(server, mod, bearer("mod", {"*": ALL}))
            await returned(server, eve, user)
            await returned(server, hidden, user)
            yield Story(here, options, eve, hidden, mod, seat, shown)


async def returned(server: Server, client: Client, options: dict[str, Any]) -> None:
    """The client resumes on another server, as who it was."""
    client.server = server
    await client.open(**options)
    expect(await client.resume(), "roomGameSpaceJoined")


def _is_audited(folder: Path) -> bool:
    files = sorted((folder / "audit").glob("*.jsonl"))
    return sum(path.read_bytes().count(b"player_joined") for path in files) >= 6


def said(ended: subprocess.CompletedProcess[str]) -> str:
    """What a command that did all that it should has printed."""
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


@pytest.fixture(params=[True, False], ids=["sealed", "clear"])
def sealed(request: pytest.FixtureRequest) -> bool:
    """Whether there is a seal key."""
    return bool(request.param)


@pytest.mark.rule("T5.3", "T5.4", "T5.5", "T5.6", "T5.7")
async def test_who_is_erased_while_a_server_runs_is_nowhere_any_more(
    sealed: bool, tmp_path: Path
) -> None:
    """Out of the rooms at once, with 4503, and for the others as one who has left; no byte of the
    folder is about them, no token brings them back, and the audit is whole.
    """
    async with story(tmp_path, sealed) as past:
        if not sealed:
            assert past.found() == {*CANARIES, past.pseudonym}
        answer = said(await asyncio.to_thread(past.command, "erase-user", USER))
        for part in ("court: owner, gate: ban, list: allow", "recordings: 1", "made unreadable"):
            assert part in answer, answer
        assert await past.eve.link.closed() == 4503
        assert await past.hidden.link.closed() == 4503
        left = await past.mod.saw("playerLeftRoom")
        assert left["players"][0]["reason"] == "left"
        assert past.found() == set()
        assert not list((past.here.data_dir / "erasures").iterdir())
        shown = said(past.audit("verify"))
        assert shown.rstrip().endswith("whole")
        assert said(past.audit("show", "--user", USER)) == ""
        assert "person_erased" in said(past.audit("show"))
        async with connected(past.here.server, "eve", **bearer(USER, {"*": ["join"]})) as again:
            refused(await again.ask("resumeRoomGameSpace", **resume_of(past.seat)), "resumeExpired")
        server = await past.here.restart(KILL)
        await returned(server, past.mod, bearer("mod", {"*": ALL}))
        async with connected(server, "eve", **bearer(USER, {"*": ["join"]})) as again:
            refused(await again.ask("resumeRoomGameSpace", **resume_of(past.seat)), "resumeExpired")
            await again.join("gate")  # the ban went, too


@pytest.mark.rule("T5.3", "T5.5", "T5.6", "T5.7")
async def test_who_is_erased_while_no_server_runs_is_nowhere_any_more(
    sealed: bool, tmp_path: Path
) -> None:
    """The command does it by itself, and the others come back to where they were."""
    async with story(tmp_path, sealed) as past:
        await past.here.end(KILL)
        answer = said(past.command("erase-user", USER))
        for part in ("store: 2 seats", "court: owner", "recordings: 1", "made unreadable"):
            assert part in answer, answer
        assert past.found() == set()
        assert said(past.audit("verify")).rstrip().endswith("whole")
        again = said(past.command("erase-user", USER))
        assert "store: 0 seats; rules: none" in again
        assert "audit: nothing there" in again
        assert said(past.audit("show")).count("person_erased") == 2, "who did it when is kept"
        server = past.here.start()
        await returned(server, past.mod, bearer("mod", {"*": ALL}))
        (player,) = (await past.mod.ask("requestRoomState"))["players"]
        assert player["userId"] == "mod"
        async with connected(server, "eve", **bearer(USER, {"*": ["join"]})) as again_:
            lost = resume_of(past.seat)
            refused(await again_.ask("resumeRoomGameSpace", **lost), "resumeExpired")


@pytest.mark.rule("T5.8")
@pytest.mark.parametrize("moment", ["request", "store", "recordings", "audit", "answer"])
async def test_killed_at_any_moment_it_is_finished_by_the_next_start(
    moment: str, tmp_path: Path
) -> None:
    """By the command's own death here; the server finishes what is there, before anything else."""
    async with story(tmp_path, sealed=False) as past:
        await past.here.end(KILL)
        words = ("erase-user", USER, *past.options)
        died = vaultmeet(*words, program="tests.acceptance.dying", VAULTMEET_DIES_AT=moment)
        assert died.returncode == -KILL
        assert list((past.here.data_dir / "erasures").glob("*.request"))
        server = past.here.start()
        await told(server, "person_erased")
        assert past.found() == set()
        assert said(past.audit("verify")).rstrip().endswith("whole")
        await returned(server, past.mod, bearer("mod", {"*": ALL}))


@pytest.mark.rule("T5.8")
async def test_a_server_killed_in_an_erasure_leaves_it_to_the_command(tmp_path: Path) -> None:
    """Who waits for the answer of a server that dies does it in its place."""
    async with story(tmp_path, sealed=True) as past:
        server = past.here.server
        with past.here.stopped():
            asked = asyncio.create_task(asyncio.to_thread(past.command, "erase-user", USER))
            requests = past.here.data_dir / "erasures"
            await asyncio.to_thread(
                wait_until, lambda: bool(list(requests.glob("*.request"))), "the request"
            )
        server.kill()
        answer = said(await asked)
        assert answer.rstrip().endswith("erased")
        assert past.found() == set()
        past.here.start()


@pytest.mark.rule("T5.4", "T5.5", "T5.7")
async def test_a_server_that_keeps_an_audit_alone_erases_by_request_too(tmp_path: Path) -> None:
    """And names what lies in the folder from when it kept more."""
    folder = tmp_path / "data"
    options = (USER, "--data-dir", str(folder))
    with place(folder, durability="memory", audit="on") as here:
        server = here.start()
        async with connected(server) as eve, connected(server) as bob:
            await eve.join("hall", userId=USER)
            await bob.join("hall", userId="bob")
            answer = said(await asyncio.to_thread(vaultmeet, "erase-user", *options))
            assert answer.startswith("open rooms: 1 places")
            assert "made unreadable" in answer
            assert await eve.link.closed() == 4503
            await bob.saw("playerLeftRoom")
        (folder / "rooms.db").touch()
        ended = await asyncio.to_thread(vaultmeet, "erase-user", *options)
        assert ended.returncode == 1
        assert "left: " in ended.stderr
        assert "rooms.db: the server as it is set does not use it" in ended.stderr


@pytest.mark.rule("T5.9")
async def test_a_full_disk_is_told_and_the_erasure_goes_on_when_it_is_not(tmp_path: Path) -> None:
    """Nobody is told of what is not durable; then all of it is done, and the command hears."""
    folder = tmp_path / "data"
    with place(folder, store_retry_s=0.05) as here:
        server = here.start(errors_expected=True)
        async with connected(server) as eve:
            await eve.join("hall", userId=USER, **PROFILE)
            await here.flushed()
            here.limit_files(1)
            words = ("erase-user", USER, "--data-dir", str(folder))
            asked = asyncio.create_task(asyncio.to_thread(vaultmeet, *words))
            await told(server, "store_failed")
            assert list((folder / "erasures").glob("*.request"))
            expect(await eve.ask("ping"), "pong")
            here.limit_files(UNLIMITED)
            assert said(await asked).rstrip().endswith("erased")
            assert await eve.link.closed() == 4503
            everything = b"".join(listed(folder).values())
            assert not [word for word in CANARIES if word.encode() in everything]


@pytest.mark.rule("T5.11")
async def test_all_that_is_kept_of_somebody_is_exported(sealed: bool, tmp_path: Path) -> None:
    """Nothing about anybody else; the rest of the folder stays as it was; with a server and
    without.
    """
    async with story(tmp_path, sealed) as past:
        running = json.loads(said(past.command("export-user", USER)))
        await past.here.end(KILL)
        before = listed(past.here.data_dir)
        text = said(past.command("export-user", USER))
        after = listed(past.here.data_dir)
        changed = {name for name in after if before.get(name) != after[name]} - {"rooms.db-shm"}
        assert {name.split("/")[0] for name in changed} == {"audit", "lock"}, "that it was done"
        exported = json.loads(text)
        rooms = {room["roomId"]: room for room in exported["rooms"]}
        assert set(rooms) == {"court", "den", "gate", "hall", "list"}
        assert {room["roomId"] for room in running["rooms"]} == set(rooms)
        assert rooms["court"]["rules"] == {"owner": True}
        assert rooms["list"]["rules"] == {"allow": True}
        assert rooms["gate"]["rules"] == {"ban": [{"reason": "spam", "until": None}]}
        (player,) = rooms["hall"]["players"]
        assert player["displayName"] == "CanaryName"
        assert player["attributes"]["CanaryHue"] == "CanaryBlue"
        assert rooms["den"]["players"][0]["shownAs"] == past.pseudonym
        (recording,) = exported["recordings"]
        assert (recording["roomId"], recording["appearsAs"]) == ("den", past.pseudonym)
        roles = {(entry["event"], entry["role"]) for entry in exported["audit"]}
        assert ("player_joined", "subject") in roles
        assert ("user_banned", "concerned") in roles
        others = {'"mod"', past.mod.mirror.socket_id}
        assert not {word for word in others if word in text}
        assert (exported["userId"], exported["unreadable"]) == (USER, [])
        nobody = json.loads(said(past.command("export-user", "nobody")))
        assert [nobody[part] for part in ("rooms", "recordings", "audit")] == [[], [], []]


@pytest.mark.rule("T5.11")
async def test_what_a_moderator_did_is_exported_without_whom_it_was_about(tmp_path: Path) -> None:
    """And the other way round."""

    def entries_of(user: str) -> list[dict[str, Any]]:
        exported = json.loads(said(past.command("export-user", user)))
        return [entry for entry in exported["audit"] if entry["event"] == "player_kicked"]

    async with story(tmp_path, sealed=False) as past:
        expect(await past.mod.ask("kickPlayer", userId=USER, reason="CanaryWhy"), "ok")
        await asyncio.to_thread(wait_until, lambda: bool(entries_of("mod")), "the audit")
        (mine,), (about,) = entries_of("mod"), entries_of(USER)
        assert (mine["role"], mine["userId"], mine["roomId"]) == ("subject", "mod", "hall")
        assert "Canary" not in json.dumps(mine)
        assert past.eve.mirror.socket_id not in json.dumps(mine)
        assert about["details"]["socketIds"] == [past.eve.mirror.socket_id]
        assert (about["role"], about["roomId"]) == ("concerned", "hall")
        assert about["told"]["why"] == "CanaryWhy"
        assert not {"userId", "socketId", "person"} & about.keys()


@pytest.mark.rule("T5.7", "T5.11", "T3.2")
async def test_without_the_key_of_a_sealed_folder_nothing_is_done(tmp_path: Path) -> None:
    """And no request lies there in the clear."""
    async with story(tmp_path, sealed=True) as past:
        for name in "erase-user", "export-user":
            ended = vaultmeet(name, USER, *past.options[:2])
            assert ended.returncode == 1
            assert "give seal_key_file" in ended.stderr
        assert past.found() == set()
        assert not (past.here.data_dir / "erasures").exists()


@pytest.mark.rule("T5.7")
@pytest.mark.parametrize("name", ["erase-user", "export-user"])
def test_what_cannot_be_done_is_said(name: str, tmp_path: Path) -> None:
    """A folder that is none, a user that is none."""
    ended = vaultmeet(name, USER, "--data-dir", str(tmp_path / "no"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "no such folder" in ended.stderr
    ended = vaultmeet(name, "two\nlines", "--data-dir", str(tmp_path))
    assert ended.returncode == 1
    assert "USER_ID: expected 1-128 characters" in ended.stderr
    assert not list(tmp_path.iterdir())
