"""The names of things: rooms, sessions, users, and the one parser of each.

Owns what a valid name is. Knows nothing of wires or rooms; imported by everybody, imports nobody.
"""

import re
from typing import Final, NewType

RoomId = NewType("RoomId", str)
SocketId = NewType("SocketId", str)
"""Names a session (not a TCP connection): it survives a resume."""
UserId = NewType("UserId", str)
"""Names a person, as the others in the room see it."""

NAME_CHARS_MAX: Final = 128
SOCKET_ID_CHARS_MAX: Final = 12

ROOM_ID_EXPECTED: Final = "1-128 characters of A-Z a-z 0-9 . _ : -"
NAME_EXPECTED: Final = "1-128 characters, none a control character or line break"

_ROOM_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
# C0, DEL, C1, and Unicode's own line and paragraph separators: a name stays on one line of a log.
# And halves of surrogate pairs, which UTF-8 cannot say: a JSON escape can, outside of the wire.
_FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def parse_room_id(value: object) -> RoomId | None:
    """`value` as a room's name, or None when it is not one (`ROOM_ID_EXPECTED`)."""
    if isinstance(value, str) and _ROOM_ID.fullmatch(value) is not None:
        return RoomId(value)
    return None


def parse_name(value: object) -> str | None:
    """`value` as a user's or display name, or None when it is not one (`NAME_EXPECTED`)."""
    if (
        isinstance(value, str)
        and 0 < len(value) <= NAME_CHARS_MAX
        and _FORBIDDEN_IN_NAME.search(value) is None
    ):
        return value
    return None
