"""Who may do what in which room, as far as a token says it. PURE: one table and one question.

Owns the `rooms` claim: a map of patterns to permissions. A room id is cut into segments at `:` and
`.`, both of which count as characters, so `a:b` and `a.b` are two rooms of the same two segments.
A pattern is such an id in which a whole segment may be `*`: any segment of one or more characters,
and never more than one. So `game:*` is `game:7`, and neither `game:7:red` nor `game.7`.

Of the patterns that match, the most specific alone counts, whatever the others say: the one with
the fewest `*`, then with the most other characters, then the first by its text. What nothing
grants is forbidden. What the room itself says is in room_rules.py.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from actors.ids import RoomId, parse_room_id


class Permission(Enum):
    """In the wire's words."""

    JOIN = "join"
    """Sit there: take part in whatever has no permission of its own."""
    MOVE = "move"
    MESSAGE = "message"
    MODERATE = "moderate"


PATTERNS_MAX: Final = 256
"""Patterns of one claim."""
PATTERN_EXPECTED: Final = (
    "1-128 characters of A-Z a-z 0-9 . _ : - in which a segment between . or : may be *"
)
PERMISSIONS_EXPECTED: Final = "a list of join, move, message and moderate"
NOT_ALLOWED: Final = "not allowed"
"""The reason for a no that is to tell nothing else: a private room and no room say the same."""

_SEPARATOR: Final = re.compile(r"([.:])")
_WORDS: Final = {permission.value: permission for permission in Permission}
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do in one room; `reason` says why joining is not among it. `vouched`:
    somebody vouches for who it is, so what a room keeps under that name counts.
    """

    permissions: frozenset[Permission]
    reason: str | None = None
    vouched: bool = True

    @property
    def allowed(self) -> bool:
        return Permission.JOIN in self.permissions

    @property
    def moderates(self) -> bool:
        return self.vouched and Permission.MODERATE in self.permissions


NOTHING: Final = Grant(frozenset(), NOT_ALLOWED)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of the claim. `segments` are its parts with the separators between them."""

    text: str
    segments: tuple[str, ...]

    @staticmethod
    def of(text: object) -> "Pattern":
        """Raises ValueError."""
        # A letter stands for each `*`: what is left must be a room's name.
        if not isinstance(text, str) or parse_room_id(text.replace(_ANY, "x")) is None:
            raise ValueError(PATTERN_EXPECTED)
        segments = tuple(_SEPARATOR.split(text))
        if any(_ANY in segment and segment != _ANY for segment in segments):
            raise ValueError(PATTERN_EXPECTED)
        return Pattern(text, segments)

    def precedence(self) -> tuple[int, int, str]:
        """The least of all that match counts. No two patterns have the same."""
        wildcards = self.segments.count(_ANY)
        return wildcards, wildcards - len(self.text), self.text

    def matches(self, segments: tuple[str, ...]) -> bool:
        """`segments` of a room. O(length of both): no part is ever looked at again."""
        return len(segments) == len(self.segments) and all(
            own == other or (own == _ANY and other != "")
            for own, other in zip(self.segments, segments, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Grants:
    """What one session may do in all rooms. `table` has the most specific patterns first;
    `elsewhere` is for rooms that none of them matches.
    """

    table: tuple[tuple[Pattern, Grant], ...] = ()
    elsewhere: Grant = NOTHING

    @staticmethod
    def of_claim(claim: object) -> "Grants":
        """From the claim `rooms`, as decoded JSON. Raises ValueError, which names what is wrong."""
        if not isinstance(claim, Mapping):
            expected = "rooms: expected an object of patterns and lists of permissions"
            raise ValueError(expected)  # noqa: TRY004  # a claim is anybody's JSON
        if len(claim) > PATTERNS_MAX:
            raise ValueError(f"rooms: expected at most {PATTERNS_MAX} patterns")
        table = []
        for text, words in claim.items():
            shown = f"rooms[{str(text)[:128]!r}]"
            try:
                pattern = Pattern.of(text)
            except ValueError as error:
                raise ValueError(f"{shown}: expected {error}") from None
            if not isinstance(words, list) or len(words) > len(_WORDS):
                raise ValueError(f"{shown}: expected {PERMISSIONS_EXPECTED}")
            if not all(isinstance(word, str) and word in _WORDS for word in words):
                raise ValueError(f"{shown}: expected {PERMISSIONS_EXPECTED}")
            table.append((pattern, _grant(words)))
        table.sort(key=lambda line: line[0].precedence())
        return Grants(tuple(table))

    @staticmethod
    def everywhere(words: Iterable[str]) -> "Grants":
        """The same in all rooms: of a token that says nothing about rooms. `words` are valid."""
        return Grants(elsewhere=_grant(words))


def _grant(words: Iterable[str]) -> Grant:
    permissions = frozenset(_WORDS[word] for word in words)
    return Grant(permissions, None if Permission.JOIN in permissions else NOT_ALLOWED)


NO_GRANTS: Final = Grants()
"""Of whoever has not said who he is, where that is asked for."""
ANONYMOUS_GRANTS: Final = Grants(
    elsewhere=Grant(
        frozenset({Permission.JOIN, Permission.MOVE, Permission.MESSAGE}), vouched=False
    )
)
"""Of whom nobody vouches for: every room is open, and nobody moderates."""


def grant_for(grants: Grants, room_id: RoomId) -> Grant:
    """What `grants` say of `room_id`. O(patterns and their length): to be asked once for a session
    in a room, and kept.
    """
    if not grants.table:
        return grants.elsewhere
    segments = tuple(_SEPARATOR.split(room_id))
    for pattern, grant in grants.table:
        if pattern.matches(segments):
            return grant
    return grants.elsewhere
