"""The grid of a large room against a model of it: who is told of whom, and what stays owed."""

from collections.abc import Iterable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from actors.ids import SocketId, UserId
from actors.interest import Interest, Told
from actors.players import Motion, Player

SIDE = 10.0
NAMES = "ABCDEFGH"
coordinates = st.floats(-1e9, 1e9)
# Small steps around few cells, edges among them, and leaps.
steps = st.one_of(st.integers(-45, 45).map(float), st.sampled_from([-1e9, 1e9, 10.0, 9.999]))
spots = st.tuples(steps, steps)


def at(name: str, x: float, y: float) -> Player:
    """Somebody who is there."""
    return Player(SocketId(name), UserId(name), None, {}, 0, Motion(x, y, 0))


def heard(told: Iterable[Told]) -> dict[str, set[str]]:
    """Whom each hearer is told of; no hearer is named twice."""
    found: dict[str, set[str]] = {}
    for group in told:
        for hearer in group.hearers:
            assert hearer not in found, f"{hearer} is told twice"
            assert len(set(group.moved)) == len(group.moved), f"somebody is in {group} twice"
            found[hearer] = {str(socket_id) for socket_id in group.moved}
    return found


@pytest.mark.rule("G7.7")
@settings(max_examples=500)
@given(coordinates, coordinates, st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.floats(1e-9, 1e9))
def test_whoever_is_within_the_radius_is_near(
    x: float, y: float, over: float, up: float, radius: float
) -> None:
    """Wherever it is, however cells and positions are rounded."""
    other = (x + over * radius, y + up * radius)
    dx, dy = Fraction(other[0]) - Fraction(x), Fraction(other[1]) - Fraction(y)
    grid = Interest(radius, [at("A", x, y), at("B", *other)])
    told = heard(grid.tell_near([at("A", x, y)]))
    if dx**2 + dy**2 <= Fraction(radius) ** 2:
        assert told == {"A": {"A"}, "B": {"A"}}
    else:
        assert told["A"] == {"A"}


def test_who_is_two_cells_away_is_not_near() -> None:
    """And who is in the cell beside it is, up to twice the radius away."""
    grid = Interest(SIDE, [at("A", 0, 0), at("B", 19.9, -10), at("C", 20, 0), at("D", 0, -10.1)])
    assert heard(grid.tell_near([at("A", 1, 1)])) == {"A": {"A"}, "B": {"A"}}


@pytest.mark.rule("G7.8")
def test_a_move_to_other_cells_is_told_around_both() -> None:
    """Whoever was near it, and whoever is near it now."""
    grid = Interest(SIDE, [at("A", 0, 0), at("B", 5, 5), at("C", 500, 0), at("D", 0, 500)])
    assert heard(grid.tell_near([at("A", 505, 0)])) == {"A": {"A"}, "B": {"A"}, "C": {"A"}}


@pytest.mark.rule("G7.9")
def test_who_comes_is_told_what_is_owed_of_those_near_it() -> None:
    """Those who were there hear nothing of that: they know it."""
    grid = Interest(SIDE, [at("A", 0, 0), at("B", 500, 0), at("C", 501, 0), at("D", 900, 0)])
    assert heard(grid.tell_near([at("B", 502, 0)])) == {"B": {"B"}, "C": {"B"}}
    assert heard(grid.tell_near([at("D", 901, 0)])) == {"D": {"D"}}
    assert heard(grid.tell_near([at("A", 503, 0)])) == {"A": {"A", "B"}, "B": {"A"}, "C": {"A"}}


def test_who_stays_in_its_cell_is_told_nothing_that_is_owed() -> None:
    """It has heard of those near it all the time."""
    grid = Interest(SIDE, [at("A", 0, 0), at("B", 1, 0)])
    grid.tell_near([at("A", 2, 0)])
    assert heard(grid.tell_near([at("B", 3, 0)])) == {"A": {"B"}, "B": {"B"}}


@pytest.mark.rule("G7.10")
def test_what_was_told_to_the_near_is_owed_to_all_until_it_is_told() -> None:
    """Once, with whoever moved since; nothing of somebody who has left."""
    grid = Interest(SIDE, [at("A", 0, 0), at("B", 500, 0), at("C", 900, 0)])
    assert not grid.owes()
    grid.tell_near([at("A", 1, 0), at("B", 501, 0)])
    grid.remove(SocketId("B"))
    assert grid.owes()
    assert list(grid.tell_all([at("C", 901, 0), at("A", 2, 0)])) == ["A", "C"]
    assert not grid.owes()
    assert list(grid.tell_all([])) == []


