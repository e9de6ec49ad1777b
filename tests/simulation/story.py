"""What happens in a world, as data: the rules of the house and one step after the other.

Owns how a story is made from a seed and kept as JSON, and the words for its steps. A step makes
sense in any state of the world, or does nothing: a story may be shortened anywhere.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.simulation.network import LINK, Conditions

NAMES: Final = ("Ann", "Bob", "Cid", "Dee", "Eve", "Fay", "Gil", "Hal")
STEPS: Final = 240
"""In one story, without the peace at its end."""

DEEDS: Final[Mapping[str, tuple[int, str]]] = {
    # kind: how often, and what it means
    "join": (16, "{who} joins room {room}"),
    "leave": (4, "{who} leaves"),
    "ready": (4, "{who} is ready"),
    "update": (8, "{who} takes another name"),
    "move": (10, "{who} moves"),
    "talk": (5, "{who} says something of {size} bytes to the room"),
    "state": (3, "{who} asks for the whole state"),
    "validate": (5, "{who} has its list validated"),
    "lie": (2, "{who} has a wrong list validated"),
    "ping": (3, "{who} pings"),
    "permission": (1, "{who} asks for a permission"),
    "garbage": (2, "{who} sends garbage"),
    "again": (3, "{who} sends an earlier request again"),
    "flood": (3, "{who} sends {flood} at once"),
    "close": (4, "{who} closes its connection"),
    "abort": (4, "{who} resets its connection"),
    "come back": (4, "{who} comes back over a new connection"),
    "come back late": (2, "{who} shows an old token over a new connection"),
    "forge": (1, "{who} shows a token that nobody gave it, over a new connection"),
}
"""What people do."""
MODERATION: Final[Mapping[str, tuple[int, str]]] = {
    "kick": (3, "{who} kicks somebody"),
    "ban": (4, "{who} bans somebody"),
    "unban": (2, "{who} lifts a ban"),
    "set room": (2, "{who} sets the room"),
}
"""What moderators do."""
FAULTS: Final[Mapping[str, tuple[int, str]]] = {
    "cut": (6, "{who}'s link is cut after {out} more bytes out and {in_} in"),
    "fall silent": (3, "{who}'s link falls silent after {out} more bytes out and {in_} in"),
    "link": (5, "{who}'s link changes to {link}"),
    "stop reading": (4, "{who} stops reading"),
    "read on": (6, "{who} reads on"),
    "mute": (1, "{who} answers no pings"),
    "clock": (2, "the wall clock jumps by {jump} s"),
    "freeze": (2, "the server's process gets no processor for {freeze} s"),
    "disk": (5, "the disk is {disk}"),
    "room raises": (5, "something raises, {times} times: {where}"),
    "rotate keys": (1, "the signing key is rotated"),
    "kill": (3, "the server is killed, and comes back {down} s later"),
    "power": (2, "the machine loses power, and comes back {down} s later"),
    "restart": (2, "the server is restarted in good order"),
}
"""What befalls them."""
IDENTITY: Final[Mapping[str, tuple[int, str]]] = {
    "renew": (4, "{who} shows a newer token of its own"),
    "impersonate": (1, "{who} shows another's token"),
    "steal": (1, "{who} shows somebody's resume token, over a new connection"),
}
"""What people do beside it, where they must say who they are."""
SLOW: Final = {"stop reading": 15, "read on": 4, "link": 4, "talk": 30, "flood": 12, "move": 20}
"""A world in which much is said, and little read."""
LINKS: Final = {
    "fast": LINK,
    "far": Conditions(latency_s=0.08, jitter_s=0.05),
    "shaky": Conditions(latency_s=0.01, jitter_s=0.2, splits=0.5),
    "thin": Conditions(latency_s=0.02, bytes_per_s=20_000, window_bytes=4096, splits=0.2),
    "narrow": Conditions(window_bytes=512, splits=0.5),
    "trickling": Conditions(latency_s=0.02, bytes_per_s=1500, window_bytes=2048),
}
"""Conditions by name."""
WHERE: Final = ("taking a message", "a message taken", "publishing", "encoding", "a session")
FLOODS: Final = ("300 pings", "80 requests for the whole state", "12 messages", "12 messages")
DISKS: Final = ("well", "slow", "very slow", "full", "stalled")
PAUSES_S: Final = (None, None, None, None, 0.0, 0.0, 0.0, 0.002, 0.01, 0.05, 0.2, 1.0)
"""What passes after a step; None: nothing at all, the next one is in the same turn of the loop."""
LONG_PAUSES_S: Final = (2.0, 5.0, 35.0)


@dataclass(frozen=True, slots=True)
class Step:
    """`who` does `kind`; `dice` decides what the kind leaves open; then `pause_s` passes."""

    kind: str
    who: int
    dice: int
    pause_s: float | None

    def rng(self) -> random.Random:
        """The same each time."""
        return random.Random(self.dice)

    def words(self) -> str:
        """As a sentence."""
        form = {**DEEDS, **IDENTITY, **MODERATION, **FAULTS}[self.kind][1]
        return form.format(who=NAMES[self.who], **details(self))


def passing(pause_s: float | None) -> str:
    """What passes after a step, to end its sentence with."""
    if pause_s is None:
        return ", and in the same moment"
    return f"; {pause_s:g} s pass" if pause_s else ""


def details(step: Step) -> dict[str, Any]:
    """What the dice of a step decide, by name."""
    rng = step.rng()
    return {
        "room": rng.choice(("a", "a", "a", "b", "c")),
        "size": rng.choice([1, 100, 3000, 8000]),
        "out": rng.choice([0, 1, 7, 100, rng.randrange(3000)]),
        "in_": rng.choice([0, 1, 7, 100, rng.randrange(3000)]),
        "link": rng.choice(sorted(LINKS)),
        "jump": rng.choice([-86_400, -60, -1, 1, 60, 86_400]),
        "freeze": rng.choice([0.05, 1, 6, 40]),
        "disk": rng.choice(DISKS),
        "where": rng.choice(WHERE),
        "count": rng.choice([1, 2, 2, 3, 5]),
        "down": rng.choice([0, 0.1, 2, 40]),
        "flood": rng.choice(FLOODS),
        "times": rng.choice([1, 1, 1, 5]),
    }


@dataclass(frozen=True, slots=True)
class Story:
    """All that is needed to tell it again. `settings` are those of the server that matter."""

    seed: str
    people: int
    settings: dict[str, Any]
    steps: Sequence[Step] = field(default=())

    def shortened(self, steps: Sequence[Step]) -> "Story":
        """The same world with fewer steps."""
        return replace(self, steps=tuple(steps))

    def text(self) -> str:
        """As JSON, a step a line."""
        steps = ",\n    ".join(
            json.dumps([step.kind, step.who, step.dice, step.pause_s]) for step in self.steps
        )
        return (
            f'{{\n  "seed": {json.dumps(self.seed)},\n  "people": {self.people},\n'
            f'  "settings": {json.dumps(self.settings, sort_keys=True)},\n'
            f'  "steps": [\n    {steps}\n  ]\n}}\n'
        )

    def heading(self) -> str:
        """Its people and the rules of the house, as a sentence."""
        settings = ", ".join(f"{name} = {value}" for name, value in sorted(self.settings.items()))
        return f"{self.people} people; {settings}."


def parse(text: str) -> Story:
    """What `Story.text` wrote. Raises ValueError for anything else."""
    try:
        found = json.loads(text)
        steps = tuple(Step(*step) for step in found["steps"])
        return Story(found["seed"], found["people"], found["settings"], steps)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a story: {error!r}") from None


def make(seed: str, steps: int = STEPS) -> Story:
    """A story from its seed. Each draws what happens in it and how often, so that some have no
    kills at all, and others hardly anything else.
    """
    rng = random.Random(seed)
    weights = {
        kind: weight * rng.choice([0, 0.3, 1, 1, 3])
        for kind, (weight, _) in {**DEEDS, **FAULTS}.items()
    }
    weights["join"] += 4
    mood = rng.random()
    if mood < 0.25:  # a world in which nothing goes wrong
        weights |= dict.fromkeys(FAULTS, 0)
    elif mood < 0.45:
        weights |= dict.fromkeys(FAULTS, 0) | SLOW
    people = rng.choice([2, 3, 4, 6, 8])
    kinds, often = list(weights), list(weights.values())
    long_pauses = rng.choice([0, 0.01, 0.05])
    told = tuple(
        Step(
            kind,
            rng.randrange(people),
            rng.getrandbits(32),
            rng.choice(LONG_PAUSES_S if rng.random() < long_pauses else PAUSES_S),
        )
        for kind in rng.choices(kinds, often, k=steps)
    )
    house = _rules_of_the_house(rng) | _distances(seed) | _far_limits(seed) | _audit(seed)
    story = Story(seed, people, house, told)
    return _identified(story)


def _identified(story: Story) -> Story:
    """Some of them where people must say who they are. With dice of its own, as above."""
    rng = random.Random(f"{story.seed}/auth")
    if rng.random() > 1 / 6:
        return story
    settings = {
        "auth": "jwt",
        "jwt_secret_file": "secret",
        "auth_timeout_s": rng.choice([1, 5]),
        "jwt_leeway_s": rng.choice([0, 0, 2]),
        "messages_per_s": 1e6,  # what they say of themselves would count, too
        "messages_burst": 1e6,
    }
    kinds, often = list(IDENTITY), [weight for weight, _ in IDENTITY.values()]
    steps = [
        replace(step, kind=rng.choices(kinds, often)[0]) if rng.random() < 0.06 else step
        for step in story.steps
    ]
    return replace(story, settings=story.settings | settings, steps=tuple(steps))


def _rules_of_the_house(rng: random.Random) -> dict[str, Any]:
    """Settings near their edges, one way or another."""
    limited = rng.random() < 0.2
    return {
        "durability": rng.choice(["memory", "fast", "fast", "journal", "journal"]),
        "one_session_per_user": rng.random() < 0.2,
        "self_check_s": 5,
        "heartbeat_s": rng.choice([2, 10]),
        "heartbeat_timeout_s": rng.choice([2, 10]),
        "resume_grace_s": rng.choice([3, 30]),
        "room_idle_s": rng.choice([0.05, 2, 300]),
        "message_bytes_max": 8500,
        "outbox_bytes_max": rng.choice([8600, 20_000]),
        "slow_reader_s": rng.choice([5, 60]),
        "messages_per_s": 5 if limited else 1e6,
        "messages_burst": 10 if limited else 1e6,
        "joins_per_s": 1e6,
        "joins_burst": 1e6,
        "players_max": rng.choice([3, 1000, 1000]),
        "turn_messages_max": rng.choice([1, 3, 512]),
        "history_events_max": rng.choice([4, 1024, 1024]),
        "backlog_frames_max": rng.choice([2, 64]),
        "flush_ms": rng.choice([1, 50, 400]),
        "tick_ms": rng.choice([5, 50]),
    }


def _audit(seed: str) -> dict[str, Any]:
    """How the audit is written, with dice of its own, too."""
    rng = random.Random(f"{seed}/audit")
    return {
        "audit_flush_ms": rng.choice([5, 200, 5000]),
        "audit_file_bytes_max": rng.choice([1024, 20_000]),
        "audit_waiting_max": rng.choice([8, 100_000, 100_000]),
    }


def _distances(seed: str) -> dict[str, Any]:
    """How far moves are told. With dice of its own: all else of a seed is older."""
    rng = random.Random(f"{seed}/interest")
    return {
        "interest_radius": rng.choice([0, 0, 0, 100]),
        "interest_far_ms": rng.choice([200, 1000, 3000]),
    }


def _far_limits(seed: str) -> dict[str, Any]:
    """In some worlds users, addresses and kinds of requests are counted, too, against limits that
    nobody reaches, and whoever sends too much is slowed down first. With dice of its own.
    """
    if random.Random(f"{seed}/limits").random() < 0.75:
        return {}
    rates = ("user_messages", "user_joins", "user_resumes", "user_validations", "ip_handshakes")
    return {
        **{f"{name}_per_s": 1e6 for name in (*rates, "resumes", "validations")},
        "user_connections_max": 1000,
        "user_rooms_max": 1000,
        "slow_down_ms": 500,
    }
