"""What is left of a record when somebody is erased from it."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

import pytest

from actors.forgetting import forget_in, rules_about, rules_without, traces_in
from actors.records import Record
from actors.room_rules import PLAIN, Ban, RoomRules
from tests.actors.stores.rooms import ROOM, delta, row, whole

ANN: Final = "person-A"
NAMES: Final = frozenset({ANN, "anon-a"})
RULES: Final = RoomRules(
    ANN,
    private=True,
    players_max=7,
    allow=frozenset({ANN, "bob"}),
    bans=MappingProxyType({"eve": Ban("eve"), ANN: Ban("anon-a"), "anon-a": Ban("anon-a")}),
)
SPOT: Final = (1.0, 2.0, 3)


def with_rules(record: Record, rules: RoomRules | None) -> Record:
    """The record of a room that says so."""
    record.rules = rules
    return record


@pytest.mark.rule("T5.3")
def test_a_whole_record_has_the_others_as_they_were() -> None:
    """Rows, positions and rules of everybody else stay, and the numbers of the room do."""
    record = with_rules(whole(ROOM, "A", "B", spots={"A": SPOT, "B": SPOT}), RULES)
    traces = forget_in(record, ANN, NAMES)
    assert (traces.seats, traces.rules) == (("A",), ("owner", "allow", "ban"))
    assert record.rows == {"B": row("B")}
    assert record.spots == {"B": SPOT}
    assert record.rules == RoomRules(
        None,
        private=True,
        players_max=7,
        allow=frozenset({"bob"}),
        bans=MappingProxyType({"eve": Ban("eve")}),
    )
    assert not traces_in(record, ANN, NAMES)
    assert not forget_in(record, ANN, NAMES)


@pytest.mark.rule("T5.3")
def test_a_change_says_that_the_player_is_gone() -> None:
    """What the store has of the room may have the player still."""
    record = delta(ROOM, {"A": row("A"), "B": row("B"), "C": None}, {"A": SPOT})
    forget_in(record, ANN, NAMES)
    assert record.rows == {"A": None, "B": row("B"), "C": None}
    assert record.spots == {}


@pytest.mark.rule("T5.3")
@pytest.mark.parametrize(
    ("rules", "part"),
    [
        (RoomRules(ANN), "owner"),
        (RoomRules(allow=NAMES), "allow"),
        (RoomRules(bans=MappingProxyType({ANN: Ban("x")})), "ban"),
        (RoomRules(bans=MappingProxyType({"x": Ban("anon-a")})), "ban"),
    ],
)
def test_rules_about_nobody_else_are_those_of_a_room_that_says_nothing(
    rules: RoomRules, part: str
) -> None:
    """The one value that stands for no rules."""
    assert rules_about(rules, NAMES) == (part,)
    assert rules_without(rules, NAMES) is PLAIN
    kept = replace(rules, private=True)
    assert rules_without(kept, NAMES) == RoomRules(private=True)


def test_rules_about_others_are_the_same_object() -> None:
    """So that nobody takes them for a change."""
    rules = RoomRules("bob", allow=frozenset({"person-AA"}))
    assert rules_without(rules, NAMES) is rules
