"""The whole server in a simulated world whose disk fails and whose process dies, again and again.

As in test_app_simulation.py, with a store under it: writes that are slow, stall or fail, kills at
any moment, restarts on what had become durable. What a client was told must hold afterwards.
"""

import asyncio
import random
from typing import Any, Final

import pytest

from actors.keys import derived
from actors.settings import Durability
from actors.stores.memory import MemoryDisk
from tests.acceptance.frames import short
from tests.acceptance.mirror import Seat
from tests.transport.crowd import Person
from tests.transport.simulated_store import MortalClock, SimulatedStore, Weather
from tests.transport.test_app import House
from tests.transport.test_app_simulation import agree, chaos, peace, rules_of_the_house
from transport.app import Application

SEEDS: Final = range(12)
LIVES: Final = 4
KEYS: Final = derived(b"kept")


class MortalHouse(House):
    """A house whose process can be killed, on a disk that stays."""

    def __init__(self, rng: random.Random, **settings: Any) -> None:
        self.rng: Final = rng
        self.disk: Final = MemoryDisk()
        self.weather: Final = Weather()
        self._lives = 0
        super().__init__(**settings)

    def _new_app(self) -> Application:
        self._lives += 1
        self.life = MortalClock(self.clock)
        self.store = SimulatedStore(self.disk, self.life, self.weather, self.rng)
        names = iter(f"S{self._lives}x{number}" for number in range(10**6))
        return Application(
            self.settings,
            self.log,
            self.life,
            KEYS,
            "1.2.3",
            (self.store, self.store.open()),
            new_name=lambda size: next(names),
        )

    async def die(self, people: list[Person]) -> None:
        """kill -9, and a new process: connections are gone, and all that was not durable."""
        self.life.is_alive = False
        dead = self.app
        self.clock.advance(0.001)
        self.door = self._open_door()
        for person in people:
            person.read()
            for caller in (*person.earlier, person.caller):
                if caller is not None and not caller.wire.is_closing():
                    caller.wire.break_()
        await dead.registry.stop()
        self.weather.stalled = self.weather.fails = False


async def bad_weather(house: MortalHouse, people: list[Person]) -> None:
    """Chaos, with a disk that changes its mind in between."""
    rng = house.rng
    for _ in range(3):
        house.weather.delay_s = rng.choice([0, 0.002, 0.03, 0.4])
        house.weather.fails = rng.random() < 0.2
        house.weather.stalled = rng.random() < 0.2
        await chaos(house, people, rng, steps=40)
    house.weather.fails = house.weather.stalled = False


@pytest.mark.rule("G1.4", "G4.3", "G6.3", "P1.1", "P2.2")
@pytest.mark.parametrize("durability", [Durability.FAST, Durability.JOURNAL])
@pytest.mark.parametrize("seed", SEEDS)
def test_mirrors_agree_whatever_the_disk_did_and_however_often_the_server_died(
    seed: int, durability: Durability
) -> None:
    """No frame breaks a promise, and nobody is left over, in any life."""
    rng = random.Random(seed)

    async def story() -> None:
        house = MortalHouse(rng, durability=durability, **rules_of_the_house(rng))
        people = [Person(house, str(number), rng) for number in range(1, 7)]
        for person in people:  # in `fast` a leave of the last moments may be undone by a kill
            person.insists = durability is Durability.JOURNAL
        try:
            for _ in range(LIVES):
                await bad_weather(house, people)
                await house.die(people)
            await peace(house, people)
            agree(house, people)
            allowed = {"store_failed", "room_not_loaded"}
            failed = [each for each in house.log.lines if each.level == "error"]
            assert {each.event for each in failed} <= allowed, failed
        except AssertionError:
            for person in people:
                print(person.name, *map(short, person.story[-12:]), sep="\n  ")  # noqa: T201
            raise
        finally:
            await house.app.registry.stop()

    asyncio.run(story())


@pytest.mark.rule("P1.1", "P2.1", "P2.2", "G6.6")
@pytest.mark.parametrize("durability", [Durability.FAST, Durability.JOURNAL])
@pytest.mark.parametrize("seed", range(12))
def test_whoever_was_told_that_it_sits_comes_back_under_its_name(
    seed: int, durability: Durability
) -> None:
    """Killed at any moment after the answers, over and over; in `journal` with all that it was
    told of itself and of the others.
    """
    rng = random.Random(seed)

    async def story() -> None:
        house = MortalHouse(rng, durability=durability, resume_grace_s=30, self_check_s=5)
        people = [Person(house, str(number), rng) for number in range(1, 7)]
        house.weather.delay_s = rng.choice([0, 0.002, 0.03, 0.4])
        for person in people:
            person.begin(rng.choice(["a", "b"]))
        for _ in range(rng.randrange(1, 60)):
            house.clock.advance(rng.choice([0, 0.001, 0.01, 0.1]))
            await asyncio.sleep(0)
            for person in people:
                person.read()
                if person.mirror.seat is Seat.SEATED and rng.random() < 0.2:
                    person.act_seated()
        for _ in range(3):
            for person in people:
                person.read()
            told = {
                person: (person.mirror.socket_id, dict(person.mirror.players))
                for person in people
                if person.mirror.seat is Seat.SEATED
            }
            await house.die(people)
            for person in told:
                person.come_back()
            for _ in range(60):
                house.clock.advance(0.05)
                await house.settle()
                for person in people:
                    person.read()
            for person, (socket_id, players) in told.items():
                mirror = person.mirror
                assert (mirror.seat, mirror.socket_id) == (Seat.SEATED, socket_id), person.story
                if durability is Durability.JOURNAL:
                    assert players.keys() <= mirror.players.keys(), person.story
                    own, before = mirror.players[socket_id], players[socket_id]
                    assert own["attributes"] == before["attributes"] == {"of": person.name}
                    # What it asked for and was not told of may have become durable all the same.
                    for field, asked in person.asked().items():
                        known = before.get(field)
                        later = asked[asked.index(known) + 1 :] if known in asked else asked
                        assert own.get(field) in [known, *later], (field, person.story)
        await house.app.registry.stop()

    asyncio.run(story())
