"""One client's life: who it is, the order of its requests, idempotent answers, its room.

No socket and no await: bytes come in through `receive`, frames go out through the link, requests
to rooms as messages, their answers back through seats. One request is under way at a time; what
arrives meanwhile waits in order. Nothing that a client sends raises past `receive`.

    idle -> joining -> joined <-> switching        (a refused join or switch goes back)
      ^        |          |
      `--------+--- left -+--- lost, superseded, evicted, drained -> gone
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from actors import messages as m
from actors.answers import Answer, Joined, Left, Permitted, Refused, Resumed
from actors.errors import BadMessage, Forbidden, NotInRoom, Refusal, Unavailable
from actors.faults import explained
from actors.ids import RoomId, parse_room_id
from actors.permissions import NOTHING, Permission
from actors.ports import Eviction, StateReason
from actors.privacy import Privacy
from transport import asking, encoding, quota, replies, wire
from transport import requests as r
from transport.fields import Fields
from transport.limits import Kind
from transport.link import CloseCode, fitting
from transport.seat import Seat
from transport.sequences import REPEAT, SILENT, Failed, Outcome, Repeat, Seated
from transport.session_parts import SessionParts

_NOTHING: Final[Fields] = {}


class Session(SessionParts):
    """As its connection and its seats see it. What it consists of is in session_parts.py."""

    __slots__ = ()

    # -- from the connection

    def greet(self) -> bytes:
        """The first frame."""
        return replies.welcome(self._host.settings, self.socket_id, self._host.clock.now_ms())

    def receive(self, raw: bytes | bytearray) -> None:
        """Take one text message. Raises UnicodeDecodeError where it is no UTF-8."""
        if not self.heard:
            self._prove()
        if self._pending is None and not self._backlog and not self.congested:
            self._take(raw)
            return
        raw.decode()
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(raw)
        if len(self._backlog) >= self._host.settings.backlog_frames_max and self._link is not None:
            self._link.hold()

    def charge(self) -> None:
        """A frame that is no message (a ping, a fragment) costs a token, too."""
        now_s = self._host.clock.monotonic_s()
        if not self._throttle.take(now_s):
            self._offend(now_s)

    def relieve(self) -> None:
        """The outbox has room again: what waited for that is taken up."""
        self.congested = False
        self._continue()

    def drained(self) -> None:
        """The outbox takes frames again that it had refused."""
        if self.seat is not None:
            self.seat.mailbox.tell(m.Drained(self.seat))

    def drain(self, reconnect_after_ms: int) -> None:
        """The server itself is going: say when to come back, and tell no room of a loss."""
        self._send("serverDraining", None, reconnectAfterMs=reconnect_after_ms)
        self._host.roster.close()
        self._end()

    # -- from the rooms, through seats

    def on_answer(self, seat: Seat, answer: Answer) -> None:
        """The answer to the request under way; late and foreign ones have no effect."""
        pending = self._pending
        if isinstance(answer, Refused) and answer.unasked:
            if seat is self.seat:
                self._refuse(answer.refusal, None)
            return
        if pending is None or pending.seat is not seat:
            return
        self._pending = None
        if isinstance(answer, Joined | Resumed) and answer.succeeds is not None:
            self._succeed(seat, answer.succeeds)
        self._memory.settle(pending.number, replies.outcome_of(seat, answer))
        if self._link is not None:
            self._reply(seat, answer, pending.number)
        elif isinstance(answer, Joined | Resumed):  # its player is there, and lost already
            self._host.shares.lose_room(seat.person, seat.room_id, seat.socket_id)
        if self._backlog and self._link is not None:
            self._link.defer(self._continue)

    def on_state(self, seat: Seat, state: bytes, reason: StateReason) -> None:
        if self._link is not None and seat is self.seat:
            self._link.send_state(
                *encoding.room_state(
                    seat.room_id, seat.socket_id, state, reason, self._host.grace_ms, None
                )
            )

    def on_evicted(self, seat: Seat, reason: Eviction, detail: str) -> None:
        """The room let go of this session."""
        if seat is not self.seat:
            return
        match reason:
            case Eviction.CLOSED:
                self._rise()
                if self._link is not None:
                    self._link.send(
                        encoding.message("roomClosed", roomId=seat.room_id, reason=detail)
                    )
            case Eviction.REPLACED | Eviction.KICKED:
                self._rise()
                kicked = reason is Eviction.KICKED
                self._close(CloseCode.KICKED if kicked else CloseCode.REPLACED, fitting(detail))

    def on_fault(self, error: Exception) -> None:
        """A bug of ours in what this session does: the connection ends, the room lives."""
        self._host.log.error("session_failed", **self._named(), error=explained(error))
        link = self._link
        self.lost()
        if link is not None:
            link.close(CloseCode.INTERNAL, "internal error")

    # -- one request

    def _take(self, raw: bytes | bytearray) -> None:
        number: int | None = None
        late_s = 0.0
        fields: Fields = _NOTHING
        now_s = self._host.clock.monotonic_s()
        allowed = self._throttle.take(now_s)
        try:
            fields = wire.decode(raw)
            seat = self.seat
            if allowed and seat is not None and seat.may_move:
                position = wire.plain_move(fields)
                if position is not None:
                    self._pass_on(seat, *position)
                    return
            number = wire.sequence_of(fields)
            if not allowed:
                late_s = self._over_rate(fields, number, now_s)
            known = None if number is None else self._memory.recall(number)
            if known is not None and not isinstance(known, Repeat):
                late_s = max(late_s, self._admit_copy(known, now_s))
                if late_s:
                    self._hold_back(fields, number, late_s, lambda: self._repeat(known, number))
                else:
                    self._repeat(known, number)
                return
            request = wire.parse(fields, len(raw))
            if isinstance(request, r.MoveTo):
                self._move(request, allowed)
                self._memory.settle(number, SILENT)
                return
            self._memory.settle(number, REPEAT)
            if "timestamp" in fields:
                at = fields["timestamp"]
                self._host.log.debug("request_timed", **self._named(), clientTime=at)
            late_s = max(late_s, self._admit(request))
            if late_s:
                self._hold_back(fields, number, late_s, lambda: self._dispatch(request, number))
            else:
                self._dispatch(request, number)
        except Refusal as refusal:
            self._decline(refusal, number, parse_room_id(fields.get("roomId")))

    def _over_rate(self, fields: Fields, number: int | None, now_s: float) -> float:
        """For so many seconds the message is to be held back. Raises RateLimited, but never for a
        move of somebody who sits, unless that is refused anyway: many are read more slowly.
        """
        seat, link, memory = self.seat, self._link, self._memory
        is_move = wire.is_move(fields) and not memory.is_stale(number)
        if seat is None or link is None or not is_move:
            return self._throttle.admit(Kind.MESSAGE, now_s)
        if memory.is_copy(number) or not seat.may_move:
            self._gate().pass_over(link)
        return 0.0

    def _admit(self, request: r.Request) -> float:
        return quota.admit(self._host, self._throttle, self.identity, self.person_of, request)

    def _admit_copy(self, known: Outcome, now_s: float) -> float:
        """A copy that gets the whole state is limited as all that do."""
        seat = self.seat
        if isinstance(known, Seated) and seat is not None and seat.room_id == known.room_id:
            return self._throttle.admit(Kind.JOIN, now_s)
        return 0.0

    def _hold_back(
        self, fields: Fields, number: int | None, late_s: float, act: Callable[[], object]
    ) -> None:
        """It came too early: it is under way, and what comes after it waits, until its time."""
        self._pending = held = asking.Pending(None, number)

        def take_up() -> None:
            if self._pending is not held or self._link is None:
                return
            self._pending = None
            try:
                act()
            except Refusal as refusal:
                self._decline(refusal, number, parse_room_id(fields.get("roomId")))
            self._continue()

        if self._link is not None:
            self._link.call_later(late_s, take_up)

    def _decline(self, refusal: Refusal, number: int | None, room_id: RoomId | None) -> None:
        self._memory.settle(number, REPEAT if refusal.retryable else Failed(refusal))
        self._refuse(refusal, number, room_id=room_id)

    def _dispatch(self, request: r.Request, number: int | None) -> None:
        match request:
            case r.JoinRoom():
                self._join(request, number)
            case r.ResumeRoom():
                self._resume(request, number)
            case r.MoveTo():
                self._move(request, True)
            case r.Authenticate():
                guest = f"guest-{self.socket_id}"
                self._send(
                    "authenticated", number, userId=self.seat.user_id if self.seat else guest
                )
            case r.CheckPermission(room_id):
                self._check(room_id, number)
            case r.Ping(t):
                fields = {} if t is None else {"t": t}
                now_ms = self._host.clock.now_ms()
                self._send("pong", number, **fields, serverTime=encoding.rfc3339(now_ms))
            case _:
                self._ask(request, number)

    def person_of(self, request: r.JoinRoom) -> str:
        """Whom the client speaks for. Raises Forbidden where it may not."""
        return asking.person_of(self.identity, request, self.socket_id)

    def _join(self, request: r.JoinRoom, number: int | None) -> None:
        seat, person = self.seat, self.person_of(request)
        if seat is None or seat.room_id != request.room_id:
            room_id, privacy = request.room_id, request.privacy
            seat = asking.new_seat(
                self._host,
                self,
                self.identity.grants,
                self._link,
                room_id,
                self.socket_id,
                person,
                privacy,
            )
        asking.must(seat, Permission.JOIN)
        if seat is not self.seat:
            seat.hold = quota.hold_room(self._host, seat, self.seat)
        self._post(seat, asking.join_message(self._host, seat, request, self._serial + 1), number)

    def _resume(self, request: r.ResumeRoom, number: int | None) -> None:
        if self.seat is not None:
            raise BadMessage("type", "no resume on a connection that sits in a room")
        claims = asking.verified_claims(self._host, self.identity, request)
        seat = asking.seat_of(self._host, self, self.identity.grants, self._link, claims)
        asking.must(seat, Permission.JOIN)
        seat.hold = quota.hold_again(self._host, seat)
        self._post(seat, asking.resume_message(self._host, seat, claims, request), number)

    def _check(self, room_id: RoomId, number: int | None) -> None:
        """The room is asked only where the token does not say no already."""
        seat, host, identity = self.seat, self._host, self.identity
        person = identity.user_id or (seat.person if seat else f"guest-{self.socket_id}")
        asked = asking.new_seat(
            host, self, identity.grants, self._link, room_id, self.socket_id, person, Privacy()
        )
        if asked.grant.allowed:
            self._post(asked, asking.check_message(host, asked), number)
        elif self._link is not None:
            self._link.send(encoding.permitted(room_id, NOTHING, number))

    def _move(self, request: r.MoveTo, allowed: bool) -> None:
        if self.seat is None or self._link is None:
            raise NotInRoom("the session is in no room")
        if not self.seat.may_move:
            if self._gate().is_no_due(self._host.clock.monotonic_s()):
                raise Forbidden("moves are not allowed")
        elif allowed:
            self._pass_on(self.seat, request.x, request.y)
        else:
            self._gate().coalesce(self._link, self.seat, request.x, request.y)

    # -- requests to rooms

    def _ask(self, request: asking.InRoom, number: int | None) -> None:
        message = asking.message_in_room(self.seat, request)
        assert self.seat is not None
        self._post(self.seat, message, number)

    def _post(self, seat: Seat, message: object, number: int | None) -> None:
        if not seat.mailbox.offer(message):
            if seat is not self.seat:
                seat.kill()
            raise Unavailable("the room has too much to do", retry_after_ms=1000)
        self._pending = asking.Pending(seat, number)

    # -- answers

    def _reply(self, seat: Seat, answer: Answer, number: int | None) -> None:
        link = self._link
        assert link is not None
        token = ""
        match answer:
            case Joined(serial=serial, stamp=stamp) | Resumed(serial=serial, stamp=stamp):
                self._sit(seat, serial)
                self._owes_proof = not (isinstance(answer, Joined) and answer.fresh)
                token = asking.token_for(self._host, seat, serial, stamp)
            case Permitted():
                seat.kill()
            case Left() if seat is self.seat:
                self._rise()
            case Refused(refusal):
                if seat is not self.seat:
                    seat.kill()
                self._refuse(refusal, number, seat)
                return
        parts, is_state = replies.frame_of(seat, answer, number, token, self._host.grace_ms)
        if is_state:
            link.send_state(*parts)
        else:
            link.send(*parts)
        if isinstance(answer, Joined | Resumed):
            self._yield()  # its token may have changed since it asked

    def _succeed(self, seat: Seat, old: object) -> None:
        """Take over the session of `old`: its name and its memory. It may be this one, where the
        room could not answer what had seated it.
        """
        self.socket_id = seat.socket_id
        if isinstance(old, Seat) and old.session is not self:
            late = old.session.late_move(old)
            self._memory = old.session.supersede(old)
            if late is not None and self._link is not None:
                self._gate().coalesce(self._link, seat, *late)

    def _continue(self) -> None:
        """Take up what waited, until a request is under way again."""
        backlog = self._backlog
        if not backlog:
            return  # where reading stopped, it was for something else
        while backlog and not (self._pending or self.congested) and self._link is not None:
            self._take(backlog.popleft())
        if not backlog and self._link is not None:
            self._link.release()

    def _repeat(self, known: Outcome, number: int | None) -> None:
        """Answer a copy of a request that had its effect; a join with the present state, unless
        the session has moved on.
        """
        seat = self.seat
        if isinstance(known, Failed):
            self._refuse(known.refusal, number)
        elif isinstance(known, Seated) and seat is not None and seat.room_id == known.room_id:
            self._post(seat, asking.rejoin_message(self._host, seat), number)
        else:
            frame = replies.frame_of_copy(known, number, seat is not None)
            if frame is not None and self._link is not None:
                self._link.send(frame)
