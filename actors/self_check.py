"""A room held against itself and against the sessions, both ways. PURE.

Owns what must be true between turns, and when a breach of it is one: a loss or a leave may be on
its way, so it must be seen in each of several looks. Each breach is one short text for the log; an
empty list means that all holds. O(n log n) in the players.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from actors.faults import Inconsistent
from actors.ids import SocketId
from actors.members import Hearing, Member
from actors.ports import Outlet
from actors.recovery import Grace
from actors.room_state import RoomState

SUSPICION_LOOKS: Final = 3
"""How often a self-check must see a breach before it is one."""


_NOBODY: Final[frozenset[tuple[str, Outlet | None]]] = frozenset()


class Suspicion:
    """What the looks so far have in common. A player that is lost twice is another suspect each
    time: one with another outlet.
    """

    __slots__ = ("_asked", "_looks", "_suspects")

    def __init__(self) -> None:
        self._suspects = _NOBODY
        self._looks = 0
        self._asked = 0

    def is_looking(self) -> bool:
        """Something was seen, and is to be looked at again."""
        return self._looks > 0

    def asked(self) -> int:
        """The number of the look that was asked for last."""
        return self._asked

    def wants(self, again: int) -> bool:
        """Whether to look now: for a first time (0), or as was asked for last."""
        return again == self._asked if again else not self._looks

    def ask(self) -> int:
        """The number of the next look, which is due when all was handled that waits now."""
        self._asked += 1
        return self._asked

    def look(self, found: Iterable[str], members: Mapping[SocketId, Member]) -> bool:
        """Whether to look again. Raises Inconsistent where a breach was there in every look."""
        seen = frozenset((text, _outlet_in(text, members)) for text in found)
        self._suspects = seen & self._suspects if self._looks else seen
        self._looks = self._looks + 1 if self._suspects else 0
        if self._looks >= SUSPICION_LOOKS:
            raise Inconsistent("; ".join(sorted(text for text, _ in self._suspects)))
        return self._looks > 0

    def drop(self) -> None:
        """Nothing can be said now: what was seen does not count."""
        self._suspects = _NOBODY
        self._looks = 0


def _outlet_in(text: str, members: Mapping[SocketId, Member]) -> Outlet | None:
    """The present outlet of the one that a breach ends with, if it is about one."""
    member = members.get(SocketId(text.rpartition(": ")[2]))
    return None if member is None else member.outlet


def breaches(
    state: RoomState,
    members: dict[SocketId, Member],
    claims: Collection[Outlet] | None,
    graces: Iterable[Grace] | None = None,
) -> list[str]:
    """`claims` are the outlets whose sessions believe themselves in this room, None where nobody
    can say; `graces`, where given, those that run: each lost player needs that of its last loss.
    """
    found: list[str] = []
    if state.recomputed_checksum() != state.checksum():
        found.append("the checksum is not that of the players")
    connected = {key for key, player in state.players.items() if player.connected}
    if len(connected) != state.connected_count:
        found.append("the count of connected players is wrong")
    if not (state.players or members or claims):
        return found  # nobody is there, and nobody believes to be
    found += [f"player without member: {key}" for key in sorted(state.players.keys() - members)]
    found += [f"member without player: {key}" for key in sorted(members.keys() - state.players)]
    hearing = {key for key, member in members.items() if member.hearing is not Hearing.LOST}
    found += [f"connected flag is wrong: {key}" for key in sorted(hearing ^ connected)]
    if graces is not None:
        ending = {id(grace.outlet) for grace in graces}
        lost = sorted(members.keys() - hearing)
        found += [
            f"lost player without an end: {key}"
            for key in lost
            if id(members[key].outlet) not in ending
        ]
    if claims is None:
        return found
    by_session = {outlet.socket_id: outlet for outlet in claims}
    found += [f"player without session: {key}" for key in sorted(hearing - by_session.keys())]
    found += [f"session without player: {key}" for key in sorted(by_session.keys() - hearing)]
    found += [
        f"session has another outlet: {key}"
        for key in sorted(hearing & by_session.keys())
        if members[key].outlet is not by_session[key]
    ]
    return found
