"""The store in one SQLite file: an append-only journal, and a row a room into which it is folded.

Owns the file. A write is one row at the end of the journal, however many rooms it is about. The
same records wait in memory, merged by room; when the journal has grown to its bound they are frozen
and folded into the rows of their rooms, a few at a time between writes, and then that part of the
journal is deleted. A load is the row of the room, and what waits in memory for it. So opening reads
the journal, which is bounded, and nothing else, and a write never waits for a fold of everything.

    rows + frozen + fresh = the rooms         journal = frozen + fresh, in order

Each statement takes or gives many rows at once, through SQLite's JSON functions: Python's lock is
given up once a statement, and on a busy loop every time costs milliseconds to get it back.

Sources: the WAL mode and its durability, https://www.sqlite.org/wal.html and
https://www.sqlite.org/pragma.html#pragma_synchronous; result codes, https://www.sqlite.org/rescode.html
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final

from actors.ids import RoomId
from actors.recall import GAPS_MAX
from actors.records import Record, merged, vacant
from actors.stores import schema
from actors.stores.codec import (
    BodyInvalid,
    body_of,
    checksum,
    dumps,
    loads,
    plain,
    record_from,
    records_in,
)
from actors.stores.port import (
    Batch,
    Opened,
    StoreDamaged,
    StoreUnusable,
)
from actors.stores.sqlite_faults import fault_of, set_file_aside

FILE_NAME: Final = "rooms.db"
_SLICE_ROOMS_MAX: Final = 64
_SLICE_ROWS_MAX: Final = 2000
_ROW_RECORDS_MAX: Final = 512
"""A write about more rooms is several rows: one body is encoded in one go, on Python's lock."""
_CHECKED_BYTES_MAX: Final = 64 * 1_048_576
"""A larger file is not read through at the start, which would take more than some 50 ms."""
_SQLITE_NEEDED: Final = (3, 38)
"""For the operators `->` and `->>`, and (3.37) for strict tables."""


