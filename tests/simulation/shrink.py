"""The shortest story that still breaks the promise which a long one broke.

Owns the search: fewer steps first, in halves, quarters and so on down to single ones (delta
debugging; Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002), then
shorter pauses.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.simulation.play import Outcome, play
from tests.simulation.story import Step, Story

TRIES_MAX: Final = 2000


def kind_of(violation: str) -> str:
    """What was broken, whoever was concerned: two violations of one kind are taken for the same."""
    first = violation.splitlines()[0]
    first = re.sub(r"^\w+ ?(\([^)]*\))?: ", "", first)  # who it was
    first = re.sub(r"S\d+x\d+|\{.*\}|\[.*\]|'[^']*'", "…", first)
    return re.sub(r"\d+(\.\d+)?", "…", first)[:120]


def shrink(
    outcome: Outcome,
    tries_max: int = TRIES_MAX,
    told: Callable[[Story], Outcome] = play,
) -> Outcome:
    """The outcome of a shorter story with a violation of the same kind."""
    assert outcome.violation is not None
    kind = kind_of(outcome.violation)
    tries = 0

    def attempt(steps: list[Step]) -> Outcome | None:
        nonlocal tries
        tries += 1
        found = told(outcome.story.shortened(steps))
        return found if found.violation and kind_of(found.violation) == kind else None

    best = outcome
    steps = list(outcome.story.steps[: outcome.steps])
    size = max(1, len(steps) // 2)
    while tries < tries_max:
        at, shorter = 0, False
        while at < len(steps) and tries < tries_max:
            without = steps[:at] + steps[at + size :]
            found = attempt(without)
            if found is None:
                at += size
            else:
                steps, best, shorter = without, found, True
        if size == 1 and not shorter:
            break
        size = max(1, size // 2)
    for at, step in enumerate(steps):
        if step.pause_s and tries < tries_max:
            found = attempt([*steps[:at], replace(step, pause_s=0.0), *steps[at + 1 :]])
            if found is not None:
                steps[at], best = replace(step, pause_s=0.0), found
    return best
