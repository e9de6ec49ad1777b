"""The application and its store at the end: what is committed, how long that may take."""

import asyncio
import random

import pytest

from actors.settings import Durability
from tests.transport.test_app_restarts import MortalHouse


@pytest.mark.rule("P5.6")
def test_what_waits_is_committed_at_the_end() -> None:
    """Before the process ends, and not at the next flush."""

    async def story() -> None:
        house = MortalHouse(random.Random(1), durability=Durability.FAST, flush_ms=10_000)
        house.weather.delay_s = 0
        caller = await house.opened()
        await house.said(caller, type="joinRoomGameSpace", roomId="a")
        assert house.disk.rooms == {}
        committing = asyncio.create_task(house.app.commit_all(60))
        await house.settle()
        assert await committing
        assert list(house.disk.rooms) == ["a"]
        await house.app.registry.stop()

    asyncio.run(story())


@pytest.mark.rule("P5.6")
def test_what_cannot_be_committed_is_said_and_nothing_is_tried_any_more() -> None:
    """A disk that stalls does not hold up the end, and wakes nobody after it."""

    async def story() -> None:
        house = MortalHouse(random.Random(1), durability=Durability.FAST)
        house.weather.delay_s = 0
        caller = await house.opened()
        await house.said(caller, type="joinRoomGameSpace", roomId="a")
        house.weather.stalled = True
        assert not await house.app.commit_all(0)
        ledger = house.app.ledger
        assert ledger is not None
        waiting = ledger.rooms_waiting
        house.clock.advance(3600)
        assert ledger.rooms_waiting == waiting
        assert not house.log.told("store_stalled"), "its timers are gone"
        await house.app.registry.stop()

    asyncio.run(story())
