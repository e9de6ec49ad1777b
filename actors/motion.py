"""Who is told where who is: the newest positions, encoded once for all who hear the same.

Owns what of the moves reaches whom. Moves are volatile: an outlet that is full skips them, and is
told all positions when it has drained. Called at the end of a turn, after its events; positions
have no version.
"""

from collections.abc import Iterable, Mapping, Sequence

from actors.encoder import Form
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
        seen = visible(self._state.players, moved)
        if seen:
            self._say(self._members.values(), seen)

    def catch_up(self, member: Member) -> None:
        """All positions to one member whose outlet skipped some."""
        if member.hearing is Hearing.CURRENT and member.missed_moves:
            member.missed_moves = False
            seen = visible(self._state.players, self._state.players)
            if seen:
                self._say((member,), seen)

    def _say(self, members: Iterable[Member], players: Sequence[Player]) -> None:
        """Where `players` are to those of `members` who hear everything: encoded once a form."""
        json = compact = b""
        for member in members:
            if member.hearing is not Hearing.CURRENT:
                continue
            outlet = member.outlet
            if outlet.form is Form.JSON:
                frame = json = json or self._json(players)
            else:
                frame = compact = compact or self._compact(players)
            if not outlet.offer_moves(frame):
                member.missed_moves = True

    def _json(self, players: Sequence[Player]) -> bytes:
        state = self._state
        return self._ports.encoder.moves(state.room_id, state.epoch, players)

    def _compact(self, players: Sequence[Player]) -> bytes:
        """Whoever gets it has heard all events of this turn, so it counts as the room does."""
        state = self._state
        numbers = state.numbers()
        moves = sorted((numbers[player.socket_id], player) for player in players)
        return self._ports.encoder.compact_moves(
            state.epoch, state.version, len(state.players), moves
        )


def visible(players: Mapping[SocketId, Player], socket_ids: Iterable[SocketId]) -> list[Player]:
    """Those of `socket_ids` that are there and do not hide where they are."""
    return [
        player
        for socket_id in socket_ids
        if (player := players.get(socket_id)) is not None and not player.hide_position
    ]
