"""The seats of a room: who has one, and what is noted of each change to them. No actor, no timer.

Owns how a member is removed, and how a change leaves its traces in the turn, so that it is told or
undone as a whole. Decides nothing: which requests come to that is in seating.py, and in
moderating.py those of moderators.
"""

from typing import Final

from actors import messages as m
from actors.errors import NotInRoom, Unavailable
from actors.ids import SocketId
from actors.members import Member
from actors.outside import Ports
from actors.players import Change, LeaveReason, Player
from actors.ports import Eviction, Outlet
from actors.recovery import OPERATIONS_MAX
from actors.room_state import RoomState
from actors.timers import Graces, Ticker
from actors.turn import Fact, OweEviction, Turn


class Seats:
    """`operations` are the last changes, for the operator."""

    def __init__(
        self,
        state: RoomState,
        members: dict[SocketId, Member],
        turn: Turn,
        ports: Ports,
        graces: Graces,
        ticker: Ticker,
        operations: list[tuple[str, str]],
    ) -> None:
        self._state: Final = state
        self._members: Final = members
        self._turn: Final = turn
        self._ports: Final = ports
        self._graces: Final = graces
        self._ticker: Final = ticker
        self.operations: Final = operations
        self.now_s = 0.0
        """When the message under way was taken up, monotonic."""
        self.turn_ms = 0
        """When the first move of the turn was, Unix; 0 where there was none."""
        self.laggards: list[Member] = []
        """Whose outlets took frames again after they had skipped moves."""

    # -- inside

    def _dismiss(
        self, socket_id: SocketId, reason: LeaveReason, detail: str, why: Eviction | None = None
    ) -> None:
        """Remove somebody who did not ask for it, and have it told so: the others `reason`, and
        whoever is out `why`, which goes by the reason.
        """
        outlet = self._members[socket_id].outlet
        self._remove(socket_id, reason)
        if why is None:
            why = Eviction.KICKED if reason is LeaveReason.KICKED else Eviction.REPLACED
        self._turn.owed.append(OweEviction(outlet, why, detail))

    def _remove(self, socket_id: SocketId, reason: LeaveReason) -> None:
        self._remember(socket_id)
        change = self._state.leave(socket_id, reason, self._ports.clock.now_ms())
        person = self._members.pop(socket_id).person
        if change is not None:
            self._changed(change)
            self._fact("player_left", change.player, person, reason=reason)

    def _remember(self, socket_id: SocketId) -> None:
        """Note how the member was before the message, and before the turn where that may have to
        be undone.
        """
        turn = self._turn
        earlier = turn.remember(socket_id, self._members.get(socket_id))
        if turn.urgent or self._ports.ledger.commits_first:
            turn.before.setdefault(socket_id, earlier)

    def _touch(self, socket_id: SocketId) -> None:
        """Its tokens change: to be kept, although no event says so."""
        self._remember(socket_id)
        self._turn.touched[socket_id] = None

    def _changed(self, change: Change) -> None:
        self._turn.changes.append(change)
        operations = self.operations
        operations.append((change.kind, change.player.socket_id))
        if len(operations) > 2 * OPERATIONS_MAX:
            del operations[:-OPERATIONS_MAX]

    def _seated(self, outlet: Outlet) -> Member:
        member = self._members.get(outlet.socket_id)
        if member is None or member.outlet is not outlet:
            raise NotInRoom("the session is not in this room")
        return member

    def _still_wanted(self, message: m.Join | m.Resume) -> bool:
        """False when its connection is gone. Raises Unavailable after its deadline."""
        if not message.outlet.alive:
            return False
        if self.now_s > message.deadline_s:
            raise Unavailable("the room took too long", retry_after_ms=1000)
        return True

    def _fact(
        self,
        event: str,
        player: Player,
        person: str = "",
        persons: tuple[str, ...] = (),
        **details: object,
    ) -> None:
        """`person` is whose player it is, where it is no member any more."""
        state = self._state
        who = person or self._members[player.socket_id].person
        at = len(state.players), state.version
        self._turn.facts.append(Fact(event, player, *at, details, who, persons))
