"""The folder of a server's data: one server at a time, and keys that nobody else reads."""

import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from actors.keys import KEY_BYTES, KeyRing, parse
from transport.data_dir import KEYS_NAME, LOCK_NAME, DataDir, DataDirInUse, DataDirUnusable

HOLDER = """
import sys
from pathlib import Path
from transport.data_dir import DataDir
folder = DataDir(Path(sys.argv[1]), bytes)
folder.lock()
sys.stdout.write("locked\\n")
sys.stdout.flush()
sys.stdin.read()
"""


class Killed(BaseException):
    """The process is gone at this point."""


class Counted:
    """Each call gives other bytes."""

    def __init__(self, start: int = 1) -> None:
        self._numbers = count(start)

    def __call__(self, size: int) -> bytes:
        return next(self._numbers).to_bytes(size)


def key(number: int) -> bytes:
    """The one that `Counted` gives at this number."""
    return number.to_bytes(KEY_BYTES)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataDir]:
    """One that does not exist yet."""
    folder = DataDir(tmp_path / "some" / "data", Counted())
    yield folder
    folder.unlock()


def mode_of(path: Path) -> int:
    """Its permissions."""
    return stat.S_IMODE(path.stat().st_mode)


# -- the lock


def test_nothing_is_touched_before_it_is_locked(folder: DataDir) -> None:
    """Then the folder is made, with the folders above it, for its owner alone."""
    assert not folder.path.parent.exists()
    assert folder.server() is None
    assert not folder.path.parent.exists()
    folder.lock()
    assert mode_of(folder.path) == 0o700
    assert mode_of(folder.path / LOCK_NAME) == 0o600
    assert [path.name for path in folder.path.iterdir()] == [LOCK_NAME]


@pytest.mark.rule("P5.1")
def test_a_second_server_is_refused_and_told_who_has_it(folder: DataDir) -> None:
    """By folder and process; once it is left, the second one gets in."""
    folder.lock()
    second = DataDir(folder.path, Counted())
    for _ in "two tries":
        with pytest.raises(DataDirUnusable) as raised:
            second.lock()
        assert str(raised.value) == (
            f"{folder.path} is in use by another server (process {os.getpid()})"
        )
    folder.unlock()
    second.lock()
    with pytest.raises(DataDirUnusable, match="in use"):
        folder.lock()
    second.unlock()


def test_unlocking_may_be_repeated_and_leaves_others_locks_alone(folder: DataDir) -> None:
    """Also where it was never locked."""
    folder.unlock()
    folder.lock()
    folder.unlock()
    second = DataDir(folder.path, Counted())
    second.lock()
    folder.unlock()
    assert second.server() == os.getpid()
    second.unlock()


@pytest.mark.rule("P5.1")
def test_a_lock_goes_with_its_process_however_that_ends(folder: DataDir) -> None:
    """Here by kill -9; until then the process is the server of the folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        assert folder.server() == process.pid
        with pytest.raises(DataDirUnusable, match=rf"process {process.pid}\)"):
            folder.lock()
        assert folder.server() == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert folder.server() is None
    folder.lock()
    assert folder.server() == os.getpid()


def test_the_server_is_who_holds_the_lock_now(folder: DataDir) -> None:
    """Not who had it: a number in a file is no lock."""
    folder.lock()
    other = DataDir(folder.path, Counted())
    assert other.server() == folder.server() == os.getpid()
    folder.unlock()
    assert other.server() is None
    assert (folder.path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_longer_number_of_an_earlier_server_is_gone(folder: DataDir) -> None:
    """Nothing of it is left behind the new one."""
    folder.path.mkdir(parents=True)
    (folder.path / LOCK_NAME).write_text("12345678901234\n")
    folder.lock()
    assert folder.server() == os.getpid()


@pytest.mark.rule("P5.8")
def test_a_folder_below_a_file_is_unusable_and_named(tmp_path: Path) -> None:
    """So is one that is a file itself; the file stays as it is."""
    file = tmp_path / "file"
    file.write_text("mine")
    for path in (file, file / "data", file / "data" / "deeper"):
        with pytest.raises(DataDirUnusable, match=re.escape(str(path))):
            DataDir(path, Counted()).lock()
        with pytest.raises(DataDirUnusable, match=re.escape(str(path))):
            DataDir(path, Counted()).keys()
        assert DataDir(path, Counted()).server() is None
    assert file.read_text() == "mine"


def test_a_failed_lock_is_not_half_held(folder: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process cannot write its number, the folder is left to others."""

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(DataDirUnusable, match="No space left"):
            folder.lock()
    assert folder.server() is None
    second = DataDir(folder.path, Counted())
    second.lock()
    second.unlock()


