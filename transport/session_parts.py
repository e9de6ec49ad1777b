"""What a session consists of: its link, its memory, its seat; and how these are gained and lost.

The base of `Session`, which takes requests up and answers them.
"""

from collections import deque
from typing import Final

from actors import messages as m
from actors.errors import BadMessage, RateLimited, Refusal
from actors.ids import RoomId, SocketId
from actors.permissions import NOT_ALLOWED, grant_for
from actors.players import Coordinate, LeaveReason
from transport import asking, encoding
from transport.host import Host
from transport.identity import ANONYMOUS, Identity
from transport.link import CloseCode, Link
from transport.moves import MoveGate
from transport.seat import Seat
from transport.sequences import SequenceMemory
from transport.throttle import Throttle


class SessionParts:
    """`socket_id` names it; a resume gives it the name of the session that it takes over."""

    __slots__ = (
        "_backlog", "_host", "_link", "_memory", "_moves", "_owes_proof", "_pending", "_serial",
        "_throttle", "congested", "heard", "identity", "seat", "socket_id",
    )  # fmt: skip

    def __init__(self, host: Host, link: Link, socket_id: SocketId) -> None:
        self._host: Final = host
        self._link: Link | None = link
        self.socket_id = socket_id
        self.identity = ANONYMOUS
        """Changed by `review` alone."""
        self.seat: Seat | None = None
        self.heard = False
        self.congested = False
        """Set by the connection while its outbox is past twice the bound: nothing is taken up."""
        self._serial = 0
        self._owes_proof = False
        self._pending: asking.Pending | None = None
        self._backlog: deque[bytes | bytearray] | None = None
        self._memory = SequenceMemory()
        self._throttle = Throttle(host.settings, host.clock.monotonic_s())
        self._moves: MoveGate | None = None  # until one is late, or not allowed: most never need it

    # -- its seat

    def _gate(self) -> MoveGate:
        """Made when it is needed first."""
        if self._moves is None:
            host = self._host
            self._moves = MoveGate(self._throttle, host.clock, host.settings.backlog_frames_max)
        return self._moves

    def _pass_on(self, seat: Seat, x: Coordinate, y: Coordinate) -> None:
        """A move to its room, at once if that takes it and no other one is late."""
        if self._moves is not None or not seat.mailbox.offer_lazily(m.Move(seat, x, y)):
            self._gate().pass_on(seat, x, y)

    def late_move(self, seat: Seat) -> tuple[Coordinate, Coordinate] | None:
        moves = self._moves
        return moves.late if moves is not None and seat is self.seat else None

    def supersede(self, seat: Seat) -> SequenceMemory:
        """A resume took over `seat`: this session ends, and its memory goes on there."""
        self._host.roster.rise(seat.room_id, seat)
        seat.kill()
        if self.seat is seat:
            self.seat = None
        elif self.seat is not None:  # it had switched meanwhile; that was the same person
            self.seat.mailbox.tell(m.Leave(self.seat, LeaveReason.LEFT))
            self._rise()
        self._close(CloseCode.REPLACED, "superseded by a resume of this session")
        # What is still under way here came too late, and its answer is nobody's.
        memory, self._memory = self._memory, SequenceMemory()
        return memory

    def _prove(self) -> None:
        """The first frame since the newest token: it arrived. The room is told where there is an
        older one that it makes void.
        """
        self.heard = True
        if self._owes_proof and self.seat is not None:
            self._owes_proof = False
            self.seat.mailbox.tell(m.Heard(self.seat, self._serial))

    def _sit(self, seat: Seat, serial: int) -> None:
        """Make `seat` the session's place, and leave the one before."""
        host = self._host
        old = self.seat
        if old is not seat:
            if old is not None:
                self._rise()
                old.mailbox.tell(m.Leave(old, LeaveReason.SWITCHED))
            self.seat = seat
            seat.mailbox = host.mailbox_of(seat.room_id)
            host.roster.sit(seat.room_id, seat)
            if seat.hold is not None:
                seat.hold.sit()
        self.heard = False
        self._serial = max(self._serial, serial)

    def _rise(self) -> None:
        """The session sits nowhere now; its seat is dead."""
        seat, self.seat = self.seat, None
        if self._moves is not None:
            self._moves.forget()
        if seat is not None:
            seat.kill()
            self._host.roster.rise(seat.room_id, seat)

    def review(self, identity: Identity) -> None:
        """From now on it may do what this says, where it sits, too. Who may not be there any more
        is out, and the connection lives on.
        """
        self.identity = identity
        pending, seat = self._pending, self.seat
        for held in {id(each): each for each in (seat, pending and pending.seat) if each}.values():
            held.have(grant_for(identity.grants, held.room_id))
        if self._moves is not None and seat is not None and not seat.may_move:
            self._moves.forget()
        self._yield()

    def _yield(self) -> None:
        """Get up, where its token does not allow it to sit there any more."""
        seat = self.seat
        if seat is not None and not seat.grant.allowed:
            self._rise()
            seat.mailbox.tell(m.Leave(seat, LeaveReason.KICKED))
            self._send("roomClosed", None, roomId=seat.room_id, reason=NOT_ALLOWED)

    # -- saying no, and ending

    def lost(self) -> None:
        """The connection is gone: the player stays for the grace. May be repeated."""
        seat = self.seat
        if self._end() and seat is not None:
            seat.mailbox.tell(m.Lost(seat))

    def _named(self) -> dict[str, str]:
        """What the log calls it; the user as its room sees it, for it may hide."""
        if self.seat is None:
            return {"socket_id": self.socket_id}
        return {"socket_id": self.socket_id, "user_id": self.seat.user_id}

    def _send(self, kind: str, number: int | None, **fields: object) -> None:
        if self._link is not None:
            self._link.send(encoding.message(kind, number, **fields))

    def _refuse(
        self,
        refusal: Refusal,
        number: int | None,
        seat: Seat | None = None,
        room_id: RoomId | None = None,
    ) -> None:
        """`seat` is the one that was asked for, else that of the session; `room_id` the room that
        the request named.
        """
        host = self._host
        about = seat or self.seat
        host.audit.refused(
            refusal.code,
            room_id if about is None else about.room_id,
            self.socket_id,
            None if about is None else about.person,
        )
        host.metrics.error_sent(refusal.code)
        code, reason = refusal.code, None if refusal.quotes else refusal.message
        host.log.debug("request_refused", **self._named(), error=code, reason=reason)
        if self._link is not None:
            self._link.send(encoding.error(refusal, number))
            if isinstance(refusal, BadMessage | RateLimited):
                self._offend(host.clock.monotonic_s())

    def _offend(self, now_s: float) -> None:
        if self._throttle.offend(now_s):
            self._host.log.warn("client_misbehaved", **self._named())
            link = self._link
            self.lost()
            if link is not None:
                link.close(CloseCode.POLICY, "too many bad or too frequent messages")

    def _close(self, code: CloseCode, reason: str) -> None:
        link = self._link
        self._end()
        if link is not None:
            link.close(code, reason)

    def _end(self) -> bool:
        """Cut the link; False when that was done before. A request under way stays noted, so
        that its outcome is known to whoever resumes.
        """
        if self._link is None:
            return False
        self._link = None
        self._backlog = None
        seat, pending = self.seat, self._pending
        self._throttle.speak_for_nobody()
        if pending is not None and pending.seat is not None and pending.seat is not seat:
            pending.seat.kill()
        if seat is not None:
            if self._moves is not None:
                self._moves.hand_over(seat)
            seat.kill(lost=True)
            self._host.roster.rise(seat.room_id, seat)
        return True
