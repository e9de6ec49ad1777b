"""An hour in the simulated world: whatever came and went, nothing of it is left.

Owns the count of what lives in a server when nobody is there: objects by type, timers, tasks,
links. The same at every trough, exactly; a leak of one object a session would be hundreds.
"""

import asyncio
import gc
from collections import Counter

import pytest

from actors.audit import people
from actors.room import RoomActor
from actors.settings import Durability, Settings
from tests.simulation import deeds
from tests.simulation.faults import Fuse, flammable
from tests.simulation.inspection import Inspection
from tests.simulation.loop import SimulatedLoop, run
from tests.simulation.network import LINK
from tests.simulation.story import make
from tests.simulation.world import World

HOUR_S = 3600.0
TROUGHS = 6
PEOPLE = 8
SPARED = frozenset({"kill", "power", "restart", "clock", "disk", "room raises"})
"""What would end the process, and with it what is looked for, or lasts beyond a trough."""


def alive(loop: SimulatedLoop, world: World) -> Counter[str]:
    """What there is of ours now, by type."""
    gc.collect()
    counts: Counter[str] = Counter()
    for one in gc.get_objects():
        module = str(type(one).__module__)
        if module.partition(".")[0] in {"actors", "transport", "websockets"}:
            counts[f"{module}.{type(one).__qualname__}"] += 1
    life = world.machine.life
    assert life is not None
    app = life.app
    counts["timers"] = loop.timers()
    counts["tasks"] = len(asyncio.all_tasks())
    counts["links"] = len(loop.network.accepted)
    counts["rooms"] = len(app.directory.rooms) + len(app.directory.idle)
    counts["addresses"] = len(app.door.admission._by_address)
    counts["players"] = app.census.players
    return counts


async def churn(world: World, inspection: Inspection, seed: str, seconds: float) -> int:
    """A story after the other, with no deaths in it; how many steps were told."""
    until_s, told = world.loop.time() + seconds, 0
    while world.loop.time() < until_s:
        told += 1
        for step in make(f"{seed}/{told}").steps:
            if step.kind in SPARED:
                continue
            await deeds.do(world, step)
            await deeds.pause(0.05 if step.pause_s is None else step.pause_s)
            inspection.look()
            assert world.violation is None, world.violation
    return told


async def trough(world: World, inspection: Inspection) -> None:
    """Everybody goes, and every wait ends."""
    for person in world.people:
        person.leave()
    await asyncio.sleep(1)
    for person in world.people:
        person.hang_up(abruptly=True)
        person.conditions = LINK
        person.forget()
    for socket in world.left_behind:
        socket.abort()
    world.left_behind.clear()
    await asyncio.sleep(120)
    inspection.look()


@pytest.mark.rule("O5.1")
def test_after_an_hour_of_churn_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects, timers, tasks, links: as many in every trough as in the first."""
    fuse = Fuse()
    settings = Settings(
        durability=Durability.FAST,
        resume_grace_s=20,
        room_idle_s=5,
        messages_per_s=1e6,
        messages_burst=1e6,
        joins_per_s=1e6,
        joins_burst=1e6,
        # Far away, so that they refuse nobody and everything is counted.
        resumes_per_s=1e6,
        validations_per_s=1e6,
        user_messages_per_s=1e6,
        user_joins_per_s=1e6,
        user_resumes_per_s=1e6,
        user_validations_per_s=1e6,
        user_connections_max=1000,
        user_rooms_max=1000,
        ip_handshakes_per_s=1e6,
    )
    seen: list[Counter[str]] = []
    monkeypatch.setattr(people, "CACHED_MAX", 2)  # a bound that is reached before the first trough
    gc.collect()
    rooms_before = sum(type(one) is RoomActor for one in gc.get_objects())  # of other tests

    async def story(loop: SimulatedLoop) -> None:
        world = World(loop, "hour", PEOPLE, settings, fuse)
        inspection = Inspection(world)
        await world.machine.start()
        steps = 0
        for number in range(TROUGHS):
            steps += await churn(world, inspection, f"hour {number}", HOUR_S / TROUGHS - 121)
            await trough(world, inspection)
            seen.append(alive(loop, world))
        assert world.chronicle.events > 1000
        await world.machine.kill(with_machine=False)
        world.machine.audit.close()

    with flammable(fuse):
        run(story, "hour")
    for later in seen[2:]:
        changed = {
            name: (seen[1][name], later[name])
            for name in {*seen[1], *later}
            if seen[1][name] != later[name]
        }
        assert not changed, changed
    assert seen[-1]["links"] == seen[-1]["rooms"] == seen[-1]["players"] == 0
    assert seen[-1]["actors.room.RoomActor"] <= rooms_before, "a room outlived its end"
