"""Whether what was read of a server in its quiet moments grows. PURE: numbers in, sentences out.

Owns the arithmetic and the bounds. The first third of the troughs is the warm-up, and whatever
comes before the first 5,000 sessions: caches fill and the heap finds its shape. Of the rest two
slopes are taken, in units a session:

- by thirds: the median of the last half of it less that of the first, over the sessions between
  (of all troughs they are the last third and the middle one);
- Theil-Sen: the median of the slopes of all pairs, which a single step hardly moves.

A leak is a straight line, so it shows in both; what shows in one only is a step, or noise. Growth
is thus what both say, the smaller of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]
"""Sessions so far, and what was read then."""


@dataclass(frozen=True, slots=True)
class Bound:
    """`most` may come a session; `noise` comes and goes by itself, however many sessions there
    are, and is no growth where few of them make it look steep.
    """

    name: str
    unit: str
    most: float
    noise: float

    def smallest(self, sessions: float) -> float:
        """The smallest leak a session that is found over so many."""
        return max(self.most, self.noise / sessions) if sessions else float("inf")


MEMORY: Final = Bound("anonymous memory", "bytes", 50, 1.5 * 1_048_576)
"""One small object in a list is 100 to 200 bytes; what a session is made of is thousands. A heap
grows by arenas of 1 MiB."""
MEMORY_AND_GARBAGE: Final = Bound("memory, garbage included,", "bytes", 50, 8 * 1_048_576)
"""Where nobody collects it, garbage comes and goes by megabytes."""
OBJECTS: Final = Bound("live objects", "blocks", 0.1, 2_500)
"""One object for each session is 1 block."""
WARM_SESSIONS: Final = 5_000
TROUGHS_MIN: Final = 4
"""With less than two troughs in each half after the warm-up there is nothing to judge."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The slopes, a session each. `sessions` lie between the middles of the two thirds."""

    by_thirds: float
    theil_sen: float
    sessions: float

    @property
    def both(self) -> float:
        """What both slopes say: 0 where one rises and the other falls."""
        if self.by_thirds * self.theil_sen <= 0:
            return 0.0
        return min(self.by_thirds, self.theil_sen, key=abs)


def theil_sen(points: Sequence[Point]) -> float:
    """The median slope of all pairs; 0 where there is none."""
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0]]
    return median(slopes) if slopes else 0.0


def warm(points: Sequence[Point]) -> Sequence[Point]:
    """Those after the warm-up."""
    cold = sum(sessions < WARM_SESSIONS for sessions, _ in points)
    return points[max(len(points) // 3, cold) :]


def growth(points: Sequence[Point]) -> Growth:
    """Of `points`, which stand in order, after the warm-up. Raises ValueError for too few."""
    rest = warm(points)
    if len(rest) < TROUGHS_MIN:
        raise ValueError(f"{len(rest)} troughs after the warm-up, {TROUGHS_MIN} are needed")
    middle, last = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    sessions = median(x for x, _ in last) - median(x for x, _ in middle)
    rise = median(y for _, y in last) - median(y for _, y in middle)
    return Growth(rise / sessions if sessions else 0.0, theil_sen(rest), sessions)


def too_much(bound: Bound, points: Sequence[Point]) -> str | None:
    """A sentence where `points` grow by more than the bound has."""
    found = growth(points)
    if found.both <= bound.smallest(found.sessions):
        return None
    return (
        f"{bound.name} grow by {found.both:,.2f} {bound.unit} a session"
        f" (by thirds {found.by_thirds:,.2f}, Theil-Sen {found.theil_sen:,.2f})"
    )


def not_the_same(name: str, values: Sequence[int]) -> str | None:
    """A sentence where a count is not the same in all troughs."""
    if len(set(values)) <= 1:
        return None
    return f"{name} are not the same in all troughs: {', '.join(map(str, values))}"
