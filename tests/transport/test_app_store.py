"""The application and its store at the end: what is committed, how long that may take."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from actors.keys import derived
from actors.settings import Durability
from tests.simulation.disk import SimulatedStore, UnflushedDisk, Weather
from tests.transport.test_app import House
from transport.app import Application


class KeptHouse(House):
    """A house with a disk."""

    def __init__(self, **settings: Any) -> None:
        self.disk: Final = UnflushedDisk(flush=False)
        self.weather: Final = Weather(delay_s=0)
        super().__init__(durability=Durability.FAST, **settings)

    def _new_app(self) -> Application:
        store = SimulatedStore(self.disk, self.clock, self.weather, random.Random(1))
        kept = (store, store.open())
        return Application(self.settings, self.log, self.clock, derived(b"k"), "1.2.3", kept)


def run(story: Callable[[KeptHouse], Awaitable[None]], **settings: Any) -> None:
    """Tell a story in a house of its own, in which somebody sits."""

    async def told() -> None:
        house = KeptHouse(**settings)
        caller = await house.opened()
        await house.said(caller, type="joinRoomGameSpace", roomId="a")
        await story(house)
        await house.app.registry.stop()

    asyncio.run(told())


@pytest.mark.rule("P5.6")
def test_what_waits_is_committed_at_the_end() -> None:
    """Before the process ends, and not at the next flush."""

    async def story(house: KeptHouse) -> None:
        assert house.disk.kept.rooms == {}
        committing = asyncio.create_task(house.app.commit_all(60))
        await house.settle()
        assert await committing
        assert list(house.disk.kept.rooms) == ["a"]

    run(story, flush_ms=10_000)


@pytest.mark.rule("P5.6")
def test_what_cannot_be_committed_is_said_and_nothing_is_tried_any_more() -> None:
    """A disk that stalls does not hold up the end, and wakes nobody after it."""

    async def story(house: KeptHouse) -> None:
        house.weather.stalled = True
        assert not await house.app.commit_all(0)
        ledger = house.app.ledger
        assert ledger is not None
        waiting = ledger.rooms_waiting
        house.clock.advance(3600)
        assert ledger.rooms_waiting == waiting
        assert not house.log.told("store_stalled"), "its timers are gone"

    run(story)
