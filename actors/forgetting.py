"""What is left of rooms when somebody is erased from them. PURE.

Owns which parts of a record and of a room's rules are about a person, and how they look without.
Who is erased owns nothing, is on no list, and no ban of theirs is kept: it would be a list of those
who asked to be on none.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from types import MappingProxyType

from actors.records import Record
from actors.room_rules import PLAIN, RoomRules


@dataclass(frozen=True, slots=True)
class Traces:
    """What a record has of somebody: `seats` are the sessions, `rules` the parts of the rules."""

    seats: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.seats or self.rules)


def traces_in(record: Record, person: str, names: Collection[str]) -> Traces:
    """What `record` has of `person`, whose `names` are the real one and its pseudonym there."""
    seats = tuple(key for key, row in record.rows.items() if row is not None and row[1] == person)
    return Traces(seats, () if record.rules is None else rules_about(record.rules, names))


def rules_about(rules: RoomRules, names: Collection[str]) -> tuple[str, ...]:
    """The parts that name one of `names`, in the words of the rules."""
    parts = {
        "owner": rules.owner in names,
        "allow": not rules.allow.isdisjoint(names),
        "ban": any(key in names or ban.shown in names for key, ban in rules.bans.items()),
    }
    return tuple(part for part, is_there in parts.items() if is_there)


def rules_without(rules: RoomRules, names: Collection[str]) -> RoomRules:
    """The rules without anybody of `names`; the same object where nobody is."""
    if not rules_about(rules, names):
        return rules
    bans = {
        key: ban for key, ban in rules.bans.items() if key not in names and ban.shown not in names
    }
    without = replace(
        rules,
        owner=None if rules.owner in names else rules.owner,
        allow=rules.allow.difference(names),
        bans=MappingProxyType(bans),
    )
    return PLAIN if without == PLAIN else without


def forget_in(record: Record, person: str, names: Collection[str]) -> Traces:
    """Change `record` so that it has nothing of the person; what it had."""
    traces = traces_in(record, person, names)
    for socket_id in [key for key in record.rows if key in traces.seats]:
        record.spots.pop(socket_id, None)
        if record.whole:
            del record.rows[socket_id]
        else:  # the room's row may have it
            record.rows[socket_id] = None
    if traces.rules and record.rules is not None:
        record.rules = rules_without(record.rules, names)
    return traces
