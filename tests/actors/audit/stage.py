"""A folder in memory, with a disk that fails where it is told to, and an audit in it.

Owns what the tests of the audit, and the simulated world, have in place of a disk.
"""

import errno
import random
from collections.abc import Iterator
from typing import Final

from actors.audit.book import HEAD_NAME, AuditBook, Bounds, End
from actors.audit.chain import LINE_BYTES_MAX, Keys, Link, file_name
from actors.audit.people import SqlitePeople
from actors.audit.port import Entry, Item
from actors.audit.reading import entries, opened, verified
from actors.audit.verify import Report
from actors.ids import RoomId, SocketId, UserId
from actors.players import Motion, Player
from actors.turn import Fact

NOW_MS: Final = 1_795_878_667_296
KEYS: Final = Keys.of(b"k" * 32)
FIRST: Final = file_name(1)


class MemoryFolder:
    """The Folder port. `room` is how many bytes may still be appended before the disk is full."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.room: int | None = None
        self.keeps_head = True
        self.cannot_cut = False

    def names(self) -> list[str]:
        return list(self.files)

    def size(self, name: str) -> int:
        return len(self.files.get(name, b""))

    def lines(self, name: str, offset: int = 0) -> Iterator[bytes]:
        data = self.files.get(name, b"")[offset:]
        while data:
            end = data.find(b"\n") + 1 or len(data)
            end = min(end, LINE_BYTES_MAX)
            yield data[:end]
            data = data[end:]

    def append(self, name: str, data: bytes) -> None:
        taken = data if self.room is None else data[: self.room]
        self.files[name] = self.files.get(name, b"") + taken
        if self.room is not None:
            self.room -= len(taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")

    def cut(self, name: str, size: int) -> None:
        if self.cannot_cut:
            raise OSError(errno.EIO, "Input/output error")
        if size:
            self.files[name] = self.files[name][:size]
        else:
            self.files.pop(name, None)

    def put(self, name: str, data: bytes) -> None:
        if not self.keeps_head:
            raise OSError(errno.EIO, "Input/output error")
        self.files[name] = data + self.files.get(name, b"")[len(data) :]

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    def close(self) -> None:
        """Nothing to do."""


class Office:
    """One audit, and its writers one after another: `life` begins the next one."""

    def __init__(self, file_bytes_max: int = 1 << 20, retention_days: int = 0) -> None:
        self.folder: Final = MemoryFolder()
        self.chance: Final = random.Random(7)
        self.people: Final = SqlitePeople(":memory:", KEYS.people, self.chance.randbytes)
        self.bounds = Bounds(file_bytes_max, retention_days)
        self.now_ms = NOW_MS

    def book(self) -> AuditBook:
        return AuditBook(self.folder, self.people, KEYS, self.bounds, self.chance.randbytes)

    def life(self, *events: str) -> AuditBook:
        """A writer that has written these."""
        book, _ = self.opened()
        if events:
            self.write(book, *events)
        return book

    def opened(self) -> tuple[AuditBook, End]:
        book = self.book()
        return book, book.open(self.now_ms)

    def write(self, book: AuditBook, *events: str) -> Link:
        return book.write([self.entry(event) for event in events], self.now_ms)

    def entry(self, event: str) -> Item:
        return Entry(self.now_ms, event, "lobby", "AAAA", "ann", {"displayName": "Ann"}, {"x": 1})

    def report(self, *contains: Link) -> Report:
        return verified(self.folder, KEYS, contains)

    def breaches(self) -> list[str]:
        return [str(breach) for breach in self.report().breaches]

    def shown(self) -> list[dict[str, object]]:
        return [opened(entry, self.people) for entry in entries(self.folder, KEYS)]

    def events(self) -> list[str]:
        return [str(entry["event"]) for entry in entries(self.folder, KEYS)]

    def lines(self, name: str = FIRST) -> list[bytes]:
        return self.folder.files[name].splitlines(keepends=True)

    def rewrite(self, lines: list[bytes], name: str = FIRST) -> None:
        self.folder.files[name] = b"".join(lines)


def fact(
    event: str = "player_joined",
    person: str = "ann",
    shown: str = "ann",
    persons: tuple[str, ...] = (),
    **details: object,
) -> Fact:
    """What a room tells."""
    player = Player(SocketId("AAAA"), UserId(shown), None, {}, NOW_MS, Motion(0, 0, NOW_MS))
    return Fact(event, player, 1, 3, details, person, persons)


ROOM: Final = RoomId("lobby")
__all__ = ["FIRST", "HEAD_NAME", "KEYS", "NOW_MS", "ROOM", "MemoryFolder", "Office", "fact"]
