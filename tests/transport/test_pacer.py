"""The pacer: a busy loop waits for more, a resting one or an overloaded one for nothing."""

from collections.abc import Callable

import pytest

from tests.transport.simulated import Timer
from transport.pacer import BUSY_PER_S, LOOK_READS, READS_PER_WAKE, Pacer

LONGEST_S = 0.002
ROUND_S = 0.000_001
"""What a round of the loop takes by itself."""


class Loop:
    """A loop that reads what has come each time it looks, and may be slow to handle it. A Clock."""

    def __init__(self, longest_s: float = LONGEST_S, *, can_sleep: bool = True) -> None:
        self.now_s = 4096.0
        self.slept_s: list[float] = []
        self.soon: list[Callable[[], object]] = []
        self.pacer = Pacer(self, longest_s, self._sleep if can_sleep else None)

    def now_ms(self) -> int:
        return round(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Timer:
        assert delay_s == 0
        self.soon.append(call)
        return Timer(call)

    def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def run(self, seconds: float, per_s: float, handling_s: float = 0.0, answers: int = 0) -> float:
        """For so long, with so many reads a second, evenly, of which one in `answers` is answered;
        how many reads a look had.
        """
        until_s = self.now_s + seconds
        next_s = self.now_s
        reads = looks = 0
        while self.now_s < until_s:
            soon, self.soon = self.soon, []
            for call in soon:
                call()
            if not self.soon:
                self.now_s = max(self.now_s, next_s)  # it waits for its sockets
            looks += 1
            came = 0
            while next_s <= self.now_s:
                came += 1
                next_s += 1 / per_s
            for number in range(reads, reads + came):
                self.pacer.note()
                if answers and number % answers == 0:
                    self.pacer.answer()
                self.now_s += handling_s
            reads += came
            self.now_s += ROUND_S
        return reads / looks


def test_a_busy_loop_has_some_reads_each_time_it_looks() -> None:
    """About as many as are worth it, and never waits longer than it may."""
    loop = Loop()
    assert loop.run(0.2, 10_000) > 1
    assert loop.run(1.0, 10_000) == pytest.approx(READS_PER_WAKE, rel=0.25)
    assert max(loop.slept_s) <= READS_PER_WAKE / 10_000 + 1e-9
    loop.slept_s.clear()
    loop.run(0.2, 1_600)
    loop.slept_s.clear()
    assert loop.run(1.0, 1_600) == pytest.approx(1_600 * LONGEST_S, rel=0.25)
    assert max(loop.slept_s) <= LONGEST_S


@pytest.mark.parametrize("per_s", [1, 40, 200, 1_000, BUSY_PER_S * 0.9])
def test_a_loop_with_little_to_do_never_waits(per_s: float) -> None:
    """Each message is read as it comes."""
    loop = Loop()
    loop.run(LOOK_READS * 4 / per_s, per_s)
    assert loop.slept_s == []
    assert loop.soon == []


def test_a_loop_that_becomes_quiet_stops_waiting_and_looks_again_when_it_is_busy() -> None:
    """Nothing of the pacer wakes a loop that rests."""
    loop = Loop()
    loop.run(0.5, 10_000)
    assert loop.slept_s != []
    loop.run(0.5, 500)
    assert (loop.pacer.is_pacing, loop.soon) == (False, [])
    loop.slept_s.clear()
    loop.run(0.5, 10_000)
    assert loop.slept_s != []


def test_a_loop_that_needs_all_its_time_waits_for_nothing() -> None:
    """What it handles takes longer than a step."""
    loop = Loop()
    loop.run(0.5, 10_000, handling_s=0.000_099)
    loop.slept_s.clear()
    loop.run(1.0, 10_000, handling_s=0.000_099)
    assert sum(loop.slept_s) < 0.1


@pytest.mark.parametrize(
    "loop",
    [lambda: Loop(0.0), lambda: Loop(can_sleep=False)],
    ids=["pace_ms = 0", "without a sleep"],
)
def test_who_may_not_wait_never_does(loop: Callable[[], Loop]) -> None:
    """However busy it is."""
    busy = loop()
    busy.run(0.5, 20_000)
    assert (busy.slept_s, busy.pacer.is_pacing) == ([], False)


def test_who_awaits_an_answer_is_not_kept_waiting() -> None:
    """However many they are; a few among many who await none wait as those do."""
    loop = Loop()
    loop.run(0.5, 10_000, answers=1)
    loop.run(0.5, 10_000, answers=4)
    assert (loop.slept_s, loop.pacer.is_pacing) == ([], False)
    loop.run(0.5, 10_000, answers=40)
    assert loop.pacer.is_pacing
    loop.run(0.5, 10_000, answers=2)
    assert (loop.pacer.is_pacing, loop.soon) == (False, [])
