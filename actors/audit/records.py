"""Entries as lines of the chain. On the writer's thread.

Owns what an entry looks like on disk, and which part of it only a person's key opens. One entry is
one line, whatever is in it: all text is JSON, in which line ends and control characters are
escaped. What `personal` was sealed into is the same for the same person and text, so it is sealed
once.
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from actors.audit.chain import LINE_BYTES_MAX, Keys, Link, line_of
from actors.audit.people import People, Person
from actors.audit.port import Entry, Item, Told
from actors.macs import Mac
from actors.sealing import Seal
from actors.stores.codec import BodyInvalid, dumps, loads

SEALED_MAX: Final = 1_000
"""So many sealed parts are remembered, to be used again, and so many names of rooms: 1 KiB each."""
BODY_BYTES_MAX: Final = LINE_BYTES_MAX // 2
"""The details of a longer entry are left out, and it says how long they were."""
_PRIVATE: Final = ("person", "personal")
_PLACE: Final = b"vaultmeet audit 1 "
_Whose: TypeAlias = tuple[str, str, str, str | None]
"""Session, person, shown name, displayed name: all that the part about the player depends on."""


class Scribe:
    """Makes lines. `people` may raise PeopleUnusable."""

    def __init__(self, people: People, keys: Keys, random_bytes: Callable[[int], bytes]) -> None:
        self._people: Final = people
        self._mac: Final = Mac(keys.chain)
        self._random_bytes: Final = random_bytes
        self._rooms: Final = Rooms(keys)
        self._sealed: dict[tuple[str, bytes], str] = {}
        self._at_ms = -1
        self._at = ""
        """The time that `_at_ms` is."""

    def lines(self, items: Sequence[Item], link: Link, day: int) -> tuple[bytes, Link]:
        """What is to be kept behind `link`, and the link that it ends in."""
        lines: list[bytes] = []
        whose: dict[_Whose, str] = {}
        number, mac = link
        for item in items:
            number += 1
            body = self._short(item, number, day, whose) if isinstance(item, Told) else None
            if body is None:
                entry = item if isinstance(item, Entry) else item.entry()
                body = _body(self._fields(entry, number, day))
            mac = self._mac.of(mac + body)
            lines.append(line_of(body, mac))
        return b"".join(lines), Link(number, mac)

    def line(self, fields: dict[str, object], link: Link) -> tuple[bytes, Link]:
        """One line behind `link`. `fields` begin with `n`, its number."""
        body = _body(fields)
        mac = self._mac.of(link.mac + body)
        return line_of(body, mac), Link(link.number + 1, mac)

    def forget_sealed(self) -> None:
        """Seal everything anew from now on."""
        self._sealed.clear()

    def _short(self, told: Told, number: int, day: int, whose: dict[_Whose, str]) -> bytes | None:
        """The body of what rooms tell all the time, which is what `_fields` would give: put
        together, since that takes a fraction of the CPU. None where it is anything more. `whose`
        are the parts of this batch that depend on the player alone.
        """
        fact = told.fact
        event, details, player = fact.event, fact.details, fact.player
        if (
            fact.persons
            or not event.isidentifier()  # so it is in JSON as it is here
            or not isinstance(details, dict)
            or "epoch" in details
            or "version" in details
        ):
            return None
        more = b""
        if details:
            try:
                more = dumps(details)
            except TypeError:
                return None
        who = (player.socket_id, fact.person, player.user_id, player.display_name)
        part = whose.get(who)
        if part is None:
            part = whose[who] = _json(self._whose(told.entry(), day))[1:-1].decode()
        at_ms = told.at_ms
        if at_ms != self._at_ms:
            self._at_ms, self._at = at_ms, time_of(at_ms)
        rest = f",{more[1:].decode()}" if more else "}"
        body = (
            f'{{"n":{number},"at":"{self._at}","event":"{event}"'
            f',"room":"{self._rooms.name(told.room_id)}",{part}'
            f',"details":{{"epoch":{told.epoch},"version":{fact.version}{rest}}}'
        ).encode()
        return body if len(body) <= BODY_BYTES_MAX else None

    def _fields(self, entry: Entry, number: int, day: int) -> dict[str, object]:
        fields: dict[str, object] = {
            "n": number,
            "at": time_of(entry.at_ms),
            "event": entry.event,
        }
        if entry.room_id is not None:
            fields["room"] = self._rooms.name(entry.room_id)
        fields.update(self._whose(entry, day))
        if entry.about:
            fields["about"] = [
                dict(zip(_PRIVATE, self._private(who, {"userId": who, **more}, day), strict=True))
                for who, more in entry.about
            ]
        if entry.details:
            fields["details"] = entry.details
        return fields

    def _whose(self, entry: Entry, day: int) -> dict[str, object]:
        fields: dict[str, object] = {}
        if entry.socket_id is not None:
            fields["socketId"] = entry.socket_id
        if entry.person is not None and not _is_nobody(entry):
            plain = {"userId": entry.person, **entry.personal}
            fields["person"], fields["personal"] = self._private(entry.person, plain, day)
        return fields

    def _private(self, user_id: str, plain: dict[str, object], day: int) -> tuple[str, str]:
        """What the entry calls the person, and what only its key opens."""
        person = self._people.of(user_id, day)
        text = _json(plain)
        known = self._sealed.get((person.ref, text))
        if known is None:
            place = _PLACE + person.ref.encode()
            sealed = Seal((person.key,), self._random_bytes).seal(place, text)
            known = b2a_base64(sealed, newline=False).decode()
            if len(self._sealed) >= SEALED_MAX:
                self._sealed.clear()
            self._sealed[person.ref, text] = known
        return person.ref, known


class Rooms:
    """What entries call rooms: always the same, and nothing to whom has not the audit's key."""

    def __init__(self, keys: Keys) -> None:
        self._seal: Final = Seal((keys.rooms,), bytes)  # names need no nonce
        self._names: dict[str, str] = {}

    def name(self, room_id: str) -> str:
        """O(1) for those that were asked for lately."""
        name = self._names.get(room_id)
        if name is None:
            text = room_id.encode("utf-8", "backslashreplace").decode()
            name = self._seal.name("audit room", text)
            if len(self._names) >= SEALED_MAX:
                self._names.clear()
            self._names[room_id] = name
        return name

    def room_id(self, name: str) -> str:
        """Of an entry that is sound. Raises SealBroken."""
        return self._seal.named("audit room", name)


