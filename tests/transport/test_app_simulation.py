"""Everything wired, with a crowd that does everything at once: chaos first, agreement at the end.

Each seed is one story, the same every time: many deeds in one turn of the loop, connections that
break, stall, trickle and are taken over, rooms that fill, empty and are reaped. A seed that ever
failed stays in the list.
"""

import asyncio
import random
from typing import Any

import pytest

from tests.acceptance.frames import short
from tests.acceptance.mirror import Seat
from tests.transport.crowd import Person
from tests.transport.test_app import House

SEEDS = (*range(20), 25, 33, 40, 57, 84, 98, 116, 139, 144, 194, 226, 247, 299, 370)
STEPS = 200
PEOPLE = 6


def rules_of_the_house(rng: random.Random) -> dict[str, Any]:
    """Settings near their edges, one way or another."""
    return {
        "one_session_per_user": rng.random() < 0.3,
        "self_check_s": 5,
        "heartbeat_s": rng.choice([10, 3600]),
        "heartbeat_timeout_s": rng.choice([10, 3600]),
        "resume_grace_s": rng.choice([3, 30]),
        "room_idle_s": rng.choice([0.05, 2, 300]),
        "outbox_bytes_max": 20_000,
        "slow_reader_s": rng.choice([5, 60]),
        "messages_per_s": 1e6,
        "messages_burst": 1e6,
        "joins_per_s": 1e6,
        "joins_burst": 1e6,
        "players_max": rng.choice([3, 1000]),
        "turn_messages_max": rng.choice([1, 3, 512]),
    }


async def chaos(house: House, people: list[Person], rng: random.Random, steps: int = STEPS) -> None:
    """Deeds, a little time, and a few turns of the loop; not always enough of them."""
    for _ in range(steps):
        for _ in range(rng.choice([1, 1, 2, 5])):
            rng.choice(people).act()
        passed_s = rng.choice([0, 0, 0, 0, 0.01, 0.05, 0.5, 3])
        house.clock.advance(passed_s)
        for _ in range(12 if passed_s >= 0.5 else rng.choice([0, 0, 1, 2, 12])):
            await asyncio.sleep(0)
        for person in people:
            person.read()


async def peace(house: House, people: list[Person]) -> None:
    """Everybody reads, nobody says anything, and every grace ends."""
    for person in people:
        for caller in person.earlier:
            if not caller.wire.is_closing():
                caller.wire.break_()
        person.flow()
    for passed_s in (*[0.2] * 30, *[1.0] * 45):
        house.clock.advance(passed_s)
        await house.settle()
        for person in people:
            person.read()


def agree(house: House, people: list[Person]) -> None:
    """All members of a room hold the same, and it is exactly them; nothing went wrong unseen."""
    rooms: dict[str, list[Person]] = {}
    for person in people:
        if person.caller is not None and person.mirror.seat is Seat.SEATED:
            rooms.setdefault(person.mirror.room_id, []).append(person)
    for members in rooms.values():
        held = [member.mirror.view() for member in members]
        assert all(view == held[0] for view in held), held
        seated = {member.mirror.socket_id for member in members}
        assert set(members[0].mirror.players) == seated
        assert all(player["connected"] for player in members[0].mirror.players.values())
    assert house.app.census.players == sum(len(members) for members in rooms.values())


@pytest.mark.rule("G1.4", "G2.2", "G4.1", "G6.3", "G7.5", "C4.6")
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_crowd_does_at_once_its_mirrors_agree_in_the_end(seed: int) -> None:
    """No frame breaks a promise, no room fails, no player is left over."""
    rng = random.Random(seed)

    async def story() -> None:
        house = House(**rules_of_the_house(rng))
        people = [Person(house, str(number), rng) for number in range(1, PEOPLE + 1)]
        try:
            await chaos(house, people, rng)
            await peace(house, people)
            agree(house, people)
            failed = [line for line in house.log.lines if line.level == "error"]
            assert not failed, failed
        except AssertionError:
            for person in people:
                print(person.name, *map(short, person.story[-12:]), sep="\n  ")  # noqa: T201
            raise
        finally:
            await house.app.registry.stop()

    asyncio.run(story())
