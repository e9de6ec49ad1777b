"""Each step of a story, done: what people do and what befalls them and the server.

Owns the way from a step to the world. A step whose time has not come (somebody speaks who has no
connection) does the nearest sensible thing: it connects.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from websockets.frames import Opcode

from actors.keys import SIGNING_KEYS_MAX
from actors.settings import Durability
from tests.acceptance.mirror import Seat
from tests.simulation import moderation
from tests.simulation.person import Person
from tests.simulation.story import LINKS, MODERATION, Step, details
from tests.simulation.world import World

USERS: Final = ("u1", "u2", "u3")
GARBAGE: Final = (
    b"",
    b"{",
    b"[]",
    b'"ready"',
    b'{"type": "sing"}',
    b'{"type": "joinRoomGameSpace"}',
    b'{"type": "joinRoomGameSpace", "roomId": "no such/room"}',
    b'{"type": "updatePlayer", "attributes": 7}',
    b'{"type": "sendRoomMessage", "event": "e"}',
    b'{"type": "resumeRoomGameSpace", "roomId": "a", "resumeToken": 5, "epoch": 1, "version": 1}',
)
DRAIN_MS: Final = 50
ROTATIONS_MAX: Final = SIGNING_KEYS_MAX - 1


async def do(world: World, step: Step) -> str:
    """One step; what was done, in plain words."""
    person = world.people[step.who % len(world.people)]
    kind = step.kind
    if kind in _SERVERS:
        await _SERVERS[kind](world, step)
    elif kind in _LINKS:
        _LINKS[kind](person, details(step))
    elif person.is_connecting:
        return f"{person.name} waits for its connection"
    elif kind == "come back late":
        _come_back_late(person, step)
    elif kind == "forge":
        _forge(person, step)
    elif kind == "steal":
        _steal(person, step)
    elif kind == "come back" or not person.is_connected:
        return _come_back(person, step)
    elif person.mirror.seat is Seat.OUT and step.dice % 3 and not person.replies.due():
        _join(person, step)
        return f"{person.name} joins room {details(step)['room']}"
    else:
        _DEEDS[kind](person, step)
    return step.words()


# -- what people do


def _come_back(person: Person, step: Step) -> str:
    """A new connection, and mostly the token at once; a join where there is none."""
    rng = step.rng()
    token = person.newest_token() if person.mirror.seat is not Seat.OUT else None
    if token is not None and rng.random() < 0.85:
        copies = rng.choice([1, 1, 1, 2])
        old = person.socket if person.is_connected and rng.random() < 0.4 else None

        def back() -> None:
            person.resume(token, copies=copies)
            if old is not None:
                old.abort()

        person.connect(back)
        twice = " twice" * (copies > 1)
        breaks = ", and its old connection breaks" * (old is not None)
        return f"{person.name} connects and shows its token{twice}{breaks}"
    if step.kind == "ping":
        person.connect()
        return f"{person.name} connects"
    person.connect(lambda: _join(person, step))
    return f"{person.name} connects and joins room {details(step)['room']}"


def _come_back_late(person: Person, step: Step) -> None:
    """With any token that it ever had, above all with the one before the newest."""
    tokens = [*person.tokens, *person.tokens[-2:-1] * 4]
    person.connect(lambda: person.resume(step.rng().choice(tokens)) if tokens else None)


def _forge(person: Person, step: Step) -> None:
    """A token of its own with another signature, or for another room."""
    token, rng = person.newest_token(), step.rng()
    if token is None:
        return
    claims, _, signature = token.text.partition(".")
    room_id, text = token.room_id, token.text
    if rng.random() < 0.5:
        text = f"{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    else:
        room_id = "b" if room_id == "a" else "a"
    person.connect(
        lambda: person.ask(
            "resumeRoomGameSpace",
            lie={"resumeToken": "forged"},
            roomId=room_id,
            resumeToken=text,
            epoch=0,
            version=0,
        )
    )


def _steal(person: Person, step: Step) -> None:
    """Somebody else's newest token, over a new connection: who steals it is known, too."""
    others = [each for each in person.world.people if each is not person and each.tokens]
    if not others or person.papers.user is None:  # where anybody may be anybody it would do
        return
    token = step.rng().choice(others).tokens[-1]
    person.connect(
        lambda: person.ask(
            "resumeRoomGameSpace",
            lie={"resumeToken": "stolen"},
            roomId=token.room_id,
            resumeToken=token.text,
            epoch=0,
            version=0,
        )
    )


