"""How long to wait for a moment to come. PURE.

A loop's timer may call early: uvloop counts whole milliseconds, asyncio rounds by a step of its
clock. Whoever then looks at the clock finds that the moment has not come, and waits again.
"""

from typing import Final

TIMER_STEP_S: Final = 0.001


def wait_s(deadline_s: float, now_s: float) -> float:
    """The wait for `deadline_s`: at least a step, so that nobody wakes again and again within one;
    0 where it has passed.
    """
    return max(TIMER_STEP_S, deadline_s - now_s) if deadline_s > now_s else 0.0
