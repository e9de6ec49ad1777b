"""Recordings of rooms, sealed: what such a file is called and holds, and the way from one key, or
none, to the newest.

Owns the form of the files; which there are, and how many, is for recordings.py. The place of a
recording is its name: under another one it is refused.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

from actors.ids import RoomId
from actors.sealing import FORM, Seal, SealBroken, key_of

CLEAR_END: Final = ".json"
SEALED_END: Final = ".sealed"
_TAG_CHARS: Final = 16


def tag_of(seal: Seal, room_id: RoomId) -> str:
    """What stands for the room in the name of a file: the same for all of one room and key."""
    return seal.name("recording", room_id).partition(".")[2][:_TAG_CHARS]


def sealed_body(seal: Seal, name: str, body: bytes) -> bytes:
    """What the file called `name` is to hold."""
    return seal.seal(_place(name), body)


def body_in(path: Path, seal: Seal | None) -> bytes:
    """The recording in the file, sealed or not. Raises OSError or SealBroken."""
    content = path.read_bytes()
    if not content.startswith(FORM):
        return content
    if seal is None:
        raise SealBroken(f"it is sealed with key {key_of(content)}, and no key is given")
    return seal.unseal(_place(path.name), content)


def key_used(path: Path) -> str | None:
    """The id of the key that the file is sealed with, None where it is not. Raises OSError."""
    with path.open("rb") as file:
        return key_of(file.read(16))


def keys_used(folder: Path) -> set[str]:
    """The ids of all keys that sealed a recording in `folder`."""
    if not folder.is_dir():
        return set()
    used = set()
    for path in folder.iterdir():
        if path.name.endswith(SEALED_END):
            with suppress(FileNotFoundError):  # the server removes the oldest
                used.add(key_used(path))
    return {key for key in used if key is not None}


def _place(name: str) -> bytes:
    return f"recording {name}".encode()