def _impersonate(person: Person, step: Step) -> None:
    names = [each.name for each in person.world.people if each is not person]
    person.papers.impersonate(f"user-{step.rng().choice(names)}")


def _flood(person: Person, step: Step) -> None:
    number, *what = details(step)["flood"].split()
    if what != ["pings"]:
        person.fall_behind()
    for n in range(int(number)):
        if what == ["pings"]:
            person.ask("ping", t=n)
        elif what == ["messages"]:
            person.talk(1000)
        else:
            person.ask("requestRoomState")


def _join(person: Person, step: Step) -> None:
    rng = step.rng()
    fields: dict[str, Any] = {}
    if rng.random() < 0.7:
        fields["userId"] = rng.choice([*USERS, f"user-{person.name}"])
    if rng.random() < 0.3:
        fields["displayName"] = f"{person.name} {rng.randrange(99)}"
    if rng.random() < 0.3:
        fields["position"] = {"x": rng.randrange(99), "y": -0.5}
    if rng.random() < 0.3:
        fields["attributes"] = {"colour": rng.choice(["red", "zoë"]), "n": rng.randrange(9)}
    if rng.random() < 0.2:
        fields["privacy"] = {
            "hideUserId": rng.random() < 0.6,
            "hidePosition": rng.random() < 0.6,
        }
    person.join(details(step)["room"], copies=rng.choice([1, 1, 1, 1, 2]), **fields)


def _update(person: Person, step: Step) -> None:
    rng = step.rng()
    fields: dict[str, Any] = {"displayName": f"{person.name} {rng.randrange(10**6)}"}
    if rng.random() < 0.3:
        fields["attributes"] = {"mood": rng.randrange(10**6)}
    person.ask("updatePlayer", **fields)


def _move(person: Person, step: Step) -> None:
    rng = step.rng()
    for _ in range(rng.choice([1, 1, 2, 6])):
        person.ask("move", x=rng.randrange(1000), y=rng.randrange(1000) / 8)


def _validate(person: Person, step: Step) -> None:
    mirror, rng = person.mirror, step.rng()
    if mirror.seat is not Seat.SEATED:
        return
    fields: dict[str, Any] = {
        "roomId": mirror.room_id,
        "expectedPlayers": sorted(mirror.players),
        "epoch": mirror.epoch,
        "version": mirror.version,
        "checksum": mirror.checksum,
    }
    if rng.random() < 0.2:
        del fields["expectedPlayers"]
    person.ask("validateRoomState", **fields)


def _lie(person: Person, step: Step) -> None:
    mirror, rng = person.mirror, step.rng()
    if mirror.seat is not Seat.SEATED:
        return
    expected, checksum = sorted(mirror.players), mirror.checksum
    lie: dict[str, Any] = {}
    match rng.randrange(3):
        case 0:
            left_out = expected.pop(rng.randrange(len(expected)))
            lie = {"missingPlayers": [left_out], "unexpectedPlayers": []}
        case 1:
            expected.append("nobody")
            lie = {"missingPlayers": [], "unexpectedPlayers": ["nobody"]}
        case _:
            checksum = f"{int(checksum, 16) ^ 1:08x}"
    person.ask(
        "validateRoomState",
        lie=lie,
        roomId=mirror.room_id,
        expectedPlayers=expected,
        epoch=mirror.epoch,
        version=mirror.version,
        checksum=checksum,
    )


def _garbage(person: Person, step: Step) -> None:
    rng = step.rng()
    if person.world.settings.messages_per_s < 1000:
        return  # what is refused for its rate cannot be told from what is refused for its form
    if rng.random() < 0.9:
        person.say_garbage(rng.choice(GARBAGE))
    elif person.socket is not None:
        person.socket.send_frame(Opcode.BINARY, b"\x00")  # ends the connection


