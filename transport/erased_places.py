"""What a data folder has of a person, place by place, and how each is rid of it. Blocking.

Owns what is erased where no server runs, and what is left for the operator anywhere: what nobody
can look through. Each place may be done again.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from actors.audit.book import ERASED
from actors.audit.port import Entry
from actors.ids import RoomId
from actors.kept_recordings import erase_recordings
from actors.keys import KeyRing
from actors.privacy import pseudonym
from actors.recordings import FOLDER_NAME
from actors.sealing import Seal
from actors.settings import Settings
from actors.stores.erasing import Erasing, Forgotten
from actors.stores.sqlite import FILE_NAME, SqliteStore
from transport.audit_place import AuditPlace
from transport.command_notes import CommandNotes, write_all


def pseudonyms_of(person: str, keys: KeyRing | None) -> Callable[[RoomId], str]:
    """What a room calls somebody who hides there. Without keys nobody ever hid."""
    if keys is None:
        return lambda room_id: person
    key: Final = keys.pseudonym
    return lambda room_id: pseudonym(key, room_id, person)


def store_told(forgotten: Forgotten) -> dict[str, Any]:
    """What was done in the store, for whoever asked."""
    return {
        "seats": len(forgotten.seats),
        "rules": sorted(f"{room_id}: {part}" for room_id, part in forgotten.rules),
        "setAside": forgotten.set_aside,
        "unreadableRows": forgotten.unreadable,
    }


def erase_offline(
    data_dir: Path,
    settings: Settings,
    seal: Seal | None,
    keys: KeyRing | None,
    person: str,
    now_ms: int,
    random_bytes: Callable[[int], bytes],
) -> dict[str, Any]:
    """Erase `person` from a folder that no server runs on, and that is locked; what was done.

    Raises StoreFault, OSError or AuditFault; all may be done again then.
    """
    done: dict[str, Any] = {}
    pseudonym_in = pseudonyms_of(person, keys)
    if (data_dir / FILE_NAME).exists():
        store = SqliteStore(data_dir, flush=True, seal=seal)
        try:
            store.open(now_ms)
            erasing = Erasing(store, person, pseudonym_in)
            while store.visit(erasing.step):
                pass
            done |= store_told(erasing.forgotten)
        finally:
            store.close()
    removed, unreadable = erase_recordings(data_dir / FOLDER_NAME, seal, person, pseudonym_in)
    done |= {"recordings": removed, "unreadableRecordings": unreadable}
    place = AuditPlace(data_dir, settings.audit_key_file)
    notes = CommandNotes(data_dir, place.keys, random_bytes)
    done["audit"] = _forget_in_audit(place, notes, settings, person, now_ms, random_bytes)
    notes.clear_refused()
    notes.clear_drafts()
    return done


def left_in(data_dir: Path, done: dict[str, Any], unused: Iterable[str] = ()) -> list[str]:
    """What may still have something of the person, in sentences. `unused` are files of the folder
    that the server does not use as it is set.
    """
    left = [
        f"{path}: a database that was set aside; nobody looks through it: remove it"
        for path in sorted(data_dir.glob(f"{FILE_NAME}.corrupt-*"))
    ]
    if rows := done.get("unreadableRows"):
        left.append(f"{data_dir / FILE_NAME}: {rows} rows that cannot be unsealed or read")
    left += [
        f"{data_dir / FOLDER_NAME / name}: it cannot be read: remove it"
        for name in done.get("unreadableRecordings", ())
    ]
    left += [
        f"{data_dir / name}: the server as it is set does not use it: stop it, and run this again"
        for name in unused
        if (data_dir / name).exists()
    ]
    return left


def _forget_in_audit(
    place: AuditPlace,
    notes: CommandNotes,
    settings: Settings,
    person: str,
    now_ms: int,
    random_bytes: Callable[[int], bytes],
) -> bool:
    """Whether there was anything of the person in the audit."""
    if not place.people_path.exists() and not notes.pending():
        return False
    book = place.book(settings, random_bytes)
    try:
        book.open(now_ms)
        write_all(notes, book, now_ms)  # else what they tell of the person would come after
        was_there = book.forget(person, now_ms)
        if not was_there:
            book.write([Entry(now_ms, ERASED)], now_ms)
        return was_there
    finally:
        book.close()
