"""The proof that the simulation's checks can fail: each planted bug is found, for its own reason.

Owns the hunt of the whole catalogue, the same stories told without a bug, and what planting itself
promises. `play` is called hundreds of times here; the seeds are chosen so that it stays seconds.
"""

import re
from dataclasses import replace
from functools import cache

import pytest

from actors.members import Member
from actors.room_state import RoomState
from actors.seating import HANDLERS, Seating
from tests.simulation.catalogue import CATALOGUE
from tests.simulation.faults import Fuse, flammable
from tests.simulation.mutants import Mutant, Rotten, function_of, hunt, planted
from tests.simulation.play import Outcome, play
from tests.simulation.story import Story, make

LATE_CLOSE = next(each for each in CATALOGUE if each.where == "actors.seating:Seating.lost")


@cache
def _healthy(seed: str) -> str | None:
    return play(make(seed)).violation


@pytest.mark.parametrize("mutant", CATALOGUE, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found_in_stories_that_the_product_passes(mutant: Mutant) -> None:
    """Within its steps, by a violation that has to do with it; the bug is gone afterwards."""
    code = function_of(mutant.where).__code__
    found = hunt(mutant)
    assert function_of(mutant.where).__code__ is code
    assert found is not None, f"not found within {mutant.steps_max} steps"
    assert re.search(mutant.violation, found.violation), found.violation
    assert {seed: _healthy(seed) for seed in found.seeds} == dict.fromkeys(found.seeds)


def test_the_catalogue_names_each_bug_once_and_says_what_it_breaks() -> None:
    """At least two dozen, all over the product."""
    assert len({mutant.name for mutant in CATALOGUE}) == len(CATALOGUE) >= 24
    assert len({(each.where, each.old, each.new) for each in CATALOGUE}) == len(CATALOGUE)
    assert len({mutant.where.partition(":")[0] for mutant in CATALOGUE}) >= 12
    for mutant in CATALOGUE:
        assert mutant.breaks.endswith("."), f"{mutant.name} says no sentence"


def test_a_bug_is_in_every_table_that_holds_its_function_and_is_taken_out_after_a_fault() -> None:
    """The code is changed, not the name; whatever is raised meanwhile."""
    lost = HANDLERS[next(kind for kind in HANDLERS if HANDLERS[kind] is Seating.lost)]
    healthy = lost.__code__
    with pytest.raises(ZeroDivisionError), planted(LATE_CLOSE):
        raise ZeroDivisionError
    with planted(LATE_CLOSE):
        assert lost.__code__ is Seating.lost.__code__ is not healthy
    assert lost.__code__ is Seating.lost.__code__ is healthy


def test_a_bug_is_planted_before_the_product_is_made_flammable() -> None:
    """The wrappers of planted faults then call it; planted behind them it would be in a wrapper."""
    with planted(LATE_CLOSE), flammable(Fuse()):
        assert Seating.lost.__code__.co_filename == "<mutant late close honoured>"
    move = replace(LATE_CLOSE, where="actors.seating:Seating.move")
    with flammable(Fuse()), pytest.raises(Rotten, match="not the function"), planted(move):
        raise AssertionError("a wrapper was taken for the product")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("no such words", "", "stands 0 times"),
        ("member", "", "times in actors.seating:Seating.lost"),
        ("self.lose(outlet.socket_id, member)", "(", "was never closed"),
        ("self.lose(outlet.socket_id, member)", "super().lost(message)", "from around it"),
    ],
)
def test_a_bug_that_does_not_fit_the_source_is_rotten(old: str, new: str, message: str) -> None:
    """It fails loudly, and nothing was changed."""
    healthy = Seating.lost.__code__
    mutant = replace(LATE_CLOSE, old=old, new=new)
    with pytest.raises(Rotten, match=message), planted(mutant):
        raise AssertionError("it was planted")
    assert Seating.lost.__code__ is healthy


@pytest.mark.parametrize(
    "where",
    [
        "actors.seating:Seating.gone",
        "actors.seating:HANDLERS",
        "actors.publication:RoomState.lose",
        "actors.room:RoomActor.room_id",
    ],
)
def test_what_is_no_function_of_that_module_is_rotten(where: str) -> None:
    """Renamed, moved, imported from elsewhere, or something else than a function."""
    with pytest.raises(Rotten):
        function_of(where)


@pytest.mark.parametrize(
    ("where", "function"),
    [
        ("actors.members:Member.accepts", Member.accepts),
        ("actors.room_state:RoomState.lose", RoomState.lose),
        ("actors.publication:Publication._heal", None),
        ("transport.seat:Seat.alive", None),
        ("actors.keeping:reload", None),
    ],
)
def test_methods_static_methods_properties_and_functions_can_have_a_bug(
    where: str, function: object
) -> None:
    """What stands there in the source is found behind what Python makes of it."""
    found = function_of(where)
    assert found.__qualname__ == where.partition(":")[2]
    assert function is None or found is function


def test_a_hunt_ends_with_its_steps() -> None:
    """What is found too late is not found, and a product without a bug is told that many stories
    and no more.
    """
    told: list[str] = []

    def kept(story: Story) -> Outcome:
        told.append(story.seed)
        return Outcome(story, steps=240)

    assert hunt(replace(LATE_CLOSE, first=7, steps_max=500), kept) is None
    assert told == ["7", "8", "9"]

    def broken(story: Story) -> Outcome:
        return Outcome(story, "Ann: no", 300)

    assert hunt(replace(LATE_CLOSE, steps_max=299), broken) is None
    found = hunt(replace(LATE_CLOSE, first=7, steps_max=300), broken)
    assert found is not None
    assert (found.steps, found.seeds, found.violation) == (300, ("7",), "Ann: no")
