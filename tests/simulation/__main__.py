"""Long runs: `python -m tests.simulation --seeds N --minutes M`, and the replay of one story.

Owns the command line. Prints steps told, faults injected and promises broken; for a broken one the
seed, the shrunken story in plain words, and how to replay it. Exit code 1 where any was broken.
"""

import argparse
import multiprocessing
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from actors.sealing import Seal
from actors.setting_sources import SEAL_KEY_ENV
from tests.simulation.moderation import moderated
from tests.simulation.play import Outcome, play
from tests.simulation.recordings import read, replay
from tests.simulation.shrink import kind_of, shrink
from tests.simulation.story import FAULTS, STEPS, Story, make, parse
from transport.seal_keys import SealKeys, SealKeysUnusable

STORIES_AT_ONCE = 16
REPORT_S = 60.0
"""So often it is said how far the run is."""
FAILURES_MAX = 10
"""After so many kinds of broken promises it is not worth going on."""


_COMMAND = ".venv/bin/python -m tests.simulation"
_SUMMED = (
    "steps", "faults", "looks", "frames", "events", "deliveries", "deaths", "raised", "replayed",
    "acts", "put_out", "kept_out",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description="Tell stories to the real server in a simulated world. Exit code 1: a promise "
        "was broken, or a recording came out otherwise; 2: what was asked for cannot be read.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=1000, help="stories to tell")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most so long")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of one story")
    parser.add_argument("--first", type=int, help="number of the first seed; by default random")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--keep", type=Path, help="folder for the shrunken stories of broken promises"
    )
    parser.add_argument(
        "--moderated", action="store_true", help="moderators act in all of the stories"
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--seed", help="tell this one story, and print all that was said and heard")
    one.add_argument("--story", type=Path, help="the same for the story in this file")
    one.add_argument("--recording", type=Path, help="replay a file of the flight recorder")
    parser.add_argument(
        "--seal-key-file", default="", help="keys of a sealed recording; else VAULTMEET_SEAL_KEY"
    )
    given = parser.parse_args(arguments)
    if given.jobs < 1 or given.steps < 1 or given.seeds < 1:
        parser.error("--jobs, --steps and --seeds: expected at least 1")
    try:
        if given.recording is not None:
            text = "" if given.seal_key_file else os.environ.get(SEAL_KEY_ENV, "")
            keys = SealKeys(given.seal_key_file, text, secrets.token_bytes)
            return _replay(given.recording, keys.seal())
        if given.story is not None:
            return _tell(parse(given.story.read_text("utf-8")))
    except (OSError, ValueError, SealKeysUnusable) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    if given.seed is not None:
        return _tell(_story(given.seed, given.steps, given.moderated))
    first = secrets.randbelow(10**9) if given.first is None else given.first
    minutes, moderated = given.minutes, given.moderated
    return _run(first, given.seeds, minutes, given.steps, given.jobs, given.keep, moderated)


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _tell(story: Story) -> int:
    outcome = play(story, with_heard=True)
    _say(*(outcome.heard or ()))
    _say(*outcome.words())
    _say(f"{outcome.steps} steps, {outcome.frames} frames, digest {outcome.digest}")
    return 1 if outcome.violation else 0


def _run(
    first: int,
    seeds: int,
    minutes: float,
    steps: int,
    jobs: int,
    keep: Path | None,
    is_moderated: bool,
) -> int:
    _say(f"first seed {first}, {seeds} stories of {steps} steps, {jobs} processes")
    began_s = time.monotonic()
    sums: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    kinds: dict[str, Outcome] = {}
    told, next_s = 0, REPORT_S
    for outcome in _outcomes(first, seeds, steps, jobs, is_moderated):
        told += 1
        _add(sums, faults, outcome)
        if outcome.violation is not None:
            sums["broken"] += 1
            if kinds.setdefault(kind_of(outcome.violation), outcome) is outcome:
                _explain(outcome, steps, keep)
        passed_s = time.monotonic() - began_s
        if passed_s >= next_s and told < seeds:
            next_s = passed_s + REPORT_S
            _say(_line(told, sums, passed_s))
        if passed_s > 60 * minutes or len(kinds) >= FAILURES_MAX:
            break
    _say(_line(told, sums, time.monotonic() - began_s))
    _say("faults injected: " + ", ".join(f"{count} {kind}" for kind, count in faults.most_common()))
    _say(f"kinds of broken promises: {len(kinds)}")
    return 1 if kinds else 0


def _outcomes(
    first: int, seeds: int, steps: int, jobs: int, is_moderated: bool
) -> Iterator[Outcome]:
    stories = ((str(number), steps, is_moderated) for number in range(first, first + seeds))
    if jobs == 1:
        yield from map(_told, stories)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(_told, stories, chunksize=STORIES_AT_ONCE)


def _story(seed: str, steps: int, is_moderated: bool) -> Story:
    story = make(seed, steps)
    return moderated(story) if is_moderated else story


def _told(asked: tuple[str, int, bool]) -> Outcome:
    return play(_story(*asked))


def _add(sums: Counter[str], faults: Counter[str], outcome: Outcome) -> None:
    for name in _SUMMED:
        sums[name] += getattr(outcome, name)
    told = outcome.story.steps[: outcome.steps]
    faults.update(step.kind for step in told if step.kind in FAULTS)
    sums["lost writes"] += outcome.lost_writes
    sums["simulated s"] += round(outcome.simulated_s)


def _line(told: int, sums: Counter[str], passed_s: float) -> str:
    broken = sums["broken"]
    counted = ", ".join(f"{count} {name}" for name, count in sums.items() if name != "broken")
    return f"{told} stories in {passed_s:.0f} s: {counted}; promises broken: {broken}"


def _explain(outcome: Outcome, steps: int, keep: Path | None) -> None:
    _say(f"seed {outcome.story.seed}, step {outcome.steps}: {outcome.violation}")
    shortest = shrink(outcome)
    _say(f"shrunk to {len(shortest.story.steps)} steps:")
    _say(*shortest.words())
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        path = keep / f"{outcome.story.seed}.json"
        path.write_text(shortest.story.text(), "utf-8")
        _say(f"replay: {_COMMAND} --story {path}")
    _say(f"replay: {_COMMAND} --seed {outcome.story.seed} --steps {steps}")


def _replay(path: Path, seal: Seal | None) -> int:
    replayed = replay(read(path, seal))
    _say(str(replayed))
    return 0 if replayed.same else 1


if __name__ == "__main__":
    sys.exit(main())
