"""Requests to erase a person, as files: how the command asks a server, and how none is forgotten.

Owns the folder `erasures` of the data folder. A request is there until all of it is done, whatever
dies in between. Both it and its answer, which names rooms, are sealed where the store is.

    NAME.request (who) -> NAME.done (what was done) -> nothing
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from actors.ids import parse_name
from actors.sealing import FORM, Seal, SealBroken

FOLDER_NAME: Final = "erasures"
_REQUEST: Final = ".request"
_DONE: Final = ".done"
_NAME_BYTES: Final = 8


class RequestUnreadable(ValueError):
    """The file says of nobody that he is to be erased. The message names it, and says why."""


class ErasureRequests:
    """Those of the data folder `data_dir`. All may raise OSError."""

    def __init__(
        self,
        data_dir: Path,
        seal: Callable[[], Seal | None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._folder: Final = data_dir / FOLDER_NAME
        self._seal: Final = seal
        self._random_bytes: Final = random_bytes

    def put(self, user_id: str) -> str:
        """Ask for `user_id` to be erased; what the request is called. Durable when it returns."""
        name = self._random_bytes(_NAME_BYTES).hex()
        self._write(f"{name}{_REQUEST}", {"format": 1, "userId": user_id})
        return name

    def pending(self) -> list[str]:
        """What the requests are called of which not all is done."""
        return self._named(_REQUEST)

    def user_id(self, name: str) -> str:
        """Who is to be erased. Raises RequestUnreadable."""
        path = self._folder / f"{name}{_REQUEST}"
        try:
            user_id = parse_name(self._read(path)["userId"])
        except (ValueError, KeyError, TypeError) as error:
            raise RequestUnreadable(f"{path}: {error}") from None
        if user_id is None:
            raise RequestUnreadable(f"{path}: it names no user")
        return user_id

    def finish(self, name: str, done: Mapping[str, object]) -> None:
        """All of it is done. The request is gone when it returns."""
        self._write_done(name, done)
        (self._folder / f"{name}{_REQUEST}").unlink(missing_ok=True)
        self._keep_names()

    def take_done(self, name: str) -> dict[str, Any] | None:
        """What was done, once; None while it is not. Raises RequestUnreadable."""
        path = self._folder / f"{name}{_DONE}"
        try:
            done = self._read(path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RequestUnreadable(f"{path}: it is done, and cannot be told: {error}") from None
        path.unlink()
        assert isinstance(done, dict)
        return done

    def clear_done(self) -> None:
        """Answers that nobody has taken are for nobody any more; so are files half-written."""
        for name in self._named(_DONE):
            (self._folder / f"{name}{_DONE}").unlink(missing_ok=True)
        for path in self._paths():
            if path.name.startswith("."):
                path.unlink(missing_ok=True)

    # -- inside

    def _paths(self) -> list[Path]:
        return sorted(self._folder.iterdir()) if self._folder.is_dir() else []

    def _named(self, end: str) -> list[str]:
        return [
            path.name.removesuffix(end)
            for path in self._paths()
            if path.name.endswith(end) and not path.name.startswith(".")
        ]

    def _write_done(self, name: str, done: Mapping[str, object]) -> None:
        self._write(f"{name}{_DONE}", done)

    def _read(self, path: Path) -> Any:
        """The JSON in the file. Raises ValueError where it holds none, or is sealed otherwise."""
        content = path.read_bytes()
        if content.startswith(FORM):
            seal = self._seal()
            if seal is None:
                raise SealBroken("it is sealed; give seal_key_file")
            content = seal.unseal(_place(path.name), content)
        return json.loads(content)

    def _write(self, name: str, value: Mapping[str, object]) -> None:
        seal, content = self._seal(), json.dumps(value).encode()
        if seal is not None:
            content = seal.seal(_place(name), content)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._have_owner(self._folder)
        draft = self._folder / f".{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._have_owner(draft)
        draft.replace(self._folder / name)
        self._keep_names()

    def _have_owner(self, path: Path) -> None:
        """Whoever asks may be another user than the server, who has the data folder."""
        owner = self._folder.parent.stat()
        with suppress(PermissionError):
            os.chown(path, owner.st_uid, owner.st_gid)

    def _keep_names(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _place(name: str) -> bytes:
    return f"erasure {name}".encode()
