"""A room held against itself and against the sessions, both ways. PURE.

Owns what must be true between turns. Each breach is one short text for the operator's log; an
empty list means that all holds. O(n log n) in the players.
"""

from collections.abc import Collection, Iterable

from actors.ids import SocketId
from actors.members import Hearing, Member
from actors.ports import Outlet
from actors.room_state import RoomState


def breaches(
    state: RoomState,
    members: dict[SocketId, Member],
    claims: Iterable[Outlet],
    graces: Collection[SocketId] | None = None,
) -> list[str]:
    """`claims` are the outlets whose sessions believe themselves in this room; `graces`, where
    given, the lost players whose end is in sight.
    """
    found: list[str] = []
    if state.recomputed_checksum() != state.checksum():
        found.append("the checksum is not that of the players")
    connected = {key for key, player in state.players.items() if player.connected}
    if len(connected) != state.connected_count:
        found.append("the count of connected players is wrong")
    found += [f"player without member: {key}" for key in sorted(state.players.keys() - members)]
    found += [f"member without player: {key}" for key in sorted(members.keys() - state.players)]
    hearing = {key for key, member in members.items() if member.hearing is not Hearing.LOST}
    found += [f"connected flag is wrong: {key}" for key in sorted(hearing ^ connected)]
    if graces is not None:
        lost = members.keys() - hearing
        found += [f"lost player without an end: {key}" for key in sorted(lost - set(graces))]
    by_session = {outlet.socket_id: outlet for outlet in claims}
    found += [f"player without session: {key}" for key in sorted(hearing - by_session.keys())]
    found += [f"session without player: {key}" for key in sorted(by_session.keys() - hearing)]
    found += [
        f"session has another outlet: {key}"
        for key in sorted(hearing & by_session.keys())
        if members[key].outlet is not by_session[key]
    ]
    return found
