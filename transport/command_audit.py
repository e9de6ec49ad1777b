"""What one command tells the audit of the data folder that it is about.

Owns when that is so, and what becomes of a command that cannot be recorded: what gives something
out is refused, what changes something goes on and says so, since keys that leaked must be replaced
whatever the disk does. Where no server runs the note is written into the audit here; else it is the
server's.

    announce | record -> a note in the folder -> an entry, by whoever has the folder
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from actors.audit.book import AuditFault
from actors.settings import Settings
from transport.audit_place import AuditPlace
from transport.command_notes import CommandNotes, Note, write_all
from transport.data_dir import LOCK_NAME, DataDir, DataDirUnusable
from transport.folder_work import NotAnswered, Waiting, done_in
from transport.spool import SpoolUnreadable

ANSWER_S: Final = 10.0
"""So long a server may take to record that a command was run."""
_FAULTS: Final = (AuditFault, DataDirUnusable, OSError, SpoolUnreadable)


class NotRecorded(Exception):
    """The audit does not have it. The message says why."""


Announce = Callable[[str, Mapping[str, object]], object]
"""Told of a command and what matters of it, before that changes anything."""


class CommandAudit:
    """That of `data` with `settings`; `by` says who runs the command. What is not kept, and what
    should be and could not, is in `remark`, if that is for the user to know.
    """

    def __init__(
        self,
        data: DataDir,
        settings: Settings,
        by: Mapping[str, object],
        now_ms: Callable[[], int],
        waiting: Waiting,
    ) -> None:
        self._data: Final = data
        self._settings: Final = settings
        self._by: Final = by
        self._now_ms: Final = now_ms
        self._waiting: Final = waiting
        self._place: Final = AuditPlace(data.path, settings.audit_key_file)
        self._notes: Final = CommandNotes(data.path, self._place.keys, data.random_bytes)
        self._announced: str | None = None
        self.remark = ""

    def record(
        self,
        command: str,
        details: Mapping[str, object],
        *,
        person: str | None = None,
        personal: Mapping[str, object] | None = None,
        room_id: str | None = None,
    ) -> None:
        """Have an entry of it before anything is given out. Raises NotRecorded; nothing is to be
        given out then.
        """
        now_ms = self._now_ms()
        note = Note(command, now_ms, self._by, details, person, personal or {}, room_id)
        name: str | None = None
        try:
            if self._is_kept():
                name = self._notes.put(note)
                self._settle(name)
        except (NotRecorded, *_FAULTS) as error:
            if name is not None:
                with suppress(OSError):
                    self._notes.remove([name])
            raise NotRecorded(f"refused, since the audit cannot be told: {error}") from None

    def announce(self, command: str, details: Mapping[str, object]) -> None:
        """Leave a note before something is changed. Never raises: see `remark`."""
        try:
            if self._is_kept():
                self._announced = self._notes.put(Note(command, self._now_ms(), self._by, details))
        except _FAULTS as error:
            self.remark = f"not in the audit: {error}"

    def settle(self) -> None:
        """Have an entry of what was announced. Never raises: see `remark`."""
        if self._announced is not None:
            try:
                self._settle(self._announced)
            except NotRecorded as error:
                self.remark = f"not in the audit yet, and a note of it waits: {error}"

    # -- inside

    def _is_kept(self) -> bool:
        """There is an audit, of a folder that servers run on: in a copy there is nothing to be
        recorded, and where this user cannot write there is no way to. Raises OSError.
        """
        data_dir = self._data.path
        if not self._settings.is_audited or not (data_dir / LOCK_NAME).exists():
            return False
        if not self._place.has_begun:
            return False
        if os.access(data_dir, os.W_OK):
            return True
        self.remark = f"not in the audit: {data_dir} cannot be written to"
        return False

    def _settle(self, name: str) -> None:
        """Raises NotRecorded."""
        try:
            done_in(
                self._data,
                lambda: self._is_gone(name),
                lambda: self._is_gone(name) or self._write_all(name),
                ANSWER_S,
                self._waiting,
            )
        except NotAnswered as late:
            raise NotRecorded(
                f"{late.told}, and has not recorded it within {ANSWER_S:g} s"
            ) from None
        except _FAULTS as error:
            raise NotRecorded(str(error)) from None

    def _is_gone(self, name: str) -> bool | None:
        if self._notes.was_refused(name):
            raise NotRecorded(
                f"the note {name} could not be read: does the server have another audit_key_file?"
            )
        return None if name in self._notes.pending() else True

    def _write_all(self, name: str) -> bool:
        now_ms = self._now_ms()
        book = self._place.book(self._settings, self._data.random_bytes)
        try:
            book.open(now_ms)
            write_all(self._notes, book, now_ms)
        finally:
            book.close()
        if self._is_gone(name) is None:
            raise NotRecorded(f"the note {name} could not be taken")
        return True
