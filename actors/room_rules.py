"""What a room itself says about who may be in it and who decides there. PURE.

Owns the rules that a room keeps: its owner, who is let in while it is private, who is banned, how
many fit. They are one immutable value, so that a turn can be undone and a successor goes on with
them. Decides who ranks above whom, and what each act of moderation makes of the rules.

    owner > moderator (by token) > everybody else       one acts only on those who rank below
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from actors.errors import BadMessage, Banned, Forbidden
from actors.ids import SocketId, parse_name
from actors.permissions import NOT_ALLOWED, NOTHING, Grant, Permission

BAN_S_MAX: Final = 10 * 365 * 86_400
"""A ban for a time; one without an end has none."""
PLAYERS_MAX: Final = 1_000_000
"""What `playersMax` may be; the server's own `players_max` bounds it as well."""


@dataclass(frozen=True, slots=True)
class Ban:
    """`shown` is the name it was asked for by, a pseudonym where its owner hid: it can be lifted
    by that as well. `until_ms` is Unix time, None for good.
    """

    shown: str
    reason: str | None = None
    until_ms: int | None = None

    def holds(self, now_ms: int) -> bool:
        return self.until_ms is None or now_ms < self.until_ms


Bans: TypeAlias = Mapping[str, Ban]
_NOBODY: Final[Bans] = MappingProxyType({})


# -- what moderators ask for: where one of these comes into a log, it is without the users


@dataclass(frozen=True, slots=True)
class KickPlayer:
    """One session by its name, or all of a user by the name that is shown."""

    socket_id: SocketId | None
    user_id: str | None = field(repr=False)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BanUser:
    """By the real name or the one that is shown; all sessions of the person are out."""

    user_id: str = field(repr=False)
    reason: str | None = None
    for_s: int | None = None


@dataclass(frozen=True, slots=True)
class UnbanUser:
    """By either name."""

    user_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetRoom:
    """What is None stays."""

    private: bool | None = None
    players_max: int | None = None
    allow: tuple[str, ...] | None = field(default=None, repr=False)
    owner: str | None = field(default=None, repr=False)


Act: TypeAlias = KickPlayer | BanUser | UnbanUser | SetRoom


# -- who ranks above whom


class Rank(IntEnum):
    """In one room."""

    GUEST = 0
    MODERATOR = 1
    OWNER = 2


