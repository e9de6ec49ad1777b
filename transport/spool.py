"""Small files that one process leaves for another: written whole, read with suspicion, removed.

Owns how such a file gets there, so that a death leaves it whole or not at all, and what is believed
of one that is found. Knows not what is in it. Whose folder this is may be another user than the
one who runs this, root say: so the folder is opened once, never by way of a link, and all that is
done is done in what was opened (openat(2); CWE-59).

    .NAME.new (half-written) -> NAME -> nothing
"""

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from actors.ownership import give
from actors.sealing import FORM, Seal, SealBroken

_NAME_BYTES: Final = 8


class SpoolUnreadable(ValueError):
    """The file holds nothing that its reader may use. The message says why."""


class Spool:
    """The folder `path`, made when first written to. Each file is sealed where `seal` gives one,
    as what it is (`kind`) and under its name; with `is_sealed` none that is in the clear is read.
    `bytes_max` bounds each. All may raise OSError, also where the folder is a link or none.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        seal: Callable[[], Seal | None],
        random_bytes: Callable[[int], bytes],
        *,
        bytes_max: int,
        is_sealed: bool = False,
    ) -> None:
        self.path: Final = path
        self._kind: Final = kind
        self._seal: Final = seal
        self._random_bytes: Final = random_bytes
        self._bytes_max: Final = bytes_max
        self._is_sealed: Final = is_sealed

    def new_name(self) -> str:
        """One that nobody else has."""
        return self._random_bytes(_NAME_BYTES).hex()

    def named(self, end: str) -> list[str]:
        """What its files with that ending are called without it, in order."""
        return [
            name.removesuffix(end)
            for name in self._names()
            if name.endswith(end) and not name.startswith(".")
        ]

    def write(self, name: str, value: Mapping[str, object]) -> None:
        """Durable when it returns; nothing is left where it raises. Raises SpoolUnreadable where
        nobody would read so much.
        """
        seal, content = self._seal(), json.dumps(value).encode()
        if seal is not None:
            content = seal.seal(self._place(name), content)
        if len(content) > self._bytes_max:
            raise SpoolUnreadable(f"expected at most {self._bytes_max} bytes")
        try:
            with suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            with self._opened() as folder:
                give(folder, self.path.parent)
                self._write_in(folder, name, content)
        except OSError as error:  # which may have no name, or that of the draft alone
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def read(self, name: str) -> Any:
        """The JSON in it. Raises FileNotFoundError and SpoolUnreadable."""
        with self._opened() as folder:
            content = self._content(folder, name)
        try:
            if content.startswith(FORM):
                seal = self._seal()
                if seal is None:
                    raise SealBroken("it is sealed; give seal_key_file")
                content = seal.unseal(self._place(name), content)
            elif self._is_sealed:
                raise SealBroken("it is not sealed")
            return json.loads(content)
        except RecursionError:
            raise SpoolUnreadable("too deep") from None
        except ValueError as error:
            raise SpoolUnreadable(str(error)) from None

    def rename(self, name: str, other: str) -> None:
        """In one step, also over a file that is there. Raises FileNotFoundError."""
        with self._opened() as folder:
            try:
                os.replace(name, other, src_dir_fd=folder, dst_dir_fd=folder)
            except FileNotFoundError:
                raise
            except OSError:  # a folder is in the way
                _remove(folder, other)
                os.replace(name, other, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, *names: str, is_durable: bool = True) -> None:
        """Gone when it returns, with what is in it where it is a folder; `is_durable`: for good,
        else a loss of power may bring it back before `flush`. Those that are not there are no
        matter.
        """
        if names:
            with suppress(FileNotFoundError), self._opened() as folder:
                for name in names:
                    _remove(folder, name)
                if is_durable:
                    os.fsync(folder)

    def flush(self) -> None:
        """Have it durable which files there are."""
        with suppress(FileNotFoundError), self._opened() as folder:
            os.fsync(folder)

    def clear_drafts(self) -> None:
        """Files half-written are nobody's, once whoever wrote them is dead."""
        self.remove(*(name for name in self._names() if name.startswith(".")))

    # -- inside

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(self.path, flags)
        try:
            yield folder
        finally:
            os.close(folder)

    def _write_in(self, folder: int, name: str, content: bytes) -> None:
        draft = f".{name}.new"
        _remove(folder, draft)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                give(file.fileno(), self.path.parent)
            os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:  # else a full disk is the fuller for it
            with suppress(OSError):
                _remove(folder, draft)
            raise
        os.fsync(folder)

    def _names(self) -> list[str]:
        try:
            with self._opened() as folder:
                return sorted(os.listdir(folder))  # noqa: PTH208  # of what was opened
        except FileNotFoundError:
            return []

    def _place(self, name: str) -> bytes:
        return f"{self._kind} {name}".encode()

    def _content(self, folder: int, name: str) -> bytes:
        # Neither links nor pipes: whoever put them there must not choose what is read, or hold up.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise SpoolUnreadable("expected a file, found a link") from None
            raise
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise SpoolUnreadable("expected a file")
            if found.st_uid not in {0, os.geteuid(), self.path.parent.stat().st_uid}:
                raise SpoolUnreadable(f"it belongs to user {found.st_uid}")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(self._bytes_max + 1)
        finally:
            os.close(descriptor)
        if len(content) > self._bytes_max:
            raise SpoolUnreadable(f"expected at most {self._bytes_max} bytes")
        return content


def _remove(folder: int, name: str) -> None:
    """Whatever it is; a link goes, and not what it leads to."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)
