"""What went wrong, told without what anybody sent."""

import pytest

from actors import messages as m
from actors.faults import PLACES_MAX, SaysNothingPersonal, described, explained, places_of
from actors.ids import RoomId, UserId
from actors.players import LeaveReason
from tests.actors.fakes import FakeEncoder, FakeOutlet, FakeRoster

CANARY = "canary-4711"


def raised(error: BaseException, depth: int = 1) -> BaseException:
    """`error`, as it is caught so many calls away."""

    def go(left: int) -> None:
        if left:
            go(left - 1)
        raise error

    try:
        go(depth)
    except BaseException as caught:  # noqa: BLE001  # whatever was asked for
        return caught
    raise AssertionError


@pytest.mark.rule("T6.13")
@pytest.mark.parametrize(
    "error", [KeyError(CANARY), ValueError(f"no number: {CANARY!r}"), AssertionError({CANARY: 1})]
)
def test_an_error_is_told_by_type_and_places_and_not_by_its_text(error: Exception) -> None:
    """The text may quote whatever a client sent."""
    told = explained(raised(error))
    assert CANARY not in told
    assert told.startswith(f"{type(error).__name__} in actors/test_faults.py:")
    assert "raised.<locals>.go" in told


@pytest.mark.rule("T6.13")
def test_a_text_of_our_own_making_is_told() -> None:
    """Where the class says that it quotes nobody."""

    class Ours(SaysNothingPersonal, Exception):
        """One of those."""

    assert explained(raised(Ours("session without player: S"))).startswith(
        "test_a_text_of_our_own_making_is_told.<locals>.Ours('session without player: S') in "
    )
    assert explained(Ours()) == "test_a_text_of_our_own_making_is_told.<locals>.Ours"


@pytest.mark.rule("T6.13")
def test_places_are_bounded_and_the_innermost_ones() -> None:
    """However deep it was raised."""
    error = raised(ValueError(), depth=100)
    assert len(places_of(error)) == PLACES_MAX
    assert len(explained(error)) <= 1000


@pytest.mark.rule("T6.13", "G11.3", "G11.4")
def test_a_message_is_told_by_its_kind_and_whom_it_came_from() -> None:
    """Not by who that is, how it appears, where it is, or what it said."""
    room = RoomId("lobby")
    outlet = FakeOutlet("AAAA", FakeEncoder(), FakeRoster(), room)
    profile = m.Profile(
        UserId(CANARY), CANARY, 4711.5, 4711.5, {CANARY: CANARY}, hide_position=True, person=CANARY
    )
    for message in (
        m.Join(outlet, room, profile, 0, 1),
        m.Update(outlet, CANARY, {CANARY: 1}),
        m.Say(outlet, CANARY, CANARY),
        m.Move(outlet, 4711.5, 4711.5),
    ):
        told = described(message)
        assert told.startswith(f"{type(message).__name__}(outlet=")
        assert "AAAA" in told
        assert "4711" not in told
    assert "room_id='lobby'" in described(m.Join(outlet, room, profile, 0, 1))
    assert "LeaveReason.LEFT" in described(m.Leave(outlet, LeaveReason.LEFT))


@pytest.mark.rule("T6.13")
def test_whatever_a_message_does_when_asked_it_is_told() -> None:
    """A supervisor that fails of describing a failure would be none."""

    class Hostile:
        """Raises wherever it can."""

        @property
        def outlet(self) -> object:
            raise ValueError(CANARY)

        @property
        def room_id(self) -> str:
            return "x" * 5000

    told = described(Hostile())
    assert told.startswith("Hostile(outlet: ValueError, room_id='xxx")
    assert len(told) == 1000
    assert described(None) == "NoneType()"
