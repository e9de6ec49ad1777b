"""How long does a server take to start on what it has stored, and to open a stored room?

From the start of the process to `server_started` (the interpreter's own start is in it), by the
stamp in its log, on stores of 0, 1,000 and 100,000 rooms of five players, and on a full journal
that a kill left. Then joins by one client: the first one of all, into a stored room; others into
stored rooms, whose five players come back, lost; and as many into rooms that nobody knows. Files
are in the system's cache, as after a restart of the process and not of the machine.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actors.stores.codec import body_of
from actors.stores.port import Batch
from actors.stores.sqlite import SqliteStore
from benchmarks.bench_store import NOW_MS, change, whole_room
from benchmarks.dialects import Dialect
from benchmarks.figures import OURS, Column, Figures, Row, quantile
from benchmarks.harness import Harness, ServerProcess, variant
from benchmarks.load import Client, SetUpFailed, close_all
from benchmarks.machine import rss_kib

NAME: Final = "restart"
TITLE: Final = "Starting on what is stored"
KEY: Final = "start_ms"
FIRST: Final = "nothing stored"
COLUMNS: Final = (
    Column(KEY, "start, ms", 0),
    Column("start_cpu_ms", "start, CPU ms", 0),
    Column("first_join_ms", "first join, ms", 1),
    Column("stored_join_ms", "join of a stored room, p50 ms", 2),
    Column("new_join_ms", "join of a new room, p50 ms", 2),
    Column("rss_mib", "RSS after the start, MiB", 1),
    Column("file_mib", "file, MiB", 1),
)
PLAYERS: Final = 5
JOURNAL_BYTES: Final = 4 * 1_048_576
JOURNAL_ROOMS: Final = 1_000
JOURNAL_ROWS_MAX: Final = 100_000
JOINS: Final = 30
NEWCOMER: Final = 10_000_000
"""A user whom no stored room has."""
BATCH_ROOMS: Final = 500
ROOMS: Final = (1_000, 100_000)
QUICK_ROOMS: Final = (1_000, 10_000)


def fill(folder: Path, rooms: int) -> None:
    """Store so many rooms, all folded, in `folder`."""
    store = SqliteStore(folder, flush=False, journal_bytes_max=1024)
    store.open(NOW_MS)
    for mark, at in enumerate(range(0, rooms, BATCH_ROOMS), 1):
        numbers = range(at, min(at + BATCH_ROOMS, rooms))
        store.write(Batch(mark, [whole_room(number, PLAYERS) for number in numbers]))
        while store.tidy():
            pass
    store.close()


def fill_journal(folder: Path, into: Path, journal_bytes: int = JOURNAL_BYTES) -> None:
    """Leave `into` as a kill does, with a full journal: one change of one of 1,000 rooms a row.

    The files are copied while they are open, so nothing of the write-ahead log is checked in.
    """
    fill(folder, JOURNAL_ROOMS)
    store = SqliteStore(folder, flush=False, journal_bytes_max=2 * journal_bytes)
    store.open(NOW_MS)
    size = 0
    for number in range(JOURNAL_ROWS_MAX):
        record = change(number % JOURNAL_ROOMS, PLAYERS + number)
        size += len(body_of([record]))
        if size > journal_bytes:
            break
        store.write(Batch(1_000_000 + number, [record]))
    shutil.copytree(folder, into)
    store.close()


async def start(server: ServerProcess, dialect: Dialect, stored_rooms: int) -> Figures:
    """What the start took, then joins. Raises SetUpFailed where a stored room came back empty."""
    figures = {
        KEY: server.start_s * 1e3,
        "start_cpu_ms": server.start_cpu_s * 1e3,
        "rss_mib": rss_kib(server.pid) / 1024,
    }
    client = Client(dialect, server.port, NEWCOMER, 0)
    await client.connect()
    if stored_rooms:
        step = max(1, stored_rooms // (JOINS + 1))
        first, *others = [await _join_ms(client, step * n, PLAYERS) for n in range(JOINS + 1)]
        figures["first_join_ms"] = first
        figures["stored_join_ms"] = quantile(sorted(others), 0.5)
    unknown = 10 * max(ROOMS)
    took = [await _join_ms(client, unknown + n, 0) for n in range(JOINS + 1)]
    figures.setdefault("first_join_ms", took[0])
    figures["new_join_ms"] = quantile(sorted(took[1:]), 0.5)
    figures["errors"] = float(client.errors)
    await close_all([client])
    return figures


async def _join_ms(client: Client, room: int, others: int) -> float:
    """Join `room`, in which there should be so many others."""
    client.room = room
    begun = time.perf_counter()
    await client.join()
    took_ms = (time.perf_counter() - begun) * 1e3
    if len(client.seen) != others + 1:
        raise SetUpFailed(f"room {room} has {len(client.seen)} players, not {others + 1}")
    return took_ms


@dataclass(frozen=True, slots=True)
class Stored:
    """A folder to start on, and how many rooms are in it; `file_mib` of the database."""

    name: str
    folder: Path | None
    rooms: int

    @property
    def file_mib(self) -> float:
        if self.folder is None:
            return 0.0
        return sum(file.stat().st_size for file in self.folder.iterdir()) / 2**20


def prepared(root: Path, quick: bool) -> list[Stored]:
    """The folders, made under `root`."""
    found = [Stored(FIRST, None, 0)]
    for rooms in QUICK_ROOMS if quick else ROOMS:
        folder = root / f"{rooms}"
        folder.mkdir()
        fill(folder, rooms)
        found.append(Stored(f"{rooms:,} rooms", folder, rooms))
    draft, folder = root / "draft", root / "journal"
    draft.mkdir()
    fill_journal(draft, folder)
    found.append(Stored("1,000 rooms and a full journal", folder, JOURNAL_ROOMS))
    return found


def run(harness: Harness) -> Iterator[Row]:
    """Every store, in turn. With `--quick` 10,000 rooms are the most."""
    if OURS not in harness.options.servers:
        return
    with tempfile.TemporaryDirectory(prefix="vaultmeet-bench-") as root:
        stores = {one.name: one for one in prepared(Path(root), harness.options.quick)}
        chosen = [
            variant(harness.options, one.name, "--durability", "fast", stored=one.folder)
            for one in stores.values()
        ]

        async def measure(server: ServerProcess, dialect: Dialect) -> Figures:
            one = stores[server.target.name]
            return {**await start(server, dialect, one.rooms), "file_mib": one.file_mib}

        yield from harness.against(NAME, f"rooms of {PLAYERS} players", chosen, measure)