def test_who_was_never_placed_has_no_move() -> None:
    """A bug of the caller, who says of everybody when it comes."""
    grid = Interest(SIDE, [at("A", 0, 0)])
    with pytest.raises(KeyError):
        grid.tell_near([at("B", 0, 0)])


class Lives(RuleBasedStateMachine):
    """A grid, and beside it where everybody is and what each believes of all others."""

    @initialize(present=st.dictionaries(st.sampled_from(NAMES), spots))
    def begin(self, present: dict[str, tuple[float, float]]) -> None:
        self.where = dict(present)
        self.beliefs = {name: dict(present) for name in present}
        self.owed: set[str] = set()
        self.grid = Interest(SIDE, [at(name, *spot) for name, spot in present.items()])

    @rule(name=st.sampled_from(NAMES), spot=spots)
    def come(self, name: str, spot: tuple[float, float]) -> None:
        """All are told so, and the newcomer is told where all are; also of one who leaves and
        comes in one moment.
        """
        self.where[name] = spot
        self.owed.discard(name)
        self.beliefs[name] = dict(self.where)
        for beliefs in self.beliefs.values():
            beliefs[name] = spot
        self.grid.place(at(name, *spot))

    @rule(name=st.sampled_from(NAMES))
    def go(self, name: str) -> None:
        self.grid.remove(SocketId(name))
        self.where.pop(name, None)
        self.beliefs.pop(name, None)
        self.owed.discard(name)
        for beliefs in self.beliefs.values():
            beliefs.pop(name, None)

    def moved(self, spots: dict[str, tuple[float, float]]) -> list[Player]:
        present = {name: spot for name, spot in spots.items() if name in self.where}
        self.where |= present
        return [at(name, *spot) for name, spot in present.items()]

    @rule(moves=st.dictionaries(st.sampled_from(NAMES), spots))
    def tick(self, moves: dict[str, tuple[float, float]]) -> None:
        """Told are the near of before and after, and whoever came near what is owed."""
        before = dict(self.where)
        moved = self.moved(moves)
        names = {str(player.socket_id) for player in moved}
        self.owed |= names
        told = heard(self.grid.tell_near(moved))
        for hearer in self.where:
            near_now = {name for name in names if self.is_near(hearer, self.where[name])}
            near_before = {name for name in names if self.is_near(hearer, before[name])}
            wanted = near_now | near_before
            if cell(self.where[hearer]) != cell(before[hearer]):
                wanted |= {name for name in self.owed if self.is_near(hearer, self.where[name])}
            assert told.pop(hearer, set()) == wanted, hearer
            for name in wanted:
                self.beliefs[hearer][name] = self.where[name]
        assert not told

    @rule(moves=st.dictionaries(st.sampled_from(NAMES), spots))
    def round(self, moves: dict[str, tuple[float, float]]) -> None:
        moved = self.moved(moves)
        told = {str(socket_id) for socket_id in self.grid.tell_all(moved)}
        assert told == self.owed | {str(player.socket_id) for player in moved}
        self.owed = set()
        for beliefs in self.beliefs.values():
            beliefs |= {name: self.where[name] for name in told}
        assert all(beliefs == self.where for beliefs in self.beliefs.values())

    def is_near(self, hearer: str, spot: tuple[float, float]) -> bool:
        (x, y), (column, row) = cell(self.where[hearer]), cell(spot)
        return abs(x - column) <= 1 and abs(y - row) <= 1

    @invariant()
    def all_who_are_near_are_where_they_are_believed(self) -> None:
        """And of all others who are believed elsewhere it is owed."""
        for hearer, beliefs in self.beliefs.items():
            assert beliefs.keys() == self.where.keys()
            for name, spot in self.where.items():
                wrong = beliefs[name] != spot
                assert not (wrong and self.is_near(hearer, spot)), (hearer, name)
                assert not wrong or name in self.owed

    @invariant()
    def nothing_is_kept_of_who_is_not_there(self) -> None:
        assert self.grid.socket_ids() == self.where.keys()
        assert self.grid.owes() is bool(self.owed)
        inside = self.grid._inside
        assert {name for names in inside.values() for name in names} == self.where.keys()
        assert all(inside.values())


def cell(spot: tuple[float, float]) -> tuple[float, float]:
    """The model's."""
    return spot[0] // SIDE, spot[1] // SIDE


@pytest.mark.rule("G7.7", "G7.8", "G7.9", "G7.10")
def test_whoever_is_near_is_believed_where_it_is() -> None:
    """Whatever they do; all others are owed."""
    run_state_machine_as_test(Lives, settings=settings(max_examples=150, stateful_step_count=30))
