"""Opening the file of the SQLite store: whose it is, whether it is whole, and what is in it.

Owns the checks before anything is written. They read through a connection that cannot write:
closing one that can moves the journal of SQLite itself (`-wal`) into the file, and a file that is
damaged, or another program's, is to be left as it is.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from actors.ids import SocketId
from actors.records import Record
from actors.sealing import FORM, NAME_MARK, Seal
from actors.stores import schema
from actors.stores.codec import BodyInvalid, checksum, loads, records_in
from actors.stores.port import StoreDamaged, StoreUnusable
from actors.stores.rows import Rows, Sealed, admit, sealed_from
from actors.stores.sqlite_faults import fault_of

_CHECKED_BYTES_MAX: Final = 64 * 1_048_576
"""A larger file is not read through at the start, which would take more than some 50 ms."""
_WAL_BYTES_KEPT: Final = 16 * 1_048_576
"""So much of SQLite's own journal stays after a long reader has let it grow."""
_SQLITE_NEEDED: Final = (3, 38)
"""For the operators `->` and `->>`, and (3.37) for strict tables."""


@dataclass(slots=True)
class Contents:
    """What a file says at its opening, the rooms aside. `records` are those of the journal, in
    order; `last_seq` and `journal_bytes` are its end and size. `unreadable` are rows of it.
    """

    run: int = 0
    mark: int = 0
    epoch: int = 0
    rooms: int = 0
    gaps: dict[int, int] = field(default_factory=dict)
    recalled: dict[SocketId, int] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    last_seq: int = 0
    journal_bytes: int = 0
    unreadable: list[tuple[int, bytes, str]] = field(default_factory=list)
    store: str = ""
    sealed: Sealed | None = None
    seals: int = 0
    remarks: list[str] = field(default_factory=list)


def inspect_seal(path: Path, seal: Seal | None) -> None:
    """Look whether `seal` is the one of the file, and change nothing. Before anything else: also a
    file that is to be set aside is not to be followed by one that is not sealed.

    Raises StoreUnusable where it is not. What is no file of ours, or damaged, is for `inspect`.
    """
    try:
        contents = _contents_of(path)
    except StoreDamaged:
        return
    if contents is not None:
        admit(path, contents.store, contents.sealed, seal)


def seal_of(path: Path) -> Sealed | None:
    """What the file says of its seal, None where it is not sealed. Raises StoreFault."""
    contents = _contents_of(path)
    return None if contents is None else contents.sealed


def _contents_of(path: Path) -> Contents | None:
    """The facts, None where it is no file of ours. Raises StoreFault."""
    if not path.is_file() or not path.stat().st_size:
        return None
    with faults(path), reading(path) as connection:
        if schema.owner_of(connection) != schema.APPLICATION_ID:
            return None
        return _facts(path, connection)


def inspect(path: Path) -> None:
    """Look, and change nothing.

    Raises StoreUnusable where no server may use the file, StoreDamaged where it is broken.
    """
    if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
        raise StoreUnusable(f"SQLite 3.38 is needed, this is {sqlite3.sqlite_version}")
    with faults(path):
        if path.exists() and not path.is_file():
            raise StoreUnusable(f"{path} is no file")
        if not path.exists() or not path.stat().st_size:
            return
        with reading(path) as connection:
            owner, version = schema.owner_of(connection), schema.version_of(connection)
            if owner != schema.APPLICATION_ID and not (owner == 0 and schema.is_empty(connection)):
                raise StoreUnusable(f"{path} is a database of another program")
            if version > schema.VERSION:
                raise StoreUnusable(
                    f"{path} was written by a newer version of this server"
                    f" (schema {version}, expected at most {schema.VERSION})"
                )
            if path.stat().st_size <= _CHECKED_BYTES_MAX:
                (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise StoreDamaged(f"{path}: {found}")
            if version:
                _facts(path, connection)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write."""
    address = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        yield connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection that writes and flushes, to a file that was inspected; it is made where there
    is none.
    """
    with faults(path):
        if not path.exists():  # else SQLite makes it readable for everybody
            path.touch(mode=0o600)
        connection = sqlite3.connect(path.absolute(), isolation_level=None, timeout=1)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnusable(f"{path}: the file system does not allow WAL mode")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def read(path: Path, connection: sqlite3.Connection, seal: Seal | None) -> tuple[Contents, Rows]:
    """All but the rows of the rooms, and how the latter are to be read. Raises StoreDamaged."""
    contents = _facts(path, connection)
    form = Rows(contents.store, seal, contents.sealed)
    for key, run in connection.execute("SELECT socket, run FROM recalled").fetchall():
        try:
            contents.recalled[form.socket_of(key)] = run
        except BodyInvalid as error:
            contents.remarks.append(f"{path}: a recalled session cannot be read: {error}")
    rows = connection.execute("SELECT seq, mark, checksum, body FROM journal ORDER BY seq")
    for seq, mark, stated, body in rows:
        contents.last_seq, contents.mark = seq, max(contents.mark, mark)
        contents.journal_bytes += len(body)
        contents.seals += 1
        try:
            if checksum(f"journal {seq}", body) != stated:
                raise BodyInvalid("its checksum is wrong")
            contents.records += records_in(form.journal_body(seq, mark, body))
        except BodyInvalid as error:
            contents.unreadable.append((seq, body, str(error)))
    contents.epoch = max([contents.epoch, *(record.epoch for record in contents.records)])
    form.seals = contents.seals
    return contents, form


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """What SQLite and the file system raise comes out as a StoreFault."""
    try:
        yield
    except sqlite3.Error as error:
        raise fault_of(error, path) from error
    except OSError as error:
        raise StoreUnusable(f"{path}: {error.strerror or error}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is executed inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def keep_facts(connection: sqlite3.Connection, **facts: object) -> None:
    """Within a transaction of the caller's, or as one of its own."""
    connection.executemany(
        "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)",
        [(name, str(value)) for name, value in facts.items()],
    )


def _facts(path: Path, connection: sqlite3.Connection) -> Contents:
    rows = connection.execute("SELECT name, CAST(value AS BLOB) FROM facts").fetchall()
    sealed = None
    for name, value in rows:
        if name == "seal":
            try:
                sealed = sealed_from(value)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise StoreUnusable(f"{path}: its seal cannot be read: {error}") from None
    if sealed is None and _has_sealed_rows(connection):
        raise StoreUnusable(f"{path}: rows of it are sealed, and what it says of its seal is gone")
    try:
        facts = {name: value.decode() for name, value in rows}
        gaps = loads(facts.get("gaps", "{}"))
        return Contents(
            int(facts.get("run", 0)),
            int(facts.get("mark", 0)),
            int(facts.get("epoch", 0)),
            int(facts.get("rooms", 0)),
            {int(run): int(mark) for run, mark in gaps.items()},
            store=facts.get("store", ""),
            sealed=sealed,
            seals=int(facts.get("seals", 0)),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreDamaged(f"{path}: a fact that cannot be read: {error}") from None


def _has_sealed_rows(connection: sqlite3.Connection) -> bool:
    """Those of rooms are found by the index, and the journal is bounded."""
    ((found,),) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM rooms WHERE room >= :mark AND room < :mark || x'7f')"
        " OR EXISTS (SELECT 1 FROM journal WHERE substr(body, 1, 1) = :form)",
        {"mark": NAME_MARK, "form": FORM},
    ).fetchall()
    return bool(found)
