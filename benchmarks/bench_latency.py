"""How long until somebody else has read a move, and what does that cost the server?

Players move 20 times a second, each on its own schedule. The time runs from when a move was due
until another member of the room has read it. Ours stands three times with moves in JSON, saying
them at the end of each turn (`tick_ms` 0) and at most every 16 and every 50 ms, and once more with
moves in binary every 50; the baseline says each at once. So the table shows what a shorter tick
buys, and for how much CPU per delivered update. Moves leave by the kernel's timer, so also a
latency below 1 ms says something.

The first move after quiet goes out at once. So in a room of two, whose moves are 25 ms apart, a
tick of 16 ms holds nothing back. In 10x50 the server is busy enough to hold its breath before it
reads, for up to `pace_ms`, and that is in its latencies; in the smaller shapes it never does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from benchmarks.bench_fan_out import fan_out
from benchmarks.figures import OURS, Column, Row
from benchmarks.harness import BASELINE, Harness, Options, Target, baseline, compact, variant
from benchmarks.load import SAMPLE_EVERY

NAME: Final = "latency"
TITLE: Final = "Latency of moves against CPU (rooms x players at 20 Hz)"
KEY: Final = "cpu_us_per_update"
TICKS_MS: Final = (0, 16, 50)
FIRST: Final = f"{OURS}, {TICKS_MS[-1]} ms"
COLUMNS: Final = (
    Column("p50_ms", "p50 ms", 2),
    Column("p99_ms", "p99 ms", 2),
    Column(KEY, "server CPU µs/update", 2),
    Column("delivered_pct", "delivered %", 1),
    Column("delivered_per_s", "delivered/s", 0),
    Column("frames_per_client_s", "frames/client/s", 0),
    Column("kb_per_client_s", "kB/client/s", 1),
    Column("latency_samples", "latencies taken", 0),
    Column("server_cpu_pct", "server CPU %", 0),
    Column("gen_cpu_pct", "generator CPU %", 0),
)
SHAPES: Final = ((1, 2), (1, 10), (1, 50), (10, 50))
FEW: Final = 10
"""In a room of so many every update is timed: a sample of them would be too small for a p99."""
WINDOW_S: Final = 8.0
QUICK_WINDOW_S: Final = 2.0


def servers(options: Options) -> list[Target]:
    """Ours at each tick, in binary, and the baseline, as far as they were chosen."""
    found = []
    if OURS in options.servers:
        found += [variant(options, f"{OURS}, {ms} ms", "--tick-ms", str(ms)) for ms in TICKS_MS]
        found.append(compact(options, "--tick-ms", str(TICKS_MS[-1])))
    if BASELINE in options.servers:
        found.append(baseline())
    return found


def run(harness: Harness) -> Iterator[Row]:
    """Every shape at every tick; shorter windows with `--quick`."""
    window_s = QUICK_WINDOW_S if harness.options.quick else WINDOW_S
    for rooms, per_room in SHAPES:
        measure = partial(
            fan_out,
            rooms=rooms,
            per_room=per_room,
            window_s=window_s,
            sample_every=1 if rooms * per_room <= FEW else SAMPLE_EVERY,
            exact=True,
        )
        yield from harness.against(NAME, f"{rooms}x{per_room}", servers(harness.options), measure)
