"""Stories with moderators, and bugs of moderation that they find."""

import re
import secrets

import pytest

from tests.simulation.moderation import moderated
from tests.simulation.mutants import Mutant, hunt
from tests.simulation.play import Outcome, play
from tests.simulation.shrink import shrink
from tests.simulation.story import MODERATION, Story, make

FIXED = 80
FRESH = 20


def told(story: Story) -> Outcome:
    """With moderators in it."""
    return play(moderated(story))


def words(outcome: Outcome) -> str:
    """A failure as a person wants to read it."""
    shortest = shrink(outcome, tries_max=300)
    return "\n".join([f"seed {outcome.story.seed}", *shortest.words(), shortest.story.text()])


@pytest.mark.rule("T2.9", "T2.11", "T2.12", "T2.17", "T2.18", "O4.2")
def test_no_promise_is_broken_where_moderators_act() -> None:
    """The same in every run: who was banned is not seated, nobody is kicked but by a moderator."""
    acts = put_out = kept_out = replayed = 0
    for seed in range(FIXED):
        outcome = told(make(str(seed)))
        assert outcome.violation is None, words(outcome)
        acts, put_out = acts + outcome.acts, put_out + outcome.put_out
        kept_out, replayed = kept_out + outcome.kept_out, replayed + outcome.replayed
    assert acts > 250
    assert put_out > 50
    assert kept_out > 100
    assert replayed > 50


@pytest.mark.rule("T2.12", "T2.17")
def test_no_promise_is_broken_in_fresh_stories_with_moderators() -> None:
    """Different in every run."""
    first = secrets.randbelow(10**9)
    for seed in range(first, first + FRESH):
        outcome = told(make(f"moderated {seed}"))
        assert outcome.violation is None, words(outcome)


def test_a_story_with_moderators_is_the_story_and_their_acts() -> None:
    """In between; whoever reads it finds all of them named."""
    story = make("7")
    steps = moderated(story).steps
    assert [step for step in steps if step.kind not in MODERATION] == list(story.steps)
    added = {step.kind for seed in range(5) for step in moderated(make(str(seed))).steps}
    assert added >= set(MODERATION)


@pytest.mark.parametrize(
    ("name", "where", "old", "new", "violation"),
    [
        (
            "banned, and let in",
            "actors.moderating:Moderating._admit",
            "rules.admit(",
            "(lambda *_: None)(",
            "and is banned there|sits here who is banned",
        ),
        (
            "banned, and left there",
            "actors.moderation:_plan",
            "if member.person in persons)",
            "if False)",
            "sits here who is banned",
        ),
        (
            "kicks too many",
            "actors.moderating:Moderating.moderate",
            "for socket_id in plan.out:",
            "for socket_id in [key for key in members if plan.out and key != outlet.socket_id]:",
            "was kicked, by nobody|resumeExpired for a player|closed with 4503",
        ),
        (
            "rules lost in a crash",
            "actors.recovery:Wreckage.rules",
            "return self.checkpoint.rules if turned is None else turned",
            "return RoomRules()",
            "and is banned there|is forgotten",
        ),
        (
            "rules lost with the room",
            "actors.keeping:reload",
            "(stored.rules or PLAIN)",
            "PLAIN",
            "and is banned there|is forgotten",
        ),
    ],
)
def test_a_planted_bug_of_moderation_is_found(
    name: str, where: str, old: str, new: str, violation: str
) -> None:
    """By the people in the stories, or by a look into the server."""
    mutant = Mutant(name, "A promise.", where, old, new, violation, 0, 12_000)
    found = hunt(mutant, told)
    assert found is not None, f"{name} was not found"
    assert re.search(violation, found.violation), found.violation
