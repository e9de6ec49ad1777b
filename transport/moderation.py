"""The requests of moderators: objects to checked acts. PURE.

Owns what a valid one is; what it comes to is the room's affair. A refusal names the field.
"""

from collections.abc import Callable
from typing import Final

from actors.errors import BadMessage
from actors.ids import NAME_EXPECTED, SOCKET_ID_CHARS_MAX, SocketId, parse_name
from actors.room_rules import BAN_S_MAX, PLAYERS_MAX, BanUser, KickPlayer, SetRoom, UnbanUser
from transport.fields import Fields, flag_in, name_in
from transport.requests import Moderate

ALLOW_USERS_MAX: Final = 16_384
"""Of one frame; how many a room keeps is a setting."""


def _parse_kick(fields: Fields) -> Moderate:
    socket_id, user_id = fields.get("socketId"), name_in(fields, "userId")
    if socket_id is not None and not (
        type(socket_id) is str and 0 < len(socket_id) <= SOCKET_ID_CHARS_MAX
    ):
        raise BadMessage("socketId", f"a string of 1-{SOCKET_ID_CHARS_MAX} characters")
    if (socket_id is None) is (user_id is None):
        raise BadMessage("socketId", "either a socketId or a userId")
    known = None if socket_id is None else SocketId(socket_id)
    return Moderate(KickPlayer(known, user_id, name_in(fields, "reason")))


def _parse_ban(fields: Fields) -> Moderate:
    reason, for_s = name_in(fields, "reason"), _count(fields, "forS", BAN_S_MAX)
    return Moderate(BanUser(_user_id(fields), reason, for_s))


def _parse_unban(fields: Fields) -> Moderate:
    return Moderate(UnbanUser(_user_id(fields)))


def _parse_set_room(fields: Fields) -> Moderate:
    act = SetRoom(
        flag_in(fields, "private"),
        _count(fields, "playersMax", PLAYERS_MAX),
        _allow(fields),
        name_in(fields, "owner"),
    )
    if act == SetRoom():
        raise BadMessage("private", "one of private, playersMax, allow and owner at least")
    return Moderate(act)


PARSERS: Final[dict[str, Callable[[Fields], Moderate]]] = {
    "kickPlayer": _parse_kick,
    "banUser": _parse_ban,
    "unbanUser": _parse_unban,
    "setRoom": _parse_set_room,
}


# -- fields


def _user_id(fields: Fields) -> str:
    user_id = name_in(fields, "userId")
    if user_id is None:
        raise BadMessage("userId", NAME_EXPECTED)
    return user_id


def _count(fields: Fields, field: str, high: int) -> int | None:
    value = fields.get(field)
    if value is not None and (type(value) is not int or not 1 <= value <= high):
        raise BadMessage(field, f"an integer from 1 to {high}")
    return value


def _allow(fields: Fields) -> tuple[str, ...] | None:
    value = fields.get("allow")
    if value is None:
        return None
    if type(value) is not list or len(value) > ALLOW_USERS_MAX:
        raise BadMessage("allow", "an array of userIds")
    for place, user_id in enumerate(value):
        if parse_name(user_id) is None:
            raise BadMessage(f"allow[{place}]", NAME_EXPECTED)
    return tuple(value)
