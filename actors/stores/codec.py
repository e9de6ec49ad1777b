"""Records as JSON, and back. The stores' only orjson.

Owns the shape on disk and its check: what is read must be just what was written. Which shape that
is goes by the version of the schema around it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import orjson

from actors.ids import RoomId, SocketId
from actors.records import ROW_FIELDS, Record, Spot


class BodyInvalid(ValueError):
    """These bytes are no record that was written here."""


def plain(record: Record) -> list[object]:
    """`record` as arrays and objects, for `dumps`."""
    return [
        record.room_id,
        record.epoch,
        record.version,
        record.created_at_ms,
        record.last_activity_ms,
        int(record.whole),
        record.rows,
        record.spots,
    ]


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
    """The record that `plain` made `value` of. Raises BodyInvalid."""
    match value:
        case [str(room), int(epoch), int(version), int(created), int(active), int(whole), rows, at]:
            return Record(
                RoomId(room), epoch, version, created, active, bool(whole), _rows(rows), _spots(at)
            )
    raise BodyInvalid("not a record")


def checksum(place: str, body: bytes) -> int:
    """CRC-32 of `body` where it stands: one that was moved or changed has another."""
    return crc32(body, crc32(place.encode()))


def _rows(value: object) -> dict[SocketId, Any]:
    if not isinstance(value, Mapping):
        raise BodyInvalid("no players")
    rows: dict[SocketId, Any] = {}
    for socket_id, row in value.items():
        if row is not None and (not isinstance(row, list) or len(row) != ROW_FIELDS):
            raise BodyInvalid("not a player")
        rows[SocketId(socket_id)] = None if row is None else tuple(row)
    return rows


def _spots(value: object) -> dict[SocketId, Spot]:
    if not isinstance(value, Mapping):
        raise BodyInvalid("no positions")
    spots: dict[SocketId, Spot] = {}
    for socket_id, spot in value.items():
        if not isinstance(spot, list) or len(spot) != 3:  # x, y, when
            raise BodyInvalid("not a position")
        x, y, seen_ms = spot
        spots[SocketId(socket_id)] = (x, y, seen_ms)
    return spots
