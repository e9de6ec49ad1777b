"""What SQLite and the file system say when something is wrong, as faults; and setting a file aside.

Owns which result code is which fault. A file that is damaged gets another name beside its old one:
it is never written to, and never deleted.
"""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from actors.stores.port import (
    StoreDamaged,
    StoreFault,
    StoreFull,
    StoreReadOnly,
    StoreUnusable,
)

_KINDS: Final[dict[int, type[StoreFault]]] = {
    sqlite3.SQLITE_CORRUPT: StoreDamaged,
    sqlite3.SQLITE_NOTADB: StoreDamaged,
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_READONLY: StoreReadOnly,
    sqlite3.SQLITE_PERM: StoreReadOnly,
    sqlite3.SQLITE_CANTOPEN: StoreUnusable,
}
_COMPANIONS: Final = ("", "-wal", "-shm")


def fault_of(error: sqlite3.Error, path: Path) -> StoreFault:
    """The fault that `error` is. A result code has its kind in the low byte."""
    kind = _KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, StoreFault)
    return kind(f"{path}: {error}")


def set_file_aside(path: Path, now_ms: int, why: str) -> str:
    """Give the database and its companions another name; the sentence that says so.

    Raises StoreUnusable where that cannot be done.
    """
    at = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    target = path.with_name(f"{path.name}.corrupt-{at}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.corrupt-{at}-{number}")
    try:
        for end in _COMPANIONS:
            source = path.with_name(path.name + end)
            if source.exists():
                source.rename(target.with_name(target.name + end))
    except OSError as error:
        raise StoreUnusable(f"{path} is damaged and cannot be moved: {error}") from None
    return f"{path} was set aside as {target.name}: {why}"
