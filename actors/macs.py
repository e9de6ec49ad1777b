"""HMAC-SHA-256 with a key that is used again and again. PURE: the key is an argument.

Owns the half of RFC 2104 that is the same for each message: two states of the hash that have taken
in the padded key, copied from then on. What comes out is `hmac.digest`, at well under half the CPU.
"""

import hashlib
from typing import Final

_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Mac:
    """Of messages that begin with `prefix`. Never changes, so any thread may use it."""

    def __init__(self, key: bytes, prefix: bytes = b"") -> None:
        if len(key) > _BLOCK_BYTES:
            key = hashlib.sha256(key).digest()
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner: Final = hashlib.sha256(padded.translate(_INNER) + prefix)
        self._outer: Final = hashlib.sha256(padded.translate(_OUTER))

    def of(self, message: bytes) -> bytes:
        """The 32 bytes for the prefix and `message`. O(n)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()