_DEEDS: Final[dict[str, Callable[[Person, Step], object]]] = {
    "join": _join,
    "leave": lambda person, step: person.leave(),
    "ready": lambda person, step: person.ask("ready"),
    "update": _update,
    "move": _move,
    "talk": lambda person, step: person.talk(details(step)["size"]),
    "state": lambda person, step: person.ask("requestRoomState"),
    "validate": _validate,
    "lie": _lie,
    "ping": lambda person, step: person.ask("ping", t=step.dice),
    "renew": lambda person, step: person.papers.renew(),
    "impersonate": _impersonate,
    "permission": lambda person, step: person.ask("checkRoomPermission", roomId="a"),
    "garbage": _garbage,
    "again": lambda person, step: person.ask_again(),
    "flood": _flood,
    "close": lambda person, step: person.hang_up(),
    "abort": lambda person, step: person.hang_up(abruptly=True),
    **dict.fromkeys(MODERATION, moderation.act),
}

# -- what befalls their links


def _cut(person: Person, chosen: dict[str, Any], *, silent: bool) -> None:
    socket = person.socket
    if socket is None or socket.end is None or socket.is_gone:
        return
    socket.end.cut(chosen["out"], chosen["in_"], silent=silent)


_LINKS: Final[dict[str, Callable[[Person, dict[str, Any]], object]]] = {
    "cut": lambda person, chosen: _cut(person, chosen, silent=False),
    "fall silent": lambda person, chosen: _cut(person, chosen, silent=True),
    "link": lambda person, chosen: person.change_link(LINKS[chosen["link"]]),
    "stop reading": lambda person, chosen: person.read(on=False),
    "read on": lambda person, chosen: person.read(on=True),
    "mute": lambda person, chosen: person.mute(),
}

# -- what befalls the server


async def _clock(world: World, step: Step) -> None:
    jump_ms = 1000 * details(step)["jump"]
    if world.settings.durability is Durability.MEMORY:
        jump_ms = abs(jump_ms)  # epochs are the clock's where nothing is stored
    world.machine.wall.ahead_ms += jump_ms
    world.machine.wall.jumps += 1


async def _freeze(world: World, step: Step) -> None:
    world.freeze(details(step)["freeze"])


async def _disk(world: World, step: Step) -> None:
    weather = world.machine.weather
    weather.clear()
    match details(step)["disk"]:
        case "slow":
            weather.delay_s = 0.03
        case "very slow":
            weather.delay_s = 0.4
        case "full":
            weather.fails = True
        case "stalled":
            weather.stalled = True


async def _room_raises(world: World, step: Step) -> None:
    chosen = details(step)
    world.fuse.light(chosen["where"], chosen["count"], chosen["times"])


async def _rotate_keys(world: World, step: Step) -> None:
    machine = world.machine
    if world.rotations >= ROTATIONS_MAX:
        return  # tokens of the oldest key would be void
    world.rotations += 1
    machine.keys = machine.keys.rotated(step.dice.to_bytes(32, "big"))
    if machine.life is not None:
        machine.life.app.keys = machine.keys


async def _kill(world: World, step: Step) -> None:
    await world.die(details(step)["down"], with_machine=False)


async def _power(world: World, step: Step) -> None:
    await world.die(details(step)["down"], with_machine=True)


async def _restart(world: World, step: Step) -> None:
    rng = step.rng()
    await world.end(lambda: rng.randrange(1, DRAIN_MS))


_SERVERS: Final[dict[str, Callable[[World, Step], Awaitable[None]]]] = {
    "clock": _clock,
    "freeze": _freeze,
    "disk": _disk,
    "room raises": _room_raises,
    "rotate keys": _rotate_keys,
    "kill": _kill,
    "power": _power,
    "restart": _restart,
}


async def pause(pause_s: float | None) -> None:
    """Let time pass; 0: one turn of the loop, None: not even that."""
    if pause_s is not None:
        await asyncio.sleep(pause_s)
