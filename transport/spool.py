"""Small files that one process leaves for another: written whole, read with suspicion, removed.

Owns how such a file gets there, so that a death leaves it whole or not at all, and what is believed
of one that is found. Knows not what is in it.

    .NAME.new (half-written) -> NAME -> nothing
"""

import errno
import json
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
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
    `bytes_max` bounds each. All may raise OSError.
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
            path.name.removesuffix(end)
            for path in self._paths()
            if path.name.endswith(end) and not path.name.startswith(".")
        ]

    def write(self, name: str, value: Mapping[str, object]) -> None:
        """Durable when it returns. Raises SpoolUnreadable where nobody would read so much."""
        seal, content = self._seal(), json.dumps(value).encode()
        if seal is not None:
            content = seal.seal(self._place(name), content)
        if len(content) > self._bytes_max:
            raise SpoolUnreadable(f"expected at most {self._bytes_max} bytes")
        self.path.mkdir(mode=0o700, exist_ok=True)
        give(self.path, self.path.parent)
        draft = self.path / f".{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give(draft, self.path.parent)
        draft.replace(self.path / name)
        self.keep_names()

    def read(self, name: str) -> Any:
        """The JSON in it. Raises FileNotFoundError and SpoolUnreadable."""
        content = self._content(self.path / name)
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
        """In one step, also over one that is there."""
        (self.path / name).replace(self.path / other)
        self.keep_names()

    def remove(self, *names: str) -> None:
        """Gone when it returns. Those that are not there are no matter."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)
        if names:
            with suppress(FileNotFoundError):
                self.keep_names()

    def clear_drafts(self) -> None:
        """Files half-written are nobody's, once whoever wrote them is dead."""
        for path in self._paths():
            if path.name.startswith("."):
                path.unlink(missing_ok=True)

    def keep_names(self) -> None:
        """Have it durable which files there are."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # -- inside

    def _paths(self) -> list[Path]:
        return sorted(self.path.iterdir()) if self.path.is_dir() else []

    def _place(self, name: str) -> bytes:
        return f"{self._kind} {name}".encode()

    def _content(self, path: Path) -> bytes:
        # Neither links nor pipes: whoever put them there must not choose what is read, or hold up.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags)
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
