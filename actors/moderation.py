"""What an act of moderation comes to in a room as it is now. PURE.

Owns who is out by it and what the room's rules become, and what a room that is not open says of who
asks. Changes nothing: moderating.py does, and a recording keeps only what is planned here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from actors import messages as m
from actors.answers import Answer, Permitted, Refused
from actors.errors import BadMessage, Forbidden, Unavailable
from actors.ids import SocketId
from actors.members import Member
from actors.permissions import Grant
from actors.ports import Found
from actors.room_rules import (
    PLAIN,
    Act,
    Ban,
    BanUser,
    KickPlayer,
    Rank,
    RoomRules,
    SetRoom,
    UnbanUser,
)
from actors.room_state import RoomState
from actors.settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """Remove the members `out`, have `rules`. `persons` are those whom it is about, also where
    they are not here.
    """

    rules: RoomRules
    out: tuple[SocketId, ...] = ()
    persons: tuple[str, ...] = ()


def plan_of(
    act: Act,
    person: str,
    grant: Grant,
    state: RoomState,
    members: Mapping[SocketId, Member],
    settings: Settings,
    now_ms: int,
) -> Plan:
    """What `act` comes to, asked for by `person` with `grant`. O(members).

    Raises Forbidden where that ranks too low, BadMessage where there is nobody to act on, or a
    bound would be passed.
    """
    rules = state.rules
    rank = rules.rank(person, grant)
    if rank is Rank.GUEST:
        raise Forbidden("only moderators of this room and its owner may do this")
    plan = _plan(act, rank, state, members, settings, now_ms)
    for target in plan.persons if isinstance(act, KickPlayer | BanUser) else ():
        if rank <= _rank_of(target, rules, members):
            raise Forbidden("of equal or higher rank: only the owner acts on moderators")
    # One value for all rooms without rules, so that they are told by a look.
    return Plan(PLAIN if plan.rules == PLAIN else plan.rules, plan.out, plan.persons)


def permitted(check: m.Check, found: Found, now_ms: int) -> Answer:
    """What a room that is not open says of who asks, by what is kept of it."""
    if not found.known:
        return Refused(Unavailable("the room cannot be loaded now", retry_after_ms=1000))
    rules = PLAIN if found.record is None else found.record.rules or PLAIN
    return Permitted(rules.granted(check.person, check.outlet.grant, now_ms))


def _plan(
    act: Act,
    rank: Rank,
    state: RoomState,
    members: Mapping[SocketId, Member],
    settings: Settings,
    now_ms: int,
) -> Plan:
    rules = state.rules
    match act:
        case KickPlayer(socket_id, user_id):
            out = tuple(
                key for key in members if key == socket_id or state.players[key].user_id == user_id
            )
            if not out:
                field = "userId" if socket_id is None else "socketId"
                raise BadMessage(field, "one of a player in the room")
            return Plan(rules, out, _persons(members[key] for key in out))
        case BanUser(user_id, reason, for_s):
            persons = _named(user_id, state, members)
            until_ms = None if for_s is None else now_ms + 1000 * for_s
            for target in persons:
                ban = Ban(user_id, reason, until_ms)
                rules = rules.banned(target, ban, settings.bans_max, now_ms)
            out = tuple(key for key, member in members.items() if member.person in persons)
            return Plan(rules, out, persons)
        case UnbanUser(user_id):
            lifted = rules.unbanned(user_id)
            return Plan(lifted, (), tuple(sorted(rules.bans.keys() - lifted.bans.keys())))
        case SetRoom():
            changed = rules.changed(act, rank, settings.allow_max, now_ms)
            owners = (changed.owner,) if changed.owner not in (None, rules.owner) else ()
            return Plan(changed, (), tuple(filter(None, owners)))
        case _:
            assert_never(act)


def _named(name: str, state: RoomState, members: Mapping[SocketId, Member]) -> tuple[str, ...]:
    """The persons who are meant by `name`: those who are seated under it, by a real name or the
    one that is shown, else whoever has it.
    """
    seated = _persons(
        member
        for key, member in members.items()
        if name in (member.person, state.players[key].user_id)
    )
    return seated or (name,)


def _persons(members: Iterable[Member]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(member.person for member in members))


def _rank_of(person: str, rules: RoomRules, members: Mapping[SocketId, Member]) -> Rank:
    """The highest that `person` has by any of its sessions. One whom the store gave back, and who
    has not come yet, has none by token.
    """
    if person == rules.owner:
        return Rank.OWNER
    ranks = (
        rules.rank(person, member.outlet.grant)
        for member in members.values()
        if member.person == person
    )
    return max(ranks, default=Rank.GUEST)
