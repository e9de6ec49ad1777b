"""`python -m tests.soak --minutes 10 [--durability fast]`: churn on a real server, and is it flat?

Prints a line a trough, then the verdict; the exit code is 1 where something grows, is left over or
went wrong, and 2 where the run was too short to tell.

`--untouched` soaks the command as it is, whose garbage nobody collects for it; then the
memory is judged, and not the objects.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.soak.course import Report, Soak, soaked
from tests.soak.pace import Pace
from tests.soak.table import HEADING, exact_faults, is_enough, row, summary

CHURN_S = 10.0
"""Between two troughs; a trough takes some five seconds more."""


def shown(report: Report) -> None:
    """The newest trough, as a line of the table."""
    say(row(report.troughs[-1], report.loads[-1]))


def say(text: str) -> None:
    """At once, since somebody waits for it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--minutes", type=float, default=10, help="of churn; below some 3 there is no verdict"
    )
    parser.add_argument("--people", type=int, default=40, help="clients at a time")
    parser.add_argument(
        "--durability", choices=["memory", "fast", "journal"], default="fast", help="the server's"
    )
    parser.add_argument("--untouched", action="store_true", help="let the server's garbage be")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**31), help="of what the clients do"
    )
    chosen = parser.parse_args()
    say(f"{chosen.durability}, {chosen.people} people, seed {chosen.seed}\n{HEADING}")
    pace, collects = Pace(), not chosen.untouched
    with tempfile.TemporaryDirectory(prefix="vaultmeet-soak-") as scratch:
        try:
            folder = Path(scratch) / "data"
            with soaked(folder, pace, chosen.durability, collects=collects) as server:
                soak = Soak(
                    server,
                    pace,
                    people=chosen.people,
                    seed=chosen.seed,
                    collects=collects,
                    tell=shown,
                )
                report = asyncio.run(soak.for_minutes(chosen.minutes, CHURN_S))
        except (AssertionError, OSError) as broken:
            say(f"NOT FLAT: {broken}")
            return 1
    if not is_enough(report):
        faults = exact_faults(report)
        lines = [f"NOT FLAT: {fault}" for fault in faults]
        say("\n".join([*lines, "NOT JUDGED: too few troughs after the warm-up; more --minutes"]))
        return 1 if faults else 2
    text, is_flat = summary(report)
    say(text)
    return 0 if is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
