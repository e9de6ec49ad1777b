"""Many waits of one length, with one timer."""

from tests.transport.simulated import SimulatedClock
from transport.deadlines import Deadlines


def test_each_wait_ends_after_its_own_delay_in_order_of_beginning() -> None:
    """Not before, and each once."""
    clock = SimulatedClock()
    ended: list[tuple[str, float]] = []
    waits = Deadlines[str](clock, 10, lambda name: ended.append((name, clock.monotonic_s() - t0)))
    t0 = clock.monotonic_s()
    waits.add("a")
    clock.advance(4)
    waits.add("b")
    waits.add("c")
    clock.advance(5.5)
    assert ended == []
    clock.advance(0.5)
    assert ended == [("a", 10)]
    clock.advance(100)
    assert ended == [("a", 10), ("b", 14), ("c", 14)]


def test_one_timer_serves_any_number_of_waits() -> None:
    """And none is left when nothing waits."""
    clock = SimulatedClock()
    waits = Deadlines[int](clock, 10, lambda item: None)
    assert clock.waiting == 0
    for item in range(1000):
        waits.add(item)
        clock.advance(0.001)
    assert (len(waits), clock.waiting) == (1000, 1)
    clock.advance(20)
    assert (len(waits), clock.waiting) == (0, 0)


def test_whoever_is_told_may_begin_another_wait() -> None:
    """So does a heartbeat, which goes on for ever."""
    clock = SimulatedClock()
    beats: list[float] = []

    def beat(item: str) -> None:
        beats.append(clock.monotonic_s() - t0)
        waits.add(item)

    waits = Deadlines[str](clock, 10, beat)
    t0 = clock.monotonic_s()
    waits.add("a")
    clock.advance(35)
    assert beats == [10, 20, 30]


def test_a_wait_of_no_length_does_not_keep_the_loop() -> None:
    """Those that begin while others end are told the next time round, behind what waits by then."""
    clock = SimulatedClock()
    told: list[object] = []

    def again(item: int) -> None:
        told.append(item)
        if item < 3:
            clock.call_later(0, lambda: told.append("others"))
            waits.add(item + 1)

    waits = Deadlines[int](clock, 0, again)
    waits.add(0)
    clock.advance(0)
    assert told == [0, "others", 1, "others", 2, "others", 3]


def test_after_a_stop_nobody_is_told() -> None:
    """And no timer is left, nor where there was none."""
    clock = SimulatedClock()
    told: list[str] = []
    waits = Deadlines[str](clock, 10, told.append)
    waits.stop()
    waits.add("a")
    waits.stop()
    clock.advance(100)
    assert (told, clock.waiting, len(waits)) == ([], 0, 0)
    waits.add("b")
    clock.advance(10)
    assert told == ["b"]


def test_waits_that_end_within_a_grain_end_together_and_none_too_early() -> None:
    """Late by a grain at most; a thousand of them wake the loop a few times."""
    clock = SimulatedClock()
    late_s: list[float] = []
    moments: set[float] = set()

    def ended(began_s: float) -> None:
        late_s.append(clock.monotonic_s() - began_s - 10)
        moments.add(clock.monotonic_s())

    waits = Deadlines[float](clock, 10, ended, grain_s=0.5)
    for _ in range(1000):
        waits.add(clock.monotonic_s())
        clock.advance(0.002)
    clock.advance(20)
    assert len(late_s) == 1000
    assert min(late_s) >= 0
    assert max(late_s) <= 0.5 + 1e-9
    assert len(moments) <= 6