# -- the keys


@pytest.mark.rule("P5.5", "P4.8")
def test_keys_are_made_once_and_are_the_same_ever_after(folder: DataDir) -> None:
    """For their owner alone; two keys that are not the same."""
    folder.lock()
    ring = folder.keys()
    assert ring == KeyRing(key(1), (key(2),))
    assert mode_of(folder.path / KEYS_NAME) == 0o600
    assert folder.keys() == ring
    assert DataDir(folder.path, Counted(50)).keys() == ring
    assert folder.new_key() == key(3)


@pytest.mark.rule("P5.5", "P4.8")
def test_kept_keys_replace_those_before(folder: DataDir) -> None:
    """Also where somebody had opened them to others, or a draft was left."""
    folder.lock()
    ring = folder.keys()
    (folder.path / KEYS_NAME).chmod(0o644)
    draft = folder.path / f"{KEYS_NAME}.new"
    draft.write_text("left by a crash, and longer than what is written now" * 20)
    draft.chmod(0o644)
    rotated = ring.rotated(folder.new_key())
    folder.keep_keys(rotated)
    assert mode_of(folder.path / KEYS_NAME) == 0o600
    assert parse((folder.path / KEYS_NAME).read_text("ascii")) == rotated
    assert DataDir(folder.path, Counted(50)).keys() == rotated
    assert sorted(path.name for path in folder.path.iterdir()) == sorted((KEYS_NAME, LOCK_NAME))


