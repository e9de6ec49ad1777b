"""What one client may do how often, at chosen times."""

import pytest

from actors.errors import RateLimited
from actors.settings import Settings
from transport.limits import Kind
from transport.throttle import Throttle

SETTINGS = Settings(messages_per_s=2, messages_burst=4, joins_per_s=1, joins_burst=3)


@pytest.mark.rule("E2.3", "E2.4")
def test_frames_and_joins_have_buckets_of_their_own() -> None:
    """A join costs one of each, but the second bucket knows nothing of other frames."""
    throttle = Throttle(SETTINGS, 100)
    assert [throttle.take(100) for _ in range(5)] == [True] * 4 + [False]
    for _ in range(3):
        throttle.admit(Kind.JOIN, 100)
    with pytest.raises(RateLimited) as refused:
        throttle.admit(Kind.JOIN, 100)
    assert (refused.value.retryable, refused.value.retry_after_ms) == (True, 1000)
    throttle.admit(Kind.JOIN, 101)


@pytest.mark.rule("E2.4")
def test_the_bucket_of_joins_is_full_when_it_is_first_needed() -> None:
    """And holds no more, however late that is."""
    throttle = Throttle(SETTINGS, 100)
    for _ in range(3):
        throttle.admit(Kind.JOIN, 5000)
    with pytest.raises(RateLimited):
        throttle.admit(Kind.JOIN, 5000)


@pytest.mark.rule("E2.3")
def test_too_many_frames_are_refused_with_the_time_to_wait() -> None:
    """Half a second where two a second are allowed."""
    throttle = Throttle(SETTINGS, 100)
    while throttle.take(100):
        pass
    with pytest.raises(RateLimited) as refused:
        throttle.admit(Kind.MESSAGE, 100)
    assert (refused.value.retry_after_ms, throttle.wait_ms()) == (500, 500)


@pytest.mark.rule("C4.5")
def test_offences_are_counted_for_each_client() -> None:
    """One too many is the hundred and first."""
    one, other = Throttle(SETTINGS, 100), Throttle(SETTINGS, 100)
    assert not any(one.offend(100) for _ in range(100))
    assert one.offend(100)
    assert not other.offend(100)
