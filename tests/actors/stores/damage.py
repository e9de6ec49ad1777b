"""Ways to break the database file of a closed store, or one row of an open one."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from actors.ids import RoomId
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.places import Run
from tests.actors.stores.rooms import whole

PAGE: Final = 4096
"""Bytes of a page, SQLite's default."""


def sql(folder: Path, statement: str, *values: object) -> list[Any]:
    """Do `statement` through a connection of its own."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def filled(folder: Path, make: Callable[[Path], SqliteStore], rooms: int = 200) -> list[RoomId]:
    """Leave a closed store with so many rooms, one write each; their names."""
    run = Run(lambda: make(folder))
    room_ids = [RoomId(f"room-{number}") for number in range(rooms)]
    for room_id in room_ids:
        run.write(whole(room_id, *"ABCDEFGHI"))
    run.tidy()
    run.store.close()
    return room_ids


def smash(path: Path, first: int, last: int | None = None) -> bytes:
    """Overwrite the beginning of pages `first` to `last`, as a disk may; the bytes afterwards."""
    content = bytearray(path.read_bytes())
    for start in range(first * PAGE, len(content) if last is None else last * PAGE, PAGE):
        content[start : start + 64] = b"\xaa" * 64
    path.write_bytes(content)
    return bytes(content)


def aside(folder: Path) -> list[Path]:
    """The databases that were set aside, sorted, without their companions."""
    return sorted(
        path
        for path in folder.glob(f"{FILE_NAME}.corrupt-*")
        if not path.name.endswith(("-wal", "-shm"))
    )


def contents(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of those files in `folder` that exist."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
