"""The seal keys from outside: a file, or the environment.

Owns where they are, what is said of a file that others can read, and that the file is replaced in
one step. Knows no store. Keys are never shown: messages have their ids.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from actors.sealing import Seal, SealKeysInvalid, keys_text, parse_keys
from actors.setting_sources import SEAL_KEY_ENV
from transport.secret_file import changing, is_exposed, replace_secret

BYTES_MAX: Final = 65_536
"""A larger file is none of seal keys."""


class SealKeysUnusable(Exception):
    """There are no keys where they should be; the message names the place and says why."""


class SealKeys:
    """Keys in the file at `path`, else in `text`, which the environment gave; empty: there are
    none. `random_bytes(n)` gives nonces.
    """

    def __init__(self, path: str, text: str, random_bytes: Callable[[int], bytes]) -> None:
        self.path: Final = Path(path).expanduser().absolute() if path else None
        self._text: Final = text
        self._random_bytes: Final = random_bytes

    def __repr__(self) -> str:
        return f"SealKeys({self.path or SEAL_KEY_ENV})"

    def read(self) -> tuple[bytes, ...]:
        """The keys, the newest first; nothing where none are given. Raises SealKeysUnusable."""
        if self.path is None:
            return self._parsed(self._text.encode(), SEAL_KEY_ENV) if self._text else ()
        if self._text:
            raise SealKeysUnusable(
                f"seal_key_file and {SEAL_KEY_ENV} are both given: give one of them"
            )
        try:
            with self.path.open("rb") as file:
                data = file.read(BYTES_MAX + 1)
        except OSError as error:
            raise SealKeysUnusable(
                f"seal_key_file {self.path} cannot be read: {error.strerror or error}"
            ) from None
        if len(data) > BYTES_MAX:
            raise SealKeysUnusable(f"seal_key_file {self.path} is larger than {BYTES_MAX} bytes")
        return self._parsed(data, f"seal_key_file {self.path}")

    def seal(self) -> Seal | None:
        """What seals with them, None where none are given. Raises SealKeysUnusable."""
        keys = self.read()
        return Seal(keys, self._random_bytes) if keys else None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """To be held from `read` to `replace`: of two rotations at a time one would drop the key
        of the other, with which a server seals by then. Raises SealKeysUnusable.
        """
        assert self.path is not None
        try:
            with changing(self.path):
                yield
        except OSError as error:
            raise self._unwritable(error) from None

    def replace(self, keys: tuple[bytes, ...]) -> None:
        """Have the file hold `keys`. Raises SealKeysUnusable, and the file is then as it was."""
        assert self.path is not None
        try:
            replace_secret(self.path, keys_text(keys))
        except OSError as error:
            raise self._unwritable(error) from None

    def worries(self, data_dir: Path) -> list[str]:
        """What the operator should know of the file, in sentences."""
        if self.path is None:
            return []
        said = []
        try:
            if is_exposed(self.path):
                said.append(f"{self.path} can be read by others than its owner")
            if self.path.resolve().is_relative_to(data_dir.resolve()):
                said.append(f"{self.path} is in data_dir: who has that folder has the key as well")
        except OSError as error:
            said.append(f"{self.path} cannot be looked at: {error.strerror or error}")
        return said

    def _unwritable(self, error: OSError) -> SealKeysUnusable:
        why = error.strerror or error
        return SealKeysUnusable(f"seal_key_file {self.path} cannot be written: {why}")

    @staticmethod
    def _parsed(data: bytes, where: str) -> tuple[bytes, ...]:
        try:
            return parse_keys(data)
        except SealKeysInvalid as error:
            raise SealKeysUnusable(f"{where} holds no seal keys: {error}") from None
