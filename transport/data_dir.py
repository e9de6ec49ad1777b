"""The folder that a server keeps its data in: made when missing, locked, with the keys in it.

Owns who may use the folder, and the file `keys`. Knows no database; the store has its file there.
The lock is on the file `lock` (flock(2)), which goes with the process however that ends.
"""

import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from actors.keys import KEY_BYTES, KeyRing, KeysInvalid, parse
from transport.lock_holder import has_open
from transport.secret_file import changing, replace_secret

KEYS_NAME: Final = "keys"
LOCK_NAME: Final = "lock"
_COMMAND: Final = " command"


class DataDirUnusable(Exception):
    """No server can run on the folder; the message names it and says why."""


class DataDirInUse(DataDirUnusable):
    """Another process has it; `is_brief` where that is a command, which soon is done."""

    def __init__(self, message: str, *, is_brief: bool) -> None:
        super().__init__(message)
        self.is_brief: Final = is_brief


class DataDir:
    """`random_bytes(n)` gives new keys. Nothing is touched before `lock` or `keys`. A `~` at the
    beginning of `path` is the user's home.
    """

    def __init__(self, path: Path, random_bytes: Callable[[int], bytes]) -> None:
        self.path: Final = path.expanduser().absolute()
        self.random_bytes: Final = random_bytes
        self._lock: int | None = None

    def lock(self, *, is_brief: bool = False) -> None:
        """Make the folder where need be, and take it for this process alone; `is_brief` for a
        command, which is nobody to be told of anything.

        Raises DataDirInUse where another process has it, DataDirUnusable where it cannot be
        written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # No link: who has the folder must not have root empty a file elsewhere.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path / LOCK_NAME, flags, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            in_use = self._in_use(descriptor)
            os.close(descriptor)
            raise in_use from None
        except OSError as error:
            os.close(descriptor)
            raise self._unusable(error) from None
        self._lock = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}{_COMMAND if is_brief else ''}\n".encode())
        except OSError as error:
            self.unlock()
            raise self._unusable(error) from None

    @property
    def is_locked(self) -> bool:
        """This process has the folder."""
        return self._lock is not None

    def unlock(self) -> None:
        """Leave the folder to others. May be repeated."""
        descriptor, self._lock = self._lock, None
        if descriptor is not None:
            os.close(descriptor)

    def server(self) -> int | None:
        """The server that has the folder locked, None where none has."""
        try:
            descriptor = os.open(self.path / LOCK_NAME, os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with suppress(ValueError):
                # Neither 0 nor less: to kill(2) these are many processes at once.
                return max(int(os.read(descriptor, 40)), 0) or None
        finally:
            os.close(descriptor)
        return None

    def keys(self, *, make: bool = True) -> KeyRing:
        """The keys; where there are none they are made. Raises DataDirUnusable."""
        path = self.path / KEYS_NAME
        try:
            return parse(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            if not make:
                raise DataDirUnusable(f"{path}: no such file; has a server run there?") from None
            ring = KeyRing(self.random_bytes(KEY_BYTES), (self.random_bytes(KEY_BYTES),))
            self.keep_keys(ring)
            return ring
        except (KeysInvalid, UnicodeDecodeError) as error:
            raise DataDirUnusable(f"{path} holds no keys: {error}") from None
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def changing_keys(self) -> Iterator[None]:
        """To be held from `keys` to `keep_keys` by whoever rotates. Raises DataDirUnusable."""
        try:
            with changing(self.path / KEYS_NAME):
                yield
        except OSError as error:
            raise self._unusable(error) from None

    def new_key(self) -> bytes:
        """A key that nobody else has."""
        return self.random_bytes(KEY_BYTES)

    def keep_keys(self, ring: KeyRing) -> None:
        """Replace the file in one step, readable for its owner alone. Raises DataDirUnusable."""
        try:
            replace_secret(self.path / KEYS_NAME, ring.text())
        except OSError as error:
            raise self._unusable(error) from None

    def tell_server(self) -> str:
        """Have the server that uses the folder read again what has changed; in words, whether."""
        server = self.server()
        if server is None:
            return "no server runs on the data_dir"
        if not has_open(server, self.path / LOCK_NAME):
            return f"server {server} could not be told: no process of that number has the folder"
        try:
            os.kill(server, signal.SIGHUP)
        except OSError as error:  # another user's, or it has just ended
            return f"server {server} could not be told: {error.strerror}"
        return f"server {server} was told"

    def _in_use(self, lock: int) -> DataDirInUse:
        holder = os.read(lock, 40).decode("ascii", "replace").strip()
        number = holder.removesuffix(_COMMAND)
        is_brief = number != holder
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return DataDirInUse(f"{self.path} is in use by a command", is_brief=True)  # `server`
        whose = "a command" if is_brief else "another server"
        who = f" (process {number})" if number else ""
        return DataDirInUse(f"{self.path} is in use by {whose}{who}", is_brief=is_brief)

    def _unusable(self, error: OSError) -> DataDirUnusable:
        name = f"{error.filename}: " if error.filename else ""
        return DataDirUnusable(f"{self.path} cannot be used: {name}{error.strerror or error}")


def rotate_signing_key(
    data: DataDir, *, revoke: bool, announce: Callable[[str, Mapping[str, object]], object]
) -> tuple[bool, str]:
    """Add a signing key to the folder's ring, and have the server that uses it read that. Whether
    it was done, and one line that says what was, or why not. `announce` is told before.
    """
    try:
        with data.changing_keys():
            ring = data.keys(make=False).rotated(data.new_key(), revoke=revoke)
            told = {"revoke": revoke, "keys": ring.name(), "signingKeys": len(ring.signing)}
            announce("rotate-keys", told)
            data.keep_keys(ring)
    except DataDirUnusable as unusable:
        return False, str(unusable)
    return True, f"{data.path}: signing keys: {len(ring.signing)}; {data.tell_server()}"
