"""A story told in a world of its own, from its first step to the peace at its end.

Owns the order of things: chaos, step by step, each followed by a look; then peace, in which all
that was begun ends; then everybody joins, and all must agree. The first broken promise ends it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from actors.settings import AuthMode, Durability, Settings
from tests.acceptance.mirror import Violation
from tests.simulation import deeds
from tests.simulation.faults import Fuse, flammable
from tests.simulation.inspection import Inspection
from tests.simulation.loop import SimulatedLoop, run
from tests.simulation.moderation import vouching
from tests.simulation.person import Person
from tests.simulation.promises import UNLIMITED
from tests.simulation.story import FAULTS, Story, passing
from tests.simulation.world import World

STEP_S: Final = 0.1
"""Longer than a move is under way in peace, beside its tick."""
UPS_AND_DOWNS_S: Final = 45.0
"""The longest that the server is away, and a little."""


@dataclass(slots=True)
class Outcome:
    """What came of a story. `violation` is None where every promise was kept."""

    story: Story
    violation: str | None = None
    steps: int = 0
    """Told, up to the violation."""
    faults: int = 0
    looks: int = 0
    frames: int = 0
    """Objects that the people heard, each judged."""
    events: int = 0
    deliveries: int = 0
    """How often bytes reached an end of a link."""
    deaths: int = 0
    lost_writes: int = 0
    replayed: int = 0
    """Recordings of rooms."""
    raised: int = 0
    acts: int = 0
    """Of moderators, that were done."""
    put_out: int = 0
    """How often somebody was told that a player was kicked."""
    kept_out: int = 0
    simulated_s: float = 0.0
    digest: str = ""
    done: list[str] = field(default_factory=list)
    """What each step came to, in plain words."""
    heard: list[str] | None = None

    def words(self) -> list[str]:
        """The story in plain words, a sentence a step, as it went."""
        steps = (f"{number}. {done}." for number, done in enumerate(self.done, 1))
        return [self.story.heading(), *steps, self.violation or "Every promise was kept."]


def play(story: Story, *, with_heard: bool = False) -> Outcome:
    """Tell it. The same story has the same outcome, in any process."""
    outcome = Outcome(story)
    fuse = Fuse()
    chosen = {
        "durability": Durability(story.settings["durability"]),
        "auth": AuthMode(story.settings.get("auth", "anonymous")),
    }
    settings = Settings(**story.settings | chosen)

    async def told(loop: SimulatedLoop) -> None:
        world = World(loop, story.seed, story.people, settings, fuse)
        if with_heard:
            world.story = outcome.heard = []
        inspection = Inspection(world)
        began_s = loop.time()
        telling = asyncio.current_task()
        assert telling is not None
        loop.on_standstill = telling.cancel
        try:
            await world.machine.start()
            await _chaos(world, inspection, story, outcome)
            await _peace(world, inspection)
            await _reunion(world, inspection)
        except AssertionError as broken:
            world.broken(broken)
        except asyncio.CancelledError:
            world.broken(AssertionError("the server is busy with itself, and no time passes"))
        finally:
            if world.violation is not None:
                outcome.violation = str(world.violation) or repr(world.violation)
            await world.machine.kill(with_machine=False)
            _audit(world, outcome)
            world.machine.audit.close()
            outcome.looks = inspection.looks
            outcome.frames = sum(person.frames for person in world.people)
            outcome.events = world.chronicle.events
            outcome.deliveries = loop.network.deliveries
            outcome.deaths, outcome.lost_writes = world.deaths, world.lost_writes
            outcome.raised = fuse.burnt
            court = world.court
            outcome.acts, outcome.put_out, outcome.kept_out = (
                court.done, court.put_out, court.kept_out,
            )  # fmt: skip
            outcome.replayed = world.recordings.replayed
            outcome.simulated_s = loop.time() - began_s
            outcome.digest = world.digest()

    with vouching(), flammable(fuse):
        run(told, story.seed)
    return outcome


def _audit(world: World, outcome: Outcome) -> None:
    """What is left of a world that kept its promises is in its audit."""
    try:
        if outcome.violation is None:
            world.machine.audit.judge(world.chronicle.seatings)
    except AssertionError as broken:
        outcome.violation = str(broken)


async def _chaos(world: World, inspection: Inspection, story: Story, outcome: Outcome) -> None:
    for step in story.steps:
        outcome.steps += 1
        outcome.faults += step.kind in FAULTS
        outcome.done.append(f"{await deeds.do(world, step)}{passing(step.pause_s)}")
        await deeds.pause(step.pause_s)
        inspection.look()
        _stop_at_violation(world)


async def _peace(world: World, inspection: Inspection) -> None:
    """Nothing goes wrong any more, nobody asks for anything, and every wait comes to its end."""
    settings = world.settings
    world.fuse.where = ""
    world.machine.weather.clear()
    for _ in range(1000):
        if world.machine.life is not None:
            break
        await asyncio.sleep(UPS_AND_DOWNS_S / 1000)
    for person in world.people:
        person.calm_down()
    for socket in world.left_behind:
        socket.abort()
    world.left_behind.clear()
    longest_s = (
        settings.heartbeat_s
        + settings.heartbeat_timeout_s
        + settings.resume_grace_s
        + settings.commit_timeout_s
        + 10
    )
    quiet_s = 0.0
    while quiet_s < longest_s:
        pause_s = 0.2 if quiet_s < 2 else 2.0
        quiet_s += pause_s
        for person in world.people:
            person.papers.settle_down()
        await asyncio.sleep(pause_s)
        inspection.look()
        _stop_at_violation(world)
    inspection.agree()
    for person in world.people:
        person.mirror.may_fall_behind = False


async def _reunion(world: World, inspection: Inspection) -> None:
    """Everybody comes into one room and does what people do; nothing of it may be refused."""
    most = min(len(world.people), world.settings.players_max)
    for person in world.people:
        if person.is_connected:
            person.leave()
    await _settle(world, 1.0)
    for person in world.people[:most]:
        if not person.is_connected:
            person.connect()
    await _settle(world, 1.0)
    for person in world.people[:most]:
        person.join("reunion", userId=f"user-{person.name}")
    await _settle(world, 1.0)
    requests: list[tuple[str, dict[str, Any]]] = [
        ("ready", {}),
        ("updatePlayer", {"displayName": "here"}),
        ("sendRoomMessage", {"event": "e", "data": {"n": 10**6}}),
        ("move", {"x": 1, "y": 2}),
    ]
    for kind, fields in requests:
        for person in world.people[:most]:
            person.ask(kind, **fields)
        await _settle(world, 1.0)
    at_once = world.settings.messages_per_s >= UNLIMITED  # else a move may wait for its turn
    if world.settings.interest_radius and most > 1 and at_once:
        await _walk(world, world.people[:most])
    if world.settings.interest_radius:
        await _settle(world, world.settings.interest_far_ms / 1000 + 1.0)
    for person in world.people[:most]:
        seated = person.mirror.room_id == "reunion"
        assert seated, f"{person.name} could not join when all was well"
        assert person.mirror.own["displayName"] == "here", f"{person.name} was not updated"
    inspection.agree()


async def _walk(world: World, people: Sequence[Person]) -> None:
    """Everybody is in one place. One goes far away, and on; another follows. Whoever is near sees
    each step before the next one, all others may.
    """
    first, second = people[:2]
    far = 50 * world.settings.interest_radius

    async def step(walker: Person, x: float, *watchers: Person) -> None:
        walker.ask("move", x=x, y=2)
        await _settle(world, world.settings.tick_ms / 1000 + STEP_S)
        for each in (walker, *watchers):
            _sees(each, walker, x)

    await step(first, 3, *people)
    await step(first, far, *people)
    await step(first, far + 1)
    await step(second, far + 2, *people)
    _sees(second, first, far + 1)
    await step(first, far + 3, second)


def _sees(watcher: Person, walker: Person, x: float) -> None:
    at = watcher.mirror.position(walker.mirror.socket_id)
    assert at == (x, 2), f"{watcher.name} is near {walker.name}, at {x}, and sees it at {at}"


async def _settle(world: World, seconds: float) -> None:
    await asyncio.sleep(seconds)
    _stop_at_violation(world)


def _stop_at_violation(world: World) -> None:
    if world.violation is not None:
        raise Violation(str(world.violation))
