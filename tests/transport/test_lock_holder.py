"""Whether a number in a lock file is that of who has the file."""

import os
from pathlib import Path

import pytest

from transport.lock_holder import has_open


@pytest.mark.rule("T4.18")
def test_who_has_the_file_open_has_it(tmp_path: Path) -> None:
    """And nobody else; nor is there a process that has a file that is not."""
    path = tmp_path / "lock"
    assert not has_open(os.getpid(), path)
    with path.open("w"):
        assert has_open(os.getpid(), path)
        assert not has_open(os.getppid(), path)
        assert not has_open(2**31 - 1, path)
    assert not has_open(os.getpid(), path)


@pytest.mark.rule("T4.18")
@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("3: FLOCK  ADVISORY  WRITE 77 fe:00:{inode} 0 EOF", True),
        ("3: FLOCK  ADVISORY  WRITE 78 fe:00:{inode} 0 EOF", False),
        ("3: FLOCK  ADVISORY  WRITE 77 fe:00:1{inode} 0 EOF", False),
        ("3: POSIX  ADVISORY  WRITE 77 fe:00:{inode} 0 EOF", False),
        ("3: -> FLOCK  ADVISORY  WRITE 77 fe:00:{inode} 0 EOF", False),
        ("", False),
    ],
    ids=["holder", "other", "elsewhere", "record", "waiting", "none"],
)
def test_of_a_process_that_may_not_be_looked_into_its_locks_are(
    line: str, has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with capabilities shows its files to root alone."""
    lock, proc = tmp_path / "lock", tmp_path / "proc"
    lock.touch()
    (proc / "self" / "fd").mkdir(parents=True)
    (proc / "locks").write_text(line.format(inode=lock.stat().st_ino) + "\n")

    def hidden(self: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", hidden)
    assert has_open(77, lock, proc) is has


@pytest.mark.rule("T4.18")
def test_without_a_way_to_know_the_number_is_believed(tmp_path: Path) -> None:
    """On systems that have no /proc."""
    assert has_open(77, tmp_path / "lock", tmp_path)