def personal_of(sealed: str, person: Person) -> dict[str, Any]:
    """What was sealed of the person. Raises ValueError where it was not, with that key."""
    place = _PLACE + person.ref.encode()
    text = Seal((person.key,), bytes).unseal(place, a2b_base64(sealed))
    fields = loads(text)
    if not isinstance(fields, dict):
        raise BodyInvalid("no object")
    return fields


@lru_cache(maxsize=16)
def time_of(at_ms: int) -> str:
    """Unix milliseconds as RFC 3339, UTC."""
    second, rest = divmod(at_ms, 1000)
    return f"{_second_of(second)}{rest:03}Z"


@lru_cache(maxsize=4)
def _second_of(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")


def _is_nobody(entry: Entry) -> bool:
    """A guest who has no name but that of its session, which the entry has anyway."""
    return entry.person == f"guest-{entry.socket_id}" and "displayName" not in entry.personal


def _body(fields: dict[str, object]) -> bytes:
    body = _json(fields)
    if len(body) > BODY_BYTES_MAX:
        return _json({**fields, "details": {"omittedBytes": len(body)}})
    return body


def _json(value: object) -> bytes:
    try:
        return dumps(value)
    except TypeError:  # half a surrogate pair, or a value that JSON does not know
        return dumps(_told(value))


def _told(value: object) -> object:
    """`value` as JSON can say it."""
    if isinstance(value, dict):
        return {str(_told(name)): _told(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_told(each) for each in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value if value is None or isinstance(value, bool | int | float) else repr(value)
