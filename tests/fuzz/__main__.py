"""`python -m tests.fuzz --inputs 100000 [--target decoder] [--seed N] [--keep] [--trace]`: mutated
inputs for the wire decoder and for connections.

Prints how many inputs there were, what is new, and every failure, shrunk, with the command that
replays it; the exit code is 1 where there was any. `--keep` writes what is new to the corpus.
"""

from __future__ import annotations

import argparse
import base64
import secrets
import sys
import time
from random import Random
from typing import Final

from tests.fuzz import corpus
from tests.fuzz.engine import Campaign, Target, distilled
from tests.fuzz.tracing import Traced

STEP: Final = 1000


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def replay(target: Target, data: bytes) -> int:
    """Run one input, whose failure comes out as it is."""
    say(f"{data!r}")
    for shown in sorted(target.run(data)):
        say(f"  {shown}")
    return 0


def fuzz(target: Target, inputs: int, seed: int, keep: bool) -> int:
    """A campaign against one target; how many kinds of failure it found."""
    known = [each.data for each in corpus.read(target)]
    campaign = Campaign(target, Random(seed))
    campaign.begin(known)
    began_s, before = time.monotonic(), campaign.inputs
    told = 0
    while campaign.inputs < inputs:
        campaign.search(min(STEP, inputs - campaign.inputs))
        for failure in list(campaign.failures.values())[told:]:
            told += 1
            code = base64.b64encode(failure.data).decode()
            say(f"FAILURE after {failure.found_at} inputs: {failure.what}\n  {failure.data!r}")
            say(f"  .venv/bin/python -m tests.fuzz --target {target.name} --replay {code}")
    seconds = max(time.monotonic() - began_s, 1e-9)
    say(
        f"{target.name}: {campaign.inputs} inputs, {(campaign.inputs - before) / seconds:.0f} a"
        f" second, {len(campaign.known)} behaviours, {campaign.fresh} new entries,"
        f" {len(campaign.failures)} failures, seed {seed}"
    )
    if keep:
        kept = distilled(target, [*known, *(each.data for each in campaign.kept)])
        say(f"{target.name}: {corpus.write(target, kept)} entries kept")
    return len(campaign.failures)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target")
    parser.add_argument("--target", choices=sorted(corpus.TARGETS))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--keep", action="store_true", help="write new behaviour to the corpus")
    parser.add_argument("--trace", action="store_true", help="reached lines are behaviour, too")
    parser.add_argument("--replay", metavar="BASE64", help="run this one input of --target")
    chosen = parser.parse_args()
    names = [chosen.target] if chosen.target else sorted(corpus.TARGETS)
    targets = [corpus.TARGETS[name] for name in names]
    if chosen.replay is not None:
        if chosen.target is None:
            parser.error("--replay needs its --target")
        return replay(targets[0], base64.b64decode(chosen.replay))
    if chosen.trace:
        targets = [Traced(target) for target in targets]
    failures = [fuzz(target, chosen.inputs, chosen.seed, chosen.keep) for target in targets]
    return 1 if any(failures) else 0


if __name__ == "__main__":
    sys.exit(main())
