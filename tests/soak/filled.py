"""A data folder as it is after years: full of rooms that nobody is in.

Of its first rooms a server remembers the names (10,000 that it finds stored, 100,000 that it
stores), and the file grows with each; both end at a bound. A soak begins beyond the bounds, where
nothing may grow any more. Knows the store, which is nobody else's business here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from actors.ids import RoomId
from actors.records import vacant
from actors.stores.port import ROOMS_TOLD_MAX, Batch
from actors.stores.sqlite import SqliteStore

ROOMS: Final = ROOMS_TOLD_MAX + 1
"""So many are stored; given as `stored_rooms_max`, no empty one is added."""
BATCH: Final = 500
THEN_MS: Final = 1_700_000_000_000


def fill(folder: Path) -> None:
    """Store `ROOMS` empty rooms in `folder`, which is made."""
    folder.mkdir(mode=0o700)
    store = SqliteStore(folder, flush=False, journal_bytes_max=1024)
    store.open(THEN_MS)
    for mark, at in enumerate(range(0, ROOMS, BATCH), 1):
        names = [RoomId(f"old-{n}") for n in range(at, min(at + BATCH, ROOMS))]
        store.write(Batch(mark, [vacant(name) for name in names]))
        while store.tidy():
            pass
    store.close()
