"""The arithmetic of the verdict: what grows is found, what only trembles is not."""

from __future__ import annotations

import random

import pytest

from tests.soak.verdict import (
    MEMORY,
    OBJECTS,
    Growth,
    Point,
    growth,
    not_the_same,
    theil_sen,
    too_much,
)

MIB = 1_048_576
TROUGHS = 40
SESSIONS = 5_000
"""Between two troughs."""


def readings(seed: int, *, leak: float = 0, noise: float = 0) -> list[Point]:
    """Ten minutes of a server that takes 8 MiB more in its first third, and then leaks and
    trembles.
    """
    chance = random.Random(seed)
    points: list[Point] = []
    for number in range(TROUGHS):
        sessions = number * SESSIONS + chance.randrange(SESSIONS // 2)
        warm = min(1.0, number / (TROUGHS / 3)) * 8 * MIB
        points.append((sessions, 40 * MIB + warm + leak * sessions + chance.uniform(0, noise)))
    return points


def test_a_straight_line_has_its_slope_by_both_measures() -> None:
    """Whatever came in the first third."""
    found = growth(readings(1, leak=200))
    assert found.by_thirds == pytest.approx(200)
    assert found.theil_sen == pytest.approx(200)
    assert found.both == pytest.approx(200)
    assert found.sessions == pytest.approx(13.5 * SESSIONS, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_of_a_small_object_a_session_is_found_in_noise(seed: int) -> None:
    """200 bytes a session, while readings tremble by 4 MiB."""
    told = too_much(MEMORY, readings(seed, leak=200, noise=4 * MIB))
    assert told is not None
    assert told.startswith("anonymous memory grow by ")


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_not_growth(seed: int) -> None:
    """Nor is a warm-up."""
    assert too_much(MEMORY, readings(seed, noise=4 * MIB)) is None


@pytest.mark.parametrize("at", [16, 26, 32, 38])
@pytest.mark.parametrize("size", [-20 * MIB, 4 * MIB])
def test_a_single_step_is_not_growth(at: int, size: int) -> None:
    """The heap took another piece, or gave one back, once."""
    points = [(x, y + size * (n >= at)) for n, (x, y) in enumerate(readings(3))]
    assert too_much(MEMORY, points) is None


@pytest.mark.parametrize(("leak", "found"), [(1.0, True), (0.2, True), (0.05, False)])
def test_one_object_a_session_is_found_among_live_ones(leak: float, found: bool) -> None:
    """And one for every fifth session, while the rest trembles by 2,000 blocks."""
    points = readings(5, leak=leak, noise=2_000)
    assert (too_much(OBJECTS, [(x, y - 40 * MIB) for x, y in points]) is not None) is found


def test_few_sessions_do_not_make_noise_a_leak() -> None:
    """Over 100 sessions a megabyte is 10 kB each, and says nothing."""
    points = [(9_000 + n * 10.0, n * MIB / 30) for n in range(30)]
    assert growth(points).both > 1000
    assert too_much(MEMORY, points) is None
    assert MEMORY.smallest(100) == pytest.approx(15_728.64)
    assert MEMORY.smallest(100_000) == MEMORY.most
    assert MEMORY.smallest(0) == float("inf")


def test_one_wild_reading_changes_nothing() -> None:
    """Medians do not see it."""
    points = readings(4)
    points[30] = (points[30][0], points[30][1] + 500 * MIB)
    assert abs(growth(points).both) < 1


@pytest.mark.parametrize(
    ("by_thirds", "slope", "both"),
    [(3, 2, 2), (2, 3, 2), (-3, -2, -2), (3, -2, 0), (-3, 2, 0), (0, 5, 0)],
)
def test_growth_is_what_both_measures_say(by_thirds: float, slope: float, both: float) -> None:
    """The smaller of the two, and nothing where they disagree."""
    assert Growth(by_thirds, slope, 1).both == both


def test_readings_without_sessions_between_them_have_no_slope() -> None:
    """A server that nobody came to."""
    assert theil_sen([(5, 1), (5, 2)]) == 0
    assert growth([(9_000, n) for n in range(6)]).both == 0


def test_too_few_troughs_are_no_verdict() -> None:
    """Two in each half of what comes after the warm-up are the least."""
    assert growth(readings(1)[:6]).theil_sen < 0.1 * MIB
    with pytest.raises(ValueError, match="3 troughs after the warm-up"):
        growth(readings(1)[:4])


def test_the_first_sessions_are_warm_up_however_many_troughs_they_fill() -> None:
    """A slow machine takes minutes for them."""
    cold = [(n * 500.0, n * MIB) for n in range(10)]
    assert growth([*cold, *[(5_000 + n * 500.0, 10.0 * MIB) for n in range(4)]]).both == 0
    with pytest.raises(ValueError, match="0 troughs"):
        growth(cold)


def test_counts_are_the_same_or_told() -> None:
    """One that differs is enough."""
    assert not_the_same("files", [14, 14, 14]) is None
    assert not_the_same("files", [14, 14, 15]) == (
        "files are not the same in all troughs: 14, 14, 15"
    )
