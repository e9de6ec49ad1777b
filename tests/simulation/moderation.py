"""Moderators in a simulated world: what they ask for, and what may come of it.

Written from the pages of the wire alone. Owns the acts that were asked for and done in a world
(`Court`), and what follows for everybody else: nobody is out or kept out but by one of them, and
whoever was banned is not seated after the answer. Raises `Wrong`.

Where nobody is asked for a token, somebody who authenticates is a moderator everywhere, for as long
as the connection is: so says a stand-in for what verifies them.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from actors.permissions import Grants, Permission
from actors.settings import Durability
from tests.acceptance.held import wrong_if
from tests.acceptance.mirror import Seat
from tests.simulation.replies import Asked
from tests.simulation.story import MODERATION, PAUSES_S, Step, Story
from transport import requests as r
from transport.session import Session

if TYPE_CHECKING:
    from tests.simulation.person import Person

OFTEN: Final = 0.1
"""So often a step is followed by one of a moderator."""
SEATING: Final = ("joinRoomGameSpace", "leaveRoomGameSpace", "resumeRoomGameSpace")
USERS: Final = ("u1", "u2", "u3")


def moderated(story: Story) -> Story:
    """The same story, in which moderators act now and then."""
    rng = random.Random(f"{story.seed}/moderation")
    kinds, often = list(MODERATION), [weight for weight, _ in MODERATION.values()]
    steps: list[Step] = []
    for step in story.steps:
        steps.append(step)
        if rng.random() < OFTEN:
            kind, who = rng.choices(kinds, often)[0], rng.randrange(story.people)
            steps.append(Step(kind, who, rng.getrandbits(32), rng.choice(PAUSES_S)))
    return replace(story, steps=tuple(steps))


@contextmanager
def vouching() -> Iterator[None]:
    """Whoever authenticates moderates, in the place of what verifies tokens."""
    dispatch = Session._dispatch

    def vouched(self: Session, request: r.Request, number: int | None) -> None:
        if isinstance(request, r.Authenticate):
            grants = Grants.everywhere(permission.value for permission in Permission)
            self.review(replace(self.identity, grants=grants))
        dispatch(self, request, number)

    Session._dispatch = vouched  # type: ignore[method-assign]
    try:
        yield
    finally:
        Session._dispatch = dispatch  # type: ignore[method-assign]


@dataclass(slots=True)
class Court:
    """What moderators asked for, by room."""

    kicked: set[tuple[str, str]] = field(default_factory=set)
    """Sessions and shown users whose kick was asked for."""
    banned: set[tuple[str, str]] = field(default_factory=set)
    """Users whose ban was asked for."""
    holding: dict[tuple[str, str], float] = field(default_factory=dict)
    """When it was answered that somebody is banned for good, where nobody asked to lift it."""
    lifted_s: dict[tuple[str, str], float] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    sizes: dict[str, set[int]] = field(default_factory=dict)
    asked_s: dict[str, float] = field(default_factory=dict)
    """By room, when an act was asked for last: its turn is told when it is durable."""
    unmasked: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Room and user of each pseudonym that its own client was told."""
    done: int = 0
    """Acts that were answered `ok`."""
    kept_out: int = 0
    put_out: int = 0

    def asks(self, room_id: str, kind: str, fields: dict[str, Any], now_s: float) -> None:
        """Somebody asks for an act in the room that it sits in."""
        self.asked_s[room_id] = now_s
        match kind:
            case "kickPlayer":
                self.kicked.add((room_id, fields.get("socketId") or fields["userId"]))
            case "banUser" | "unbanUser":
                who = room_id, fields["userId"]
                if kind == "banUser":
                    self.banned.add(who)
                if kind == "unbanUser" or "forS" in fields:  # the newest ban is the one that holds
                    self._lift(who, now_s)
            case "setRoom":
                if fields.get("private"):
                    self.private.add(room_id)
                if "playersMax" in fields:
                    self.sizes.setdefault(room_id, set()).add(fields["playersMax"])

    def _lift(self, who: tuple[str, str], now_s: float) -> None:
        """A pseudonym may be of any of them."""
        room_id, name = who
        for each in {who, *self.holding} if name.startswith("anon-") else {who}:
            if each[0] == room_id:
                self.holding.pop(each, None)
                self.lifted_s[each] = now_s

    def answered(self, room_id: str, asked: Asked, sent_s: float) -> None:
        """An act was answered `ok`."""
        self.done += 1
        if asked.kind == "banUser" and "forS" not in asked.fields:
            who = room_id, asked.fields["userId"]
            by_name = not who[1].startswith("anon-")
            if by_name and self.lifted_s.get(who, -1.0) < asked.notes["asked_s"]:
                self.holding[who] = sent_s

    def died(self, durability: Durability, *, with_machine: bool) -> None:
        """The server's process ended, or the whole machine: rules may be lost with that."""
        if durability is Durability.MEMORY or (with_machine and durability is Durability.FAST):
            self.holding.clear()

    # -- what may be

    def may_commit_until_s(self, room_id: str, commit_timeout_s: float) -> float:
        """Until then the room may wait for the disk to take the act that was asked for last: it
        commits for so long, perhaps behind another one that does.
        """
        return self.asked_s.get(room_id, float("-inf")) + 2 * commit_timeout_s

    def may_be_out(self, room_id: str, socket_id: str, shown: str | None) -> bool:
        """Somebody may have been kicked, or banned by a name that nobody sees."""
        if (room_id, socket_id) in self.kicked or (room_id, shown) in self.kicked | self.banned:
            return True
        hides = shown is None or shown.startswith("anon-")
        bans = [name for where, name in self.banned if where == room_id]
        # One by a pseudonym is of the person, who may sit there openly as well.
        masks = [name for name in bans if name.startswith("anon-")]
        openly = any(self.unmasked.get(name, ("", shown))[1] == shown for name in masks)
        return (hides and bool(bans)) or openly

    def may_be_barred(self, room_id: str, user_id: str | None) -> bool:
        """A join may be forbidden."""
        hides = any(where == room_id and name.startswith("anon-") for where, name in self.banned)
        return hides or room_id in self.private or (room_id, user_id) in self.banned

    def heard(self, item: dict[str, Any]) -> None:
        """Judge who is said to be out."""
        for player in item["players"]:
            if player["reason"] == "kicked":
                self.put_out += 1
                known = self.may_be_out(item["roomId"], player["socketId"], player["userId"])
                wrong_if(not known, f"{player['socketId']} was kicked, by nobody")

    def seated(self, room_id: str, user_id: str | None, sent_s: float) -> None:
        """Judge an answer that seats somebody."""
        since_s = self.holding.get((room_id, user_id or ""), sent_s)
        wrong_if(since_s < sent_s, f"{user_id} was seated in {room_id}, and is banned there")


