"""All rooms of a store, read by somebody who does not own it, also while a server writes.

Owns how rows and journal come together for that. Nothing is written: what cannot be read is told as
None.
"""

from collections.abc import Iterator
from pathlib import Path

from actors.records import Record, merged, vacant
from actors.sealing import Seal
from actors.stores import schema
from actors.stores.codec import BodyInvalid
from actors.stores.port import StoreUnusable
from actors.stores.room_rows import RoomRow, record_in
from actors.stores.sqlite_opening import faults, inspect_seal, read, reading


def records_of(path: Path, seal: Seal | None) -> Iterator[Record | None]:
    """Every room of the file as of one moment, whole; None for each row that cannot be read.
    O(rooms) time, O(journal) memory. Raises StoreFault.
    """
    inspect_seal(path, seal)
    with faults(path), reading(path) as connection:
        version = schema.version_of(connection)
        if version != schema.VERSION:
            why = f"schema {version}, expected {schema.VERSION}: start the server once"
            raise StoreUnusable(f"{path} was written by another version of this server ({why})")
        connection.execute("BEGIN")  # all of it as of this moment
        contents, form = read(path, connection, seal)
        waiting = merged(contents.records)
        yield from [None] * len(contents.unreadable)
        rows = connection.execute(
            "SELECT CAST(room AS BLOB), checksum, CAST(body AS BLOB) FROM rooms"
        )
        for raw_key, stated, text in rows:
            key = raw_key.decode(errors="replace")
            try:
                room_id = form.room_of(key)
                record = record_in(form, room_id, RoomRow(key, stated, text))
            except BodyInvalid:
                yield None
                continue
            newer = waiting.pop(room_id, None)
            if newer is not None:
                record.absorb(newer)
            yield record
        for room_id, newer in waiting.items():
            record = vacant(room_id)
            record.absorb(newer)
            yield record
