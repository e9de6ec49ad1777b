"""One room's players, version and checksum. PURE: no clock, no I/O, no actor.

Owns the rules of who is seated and what counts as a change (G1-G6 of the contract). Called only
by room.py, inside a turn, so there are no locks. Every change of who is in the room, ready,
connected, or how they appear is one version; positions are volatile and have none.

A refusal leaves the state untouched. A removal cannot raise and may be repeated.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final
from zlib import crc32

from actors.errors import NotInRoom, RoomFull
from actors.ids import RoomId, SocketId
from actors.players import (
    Change,
    Coordinate,
    Event,
    EventKind,
    LeaveReason,
    Metadata,
    Player,
)
from actors.room_rules import PLAIN, RoomRules


def checksum_of(lines: Iterable[bytes]) -> str:
    """CRC-32 of `lines`, already sorted by socketId, as 8 lowercase hex digits (G3)."""
    crc = crc32(b"\n".join(lines))
    return f"{crc:08x}"


# A member of an enum is looked up by name wherever it is named, a constant is there.
_JOINED: Final = EventKind.JOINED
_LEFT: Final = EventKind.LEFT


class RoomState:
    """Players of one room in one epoch. All methods but `checksum` and `lines` are O(log n) plus a
    list insertion; `take_events` is O(n) per event for its checksum.
    """

    __slots__ = (
        "_lines", "_numbers", "_open", "_order", "_players_max", "_sealed", "connected_count",
        "created_at_ms", "epoch", "last_activity_ms", "players", "room_id", "rules", "version",
    )  # fmt: skip

    def __init__(self, room_id: RoomId, epoch: int, created_at_ms: int, players_max: int) -> None:
        self.room_id: Final = room_id
        self.epoch: Final = epoch
        self.created_at_ms: Final = created_at_ms
        self.last_activity_ms = created_at_ms
        self._players_max: Final = players_max
        self.rules: RoomRules = PLAIN
        """Not versioned: they change nobody in the room."""
        self.version = 0
        self.players: dict[SocketId, Player] = {}
        self.connected_count = 0
        # Parallel and sorted by id, so that a checksum is one join and one CRC.
        self._order: list[SocketId] = []
        self._lines: list[bytes] = []
        self._numbers: dict[SocketId, int] | None = None
        self._open: list[Change] = []
        self._sealed: list[Event] = []

    # -- changes: each answers the Change, or None when nothing was to change

    def join(self, player: Player, now_ms: int, *, returns: bool = False) -> Change | None:
        """Seat `player`. None when the session sits already: a retried join is harmless (G5).

        Raises RoomFull when `players_max` are seated, unless the player `returns` to a seat that
        it was promised (G6).
        """
        if player.socket_id in self.players:
            return None
        if len(self.players) >= self.players_max and not returns:
            raise RoomFull(f"the room is full: {self.players_max} players")
        return self._commit(_JOINED, player, now_ms)

    def ready(self, socket_id: SocketId, now_ms: int) -> Change | None:
        """Raises NotInRoom."""
        player = self._seated(socket_id)
        if player.is_ready:
            return None
        return self._commit(EventKind.READY, replace(player, is_ready=True), now_ms)

    def update(
        self,
        socket_id: SocketId,
        display_name: str | None,
        attributes: Mapping[str, object] | None,
        now_ms: int,
    ) -> Change:
        """Replace what is not None. Raises NotInRoom."""
        player = self._seated(socket_id)
        if display_name is not None:
            player = replace(player, display_name=display_name)
        if attributes is not None:
            player = replace(player, attributes=attributes)
        return self._commit(EventKind.UPDATED, player, now_ms)

    def lose(self, socket_id: SocketId, now_ms: int) -> Change | None:
        """The connection is gone, the player stays. Cannot raise."""
        player = self.players.get(socket_id)
        if player is None or not player.connected:
            return None
        return self._commit(EventKind.CONNECTION, replace(player, connected=False), now_ms)

    def resume(self, socket_id: SocketId, now_ms: int) -> Change | None:
        """The connection is back. None when its loss was never noticed. Raises NotInRoom."""
        player = self._seated(socket_id)
        if player.connected:
            return None
        return self._commit(EventKind.CONNECTION, replace(player, connected=True), now_ms)

    def leave(self, socket_id: SocketId, reason: LeaveReason, now_ms: int) -> Change | None:
        """Remove the player; None when it is not there. Cannot raise."""
        player = self.players.get(socket_id)
        if player is None:
            return None
        return self._commit(_LEFT, player, now_ms, reason, socket_id)

    def move(self, socket_id: SocketId, x: Coordinate, y: Coordinate, now_ms: int) -> bool:
        """Note the position; False when nobody may see it (not seated, or hidden)."""
        player = self.players.get(socket_id)
        if player is None:
            return False
        motion = player.motion
        motion.last_seen_ms = self.last_activity_ms = now_ms
        if player.hide_position:
            return False
        motion.x, motion.y = x, y
        return True

    def touch(self, socket_id: SocketId, now_ms: int) -> None:
        """Note that the player said something."""
        player = self._seated(socket_id)
        player.motion.last_seen_ms = self.last_activity_ms = now_ms

    # -- an earlier object of this room

    def restore(self, players: Iterable[Player], version: int, changes: Iterable[Change]) -> None:
        """Take over `players` as at `version`, then the `changes` made after it (G9).

        To be called once, on a fresh object. Leaves no event to publish: a new epoch begins
        with a whole state.
        """
        now_ms = self.last_activity_ms
        for player in players:
            seen_ms = player.motion.last_seen_ms
            self._commit(_JOINED, player, now_ms)
            player.motion.last_seen_ms = seen_ms  # a crash is no sign of life
        self._open.clear()
        self.version = version
        for change in changes:
            self._commit(change.kind, change.player, now_ms, change.reason)
        self._open.clear()
        self._sealed.clear()

    def revert(self, players: Mapping[SocketId, Player], version: int, rules: RoomRules) -> None:
        """Be again as at `version`, of which nobody was told anything later. O(n log n)."""
        self.version = version
        self.rules = rules
        self.players = dict(players)
        self.connected_count = sum(player.connected for player in players.values())
        self._numbers = None
        self._order = sorted(players)
        self._lines = [players[socket_id].line() for socket_id in self._order]
        self._open.clear()
        self._sealed.clear()

    def shrink(self) -> None:
        """Give back the space of those who were here. Nobody may be here now."""
        assert not self.players
        self.players.clear()
        self._numbers = None
        self._order.clear()
        self._lines.clear()

    # -- what a turn publishes

    def seal(self) -> None:
        """End the open event, if any: what follows is a neighbour no more."""
        if self._open:
            changes = tuple(self._open)
            self._open.clear()
            self._sealed.append(
                Event(changes[0].kind, changes, self.version, self.checksum(), self.metadata())
            )

    def take_events(self) -> list[Event]:
        """The events since the last call, in order. O(n) for the last one's checksum."""
        self.seal()
        events, self._sealed = self._sealed, []
        return events

    # -- what it says about itself

    @property
    def players_max(self) -> int:
        """What the room's rules say, as far as the server's settings allow."""
        own = self.rules.players_max
        return self._players_max if own is None else min(own, self._players_max)

    def checksum(self) -> str:
        """O(n): one join, one CRC."""
        return checksum_of(self._lines)

    def numbers(self) -> Mapping[SocketId, int]:
        """Each player's place among the socketIds in ascending order, from 0. O(n) where somebody
        came or went since the last call.
        """
        if self._numbers is None:
            self._numbers = {socket_id: place for place, socket_id in enumerate(self._order)}
        return self._numbers

    def recomputed_checksum(self) -> str:
        """The checksum from the players alone, O(n log n): what `checksum` must equal."""
        return checksum_of(self.players[key].line() for key in sorted(self.players))

    def metadata(self) -> Metadata:
        """O(1)."""
        return Metadata(
            self.created_at_ms,
            self.last_activity_ms,
            len(self.players),
            self.connected_count > 0,
            self.players_max,
        )

    # -- inside

    def _seated(self, socket_id: SocketId) -> Player:
        player = self.players.get(socket_id)
        if player is None:
            raise NotInRoom("the session is not in this room")
        return player

    def _commit(
        self,
        kind: EventKind,
        player: Player,
        now_ms: int,
        reason: LeaveReason | None = None,
        key: SocketId | None = None,
    ) -> Change:
        """The one place where version, players and lines change. Nothing in it can refuse.

        `key` is the name under which `player` is kept, where that may not be its own.
        """
        if self._open and self._open[-1].kind is not kind:
            self.seal()
        socket_id = key or player.socket_id
        before = self.players.get(socket_id)
        if before is not None and before.connected:
            self.connected_count -= 1
        at = bisect_left(self._order, socket_id)
        if kind is _LEFT:
            self.players.pop(socket_id, None)
            # Looked at, not trusted: a removal goes through even where the index was damaged.
            if at < len(self._order) and self._order[at] == socket_id:
                del self._order[at], self._lines[at]
                self._numbers = None
        else:
            self.players[socket_id] = player
            if player.connected:
                self.connected_count += 1
            if at < len(self._order) and self._order[at] == socket_id:
                self._lines[at] = player.line()
            else:
                self._numbers = None
                self._order.insert(at, socket_id)
                self._lines.insert(at, player.line())
        self.last_activity_ms = now_ms
        if player.connected and kind is not _LEFT:
            player.motion.last_seen_ms = now_ms
        self.version += 1
        change = Change(kind, player, self.version, reason)
        self._open.append(change)
        return change
