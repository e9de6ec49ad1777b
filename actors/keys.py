"""The secrets that sign resume tokens and make pseudonyms. PURE: bytes come as arguments.

Owns what a key ring holds and how it is written. The newest signing key signs, all of them verify,
so a rotation throws nobody out. The pseudonym key never changes: with another one everybody who
hides would be somebody else.
"""

import hmac
from dataclasses import dataclass, field
from typing import Final

from actors.macs import Mac

KEY_BYTES: Final = 32
SIGNING_KEYS_MAX: Final = 8
"""So many verify; a rotation beyond drops the oldest, and the tokens that it signed are void."""
_HEADING: Final = "vaultmeet keys 1"


class KeysInvalid(ValueError):
    """A text is no key ring. The message says what is wrong, and never shows a key."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """`signing` has the newest key first, at least one, `SIGNING_KEYS_MAX` at most."""

    pseudonym: bytes = field(repr=False)
    signing: tuple[bytes, ...] = field(repr=False)
    resuming: tuple[Mac, ...] = field(init=False, repr=False, compare=False)
    """What the signing keys make of resume tokens, in their order."""

    def __post_init__(self) -> None:
        macs = tuple(Mac(key, b"resume\0") for key in self.signing)
        object.__setattr__(self, "resuming", macs)

    def rotated(self, key: bytes, *, revoke: bool = False) -> "KeyRing":
        """With `key` as the one that signs. `revoke`: tokens of all earlier keys are void."""
        older = () if revoke else self.signing[: SIGNING_KEYS_MAX - 1]
        return KeyRing(self.pseudonym, (key, *older))

    def name(self) -> str:
        """What to call the key that signs where it must not be shown: 8 hex digits, which say
        nothing about it.
        """
        return hmac.digest(self.signing[0], b"name", "sha256")[:4].hex()

    def text(self) -> str:
        """What `parse` reads: a heading, then one key a line."""
        lines = [_HEADING, f"pseudonym {self.pseudonym.hex()}"]
        lines += [f"signing {key.hex()}" for key in self.signing]
        return "\n".join(lines) + "\n"


def parse(text: str) -> KeyRing:
    """The ring that `text` holds. Raises KeysInvalid."""
    heading, *lines = text.splitlines() or [""]
    if heading != _HEADING:
        raise KeysInvalid(f"expected {_HEADING!r} as its first line")
    pseudonyms: list[bytes] = []
    signing: list[bytes] = []
    for number, line in enumerate(lines, 2):
        name, _, digits = line.partition(" ")
        if name not in {"pseudonym", "signing"}:
            raise KeysInvalid(f"line {number}: expected 'pseudonym' or 'signing'")
        try:
            key = bytes.fromhex(digits)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES or len(digits) != 2 * KEY_BYTES:
            raise KeysInvalid(f"line {number}: expected {2 * KEY_BYTES} hex digits")
        (pseudonyms if name == "pseudonym" else signing).append(key)
    if len(pseudonyms) != 1 or not 1 <= len(signing) <= SIGNING_KEYS_MAX:
        raise KeysInvalid(f"expected one pseudonym key and 1 to {SIGNING_KEYS_MAX} signing keys")
    return KeyRing(pseudonyms[0], tuple(signing))


def derived(secret: bytes) -> KeyRing:
    """A ring of one secret, for a server that keeps none."""
    return KeyRing(
        hmac.digest(secret, b"pseudonym", "sha256"), (hmac.digest(secret, b"signing", "sha256"),)
    )
