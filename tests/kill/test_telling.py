"""The judge of a kill can find fault: with what is missing, what is there, and where it is."""

from __future__ import annotations

import math
from typing import Any

from tests.acceptance.frames import Object
from tests.kill.telling import Room, State, state_of


def player(socket_id: str, x: float = 1, **fields: Any) -> Object:
    """A `PlayerInfo`."""
    return {
        "socketId": socket_id,
        "userId": "ann",
        "position": {"x": x, "y": -x},
        "attributes": {},
        "joinedAt": "2026-01-01T00:00:00.000Z",
        "lastSeen": "2026-01-01T00:00:00.000Z",
        "isReady": False,
        "connected": True,
    } | fields


def room(*views: list[Object]) -> Room:
    """A room whose views were told a second apart, from second 1 on."""
    told = Room()
    for second, view in enumerate(views, 1):
        told.saw((1, second), {item["socketId"]: item for item in view}, second)
    return told


def faults(told: Room, *found: Object, forgets: bool = False) -> int:
    """How many faults are found, where A went to the places 1 to 3, and B to 4."""
    sent = {1.0: "A", 2.0: "A", 3.0: "A", 4.0: "B"}
    return len(told.faults(found, sent, forgets=forgets))


def test_what_everybody_was_told_has_to_be_there() -> None:
    """Somebody missing, in an older state or unknown is a fault; the newest state is none."""
    told = room([player("A")], [player("A", isReady=True)])
    told.freeze(math.inf, math.inf)
    assert faults(told, player("A", isReady=True)) == 0
    assert faults(told) == 1
    assert faults(told, player("A")) == 1
    assert faults(told, player("A", isReady=True), player("B", 4)) == 1


def test_who_was_told_as_gone_has_to_be_gone() -> None:
    """Also where it was told so itself, and the others later that it was there before."""
    told = room([player("A"), player("B", 4)], [player("B", 4)])
    told.told("B").tell_itself(3, None)
    told.saw((1, 3), {"B": player("B", 4, isReady=True)}, 4)
    told.freeze(math.inf, math.inf)
    assert faults(told) == 0
    assert faults(told, player("A")) == 1
    assert faults(told, player("B", 4, isReady=True)) == 1


def test_the_last_moments_may_be_lost_and_nothing_before() -> None:
    """With a window: the state before it, and each within it, may be; older ones may not."""
    views = [[player("A", displayName=name)] for name in ("one", "two", "three")]
    told = room(*views)
    told.freeze(2.5, 2.5)
    assert faults(told, player("A", displayName="two"), forgets=True) == 0
    assert faults(told, player("A", displayName="three"), forgets=True) == 0
    assert faults(told, player("A", displayName="one"), forgets=True) == 1
    assert faults(told, forgets=True) == 1


def test_a_join_of_the_last_moment_may_be_forgotten_or_begun_anew() -> None:
    """Missing, as told, or as a new player of the same user; but not as another user."""
    told = room([], [player("A", isReady=True)])
    told.freeze(1.5, 1.5)
    assert faults(told, forgets=True) == 0
    assert faults(told, player("A", isReady=True), forgets=True) == 0
    assert faults(told, player("A", joinedAt="later"), forgets=True) == 0
    assert faults(told, player("A", userId="bob"), forgets=True) == 1


def test_a_player_is_never_further_back_than_it_was_told() -> None:
    """A newer place is fine, an older one is not, nor one that somebody else asked for."""
    told = room([player("A")])
    told.told("A").tell_place(1, 2)
    told.freeze(math.inf, math.inf)
    assert faults(told, player("A", 2)) == faults(told, player("A", 3)) == 0
    assert faults(told, player("A", 1)) == 1
    assert faults(told, player("A", 9)) == 1
    assert len(told.faults([player("A", 3)], {3.0: "B"}, forgets=False)) == 1


def test_a_request_in_doubt_may_have_had_its_effect_or_not() -> None:
    """Both states are right, a third is not; a leave in doubt may leave nobody."""
    told = room([player("A")])
    told.freeze(math.inf, math.inf)
    told.may_be("A", lambda state: state._replace(ready=True))
    assert faults(told, player("A")) == faults(told, player("A", isReady=True)) == 0
    assert faults(told, player("A", displayName="x")) == faults(told) == 1
    told.may_be("A", lambda _: None)
    assert faults(told) == 0


def test_a_kill_narrows_what_the_kill_before_had_left_open() -> None:
    """What is told after a restart and kept counts alone; what nobody saw again stays open."""
    told = room([player("A")], [player("A", isReady=True)])
    told.freeze(1.5, 1.5)
    told.freeze(3, 3)
    assert faults(told, player("A")) == faults(told, player("A", isReady=True)) == 0
    told.saw((2, 1), {"A": player("A")}, 4)
    told.freeze(5, 5)
    assert faults(told, player("A", isReady=True)) == 1
    assert state_of(player("A")) == State(
        "ann", None, "{}", "2026-01-01T00:00:00.000Z", ready=False, hides=False
    )
