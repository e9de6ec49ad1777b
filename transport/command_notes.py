"""What commands have to tell the audit, as files, until it is in there.

Owns the folder `audit-notes` of the data folder, and what such a note becomes. Each is sealed with
a key of the audit: it is nothing to whom has not that, and nobody else can make one. Knows neither
who takes them nor who waits for that.

    NAME.note -> an entry of the audit -> nothing
              -> NAME.refused, and an entry that it was
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from actors.audit.book import AuditBook
from actors.audit.chain import Keys
from actors.audit.port import Entry
from actors.audit.records import time_of
from actors.ids import parse_name
from actors.sealing import Seal
from transport.spool import Spool, SpoolUnreadable

FOLDER_NAME: Final = "audit-notes"
NOTES_MAX: Final = 200
"""So many may wait; one more is not taken, and the command hears of it. A server takes so many in
one go, which holds it up: 0.4 ms each, most of it their removal (ext4).
"""
NOTE_BYTES_MAX: Final = 16_384
REFUSED_MAX: Final = 100
"""So many that nobody could read are kept; of more only the audit and the log tell."""
BY: Final = "by"
"""In the details: who ran it."""
RUN: Final = "command_run"
REFUSED: Final = "command_note_refused"
_WAITING: Final = ".note"
_REFUSED: Final = ".refused"
_TIME_DIGITS: Final = 14
_NAME: Final = re.compile(rf"[0-9]{{{_TIME_DIGITS}}}-[0-9a-f]{{16}}")
_BROKEN: Final = "it is not a note"


class NotesFull(OSError):
    """As many wait as may."""


class Note(NamedTuple):
    """One command, at Unix milliseconds `ran_ms`, by whom. `person` is whom it is about."""

    command: str
    ran_ms: int
    by: Mapping[str, object]
    details: Mapping[str, object] = {}
    person: str | None = None
    personal: Mapping[str, object] = {}
    room_id: str | None = None

    def entry(self, name: str, at_ms: int) -> Entry:
        """As the audit has it. `name` is the same where a death had it written twice."""
        details = {
            "command": self.command,
            "note": name,
            "ranAt": time_of(self.ran_ms),
            BY: self.by,
            **self.details,
        }
        about = () if self.person is None else ((self.person, self.personal),)
        return Entry(at_ms, RUN, self.room_id, details=details, about=about)


class Taken(NamedTuple):
    """Notes as entries, by name, and those that were refused, each with the reason."""

    notes: Mapping[str, Entry]
    refused: Mapping[str, str]

    def entries(self, at_ms: int) -> list[Entry]:
        """All of it."""
        refused = [
            Entry(at_ms, REFUSED, details={"note": shown(name), "error": why})
            for name, why in self.refused.items()
        ]
        return [*self.notes.values(), *refused]


class CommandNotes:
    """Those of the data folder `data_dir`. `keys` are asked for when the first note is written or
    read, and may raise OSError; so may all of this.
    """

    def __init__(
        self, data_dir: Path, keys: Callable[[], Keys], random_bytes: Callable[[int], bytes]
    ) -> None:
        self._keys: Final = keys
        self._random_bytes: Final = random_bytes
        self._spool: Final = Spool(
            data_dir / FOLDER_NAME,
            "audit note",
            lambda: self._seal,
            random_bytes,
            bytes_max=NOTE_BYTES_MAX,
            is_sealed=True,
        )

    def put(self, note: Note) -> str:
        """What it is called. Durable when it returns. Raises NotesFull, and SpoolUnreadable for a
        note that is too long.
        """
        if len(self.pending()) >= NOTES_MAX:
            raise NotesFull(f"{self._spool.path}: {NOTES_MAX} notes wait already")
        name = f"{note.ran_ms:0{_TIME_DIGITS}}-{self._spool.new_name()}"
        self._spool.write(f"{name}{_WAITING}", {"format": 1, **note._asdict()})
        return name

    def pending(self) -> list[str]:
        """What those are called that are not in the audit yet, oldest first."""
        return self._spool.named(_WAITING)

    def take(self, names: Sequence[str], at_ms: int) -> Taken:
        """The notes as entries; they stay until they are removed. Of the first `NOTES_MAX`. One
        that cannot be read is set aside.
        """
        notes: dict[str, Entry] = {}
        refused: dict[str, str] = {}
        if names:
            _ = self._seal  # that there is none is not the fault of a note
        for name in names[:NOTES_MAX]:
            try:
                notes[name] = _note(self._spool.read(f"{name}{_WAITING}")).entry(name, at_ms)
            except FileNotFoundError:
                continue  # another has taken it
            except (OSError, ValueError) as error:
                # Not as an OSError tells itself: that has the name, which anybody may have chosen.
                refused[name] = (isinstance(error, OSError) and error.strerror) or str(error)
                self._set_aside(name)
        if refused:
            self._prune(refused)
        return Taken(notes, refused)

    def was_refused(self, name: str) -> bool:
        """It was set aside: nobody could read it."""
        return (self._spool.path / f"{name}{_REFUSED}").exists()

    def remove(self, names: Sequence[str]) -> None:
        """They are in the audit now, or are not to be. Nobody waits for the disk: should a loss of
        power bring one back it is an entry twice, by the same name.
        """
        self._spool.remove(*(f"{name}{_WAITING}" for name in names), is_durable=False)

    def clear_refused(self) -> None:
        """What was set aside goes: nobody can look through it. What was removed stays so now."""
        refused = self._spool.named(_REFUSED)
        self._spool.remove(*(f"{name}{_REFUSED}" for name in refused), is_durable=False)
        self._spool.flush()

    def clear_drafts(self) -> None:
        """So does what is half-written."""
        self._spool.clear_drafts()

    # -- inside

    @cached_property
    def _seal(self) -> Seal:
        return Seal((self._keys().notes,), self._random_bytes)

    def _set_aside(self, name: str) -> None:
        with suppress(OSError):  # it stays, then, and the others go on
            self._spool.rename(f"{name}{_WAITING}", f"{name}{_REFUSED}")

    def _prune(self, fresh: Container[str]) -> None:
        """Not what is `fresh`, whatever its name says of its age: a command looks for it."""
        old = [name for name in self._spool.named(_REFUSED) if name not in fresh]
        with suppress(OSError):
            self._spool.remove(*(f"{name}{_REFUSED}" for name in old[:-REFUSED_MAX]))


def shown(name: str) -> str:
    """The name of a note that was refused, if it is one that we give."""
    return name if _NAME.fullmatch(name) else "of another name"


def write_all(notes: CommandNotes, book: AuditBook, now_ms: int) -> None:
    """Have an open book tell of all that there are, and remove them. Blocks. Raises AuditFault and
    OSError; all that is not written is there then.
    """
    names = notes.pending()
    for start in range(0, len(names), NOTES_MAX):
        taken = notes.take(names[start : start + NOTES_MAX], now_ms)
        if entries := taken.entries(now_ms):
            book.write(entries, now_ms)
        notes.remove([*taken.notes])


def _note(value: Any) -> Note:
    """Raises SpoolUnreadable for what is none."""
    try:
        fields = {name: value[name] for name in Note._fields}
    except (KeyError, TypeError):
        raise SpoolUnreadable(_BROKEN) from None
    ran_ms, person, room_id = fields["ran_ms"], fields["person"], fields["room_id"]
    if not (
        isinstance(fields["command"], str)
        and all(isinstance(fields[name], dict) for name in ("by", "details", "personal"))
        and isinstance(ran_ms, int)
        and 0 <= ran_ms < 10**_TIME_DIGITS
        and (person is None or parse_name(person) is not None)
        and (room_id is None or isinstance(room_id, str))
    ):
        raise SpoolUnreadable(_BROKEN)
    return Note(**fields)
