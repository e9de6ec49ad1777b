"""Who may do what in which room. PURE: a table and one question.

Without authentication everybody may join, move and talk, and nobody moderates. Claims of
authenticated users get their place here.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from actors.ids import RoomId


class Permission(Enum):
    """In the wire's words."""

    JOIN = "join"
    MOVE = "move"
    MESSAGE = "message"
    MODERATE = "moderate"


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do in one room; `reason` says why joining is not among it."""

    permissions: frozenset[Permission]
    reason: str | None = None

    @property
    def allowed(self) -> bool:
        return Permission.JOIN in self.permissions


_ANONYMOUS: Final = Grant(frozenset({Permission.JOIN, Permission.MOVE, Permission.MESSAGE}))


def grant_for(room_id: RoomId) -> Grant:
    """The permissions of an anonymous session in `room_id`."""
    del room_id  # every room is open to everybody
    return _ANONYMOUS
