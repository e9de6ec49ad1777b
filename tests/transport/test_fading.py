"""The bounded map whose unused entries fade."""

from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.transport.simulated import SimulatedClock
from transport.fading import FadingMap

IDLE_S = 10.0
KEYS = st.sampled_from("abcd")


def made(size_max: int = 3) -> tuple[SimulatedClock, FadingMap[int]]:
    """A map whose entries are numbered as they are made."""
    clock = SimulatedClock()
    return clock, FadingMap(clock, IDLE_S, size_max, count().__next__)


@pytest.mark.rule("T6.10")
def test_an_entry_stays_as_long_as_it_is_used_and_fades_after_that() -> None:
    """Used again in time it is the same one; later it is a new one, and nothing waits any more."""
    clock, entries = made()
    first = entries.use("a")
    clock.advance(9)
    assert entries.use("a") == first
    clock.advance(9)
    assert (entries.use("a"), len(entries)) == (first, 1)
    clock.advance(10.1)
    assert (len(entries), clock.waiting) == (0, 0)
    assert entries.use("a") != first


@pytest.mark.rule("T6.10")
def test_an_entry_that_is_held_stays_until_it_is_released_as_often() -> None:
    """And fades only some time after that."""
    clock, entries = made()
    held = entries.hold("a")
    assert entries.hold("a") == held
    entries.release("a")
    clock.advance(1000)
    assert entries.use("a") == held
    entries.release("a")
    clock.advance(9)
    assert entries.hold("a") == held
    entries.release("a")
    clock.advance(11)
    assert (len(entries), clock.waiting) == (0, 0)


@pytest.mark.rule("T6.10")
def test_at_the_bound_the_longest_unused_makes_room_and_a_held_one_never() -> None:
    """Where all are held there is none."""
    clock, entries = made(size_max=2)
    held = entries.hold("a")
    entries.use("b")
    clock.advance(1)
    entries.use("c")
    assert (len(entries), entries.use("a")) == (2, held)
    entries.hold("c")
    assert entries.use("d") is None
    assert entries.hold("d") is None
    entries.release("c")
    assert entries.hold("d") is not None


class FadingLife(RuleBasedStateMachine):
    """Any history: the bound is kept, what is held is there, what is long unused is not."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.entries = made()
        self.holds: list[tuple[str, int]] = []
        self.used_s = 0.0

    @rule(key=KEYS)
    def use(self, key: str) -> None:
        self.entries.use(key)
        self.used_s = self.clock.monotonic_s()

    @rule(key=KEYS)
    def hold(self, key: str) -> None:
        entry = self.entries.hold(key)
        if entry is not None:
            self.holds.append((key, entry))

    @rule()
    def release(self) -> None:
        if self.holds:
            self.entries.release(self.holds.pop()[0])
            self.used_s = self.clock.monotonic_s()

    @rule(seconds=st.sampled_from((0.0, 0.0005, 3.0, 10.0, 100.0)))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def is_bounded_and_keeps_what_is_held(self) -> None:
        held = dict(self.holds)
        assert len(held) <= len(self.entries) <= 3
        if self.clock.monotonic_s() > self.used_s + IDLE_S + 0.01:
            assert (len(self.entries), self.clock.waiting) == (len(held), 0)
        for key, entry in held.items():
            assert self.entries.hold(key) == entry
            self.entries.release(key)


TestFadingLife = FadingLife.TestCase
