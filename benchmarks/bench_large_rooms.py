"""What does a very large room cost the server, with and without interest management?

One room of 50 to 5,000 players, spread evenly over a square, each moving once in two seconds.
Without interest management everybody is told of everybody at each tick; with it, of who is near at
each tick, and of all others once a second or once in ten. The radius has about 3 % of the square in
it. Once a second is more often than these players move, so no move of theirs is outdated by then:
what that saves is frames. Once in ten seconds only one move in five is told to who is far.

A few listeners parse all that they get and speak for all; the others read their sockets empty, or
the generator would be what is measured. A position is a corner of a grid, and what its x has
beyond the corner is the moment at which the move was due, in ms. Only moves of players who are
surely near (within 0.9 of the radius) are timed and held to be complete. A position that a client
is told once more, with all others, is no further update.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from benchmarks.dialects import TEXT, Dialect, client_frame
from benchmarks.figures import OURS, Column, Figures, Row, per_unit, quantile
from benchmarks.harness import Harness, Meter, ServerProcess, Target, variant
from benchmarks.load import Client, MovePump, SetUpFailed, close_all, connect
from benchmarks.machine import rss_kib

NAME: Final = "large_rooms"
TITLE: Final = "One large room, each player moving once in 2 s"
KEY: Final = "cpu_us_per_player_s"
FIRST: Final = "all told at each tick"
INTEREST: Final = "near at each tick, others in {} s"
COLUMNS: Final = (
    Column("server_cpu_pct", "server CPU %", 1),
    Column(KEY, "server CPU µs/player and s", 1),
    Column("cpu_us_per_move", "server CPU µs/move", 0),
    Column("mb_per_s", "MB/s sent", 2),
    Column("updates_per_player_s", "updates/player and s", 0),
    Column("p50_ms", "near: p50 ms", 0),
    Column("p99_ms", "p99 ms", 0),
    Column("delivered_pct", "delivered %", 1),
    Column("join_us", "join CPU µs each", 0),
    Column("rss_mib", "RSS, MiB", 0),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
SIZES: Final = (50, 200, 1_000, 5_000)
QUICK_SIZES: Final = (50, 200)
HZ: Final = 0.5
LISTENERS_MAX: Final = 20
SIDE: Final = 20_000_000
RADIUS: Final = 2_000_000
FARS_MS: Final = (1_000, 10_000)
GRID: Final = 100_000
"""Of positions, and the ms that fit between two: a measurement ends before that."""
SURELY: Final = 0.9
JOINED_S_MAX: Final = 60.0
QUIET_S: Final = 1.0
WARM_UP_S: Final = 2.5
"""Longer than the period of a move, so that everybody has a place."""
WINDOW_S: Final = 10.0
"""Each round of the far ones falls into it as often as it should."""
QUICK_WINDOW_S: Final = 2.5
LATE_S: Final = 0.5
"""So long after the window a move of it may still be told; later it counts as not delivered."""

# So that nothing but moves is measured, and a storm of joins is not cut short: the room takes all,
# nobody is pinged, and a reader who is behind for a moment gets its megabytes.
_FLAGS: Final = (
    *("--players-max", str(2 * max(SIZES))),
    *("--heartbeat-s", "3600", "--heartbeat-timeout-s", "3600"),
    *("--slow-reader-s", "120", "--join-timeout-s", "120"),
)

Place = tuple[int, int]


def places(count: int, seed: int = 7) -> list[Place]:
    """So many corners of the grid, at random over the square around the origin."""
    chance, half = random.Random(seed), SIDE // 2 // GRID
    return [
        (chance.randint(-half, half) * GRID, chance.randint(-half, half) * GRID)
        for _ in range(count)
    ]


def near(one: Place, other: Place) -> bool:
    """Surely within the radius, wherever in their cells they are."""
    return math.dist(one, other) <= SURELY * RADIUS


def move_frame(place: Place, due_ms: int) -> bytes:
    """A move to `place`, which says that it was due at `due_ms` (0 to GRID - 1)."""
    return client_frame(TEXT, b'{"type":"move","x":%d,"y":%d}' % (place[0] + due_ms, place[1]))


class Square:
    """Who moved when, and what the listeners heard of it. `places` are those of the users by
    number; times are ms since `base_ns`. Moves count that were due from `since_ms` on.
    """

    def __init__(self, places: Sequence[Place], base_ns: int) -> None:
        self.places = places
        self.base_ns = base_ns
        self.since_ms = GRID
        self.moved: list[tuple[int, int]] = []
        """User and the moment when the move was due."""
        self.updates = 0
        self._heard: set[tuple[int, str, int]] = set()
        self.took_ms: list[int] = []
        """Of every move of somebody near that a listener heard of."""

    def now_ms(self) -> int:
        """Milliseconds since the base."""
        return (time.monotonic_ns() - self.base_ns) // 1_000_000

    def frame(self, client: Client, due_us: int, _: int) -> bytes:
        """The next move of `client`."""
        due_ms = due_us // 1000
        if due_ms >= self.since_ms:
            self.moved.append((client.user, due_ms))
        return move_frame(self.places[client.user], due_ms)

    def on_message(self, client: Client, payload: bytes) -> None:
        now_ms = self.now_ms()
        if now_ms < self.since_ms:
            return
        here = self.places[client.user]
        whole: Any = json.loads(payload)
        for message in whole if isinstance(whole, list) else [whole]:
            if message["type"] != "playersMoved":
                continue
            for who, x, y in message["moves"]:
                if who == client.own_id:
                    continue
                due_ms = int(x) % GRID
                heard = (client.user, who, due_ms)
                if heard in self._heard:
                    continue
                self._heard.add(heard)
                self.updates += 1
                if due_ms >= self.since_ms and near(here, (int(x) - due_ms, int(y))):
                    self.took_ms.append(now_ms - due_ms)

    def expected(self, listeners: Iterable[int]) -> int:
        """How many moves of others who are near the listeners should have heard of."""
        moves = Counter(user for user, _ in self.moved)
        return sum(
            count
            for listener in listeners
            for user, count in moves.items()
            if user != listener and near(self.places[listener], self.places[user])
        )


async def seat_all(clients: Sequence[Client], listeners: Sequence[Client]) -> None:
    """Join them all in one go, all but the listeners deaf. Raises SetUpFailed where the listeners
    do not see everybody in time.
    """
    heard = {client.user for client in listeners}
    for client in clients:
        client.deaf = client.user not in heard
        client.send(client.dialect.join(client.room, client.user))
    deadline = time.monotonic() + JOINED_S_MAX
    while missing := max(len(clients) - len(listener.seen) for listener in listeners):
        if any(listener.errors for listener in listeners):
            raise SetUpFailed("a join was refused, or a connection lost")
        if time.monotonic() > deadline:
            raise SetUpFailed(f"{missing} players never seen")
        await asyncio.sleep(0.05)


async def _quiet(clients: Sequence[Client]) -> None:
    """Wait until nothing more of the joins comes in."""
    deadline = time.monotonic() + JOINED_S_MAX
    before = -1
    while before != (before := sum(client.bytes_in for client in clients)):
        if time.monotonic() > deadline:
            raise SetUpFailed("the joins were not told in time")
        await asyncio.sleep(QUIET_S)


async def large_room(
    server: ServerProcess, dialect: Dialect, size: int, window_s: float
) -> Figures:
    """One window in one room of `size` on a fresh server."""
    clients = await connect(dialect, server.port, 1, size)
    listeners = clients[:: max(1, size // LISTENERS_MAX)][:LISTENERS_MAX]
    joining = Meter(server)
    await seat_all(clients, listeners)
    await _quiet(clients)
    joined = joining.usage()

    base_ns = time.monotonic_ns()
    square = Square(places(size), base_ns)
    for listener in listeners:
        listener.on_message = square.on_message
    pump = MovePump(clients, HZ, base_ns, frame_of=square.frame)
    pump.start()
    await asyncio.sleep(WARM_UP_S)
    square.since_ms = square.now_ms() + 1  # of this ms some moves are on their way already
    got_bytes = sum(client.bytes_in for client in clients)
    meter = Meter(server)
    await asyncio.sleep(window_s)
    usage = meter.usage()
    pump.stop()
    updates = square.updates
    got_bytes = sum(client.bytes_in for client in clients) - got_bytes
    await asyncio.sleep(LATE_S)

    expected = square.expected(listener.user for listener in listeners)
    took_ms = sorted(square.took_ms)
    figures = {
        **usage.figures(),
        KEY: per_unit(usage.server_cpu_us / usage.wall_s, size),
        "cpu_us_per_move": per_unit(usage.server_cpu_us, len(square.moved)),
        "mb_per_s": got_bytes / 1e6 / usage.wall_s,
        "updates_per_player_s": updates / len(listeners) / usage.wall_s,
        "p50_ms": quantile(took_ms, 0.5),
        "p99_ms": quantile(took_ms, 0.99),
        "latency_samples": float(len(took_ms)),
        "delivered_pct": per_unit(100.0 * len(took_ms), expected),
        "join_us": per_unit(joined.server_cpu_us, size),
        "rss_mib": rss_kib(server.pid) / 1024,
        "unsent": float(pump.unsent),
        "errors": float(sum(client.errors for client in clients)),
    }
    await close_all(clients)
    return figures


def servers(harness: Harness) -> list[Target]:
    """Ours, without interest management and with it."""
    found = [variant(harness.options, FIRST, *_FLAGS)]
    for far_ms in FARS_MS:
        flags = ("--interest-radius", str(RADIUS), "--interest-far-ms", str(far_ms))
        name = INTEREST.format(far_ms // 1000)
        found.append(variant(harness.options, name, *_FLAGS, *flags))
    return found


def run(harness: Harness) -> Iterator[Row]:
    """Every size; 50 and 200 with `--quick`."""
    if OURS not in harness.options.servers:
        return
    quick = harness.options.quick
    for size in QUICK_SIZES if quick else SIZES:
        measure = partial(large_room, size=size, window_s=QUICK_WINDOW_S if quick else WINDOW_S)
        yield from harness.against(NAME, f"{size:,} players", servers(harness), measure)
