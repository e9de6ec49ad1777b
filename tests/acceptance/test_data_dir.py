"""The data folder: whose it is, what is in it, and what a server does that finds it wrong (O)."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.client import connected, refused, seated, settle
from tests.acceptance.restarting import KILL, TERM, attempt, come_back, follow, listed, place

DATABASE: Final = "rooms.db"
GARBAGE: Final = (b"garbage", b"\x00" * 8192, random.Random(7).randbytes(20_000))


@contextmanager
def no_umask() -> Iterator[None]:
    """Whatever is made meanwhile has just the mode that its maker asked for."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def set_aside(folder: Path) -> list[Path]:
    """The database files that were set aside, without their companions."""
    found = sorted(folder.glob(f"{DATABASE}.corrupt-*"))
    return [path for path in found if not path.name.endswith(("-wal", "-shm"))]


def refuses(folder: Path, *named: str) -> None:
    """No server starts: exit code 1, and one line on standard error that names all of `named`."""
    ended = attempt(folder)
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    for name in (str(folder), *named):
        assert name in line
    assert "server_started" not in ended.stdout


def used(folder: Path) -> None:
    """Have a server make the folder, and end in order."""
    with place(folder) as here:
        here.start()


@pytest.mark.rule("O3.2")
async def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    """It names folder and process, and ends with 1; the first one notices nothing."""
    folder = tmp_path / "data"
    with place(folder) as here:
        server = here.start()
        async with seated(server, "hall", 2) as (ann, bob):
            await here.flushed()
            for _ in range(2):
                refuses(folder, str(server.process.pid))
            await ann.do("ready")
            await settle([ann, bob])
            assert bob.mirror.players[ann.mirror.socket_id]["isReady"] is True
            await here.flushed()
            await come_back(await here.restart(KILL), [ann, bob])
            assert ann.mirror.own["isReady"] is True


def test_after_a_kill_the_folder_is_free_at_once(tmp_path: Path) -> None:
    """Nothing has to be cleaned up: five servers, each started when the one before was killed."""
    with place(tmp_path / "data", durability="journal") as here:
        for _ in range(5):
            here.start()
            here.server.kill()
        here.start()


@pytest.mark.rule("O3.2")
def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    """Below a plain file, or where nothing can be made: exit code 1, and the reason."""
    file = tmp_path / "file"
    file.write_text("a file")
    refuses(file)
    refuses(file / "data")
    refuses(Path("/proc/vaultmeet/data"))
    assert file.read_text() == "a file"


def test_what_the_server_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The folder has mode 0700 and every file in it 0600, whatever the umask."""
    folder = tmp_path / "deep" / "data"
    with no_umask(), place(folder) as here:
        here.start()
        assert folder.stat().st_mode & 0o777 == 0o700
        modes = {
            path.name: path.stat().st_mode & 0o777 for path in folder.glob("**/*") if path.is_file()
        }
        assert {"keys", DATABASE, f"{DATABASE}-wal"} <= modes.keys()
        assert set(modes.values()) == {0o600}


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    """Who made it decides who may look into it; the files are the server's own."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o750)
    used(folder)
    assert folder.stat().st_mode & 0o777 == 0o750
    assert (folder / "keys").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"\x00" * 8192, random.Random(7).randbytes(20_000)]
)
async def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, garbage: bytes) -> None:
    """It keeps its bytes under another name, the operator is told, and the server serves."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / DATABASE).write_bytes(garbage)
    with place(folder, durability="journal") as here:
        server = here.start(errors_expected=True)
        (aside,) = set_aside(folder)
        assert aside.read_bytes() == garbage
        told = [line for line in server.lines if line["event"] == "store_set_aside"]
        assert [line["level"] for line in told] == ["error"]
        assert aside.name in told[0]["details"]["error"]
        async with seated(server, "hall", 2) as crowd:
            await here.end(KILL)
            await come_back(here.start(), crowd)
        assert set_aside(folder) == [aside]


async def test_a_database_with_a_damaged_page_is_set_aside(
    tmp_path: Path,
) -> None:
    """The server starts on a new one: nobody can resume, and everybody can join."""
    folder = tmp_path / "data"
    with place(folder, durability="journal", journal_bytes_max=1024) as here:
        async with seated(here.start(), "hall", 3) as crowd:
            for client in crowd:
                for n in range(4):
                    await client.do("updatePlayer", attributes={"text": "x" * 900, "n": n})
            await here.end(TERM)
            whole = (folder / DATABASE).read_bytes()
            pages = len(whole) // 4096
            assert pages > 3
            page = pages // 2
            damaged = whole[: page * 4096] + b"\xaa" * 4096 + whole[(page + 1) * 4096 :]
            (folder / DATABASE).write_bytes(damaged)
            server = here.start(errors_expected=True)
            assert any(line["event"] == "store_set_aside" for line in server.lines)
            for answer in await follow(server, crowd):
                refused(answer, "resumeExpired")
            for client in crowd:
                await client.join("hall")
            await settle(crowd)
            assert crowd[0].mirror.view() == crowd[2].mirror.view()


@pytest.mark.rule("O3.2")
def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Exit code 1, the file is named, and not a byte of the folder's databases is different."""
    folder = tmp_path / "data"
    used(folder)
    (folder / DATABASE).unlink()
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    before = (folder / DATABASE).read_bytes()
    refuses(folder, DATABASE)
    assert (folder / DATABASE).read_bytes() == before
    assert [path.name for path in folder.glob(f"{DATABASE}*")] == [DATABASE]


