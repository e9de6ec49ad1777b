"""Where the parts of an audit are: files, persons' keys, and the secret of the chain.

Owns the names below `data_dir`, and the key file: a heading and one line of hex digits, readable
for its owner alone. The key is not in the folder of the files, so that whoever is given these is
not given what forges them.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from actors.audit.book import AuditBook, Bounds, numbers_of
from actors.audit.chain import KEY_BYTES, Keys
from actors.audit.folder import DiskFolder
from actors.audit.people import SqlitePeople
from actors.settings import Settings

FOLDER_NAME: Final = "audit"
KEY_NAME: Final = "audit.key"
PEOPLE_NAME: Final = "audit-people.db"
_HEADING: Final = "vaultmeet audit key 1"


class AuditUnusable(OSError):
    """A part of an audit is missing or misshapen; the message names it and says what to do."""


class AuditPlace:
    """All of it is in `data_dir`, whatever that is called, but for the secret where `key_file`,
    the setting, says so. `files` is the folder of the files where they are not in there.
    """

    def __init__(self, data_dir: Path, key_file: str = "", files: Path | None = None) -> None:
        self.folder: Final = DiskFolder(files or data_dir / FOLDER_NAME)
        self.key_path: Final = Path(key_file).expanduser() if key_file else data_dir / KEY_NAME
        self.people_path: Final = data_dir / PEOPLE_NAME

    @classmethod
    def found(cls, folder: Path, key_file: str = "") -> "AuditPlace":
        """For those who only read: `folder` may also be that of the files itself, or a copy of it
        under any name; the rest is then looked for beside it. Raises OSError.
        """
        place = cls(folder, key_file)
        if place.folder.path.is_dir() or not numbers_of(DiskFolder(folder)):
            return place
        return cls(folder.absolute().parent, key_file, folder)

    @property
    def has_begun(self) -> bool:
        """There is an audit. Raises OSError."""
        return self.folder.path.is_dir() and bool(numbers_of(self.folder))

    @property
    def is_at_home(self) -> bool:
        """It is not a copy of the files alone, under whatever name that was given."""
        return self.folder.path.resolve() == (self.people_path.parent / FOLDER_NAME).resolve()

    def keys(self) -> Keys:
        """Raises AuditUnusable where there are none."""
        try:
            text = self.key_path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "no text"
            raise AuditUnusable(f"{self.key_path}: {why}") from None
        heading, _, digits = text.rstrip("\n").partition("\n")
        try:
            secret = bytes.fromhex(digits)
        except ValueError:
            secret = b""
        if heading != _HEADING or len(secret) != KEY_BYTES or len(digits) != 2 * KEY_BYTES:
            expected = f"{_HEADING!r} and a line of {2 * KEY_BYTES} hex digits"
            raise AuditUnusable(f"{self.key_path}: expected {expected}")
        return Keys.of(secret)

    def keys_made(self, random_bytes: Callable[[int], bytes]) -> Keys:
        """The same; made where there are neither a key nor files that need one."""
        if not self.key_path.exists():
            if numbers_of(self.folder):
                why = "is missing, and without it the audit cannot be continued"
                mend = f"put it back, or move {self.folder.path} away to begin anew"
                raise AuditUnusable(f"{self.key_path}: {why}; {mend}")
            self._make(random_bytes(KEY_BYTES))
        return self.keys()

    def book(self, settings: Settings, random_bytes: Callable[[int], bytes]) -> AuditBook:
        """To be called on the thread that will write. Raises OSError."""
        keys = self.keys_made(random_bytes)
        people = SqlitePeople(self.people_path, keys.people, random_bytes)
        bounds = Bounds(settings.audit_file_bytes_max, settings.audit_retention_days)
        return AuditBook(self.folder, people, keys, bounds, random_bytes)

    def _make(self, secret: bytes) -> None:
        draft = self.key_path.with_name(f"{self.key_path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        try:
            descriptor = os.open(draft, flags, 0o600)
        except OSError as error:
            why = f"{self.key_path}: cannot be made: {error.strerror}"
            raise AuditUnusable(why) from None
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{_HEADING}\n{secret.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.key_path)
        folder = os.open(self.key_path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
