"""Which limits a request meets, and whom it counts for.

Owns the bond between requests and what is counted: the kind of each, the user behind a join and
behind a resume, and the room that a seat counts for. Moves no session.
"""

from collections.abc import Callable
from typing import Final

from actors.tokens import verify
from transport import requests as r
from transport.host import Host
from transport.identity import NOBODY, Identity
from transport.limits import Kind
from transport.seat import Seat
from transport.shares import RoomHold
from transport.throttle import Throttle

_KINDS: Final[dict[type[r.Request], Kind]] = {
    r.JoinRoom: Kind.JOIN,
    r.LeaveRoom: Kind.JOIN,
    r.RequestState: Kind.JOIN,
    r.ResumeRoom: Kind.RESUME,
    r.ValidateRoom: Kind.VALIDATION,
}


def admit(
    host: Host,
    throttle: Throttle,
    identity: Identity,
    person_of: Callable[[r.JoinRoom], str],
    request: r.Request,
) -> float:
    """For so many seconds the request is to be held back, 0 mostly. Raises RateLimited.

    A connection counts for the user of its newest join or resume. A token that is not good counts
    for nobody, nor does who has yet to say who he is; the request is still one of the connection.
    """
    kind = _KINDS.get(type(request))
    if kind is None:
        return 0.0
    if host.shares.limits_users and identity is not NOBODY:
        if isinstance(request, r.JoinRoom):
            throttle.speak_for(host.shares, person_of(request))
        elif isinstance(request, r.ResumeRoom):
            claims = verify(host.keys, request.token)
            if claims is not None and identity.user_id in (None, claims.person):
                lingers = host.roster.has(claims.room_id, claims.socket_id)
                throttle.speak_for(host.shares, claims.person, in_place_of_one=lingers)
    return throttle.admit(kind, host.clock.monotonic_s())


def hold_room(host: Host, seat: Seat, old: Seat | None) -> RoomHold | None:
    """For a join that takes `seat` and, when it is in, gives up `old`. Raises RateLimited."""
    leaving = old.room_id if old is not None and old.person == seat.person else None
    return host.shares.take_room(seat.person, seat.room_id, seat.socket_id, leaving)


def hold_again(host: Host, seat: Seat) -> RoomHold | None:
    """For a resume: once it sits, this is counted in place of the lost seat."""
    return host.shares.retake_room(seat.person, seat.room_id, seat.socket_id)
