"""The way of a file from one seal key, or none, to the newest: a few rows at a time.

Owns which key the file is sealed with, and the walk over the rows of `rooms` and `set_aside`; the
journal is folded away meanwhile by the store. Each step is one transaction, and the file says until
the end that rows may be as they were (`rows.Sealed`), so that a crash anywhere loses nothing: the
next run walks again, past what is done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from actors.sealing import NAME_MARK, RECORDS_MAX, Seal
from actors.stores.codec import BodyInvalid, checksum
from actors.stores.port import StoreUnusable
from actors.stores.rows import Rows, admit
from actors.stores.sqlite_opening import keep_facts, transaction

SLICE_ROWS_MAX: Final = 64
SLICE_BYTES_MAX: Final = 1_048_576
_ROOMS: Final = (
    "SELECT rowid, CAST(room AS BLOB), checksum, CAST(body AS BLOB) FROM rooms"
    " WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
)
_ASIDE: Final = "SELECT id, place, body FROM set_aside WHERE id > ? ORDER BY id"


class Resealing:
    """One walk. Rows that are written meanwhile are sealed with the newest key anyway: they get
    numbers above those that there are now. `journal_until` is the last row of the journal that may
    be sealed otherwise.
    """

    def __init__(self, rows: Rows, connection: sqlite3.Connection, journal_until: int) -> None:
        self.journal_until: Final = journal_until
        self._rows: Final = rows
        count, until = connection.execute(
            "SELECT count(*), coalesce(max(rowid), 0) FROM rooms"
        ).fetchone()
        self._count: Final = int(count)
        self._until: Final = int(until)
        self._at = 0
        self._passed = 0
        self._aside_at = 0
        self.refused = 0
        """Rows that cannot be unsealed. They stay as they are."""
        self.first_refused = ""

    @property
    def left(self) -> int:
        """So many rows at most are not sealed with the newest key."""
        waiting = self._count - self._passed if self._at < self._until else 0
        return waiting + self.refused

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do some rows; whether there are more. What raises is done again by the next step."""
        if self._at < self._until:
            self._rooms_step(connection)
            return True
        return self._aside_step(connection)

    def _rooms_step(self, connection: sqlite3.Connection) -> None:
        found = _slice(connection.execute(_ROOMS, (self._at, self._until)))
        changes: dict[str, tuple[str, int, str, int]] = {}
        refused = []
        for number, raw_key, stated, text in found:
            key = raw_key.decode(errors="replace")
            if self._rows.is_newest(key):
                continue
            try:
                new_key, new_text = self._anew(key, stated, text)
                if new_key in changes or _has_row(connection, new_key):
                    raise BodyInvalid("there is another row of its room")
            except BodyInvalid as error:
                refused.append(f"row {key}: {error}")
            else:
                new_stated = checksum(new_key, new_text.encode())
                changes[new_key] = (new_key, new_stated, new_text, number)
        with transaction(connection):
            connection.executemany(
                "UPDATE rooms SET room = ?, checksum = ?, body = ? WHERE rowid = ?",
                list(changes.values()),
            )
        self._refuse(refused)
        self._passed += len(found)
        self._at = found[-1][0] if found else self._until  # the last of them were deleted

    def _anew(self, key: str, stated: int, text: bytes) -> tuple[str, str]:
        """Key and text of the row as they are to be. Raises BodyInvalid."""
        if checksum(key, text) != stated:
            raise BodyInvalid("its checksum is wrong")
        body = self._rows.room_body(key, text)
        new_key = self._rows.room_key(self._rows.room_of(key))
        return new_key, self._rows.room_text(new_key, body)

    def _aside_step(self, connection: sqlite3.Connection) -> bool:
        found = _slice(connection.execute(_ASIDE, (self._aside_at,)))
        changes, refused = [], []
        for number, place, body in found:
            try:
                wrapped = self._rows.wrapped(number, place, body)
            except BodyInvalid as error:
                refused.append(f"set_aside {number}: {error}")
            else:
                if wrapped is not None:
                    changes.append((*wrapped, number))
        with transaction(connection):
            connection.executemany("UPDATE set_aside SET place = ?, body = ? WHERE id = ?", changes)
        self._refuse(refused)
        if found:
            self._aside_at = found[-1][0]
        return bool(found)

    def _refuse(self, rows: Sequence[str]) -> None:
        self.refused += len(rows)
        if rows and not self.first_refused:
            self.first_refused = rows[0]


class SealNews(Protocol):
    """Told, on the store's thread, what becomes of the seal: an event and its details."""

    def __call__(self, event: str, /, **details: object) -> object: ...


def UNHEARD(event: str, /, **details: object) -> None:  # noqa: N802  # a constant that is called
    """The news of a store that nobody listens to."""


