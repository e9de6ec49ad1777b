"""An audit's files held against its chain and its head. PURE: lines come as arguments.

Owns what is a breach and where it is. A breach is an edit, a deletion, a change of order, or
something put in. What a death leaves is none: the last line of a life may be torn, beyond what the
head knew; the file after it says so.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from actors.audit.chain import (
    FILES_REMOVED,
    GAP,
    LINE_BYTES_MAX,
    ORIGIN,
    Head,
    Link,
    Record,
    file_name,
    link_before,
    mac_of,
    record_in,
)

BREACHES_MAX: Final = 1000
"""So many are told; of a file that is no file of an audit, every line is one."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that nobody wrote so. `line` counts from 1; 0 is the file as a whole."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass(slots=True)
class Report:
    """What was found. `link` is the end of the chain; `remarks` are no breaches."""

    files: int = 0
    records: int = 0
    link: Link = ORIGIN
    breaches: list[Breach] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    lost: int = 0
    """Entries that the server counted and could not keep."""


@dataclass(frozen=True, slots=True)
class _Tail:
    """What stands behind the last line end of a file."""

    file: str
    line: int
    data: bytes

    def told(self) -> dict[str, object]:
        """As the next file tells of it."""
        return torn(self.file, self.data)


def torn(name: str, data: bytes) -> dict[str, object]:
    """How the beginning of a file tells of what was torn at the end of one before."""
    return {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class Verifier:
    """Takes the files in their order. `contains`: links that must be in the chain, as they were
    told before, elsewhere.
    """

    def __init__(self, key: bytes, head: Head | None, contains: Iterable[Link] = ()) -> None:
        self._key: Final = key
        self._head: Final = head
        self._awaited = {link.number: link for link in contains}
        self._flushed = None if head is None else head.link
        self._link: Link | None = None
        self._first_file = 0
        self._last_file = 0
        self._first_number = 0
        self._removed_file = 0
        self._tails: list[_Tail] = []
        self._where = ("", 0)
        self.report: Final = Report()

    def take(self, number: int, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """One file: its lines with their ends, each cut off after `LINE_BYTES_MAX`. Gives what
        its sound records say.
        """
        name = file_name(number)
        self.report.files += 1
        if self._last_file and number != self._last_file + 1:
            gone, last = file_name(self._last_file + 1), file_name(number - 1)
            self._breach(name, 0, f"expected {gone}" + f" to {last}" * (gone != last) + " before")
        self._first_file = self._first_file or number
        self._last_file = number
        for count, line in enumerate(lines, 1):
            self._where = (name, count)
            if not line.endswith(b"\n") and len(line) < LINE_BYTES_MAX:
                self._tails.append(_Tail(name, count, line))
                return
            record = record_in(line)
            if record is None:
                self._say(f"expected record {self._expected()}, found no record")
            elif count == 1:
                self._begin(number, record)
            elif self._joins(record):
                yield self._learn(record.fields())

    def damaged_head(self) -> None:
        """There is a head, and nobody wrote it so."""
        self._breach("head", 0, "expected the head of this audit, found something else")

    def end(self) -> Report:
        """After the last file."""
        report, head = self.report, self._head
        report.link = self._link or ORIGIN
        if self._first_file > 1 and self._removed_file < self._first_file - 1:
            before = file_name(self._first_file - 1)
            name = file_name(self._first_file)
            self._breach(name, 0, f"expected {before} before, which was not removed by age")
        last = file_name(self._last_file) if self._last_file else "the folder"
        if head is None and report.records > 1 and not report.breaches:
            self._breach("head", 0, "expected the head of this audit, found none")
        if head is not None and head.link.number > report.link.number:
            missing = f"{report.link.number + 1} to {head.link.number}"
            self._breach(last, 0, f"expected records {missing} at its end, which the head names")
        elif self._flushed is not None and 0 < self._first_number <= self._flushed.number:
            number = self._flushed.number
            self._breach(last, 0, f"record {number} is not the one that the head names")
        else:
            self._remark(self._tails, "which was never whole")
        for link in self._awaited.values():
            what = f"expected record {link.number} with the mac {link.mac.hex()}"
            self._breach(last, 0, what)
        return report

    # -- inside

    def _begin(self, number: int, record: Record) -> None:
        """The first record of a file, which says itself what it follows."""
        tails, self._tails = self._tails, []
        fields: dict[str, Any] = {}
        with suppress(ValueError):
            fields = record.fields()
        before = link_before(record)
        expected = self._link
        if before is None or fields.get("file") != number:
            self._say(f"expected the beginning of file {number}")
        elif not self._follows(record, before):
            self._say(f"record {record.number} was changed")
        else:
            self.report.records += 1
            if expected is None and number == 1 and before != ORIGIN:
                self._say(f"expected record 1, found {record.number}")
            elif expected is not None and before.number > expected.number:
                missing = f"{expected.number + 1} to {before.number}"
                self._say(f"expected records {missing} at the end of the file before")
            elif expected not in (None, before):
                self._say(f"found record {record.number} of another chain")
            if fields.get("head") is not None:
                self._say(f"the head was {fields['head']} when this file began")
            self._compare(tails, fields.get("torn", []))
        self._goes_on(record)

    def _compare(self, tails: list[_Tail], told: list[dict[str, object]]) -> None:
        """What is torn at the ends of files must be what the next one tells of it."""
        found = [tail.told() for tail in tails]
        if found == told:
            self._remark(tails, "as the next file tells")
            return
        for tail in tails:
            if tail.told() not in told:
                self._breach(tail.file, tail.line, "expected a record, found a part of one")
        for each in told:
            if each not in found:
                self._breach(
                    str(each["name"]), 0, f"expected {each['bytes']} torn bytes at its end"
                )

    def _remark(self, tails: list[_Tail], how: str) -> None:
        self.report.remarks += [
            f"{tail.file}:{tail.line}: torn: {len(tail.data)} bytes of a record, {how}"
            for tail in tails
        ]

    def _joins(self, record: Record) -> bool:
        """Whether it is the next one of the chain, which goes on behind it unless it is an old
        one.
        """
        link = self._link
        if link is None:
            self._say("expected the beginning of a file")
        elif self._follows(record, link):  # if its number is not the next, that before was changed
            self.report.records += 1
            self._goes_on(record)
            return True
        elif record.number == link.number + 1:
            self._say(f"record {record.number} was changed")
        elif record.number > link.number + 1:
            missing = f"{link.number + 1} to {record.number - 1}"
            self._say(f"expected records {missing}, found {record.number}")
        else:
            self._say(f"expected record {link.number + 1}, found {record.number} again")
            return False
        self._goes_on(record)
        return False

    def _follows(self, record: Record, link: Link) -> bool:
        return hmac.compare_digest(mac_of(self._key, link.mac, record.body), record.mac)

    def _goes_on(self, record: Record) -> None:
        link = self._link = Link(record.number, record.mac)
        self._first_number = self._first_number or record.number
        if link == self._flushed:
            self._flushed = None
        if self._awaited.get(record.number) == link:
            del self._awaited[record.number]

    def _learn(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What a sound record says of the audit itself."""
        details = fields.get("details", {})
        if fields.get("event") == FILES_REMOVED:
            self._removed_file = max(self._removed_file, int(details["throughFile"]))
        elif fields.get("event") == GAP:
            self.report.lost += int(details["count"])
        return fields

    def _expected(self) -> int:
        return 1 if self._link is None else self._link.number + 1

    def _say(self, what: str) -> None:
        self._breach(*self._where, what)

    def _breach(self, file: str, line: int, what: str) -> None:
        if len(self.report.breaches) < BREACHES_MAX:
            self.report.breaches.append(Breach(file, line, what))
