"""Every kept input again, and some thousand new ones: always the same, and some of this run's own.

Longer searches are `python -m tests.fuzz`. Where CI is set the new inputs are the same in every
run, as the random histories of the other tests are.
"""

import os
import secrets
from random import Random

import pytest

from tests.fuzz import corpus
from tests.fuzz.engine import STEERING, Campaign, Target

FIXED_SEED = 20_260_101
INPUTS = {"decoder": 6000, "connection": 1500}

targets = pytest.mark.parametrize("target", corpus.TARGETS.values(), ids=corpus.TARGETS)


@pytest.mark.rule("C2.4", "C2.6", "C4.1", "C4.2", "C4.3", "C4.4", "C4.8", "C4.9", "E1.1", "E1.2")
@targets
def test_every_kept_input_shows_what_it_was_kept_for(target: Target) -> None:
    """Where what it shows was changed on purpose: `python -m tests.fuzz --inputs 0 --keep`."""
    kept = corpus.read(target)
    assert len(kept) > 100
    for each in kept:
        shown = target.run(each.data)
        assert each.shows <= shown, (each.data, sorted(each.shows - shown))


@targets
def test_the_corpus_is_small_enough_to_be_read(target: Target) -> None:
    """Lines of a few hundred bytes, each there for something, none twice."""
    kept = corpus.read(target)
    assert len(kept) < 500
    assert sum(len(each.data) for each in kept) < 200_000
    assert len({each.data for each in kept}) == len(kept)
    assert not any(one.startswith(STEERING) for each in kept for one in each.shows)


@pytest.mark.rule("C2.4", "C4.3", "C4.4", "C4.9", "E1.1", "E1.2", "E1.3", "E1.5", "C1.14", "C1.16")
@pytest.mark.parametrize("fresh", [False, True], ids=["fixed", "fresh"])
@targets
def test_mutated_inputs_show_no_bug(target: Target, fresh: bool) -> None:
    """A failure names the seed and the input, shrunk."""
    seed = secrets.randbelow(2**31) if fresh and not os.environ.get("CI") else FIXED_SEED + fresh
    campaign = Campaign(target, Random(seed), shrinks=False)
    campaign.begin([each.data for each in corpus.read(target)])
    campaign.search(INPUTS[target.name])
    assert not campaign.failures, (
        f"{target.name}, seed {seed}",
        [(failure.what, failure.data) for failure in campaign.failures.values()],
    )
