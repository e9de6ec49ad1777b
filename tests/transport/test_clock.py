"""The real clock, held against the time that Python tells."""

import asyncio
import time

from actors.ports import Clock
from transport.clock import LoopClock


def test_both_times_are_those_of_the_machine() -> None:
    """Wall time in Unix milliseconds, and a monotonic one that is finer than the loop's."""

    async def look() -> None:
        clock: Clock = LoopClock(asyncio.get_running_loop())
        before_ms, before_s = time.time() * 1000, time.monotonic()
        now_ms, now_s = clock.now_ms(), clock.monotonic_s()
        assert int(before_ms) <= now_ms <= time.time() * 1000
        assert before_s <= now_s <= time.monotonic()
        assert isinstance(now_ms, int)

    asyncio.run(look())


def test_a_call_to_come_runs_on_the_loop_in_its_turn_unless_it_is_cancelled() -> None:
    """Not at once, even where the delay is none."""

    async def wait() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        called: list[str] = []
        done = asyncio.Event()
        clock.call_later(0, lambda: called.append("cancelled")).cancel()
        clock.call_later(0, lambda: called.append("first"))
        clock.call_later(0.001, done.set)
        assert called == []
        await done.wait()
        assert called == ["first"]

    asyncio.run(wait())
