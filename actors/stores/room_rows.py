"""The rows of rooms and of the journal, found and made: SQL around `rows.Rows`.

Owns which row is whose while rows of one file stand under names of several keys. Each statement
gives many rows at once, see sqlite.py.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from actors.ids import RoomId
from actors.records import Record
from actors.stores.codec import BodyInvalid, checksum, dumps, loads, plain, record_from
from actors.stores.rows import Rows

INSERT_JOURNAL: Final = "INSERT INTO journal (seq, mark, checksum, body) VALUES (?, ?, ?, ?)"
_ONE: Final = "SELECT checksum, CAST(body AS BLOB) FROM rooms WHERE room = ?"


class RoomRow(NamedTuple):
    """A row as it was found."""

    key: str
    stated: int
    text: bytes


def row_of(connection: sqlite3.Connection, form: Rows, room_id: RoomId) -> RoomRow | None:
    """The room's row, None where it has none."""
    for key in form.room_keys(room_id):
        found = connection.execute(_ONE, (key,)).fetchone()
        if found is not None:
            return RoomRow(key, *found)
    return None


def rows_of(
    connection: sqlite3.Connection, form: Rows, room_ids: Sequence[RoomId]
) -> dict[RoomId, RoomRow]:
    """The rows of those that have one."""
    keys = {room_id: form.room_keys(room_id) for room_id in room_ids}
    every = [key for names in keys.values() for key in names]
    try:
        (text,) = connection.execute(
            "SELECT json_group_array(json_array(room, checksum, body)) FROM rooms"
            " WHERE room IN (SELECT value FROM json_each(?))",
            (dumps(every).decode(),),
        ).fetchone()
        found = {key: RoomRow(key, stated, body.encode()) for key, stated, body in loads(text)}
    except (sqlite3.OperationalError, BodyInvalid, UnicodeError):
        # One of them is no text any more: they are looked at one by one.
        one_by_one = {room_id: row_of(connection, form, room_id) for room_id in room_ids}
        return {room_id: row for room_id, row in one_by_one.items() if row is not None}
    rows: dict[RoomId, RoomRow] = {}
    for room_id, names in keys.items():
        for key in names:
            if key in found:
                rows[room_id] = found[key]
                break
    return rows


def record_in(form: Rows, room_id: RoomId, row: RoomRow) -> Record:
    """The record in the room's row. Raises BodyInvalid."""
    if checksum(row.key, row.text) != row.stated:
        raise BodyInvalid("its checksum is wrong")
    record = record_from(loads(form.room_body(row.key, row.text)))
    if record.room_id != room_id:
        raise BodyInvalid("it is of another room")
    return record


def room_row(form: Rows, record: Record) -> tuple[str, int, str]:
    """The row of a whole record."""
    key = form.room_key(record.room_id)
    text = form.room_text(key, dumps(plain(record)))
    return key, checksum(key, text.encode()), text


def journal_row(form: Rows, seq: int, mark: int, body: bytes) -> tuple[int, int, int, bytes]:
    """The row number `seq`, for `INSERT_JOURNAL`."""
    stored = form.journal(seq, mark, body)
    return seq, mark, checksum(f"journal {seq}", stored), stored


def set_row_aside(
    connection: sqlite3.Connection, form: Rows, now_ms: int, place: str, body: bytes
) -> None:
    """Keep what cannot be read, for the operator."""
    (number,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM set_aside").fetchone()
    place, body = form.wrapped(number, place, body) or (place, body)
    connection.execute(
        "INSERT INTO set_aside (id, at_ms, place, body) VALUES (?, ?, ?, ?)",
        (number, now_ms, place, body),
    )
