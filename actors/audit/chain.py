"""The chain of records: how each is bound to the one before. PURE: keys are arguments.

A record is one line of JSON. It has a number, one more than that of the record before, and ends in
a `mac`: HMAC-SHA-256 (RFC 2104) over the `mac` of the record before and the line without its own.
So without the key no line can be changed, taken out, moved or put in. That the end was cut off no
chain can show; for that there is the head, which names the newest record that is on the disk.

Files carry the chain on: each begins with a record that repeats the `mac` before it.
"""

import hmac
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

KEY_BYTES: Final = 32
MAC_BYTES: Final = 32
FORMAT: Final = 1
LINE_BYTES_MAX: Final = 1_048_576
HEAD_BYTES: Final = 256
"""A head always has this size: it is written over the one before."""
FILE_BEGAN: Final = "audit_file_began"
FILES_REMOVED: Final = "audit_files_removed"
GAP: Final = "audit_gap"
_TAIL: Final = re.compile(rb',"mac":"([0-9a-f]{64})"\}\n')
_TAIL_BYTES: Final = len(b',"mac":"') + 2 * MAC_BYTES + len(b'"}\n')
_NUMBER: Final = re.compile(rb'\{"n":([1-9][0-9]{0,15})[,}]')
_NAME: Final = re.compile(r"audit-([0-9]{6,12})\.jsonl")


@dataclass(frozen=True, slots=True)
class Keys:
    """All that the one secret of an audit is used for, each with a key of its own."""

    chain: bytes = field(repr=False)
    head: bytes = field(repr=False)
    people: bytes = field(repr=False)
    rooms: bytes = field(repr=False)
    notes: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> "Keys":
        """From the `KEY_BYTES` of the key file."""
        return cls(*(hmac.digest(secret, b"audit " + name, "sha256") for name in _PURPOSES))


_PURPOSES: Final = (b"chain", b"head", b"people", b"rooms", b"notes")


class Link(NamedTuple):
    """The end of a chain: the last record's number (0: there is none) and `mac`."""

    number: int
    mac: bytes


ORIGIN: Final = Link(0, bytes(MAC_BYTES))


@dataclass(frozen=True, slots=True)
class Record:
    """One line, taken apart: `body` is what `mac` vouches for together with the `mac` before."""

    number: int
    body: bytes
    mac: bytes

    def fields(self) -> dict[str, Any]:
        """What it says. Raises ValueError where that is no JSON object."""
        try:
            fields = json.loads(self.body)
        except RecursionError:
            raise ValueError("too deep") from None
        if not isinstance(fields, dict):
            raise ValueError("no object")  # noqa: TRY004  # to readers both are the same
        return fields

    def at_ms(self) -> int:
        """When it was made, Unix milliseconds; 0 where it does not say."""
        with suppress(ValueError, KeyError, TypeError):
            return round(datetime.fromisoformat(self.fields()["at"]).timestamp() * 1000)
        return 0


def link_before(record: Record) -> Link | None:
    """What the first record of a file says that it follows; None where it is none."""
    with suppress(ValueError):
        fields = record.fields()
        before = Link(record.number - 1, bytes.fromhex(str(fields.get("before"))))
        if fields.get("event") == FILE_BEGAN and len(before.mac) == MAC_BYTES:
            return before
    return None


def mac_of(key: bytes, before: bytes, body: bytes) -> bytes:
    """What binds `body` to the record whose mac is `before`. O(n)."""
    return hmac.digest(key, before + body, "sha256")


def line_of(body: bytes, mac: bytes) -> bytes:
    """The line of a record; `body` is a JSON object that begins with its number `n`."""
    return b'%b,"mac":"%b"}\n' % (body[:-1], mac.hex().encode())


def record_in(line: bytes) -> Record | None:
    """The record that a line, with its end, has the form of; None where it has not."""
    found, number = _TAIL.fullmatch(line[-_TAIL_BYTES:]), _NUMBER.match(line)
    if found is None or number is None:
        return None
    return Record(int(number[1]), line[:-_TAIL_BYTES] + b"}", bytes.fromhex(found[1].decode()))


def ends_in(link: Link) -> bytes:
    """How the line of that record ends."""
    return line_of(b"}", link.mac)


def file_name(number: int) -> str:
    """The name of the file of that number, from 1 on. Sorted by name they are in order."""
    return f"audit-{number:06}.jsonl"


def file_number(name: str) -> int | None:
    """The number in the name of a file; None where it is none of the audit's."""
    found = _NAME.fullmatch(name)
    if found is None or file_name(int(found[1])) != name or not int(found[1]):
        return None
    return int(found[1])


# -- the head


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record that was flushed: its link, and how long its file was then."""

    link: Link
    file: int
    size: int

    def text(self, key: bytes) -> bytes:
        """`HEAD_BYTES`, which `head_in` reads."""
        body = self._body()
        head = b"%b %b" % (body, hmac.digest(key, body, "sha256").hex().encode())
        return head.ljust(HEAD_BYTES - 1) + b"\n"

    def _body(self) -> bytes:
        link = self.link
        return f"{link.number} {link.mac.hex()} {self.file} {self.size}".encode()


def head_in(text: bytes, key: bytes) -> Head | None:
    """The head that was written with `key`; None where it is none."""
    match text.split():
        case [number, mac, file, size, _]:
            try:
                link = Link(int(number), bytes.fromhex(mac.decode("ascii")))
                head = Head(link, int(file), int(size))
            except ValueError:
                return None
            return head if hmac.compare_digest(head.text(key), text) else None
    return None
