"""What does `journal` cost in latency and throughput, with 1 to 10,000 rooms?

One player in each room, on a socket of its own; `updatePlayer` with its answer, which in `journal`
waits for the disk and in `fast` does not. First at a pace that leaves the server time (latency,
counted from the moment at which the change was due), then with up to 256 changes under way, each
answer followed by the next room's change (throughput). Commits and records per commit are the
server's own count, from `/metrics`. Changes of different rooms share a commit; one room's do not,
since a room goes on when its turn is durable.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from benchmarks.dialects import TEXT, Dialect, client_frame
from benchmarks.figures import OURS, Column, Figures, Row, per_unit, quantile
from benchmarks.harness import Harness, Meter, ServerProcess, variant
from benchmarks.load import PUMP_S, Client, close_all, connect, join_all
from benchmarks.scrape import Commits, scrape

NAME: Final = "journal"
TITLE: Final = "Changes that are durable before they are answered"
KEY: Final = "changes_per_s"
FIRST: Final = "fast"
COLUMNS: Final = (
    Column("paced_per_s", "paced: changes/s", 0),
    Column("paced_p50_ms", "p50 ms", 2),
    Column("paced_p99_ms", "p99 ms", 1),
    Column("paced_records_per_commit", "records/commit", 1),
    Column(KEY, "full: changes/s", 0),
    Column("p50_ms", "p50 ms", 2),
    Column("p99_ms", "p99 ms", 1),
    Column("commits_per_s", "commits/s", 0),
    Column("records_per_commit", "records/commit", 1),
    Column("commit_ms", "ms/commit", 2),
    Column("cpu_us_per_change", "server CPU µs/change", 0),
    Column("server_cpu_pct", "server CPU %", 0),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
ROOMS: Final = (1, 10, 100, 1_000, 10_000)
QUICK_ROOMS_MAX: Final = 1_000
UNDER_WAY_MAX: Final = 256
PACE_OF_ROOM: Final = 20.0
PACE_MAX: Final = 500.0
"""Changes a second, over all rooms: about a tenth of what a core does."""
WARM_UP_S: Final = 0.5
WINDOW_S: Final = 4.0
QUICK_WINDOW_S: Final = 1.0
REST_S_MAX: Final = 5.0
"""So long the last answers may take."""


class Changes:
    """Changes over the clients in turn; a client has one under way at most.

    `due` holds when the change of a client was due (monotonic ns) until it is answered.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self._free: deque[Client] = deque(clients)
        self._due: dict[int, int] = {}
        self._number = 0
        self._refill = False
        self._step_ns = 0
        self._begun_ns = 0
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None
        self.answered = self.refused = self.late = 0
        self.took_ns: list[int] = []
        for client in clients:
            client.on_message = self.on_message

    @property
    def under_way(self) -> int:
        return len(self._due)

    def fill(self) -> None:
        """Have as many under way as may be, from now on."""
        self._refill = True
        for _ in range(min(UNDER_WAY_MAX, len(self._free))):
            self._send(time.monotonic_ns())

    def pace(self, per_s: float) -> None:
        """Begin so many a second, from now on."""
        self._step_ns = int(1e9 / per_s)
        self._begun_ns = time.monotonic_ns()
        self._sent = 0
        self._pump()

    def stop(self) -> None:
        """Begin nothing more."""
        self._refill = False
        if self._timer is not None:
            self._timer.cancel()

    async def rest(self) -> None:
        """Wait until all is answered, or for `REST_S_MAX`."""
        deadline = time.monotonic() + REST_S_MAX
        while self._due and time.monotonic() < deadline:  # noqa: ASYNC110 the bound is time
            await asyncio.sleep(0.005)

    def _pump(self) -> None:
        passed = time.monotonic_ns() - self._begun_ns
        while (due := self._sent * self._step_ns) <= passed:
            self._sent += 1
            if self._free:
                self._send(self._begun_ns + due)
            else:
                self.late += 1
        self._timer = asyncio.get_running_loop().call_later(PUMP_S, self._pump)

    def _send(self, due_ns: int) -> None:
        client = self._free.popleft()
        self._number += 1
        self._due[client.user] = due_ns
        client.send(update_frame(self._number))

    def on_message(self, client: Client, payload: bytes) -> None:
        if b'"type":"ok"' in payload:
            due_ns = self._due.pop(client.user, None)
            if due_ns is None:
                return
            self.answered += 1
            self.took_ns.append(time.monotonic_ns() - due_ns)
        elif b'"type":"error"' in payload:
            self.refused += 1
            self._due.pop(client.user, None)
        else:
            return
        self._free.append(client)
        if self._refill:
            self._send(time.monotonic_ns())


def update_frame(number: int) -> bytes:
    """A change that differs from the one before, and a sequence number that rises."""
    attributes = {"color": "#a0b1c2", "n": number}
    request = {"type": "updatePlayer", "attributes": attributes, "sequenceId": number}
    return client_frame(TEXT, json.dumps(request, separators=(",", ":")).encode())


async def _window(server: ServerProcess, changes: Changes, window_s: float) -> dict[str, float]:
    """What was answered within one window, and what it cost."""
    await asyncio.sleep(WARM_UP_S)
    before = await scrape(server.port)
    answered = changes.answered
    changes.took_ns.clear()
    meter = Meter(server)
    await asyncio.sleep(window_s)
    usage = meter.usage()
    answered = changes.answered - answered
    took_ms = sorted(took / 1e6 for took in changes.took_ns)
    after = await scrape(server.port)
    changes.stop()
    await changes.rest()
    return {
        **usage.figures(),
        KEY: answered / usage.wall_s,
        "p50_ms": quantile(took_ms, 0.5),
        "p99_ms": quantile(took_ms, 0.99),
        "cpu_us_per_change": per_unit(usage.server_cpu_us, answered),
        **Commits.between(before, after).figures(usage.wall_s),
    }


async def durable_changes(
    server: ServerProcess, dialect: Dialect, rooms: int, window_s: float
) -> Figures:
    """Both loads on one fresh server with `rooms` rooms of one player."""
    clients = await connect(dialect, server.port, rooms, 1)
    await join_all(clients)
    changes = Changes(clients)
    changes.pace(min(PACE_MAX, PACE_OF_ROOM * rooms))
    paced = await _window(server, changes, window_s)
    late = changes.late
    changes.fill()
    full = await _window(server, changes, window_s)
    figures = {
        **full,
        "paced_per_s": paced[KEY],
        "paced_p50_ms": paced["p50_ms"],
        "paced_p99_ms": paced["p99_ms"],
        "paced_records_per_commit": paced["records_per_commit"],
        "paced_cpu_us_per_change": paced["cpu_us_per_change"],
        "late": float(late),
        "unanswered": float(changes.under_way),
        "errors": float(changes.refused + sum(client.errors for client in clients)),
    }
    await close_all(clients)
    return figures


def run(harness: Harness) -> Iterator[Row]:
    """1 to 10,000 rooms, as many as there may be sockets; 1,000 at most with `--quick`."""
    options = harness.options
    if OURS not in options.servers:
        return
    chosen = [variant(options, name, "--durability", name) for name in (FIRST, "journal")]
    window_s = QUICK_WINDOW_S if options.quick else WINDOW_S
    for rooms in ROOMS:
        if rooms > harness.sockets_max - 200 or (options.quick and rooms > QUICK_ROOMS_MAX):
            continue
        measure = partial(durable_changes, rooms=rooms, window_s=window_s)
        scenario = f"{rooms:,} rooms of 1 player, a socket each"
        yield from harness.against(NAME, scenario, chosen, measure)
