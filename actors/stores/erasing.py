"""Visits to every row of a store: to forget a person there, or rooms that are too old.

Owns the walk, a few rows at a time. Blocking; on the store's thread. What a walk finds that it
cannot read it leaves and counts, since nobody knows whom it names.

    forget: what waits -> the journal is folded -> every row -> what is beside them -> the file anew
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Final

from actors.forgetting import Traces, forget_in
from actors.ids import RoomId
from actors.records import Record
from actors.retention import is_expired
from actors.stores.codec import BodyInvalid, dumps
from actors.stores.port import StoreFault
from actors.stores.room_rows import RoomRow, record_in, room_row
from actors.stores.rows import Rows
from actors.stores.sqlite import SqliteStore
from actors.stores.sqlite_opening import keep_facts, transaction

SLICE_ROWS_MAX: Final = 128
_ROWS: Final = (
    "SELECT rowid, CAST(room AS BLOB), checksum, CAST(body AS BLOB) FROM rooms"
    " WHERE rowid > ? ORDER BY rowid LIMIT ?"
)


@dataclass(slots=True)
class Forgotten:
    """What a store had of somebody. `unreadable` rows were left as they are; so many rows that were
    `set_aside` are gone with it.
    """

    seats: set[tuple[RoomId, str]] = field(default_factory=set)
    rules: set[tuple[RoomId, str]] = field(default_factory=set)
    unreadable: int = 0
    set_aside: int = 0

    def note(self, room_id: RoomId, traces: Traces) -> None:
        self.seats.update((room_id, seat) for seat in traces.seats)
        self.rules.update((room_id, part) for part in traces.rules)


class _Walk:
    """Where it is among the rows. Those made meanwhile come at the end, and are visited."""

    def __init__(self) -> None:
        self._at = 0

    def next_rows(
        self, connection: sqlite3.Connection, form: Rows
    ) -> list[tuple[int, RoomId | None, RoomRow]]:
        """Some more rows, with the rooms that they are of, None where that cannot be read; nothing
        at the end.
        """
        found = connection.execute(_ROWS, (self._at, SLICE_ROWS_MAX)).fetchall()
        if found:
            self._at = found[-1][0]
        return [
            (number, _room_of(form, key), RoomRow(key.decode(errors="replace"), stated, text))
            for number, key, stated, text in found
        ]


class _Stage(Enum):
    BEGIN = "begin"
    FOLD = "fold"
    WALK = "walk"
    BESIDE = "beside"
    WIPE = "wipe"
    DONE = "done"


class Erasing:
    """A visitor after which no byte of the store is about `person`, whose pseudonym in a room
    `pseudonym_in` says. It begins anew where the server was killed in between.

    What was set aside, which nobody can look through, goes altogether. Tokens of earlier runs seat
    nobody after a further start, since nothing would be left to tell that this person's do not.
    """

    def __init__(
        self, store: SqliteStore, person: str, pseudonym_in: Callable[[RoomId], str]
    ) -> None:
        self._store: Final = store
        self.person: Final = person
        self.forgotten: Final = Forgotten()
        self._pseudonym_in: Final = pseudonym_in
        self._stage = _Stage.BEGIN
        self._until = 0
        self._walk: Final = _Walk()
        self._needle: Final = dumps(person)[1:-1]

    def names_in(self, room_id: RoomId) -> frozenset[str]:
        """What the person may be called in a room's rules."""
        return frozenset({self.person, self._pseudonym_in(room_id)})

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do some of it; whether there is more. What raises is done again by the next step."""
        store = self._store
        match self._stage:
            case _Stage.BEGIN:
                if store.sealing.under_way:  # it counts rows, which are numbered anew at the end
                    store.tidy()
                    return True
                for record in _waiting(store):
                    self._forget(record)
                self._until = store.journal_end
                self._stage = _Stage.FOLD
            case _Stage.FOLD:
                if not store.fold(self._until):
                    self._stage = _Stage.WALK
            case _Stage.WALK:
                if not self._walk_on(connection, store.sealing.form):
                    self._stage = _Stage.BESIDE
            case _Stage.BESIDE:
                with transaction(connection):
                    (aside,) = connection.execute("SELECT count(*) FROM set_aside").fetchone()
                    connection.execute("DELETE FROM set_aside")
                    connection.execute("DELETE FROM recalled")
                    keep_facts(connection, gaps="{}")
                self.forgotten.set_aside += aside
                self._stage = _Stage.WIPE
            case _Stage.WIPE:
                wipe(connection, store)
                self._stage = _Stage.DONE
            case _Stage.DONE:
                pass
        return self._stage is not _Stage.DONE

    # -- inside

    def _forget(self, record: Record) -> bool:
        traces = forget_in(record, self.person, self.names_in(record.room_id))
        self.forgotten.note(record.room_id, traces)
        return bool(traces)

    def _walk_on(self, connection: sqlite3.Connection, form: Rows) -> bool:
        found = self._walk.next_rows(connection, form)
        changes = []
        for number, room_id, row in found:
            if room_id is None:
                self.forgotten.unreadable += 1
                continue
            try:
                record = self._naming(form, room_id, row)
            except BodyInvalid:
                self.forgotten.unreadable += 1
                continue
            if record is not None and self._forget(record):
                changes.append((*room_row(form, record), number))
        with transaction(connection):
            connection.executemany(
                "UPDATE rooms SET room = ?, checksum = ?, body = ? WHERE rowid = ?", changes
            )
        return bool(found)

    def _naming(self, form: Rows, room_id: RoomId, row: RoomRow) -> Record | None:
        """The record, where it may name the person: most do not, and are not taken apart."""
        body = form.room_body(row.key, row.text)
        if self._needle in body or self._pseudonym_in(room_id).encode() in body:
            return record_in(form, room_id, row)
        return None


class Expiring:
    """A visitor after which no room is kept that nobody has touched since `before_ms`, and no row
    that was set aside then. `is_open` says of which rooms there is more than the store knows; it is
    asked on the store's thread. To be sent when the grace since the start is over: nobody sits in a
    room then that is not open.
    """

    def __init__(
        self, store: SqliteStore, before_ms: int, is_open: Callable[[RoomId], bool]
    ) -> None:
        self._store: Final = store
        self.rooms = 0
        """So many were removed."""
        self.set_aside = 0
        self._before_ms: Final = before_ms
        self._is_open: Final = is_open
        self._walk: Final = _Walk()
        self._is_begun = False

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do some of it; whether there is more. What raises is done again by the next step."""
        if not self._is_begun:
            self._is_begun = True
            self.set_aside = connection.execute(
                "DELETE FROM set_aside WHERE at_ms < ?", (self._before_ms,)
            ).rowcount
        form = self._store.sealing.form
        found = self._walk.next_rows(connection, form)
        going = [(number,) for number, room_id, row in found if self._goes(room_id, row)]
        if going:
            with transaction(connection):
                connection.executemany("DELETE FROM rooms WHERE rowid = ?", going)
                (rooms,) = connection.execute("SELECT count(*) FROM rooms").fetchone()
                keep_facts(connection, rooms=rooms)
            self._store.removed(len(going))
        self.rooms += len(going)
        if not found and (self.rooms or self.set_aside):
            _checkpoint(connection)  # where somebody reads it is done some other time
        return bool(found)

    def _goes(self, room_id: RoomId | None, row: RoomRow) -> bool:
        if room_id is None or self._is_open(room_id):
            return False
        if any(room_id in records for records in self._store.unfolded):
            return False  # there is newer news of it, or there will be when that is folded
        try:
            record = record_in(self._store.sealing.form, room_id, row)
        except BodyInvalid:
            return False
        return is_expired(record.last_activity_ms, self._before_ms)


def wipe(connection: sqlite3.Connection, store: SqliteStore) -> None:
    """Write the file anew, so that nothing that was deleted is left in it or its journal (`-wal`);
    takes as long as it is large. Raises StoreFault where somebody reads an older state of it.
    """
    connection.execute("VACUUM")
    if not _checkpoint(connection):
        raise StoreFault(f"{store.path}: another process reads it: its journal cannot be emptied")


def _checkpoint(connection: sqlite3.Connection) -> bool:
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _waiting(store: SqliteStore) -> Iterator[Record]:
    return chain.from_iterable(records.values() for records in store.unfolded)


def _room_of(form: Rows, key: bytes) -> RoomId | None:
    try:
        return form.room_of(key.decode(errors="replace"))
    except BodyInvalid:
        return None
