"""What does the store alone take, without a server around it?

Records a second through `SqliteStore` in one thread, in batches of 1 and of 100, with and without a
flush of the disk for each batch, sealed and not, folding between the batches as the writer's thread
does. Beside it the least that a flush can be: the same number of bytes appended to a plain file,
and fdatasync(2). The folder is a real one (see TMPDIR); on a file system in memory a flush is free.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actors.ids import RoomId, SocketId
from actors.records import Record
from actors.records import Row as PlayerRow
from actors.sealing import KEY_BYTES, Seal
from actors.stores.codec import body_of
from actors.stores.port import Batch
from actors.stores.sqlite import SqliteStore
from benchmarks.figures import OURS, Column, Figures, Row, per_unit, quantile
from benchmarks.harness import Harness

NAME: Final = "store"
TITLE: Final = "The store alone"
KEY: Final = "records_per_s"
FIRST: Final = "flush"
NO_FLUSH: Final = "no flush"
SEALED: Final = "no flush, sealed"
PLAIN: Final = "plain file, fdatasync"
COLUMNS: Final = (
    Column(KEY, "records/s", 0),
    Column("cpu_us_per_record", "CPU µs/record", 1),
    Column("p50_ms", "batch p50 ms", 3),
    Column("p99_ms", "batch p99 ms", 3),
    Column("greatest_ms", "batch greatest ms", 1),
    Column("tidy_pct", "time spent folding, %", 0),
    Column("mib", "journal written, MiB", 1),
)
WAYS: Final = (FIRST, NO_FLUSH, SEALED, PLAIN)
BATCHES: Final = (1, 100)
ROOMS: Final = 10_000
WINDOW_S: Final = 3.0
QUICK_WINDOW_S: Final = 0.5
BATCHES_MAX: Final = 200_000
NOW_MS: Final = 1_790_000_000_000


def player(number: int) -> PlayerRow:
    """The row of a player with what players usually have."""
    user = f"u{number}"
    attributes = {"color": "#a0b1c2", "n": number}
    return (user, user, None, attributes, NOW_MS, NOW_MS, 1.5, 2.5, False, True, 1, 1)


def whole_room(number: int, players: int) -> Record:
    """Room `r<number>` with so many players."""
    rows = {SocketId(f"{number:08d}.{seat:03d}"): player(seat) for seat in range(players)}
    return Record(RoomId(f"r{number}"), NOW_MS, players, NOW_MS, NOW_MS, True, dict(rows))


def change(room: int, version: int) -> Record:
    """One player of room `r<room>` became different."""
    socket_id = SocketId(f"{room:08d}.000")
    rows: dict[SocketId, PlayerRow | None] = {socket_id: player(version)}
    return Record(RoomId(f"r{room}"), NOW_MS, version, NOW_MS, NOW_MS, False, rows)


@dataclass(frozen=True, slots=True)
class Job:
    """So many records a batch, for so long."""

    way: str
    records: int
    window_s: float


def measured(job: Job) -> Figures:
    """One job in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="vaultmeet-bench-") as folder:
        if job.way == PLAIN:
            with (Path(folder) / "journal").open("ab", buffering=0) as file:

                def append(batch: Batch) -> None:
                    file.write(body_of(batch.records))
                    os.fdatasync(file.fileno())

                return _timed(job, append, lambda: False)
        seal = Seal([os.urandom(KEY_BYTES)], os.urandom) if job.way == SEALED else None
        store = SqliteStore(Path(folder), flush=job.way == FIRST, seal=seal)
        store.open(NOW_MS)
        try:
            return _timed(job, store.write, store.tidy)
        finally:
            store.close()


def _timed(job: Job, write: Callable[[Batch], None], tidy: Callable[[], bool]) -> Figures:
    took_ms: list[float] = []
    written = tidy_s = 0.0
    made = 0
    cpu_s = 0.0
    begun = time.perf_counter()
    while time.perf_counter() - begun < job.window_s and len(took_ms) < BATCHES_MAX:
        mark = len(took_ms) + 1
        records = [change((made + n) % ROOMS, mark) for n in range(job.records)]
        made += job.records
        size = len(body_of(records))
        cpu = time.process_time()
        start = time.perf_counter()
        write(Batch(mark, records))
        done = time.perf_counter()
        tidy()
        tidy_s += time.perf_counter() - done
        cpu_s += time.process_time() - cpu
        took_ms.append((done - start) * 1e3)
        written += size
    busy_s = sum(took_ms) / 1e3 + tidy_s
    took_ms.sort()
    return {
        KEY: per_unit(made, busy_s),
        "cpu_us_per_record": per_unit(cpu_s * 1e6, made),
        "p50_ms": quantile(took_ms, 0.5),
        "p99_ms": quantile(took_ms, 0.99),
        "greatest_ms": quantile(took_ms, 1.0),
        "tidy_pct": 100 * per_unit(tidy_s, busy_s),
        "mib": written / 2**20,
    }


def run(harness: Harness) -> Iterator[Row]:
    """1 and 100 records a batch, each way."""
    if OURS not in harness.options.servers:
        return
    window_s = QUICK_WINDOW_S if harness.options.quick else WINDOW_S
    for records in BATCHES:
        ways = {way: (measured, Job(way, records, window_s)) for way in WAYS}
        yield from harness.in_processes(NAME, f"batches of {records}", dict(ways))
