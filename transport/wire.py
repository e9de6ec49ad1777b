"""The requests of the wire contract: bytes to checked values. The only file that knows orjson.

Owns what a valid request is. Every limit of the contract on a client's frame is held here, before
anything else sees it: depth, keys, sizes, finite numbers. Knows no session and no room. What it
raises is always a refusal that names the field and what was expected.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from actors.errors import BadMessage, UnsupportedType
from actors.history import Claim
from actors.ids import SocketId
from actors.players import Coordinate
from actors.privacy import NOTHING_HIDDEN, Privacy
from actors.tokens import TOKEN_CHARS_MAX
from transport.fields import (
    COORDINATE_MAX,
    INTEGER_MAX,
    Fields,
    coordinate_in,
    integer_in,
    name_in,
    room_id_in,
)
from transport.identity import JWT_CHARS_MAX
from transport.moderation import PARSERS as MODERATION
from transport.requests import (
    Authenticate,
    CheckPermission,
    JoinRoom,
    LeaveRoom,
    MoveTo,
    Ping,
    Request,
    RequestState,
    ResumeRoom,
    SendMessage,
    SetReady,
    UpdatePlayer,
    ValidateRoom,
)

JSON_DEPTH_MAX: Final = 16
JSON_KEYS_MAX: Final = 256
"""Keys of all objects in one frame together."""
ATTRIBUTES_BYTES_MAX: Final = 1024
DATA_BYTES_MAX: Final = 8192
EVENT_CHARS_MAX: Final = 64
EXPECTED_PLAYERS_MAX: Final = 16_384

_RFC3339: Final = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)"
    r"(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)

_CHECKSUM: Final = re.compile(r"[0-9a-f]{8}")
_NO_ATTRIBUTES: Final[Mapping[str, object]] = {}

_LEAVE: Final = LeaveRoom()

Fragment = orjson.Fragment
"""Already encoded JSON, to be put into more JSON as it is."""


def dumps(value: object, default: Callable[[Any], Any] | None = None) -> bytes:
    """Compact UTF-8 JSON. Raises TypeError for what JSON cannot say."""
    return orjson.dumps(value, default)


# -- decoding, in two steps: what every request has, so that a refusal can say what it replies to


def decode(raw: bytes | bytearray) -> Fields:
    """The frame as an object; all its numbers are finite, since orjson takes no others.

    Raises BadMessage; UnicodeDecodeError where it is no UTF-8.
    """
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raw.decode()  # not text at all: the connection's fault, not the message's
        raise BadMessage(None, "a JSON object") from None
    if type(fields) is not dict:
        raise BadMessage(None, "a JSON object")
    return fields


def sequence_of(fields: Fields) -> int | None:
    """The request's number, None when it has none. Raises BadMessage."""
    value = fields.get("sequenceId")
    if value is None and "sequenceId" not in fields:
        return None
    if type(value) is not int or not 1 <= value <= INTEGER_MAX:
        raise BadMessage("sequenceId", f"an integer from 1 to {INTEGER_MAX}")
    return value


def plain_move(fields: Fields) -> tuple[Coordinate, Coordinate] | None:
    """Position of a valid move that has no other fields, else None. The shortcut of the most
    frequent message: for everything it does not answer there is `parse`.
    """
    if len(fields) != 3 or fields.get("type") != "move":
        return None
    x, y = fields.get("x"), fields.get("y")
    if (
        (type(x) is int or type(x) is float)
        and (type(y) is int or type(y) is float)
        and -COORDINATE_MAX <= x <= COORDINATE_MAX
        and -COORDINATE_MAX <= y <= COORDINATE_MAX
    ):
        return x, y
    return None


def is_move(fields: Fields) -> bool:
    """Whether it asks for a move, valid or not."""
    return fields.get("type") == "move"


def parse(fields: Fields, raw_size: int) -> Request:
    """The request in `fields`. `raw_size` is the frame's, in bytes.

    Raises BadMessage or UnsupportedType.
    """
    kind = fields.get("type")
    if type(kind) is not str:
        raise BadMessage("type", "a string")
    if raw_size > 2 * JSON_DEPTH_MAX:  # a shorter frame cannot be too deep
        _check_shape(fields)
    timestamp = fields.get("timestamp")
    if "timestamp" in fields and not (
        isinstance(timestamp, str) and len(timestamp) <= 64 and _RFC3339.fullmatch(timestamp)
    ):
        raise BadMessage("timestamp", "an RFC 3339 time")
    parser = _PARSERS.get(kind)
    if parser is None:
        raise UnsupportedType(f"type: {kind[:64]!r} is not a request")
    return parser(fields)


def _check_shape(fields: Fields) -> None:
    """Raises BadMessage where `fields` is deeper or has more keys than the bounds, O(size)."""
    keys = 0
    level: list[Any] = [fields]
    for _ in range(JSON_DEPTH_MAX):
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                keys += len(item)
                below += item.values()
            elif type(item) is list:
                below += item
        if keys > JSON_KEYS_MAX:
            raise BadMessage(None, f"at most {JSON_KEYS_MAX} keys")
        level = below
        if not level:
            return
    if any(type(item) in (dict, list) for item in level):
        raise BadMessage(None, f"JSON at most {JSON_DEPTH_MAX} levels deep")


def _parse_authenticate(fields: Fields) -> Authenticate:
    return Authenticate(_token(fields, "token", JWT_CHARS_MAX))


