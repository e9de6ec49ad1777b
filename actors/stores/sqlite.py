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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final

from actors.ids import RoomId
from actors.recall import GAPS_MAX
from actors.records import Record, merged, vacant
from actors.sealing import Seal
from actors.stores import schema
from actors.stores.codec import BodyInvalid, body_of, dumps
from actors.stores.port import (
    EPOCHS_UNTOLD,
    ROOMS_TOLD_MAX,
    Batch,
    Opened,
    StoreDamaged,
    StoreSealBroken,
    StoreUnusable,
)
from actors.stores.resealing import UNHEARD, Sealing, SealNews
from actors.stores.room_rows import (
    INSERT_JOURNAL,
    RoomRow,
    journal_row,
    record_in,
    room_row,
    row_of,
    rows_of,
    set_row_aside,
)
from actors.stores.sqlite_faults import set_file_aside
from actors.stores.sqlite_opening import (
    connect,
    faults,
    inspect,
    inspect_seal,
    keep_facts,
    read,
    transaction,
)

FILE_NAME: Final = "rooms.db"
_SLICE_ROOMS_MAX: Final = 64
_SLICE_ROWS_MAX: Final = 2000
_ROW_RECORDS_MAX: Final = 512
"""A write about more rooms is several rows: one body is encoded in one go, on Python's lock."""


