"""What rooms and sessions tell the audit, as a Protocol, and the values that pass through it.

Owns the seam alone: what becomes of an entry is the audit's affair. A `person` is the real user; it
is kept apart from everything else in an entry and never leaves it unencrypted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from actors.ids import RoomId, SocketId
from actors.players import Player


class Happening(Protocol):
    """A fact of a room's turn. `person` is the player's real name, `persons` those of others whom
    it is about. `why`, in its details, is what somebody wrote about them.
    """

    @property
    def event(self) -> str: ...
    @property
    def player(self) -> Player: ...
    @property
    def person(self) -> str: ...
    @property
    def persons(self) -> Sequence[str]: ...
    @property
    def player_count(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def details(self) -> Mapping[str, object]: ...


class Entry(NamedTuple):
    """One thing to be kept. `personal` is encrypted with a key of `person`; all else is not.
    `about` are others whom it is about, each with what is encrypted for that one.
    """

    at_ms: int
    event: str
    room_id: str | None = None
    socket_id: str | None = None
    person: str | None = None
    personal: Mapping[str, object] = {}
    details: Mapping[str, object] = {}
    about: Sequence[tuple[str, Mapping[str, object]]] = ()


class Told:
    """A fact as its room told it. It is made an `Entry` by whoever writes it. Never changes."""

    __slots__ = ("at_ms", "epoch", "fact", "room_id")

    def __init__(self, at_ms: int, room_id: RoomId, epoch: int, fact: Happening) -> None:
        self.at_ms: Final = at_ms
        self.room_id: Final = room_id
        self.epoch: Final = epoch
        self.fact: Final = fact

    def entry(self) -> Entry:
        """As it is kept."""
        fact, player = self.fact, self.fact.player
        details = {"epoch": self.epoch, "version": fact.version, **fact.details}
        personal: dict[str, object] = {}
        if player.display_name is not None:
            personal["displayName"] = player.display_name
        if player.user_id != fact.person:
            personal["shownAs"] = player.user_id
        about: Sequence[tuple[str, Mapping[str, object]]] = ()
        if fact.persons:
            why = {"why": details.pop("why")} if "why" in details else {}
            about = [(person, why) for person in fact.persons]
        return Entry(
            self.at_ms,
            fact.event,
            self.room_id,
            player.socket_id,
            fact.person,
            personal,
            details,
            about,
        )


@dataclass(slots=True)
class Gap:
    """So many entries were lost here, since more waited than may."""

    count: int
    from_ms: int
    until_ms: int

    def entry(self) -> Entry:
        details = {"count": self.count, "fromMs": self.from_ms, "untilMs": self.until_ms}
        return Entry(self.until_ms, "audit_gap", details=details)


Item = Entry | Told | Gap


class AuditLog(Protocol):
    """On the loop's thread. Nothing here raises, and nothing waits."""

    def told(self, room_id: RoomId, epoch: int, facts: Sequence[Happening]) -> None:
        """What a room has told its members. O(facts)."""
        ...

    def note(
        self,
        event: str,
        *,
        room_id: RoomId | None = None,
        socket_id: SocketId | None = None,
        person: str | None = None,
        personal: Mapping[str, object] | None = None,
        **details: object,
    ) -> None:
        """Anything else, by a name in snake_case, past tense."""
        ...

    def refused(
        self, code: str, room_id: RoomId | None, socket_id: SocketId, person: str | None
    ) -> None:
        """Somebody was told no; the wire's code says why. Many of one kind become one entry."""
        ...


class Unaudited:
    """Where nothing is kept."""

    def told(self, room_id: RoomId, epoch: int, facts: Sequence[Happening]) -> None:
        del room_id, epoch, facts

    def note(
        self,
        event: str,
        *,
        room_id: RoomId | None = None,
        socket_id: SocketId | None = None,
        person: str | None = None,
        personal: Mapping[str, object] | None = None,
        **details: object,
    ) -> None:
        del event, room_id, socket_id, person, personal, details

    def refused(
        self, code: str, room_id: RoomId | None, socket_id: SocketId, person: str | None
    ) -> None:
        del code, room_id, socket_id, person


UNAUDITED: Final = Unaudited()
