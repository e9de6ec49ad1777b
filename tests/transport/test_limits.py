"""Token buckets and the budget of offences, at chosen times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.limits import TokenBucket, ViolationWindow


def takes(bucket: TokenBucket, times: int, now_s: float) -> int:
    """How many of so many are allowed at one moment."""
    return sum(bucket.take(now_s) for _ in range(times))


@pytest.mark.rule("E2.3", "E2.4")
def test_a_bucket_begins_full_and_gives_no_more_than_its_burst() -> None:
    """Whatever time it is, and however long nothing was taken."""
    bucket = TokenBucket(60, 120, 5000)
    assert takes(bucket, 200, 5000) == 120
    assert takes(bucket, 200, 1e9) == 120


@pytest.mark.rule("E2.3")
def test_a_bucket_fills_at_its_rate() -> None:
    """Also in parts of a token, which are not lost by asking."""
    bucket = TokenBucket(4, 8, 0)
    takes(bucket, 8, 0)
    assert takes(bucket, 3, 0.5) == 2
    assert not bucket.take(0.625)
    assert bucket.take(0.75)
    assert takes(bucket, 100, 1.75) == 4


@pytest.mark.rule("E2.3")
@pytest.mark.parametrize("rate_per_s", [0.001, 0.5, 3.0, 60.0, 61.0, 900.0])
@pytest.mark.parametrize("part", [0.0, 0.25, 0.5, 0.999])
def test_whoever_waits_as_long_as_told_gets_through(rate_per_s: float, part: float) -> None:
    """And is told no more than a millisecond too much; asking in between costs nothing."""
    bucket = TokenBucket(rate_per_s, max(1.0, rate_per_s), 100)
    while bucket.take(100):
        pass
    now_s = 100 + part / rate_per_s
    assert not bucket.take(now_s)
    wait_ms = bucket.wait_ms()
    assert wait_ms >= 1
    assert (wait_ms - 1) / 1000 <= (1 - part) / rate_per_s
    assert not bucket.take(now_s)
    assert bucket.take(now_s + wait_ms / 1000 + 1e-9)


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.1, 50), st.floats(1, 50))
def test_never_more_than_burst_and_rate_allow(
    steps_s: list[float], rate_per_s: float, burst: float
) -> None:
    """In any span that begins with a full bucket."""
    bucket = TokenBucket(rate_per_s, burst, 0)
    now_s, taken = 0.0, 0
    for step_s in steps_s:
        now_s += step_s
        taken += bucket.take(now_s)
        assert taken <= burst + rate_per_s * now_s + 1e-6


@pytest.mark.rule("C4.5")
def test_a_hundred_offences_in_ten_seconds_are_suffered_and_one_more_is_not() -> None:
    """It stays too much until the window is over."""
    window = ViolationWindow()
    assert not any(window.add(50 + n / 10) for n in range(100))
    assert window.add(60)
    assert window.add(60)


@pytest.mark.rule("C4.5")
def test_a_window_begins_anew_with_the_first_offence_after_it() -> None:
    """A hundred in each are suffered for ever."""
    window = ViolationWindow()
    for start_s in (50.0, 60.5, 71.0, 1000.0):
        assert not any(window.add(start_s + n / 100) for n in range(100))
    assert window.add(1001)


@pytest.mark.rule("C4.5")
def test_offences_in_the_first_moments_of_a_clock_count_too() -> None:
    """A clock may begin at zero."""
    window = ViolationWindow()
    assert not any(window.add(0) for _ in range(100))
    assert window.add(0)