class SqliteStore:
    """`rooms.db` in `folder`. `flush`: a write waits until the disk has it (synchronous=FULL), so
    that it outlives a loss of power and not only of the process. With a `seal` all that the file
    says of rooms and people is sealed; what was not before, `tidy` seals. `news` is told of that.
    """

    def __init__(
        self,
        folder: Path,
        *,
        flush: bool,
        journal_bytes_max: int = 4 * 1_048_576,
        rooms_max: int = 1_000_000,
        seal: Seal | None = None,
        news: SealNews = UNHEARD,
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
        self._run = 0
        self.journal_end = 0
        """The newest row of the journal."""
        self._mark = 0
        self._epoch = 0
        self._rooms = 0
        self._now_ms = 0
        self._is_open = False
        self.sealing: Final = Sealing(self.path, seal, news)
        self._held: dict[RoomId, Record] = {}
        """What cannot be folded, as the seal of its row is broken: it goes back to the journal."""

    # -- opening

    def open(self, now_ms: int) -> Opened:
        self._now_ms = now_ms
        remarks: list[str] = []
        try:
            inspect_seal(self.path, self.sealing.seal)
            if self._mark_file.exists():
                remarks.append(self._set_file_aside(self._mark_file.read_text(encoding="utf-8")))
                self._mark_file.unlink()
            try:
                inspect(self.path)
            except StoreDamaged as damage:
                remarks.append(self._set_file_aside(str(damage)))
            try:
                return self._open(remarks)
            except StoreDamaged as damage:  # in what was not looked at
                self.close()
                remarks.append(self._set_file_aside(str(damage)))
                return self._open(remarks)
        except OSError as error:
            raise StoreUnusable(f"{self.path}: {error.strerror or error}") from error

    def _set_file_aside(self, why: str) -> str:
        return set_file_aside(self.path, self._now_ms, why)

    def _open(self, remarks: list[str]) -> Opened:
        self._connection = connect(self.path)
        with self._faults() as connection:
            connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            passed = schema.migrate(connection)
            if passed and passed[0] > 1:
                remarks.append(f"{self.path} was brought to version {passed[-1]}")
            found, self.sealing.form = read(self.path, connection, self.sealing.seal)
            remarks += found.remarks
            gaps = found.gaps
            if found.run:
                gaps[found.run] = found.mark
            gaps = dict(sorted(gaps.items())[-GAPS_MAX:])
            run = max(found.run + 1, self._now_ms // 1000)
            epoch = max(found.epoch + EPOCHS_UNTOLD, self._now_ms)
            with transaction(connection):
                for seq, body, why in found.unreadable:
                    self._set_row_aside(connection, f"journal {seq}", body)
                    connection.execute("DELETE FROM journal WHERE seq = ?", (seq,))
                    remarks.append(f"{self.path}: row {seq} of the journal was set aside: {why}")
                named = {str(earlier): mark for earlier, mark in gaps.items()}
                gaps_text = dumps(named).decode()
                keep_facts(connection, run=run, epoch=epoch, gaps=gaps_text)
                self.sealing.begin(connection, found.last_seq, is_new=not found.run)
            if not self._flush:
                connection.execute("PRAGMA synchronous = NORMAL")
        self._run, self._rooms, self._mark, self._epoch = run, found.rooms, found.mark, epoch
        self.journal_end, self._fresh_bytes = found.last_seq, found.journal_bytes
        self._fresh = merged(found.records)
        self._is_open = True
        return Opened(run, found.mark, epoch, gaps, found.recalled, tuple(remarks), self._names())

    def _names(self) -> frozenset[RoomId] | None:
        if self._rooms + len(self._fresh) > ROOMS_TOLD_MAX:
            return None
        with self._faults() as connection:
            rows = connection.execute("SELECT CAST(room AS BLOB) FROM rooms").fetchall()
        names = set(self._fresh)
        for (key,) in rows:
            with suppress(BodyInvalid):  # the row of no room that anybody could ask for
                names.add(self.sealing.form.room_of(key.decode(errors="replace")))
        return frozenset(names)

    # -- reading and writing

    def load(self, room_id: RoomId) -> Record | None:
        with self._faults() as connection:
            row = row_of(connection, self.sealing.form, room_id)
            kept = None if row is None else self._room_from(connection, room_id, row)
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
        recalled = [
            (self.sealing.form.socket_key(socket_id), self._run)
            for record in batch.records
            for socket_id in record.recalled
        ]
        rows = [
            journal_row(self.sealing.form, seq, batch.mark, body)
            for seq, body in enumerate(bodies, self.journal_end + 1)
        ]
        with self._faults() as connection:
            if len(rows) == 1 and not recalled:
                connection.execute(
                    INSERT_JOURNAL, rows[0]
                )  # one statement is a transaction of its own
            else:
                with transaction(connection):
                    connection.executemany(INSERT_JOURNAL, rows)
                    connection.executemany(
                        "INSERT INTO recalled (socket, run) VALUES (?, ?)"
                        " ON CONFLICT (socket) DO UPDATE SET run = max(run, excluded.run)",
                        recalled,
                    )
        self.journal_end += len(rows)
        self._mark = batch.mark
        self._fresh_bytes += sum(map(len, bodies))
        for record in batch.records:
            self._epoch = max(self._epoch, record.epoch)
            waiting = self._fresh.setdefault(record.room_id, record)
            if waiting is not record:
                waiting.absorb(record)

    def settle(self) -> None:
        with self._faults() as connection, transaction(connection):
            keep_facts(connection, gaps="{}")
            connection.execute("DELETE FROM recalled")

    # -- folding

    def tidy(self) -> bool:
        if not self._frozen:
            is_long = self._fresh_bytes >= self._journal_bytes_max
            if not is_long and not self.sealing.waits_for(self._frozen_until):
                with self._faults() as connection:
                    return self.sealing.step(connection)
            self._freeze()
        self._fold_slice()
        return bool(self._frozen) or self.sealing.under_way

    def fold(self, until: int) -> bool:
        """Fold some of the journal up to row `until`; whether there is more of that."""
        if not self._frozen and until > self._frozen_until:
            self._freeze()
        if self._frozen:
            self._fold_slice()
        return bool(self._frozen) or until > self._frozen_until

    def _freeze(self) -> None:
        self._frozen, self._fresh = self._fresh, {}
        self._frozen_until, self._fresh_bytes = self.journal_end, 0

    def visit(self, step: Callable[[sqlite3.Connection], bool]) -> bool:
        """Do a `step` of somebody's who visits all of the file; whether there is more to do."""
        with self._faults() as connection:
            return step(connection)

    @property
    def unfolded(self) -> tuple[dict[RoomId, Record], ...]:
        """What the journal says, for visitors: what is changed there is folded so."""
        return self._held, self._frozen, self._fresh

    def removed(self, rooms: int) -> None:
        """A visitor has deleted so many rows of rooms."""
        self._rooms -= rooms

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
            before = rows_of(connection, self.sealing.form, list(chosen))
            after: dict[RoomId, Record] = {}
            for room_id, record in chosen.items():
                kept = vacant(room_id)
                if room_id in before and not record.whole:
                    try:
                        kept = self._room_from(connection, room_id, before[room_id])
                    except StoreSealBroken as fault:
                        self._held[room_id] = record
                        self.sealing.tell_once(room_id, "seal_refused", error=str(fault))
                        continue
                kept.absorb(record)
                after[room_id] = kept
            added = len(after.keys() - before.keys())
            forgotten = [
                room_id
                for room_id, record in after.items()
                if record.is_bare and self._rooms + added > self._rooms_max
            ]
            stored = [
                room_row(self.sealing.form, record)
                for room_id, record in after.items()
                if room_id not in forgotten
            ]
            keys = {row[0] for row in stored}
            gone = [row.key for key, row in before.items() if key in after and row.key not in keys]
            rooms = self._rooms + added - len(forgotten)
            is_last = len(chosen) == len(self._frozen)
            held = self._held_row() if is_last else []
            with transaction(connection):
                connection.execute(
                    "INSERT OR REPLACE INTO rooms (room, checksum, body)"
                    " SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
                    (dumps(stored).decode(),),
                )
                for key in gone:
                    connection.execute("DELETE FROM rooms WHERE room = ?", (key,))
                if is_last:
                    connection.execute("DELETE FROM journal WHERE seq <= ?", (self._frozen_until,))
                    connection.executemany(INSERT_JOURNAL, held)
                keep_facts(connection, epoch=self._epoch, mark=self._mark, rooms=rooms)
                self.sealing.keep_count(connection)
        self._rooms = rooms
        for room_id in chosen:
            del self._frozen[room_id]
        if held:
            self._take_back()

    def _held_row(self) -> list[tuple[int, int, int, bytes]]:
        """The row of the journal with what could not be folded; none where all was."""
        if not self._held:
            return []
        body = body_of(list(self._held.values()))
        return [journal_row(self.sealing.form, self.journal_end + 1, self._mark, body)]

    def _take_back(self) -> None:
        """It does not count for the length of the journal, which folding makes no shorter by it."""
        self.journal_end += 1
        for room_id, record in self._held.items():
            newer = self._fresh.get(room_id)
            if newer is not None:
                record.absorb(newer)
            self._fresh[room_id] = record
        self._held = {}

    def _room_from(self, connection: sqlite3.Connection, room_id: RoomId, row: RoomRow) -> Record:
        """The record in a room's row. Raises StoreDamaged, and has then set the row aside; where
        it was sealed StoreSealBroken, and has left it: no bit that somebody turns empties a room.
        """
        try:
            return record_in(self.sealing.form, room_id, row)
        except BodyInvalid as error:
            if self.sealing.refuses(row.key):
                raise StoreSealBroken(
                    f"{self.path}: the record of room {room_id} (row {row.key}) is refused: {error}"
                ) from None
            with transaction(connection):
                self._set_row_aside(connection, f"room {room_id}", row.text)
                connection.execute("DELETE FROM rooms WHERE room = ?", (row.key,))
            self._rooms -= 1
            raise StoreDamaged(
                f"{self.path}: the record of room {room_id} was set aside: {error}"
            ) from None

    def reseal(self, seal: Seal) -> None:
        """From now on seal with the newest key of `seal`; `tidy` does what was there before.

        Raises StoreUnusable where `seal` lacks a key that is still in use, or the file was opened
        without one; nothing is changed then.
        """
        with self._faults() as connection:
            self.sealing.take(connection, seal, self.journal_end)

    def _set_row_aside(self, connection: sqlite3.Connection, place: str, body: bytes) -> None:
        set_row_aside(connection, self.sealing.form, self._now_ms, place, body)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._is_open = False
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    # -- inside

    @contextmanager
    def _faults(self) -> Iterator[sqlite3.Connection]:
        """The connection. What SQLite raises comes out as a StoreFault."""
        if self._connection is None:
            raise StoreUnusable(f"{self.path} is closed")
        try:
            with faults(self.path):
                yield self._connection
        except StoreDamaged as damage:
            if isinstance(damage.__cause__, sqlite3.Error):
                self._note_damage(str(damage))
            raise

    def _note_damage(self, why: str) -> None:
        """The next start sets the file aside: now it may still be of some use."""
        if self._is_open:
            with suppress(OSError):
                self._mark_file.write_text(why, encoding="utf-8")
