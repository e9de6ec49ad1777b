"""Whom a resume token seats again after a restart, and whom never: who left, timed out, was
replaced, holds an outdated token or a foreign one (G6).
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.client import (
    JOINED,
    RESUMED,
    Client,
    changes_of,
    connected,
    expect,
    refused,
    seated,
    settle,
)
from tests.acceptance.frames import Object
from tests.acceptance.rawsocket import until_metrics
from tests.acceptance.restarting import (
    KILL,
    TERM,
    Place,
    come_back,
    follow,
    place,
    try_token,
)
from tests.acceptance.server import DEADLINE_S, REPOSITORY, Server, command, environment

LEVELS: Final = ("fast", "journal")
NEVER_FLUSHED: Final[dict[str, Any]] = {"durability": "fast", "flush_ms": 10_000}
"""All that the server is asked within the test is lost when it is killed."""


async def none_of(server: Server, *seats: Object) -> None:
    """No token of these seats seats anybody."""
    for seat in seats:
        refused(await try_token(server, seat), "resumeExpired")


async def lost(watcher: Client, client: Client) -> None:
    """Wait until the watcher sees the client as lost."""
    await watcher.reach(
        lambda: not watcher.mirror.players[client.mirror.socket_id]["connected"], "a loss"
    )


@pytest.mark.rule("G6.9")
@pytest.mark.parametrize("how", [KILL, TERM])
@pytest.mark.parametrize("level", LEVELS)
async def test_who_was_gone_before_the_end_stays_out(
    tmp_path: Path, level: str, how: signal.Signals
) -> None:
    """Who left, who switched away and who timed out, over two restarts; who stayed sees no one."""
    with place(tmp_path / "data", durability=level) as here:
        server = here.start(resume_grace_s=0.3)
        async with seated(server, "hall", 4) as (ann, bob, cid, dan):
            seats = [await client.join("hall") for client in (bob, cid, dan)]
            await bob.leave()
            await cid.join("attic")
            await dan.lose()
            await ann.reach(lambda: len(ann.mirror.players) == 1, "only itself")
            await here.flushed()
            for ending in (how, KILL):
                server = await here.restart(ending)
                await come_back(server, [ann, cid])
                await none_of(server, *seats)
                assert ann.mirror.players.keys() == {ann.mirror.socket_id}
                assert cid.mirror.players.keys() == {cid.mirror.socket_id}
                await here.flushed()


@pytest.mark.rule("G6.9", "G6.13")
@pytest.mark.parametrize("level", LEVELS)
async def test_who_timed_out_after_a_restart_stays_out_after_the_next(
    tmp_path: Path, level: str
) -> None:
    """Somebody who was not back by the end of the first grace is not let in by a second one."""
    with place(tmp_path / "data", durability=level) as here:
        async with seated(here.start(), "hall", 2) as (ann, bob):
            await here.flushed()
            server = await here.restart(KILL, resume_grace_s=1.5)
            await come_back(server, [ann])
            await ann.saw("playerLeftRoom")
            await here.flushed()
            server = await here.restart(KILL)
            await come_back(server, [ann])
            refused((await follow(server, [bob]))[0], "resumeExpired")
            assert ann.mirror.players.keys() == {ann.mirror.socket_id}


@pytest.mark.rule("G6.3", "G6.9", "G6.14")
async def test_a_join_that_was_answered_in_the_last_moment_counts(tmp_path: Path) -> None:
    """`fast`, and nothing was written: the tokens seat both again, also in a full room; one of
    them then leaves, and its tokens are spent for good.
    """
    with place(tmp_path / "data", players_max=2) as here:
        server = here.start(**NEVER_FLUSHED)
        async with seated(server, "hall", 2) as (ann, bob):
            first = await bob.join("hall")
            server = await here.restart(KILL, durability="fast")
            async with connected(server, "cid") as cid:
                await cid.join("hall")
                await come_back(server, [ann, bob])
                await settle([ann, bob, cid])
                assert len(cid.mirror.players) == 3
                assert changes_of(cid, bob.mirror.socket_id) == ["JoinedRoom"]
                second = await bob.join("hall")
                await bob.leave()
                await cid.leave()
            await none_of(server, first, second)
            await here.flushed()
            server = await here.restart(KILL)
            await come_back(server, [ann])
            await none_of(server, first, second)
            assert ann.mirror.players.keys() == {ann.mirror.socket_id}


@pytest.mark.rule("G6.3", "G6.9")
async def test_a_token_that_alone_seated_somebody_is_spent_when_that_one_times_out(
    tmp_path: Path,
) -> None:
    """`fast`, and nothing was written: seated by its token, lost, timed out; then it is void."""
    with place(tmp_path / "data") as here:
        async with seated(here.start(**NEVER_FLUSHED), "hall", 2) as (ann, bob):
            seats = [await bob.join("hall")]
            server = await here.restart(KILL, resume_grace_s=1.5)
            await come_back(server, [ann, bob])
            seats.append(await bob.join("hall"))
            await bob.lose()
            await ann.saw("playerLeftRoom")
            await none_of(server, *seats)
            assert ann.mirror.players.keys() == {ann.mirror.socket_id}


@pytest.mark.rule("G6.3", "G6.4")
@pytest.mark.parametrize("way", ["resumed", "joined again", "resumed and heard"])
async def test_a_newer_token_that_was_given_in_the_last_moment_counts(
    tmp_path: Path, way: str
) -> None:
    """`fast`: the player is stored, its newest token is not; with that it comes back."""
    folder = tmp_path / "data"
    with place(folder, durability="fast") as here:
        async with seated(here.start(), "hall", 1) as (ann,):
            await here.flushed()
            await here.end(KILL)
            server = here.start(**NEVER_FLUSHED)
            await come_back(server, [ann])
            if way == "joined again":
                await ann.join("hall")
            elif way == "resumed and heard":
                await ann.do("ready")
            server = await here.restart(KILL)
            await come_back(server, [ann])


@pytest.mark.rule("G6.7", "G6.8")
@pytest.mark.parametrize("level", LEVELS)
async def test_a_token_whose_successor_was_used_is_void_also_after_a_restart(
    tmp_path: Path, level: str
) -> None:
    """A frame came on the connection that got the newer one: the older seats nobody, ever."""
    with place(tmp_path / "data", durability=level) as here:
        async with seated(here.start(), "hall", 2) as (ann, bob):
            old = await ann.join("hall")
            await ann.lose()
            await lost(bob, ann)
            expect(await ann.reconnect(), RESUMED)
            await ann.do("ready")
            await here.flushed()
            for _ in range(2):
                server = await here.restart(KILL)
                await none_of(server, old)
                await come_back(server, [ann, bob])
                await ann.do("updatePlayer", displayName="Ann")
                await here.flushed()


@pytest.mark.rule("G6.7")
@pytest.mark.parametrize("level", LEVELS)
async def test_a_token_whose_successor_was_never_used_is_good_after_a_restart(
    tmp_path: Path, level: str
) -> None:
    """The answer with the newer one may have been lost: the older still seats its player."""
    with place(tmp_path / "data", durability=level) as here:
        async with seated(here.start(), "hall", 2) as (ann, bob):
            old = ann.tokens[-1]
            await ann.lose()
            await lost(bob, ann)
            expect(await ann.reconnect(), RESUMED)
            await here.flushed()
            server = await here.restart(KILL)
            ann.server = server
            await ann.open()
            answer = expect(await ann.resume(roomId="hall", resumeToken=old), JOINED)
            assert answer["socketId"] == ann.mirror.socket_id
            await come_back(server, [bob])
            await settle([ann, bob])
            assert ann.mirror.view() == bob.mirror.view()


@pytest.mark.rule("G6.8")
@pytest.mark.parametrize("level", LEVELS)
async def test_a_token_of_another_folder_is_refused(tmp_path: Path, level: str) -> None:
    """Each folder has keys of its own."""
    with (
        place(tmp_path / "one", durability=level) as one,
        place(tmp_path / "two", durability=level) as two,
    ):
        async with seated(one.start(), "hall", 1) as (ann,):
            seat = await ann.join("hall")
            await none_of(two.start(), seat)
            await one.flushed()
            await come_back(await one.restart(KILL), [ann])


@pytest.mark.rule("C4.7", "G6.9")
@pytest.mark.parametrize("level", LEVELS)
async def test_a_newer_session_replaces_one_that_is_not_back_yet(
    tmp_path: Path, level: str
) -> None:
    """Under `one_session_per_user`: the stored player is seen as replaced, its token is void."""
    with place(tmp_path / "data", durability=level, one_session_per_user=True) as here:
        server = here.start()
        async with connected(server, "ann") as ann, connected(server, "bob") as bob:
            await ann.join("hall", userId="ann", privacy={"hideUserId": True})
            await bob.join("hall", userId="bob")
            await here.flushed()
            server = await here.restart(KILL)
            await come_back(server, [bob])
            async with connected(server, "newer") as newer:
                await newer.join("hall", userId="ann")
                left = await bob.saw("playerLeftRoom")
                assert [p["reason"] for p in left["players"]] == ["replaced"]
                await settle([bob, newer])
                refused((await follow(server, [ann]))[0], "resumeExpired")
                await here.flushed()
                server = await here.restart(KILL)
                await come_back(server, [bob, newer])
                refused((await follow(server, [ann]))[0], "resumeExpired")
                await settle([bob, newer])
                assert bob.mirror.view() == newer.mirror.view()
                assert len(bob.mirror.players) == 2


@pytest.mark.rule("C4.7")
async def test_one_user_has_one_session_also_where_a_token_alone_seats(tmp_path: Path) -> None:
    """`fast`, and nothing was written: the user joins anew, and then the old session resumes; one
    of the two is left, whichever.
    """
    with place(tmp_path / "data", one_session_per_user=True) as here:
        async with connected(here.start(**NEVER_FLUSHED), "ann") as ann:
            await ann.join("hall", userId="ann")
            server = await here.restart(KILL, durability="fast")
            async with connected(server, "bob") as bob, connected(server, "newer") as newer:
                await bob.join("hall", userId="bob")
                await newer.join("hall", userId="ann")
                await follow(server, [ann])
                await bob.do("ready")
                users = sorted(player["userId"] for player in bob.mirror.players.values())
                assert users == ["ann", "bob"]


def rotate(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command that gives the folder a new key."""
    return subprocess.run(
        command("rotate-keys", "--data-dir", str(folder), *more),
        cwd=REPOSITORY,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


async def rotated(here: Place, *more: str) -> None:
    """Rotate the keys under the running server, and wait until it has taken them up."""
    before = len(here.server.lines)
    done = rotate(here.data_dir, *more)
    assert done.returncode == 0, done.stderr
    here.server.wait_for_line(lambda line: line["event"] == "keys_reloaded", since=before)


@pytest.mark.rule("G6.4", "G6.8")
@pytest.mark.parametrize("level", LEVELS)
async def test_tokens_outlive_a_rotation_of_the_keys(tmp_path: Path, level: str) -> None:
    """Given before it, they are good on the running server and after a restart; pseudonyms stay."""
    with place(tmp_path / "data", durability=level) as here:
        server = here.start()
        async with connected(server, "ann") as ann, connected(server, "bob") as bob:
            await ann.join("hall", userId="ann", privacy={"hideUserId": True})
            await bob.join("hall")
            name = ann.mirror.own["userId"]
            await rotated(here)
            await ann.lose()
            await lost(bob, ann)
            expect(await ann.reconnect(), RESUMED)
            await rotated(here)
            await here.flushed()
            server = await here.restart(KILL)
            await come_back(server, [ann, bob])
            assert ann.mirror.own["userId"] == name


@pytest.mark.rule("P4.8")
@pytest.mark.parametrize("harm", ["spoiled", "gone"])
async def test_keys_that_cannot_be_read_are_told_and_the_earlier_ones_go_on(
    tmp_path: Path, harm: str
) -> None:
    """No new ones are made in their place: tokens would be void, and nobody would know."""
    with place(tmp_path / "data") as here:
        server = here.start(errors_expected=True)
        keys = here.data_dir / "keys"
        async with seated(server, "hall", 2) as (ann, bob):
            good = keys.read_text(encoding="ascii")
            if harm == "gone":
                keys.unlink()
            else:
                keys.write_text("vaultmeet keys 1\n", encoding="ascii")
            server.signal(signal.SIGHUP)
            await asyncio.to_thread(
                server.wait_for_line, lambda line: line["event"] == "keys_not_reloaded"
            )
            await ann.lose()
            await lost(bob, ann)
            expect(await ann.reconnect(), RESUMED)
            keys.write_text(good, encoding="ascii")
            keys.chmod(0o600)


@pytest.mark.rule("G6.8", "P4.8")
async def test_tokens_do_not_outlive_a_revocation(tmp_path: Path) -> None:
    """With `--revoke` those given before are void at once; those given since are good."""
    with place(tmp_path / "data") as here:
        async with seated(here.start(), "hall", 2) as (ann, bob):
            seat = await ann.join("hall")
            await rotated(here, "--revoke")
            await none_of(here.server, seat)
            await bob.join("hall")
            await here.flushed()
            server = await here.restart(KILL)
            await none_of(server, seat)
            await come_back(server, [bob])
            await until_metrics(server, lambda m: m["vaultmeet_players"] == 2)
