"""The file of keys: read at the start, read again when it changes, kept where that fails."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transport.simulated import WrittenLog
from transport.key_file import FILE_BYTES_MAX, KeyFile, KeyFileUnusable


def parse(content: bytes) -> str:
    """A key is a word that begins with `key`."""
    text = content.decode()
    if not text.startswith("key"):
        raise ValueError("expected a key")
    return text


def opened(path: Path, log: WrittenLog, *, is_secret: bool = True) -> KeyFile[str]:
    """The file at its start."""
    return KeyFile(str(path), parse, log, is_secret=is_secret)


def replace(path: Path, content: bytes) -> None:
    """As people and tools do: a new file in the old one's place."""
    draft = path.with_suffix(".new")
    draft.write_bytes(content)
    draft.chmod(0o600)
    draft.replace(path)


def pipe(path: Path) -> None:
    """One that nobody ever writes to."""
    path.unlink()
    os.mkfifo(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a key, for its owner alone."""
    made = tmp_path / "keys"
    made.touch(0o600)
    made.write_bytes(b"key one")
    return made


@pytest.mark.rule("T1.17")
def test_a_file_that_changes_is_read_again(path: Path) -> None:
    """Whoever asks next gets the new keys; while it is the same nothing is read."""
    log = WrittenLog()
    file = opened(path, log)
    assert [file.keys(), file.keys()] == ["key one", "key one"]
    assert log.lines == []
    replace(path, b"key two")
    assert [file.keys(), file.keys()] == ["key two", "key two"]
    path.write_bytes(b"key three")
    assert file.keys() == "key three"
    assert log.told("auth_keys_reloaded") == [{"file": str(path)}] * 2


@pytest.mark.rule("T1.17")
@pytest.mark.parametrize(
    ("how", "why"),
    [
        (lambda path: replace(path, b"broken"), "expected a key"),
        (lambda path: replace(path, b"\xff secret"), "expected text"),
        (lambda path: replace(path, b"key" * FILE_BYTES_MAX), "expected at most 262144 bytes"),
        (lambda path: path.unlink(), "No such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "expected a file"),
        (pipe, "expected a file"),
    ],
    ids=["broken", "bytes", "large", "gone", "folder", "pipe"],
)
def test_a_broken_new_file_leaves_the_old_keys_and_is_told_of_once(
    path: Path, how: Callable[[Path], object], why: str
) -> None:
    """Also where it is gone, or no file. A whole one that comes later is taken."""
    log = WrittenLog()
    file = opened(path, log)
    how(path)
    assert [file.keys() for _ in range(5)] == ["key one"] * 5
    assert log.told("auth_keys_not_reloaded") == [{"file": str(path), "error": why}]
    if path.is_dir():
        path.rmdir()
    replace(path, b"key two")
    assert file.keys() == "key two"


@pytest.mark.rule("T1.17", "T4.12")
def test_it_is_read_again_when_somebody_says_so(path: Path) -> None:
    """Who is to know of other keys, the log included, hears of it where they are."""
    log = WrittenLog()
    file = opened(path, log)
    changes: list[str] = []
    file.changed = lambda: changes.append(file.keys())
    file.reload()
    assert log.told("auth_keys_reloaded") == []
    assert changes == []
    replace(path, b"key two")
    file.reload()
    assert changes == ["key two"]
    assert log.told("auth_keys_reloaded") == [{"file": str(path)}]


@pytest.mark.rule("T1.18")
@pytest.mark.parametrize("content", [b"", b"broken", b"key" * FILE_BYTES_MAX])
def test_without_keys_to_begin_with_there_is_no_server(path: Path, content: bytes) -> None:
    """The file is named, and what was expected of it; its content is not shown."""
    path.write_bytes(content)
    with pytest.raises(KeyFileUnusable, match=r"keys: expected (a key|at most)"):
        opened(path, WrittenLog())
    path.unlink()
    with pytest.raises(KeyFileUnusable, match="keys: No such file"):
        opened(path, WrittenLog())


@pytest.mark.rule("T1.18")
def test_a_secret_that_others_can_read_is_a_warning(path: Path) -> None:
    """At the start and when it is read again; a public key may be read by anybody."""
    for mode in (0o640, 0o604, 0o644):
        log = WrittenLog()
        path.chmod(mode)
        file = opened(path, log)
        assert log.told("auth_secret_readable") == [{"file": str(path)}]
        file.reload()
        assert len(log.told("auth_secret_readable")) == 2
        log = WrittenLog()
        opened(path, log, is_secret=False)
        assert log.lines == []