@dataclass(frozen=True, slots=True)
class RoomRules:
    """Of one room. `players_max` None: as many as the server allows. `allow` and the keys of
    `bans` are persons' real names: they are neither told nor logged.
    """

    owner: str | None = field(default=None, repr=False)
    private: bool = False
    players_max: int | None = None
    allow: frozenset[str] = field(default=frozenset(), repr=False)
    bans: Bans = field(default_factory=lambda: _NOBODY, repr=False)

    def rank(self, person: str, grant: Grant) -> Rank:
        """Nobody ranks by a name that nobody vouches for."""
        if grant.vouched and person == self.owner:
            return Rank.OWNER
        return Rank.MODERATOR if grant.moderates else Rank.GUEST

    def ban_of(self, person: str, now_ms: int) -> Ban | None:
        ban = self.bans.get(person)
        return ban if ban is not None and ban.holds(now_ms) else None

    def granted(self, person: str, grant: Grant, now_ms: int) -> Grant:
        """What the token and the room together allow. A ban is above all; a private room says no
        more to a stranger than a room that is none of his business.
        """
        if not grant.allowed:
            return NOTHING
        ban = self.ban_of(person, now_ms)
        if ban is not None:
            return Grant(frozenset(), "banned" if ban.reason is None else f"banned: {ban.reason}")
        rank = self.rank(person, grant)
        is_known = rank > Rank.GUEST or (grant.vouched and person in self.allow)
        if self.private and not is_known:
            return NOTHING
        if rank is Rank.OWNER:
            return replace(grant, permissions=grant.permissions | {Permission.MODERATE})
        return grant

    def admit(self, person: str, grant: Grant, now_ms: int) -> None:
        """Raises Forbidden where `person` may not join."""
        granted = self.granted(person, grant, now_ms)
        if not granted.allowed:
            is_banned = grant.allowed and self.ban_of(person, now_ms) is not None
            refusal = Banned if is_banned else Forbidden
            raise refusal(granted.reason or NOT_ALLOWED)

    # -- what becomes of them

    def pruned(self, now_ms: int) -> "RoomRules":
        """Without the bans that have ended; PLAIN where nothing is left."""
        bans = {key: ban for key, ban in self.bans.items() if ban.holds(now_ms)}
        if len(bans) == len(self.bans):
            return self
        pruned = replace(self, bans=MappingProxyType(bans))
        return PLAIN if pruned == PLAIN else pruned

    def banned(self, person: str, ban: Ban, bans_max: int, now_ms: int) -> "RoomRules":
        """With this one, who is let in no more either way. Raises BadMessage where there are too
        many; those that have ended make room.
        """
        bans = {**self.pruned(now_ms).bans, person: ban}
        if len(bans) > bans_max:
            raise BadMessage("userId", f"at most {bans_max} bans in a room")
        return replace(self, bans=MappingProxyType(bans))

    def unbanned(self, name: str) -> "RoomRules":
        """Without whoever is banned under `name`, the real one or the one shown."""
        bans = {key: ban for key, ban in self.bans.items() if name not in (key, ban.shown)}
        return self if len(bans) == len(self.bans) else replace(self, bans=MappingProxyType(bans))

    def changed(self, act: SetRoom, rank: Rank, allow_max: int, now_ms: int) -> "RoomRules":
        """As `act` asks. Raises BadMessage, or Forbidden where it asks for a room that has an owner
        to have another one: that is the owner's to say.
        """
        rules = self
        if act.private is not None:
            rules = replace(rules, private=act.private)
        if act.players_max is not None:
            rules = replace(rules, players_max=act.players_max)
        if act.allow is not None:
            if len(act.allow) > allow_max:
                raise BadMessage("allow", f"at most {allow_max} users")
            rules = replace(rules, allow=frozenset(act.allow))
        if act.owner is not None and act.owner != self.owner:
            if self.owner is not None and rank is not Rank.OWNER:
                raise Forbidden("owner: only the owner hands the room on")
            if self.ban_of(act.owner, now_ms) is not None:
                raise BadMessage("owner", "a user who is not banned")
            rules = replace(rules, owner=act.owner)
        return rules


PLAIN: Final = RoomRules()
"""Of a room that says nothing: everybody whose token allows it may come."""


# -- as plain values, for the stores


def plain_of(rules: RoomRules) -> list[object]:
    """For JSON; the same rules give the same values."""
    bans = {key: [ban.shown, ban.reason, ban.until_ms] for key, ban in sorted(rules.bans.items())}
    return [rules.owner, int(rules.private), rules.players_max, sorted(rules.allow), bans]


def rules_from(value: Any) -> RoomRules:
    """What `plain_of` made. Raises ValueError for anything else."""
    if type(value) is not list or len(value) != 5:
        raise ValueError("not a room's rules")
    owner, private, players_max, allow, bans = value
    if type(allow) is not list or type(bans) is not dict or type(private) is not int:
        raise ValueError("not a room's rules")
    if players_max is not None and type(players_max) is not int:
        raise ValueError("not a number of players")
    if not _are_names([*allow, *bans, *([] if owner is None else [owner])]):
        raise ValueError("not a user")
    kept = {}
    for person, ban in bans.items():
        if type(ban) is not list or len(ban) != 3 or not _are_names([ban[0]]):
            raise ValueError("not a ban")
        shown, reason, until_ms = ban
        if not (reason is None or type(reason) is str) or type(until_ms) not in (int, type(None)):
            raise ValueError("not a ban")
        kept[person] = Ban(shown, reason, until_ms)
    rules = RoomRules(owner, bool(private), players_max, frozenset(allow), MappingProxyType(kept))
    return PLAIN if rules == PLAIN else rules


def _are_names(values: Iterable[object]) -> bool:
    return all(parse_name(value) is not None for value in values)
