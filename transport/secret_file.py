"""Files with secrets: replaced in one step, readable for their owner alone.

Owns how such a file is written, so that a crash leaves the one before or the next, whole, and two
who change it do not undo each other. Knows not what is in it.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """From reading the file to replacing it: nobody else is in between, whoever asks here, too.

    Raises OSError, where somebody else is at it as well.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)  # the file itself is another one then
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(errno.EBUSY, "another command is changing it") from None
        yield
    finally:
        os.close(folder)


def replace_secret(path: Path, text: str) -> None:
    """Have the file hold `text`. Raises OSError, and the file is then as it was."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # of one that died; were it a link, nothing is to go through it
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        if path.exists():  # whoever rotates may be another user than the server
            owner = path.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_exposed(path: Path) -> bool:
    """Others than its owner can read it. Raises OSError."""
    return bool(path.stat().st_mode & 0o077)
