"""The command `vaultmeet export-user`: all that a data folder has of a person, as JSON.

Owns the shape of it. Reads only, but for the entry that it was done, also while a server runs,
which is ahead by what it has not written yet. Of others there is nothing: where an entry of the
audit is about several, it is told without them, and with the part that this one has in it (`role`).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from actors.audit.people import SqlitePeople
from actors.audit.reading import entries, opened
from actors.audit.records import time_of
from actors.forgetting import traces_in
from actors.ids import NAME_EXPECTED, RoomId, parse_name
from actors.kept_recordings import recordings_of
from actors.recordings import FOLDER_NAME
from actors.records import Kept, Record, kept_in
from actors.settings import Settings
from actors.stores.port import StoreFault
from actors.stores.reading import records_of
from actors.stores.sqlite import FILE_NAME
from transport.audit_place import AuditPlace
from transport.command_audit import CommandAudit, NotRecorded
from transport.command_notes import BY
from transport.data_dir import KEYS_NAME, DataDir, DataDirUnusable
from transport.erased_places import pseudonyms_of
from transport.seal_keys import SealKeys, SealKeysUnusable

COMMAND: Final = "export-user"
FORMAT: Final = 1
_PARTS: Final = ("rooms", "recordings", "audit")
_OTHERS: Final = ("socketId", "person", "about", "userId", "displayName", "shownAs")
"""What of an entry is about whom it names first."""
_OUT: Final = "socketIds"
"""In the details of what a moderator did: the sessions that it put out."""


def export_user(
    settings: Settings,
    seal_key: str,
    user_id: str,
    now_ms: int,
    data: DataDir,
    audit: CommandAudit,
) -> tuple[bool, str]:
    """Whether it was done, and the JSON, or why not. `audit` has it before; it is told whose data
    that was where there is any, so that nobody who was erased is named in it again.
    """
    if parse_name(user_id) is None:
        return False, f"USER_ID: expected {NAME_EXPECTED}"
    if not data.path.is_dir():
        return False, f"{data.path}: no such folder; has a server run there?"
    try:
        document = _document(data, settings, seal_key, user_id)
        counts = {part: len(document[part]) for part in _PARTS}
        person = user_id if any(counts.values()) else None
        audit.record(COMMAND, counts, person=person)
    except (DataDirUnusable, NotRecorded, OSError, SealKeysUnusable, StoreFault) as error:
        return False, str(error)
    head = {"format": FORMAT, "userId": user_id, "exportedAt": time_of(now_ms)}
    return True, json.dumps(head | document, indent=2, ensure_ascii=True)


def _document(data: DataDir, settings: Settings, seal_key: str, user_id: str) -> dict[str, Any]:
    keys = data.keys(make=False) if (data.path / KEYS_NAME).exists() else None
    pseudonym_in = pseudonyms_of(user_id, keys)
    seal = SealKeys(settings.seal_key_file, seal_key, _no_bytes).seal()
    unreadable: list[str] = []
    rooms: list[dict[str, Any]] = []
    database = data.path / FILE_NAME
    if database.exists():
        for record in records_of(database, seal):
            if record is None:
                unreadable.append(f"{FILE_NAME}: a row")
            elif found := _room(record, user_id, pseudonym_in):
                rooms.append(found)
    held, unread = recordings_of(data.path / FOLDER_NAME, seal, user_id, pseudonym_in)
    recordings = [
        {
            "file": one.path.name,
            "roomId": one.room_id,
            "reason": one.reason,
            "madeAt": time_of(one.made_ms),
            "appearsAs": one.user_id,
            "socketIds": list(one.sessions),
        }
        for one in held
    ]
    return {
        "rooms": sorted(rooms, key=lambda room: str(room["roomId"])),
        "recordings": recordings,
        "audit": list(_audited(AuditPlace(data.path, settings.audit_key_file), user_id)),
        "unreadable": [*unreadable, *(f"{FOLDER_NAME}/{name}" for name in unread)],
    }


def _room(
    record: Record, user_id: str, pseudonym_in: Callable[[RoomId], str]
) -> dict[str, Any] | None:
    """What the room has of the person, None where it has nothing."""
    names = frozenset({user_id, pseudonym_in(record.room_id)})
    traces = traces_in(record, user_id, names)
    if not traces:
        return None
    players = [_player(kept) for kept in kept_in(record) if kept.player.socket_id in traces.seats]
    rules: dict[str, Any] = {part: True for part in traces.rules if part != "ban"}
    if record.rules is not None and "ban" in traces.rules:
        rules["ban"] = [
            {
                "reason": ban.reason,
                "until": None if ban.until_ms is None else time_of(ban.until_ms),
            }
            for key, ban in record.rules.bans.items()
            if key in names or ban.shown in names
        ]
    return {"roomId": record.room_id, "players": players, "rules": rules}


def _player(kept: Kept) -> dict[str, Any]:
    player, motion = kept.player, kept.player.motion
    return {
        "socketId": player.socket_id,
        "shownAs": player.user_id,
        "displayName": player.display_name,
        "attributes": player.attributes,
        "position": {"x": motion.x, "y": motion.y},
        "hidesPosition": player.hide_position,
        "isReady": player.is_ready,
        "joinedAt": time_of(player.joined_at_ms),
        "lastSeen": time_of(motion.last_seen_ms),
    }


def _audited(place: AuditPlace, user_id: str) -> Iterator[dict[str, Any]]:
    """The entries about the person. Raises OSError."""
    if not place.people_path.exists():
        return
    keys = place.keys()
    people = SqlitePeople(place.people_path, keys.people, _no_bytes)
    try:
        person = people.known(user_id)
        if person is None:
            return
        for entry in entries(place.folder, keys):
            concerned = [one for one in entry.get("about", ()) if one["person"] == person.ref]
            shown = opened({**entry, "about": concerned}, people)
            if entry.get("person") == person.ref:
                yield _of_subject(shown)
            elif concerned:
                yield _of_concerned(shown)
    finally:
        people.close()


def _of_subject(shown: dict[str, Any]) -> dict[str, Any]:
    """An entry about the person's own deed or stay, without those whom it acted on."""
    details = {name: value for name, value in shown.get("details", {}).items() if name != _OUT}
    alone = {name: value for name, value in shown.items() if name != "about" or value}
    return {**alone, "details": details, "role": "subject"}


def _of_concerned(shown: dict[str, Any]) -> dict[str, Any]:
    """An entry about what somebody else did to the person, without who that was."""
    rest = {name: value for name, value in shown.items() if name not in _OTHERS}
    if "details" in rest:
        details = rest["details"]
        rest["details"] = {name: each for name, each in details.items() if name != BY}
    return {**rest, "told": shown["about"][0], "role": "concerned"}


def _no_bytes(size: int) -> bytes:
    raise AssertionError(f"{size} random bytes, and nothing is to be written")
