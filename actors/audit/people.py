"""A key for each person, so that one person's entries can be made unreadable, and no others.

Owns the table of these keys. It knows no names: a person is found by a tag, HMAC-SHA-256 of the
user under a key of the audit, which seals the person's own key, too, and is called in entries by a
random `ref`. When a key is destroyed what was sealed with it is lost for good, and nothing links it
with the person any more; the chain of the entries does not notice.
"""

import hmac
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from actors.ownership import give
from actors.sealing import KEY_BYTES, Seal, SealBroken

REF_BYTES: Final = 8
CACHED_MAX: Final = 1_000
"""So many persons are remembered without asking the table, 0.7 KiB each."""
_CACHE_KIB: Final = 256
"""The table's own, in place of SQLite's 2 MiB."""
_BUSY_S: Final = 1.0
_APPLICATION_ID: Final = 0x564D4155  # "VMAU"


class PeopleUnusable(OSError):
    """The table cannot be read or written; the message names its file and says why."""


class PersonUnreadable(PeopleUnusable):
    """The key of one person is not what was written there; those of others are."""


@dataclass(frozen=True, slots=True)
class Person:
    """What entries call a person, and the key for what they tell of it."""

    ref: str
    key: bytes = field(repr=False)


class People(Protocol):
    """The keys. Each method may raise PeopleUnusable. Days are counted from 1970-01-01, UTC."""

    def of(self, user_id: str, day: int) -> Person:
        """Made where there is none; kept when `commit` returns. `day` is that of the entry."""
        ...

    def known(self, user_id: str) -> Person | None:
        """None where there is no key, or none any more."""
        ...

    def by_ref(self, ref: str) -> Person | None:
        """The same by what entries call it."""
        ...

    def forget(self, user_id: str) -> bool:
        """Destroy the key, at once and for good; whether there was one."""
        ...

    def forget_before(self, day: int) -> int:
        """Destroy the keys of persons without entries since that day; how many. Not before
        `commit`.
        """
        ...

    def commit(self) -> None:
        """What `of` and `forget_before` did is durable now."""
        ...

    def close(self) -> None: ...


def tag_of(key: bytes, user_id: str) -> bytes:
    """How a table finds somebody whose name it does not know. 16 bytes."""
    return hmac.digest(key, user_id.encode("utf-8", "surrogatepass"), "sha256")[:16]


def _make(path: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        give(descriptor, path.parent)
    finally:
        os.close(descriptor)


def _place(ref: str) -> bytes:
    return b"vaultmeet audit person " + ref.encode()


class SqlitePeople:
    """The People port in one file, `path` (`:memory:`: nowhere), made when missing and readable
    for its owner alone. To be used by one thread. Deleted keys are overwritten (`secure_delete`).
    """

    def __init__(
        self, path: Path | str, tag_key: bytes, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._path: Final = path
        self._tag_key: Final = tag_key
        self._random_bytes: Final = random_bytes
        self._seal: Final = Seal((tag_key,), random_bytes)
        self._cache: OrderedDict[str, tuple[Person, int]] = OrderedDict()
        self._seen = 0
        if isinstance(path, Path) and not path.exists():
            try:
                _make(path)
            except OSError as error:
                raise PeopleUnusable(f"{path}: {error.strerror}") from None
        self._rows: Final = self._opened()

    def of(self, user_id: str, day: int) -> Person:
        found = self._cache.get(user_id)
        if found is not None and found[1] >= day:
            return found[0]
        tag = tag_of(self._tag_key, user_id)
        try:
            person = self._find("tag = ?", tag)
        except PersonUnreadable:  # nobody else's entries wait for that; it has another one from now
            self._do("UPDATE people SET tag = ? WHERE tag = ?", self._random_bytes(len(tag)), tag)
            person = None
        if person is None:
            ref = self._random_bytes(REF_BYTES).hex()
            person = Person(ref, self._random_bytes(KEY_BYTES))
            sealed = self._seal.seal(_place(ref), person.key)
            self._do("INSERT INTO people VALUES (?, ?, ?, ?)", tag, ref, sealed, day)
        else:
            self._do("UPDATE people SET day = ? WHERE tag = ? AND day < ?", day, tag, day)
        self._cache[user_id] = (person, day)
        if len(self._cache) > CACHED_MAX:
            self._cache.popitem(last=False)
        return person

    def known(self, user_id: str) -> Person | None:
        return self._find("tag = ?", tag_of(self._tag_key, user_id))

    def by_ref(self, ref: str) -> Person | None:
        return self._find("ref = ?", ref)

    def forget(self, user_id: str) -> bool:
        self._cache.pop(user_id, None)
        gone = self._do("DELETE FROM people WHERE tag = ?", tag_of(self._tag_key, user_id))
        self.commit()
        return gone > 0

    def forget_before(self, day: int) -> int:
        self._cache.clear()
        return self._do("DELETE FROM people WHERE day < ?", day)

    def commit(self) -> None:
        try:
            self._rows.commit()
            (seen,) = self._rows.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            self._cache.clear()  # it may name keys that are not kept
            self._rows.rollback()
            raise self._unusable(error) from None
        if seen != self._seen:  # another process has changed the table: it may have destroyed some
            self._seen = seen
            self._cache.clear()

    def close(self) -> None:
        self._rows.close()

    # -- inside

    def _opened(self) -> sqlite3.Connection:
        try:
            with ExitStack() as stack:  # which closes it where it is of no use
                rows = stack.enter_context(closing(sqlite3.connect(self._path, timeout=_BUSY_S)))
                self._lay_out(rows)
                stack.pop_all()
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        return rows

    def _lay_out(self, rows: sqlite3.Connection) -> None:
        rows.execute("PRAGMA secure_delete = ON")
        rows.execute("PRAGMA synchronous = FULL")
        rows.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        (owner,) = rows.execute("PRAGMA application_id").fetchone()
        (tables,) = rows.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and owner != _APPLICATION_ID:
            raise PeopleUnusable(f"{self._path}: a database of another program")
        if not tables:
            rows.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            rows.execute(
                "CREATE TABLE people (tag BLOB PRIMARY KEY, ref TEXT NOT NULL UNIQUE,"
                " key BLOB NOT NULL, day INTEGER NOT NULL) WITHOUT ROWID"
            )
            rows.commit()

    def _find(self, where: str, value: object) -> Person | None:
        try:
            row = self._rows.execute(
                f"SELECT ref, key FROM people WHERE {where}",  # noqa: S608  # ours alone
                (value,),
            ).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        if row is None:
            return None
        try:
            return Person(row[0], self._seal.unseal(_place(row[0]), row[1]))
        except SealBroken as error:
            raise PersonUnreadable(f"{self._path}: the key of {row[0]}: {error}") from None

    def _do(self, statement: str, *values: object) -> int:
        try:
            return self._rows.execute(statement, values).rowcount
        except sqlite3.Error as error:
            self._cache.clear()
            raise self._unusable(error) from None

    def _unusable(self, error: sqlite3.Error) -> PeopleUnusable:
        return PeopleUnusable(f"{self._path}: {error}")
