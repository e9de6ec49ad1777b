"""Who is told where who is: the newest positions, encoded once for all who hear the same.

Owns what of the moves reaches whom. Moves are volatile: an outlet that is full skips them, and is
told all positions when it has drained. Called at the end of a turn, after its events; positions
have no version.
"""

from collections.abc import Iterable, Mapping

from actors.ids import SocketId
from actors.members import Hearing, Member
from actors.ports import Ports
from actors.room_state import Player, RoomState


class Motions:
    """Publishes the moves of one room in one epoch."""

    __slots__ = ("_members", "_ports", "_state")

    def __init__(self, state: RoomState, members: dict[SocketId, Member], ports: Ports) -> None:
        self._state = state
        self._members = members
        self._ports = ports

    def publish(self, moved: Iterable[SocketId]) -> None:
        """The newest positions of `moved` to all who hear everything."""
        state = self._state
        seen = visible(state.players, moved)
        if not seen:
            return
        frame = self._ports.encoder.moves(state.room_id, state.epoch, seen)
        for member in self._members.values():
            if member.hearing is Hearing.CURRENT and not member.outlet.offer_moves(frame):
                member.missed_moves = True

    def catch_up(self, member: Member) -> None:
        """All positions to one member whose outlet skipped some."""
        if member.hearing is not Hearing.CURRENT or not member.missed_moves:
            return
        state = self._state
        seen = visible(state.players, state.players)
        frame = self._ports.encoder.moves(state.room_id, state.epoch, seen) if seen else None
        member.missed_moves = frame is not None and not member.outlet.offer_moves(frame)


def visible(players: Mapping[SocketId, Player], socket_ids: Iterable[SocketId]) -> list[Player]:
    """Those of `socket_ids` that are there and do not hide where they are."""
    return [
        player
        for socket_id in socket_ids
        if (player := players.get(socket_id)) is not None and not player.hide_position
    ]
