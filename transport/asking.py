"""What a session asks of rooms: the seat, the message, and the token to come back with.

Makes values only; the session decides when, and sends.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from actors import messages as m
from actors.errors import Forbidden, NotInRoom, ResumeExpired
from actors.ids import RoomId, SocketId
from actors.permissions import NOT_ALLOWED, Grants, Permission, grant_for
from actors.players import LeaveReason
from actors.privacy import Privacy, shown_user_id
from actors.records import Stamp
from actors.tokens import ResumeClaims, mint, verify
from transport import requests as r
from transport.host import Host
from transport.identity import Identity
from transport.link import Link
from transport.seat import Seat, Sitter

_LEFT: Final = LeaveReason.LEFT


@dataclass(init=False, slots=True, unsafe_hash=True)
class Pending:
    """The request under way. `number` is its sequenceId, None when it has none. Without a `seat` it
    is held back, and no room knows of it yet.
    """

    seat: Final[Seat | None]
    number: Final[int | None]

    def __init__(self, seat: Seat | None, number: int | None) -> None:
        self.seat = seat
        self.number = number


def person_of(identity: Identity, request: r.JoinRoom, socket_id: SocketId) -> str:
    """Who sits down. Raises Forbidden where somebody vouches, and for another."""
    if identity.user_id is None:
        return request.user_id or f"guest-{socket_id}"
    if request.user_id not in (None, identity.user_id):
        raise Forbidden("userId: expected none, or the sub of the token")
    return identity.user_id


def new_seat(
    host: Host,
    session: Sitter,
    grants: Grants,
    link: Link | None,
    room_id: RoomId,
    socket_id: SocketId,
    person: str,
    privacy: Privacy,
) -> Seat:
    """A seat that waits for the room's answer. Its grant may say that none is to be asked for."""
    shown = shown_user_id(host.keys.pseudonym, room_id, person, privacy)
    mailbox, grant = host.mailbox_for(room_id), grant_for(grants, room_id)
    return Seat(session, link, room_id, mailbox, socket_id, person, shown, privacy, grant)


def join_message(host: Host, seat: Seat, request: r.JoinRoom, first_serial: int = 1) -> m.Join:
    """Valid until `join_timeout_s` from now."""
    profile = m.Profile(
        seat.user_id,
        request.display_name,
        request.x,
        request.y,
        request.attributes,
        request.privacy.hide_position,
        seat.person,
    )
    now_s = host.clock.monotonic_s()
    deadline_s = now_s + host.settings.join_timeout_s
    return m.Join(seat, seat.room_id, profile, now_s, deadline_s, first_serial)


def seat_of(
    host: Host, session: Sitter, grants: Grants, link: Link | None, claims: ResumeClaims
) -> Seat:
    """The seat of who comes back with a token."""
    room_id, socket_id = claims.room_id, claims.socket_id
    person, privacy = claims.person, claims.privacy
    return new_seat(host, session, grants, link, room_id, socket_id, person, privacy)


def must(seat: Seat, permission: Permission) -> None:
    """Raises Forbidden where the token lacks `permission` there."""
    if permission not in seat.grant.permissions:
        raise Forbidden(NOT_ALLOWED)


def check_message(host: Host, seat: Seat) -> m.Check:
    """What may the person of `seat` do there? The seat is never sat in."""
    deadline_s = host.clock.monotonic_s() + host.settings.join_timeout_s
    return m.Check(seat, seat.room_id, seat.person, deadline_s)


InRoom = (
    r.SetReady
    | r.UpdatePlayer
    | r.SendMessage
    | r.ValidateRoom
    | r.RequestState
    | r.Moderate
    | r.LeaveRoom
)
"""Requests of somebody who sits in a room; moves are apart, since they are not answered."""


def message_in_room(seat: Seat | None, request: InRoom) -> m.Request:
    """`request` as the room gets it. Raises NotInRoom without a seat there, Forbidden where the
    token does not allow it; whether somebody moderates the room itself knows.
    """
    if seat is None:
        raise NotInRoom("the session is in no room")
    match request:
        case r.SetReady():
            return m.Ready(seat)
        case r.UpdatePlayer(display_name, attributes):
            return m.Update(seat, display_name, attributes)
        case r.SendMessage(event, data):
            must(seat, Permission.MESSAGE)
            return m.Say(seat, event, data)
        case r.ValidateRoom(room_id, claim):
            if room_id != seat.room_id:
                raise NotInRoom("roomId: expected the room that the session is in")
            return m.Validate(seat, claim)
        case r.RequestState():
            return m.Describe(seat)
        case r.Moderate(act):
            return m.Moderate(seat, act)
        case r.LeaveRoom():
            return m.Leave(seat, _LEFT)
        case _:
            assert_never(request)


def rejoin_message(host: Host, seat: Seat) -> m.Join:
    """A join of somebody who sits there: answered with the present state, changes nothing."""
    request = r.JoinRoom(seat.room_id, seat.person, None, 0.0, 0.0, {}, seat.privacy)
    return join_message(host, seat, request)


def verified_claims(host: Host, identity: Identity, request: r.ResumeRoom) -> ResumeClaims:
    """What the token says. Raises ResumeExpired where it is forged, another room's, or another
    user's than who came.
    """
    claims = verify(host.keys, request.token)
    is_own = claims is not None and identity.user_id in (None, claims.person)
    if claims is None or claims.room_id != request.room_id or not is_own:
        host.metrics.resume_ended("expired")
        raise ResumeExpired("the token is not one of this room")
    return claims


def resume_message(host: Host, seat: Seat, claims: ResumeClaims, request: r.ResumeRoom) -> m.Resume:
    """Valid until `join_timeout_s` from now."""
    now_s = host.clock.monotonic_s()
    hidden = claims.privacy.hide_position
    profile = m.Profile(seat.user_id, None, 0.0, 0.0, {}, hidden, claims.person)
    return m.Resume(
        seat,
        claims.room_id,
        claims.socket_id,
        claims.serial,
        request.epoch,
        request.version,
        now_s,
        now_s + host.settings.join_timeout_s,
        profile,
        claims.stamp,
    )


def token_for(host: Host, seat: Seat, serial: int, stamp: Stamp) -> str:
    """The resume token of who sits in `seat`."""
    claims = ResumeClaims(seat.room_id, seat.socket_id, seat.person, seat.privacy, serial, stamp)
    return mint(host.keys, claims)