class SqliteStore:
    """`rooms.db` in `folder`. `flush`: a write waits until the disk has it (synchronous=FULL), so
    that it outlives a loss of power and not only of the process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        flush: bool,
        journal_bytes_max: int = 4 * 1_048_576,
        rooms_max: int = 1_000_000,
    ) -> None:
        self.path: Final = folder / FILE_NAME
        self._mark_file: Final = folder / f"{FILE_NAME}.damaged"
        self._flush: Final = flush
        self._journal_bytes_max: Final = journal_bytes_max
        self._rooms_max: Final = rooms_max
        self._connection: sqlite3.Connection | None = None
        self._fresh: dict[RoomId, Record] = {}
        self._fresh_bytes = 0
        self._frozen: dict[RoomId, Record] = {}
        self._frozen_until = 0
        self._seq = 0
        self._mark = 0
        self._epoch = 0
        self._rooms = 0
        self._now_ms = 0

    # -- opening

    def open(self, now_ms: int) -> Opened:
        self._now_ms = now_ms
        remarks = []
        if self._mark_file.exists():
            remarks.append(
                set_file_aside(self.path, now_ms, self._mark_file.read_text(encoding="utf-8"))
            )
            self._mark_file.unlink()
        try:
            return self._open(remarks)
        except StoreDamaged as damage:
            self.close()
            remarks.append(set_file_aside(self.path, now_ms, str(damage)))
            return self._open(remarks)

    def _open(self, remarks: list[str]) -> Opened:
        if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
            raise StoreUnusable(f"SQLite 3.38 is needed, this is {sqlite3.sqlite_version}")
        self._connect()
        with self._faults() as connection:
            self._check_owner(connection)
            passed = schema.migrate(connection)
            if passed and passed[0] > 1:
                remarks.append(f"{self.path} was brought to version {passed[-1]}")
            facts = dict(connection.execute("SELECT name, value FROM facts"))
            self._rooms = int(facts.get("rooms", 0))
            self._epoch, self._mark = int(facts.get("epoch", 0)), int(facts.get("mark", 0))
            remarks += self._read_journal(connection)
            recalled = [row[0] for row in connection.execute("SELECT socket FROM recalled")]
            gaps = {int(run): mark for run, mark in loads(facts.get("gaps", "{}")).items()}
            last_run = int(facts.get("run", 0))
            if last_run:
                gaps[last_run] = self._mark
            gaps = dict(sorted(gaps.items())[-GAPS_MAX:])
            run = max(last_run + 1, self._now_ms // 1000)
            with self._transaction(connection):
                self._keep_facts(connection, run=run, gaps=dumps(_named(gaps)).decode())
        return Opened(run, self._mark, self._epoch, gaps, frozenset(recalled), tuple(remarks))

    def _connect(self) -> None:
        try:
            if not self.path.exists():  # else SQLite makes it readable for everybody
                self.path.touch(mode=0o600)
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=1)
        except OSError as error:
            raise StoreUnusable(f"{self.path}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise fault_of(error, self.path) from error

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        """Raises StoreUnusable for somebody else's file, StoreDamaged for one that is broken."""
        owner, version = schema.owner_of(connection), schema.version_of(connection)
        if owner != schema.APPLICATION_ID and not (owner == 0 and schema.is_empty(connection)):
            raise StoreUnusable(f"{self.path} is a database of another program")
        if version > schema.VERSION:
            raise StoreUnusable(
                f"{self.path} was written by a newer version of this server"
                f" (schema {version}, expected at most {schema.VERSION})"
            )
        if self.path.stat().st_size <= _CHECKED_BYTES_MAX:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise StoreDamaged(f"{self.path}: {found}")
        # After the check of the owner: this writes.
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnusable(f"{self.path}: the file system does not allow WAL mode")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._flush else 'NORMAL'}")

    def _read_journal(self, connection: sqlite3.Connection) -> list[str]:
        """Take up what was not folded; a sentence for each row that cannot be read."""
        records: list[Record] = []
        damaged: list[tuple[int, bytes]] = []
        remarks = []
        rows = connection.execute("SELECT seq, mark, checksum, body FROM journal ORDER BY seq")
        for seq, mark, stated, body in rows:
            self._seq, self._mark = seq, max(self._mark, mark)
            self._fresh_bytes += len(body)
            try:
                if checksum(f"journal {seq}", body) != stated:
                    raise BodyInvalid("its checksum is wrong")
                records += records_in(body)
            except BodyInvalid as error:
                damaged.append((seq, body))
                remarks.append(f"{self.path}: row {seq} of the journal was set aside: {error}")
        for seq, body in damaged:
            with self._transaction(connection):
                self._set_row_aside(connection, f"journal {seq}", body)
                connection.execute("DELETE FROM journal WHERE seq = ?", (seq,))
        self._epoch = max([self._epoch, *(record.epoch for record in records)])
        self._fresh = merged(records)
        return remarks

    # -- reading and writing

    def load(self, room_id: RoomId) -> Record | None:
        with self._faults() as connection:
            row = connection.execute(
                "SELECT checksum, body FROM rooms WHERE room = ?", (room_id,)
            ).fetchone()
            kept = None if row is None else self._room_from(connection, room_id, *row)
        for waiting in (self._frozen.get(room_id), self._fresh.get(room_id)):
            if waiting is not None:
                kept = kept or vacant(room_id)
                kept.absorb(waiting)
        return kept

    def write(self, batch: Batch) -> None:
        bodies = [
            body_of(batch.records[at : at + _ROW_RECORDS_MAX])
            for at in range(0, len(batch.records), _ROW_RECORDS_MAX)
        ]
        recalled = [socket_id for record in batch.records for socket_id in record.recalled]
        rows = [
            (seq, batch.mark, checksum(f"journal {seq}", body), body)
            for seq, body in enumerate(bodies, self._seq + 1)
        ]
        insert = "INSERT INTO journal (seq, mark, checksum, body) VALUES (?, ?, ?, ?)"
        with self._faults() as connection:
            if len(rows) == 1 and not recalled:
                connection.execute(insert, rows[0])  # one statement is a transaction of its own
            else:
                with self._transaction(connection):
                    connection.executemany(insert, rows)
                    connection.executemany(
                        "INSERT OR IGNORE INTO recalled (socket) VALUES (?)",
                        [(socket_id,) for socket_id in recalled],
                    )
        self._seq += len(rows)
        self._mark = batch.mark
        self._fresh_bytes += sum(map(len, bodies))
        for record in batch.records:
            self._epoch = max(self._epoch, record.epoch)
            waiting = self._fresh.setdefault(record.room_id, record)
            if waiting is not record:
                waiting.absorb(record)

    def settle(self) -> None:
        with self._faults() as connection, self._transaction(connection):
            self._keep_facts(connection, gaps="{}")
            connection.execute("DELETE FROM recalled")

    # -- folding

    def tidy(self) -> bool:
        if not self._frozen:
            if self._fresh_bytes < self._journal_bytes_max:
                return False
            self._frozen, self._fresh = self._fresh, {}
            self._frozen_until, self._fresh_bytes = self._seq, 0
        self._fold_slice()
        return bool(self._frozen)

    def _fold_slice(self) -> None:
        """Bring some rooms' rows up to date; with the last of them the journal is cut."""
        chosen: dict[RoomId, Record] = {}
        size = 0
        for room_id, record in islice(self._frozen.items(), _SLICE_ROOMS_MAX):
            chosen[room_id] = record
            size += len(record.rows)
            if size >= _SLICE_ROWS_MAX:
                break
        with self._faults() as connection:
            before = self._rows_of(connection, list(chosen))
            after: dict[RoomId, Record] = {}
            for room_id, record in chosen.items():
                kept = vacant(room_id)
                if room_id in before and not record.whole:
                    kept = self._room_from(connection, room_id, *before[room_id])
                kept.absorb(record)
                after[room_id] = kept
            added = len(after.keys() - before.keys())
            forgotten = [
                room_id
                for room_id, record in after.items()
                if not record.rows and self._rooms + added > self._rooms_max
            ]
            stored = [_row(record) for key, record in after.items() if key not in forgotten]
            rooms = self._rooms + added - len(forgotten)
            with self._transaction(connection):
                connection.execute(
                    "INSERT OR REPLACE INTO rooms (room, checksum, body)"
                    " SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
                    (dumps(stored).decode(),),
                )
                for room_id in forgotten:
                    connection.execute("DELETE FROM rooms WHERE room = ?", (room_id,))
                if len(chosen) == len(self._frozen):
                    connection.execute("DELETE FROM journal WHERE seq <= ?", (self._frozen_until,))
                self._keep_facts(connection, epoch=self._epoch, mark=self._mark, rooms=rooms)
        self._rooms = rooms
        for room_id in chosen:
            del self._frozen[room_id]

    @staticmethod
    def _rows_of(
        connection: sqlite3.Connection, room_ids: list[RoomId]
    ) -> dict[RoomId, tuple[int, str]]:
        """Checksum and body of those that have a row."""
        (text,) = connection.execute(
            "SELECT json_group_array(json_array(room, checksum, body)) FROM rooms"
            " WHERE room IN (SELECT value FROM json_each(?))",
            (dumps(room_ids).decode(),),
        ).fetchone()
        return {room: (stated, body) for room, stated, body in loads(text)}

    def _room_from(
        self, connection: sqlite3.Connection, room_id: RoomId, stated: int, body: str
    ) -> Record:
        """The record in a room's row. Raises StoreDamaged, and has then set the row aside."""
        try:
            if checksum(room_id, body.encode()) != stated:
                raise BodyInvalid("its checksum is wrong")
            record = record_from(loads(body))
        except BodyInvalid as error:
            with self._transaction(connection):
                self._set_row_aside(connection, f"room {room_id}", body.encode())
                connection.execute("DELETE FROM rooms WHERE room = ?", (room_id,))
            self._rooms -= 1
            raise StoreDamaged(
                f"{self.path}: the record of room {room_id} was set aside: {error}"
            ) from None
        if record.room_id != room_id:
            raise AssertionError("a checksum that holds for another room")
        return record

    # -- what cannot be read

    def _set_row_aside(self, connection: sqlite3.Connection, place: str, body: bytes) -> None:
        connection.execute(
            "INSERT INTO set_aside (at_ms, place, body) VALUES (?, ?, ?)",
            (self._now_ms, place, body),
        )

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    # -- inside

    def _keep_facts(self, connection: sqlite3.Connection, **facts: object) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)",
            [(name, str(value)) for name, value in facts.items()],
        )

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _faults(self) -> Iterator[sqlite3.Connection]:
        """The connection. What SQLite and the file system raise comes out as a StoreFault."""
        if self._connection is None:
            raise StoreUnusable(f"{self.path} is closed")
        try:
            yield self._connection
        except sqlite3.Error as error:
            fault = fault_of(error, self.path)
            if isinstance(fault, StoreDamaged):
                self._note_damage(str(fault))
            raise fault from error

    def _note_damage(self, why: str) -> None:
        """The next start sets the file aside: now it may still be of some use."""
        if self._connection is not None and self._seq:
            with suppress(OSError):
                self._mark_file.write_text(why, encoding="utf-8")


def _row(record: Record) -> list[object]:
    body = dumps(plain(record))
    return [record.room_id, checksum(record.room_id, body), body.decode()]


def _named(gaps: Mapping[int, int]) -> dict[str, int]:
    return {str(run): mark for run, mark in gaps.items()}
