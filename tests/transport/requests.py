"""One valid request of every type, and how a test takes it through the wire module."""

import json
from typing import Any, Final

from transport.requests import Request
from transport.wire import decode, parse, sequence_of

JOIN: Final[dict[str, Any]] = {
    "type": "joinRoomGameSpace",
    "roomId": "lobby",
    "userId": "ann",
    "displayName": "Ann",
    "position": {"x": 1, "y": 2.5},
    "attributes": {"colour": "red"},
    "privacy": {"hideUserId": False, "hidePosition": True},
}
VALIDATE: Final[dict[str, Any]] = {
    "type": "validateRoomState",
    "roomId": "lobby",
    "expectedPlayers": ["AAAA", "BBBB"],
    "epoch": 3,
    "version": 7,
    "checksum": "6a5028f9",
}
RESUME: Final[dict[str, Any]] = {
    "type": "resumeRoomGameSpace",
    "roomId": "lobby",
    "resumeToken": "t.t",
    "epoch": 3,
    "version": 7,
}
MOVE: Final[dict[str, Any]] = {"type": "move", "x": 1, "y": 2.5}
UPDATE: Final[dict[str, Any]] = {
    "type": "updatePlayer",
    "displayName": "Ann",
    "attributes": {"colour": "red"},
}
SAY: Final[dict[str, Any]] = {"type": "sendRoomMessage", "event": "chat", "data": {"text": "hi"}}
AUTHENTICATE: Final[dict[str, Any]] = {"type": "authenticate", "token": "t"}
CHECK: Final[dict[str, Any]] = {"type": "checkRoomPermission", "roomId": "lobby"}
PING: Final[dict[str, Any]] = {"type": "ping", "t": 5}
READY: Final[dict[str, Any]] = {"type": "ready"}
STATE: Final[dict[str, Any]] = {"type": "requestRoomState"}
LEAVE: Final[dict[str, Any]] = {"type": "leaveRoomGameSpace"}
KICK: Final[dict[str, Any]] = {"type": "kickPlayer", "socketId": "AAAA", "reason": "spam"}
BAN: Final[dict[str, Any]] = {"type": "banUser", "userId": "ann", "reason": "spam", "forS": 60}
UNBAN: Final[dict[str, Any]] = {"type": "unbanUser", "userId": "ann"}
SET_ROOM: Final[dict[str, Any]] = {
    "type": "setRoom",
    "private": True,
    "playersMax": 8,
    "allow": ["ann", "zoë"],
    "owner": "ann",
}

ALL: Final = (
    JOIN,
    VALIDATE,
    RESUME,
    MOVE,
    UPDATE,
    SAY,
    AUTHENTICATE,
    CHECK,
    PING,
    READY,
    STATE,
    LEAVE,
    KICK,
    BAN,
    UNBAN,
    SET_ROOM,
)
"""Every type that the protocol knows, once, with every field that it may have."""


def encoded(request: object) -> bytes:
    """As a client would send it."""
    return json.dumps(request).encode()


def taken(request: object) -> Request:
    """`request` through all that the wire module does with a frame."""
    return taken_bytes(encoded(request))


def taken_bytes(raw: bytes) -> Request:
    """As `taken`, of a frame's own bytes."""
    fields = decode(raw)
    sequence_of(fields)
    return parse(fields, len(raw))


def changed(request: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of `request` whose field at the dotted `path` is `value`."""
    copy: dict[str, Any] = json.loads(json.dumps(request))
    *outer, last = path.split(".")
    inner = copy
    for name in outer:
        inner = inner[name]
    inner[last] = value
    return copy


def without(request: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy of `request` that lacks the field at the dotted `path`."""
    copy = changed(request, path, None)
    *outer, last = path.split(".")
    inner = copy
    for name in outer:
        inner = inner[name]
    del inner[last]
    return copy
