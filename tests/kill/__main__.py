"""`python -m tests.kill --rounds 50 --durability journal [--sealed] [--seed N]`: kill and restart.

Prints a line a round and every violation; the exit code is 1 where there was any.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.kill.campaign import Report, campaign
from tests.kill.rotating import Rotating


def shown(report: Report) -> None:
    """One round, and what was wrong in it."""
    lines = [report.line(), *(f"  VIOLATION {fault}" for fault in report.violations)]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.kill",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=50, help="each with at least one kill")
    parser.add_argument(
        "--durability", choices=["fast", "journal"], default="journal", help="the server's"
    )
    parser.add_argument("--people", type=int, default=12, help="clients at a time")
    parser.add_argument(
        "--strict", action="store_true", help="positions in whole states count as told, too"
    )
    parser.add_argument(
        "--sealed", action="store_true", help="seal what is stored, with a new key every round"
    )
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(2**31), help="of what the clients do"
    )
    chosen = parser.parse_args()
    sys.stdout.write(f"seed {chosen.seed}\n")
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vaultmeet-kill-") as scratch:
        sealed: dict[str, object] = {}
        rotating: Rotating | None = None
        if chosen.sealed:
            rotating = Rotating(Path(scratch) / "seal.keys", Path(scratch) / "data")
            sealed["seal_key_file"] = rotating.key_file

        def told(report: Report) -> None:
            shown(report)
            if rotating is not None:
                rotating.rotate()

        try:
            reports = asyncio.run(
                campaign(
                    Path(scratch) / "data",
                    chosen.durability,
                    seed=chosen.seed,
                    rounds=chosen.rounds,
                    people=chosen.people,
                    strict=chosen.strict,
                    tell=told,
                    **sealed,
                )
            )
        except AssertionError as broken:
            sys.stdout.write(f"  VIOLATION that ends the rounds: {broken}\n")
            return 1
    violations = sum(len(report.violations) for report in reports)
    kills = len(reports) + sum(report.starts_killed for report in reports)
    seconds = round(time.monotonic() - began_s)
    sys.stdout.write(
        f"{chosen.durability}: {len(reports)} rounds, {kills} kills, {violations} violations,"
        f" {seconds} s, seed {chosen.seed}\n"
    )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