@pytest.mark.rule("O3.2")
def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """Exit code 1, the version is named, and not a byte is different."""
    folder = tmp_path / "data"
    used(folder)
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = (folder / DATABASE).read_bytes()
    refuses(folder, DATABASE, "999")
    assert (folder / DATABASE).read_bytes() == before


@pytest.mark.rule("O3.2")
@pytest.mark.parametrize("damage", ["", "half", "binary", "word"])
def test_damaged_keys_are_named_and_left_alone(tmp_path: Path, damage: str) -> None:
    """With other keys nobody could resume: exit code 1, and everything stays as it was."""
    folder = tmp_path / "data"
    used(folder)
    keys = folder / "keys"
    right = keys.read_bytes()
    damages = {"": b"", "half": right[: len(right) // 2], "binary": os.urandom(64)}
    keys.write_bytes(damages.get(damage, right + b"unknown 00\n"))
    before = {name: data for name, data in listed(folder).items() if name != "lock"}
    refuses(folder, "keys")
    assert {name: data for name, data in listed(folder).items() if name != "lock"} == before
    assert right[20:60].decode() not in attempt(folder).stderr


@pytest.mark.rule("O2.4", "P1.3", "P5.6")
@pytest.mark.parametrize("drain_s", [5, 0])
async def test_a_server_that_is_stopped_has_written_everything(
    tmp_path: Path, drain_s: float
) -> None:
    """`fast`, with nothing written for ten seconds: SIGTERM, exit code 0, and all is there, the
    last positions too; also where connections get no time at all.
    """
    with place(tmp_path / "data", durability="fast", drain_s=drain_s) as here:
        server = here.start(flush_ms=10_000, position_save_s=600)
        async with seated(server, "hall", 3) as (ann, bob, cid):
            await ann.do("ready")
            await bob.do("updatePlayer", displayName="Bob", attributes={"n": 1})
            await cid.leave()
            for n in range(20):
                await ann.tell("move", x=n, y=0.5)
            own = ann.mirror.socket_id
            await bob.reach(lambda: bob.mirror.position(own) == (19, 0.5), "the last position")
            await come_back(await here.restart(TERM), [ann, bob])
            await settle([ann, bob])
            assert ann.mirror.view() == bob.mirror.view()
            assert ann.mirror.position(own) == (19, 0.5)
            assert ann.mirror.own["isReady"] is True
            assert bob.mirror.own["displayName"] == "Bob"
            assert bob.mirror.own["attributes"] == {"n": 1}
            assert len(ann.mirror.players) == 2


@pytest.mark.rule("O2.4", "P5.6")
async def test_a_stop_with_many_rooms_writes_all_of_them(tmp_path: Path) -> None:
    """Sixty rooms, and their journal folded on the way: everybody comes back."""
    with place(tmp_path / "data", durability="fast", journal_bytes_max=1024) as here:
        async with seated(here.start(), "hall", 6) as crowd:
            for n in range(60):
                await crowd[n % 6].join(f"room-{n}", attributes={"n": n})
            server = await here.restart(TERM)
            await come_back(server, crowd)
            for n, client in enumerate(crowd, 54):
                assert client.mirror.own["attributes"] == {"n": n}
                assert len(client.mirror.players) == 1


@pytest.mark.rule("O2.5", "O2.4")
async def test_signals_that_come_early_end_the_server_in_order(tmp_path: Path) -> None:
    """SIGINT counts as SIGTERM, and a server that is stopped right after its start exits with 0."""
    with place(tmp_path / "data", durability="journal") as here:
        for how in (TERM, signal.SIGINT):
            here.start()
            await here.end(how)
        async with connected(here.start()) as ann:
            await ann.join("hall")
