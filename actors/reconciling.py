"""A restarted room held against what its sessions say, which is trusted.

Owns who of a crashed room is shown as connected, as lost, or is told that it sits there no more.
Called by room.py, once in each new epoch of a room that failed, before anybody is told of it.
"""

from collections.abc import Iterable

from actors.ids import SocketId
from actors.members import Hearing, Member
from actors.players import LeaveReason
from actors.ports import Eviction, Outlet
from actors.recovery import orphans, strangers
from actors.room_state import RoomState
from actors.seating import Seating
from actors.turn import OweResumed, Turn


def reconcile(
    state: RoomState,
    members: dict[SocketId, Member],
    turn: Turn,
    seating: Seating,
    claims: Iterable[Outlet] | None,
    now_ms: int,
) -> None:
    """Make state and members agree with each other and with `claims`, the outlets whose sessions
    believe themselves in the room (None: nobody can say, and members stay as they are).
    O(players + claims). Leaves no change in the turn.
    """
    turn.changes.clear()
    for member in strangers(state, members):
        member.outlet.evict(Eviction.CLOSED, "the room lost this player in a crash")
    for socket_id in orphans(state, members):
        state.leave(socket_id, LeaveReason.TIMEOUT, now_ms)
    if claims is None:
        claims = [one.outlet for one in members.values() if one.hearing is not Hearing.LOST]
    claiming = {id(outlet): outlet for outlet in claims}
    answered = {id(owed.outlet) for owed in turn.owed}
    for socket_id, member in members.items():
        key = id(member.outlet)
        if key in claiming or (key in answered and member.outlet.alive):
            seating.keep(socket_id, member)
        else:
            seating.lose(socket_id, member)
    known = {id(member.outlet) for member in members.values()} | answered
    known |= {id(owed.succeeds) for owed in turn.owed if isinstance(owed, OweResumed)}
    for key, outlet in claiming.items():
        if key not in known:
            outlet.evict(Eviction.CLOSED, "the room does not know this session")
    turn.changes.clear()
