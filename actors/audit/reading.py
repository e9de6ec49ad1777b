"""An audit read by somebody who did not write it: verified, and shown. Blocks on the disk.

Owns how files, head and keys come together for that. A server may be writing meanwhile: the head is
read first, and the files only grow.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from actors.audit.book import head_of, numbers_of
from actors.audit.chain import Keys, Link, file_name
from actors.audit.folder import Folder
from actors.audit.people import People, PersonUnreadable
from actors.audit.records import Rooms, personal_of
from actors.audit.verify import Report, Verifier

_CLEAR: Final = ("n", "at", "event", "roomId", "socketId")


def verified(folder: Folder, keys: Keys, contains: Iterable[Link] = ()) -> Report:
    """What is wrong with it. O(bytes). Raises OSError."""
    verifier = _begun(folder, keys, contains)
    for number in numbers_of(folder):
        for _ in verifier.take(number, folder.lines(file_name(number))):
            pass
    return verifier.end()


def entries(folder: Folder, keys: Keys) -> Iterator[dict[str, Any]]:
    """All that is sound, in order, with the rooms' own names. Raises OSError."""
    verifier, rooms = _begun(folder, keys, ()), Rooms(keys)
    for number in numbers_of(folder):
        for entry in verifier.take(number, folder.lines(file_name(number))):
            if "room" in entry:
                entry["roomId"] = rooms.room_id(entry["room"])
            yield entry


def opened(entry: dict[str, Any], people: People) -> dict[str, Any]:
    """The entry with what it tells of persons, as far as their keys are there; `erased` where one
    is not, `unreadable` where it is another. Raises PeopleUnusable.
    """
    shown: dict[str, Any] = {name: entry[name] for name in _CLEAR if name in entry}
    if "person" in entry:
        shown["person"] = entry["person"]
        shown |= _personal(entry, people)
    if "about" in entry:
        shown["about"] = [
            {"person": one["person"]} | _personal(one, people) for one in entry["about"]
        ]
    if "details" in entry:
        shown["details"] = entry["details"]
    return shown


def _personal(entry: dict[str, Any], people: People) -> dict[str, Any]:
    try:
        person = people.by_ref(entry["person"])
        return {"erased": True} if person is None else personal_of(entry["personal"], person)
    except (PersonUnreadable, ValueError):
        return {"unreadable": True}


def _begun(folder: Folder, keys: Keys, contains: Iterable[Link]) -> Verifier:
    head, why = head_of(folder, keys)
    verifier = Verifier(keys.chain, head, contains)
    if why == "damaged":
        verifier.damaged_head()
    return verifier
