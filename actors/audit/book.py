"""An audit as its writer sees it: one chain, in files that are begun and, when old, removed.

Owns where the chain goes on after whatever end the process before had, and that a batch is written
whole or not at all. Blocks on the disk: it belongs on a thread. Changes nothing that was ever
flushed; what a death left half-written stays as it is, and the next file says so.

    audit_file_began | records ... | (death, size, day) | audit_file_began of the next file | ...
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from actors.audit.chain import (
    FILE_BEGAN,
    FILES_REMOVED,
    FORMAT,
    HEAD_BYTES,
    LINE_BYTES_MAX,
    ORIGIN,
    Head,
    Keys,
    Link,
    ends_in,
    file_name,
    file_number,
    head_in,
    link_before,
    mac_of,
    record_in,
)
from actors.audit.folder import Folder
from actors.audit.people import People
from actors.audit.port import Entry, Item
from actors.audit.records import Scribe, time_of
from actors.audit.verify import torn

HEAD_NAME: Final = "head"
DAY_MS: Final = 86_400_000
ERASED: Final = "person_erased"


class AuditFault(Exception):
    """Nothing of what was asked is written; it may be asked again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`file_bytes_max`: a file that is longer is followed by another one. `retention_days`: files
    whose records are all older are removed; 0 keeps them.
    """

    file_bytes_max: int
    retention_days: int


@dataclass(slots=True)
class End:
    """Where what is there ends. `breach` is what no death explains, as far as the end shows it."""

    link: Link = ORIGIN
    file: int = 0
    torn: tuple[dict[str, object], ...] = ()
    head: str | None = None
    breach: str | None = None


class AuditBook:
    """`open` it first; from then on it is the calling thread's. Raises AuditFault."""

    def __init__(
        self,
        folder: Folder,
        people: People,
        keys: Keys,
        bounds: Bounds,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._folder: Final = folder
        self._people: Final = people
        self._keys: Final = keys
        self._bounds: Final = bounds
        self._scribe: Final = Scribe(people, keys, random_bytes)
        self.link = ORIGIN
        self._file = 0
        self._size = 0
        self._day = 0
        self._is_spoilt = False
        """Behind its size the file may have what was not flushed: that is cut off first."""
        self._began: list[tuple[int, int]] = []
        """The files that are there, and when each began, in order."""

    def open(self, now_ms: int) -> End:
        """Begin a file behind what is there, and say what that was."""
        with self._asking():
            end = end_of(self._folder, self._keys)
            self.link, self._file = end.link, end.file
            self._began = list(beginnings(self._folder, self._keys))
            self._begin(now_ms, "start", end)
        return end

    def write(self, items: Sequence[Item], now_ms: int) -> Link:
        """All of them, flushed; the end of the chain. O(items)."""
        with self._asking():
            day = now_ms // DAY_MS
            if day > self._day:
                self._begin(now_ms, "day")
            elif self._size >= self._bounds.file_bytes_max:
                self._begin(now_ms, "size")
            self._add(items)
        return self.link

    def forget(self, user_id: str, now_ms: int) -> bool:
        """Make what is told of the person unreadable, for good; whether there was anything. The
        erasure is an entry, under the name that nobody can trace back from then on.
        """
        with self._asking():
            person = self._people.known(user_id)
            if person is None:
                return False
            self._add([Entry(now_ms, ERASED, details={"person": person.ref})])
            self._scribe.forget_sealed()
            return self._people.forget(user_id)

    def close(self) -> None:
        """Harmless where it was not opened."""
        with self._asking():
            self._folder.close()
            self._people.close()

    # -- inside

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._scribe.forget_sealed()  # by keys that may not be kept
            raise AuditFault(str(error)) from None

    def _add(self, items: Sequence[Item]) -> None:
        self._mend()
        data, link = self._scribe.lines(items, self.link, self._day)
        self._people.commit()  # no entry is kept whose key is not
        self._is_spoilt = True
        try:
            self._folder.append(file_name(self._file), data)
        except OSError:
            with suppress(OSError):  # else before anything else is written
                self._mend()
            raise
        self._is_spoilt = False
        self._flushed(link, len(data))

    def _begin(self, now_ms: int, why: str, end: End | None = None) -> None:
        self._mend()
        number = self._file + 1
        fields: dict[str, object] = {
            "n": self.link.number + 1,
            "at": time_of(now_ms),
            "event": FILE_BEGAN,
            "file": number,
            "format": FORMAT,
            "before": self.link.mac.hex(),
            "why": why,
        }
        if end is not None and end.torn:
            fields["torn"] = end.torn
        if end is not None and end.head:
            fields["head"] = end.head
        line, link = self._scribe.line(fields, self.link)
        name = file_name(number)
        if self._folder.size(name):  # ours, from an attempt that failed
            self._folder.cut(name, 0)
        try:
            self._folder.append(name, line)
        except OSError:
            with suppress(OSError):
                self._folder.cut(name, 0)
            raise
        self._file, self._size = number, 0
        self._day = max(self._day, now_ms // DAY_MS)
        self._began.append((number, now_ms))
        self._flushed(link, len(line))
        self._remove_old(now_ms)

    def _flushed(self, link: Link, size: int) -> None:
        """What was appended is there to stay. The head follows it, and is never ahead."""
        self.link = link
        self._size += size
        head = Head(link, self._file, self._size)
        with suppress(OSError):  # an older head is true, too, and the next batch has the next
            self._folder.put(HEAD_NAME, head.text(self._keys.head))

    def _mend(self) -> None:
        if self._is_spoilt:
            self._folder.cut(file_name(self._file), self._size)
            self._is_spoilt = False

    def _remove_old(self, now_ms: int) -> None:
        """Files whose records are all too old, and the keys of persons who are in no other. That
        they go is an entry before they do.
        """
        days = self._bounds.retention_days
        count = _outlived(self._began, now_ms - days * DAY_MS, now_ms) if days else 0
        if not count:
            return
        through = self._began[count - 1][0]
        # Those of a death as they began are among them, too.
        going = [number for number in numbers_of(self._folder) if number <= through]
        kept_day = min(began_ms for _, began_ms in self._began[count:]) // DAY_MS
        details = {"throughFile": through, "files": len(going)}
        self._people.forget_before(kept_day)
        self._add([Entry(now_ms, FILES_REMOVED, details=details)])
        for number in going:
            self._folder.remove(file_name(number))
        del self._began[:count]


def _outlived(began: Sequence[tuple[int, int]], oldest_ms: int, now_ms: int) -> int:
    """Of so many of the files, from the first on, all records are from before `oldest_ms`.

    A file has records until the next one began. Where that seems to be before its own beginning, or
    is still to come, the clock was wrong; the next one that tells a time in between is believed.
    """
    for count, (_, began_ms) in enumerate(began):
        since_ms = began_ms if began_ms <= now_ms else 0
        later = (at_ms for _, at_ms in began[count + 1 :] if since_ms <= at_ms <= now_ms)
        until_ms = next(later, now_ms)
        if until_ms >= oldest_ms:
            return count
    return 0


# -- what is there


def numbers_of(folder: Folder) -> list[int]:
    """The numbers of its files, in order. Raises OSError."""
    return sorted(number for name in folder.names() if (number := file_number(name)) is not None)


def head_of(folder: Folder, keys: Keys) -> tuple[Head | None, str | None]:
    """The head, or why there is none. Raises OSError."""
    text = b"".join(folder.lines(HEAD_NAME))
    head = head_in(text, keys.head) if len(text) == HEAD_BYTES else None
    return head, None if head is not None else "damaged" if text else "missing"


def beginnings(folder: Folder, keys: Keys) -> Iterator[tuple[int, int]]:
    """Number and beginning, Unix milliseconds, of each file from the first one on whose beginning
    is sound, so that nothing else is ever removed. Raises OSError.
    """
    for number in numbers_of(folder):
        line = next(folder.lines(file_name(number)), b"")
        record = record_in(line)
        before = None if record is None else link_before(record)
        if record is None or before is None or not _follows(keys, record.body, record.mac, before):
            continue
        yield number, record.at_ms()


def end_of(folder: Folder, keys: Keys) -> End:
    """Where the chain ends, from the head on. O(what is behind the head). Raises OSError."""
    numbers = numbers_of(folder)
    head, why = head_of(folder, keys)
    last = max(numbers, default=0)
    if head is None:
        return _end_without_head(folder, keys, numbers, why)
    end = End(head.link, max(last, head.file))
    name = file_name(head.file)
    tail = ends_in(head.link)
    size = folder.size(name)
    if size < head.size or next(folder.lines(name, head.size - len(tail)), b"") != tail:
        end.breach = f"{name}: expected record {head.link.number} to end at byte {head.size}"
        return end
    _walk(folder, keys, end, [number for number in numbers if number >= head.file], head.size)
    return end


def _end_without_head(folder: Folder, keys: Keys, numbers: list[int], why: str | None) -> End:
    """From the last file that begins soundly on."""
    end = End(file=max(numbers, default=0))
    if not numbers:
        end.head = end.breach = why if why == "damaged" else None
        return end
    start = max((number for number, _ in beginnings(folder, keys)), default=0)
    record = record_in(next(folder.lines(file_name(start)), b"")) if start else None
    before = None if record is None else link_before(record)
    if before is None:
        end.breach = f"{file_name(numbers[-1])}: no file begins soundly"
    else:
        end.link = before
        _walk(folder, keys, end, [number for number in numbers if number >= start], 0)
    if end.link.number > 1 or why == "damaged":  # else it died before the first head
        end.head = why
        end.breach = end.breach or f"head: {why}"
    return end


def _walk(folder: Folder, keys: Keys, end: End, numbers: Sequence[int], offset: int) -> None:
    """Follow the chain from `end.link` on, as far as it is sound."""
    for number in numbers:
        name = file_name(number)
        for line in folder.lines(name, offset):
            if not line.endswith(b"\n") and len(line) < LINE_BYTES_MAX:
                end.torn += (torn(name, line),)
                break
            record = record_in(line)
            if record is None or not _follows(keys, record.body, record.mac, end.link):
                end.breach = f"{name}: expected record {end.link.number + 1}, found no such record"
                return
            end.link = Link(record.number, record.mac)
        offset = 0


def _follows(keys: Keys, body: bytes, mac: bytes, before: Link) -> bool:
    return mac_of(keys.chain, before.mac, body) == mac
