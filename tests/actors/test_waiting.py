"""Waiting for a moment: never past it by more than a step, never in vain for less."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.waiting import TIMER_STEP_S, wait_s
from tests.actors.test_timers import GRACE_S, Waiting

MOMENTS = st.floats(0, 1e9)


@given(deadline_s=MOMENTS, now_s=MOMENTS)
def test_a_wait_reaches_its_moment_and_is_none_once_it_has_passed(
    deadline_s: float, now_s: float
) -> None:
    """As far as a clock can tell; late by a step at most."""
    wait = wait_s(deadline_s, now_s)
    assert wait == 0.0 if deadline_s <= now_s else wait >= TIMER_STEP_S
    assert now_s + wait >= math.nextafter(deadline_s, 0)
    assert wait <= max(0.0, deadline_s - now_s) + TIMER_STEP_S


@pytest.mark.rule("G6.13")
def test_who_is_woken_a_moment_early_waits_once_more_and_not_again_and_again() -> None:
    """Less than the clock can tell is left then, and no time would pass."""
    waiting = Waiting()
    waiting.lose("A")
    waiting.clock.forget()
    waiting.clock.jump(math.nextafter(GRACE_S, 0))
    waiting.take()
    assert waiting.ended == []
    assert [due_s - GRACE_S for due_s in waiting.clock.waiting()] == pytest.approx([TIMER_STEP_S])
    waiting.until(GRACE_S + 1)
    assert [name for _, name in waiting.ended] == ["A"]
