"""What anybody was told of each player in each room, and so what may be left of it after a kill.

Owns the judgement. Knows no sockets and no servers: views come in with the time at which a client
had them; at a kill (`freeze`) they become, for each player, the set of states that a server may
come back with. Where everything told is kept, the newest state is the only one. Where the last
moments may be lost (`window_s`), whatever was told within them may be there or not.

A player's state is None while it is not in the room.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.acceptance.frames import Object


class State(NamedTuple):
    """What is kept of a player beside its position."""

    user: str
    name: str | None
    attributes: str
    joined_at: str
    ready: bool
    hides: bool


def text_of(attributes: object) -> str:
    """Attributes as they are compared."""
    return json.dumps(attributes, sort_keys=True)


def state_of(player: Object) -> State:
    """The state in a whole `PlayerInfo`."""
    return State(
        player["userId"],
        player.get("displayName"),
        text_of(player["attributes"]),
        player["joinedAt"],
        player["isReady"],
        player["position"] is None,
    )


@dataclass
class Told:
    """Of one player in one room: what it may have been at the last kill, and what was told since.

    Positions are single numbers that rise with each move, so the newest told is a lower bound.
    """

    last: State | None = None
    left: bool = False
    """It was told itself that it left, and not that it sits again: later than any view of others
    that still shows it.
    """
    base: set[State | None] = field(default_factory=lambda: {None})
    since: list[tuple[float, State | None]] = field(default_factory=list)
    place: float = 0
    places: list[tuple[float, float]] = field(default_factory=list)

    def tell(self, now_s: float, state: State | None) -> None:
        """Somebody was told that the player is so."""
        if self.left and state is not None:
            return
        self.last = state
        if not self.since or self.since[-1][1] != state:
            self.since.append((now_s, state))

    def tell_itself(self, now_s: float, state: State | None) -> None:
        """The player was told that it sits, or (None) that it has left."""
        self.left = False
        self.tell(now_s, state)
        self.left = state is None

    def tell_place(self, now_s: float, x: float) -> None:
        """Somebody was told that the player is there."""
        if not self.places or x > self.places[-1][1]:
            self.places.append((now_s, x))

    def freeze(self, kept_until_s: float, place_until_s: float) -> None:
        """A kill: what was told after `kept_until_s` may be lost."""
        states = set(self.base)
        for at_s, state in self.since:
            if at_s <= kept_until_s:
                states.clear()
            states.add(state)
        self.base, self.since, self.left = states, [], False
        kept = [x for at_s, x in self.places if at_s <= place_until_s]
        self.place, self.places = max([self.place, *kept]), []


class Room:
    """What was told of one room. `version` is the newest of which a view was given."""

    def __init__(self) -> None:
        self.version = (0, 0)
        self.epoch = 0
        """The newest one told before the last kill."""
        self.players: dict[str, Told] = {}
        self.strangers: set[str] = set()
        """Who may be there without anybody having been told."""
        self.leaving: set[str] = set()
        """Who was told to sit elsewhere now, and may be there still."""

    def told(self, socket_id: str) -> Told:
        """What was told of one player."""
        return self.players.setdefault(socket_id, Told())

    def saw(self, version: tuple[int, int], players: dict[str, Object], now_s: float) -> None:
        """A client holds this list of this version."""
        if version <= self.version:
            return
        self.version = version
        self.leaving &= players.keys()
        for socket_id in self.players.keys() | players.keys():
            player = players.get(socket_id)
            self.told(socket_id).tell(now_s, None if player is None else state_of(player))

    def freeze(self, kept_until_s: float, place_until_s: float) -> None:
        """A kill."""
        self.epoch = self.version[0]
        for told in self.players.values():
            told.freeze(kept_until_s, place_until_s)
        for socket_id in self.leaving:
            self.told(socket_id).base.add(None)

    def may_be(self, socket_id: str, change: Callable[[State], State | None]) -> None:
        """Somebody asked for a change of a player, and was not told whether it took place."""
        told = self.told(socket_id)
        told.base |= {change(state) for state in told.base if state is not None}

    def may_be_gone(self, socket_id: str) -> None:
        """A player's grace may have ended with nobody there to be told."""
        self.told(socket_id).base.add(None)

    def faults(
        self, found: Iterable[Object], sent: dict[float, str], *, forgets: bool
    ) -> list[str]:
        """What is wrong with the players that a server came back with.

        `sent` says who ever asked for a place. Where a server `forgets`, one that it may have lost
        may come back as a new player.
        """
        players = {player["socketId"]: player for player in found}
        faults = []
        for socket_id in self.players.keys() - players.keys():
            told = self.players[socket_id]
            if None not in told.base:
                faults.append(f"{socket_id} is missing, who was told as {told.last}")
        for socket_id, player in players.items():
            state, told = state_of(player), self.told(socket_id)
            if socket_id not in self.strangers and state not in told.base:
                anew = forgets and None in told.base and told.base != {None}
                if not anew or all(s is None or s.user != state.user for s in told.base):
                    faults.append(f"{socket_id} is {state}, which is none of {told.base}")
            if player["position"] is not None:
                at = (player["position"]["x"], player["position"]["y"])
                lost = forgets and None in told.base and at == (0, 0)
                if at[1] != -at[0] or (at[0] and sent.get(at[0]) != socket_id):
                    faults.append(f"{socket_id} is at {at}, where it never went")
                elif at[0] < told.place and not lost:
                    faults.append(f"{socket_id} is at {at}, and was told at {told.place}")
        return faults

    def restart(self, found: Iterable[Object]) -> None:
        """What the server came back with is no surprise any more."""
        players = {player["socketId"]: player for player in found}
        self.strangers.clear()
        self.leaving.clear()
        for socket_id, told in self.players.items():
            player = players.get(socket_id)
            told.base.add(None if player is None else state_of(player))
            if player is not None and player["position"] is not None:
                told.place = player["position"]["x"]
