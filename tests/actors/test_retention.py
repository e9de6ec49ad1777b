"""Ages and bounds of what is kept for days."""

import pytest

from actors.retention import DAY_MS, horizon_ms, is_expired


@pytest.mark.rule("T5.1", "T5.2")
def test_zero_days_keep_everything() -> None:
    """However old it is."""
    assert horizon_ms(10**15, 0) is None
    assert not is_expired(0, None)


@pytest.mark.rule("T5.1", "T5.2")
@pytest.mark.parametrize(("age_ms", "expired"), [(DAY_MS + 1, True), (DAY_MS, False), (0, False)])
def test_what_is_older_than_so_many_days_is_expired(age_ms: int, expired: bool) -> None:
    """To the millisecond."""
    now_ms = 1_750_000_000_000
    assert is_expired(now_ms - age_ms, horizon_ms(now_ms, 1)) is expired
