"""The file that keys are read from, and read again when it changes.

Owns the reading and who may read it. What keys are is for whoever is given the bytes
(auth_keys.py); they are never logged. Looking whether the file is the same costs one stat(2), so
it is done whenever keys are asked for: a token that comes after a change meets the new keys.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from actors.ports import Log

FILE_BYTES_MAX: Final = 262_144
_FOR_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH

K = TypeVar("K")


class KeyFile(Generic[K]):
    """`parse(content)` makes the keys, and raises ValueError for what is none. With `is_secret` a
    file that others can read is a warning. Raises KeyFileUnusable where there are no keys to begin
    with.
    """

    def __init__(
        self, path: str, parse: Callable[[bytes], K], log: Log, *, is_secret: bool
    ) -> None:
        self._path: Final = Path(path)
        self._parse: Final = parse
        self._log: Final = log
        self._is_secret: Final = is_secret
        self.changed: Callable[[], object] = lambda: None
        """Called when other keys hold."""
        self._seen = self._look()
        try:
            self._content = self._read()
            self._keys = parse(self._content)
        except (OSError, ValueError) as error:
            raise KeyFileUnusable(f"{path}: {_why(error)}") from None
        self._warn()

    def keys(self) -> K:
        """Those of the file as it is; where it is none any more, the last ones that were."""
        if self._look() != self._seen:
            self.reload()
        return self._keys

    def reload(self) -> None:
        """Read it again, changed or not. A file that cannot be used is told of, and changes
        nothing; told once, since it is read once.
        """
        self._seen = self._look()
        before = self._content
        try:
            content = self._read()
            self._keys, self._content = self._parse(content), content
        except (OSError, ValueError) as error:
            self._log.error("auth_keys_not_reloaded", file=str(self._path), error=_why(error))
        else:
            if content != before:
                self._log.info("auth_keys_reloaded", file=str(self._path))
                self.changed()
            self._warn()

    def _look(self) -> tuple[int, ...]:
        """Another one for another content: a file that is replaced is another inode."""
        try:
            found = self._path.stat()
        except OSError as error:
            return (error.errno or 0,)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _read(self) -> bytes:
        # Not blocking: a pipe in the file's place must not hold up the server.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("expected a file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(FILE_BYTES_MAX + 1)
        finally:
            os.close(descriptor)
        if len(content) > FILE_BYTES_MAX:
            raise ValueError(f"expected at most {FILE_BYTES_MAX} bytes")
        return content

    def _warn(self) -> None:
        if self._is_secret and self._path.stat().st_mode & _FOR_OTHERS:
            self._log.warn("auth_secret_readable", file=str(self._path))


class KeyFileUnusable(Exception):
    """No server can run on it; the message names the file and says why."""


def _why(error: Exception) -> str:
    """Nothing of the file's content: a parser's message may quote it."""
    if isinstance(error, OSError):
        return error.strerror or "cannot be read"
    return "expected text" if isinstance(error, UnicodeError) else str(error)
