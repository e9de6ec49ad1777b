"""What is kept on disk about rooms and people, sealed. The only home of cryptography.

Owns what a sealed record looks like, what a seal key is called, and how keys are written. Knows no
table and no file; randomness is an argument.

    record  form (1) | key id (4) | nonce (12) | AES-256-GCM of the body, and its tag (16)
    name    ~ key id . AES-SIV of the text, the same for the same text, so that it can be looked up

A record is bound to its place: it is the additional data, with form and key id. Each seal key is
the root of three, for records, for names and for the key id, so that none of them tells of another.
Sources: NIST SP 800-38D (GCM; 8.3 on random nonces), RFC 5297 (SIV).
"""

import binascii
import hmac
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

KEY_BYTES: Final = 32
KEYS_MAX: Final = 8
"""So many keys at one time; a rotation beyond waits until nothing uses the oldest."""
RECORDS_MAX: Final = 2**32
"""So many records a key: then the chance that two had the same random nonce is 2^-33."""
NAME_MARK: Final = "~"
"""What every sealed name begins with, and no name of a room or a session."""
FORM: Final = b"\x01"
_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = len(FORM) + _ID_BYTES + _NONCE_BYTES
_TAG_BYTES: Final = 16
_HEADING: Final = "# Seal keys of a VaultMeet server, the newest first. Whoever has them reads all."


class SealKeysInvalid(ValueError):
    """These are no seal keys. The message says what is wrong, and never shows a key."""


class SealBroken(ValueError):
    """This is not what was sealed at this place. The message says which check failed."""


class Seal:
    """Seals with the first of `keys`, of `KEY_BYTES` each, and unseals with all of them.
    `random_bytes(n)` gives nonces. Never changes, so any thread may use it.
    """

    def __init__(self, keys: Sequence[bytes], random_bytes: Callable[[int], bytes]) -> None:
        assert 1 <= len(keys) <= KEYS_MAX
        self._random_bytes: Final = random_bytes
        self._records: Final = {
            key_id(key): AESGCM(hmac.digest(key, b"vaultmeet records", "sha256")) for key in keys
        }
        self._names: Final = {
            key_id(key): AESSIV(hmac.digest(key, b"vaultmeet names", "sha512")) for key in keys
        }
        self.ids: Final = tuple(self._records)
        """The newest first."""
        self.newest: Final = self.ids[0]
        self._head: Final = FORM + bytes.fromhex(self.newest)
        self._sealing: Final = self._records[self.newest]

    def __repr__(self) -> str:
        return f"Seal({', '.join(self.ids)})"

    def seal(self, place: bytes, body: bytes) -> bytes:
        """`body`, to be read at `place` alone."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return self._head + nonce + self._sealing.encrypt(nonce, body, self._head + place)

    def unseal(self, place: bytes, sealed: bytes) -> bytes:
        """The body that was sealed at `place`. Raises SealBroken."""
        used = key_of(sealed)
        if used is None or len(sealed) < _HEAD_BYTES + _TAG_BYTES:
            raise SealBroken("it is not sealed")
        key = self._records.get(used)
        if key is None:
            raise SealBroken(f"it says that key {used} sealed it, which is not among the keys")
        head = sealed[: len(FORM) + _ID_BYTES]
        try:
            return key.decrypt(sealed[len(head) : _HEAD_BYTES], sealed[_HEAD_BYTES:], head + place)
        except InvalidTag:
            raise SealBroken(f"its seal of key {used} does not hold at this place") from None

    def name(self, kind: str, text: str, key: str | None = None) -> str:
        """What stands for `text` among names of `kind`, by the newest key or that of id `key`."""
        key = key or self.newest
        sealed = self._names[key].encrypt(text.encode(), [kind.encode()])
        return f"{NAME_MARK}{key}.{urlsafe_b64encode(sealed).decode()}"

    def named(self, kind: str, name: str) -> str:
        """The text that `name` stands for. Raises SealBroken."""
        used, _, digits = name.removeprefix(NAME_MARK).partition(".")
        key = self._names.get(used)
        if key is None:
            raise SealBroken("it is no name of any of the keys")
        try:
            text = key.decrypt(urlsafe_b64decode(digits), [kind.encode()]).decode()
        except (InvalidTag, ValueError):
            raise SealBroken(f"it is no name of key {used}") from None
        if self.name(kind, text, used) != name:  # base64 has spare bits
            raise SealBroken(f"it is no name of key {used}")
        return text


def key_id(key: bytes) -> str:
    """What `key` is called: 8 hex digits, which follow from it and tell nothing of it."""
    return hmac.digest(key, b"vaultmeet key id", "sha256")[:_ID_BYTES].hex()


def key_of(sealed: bytes) -> str | None:
    """The id of the key that `sealed` says it was sealed with; None where it is not sealed."""
    if sealed[: len(FORM)] != FORM or len(sealed) < len(FORM) + _ID_BYTES:
        return None
    return sealed[len(FORM) : len(FORM) + _ID_BYTES].hex()


# -- keys, written and read


def parse_keys(data: bytes) -> tuple[bytes, ...]:
    """The keys in `data`: 32 raw bytes, or one key a line (or between commas), the newest first,
    as 64 hex digits or as base64, with its id in front or without. Raises SealKeysInvalid.
    """
    if len(data) == KEY_BYTES:
        return (_strong(data, "the key"),)
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise SealKeysInvalid(f"expected {KEY_BYTES} raw bytes, or lines of text") from None
    keys: list[bytes] = []
    parts = (
        (number, part.split())
        for number, line in enumerate(lines, 1)
        for part in line.partition("#")[0].split(",")
    )
    for number, words in parts:
        if not words:
            continue
        key = _strong(_decoded(words[-1], number), f"line {number}")
        if len(words) > 2 or (len(words) == 2 and words[0] != key_id(key)):
            raise SealKeysInvalid(f"line {number}: expected a key, or its id and the key")
        if key_id(key) in map(key_id, keys):
            raise SealKeysInvalid(f"line {number}: key {key_id(key)} stands there twice")
        keys.append(key)
    if not 1 <= len(keys) <= KEYS_MAX:
        raise SealKeysInvalid(f"expected 1 to {KEYS_MAX} keys, found {len(keys)}")
    return tuple(keys)


def keys_text(keys: Sequence[bytes]) -> str:
    """What `parse_keys` reads: a heading, then id and key a line."""
    return "\n".join([_HEADING, *(f"{key_id(key)} {key.hex()}" for key in keys)]) + "\n"


def _decoded(word: str, number: int) -> bytes:
    if len(word) == 2 * KEY_BYTES:
        try:
            return bytes.fromhex(word)
        except ValueError:
            pass
    try:
        plain = word.replace("-", "+").replace("_", "/").rstrip("=")
        key = b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SealKeysInvalid(
            f"line {number}: expected {KEY_BYTES} bytes as {2 * KEY_BYTES} hex digits or as base64"
        )
    return key


def _strong(key: bytes, where: str) -> bytes:
    """`key`, unless it is one that nobody drew at random."""
    if len(set(key)) < KEY_BYTES // 4:
        raise SealKeysInvalid(f"{where}: expected random bytes, these repeat")
    return key
