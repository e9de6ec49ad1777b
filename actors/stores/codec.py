"""Records as JSON, and back. The stores' only orjson.

Owns the shape on disk and its check: what is read must be just what was written. Which shape that
is goes by the version of the schema around it.
"""

from collections.abc import Sequence
from itertools import product
from types import NoneType
from typing import Any, Final
from zlib import crc32

import orjson

from actors.ids import RoomId
from actors.records import Record
from actors.room_rules import PLAIN, plain_of, rules_from

_FIELDS: Final = 8
_NUMBER: Final = (int, float)
_SPOTS: Final = frozenset(product(_NUMBER, _NUMBER, (int,)))
"""The types of a position's fields, in every way that they may be."""
_ROWS: Final = frozenset(
    (str, str, name, dict, int, int, x, y, bool, bool, int, int)
    for name, x, y in product((str, NoneType), _NUMBER, _NUMBER)
)
"""And of a player's: one look tells of all twelve, and whoever takes a row takes it at its word."""


class BodyInvalid(ValueError):
    """These bytes are no record that was written here."""


def plain(record: Record) -> list[object]:
    """`record` as arrays and objects, for `dumps`. Most say nothing of rules, and end before."""
    values: list[object] = [
        record.room_id,
        record.epoch,
        record.version,
        record.created_at_ms,
        record.last_activity_ms,
        int(record.whole),
        record.rows,
        record.spots,
    ]
    if record.rules is not None and not (record.whole and record.rules == PLAIN):
        values.append(plain_of(record.rules))
    return values


def dumps(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return orjson.dumps(value)


def loads(body: bytes | str) -> Any:
    """Raises BodyInvalid."""
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise BodyInvalid(str(error)) from None


def body_of(records: Sequence[Record]) -> bytes:
    """One body with `records` in their order."""
    return dumps([plain(record) for record in records])


def records_in(body: bytes | str) -> list[Record]:
    """The records of one body. Raises BodyInvalid."""
    values = loads(body)
    if not isinstance(values, list):
        raise BodyInvalid("not a list of records")
    return [record_from(value) for value in values]


def record_from(value: object) -> Record:
    """The record that `plain` made `value` of. Raises BodyInvalid.

    On the way of every fold and start, so the objects that were read are taken over.
    """
    if type(value) is not list or not _FIELDS <= len(value) <= _FIELDS + 1:
        raise BodyInvalid("not a record")
    room, epoch, version, created, active, whole, rows, spots, *more = value
    if type(room) is not str or type(rows) is not dict or type(spots) is not dict:
        raise BodyInvalid("not a record")
    if not type(epoch) is type(version) is type(created) is type(active) is type(whole) is int:
        raise BodyInvalid("not a record")
    for socket_id, row in rows.items():
        if row is not None:
            if type(row) is not list or tuple(map(type, row)) not in _ROWS:
                raise BodyInvalid("not a player")
            rows[socket_id] = tuple(row)
    for socket_id, spot in spots.items():
        if type(spot) is not list or tuple(map(type, spot)) not in _SPOTS:
            raise BodyInvalid("not a position")
        spots[socket_id] = tuple(spot)
    try:
        rules = rules_from(more[0]) if more else None
    except ValueError as error:
        raise BodyInvalid(str(error)) from None
    return Record(
        RoomId(room), epoch, version, created, active, bool(whole), rows, spots, rules=rules
    )


def checksum(place: str, body: bytes) -> int:
    """CRC-32 of `body` where it stands: one that was moved or changed has another."""
    return crc32(body, crc32(place.encode()))