def may_be_closed(person: "Person") -> bool:
    """With 4503; its tokens of that room are void then."""
    mirror = person.mirror
    if mirror.seat is not Seat.SEATED:
        return False
    shown = mirror.own["userId"]
    for token in person.tokens:
        if (token.socket_id, token.room_id) == (mirror.socket_id, mirror.room_id):
            token.spent_in = token.spent_in or person.life
    return person.world.court.may_be_out(mirror.room_id, mirror.socket_id, shown)


# -- deeds


def act(person: "Person", step: Step) -> None:
    """One act of a moderator, in the room that it is sure to sit in."""
    mirror, rng = person.mirror, step.rng()
    if mirror.seat is not Seat.SEATED or person.replies.under_way(*SEATING):
        return
    last = person._last
    person.papers.moderate()
    other = rng.choice(sorted(mirror.players))
    fields: dict[str, Any] = {"reason": "why"} if rng.random() < 0.5 else {}
    match step.kind:
        case "kick" if rng.random() < 0.5:
            kind, fields = "kickPlayer", fields | {"socketId": other}
        case "kick":
            kind, fields = "kickPlayer", fields | {"userId": mirror.players[other]["userId"]}
        case "ban":
            user_id = rng.choice([*USERS, mirror.players[other]["userId"]])
            kind, fields = "banUser", fields | {"userId": user_id}
            if rng.random() < 0.3:
                fields["forS"] = rng.choice([1, 20])
        case "unban":
            kind, fields = "unbanUser", {"userId": rng.choice(USERS)}
        case _:
            kind, fields = "setRoom", {"playersMax": rng.choice([2, 6, 1000])}
            if rng.random() < 0.6:
                fields["private"] = rng.random() < 0.4
    person.world.court.asks(mirror.room_id, kind, fields, person.world.loop.time())
    person.ask(kind, **fields)
    person._last = last  # a copy of it might have its effect in another room
