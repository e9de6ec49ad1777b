"""What one user may do over all connections of the server: rates, connections, rooms.

Owns the counts of every user while a limit of users is set. A user is whom the sessions say they
speak for: verified where `auth` verifies, otherwise whatever `userId` was claimed. Knows no
session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actors.errors import RateLimited
from actors.ids import RoomId, SocketId
from actors.ports import Clock
from actors.settings import Settings
from transport.deadlines import Deadlines
from transport.fading import FadingMap
from transport.limits import Kind, TokenBucket, burst_of

COUNT_RETRY_MS: Final = 1000
"""When to ask again where something must become free first."""


class Share:
    """Of one user. Made when it is first needed, and forgotten when that makes no difference."""

    __slots__ = ("buckets", "connections", "lost", "rooms")

    def __init__(self, rates_per_s: Mapping[Kind, float], burst_s: float, now_s: float) -> None:
        self.buckets: Final = {
            kind: TokenBucket(rate_per_s, burst_of(rate_per_s, burst_s), now_s)
            for kind, rate_per_s in rates_per_s.items()
        }
        self.connections = 0
        self.rooms: Final[dict[RoomId, int]] = {}
        """By room: how many seats, lost ones included."""
        self.lost: Final[dict[tuple[RoomId, SocketId], RoomHold]] = {}
        """Seats whose connection is gone and whose grace has not ended."""


@dataclass(frozen=True, slots=True, eq=False)
class RoomHold:
    """One seat in a room, as its user's share counts it."""

    shares: "Shares"
    user: str
    share: Share
    room_id: RoomId
    socket_id: SocketId

    def sit(self) -> None:
        """The seat is taken: what was counted for it while it was lost counts no more."""
        self.shares.found(self)

    def end(self, *, lost: bool) -> None:
        """The seat was given up; or its connection was `lost`, and it counts for the grace."""
        if lost:
            self.shares.linger(self)
        else:
            self.shares.free(self)


class Shares:
    """Of all users; where no limit of users is set there are none, and all are let through.

    At most `limited_max` users are remembered. Where so many have connections or lost players at
    once, another one is refused: a limit that many names together could lift would be none.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        rates_per_s = {
            Kind.MESSAGE: settings.user_messages_per_s,
            Kind.JOIN: settings.user_joins_per_s,
            Kind.RESUME: settings.user_resumes_per_s,
            Kind.VALIDATION: settings.user_validations_per_s,
        }
        rates_per_s = {kind: rate for kind, rate in rates_per_s.items() if rate > 0}
        burst_s = settings.limit_burst_s
        self._connections_max: Final = settings.user_connections_max
        self._rooms_max: Final = settings.user_rooms_max
        self.limits_users: Final = bool(rates_per_s or self._connections_max or self._rooms_max)
        # Whoever was away until all buckets are full again is as good as a new user.
        full_s = max((burst_of(rate, burst_s) / rate for rate in rates_per_s.values()), default=0.0)
        self._shares: Final = FadingMap(
            clock,
            full_s + settings.slow_down_ms / 1000,
            settings.limited_max,
            lambda: Share(rates_per_s, burst_s, clock.monotonic_s()),
        )
        self._graces: Final = Deadlines(clock, settings.resume_grace_s, self._expire, grain_s=0.1)

    def __len__(self) -> int:
        return len(self._shares)

    def enter(self, user: str, *, in_place_of_one: bool = False) -> Share | None:
        """Count a connection of `user` until `leave`; None where no limit is set. One that comes in
        place of another may be one too many, until that has gone.

        Raises RateLimited, and counts none then.
        """
        if not self.limits_users:
            return None
        share = self._held(user)
        most = self._connections_max
        if most and share.connections >= most + in_place_of_one:
            self._shares.release(user)
            raise _too_many("connections of this user")
        share.connections += 1
        return share

    def stay(self, share: Share | None) -> None:
        """One that came in place of another is to be one like any. Raises RateLimited where that
        has not gone.
        """
        most = self._connections_max
        if share is not None and most and share.connections > most:
            raise _too_many("connections of this user")

    def leave(self, user: str, share: Share) -> None:
        """Once for each `enter` that answered a share."""
        share.connections -= 1
        self._shares.release(user)

    def take_room(
        self, user: str, room_id: RoomId, socket_id: SocketId, leaving: RoomId | None
    ) -> RoomHold | None:
        """Count a seat in the room until its end; None where rooms are not limited. `leaving` is
        the room where the session gives up its seat for this one.

        Raises RateLimited, and counts none then.
        """
        if not self._rooms_max:
            return None
        share = self._held(user)
        others = len(share.rooms) - (leaving is not None and share.rooms.get(leaving) == 1)
        if room_id not in share.rooms and others >= self._rooms_max:
            self._shares.release(user)
            raise _too_many("rooms of this user")
        return self._counted(user, share, room_id, socket_id)

    def retake_room(self, user: str, room_id: RoomId, socket_id: SocketId) -> RoomHold | None:
        """As `take_room`, for a resume: its seat is there, and is never refused for rooms. The
        lost seat goes on to count, since the room may say no.
        """
        if not self._rooms_max:
            return None
        return self._counted(user, self._held(user), room_id, socket_id)

    def lose_room(self, user: str, room_id: RoomId, socket_id: SocketId) -> None:
        """Count a seat that was lost before anybody was told of it."""
        share = self._shares.hold(user) if self._rooms_max else None
        if share is not None:
            self.linger(self._counted(user, share, room_id, socket_id))

    def found(self, hold: RoomHold) -> None:
        """It counts in place of the lost seat of its session there, if any."""
        before = hold.share.lost.pop((hold.room_id, hold.socket_id), None)
        if before is not None:
            self.free(before)

    def linger(self, hold: RoomHold) -> None:
        """Its connection is gone; it counts until the grace ends or a resume takes it over."""
        self.found(hold)
        hold.share.lost[hold.room_id, hold.socket_id] = hold
        self._graces.add(hold)

    def free(self, hold: RoomHold) -> None:
        """It counts no more."""
        rooms = hold.share.rooms
        rooms[hold.room_id] -= 1
        if not rooms[hold.room_id]:
            del rooms[hold.room_id]
        self._shares.release(hold.user)

    def _counted(self, user: str, share: Share, room_id: RoomId, socket_id: SocketId) -> RoomHold:
        share.rooms[room_id] = share.rooms.get(room_id, 0) + 1
        return RoomHold(self, user, share, room_id, socket_id)

    def _expire(self, hold: RoomHold) -> None:
        if hold.share.lost.get((hold.room_id, hold.socket_id)) is hold:
            self.found(hold)

    def _held(self, user: str) -> Share:
        share = self._shares.hold(user)
        if share is None:
            raise _too_many("users at once")
        return share


def _too_many(what: str) -> RateLimited:
    return RateLimited(f"too many {what}", retry_after_ms=COUNT_RETRY_MS)