def _parse_check(fields: Fields) -> CheckPermission:
    return CheckPermission(room_id_in(fields))


def _parse_join(fields: Fields) -> JoinRoom:
    position = fields.get("position")
    x: Coordinate = 0.0
    y: Coordinate = 0.0
    if position is not None:
        if type(position) is not dict:
            raise BadMessage("position", "an object with x and y")
        x = coordinate_in(position, "x", "position.x")
        y = coordinate_in(position, "y", "position.y")
    privacy = fields.get("privacy")
    if privacy is not None and type(privacy) is not dict:
        raise BadMessage("privacy", "an object")
    return JoinRoom(
        room_id_in(fields),
        name_in(fields, "userId"),
        name_in(fields, "displayName"),
        x,
        y,
        _attributes(fields) or _NO_ATTRIBUTES,
        NOTHING_HIDDEN
        if privacy is None
        else Privacy(_flag(privacy, "hideUserId"), _flag(privacy, "hidePosition")),
    )


def _parse_ready(fields: Fields) -> SetReady:
    return SetReady()


def _parse_move(fields: Fields) -> MoveTo:
    return MoveTo(coordinate_in(fields, "x"), coordinate_in(fields, "y"))


def _parse_update(fields: Fields) -> UpdatePlayer:
    update = UpdatePlayer(name_in(fields, "displayName"), _attributes(fields))
    if update.display_name is None and update.attributes is None:
        raise BadMessage("displayName", "a new displayName, or attributes, or both")
    return update


def _parse_message(fields: Fields) -> SendMessage:
    event = fields.get("event")
    if type(event) is not str or not 0 < len(event) <= EVENT_CHARS_MAX:
        raise BadMessage("event", f"a string of 1-{EVENT_CHARS_MAX} characters")
    if "data" not in fields:
        raise BadMessage("data", "any JSON")
    return SendMessage(event, _encoded(fields, "data", DATA_BYTES_MAX))


def _parse_validate(fields: Fields) -> ValidateRoom:
    expected = fields.get("expectedPlayers")
    players = None
    if expected is not None:
        if (
            type(expected) is not list
            or len(expected) > EXPECTED_PLAYERS_MAX
            or not all(type(key) is str for key in expected)
        ):
            raise BadMessage("expectedPlayers", "an array of socketIds")
        players = frozenset(SocketId(key) for key in expected)
    claim = Claim(
        players,
        integer_in(fields, "epoch", required=False),
        integer_in(fields, "version", required=False),
        _checksum(fields),
    )
    if players is None and None in (claim.epoch, claim.version, claim.checksum):
        raise BadMessage("expectedPlayers", "socketIds, or epoch, version and checksum")
    return ValidateRoom(room_id_in(fields), claim)


def _parse_state(fields: Fields) -> RequestState:
    return RequestState()


def _parse_resume(fields: Fields) -> ResumeRoom:
    epoch = integer_in(fields, "epoch")
    version = integer_in(fields, "version")
    assert epoch is not None
    assert version is not None
    return ResumeRoom(
        room_id_in(fields), _token(fields, "resumeToken", TOKEN_CHARS_MAX), epoch, version
    )


def _parse_leave(fields: Fields) -> LeaveRoom:
    return _LEAVE


def _parse_ping(fields: Fields) -> Ping:
    return Ping(_encoded(fields, "t", DATA_BYTES_MAX) if "t" in fields else None)


_PARSERS: Final[dict[str, Callable[[Fields], Request]]] = {
    "authenticate": _parse_authenticate,
    "checkRoomPermission": _parse_check,
    "joinRoomGameSpace": _parse_join,
    "ready": _parse_ready,
    "move": _parse_move,
    "updatePlayer": _parse_update,
    "sendRoomMessage": _parse_message,
    "validateRoomState": _parse_validate,
    "requestRoomState": _parse_state,
    "resumeRoomGameSpace": _parse_resume,
    "leaveRoomGameSpace": _parse_leave,
    "ping": _parse_ping,
    **MODERATION,
}


# -- fields


def _token(fields: Fields, name: str, chars_max: int) -> str:
    value = fields.get(name)
    if type(value) is not str or not 0 < len(value) <= chars_max:
        raise BadMessage(name, f"a string of 1-{chars_max} characters")
    return value


def _checksum(fields: Fields) -> str | None:
    value = fields.get("checksum")
    if value is None:
        return None
    if type(value) is not str or _CHECKSUM.fullmatch(value) is None:
        raise BadMessage("checksum", "8 lowercase hex digits")
    return value


def _flag(privacy: Fields, name: str) -> bool:
    value = privacy.get(name, False)
    if type(value) is not bool:
        raise BadMessage(f"privacy.{name}", "true or false")
    return value


def _attributes(fields: Fields) -> Mapping[str, object] | None:
    value = fields.get("attributes")
    if value is None:
        return None
    if type(value) is not dict:
        raise BadMessage("attributes", "an object")
    _encoded(fields, "attributes", ATTRIBUTES_BYTES_MAX)
    return value


def _encoded(fields: Fields, name: str, bytes_max: int) -> Fragment:
    encoded = orjson.dumps(fields[name])
    if len(encoded) > bytes_max:
        raise BadMessage(name, f"at most {bytes_max} bytes of JSON")
    return Fragment(encoded)
