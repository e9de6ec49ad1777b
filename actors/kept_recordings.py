"""The recordings that are there: whom they hold, how old they are, and how they go.

Owns what of a recording is about somebody. A recording without one of its players could not be
played again, so it goes as a whole. Blocking; where a server runs, on the thread that writes them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from actors.ids import RoomId
from actors.recordings import DRAFT, NAME
from actors.retention import is_expired
from actors.sealed_recordings import body_in
from actors.sealing import Seal, SealBroken
from actors.stores.codec import BodyInvalid, loads

_TIME_CHARS: Final = len("20261128T150228336Z")


@dataclass(frozen=True, slots=True)
class Held:
    """A recording that holds somebody: as whom, and under which sessions."""

    path: Path
    room_id: RoomId
    reason: str
    made_ms: int
    user_id: str
    sessions: tuple[str, ...]


def recordings_of(
    folder: Path, seal: Seal | None, person: str, pseudonym_in: Callable[[RoomId], str]
) -> tuple[list[Held], list[str]]:
    """Those that hold `person`, and the names of those that cannot be read. O(bytes)."""
    held, unreadable = [], []
    for path in _files(folder):
        try:
            document = loads(body_in(path, seal))
            room_id = RoomId(str(document["roomId"]))
            for name in (person, pseudonym_in(room_id)):
                sessions = tuple(sorted(_sessions_of(document, name)))
                if sessions:
                    reason, made_ms = str(document["reason"]), int(document["madeAtMs"])
                    held.append(Held(path, room_id, reason, made_ms, name, sessions))
        except FileNotFoundError:
            continue
        except (SealBroken, BodyInvalid, ValueError, TypeError, KeyError, AttributeError):
            unreadable.append(path.name)
    return held, unreadable


def erase_recordings(
    folder: Path, seal: Seal | None, person: str, pseudonym_in: Callable[[RoomId], str]
) -> tuple[int, list[str]]:
    """Remove those that hold `person`, and what was never finished; how many went, and the names of
    those that cannot be read, which are left. Raises OSError, and may be repeated.
    """
    held, unreadable = recordings_of(folder, seal, person, pseudonym_in)
    going = {one.path for one in held}
    for path in going:
        path.unlink(missing_ok=True)
    for path in _drafts(folder):
        path.unlink(missing_ok=True)
    return len(going), unreadable


def expire_recordings(folder: Path, before_ms: int) -> int:
    """Remove those that are older; how many went. Raises OSError."""
    going = [path for path in _files(folder) if is_expired(_made_ms(path), before_ms)]
    for path in going:
        path.unlink(missing_ok=True)
    return len(going)


# -- inside


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))


def _drafts(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name.startswith(".") and path.name.endswith(DRAFT):
                yield path


def _made_ms(path: Path) -> int:
    at = datetime.strptime(f"{path.name[:_TIME_CHARS]}+0000", "%Y%m%dT%H%M%S%fZ%z")
    return int(at.timestamp() * 1000)


def _sessions_of(document: dict[str, Any], name: str) -> Iterator[str]:
    """The sessions that the recording has under `name`."""
    base = document["base"]
    for one in [*([] if base is None else base["players"]), *document["inputs"]]:
        if one.get("userId") == name:
            yield one["socketId"]
    for socket_id, user_id, *_ in document["then"]["players"]:
        if user_id == name:
            yield socket_id
