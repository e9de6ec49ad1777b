"""Where an audit's files are: what it needs of a folder, and a folder of the file system.

Owns how bytes get to the disk and stay there. Knows nothing of what is in them.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from actors.audit.chain import LINE_BYTES_MAX
from actors.ownership import give


class Folder(Protocol):
    """Files by name. Each method may raise OSError."""

    def names(self) -> list[str]:
        """Of all files in it, in any order."""
        ...

    def size(self, name: str) -> int:
        """In bytes; 0 where there is no such file."""
        ...

    def lines(self, name: str, offset: int = 0) -> Iterator[bytes]:
        """With their ends, from `offset` on, each cut off after `LINE_BYTES_MAX` bytes."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file, which is made where need be, and flush. May raise when a
        part of it is written.
        """
        ...

    def cut(self, name: str, size: int) -> None:
        """Take back what was appended beyond `size`; with 0, the file itself."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write over the beginning of a file, in one step. Not flushed."""
        ...

    def remove(self, name: str) -> None:
        """Harmless where there is no such file."""
        ...

    def close(self) -> None:
        """Nothing is written any more."""
        ...


class DiskFolder:
    """The Folder port on the file system: made when missing, readable for its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._open: tuple[str, int] | None = None

    def names(self) -> list[str]:
        try:
            return [entry.name for entry in self.path.iterdir()]
        except FileNotFoundError:
            return []

    def size(self, name: str) -> int:
        try:
            return (self.path / name).stat().st_size
        except FileNotFoundError:
            return 0

    def lines(self, name: str, offset: int = 0) -> Iterator[bytes]:
        try:
            with (self.path / name).open("rb") as file:
                file.seek(offset)
                while line := file.readline(LINE_BYTES_MAX):
                    yield line
        except FileNotFoundError:
            return

    def append(self, name: str, data: bytes) -> None:
        descriptor = self._descriptor(name)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fdatasync(descriptor)

    def cut(self, name: str, size: int) -> None:
        if not size:
            self.close()
            self.remove(name)
            return
        descriptor = self._descriptor(name)
        os.ftruncate(descriptor, size)
        os.fdatasync(descriptor)

    def put(self, name: str, data: bytes) -> None:
        self._make()
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path / name, flags, 0o600)
        try:
            give(descriptor, self.path)
            if os.pwrite(descriptor, data, 0) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        self._keep_names()

    def close(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            with suppress(OSError):  # all that was appended is flushed
                os.close(opened[1])

    def _descriptor(self, name: str) -> int:
        if self._open is None or self._open[0] != name:
            self.close()
            self._make()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path / name, flags, 0o600)
            self._open = (name, descriptor)
            give(descriptor, self.path)
            self._keep_names()
        return self._open[1]

    def _make(self) -> None:
        self.path.mkdir(mode=0o700, exist_ok=True)

    def _keep_names(self) -> None:
        """A name outlives a loss of power only where the folder was flushed."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