@pytest.mark.parametrize("method", ["fsync", "replace", "write"])
def test_a_crash_while_keys_are_replaced_leaves_the_old_ones(
    method: str, folder: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the new file is whole, or whole and not yet in place."""
    folder.lock()
    ring = folder.keys()

    def killed(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if method == "fsync":
            patch.setattr(os, "fsync", killed)
        elif method == "replace":
            patch.setattr(Path, "replace", killed)
        else:
            patch.setattr(KeyRing, "text", killed)
        with pytest.raises(Killed):
            folder.keep_keys(ring.rotated(key(9)))
    assert DataDir(folder.path, Counted(50)).keys() == ring
    folder.keep_keys(ring.rotated(key(9)))
    assert folder.keys() == ring.rotated(key(9))


def test_keys_are_on_the_disk_before_they_take_the_old_ones_place(
    folder: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is flushed, renamed, and then the folder is flushed."""
    folder.lock()
    ring = folder.keys()
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append(f"flush {'folder' if is_folder else os.fstat(descriptor).st_size}")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Any:
        done.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    folder.keep_keys(ring)
    assert done == [f"flush {len(ring.text())}", "rename", "flush folder"]


@pytest.mark.rule("P5.8")
@pytest.mark.parametrize(
    "damaged",
    [b"", b"garbage", b"\xff\xfe", b"vaultmeet keys 1\n", b"vaultmeet keys 1\nsigning 00ff\n"],
)
def test_damaged_keys_are_named_and_left_as_they_are(damaged: bytes, folder: DataDir) -> None:
    """A new ring in their place would make everybody somebody else."""
    folder.lock()
    path = folder.path / KEYS_NAME
    path.write_bytes(damaged)
    with pytest.raises(DataDirUnusable, match=re.escape(str(path))):
        folder.keys()
    assert path.read_bytes() == damaged
    assert sorted(found.name for found in folder.path.iterdir()) == sorted((KEYS_NAME, LOCK_NAME))


def test_a_part_of_the_keys_is_not_shown(folder: DataDir) -> None:
    """The message of a file that was cut in the middle of a key."""
    folder.lock()
    secret = bytes(range(1, KEY_BYTES + 1))
    text = KeyRing(secret, (secret,)).text()[:-3]
    (folder.path / KEYS_NAME).write_text(text)
    with pytest.raises(DataDirUnusable) as raised:
        folder.keys()
    assert secret.hex()[:8] not in str(raised.value)


@pytest.mark.rule("P5.8")
def test_a_folder_in_the_keys_place_is_unusable(folder: DataDir) -> None:
    """Neither read nor replaced."""
    folder.lock()
    path = folder.path / KEYS_NAME
    path.mkdir()
    with pytest.raises(DataDirUnusable, match=re.escape(str(path))):
        folder.keys()
    with pytest.raises(DataDirUnusable, match=re.escape(str(folder.path))):
        folder.keep_keys(KeyRing(key(1), (key(2),)))
    assert path.is_dir()


def test_keys_may_be_asked_for_without_being_made(folder: DataDir) -> None:
    """Where there are none, that is said, and none are there afterwards."""
    folder.lock()
    path = folder.path / KEYS_NAME
    with pytest.raises(DataDirUnusable, match=re.escape(str(path))):
        folder.keys(make=False)
    assert not path.exists()
    ring = folder.keys()
    assert folder.keys(make=False) == ring


@pytest.mark.rule("T4.18")
@pytest.mark.parametrize("told", ["-1", "0", "1", "{parent}", "2147483647", "99999999999999999999"])
def test_nobody_but_who_has_the_folder_is_ever_told(
    told: str, folder: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever number is in the file: another process's, all of a group, or all there are."""

    def killed(pid: int, number: int) -> None:
        raise AssertionError(f"told {pid}")

    folder.lock()
    (folder.path / LOCK_NAME).write_text(f"{told.format(parent=os.getppid())}\n")
    monkeypatch.setattr(os, "kill", killed)
    said = DataDir(folder.path, Counted()).tell_server()
    assert (DataDir(folder.path, Counted()).server() is None) == (told in {"-1", "0"})
    assert "could not be told: no process of that number" in said or said.startswith("no server")


@pytest.mark.rule("T4.18")
def test_a_lock_that_is_a_link_is_not_gone_through(folder: DataDir, tmp_path: Path) -> None:
    """Else root, who runs a command, would empty a file of the choice of whoever has the folder."""
    (tmp_path / "other").write_text("mine")
    folder.path.mkdir(parents=True)
    (folder.path / LOCK_NAME).symlink_to(tmp_path / "other")
    with pytest.raises(DataDirUnusable, match="cannot be used"):
        folder.lock()
    assert (tmp_path / "other").read_text() == "mine"


@pytest.mark.rule("T4.18", "P5.1")
def test_who_only_looks_is_not_taken_for_a_server(folder: DataDir) -> None:
    """Whatever number is left in the file: who comes looks again in a moment, and gets in."""
    folder.lock()
    folder.unlock()
    with (folder.path / LOCK_NAME).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        with pytest.raises(DataDirInUse) as raised:
            folder.lock()
        assert raised.value.is_brief
    folder.lock()


@pytest.mark.rule("P4.8", "T4.18")
def test_a_draft_of_keys_that_is_a_link_is_not_gone_through(
    folder: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is replaced; and where it comes at the last moment the keys are as they were."""
    (tmp_path / "other").write_text("mine")
    folder.lock()
    ring = folder.keys()
    (folder.path / f"{KEYS_NAME}.new").symlink_to(tmp_path / "other")
    folder.keep_keys(ring)
    assert folder.keys() == ring
    (folder.path / f"{KEYS_NAME}.new").symlink_to(tmp_path / "other")
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok: None)
    with pytest.raises(DataDirUnusable, match="File exists"):
        folder.keep_keys(ring.rotated(folder.new_key(), revoke=True))
    assert folder.keys() == ring
    assert (tmp_path / "other").read_text() == "mine"
