"""What all who churn share: the server, names that are never used twice, counts, what went wrong.

Owns names and counts. A room is joined by a handful of people, then a new name takes its place, so
that whatever the server keeps by name shows.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

from tests.acceptance.client import Client
from tests.acceptance.frames import Object
from tests.acceptance.server import Server
from tests.soak.pace import Pace

FAULTS_MAX: Final = 20
"""So many faults are told; more would say nothing new."""
FAULT_CHARS_MAX: Final = 1500
"""And so much of each: the story behind it is long."""
VISITS_OF_A_ROOM: Final = 6
ROOMS_AT_ONCE: Final = 8
SPENT_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class Spent:
    """A token that seats nobody any more, from `good_until_s` on."""

    room: str
    token: str
    good_until_s: float


class Town:
    """`counts` has sessions, connections, rooms, resumes and what else was done, by name."""

    def __init__(self, server: Server, pace: Pace, seed: int) -> None:
        self.server = server
        self.pace = pace
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.spent: deque[Spent] = deque(maxlen=SPENT_KEPT)
        self._visits: dict[str, int] = {}

    def fault(self, what: str) -> None:
        """Something that a correct server does not do."""
        self.counts["faults"] += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(what[:FAULT_CHARS_MAX])

    def a_user(self) -> str:
        """Nobody had this name before."""
        self.counts["users"] += 1
        return f"user-{self.counts['users']}"

    def a_room(self) -> str:
        """One that others are in, as a rule, or were a moment ago."""
        while len(self._visits) < ROOMS_AT_ONCE:
            self._visits[self.a_new_room()] = 0
        room = self.chance.choice(list(self._visits))
        self._visits[room] += 1
        if self._visits[room] >= VISITS_OF_A_ROOM:
            del self._visits[room]
        return room

    def a_new_room(self) -> str:
        """One that nobody was ever in."""
        self.counts["rooms"] += 1
        return f"room-{self.counts['rooms']}"

    def a_client(self, **options: Any) -> Client:
        """A new session, to be opened."""
        self.counts["sessions"] += 1
        return Client(self.server, f"client {self.counts['sessions']}", **options)

    async def newcomer(self, **options: Any) -> Client:
        """A new session, opened."""
        client = self.a_client(**options)
        await self.connect(client)
        return client

    async def connect(self, client: Client) -> None:
        """Give a session its next connection."""
        self.counts["connections"] += 1
        await client.open()

    def spend(self, client: Client, *, after_s: float = 0.0) -> None:
        """The newest token of this client seats nobody, once `after_s` has passed."""
        good_until_s = time.monotonic() + after_s
        self.spent.append(Spent(client.mirror.room_id, client.tokens[-1], good_until_s))

    def a_spent_token(self) -> Spent | None:
        """The oldest token that must be refused by now, if there is one."""
        if self.spent and self.spent[0].good_until_s < time.monotonic():
            return self.spent.popleft()
        return None

    def judged(self, client: Client) -> None:
        """Count what the mirror of this client has judged."""
        self.counts["frames"] += sum(len(link.objects) for link in client.links)


def refusal_of(item: Object) -> str:
    """The code of an error, and an empty text for anything else."""
    return str(item["code"]) if item["type"] == "error" else ""
