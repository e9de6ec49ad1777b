"""The sessions' own view of who sits where, for the rooms' self-check.

Written by the sessions alone, so that it is independent of what the rooms believe.
"""

from collections.abc import Collection

from actors.ids import RoomId, SocketId
from actors.ports import Outlet


class SessionRoster:
    """The Roster port. One entry per seated session; O(1) to change."""

    def __init__(self) -> None:
        self._rooms: dict[RoomId, dict[SocketId, Outlet]] = {}
        self._is_closed = False

    def claims(self, room_id: RoomId) -> Collection[Outlet] | None:
        return None if self._is_closed else tuple(self._rooms.get(room_id, {}).values())

    def close(self) -> None:
        """The server drains: sessions end, and no room is told. May be repeated."""
        self._is_closed = True

    def sit(self, room_id: RoomId, outlet: Outlet) -> None:
        self._rooms.setdefault(room_id, {})[outlet.socket_id] = outlet

    def has(self, room_id: RoomId, socket_id: SocketId) -> bool:
        """Whether the session sits there over a connection that is not known to be gone."""
        return socket_id in self._rooms.get(room_id, ())

    def rise(self, room_id: RoomId, outlet: Outlet) -> None:
        """Harmless where `outlet` does not sit there (any more)."""
        seated = self._rooms.get(room_id)
        if seated is not None and seated.get(outlet.socket_id) is outlet:
            del seated[outlet.socket_id]
            if not seated:
                del self._rooms[room_id]
