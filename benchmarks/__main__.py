"""`python -m benchmarks [names] [--quick] [--out FILE]`: runs all benchmarks, or those named.

Owns the command line, the JSON lines and the report; measures nothing itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from benchmarks import (
    bench_churn,
    bench_crowd,
    bench_fan_out,
    bench_idle_memory,
    bench_join_storm,
    bench_journal,
    bench_large_rooms,
    bench_latency,
    bench_mailbox,
    bench_persistence,
    bench_restart,
    bench_scale,
    bench_spawn_reap,
    bench_store,
)
from benchmarks.figures import OURS, Column, Row, table
from benchmarks.harness import BASELINE, ROOT, Harness, Options
from benchmarks.machine import allow_many_sockets, commit_line, machine_line, take_a_core


class Bench(Protocol):
    """What a benchmark module offers. `FIRST`, which not all have, names what the others are
    compared with, instead of ours.
    """

    NAME: str
    TITLE: str
    KEY: str
    COLUMNS: tuple[Column, ...]
    __doc__: str | None

    @staticmethod
    def run(harness: Harness) -> Iterator[Row]: ...


BENCHES: Final[tuple[Any, ...]] = (
    bench_mailbox,
    bench_spawn_reap,
    bench_join_storm,
    bench_fan_out,
    bench_latency,
    bench_large_rooms,
    bench_churn,
    bench_scale,
    bench_idle_memory,
    bench_crowd,
    bench_persistence,
    bench_journal,
    bench_restart,
    bench_store,
)


def about(options: Options) -> dict[str, Any]:
    """What a result must say of itself."""
    return {
        "machine": machine_line(),
        "commit": commit_line(ROOT),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "reps": options.reps,
        "quick": options.quick,
    }


def report(said: dict[str, Any], bench: Any, rows: Sequence[Row]) -> str:
    """One benchmark's part of the report, in Markdown."""
    first = getattr(bench, "FIRST", "")
    compared = (
        f"how many times the figure of {first} it is, in each repetition"
        if first
        else "how many times what ours needs of the figure in the first"
    )
    head = (
        f"## {bench.TITLE}\n\n{said['machine']}; commit {said['commit']}; {said['at']}; "
        f"{said['reps']} repetitions, interleaved; median (least–greatest). The last column is "
        f"{compared}.\n"
    )
    return head + table(rows, bench.COLUMNS, bench.KEY, first)


def main(words: Sequence[str] | None = None) -> int:
    """Run, print, append. Returns 1 when a measurement failed or somebody was never seen."""
    known = {bench.NAME: bench for bench in BENCHES}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, 1 repetition")
    parser.add_argument("--reps", type=int, help="repetitions of each measurement (5)")
    parser.add_argument("--only", choices=(OURS, BASELINE), help="measure one server alone")
    parser.add_argument("--command", help="how to start ours, instead of this tree's `serve`")
    parser.add_argument("--out", type=Path, help="append JSON lines here, tables to FILE.md")
    given = parser.parse_args(words)
    for name in given.names:
        if name not in known:
            parser.error(f"no benchmark {name!r}; there are {', '.join(known)}")
    if given.reps is not None and not 1 <= given.reps <= 50:
        parser.error("--reps must be between 1 and 50")
    options = Options(
        reps=given.reps or (1 if given.quick else 5),
        quick=given.quick,
        servers=(given.only,) if given.only else (OURS, BASELINE),
        command=tuple(shlex.split(given.command)) if given.command else Options().command,
    )
    harness = Harness(options, take_a_core(), allow_many_sockets())
    said = about(options)
    print(f"{said['machine']}; commit {said['commit']}", flush=True)
    if harness.server_core is None:
        print("only one core: server and generator disturb each other", flush=True)
    well = True
    for name in given.names or known:
        bench = known[name]
        rows = []
        for row in bench.run(harness):
            rows.append(row)
            well = well and not row.error and not row.figures.get("missing")
            print(_line(row), flush=True)
            if given.out:
                _append(given.out, json.dumps({**said, "load1": os.getloadavg()[0], **asdict(row)}))
        text = report(said, bench, rows)
        print(f"\n{text}", flush=True)
        if given.out:
            _append(given.out.with_suffix(".md"), text.rstrip("\n"))
    return 0 if well else 1


def _line(row: Row) -> str:
    shown = "  ".join(f"{key}={value:.4g}" for key, value in row.figures.items())
    return f"{row.bench} [{row.scenario}] {row.server} #{row.rep + 1}: {row.error or shown}"


def _append(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as sink:
        sink.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
