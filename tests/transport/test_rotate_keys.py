"""The command that rotates the keys: what it writes, says and whom it tells."""

import errno
import os
import signal
from pathlib import Path

import pytest

from actors.keys import SIGNING_KEYS_MAX, KeyRing
from transport import cli
from transport.data_dir import DataDir


def ring_of(folder: Path) -> KeyRing:
    """The keys that are in the folder now."""
    return DataDir(folder, os.urandom).keys(make=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder in which a server has run."""
    data = DataDir(tmp_path / "data", os.urandom)
    data.lock()
    data.keys()
    data.unlock()
    return data.path


@pytest.mark.rule("P4.8")
def test_a_rotation_adds_a_key_that_signs_and_keeps_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pseudonyms' key stays; nothing secret is printed."""
    before = ring_of(folder)
    assert cli.main(["rotate-keys", "--data-dir", str(folder)]) == 0
    after = ring_of(folder)
    assert after.pseudonym == before.pseudonym
    assert after.signing[1:] == before.signing
    assert after.signing[0] not in before.signing
    said = capsys.readouterr()
    assert "signing keys: 2; no server runs on the data_dir" in said.out
    assert after.signing[0].hex() not in said.out + said.err
    assert (folder / "keys").stat().st_mode & 0o777 == 0o600


@pytest.mark.rule("P4.8")
def test_a_revocation_leaves_the_new_key_alone(folder: Path) -> None:
    """Whatever was signed before is void."""
    before = ring_of(folder)
    assert cli.main(["rotate-keys", "--data-dir", str(folder), "--revoke"]) == 0
    after = ring_of(folder)
    assert after.pseudonym == before.pseudonym
    assert len(after.signing) == 1
    assert after.signing[0] not in before.signing


def test_no_more_keys_are_kept_than_the_bound(folder: Path) -> None:
    """The oldest goes first."""
    first = ring_of(folder).signing[0]
    for _ in range(SIGNING_KEYS_MAX - 1):
        assert cli.main(["rotate-keys", "--data-dir", str(folder)]) == 0
    assert ring_of(folder).signing[-1] == first
    assert cli.main(["rotate-keys", "--data-dir", str(folder)]) == 0
    assert len(ring_of(folder).signing) == SIGNING_KEYS_MAX
    assert first not in ring_of(folder).signing


@pytest.mark.rule("P4.8")
def test_the_server_that_uses_the_folder_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By SIGHUP, and no other process is."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
    data = DataDir(folder, os.urandom)
    data.lock()
    assert cli.main(["rotate-keys", "--data-dir", str(folder)]) == 0
    data.unlock()
    assert told == [(os.getpid(), signal.SIGHUP)]
    assert f"server {os.getpid()} was told" in capsys.readouterr().out


@pytest.mark.rule("P4.8")
def test_a_server_that_cannot_be_told_is_named_and_the_keys_are_rotated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is another user's; its next start reads the new key."""

    def refuse(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "kill", refuse)
    data = DataDir(folder, os.urandom)
    data.lock()
    assert cli.main(["rotate-keys", "--data-dir", str(folder)]) == 0
    data.unlock()
    told = f"server {os.getpid()} could not be told: Operation not permitted"
    assert told in capsys.readouterr().out
    assert len(ring_of(folder).signing) == 2


def test_a_folder_without_keys_is_named_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No server has run there: most likely the folder is another one."""
    assert cli.main(["rotate-keys", "--data-dir", str(tmp_path / "typo")]) == 1
    assert "typo" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


@pytest.mark.rule("P4.8")
def test_of_two_rotations_at_a_time_one_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else what the other's key has signed by then would be void."""
    data = DataDir(folder, os.urandom)
    before = ring_of(folder)
    with data.changing_keys():
        assert cli.main(["rotate-keys", "--data-dir", str(folder)]) == 1
    assert "another command is changing it" in capsys.readouterr().err
    assert ring_of(folder) == before
    assert cli.main(["rotate-keys", "--data-dir", str(folder)]) == 0
    capsys.readouterr()
