"""Pseudonyms. PURE: the key is an argument.

A person who hides the user id is shown by a name that is the same for one person in one room,
and cannot be linked across rooms or traced back without the key.
"""

import hmac
from base64 import b32encode
from dataclasses import dataclass
from typing import Final

from actors.ids import RoomId, UserId

PSEUDONYM_PREFIX: Final = "anon-"
PSEUDONYM_CHARS: Final = 12


@dataclass(init=False, slots=True, unsafe_hash=True)
class Privacy:
    """What somebody hides from everyone, themselves included."""

    hide_user_id: Final[bool]
    hide_position: Final[bool]

    def __init__(self, hide_user_id: bool = False, hide_position: bool = False) -> None:
        self.hide_user_id = hide_user_id
        self.hide_position = hide_position


NOTHING_HIDDEN: Final = Privacy()
"""What most say: one for all of them."""


def pseudonym(key: bytes, room_id: RoomId, person: str) -> UserId:
    """`anon-` and 12 characters (60 bits) of HMAC-SHA-256 over room and person."""
    # A room id has no NUL and neither has a name, so the pair reads back in one way only.
    digest = hmac.digest(key, f"pseudonym\0{room_id}\0{person}".encode(), "sha256")
    return UserId(PSEUDONYM_PREFIX + b32encode(digest)[:PSEUDONYM_CHARS].decode().lower())


def shown_user_id(key: bytes, room_id: RoomId, person: str, privacy: Privacy) -> UserId:
    """The name under which the room knows `person`."""
    return pseudonym(key, room_id, person) if privacy.hide_user_id else UserId(person)
