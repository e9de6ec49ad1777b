"""What a server's process holds at one moment, read from outside.

Owns the reading of /proc and of the metrics, and what counts as an empty server. Knows no client.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.acceptance.rawsocket import metrics, until_metrics
from tests.acceptance.server import Server

LEFT_OVERS: Final = ("vaultmeet_connections", "vaultmeet_players", "vaultmeet_rooms")
WAITING: Final = "vaultmeet_store_rooms_waiting"
BLOCKS: Final = "vaultmeet_memory_blocks"
TASKS: Final = "vaultmeet_tasks"
COLLECTIONS: Final = 'python_gc_collections_total{generation="2"}'


@dataclass(frozen=True, slots=True)
class Handles:
    """What is counted exactly: the same in every trough."""

    files: int
    threads: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment. `sessions` and `rooms` are all that there were until then; sizes in bytes.

    `blocks` of Python's memory are live objects and garbage; `live` are those that a collection
    left, None where none was made.
    """

    at_s: float
    sessions: int
    rooms: int
    handles: Handles
    resident: int
    proportional: int
    anonymous: int
    blocks: int
    live: int | None
    gauges: Mapping[str, float]

    def left_over(self) -> dict[str, int]:
        """Who and what is still there, of what nothing should be."""
        names = (*LEFT_OVERS, WAITING)
        return {name: int(self.gauges[name]) for name in names if self.gauges.get(name)}


def sizes_of(pid: int) -> dict[str, int]:
    """Memory of a process in bytes, by the names of smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    rows = [row.split() for row in text.splitlines()[1:]]
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}


def open_files(pid: int) -> int:
    """Open file descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads_of(pid: int) -> int:
    """Threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def is_empty(gauges: Mapping[str, float]) -> bool:
    """Nobody is there, no room is, and nothing waits for the disk."""
    return not any(gauges.get(name) for name in (*LEFT_OVERS, WAITING))


async def read(server: Server, at_s: float, sessions: int, rooms: int, *, collect: bool) -> Reading:
    """Read all there is; sizes and handles before any scrape, which has some of its own.

    `collect` has the server (of `served.py`) collect its garbage, after all else was read.
    """
    pid = server.process.pid
    sizes, files, threads = sizes_of(pid), open_files(pid), threads_of(pid)
    gauges = await metrics(server)
    live = None
    if collect:
        server.signal(signal.SIGUSR2)
        so_far = gauges[COLLECTIONS]
        live = int((await until_metrics(server, lambda m: m[COLLECTIONS] > so_far))[BLOCKS])
    return Reading(
        at_s,
        sessions,
        rooms,
        Handles(files, threads, int(gauges[TASKS])),
        sizes["Rss"],
        sizes["Pss"],
        sizes["Anonymous"],
        int(gauges[BLOCKS]),
        live,
        gauges,
    )
