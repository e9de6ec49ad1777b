"""What commands have left for the audit of a running server, from the note to the entry.

Owns that a note stays until its entry is on the disk, and what is told of those that cannot be
read. Who left them is told by what they say, which nobody without the audit's secret can.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from actors.audit.port import Entry
from actors.audit.trail import AuditTrail
from actors.ports import Clock, Log
from actors.settings import Settings
from transport.audit_place import AuditPlace
from transport.command_notes import BY, NOTES_MAX, CommandNotes, shown
from transport.data_dir import DataDir


class ServerNotes:
    """`begin` it before what may erase persons; `look` when somebody says that there is a note.
    Where nothing is audited (`trail` is None) notes are removed unread.
    """

    def __init__(
        self,
        settings: Settings,
        data: DataDir,
        trail: AuditTrail | None,
        clock: Clock,
        log: Log,
    ) -> None:
        place = AuditPlace(data.path, settings.audit_key_file)
        self._notes: Final = CommandNotes(data.path, place.keys, data.random_bytes)
        self._trail: Final = trail
        self._clock: Final = clock
        self._log: Final = log
        self._under_way: set[str] = set()
        self._written: set[str] = set()
        """In the audit, and could not be removed: not to be written again."""

    def begin(self) -> None:
        """Take what was left while no server ran, and by commands that have died."""
        with self._telling():
            self._notes.clear_drafts()
        self.look()

    def look(self) -> None:
        """Take the notes that there are."""
        with self._telling():
            self._remove(())
            known = self._under_way | self._written
            names = [name for name in self._notes.pending() if name not in known]
            if self._trail is None:
                self._discard(names)
                return
            now_ms = self._clock.now_ms()
            taken = self._notes.take(names, now_ms)
            for name, why in taken.refused.items():
                self._log.error("command_note_refused", note=shown(name), error=why)
            if entries := taken.entries(now_ms):
                self._under_way |= taken.notes.keys()
                are_more = len(names) > NOTES_MAX
                self._trail.keep(entries, partial(self._kept, taken.notes, are_more=are_more))

    # -- inside

    def _kept(self, notes: Mapping[str, Entry], *, are_more: bool) -> None:
        """The audit has them."""
        self._under_way -= notes.keys()
        for entry in notes.values():
            self._log.info(
                "command_recorded", command=entry.details["command"], by=entry.details[BY]
            )
        with self._telling():
            self._remove(notes.keys())
        if are_more and notes:
            self.look()

    def _remove(self, names: Iterable[str]) -> None:
        """Also those that could not be before."""
        self._written |= set(names)
        self._notes.remove(sorted(self._written))
        self._written.clear()

    def _discard(self, names: Sequence[str]) -> None:
        self._notes.remove(names)
        if names:
            self._log.info("command_notes_discarded", count=len(names))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._log.error("command_notes_unusable", error=str(error))
