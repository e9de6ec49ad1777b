"""Who may do what in which room. PURE: a table and one question.

Without authentication everybody may join, move and talk, and nobody moderates. Claims of
authenticated users get their place here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Grants:
    """What somebody may do, by room."""

    by_room: Mapping[str, frozenset[Permission]] = field(default_factory=dict)

    @classmethod
    def of_claim(cls, claim: object) -> "Grants":
        """Of the claim `rooms`. Raises ValueError, which names what is wrong with it."""
        if not isinstance(claim, dict):
            raise ValueError("rooms: expected an object")  # noqa: TRY004  # a claim's, not ours
        granted = {}
        for room, names in claim.items():
            if not isinstance(names, list):
                raise ValueError("rooms: expected lists of permissions")  # noqa: TRY004  # as above
            try:
                granted[room] = frozenset(Permission(name) for name in names)
            except ValueError:
                raise ValueError("rooms: expected join, move, message, moderate") from None
        return cls(granted)


NO_GRANTS: Final = Grants()
"""Of a session that has not said who it is."""
ANONYMOUS_GRANTS: Final = Grants()
"""Of a session on a server that asks nobody who he is."""
