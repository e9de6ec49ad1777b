"""Notes of commands as tests have them: one, those in a folder, and a folder with an audit.

Owns what a folder needs for a command in it to be audited.
"""

import os
from pathlib import Path
from typing import Any, Final

from actors.audit.people import SqlitePeople
from actors.audit.reading import entries, opened, verified
from actors.settings import Settings
from transport.audit_place import AuditPlace
from transport.command_notes import Note
from transport.data_dir import DataDir

NOW_MS: Final = 1_795_878_667_296
BY: Final = {"uid": 7, "user": "ops", "pid": 4711}
NOTE: Final = Note("export-user", NOW_MS, BY, {"rooms": 2}, "Zaphod-€", {"rooms": "{}"}, "hall")


def notes_in(folder: Path) -> list[str]:
    """The names of the files that are there, whatever they are."""
    place = folder / "audit-notes"
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


def audited_folder(path: Path) -> DataDir:
    """A data folder in which a server has run and kept an audit."""
    data = DataDir(path, os.urandom)
    data.lock()
    data.keys()
    book = AuditPlace(data.path).book(Settings(), os.urandom)
    book.open(NOW_MS)
    book.close()
    data.unlock()
    return data


def audit_of(data: DataDir) -> list[dict[str, Any]]:
    """Its entries, which are whole."""
    place = AuditPlace(data.path)
    keys = place.keys()
    assert not verified(place.folder, keys).breaches
    people = SqlitePeople(place.people_path, keys.people, os.urandom)
    try:
        return [opened(entry, people) for entry in entries(place.folder, keys)]
    finally:
        people.close()
