"""Answers of rooms as frames for one client, and what of them is remembered. PURE.

Owns how an answer is said and how a copy of its request is to be answered. Moves no session.
"""

from typing import assert_never

from actors.answers import (
    Answer,
    Described,
    Done,
    Joined,
    Left,
    Permitted,
    Refused,
    Resumed,
    Validated,
)
from actors.ids import SocketId
from actors.ports import StateReason
from actors.settings import Settings
from transport import encoding
from transport.encoding import Parts
from transport.seat import Seat
from transport.sequences import (
    REPEAT,
    Departed,
    Failed,
    Finished,
    Outcome,
    Repeat,
    Seated,
    Silent,
)


def frame_of(
    seat: Seat, answer: Answer, number: int | None, token: str, grace_ms: int
) -> tuple[Parts, bool]:
    """The frame in parts, and whether it holds a whole state. `token` goes with a join or resume
    only.
    """
    room_id, socket_id = seat.room_id, seat.socket_id
    match answer:
        case Joined():
            return encoding.joined(room_id, socket_id, answer, token, grace_ms, number), True
        case Left():
            return (encoding.message("roomGameSpaceLeft", number, roomId=room_id),), False
        case Done(version):
            return (encoding.message("ok", number, version=version),), False
        case Resumed():
            return (encoding.resumed(room_id, socket_id, answer, token, number),), False
        case Described(state):
            reason = StateReason.REQUESTED
            return encoding.room_state(room_id, socket_id, state, reason, grace_ms, number), True
        case Validated(verdict):
            return encoding.validated(room_id, answer, number), not verdict.valid
        case Permitted(grant):
            return (encoding.permitted(room_id, grant, number),), False
        case Refused(refusal):
            return (encoding.error(refusal, number),), False
        case _:
            assert_never(answer)


def outcome_of(seat: Seat, answer: Answer) -> Outcome:
    """What a copy of the request is to be answered with."""
    match answer:
        case Joined(version=version) | Resumed(version=version):
            return Seated(seat.room_id, version)
        case Left(version):
            return Departed(seat.room_id, version)
        case Done(version):
            return Finished(version)
        case Refused(refusal):
            return REPEAT if refusal.retryable else Failed(refusal)
        case Described() | Validated() | Permitted():
            return REPEAT
        case _:
            assert_never(answer)


def frame_of_copy(known: Outcome, number: int | None, seated: bool) -> bytes | None:
    """What a copy gets where there is no present state to show. `seated`: the session sits in
    some room now, which a copy of an older leave must not seem to end.
    """
    match known:
        case Finished(version) | Seated(version=version):
            return encoding.message("ok", number, version=version)
        case Departed(version=version) if seated:
            return encoding.message("ok", number, version=version)
        case Departed(room_id):
            return encoding.message("roomGameSpaceLeft", number, roomId=room_id)
        case Failed(refusal):
            return encoding.error(refusal, number)
        case Silent() | Repeat():
            return None
        case _:
            assert_never(known)


def welcome(settings: Settings, socket_id: SocketId, now_ms: int) -> bytes:
    """The first frame of a connection: its name, and what it has to know of the settings."""
    return encoding.message(
        "welcome",
        socketId=socket_id,
        protocol=1,
        serverTime=encoding.rfc3339(now_ms),
        auth=settings.auth.value,
        heartbeatMs=round(settings.heartbeat_s * 1000),
        limits={
            "messageBytesMax": settings.message_bytes_max,
            "messagesPerS": _number(settings.messages_per_s),
            "messagesBurst": _number(settings.messages_burst),
            "joinsPerS": _number(settings.joins_per_s),
            "joinsBurst": _number(settings.joins_burst),
            "playersMax": settings.players_max,
            "outboxBytesMax": settings.outbox_bytes_max,
            "slowReaderS": _number(settings.slow_reader_s),
            "connectionsPerIpMax": settings.connections_per_ip_max,
            "connectionsMax": settings.connections_max,
        },
    )


def _number(setting: float) -> float | int:
    """As it was most likely written: 5, not 5.0."""
    whole = int(setting)
    return whole if whole == setting else setting