class Sealing:
    """The seal of the file at `path`, from its opening on: `begin`, then `step` until all is sealed
    with the newest key.
    """

    def __init__(self, path: Path, seal: Seal | None, news: SealNews) -> None:
        self.seal = seal
        self.form = Rows("", None, None)
        self._path: Final = path
        self._news: Final = news
        self._walk: Resealing | None = None
        self._left = 0
        self._told: set[object] = set()

    # -- on any thread

    @property
    def rows_left(self) -> int:
        """Rows, at most, that are not sealed with the newest key."""
        walk = self._walk
        return self._left if walk is None else walk.left

    @property
    def is_whole(self) -> bool:
        """All rows are sealed with the newest key."""
        form = self.form
        return bool(form.seal and form.sealed and form.sealed.is_whole(form.seal.newest))

    @property
    def records(self) -> int:
        """Records that the newest key has sealed in this file."""
        return self.form.seals

    # -- on the store's thread

    @property
    def under_way(self) -> bool:
        """There is more to do."""
        return self._walk is not None

    def waits_for(self, folded_until: int) -> bool:
        """The journal must be folded further: its rows are not sealed with the newest key."""
        return self._walk is not None and self._walk.journal_until > folded_until

    def refuses(self, key: str) -> bool:
        """A row of that key which cannot be read is left as it is."""
        return self.seal is not None and (key.startswith(NAME_MARK) or not self.form.clear)

    def begin(
        self, connection: sqlite3.Connection, journal_until: int, *, is_new: bool = False
    ) -> None:
        """Have the file say that rows are sealed with the newest key from now on, and not all are
        yet, unless it was just made. Within a transaction of the caller's.
        """
        form = self.form
        if form.seal is None or self.is_whole:
            return
        if form.sealed is None or form.seal.newest != next(iter(form.sealed.checks)):
            form.seals = 0
        form.sealed = form.whole_fact() if is_new else form.fact()
        keep_facts(connection, seal=form.sealed.text(), seals=form.seals)
        if is_new:
            return
        _rename_recalled(connection, form)
        self._walk = Resealing(form, connection, journal_until)
        self._told.discard(RECORDS_MAX)
        self._news("store_sealing", key=form.seal.newest, rows=self._walk.left)

    def take(self, connection: sqlite3.Connection, seal: Seal, journal_until: int) -> None:
        """Another seal, in the midst of it. Raises StoreUnusable, and then all is as before."""
        form = self.form
        if form.seal is None:
            raise StoreUnusable(
                f"{self._path} was opened without a seal key: start the server anew"
            )
        admit(self._path, form.store, form.sealed, seal)
        before = form.seal, form.sealed, form.seals
        form.seal = seal
        if seal.newest != before[0].newest:
            try:
                with transaction(connection):
                    self.begin(connection, journal_until)
            except BaseException:
                form.seal, form.sealed, form.seals = before
                raise
        self.seal = seal

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do a little; whether there is more."""
        walk, form = self._walk, self.form
        if walk is None or form.seal is None:
            return False
        if walk.step(connection):
            return True
        self._walk, self._left = None, walk.left  # what is left now is for the next start
        if walk.refused:
            self._news("seal_refused", error=f"{self._path}: {walk.first_refused}", rows=walk.left)
            return False
        if form.clear:
            _wipe(connection)
        whole = form.whole_fact()
        with transaction(connection):
            keep_facts(connection, seal=whole.text(), seals=form.seals)
        form.sealed = whole
        self._news("store_sealed", key=form.seal.newest)
        return False

    def keep_count(self, connection: sqlite3.Connection) -> None:
        """Have the file say how many records the key has sealed, and the operator where it is half
        of all that it may. Within a transaction of the caller's.
        """
        if self.seal is None:
            return
        keep_facts(connection, seals=self.form.seals)
        if self.form.seals >= RECORDS_MAX // 2:
            self.tell_once(RECORDS_MAX, "seal_key_worn", key=self.seal.newest, records=self.records)

    def tell_once(self, about: object, event: str, **details: object) -> None:
        """News of which there is one `about` something."""
        if about not in self._told:
            self._told.add(about)
            self._news(event, **details)


def _wipe(connection: sqlite3.Connection) -> None:
    """Leave nothing in the file and its journal (`-wal`) of what was deleted before it was sealed.
    Takes as long as the file is large, once. Raises sqlite3.OperationalError where somebody who
    reads the file needs it as it was.
    """
    connection.execute("VACUUM")
    (is_held, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_held:
        raise sqlite3.OperationalError(
            "it is sealed, but another process reads it, and what was in the clear cannot be wiped"
            " from it: the next start does that"
        )


def _rename_recalled(connection: sqlite3.Connection, rows: Rows) -> None:
    """Have the newest key name the recalled sessions; all at once, as they are those of one grace.
    What cannot be read stays.
    """
    for key, run in connection.execute("SELECT socket, run FROM recalled").fetchall():
        try:
            new_key = rows.socket_key(rows.socket_of(key))
        except BodyInvalid:
            continue
        connection.execute("DELETE FROM recalled WHERE socket = ?", (key,))
        connection.execute("INSERT OR REPLACE INTO recalled VALUES (?, ?)", (new_key, run))


def _has_row(connection: sqlite3.Connection, key: str) -> bool:
    return connection.execute("SELECT 1 FROM rooms WHERE room = ?", (key,)).fetchone() is not None


def _slice(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """Its first rows, as many as one step takes, one at least."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    for row in cursor:
        rows.append(row)
        size += len(row[-1])
        if len(rows) >= SLICE_ROWS_MAX or size >= SLICE_BYTES_MAX:
            break
    return rows
