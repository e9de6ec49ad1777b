"""How users show in the log. PURE: the key is an argument.

Owns the setting `log_user_ids`: by name, by a keyed hash, or not at all. The hash is the same for
one user for as long as the server keeps its keys, and says nothing to whoever lacks them; a hash
without a key would be undone by trying names.
"""

import hmac
from base64 import b32encode
from typing import Final

from actors.settings import LogUserIds

PREFIX: Final = "user-"
HASH_CHARS: Final = 16


class LogUsers:
    """Asked for every line. Without a key no user shows hashed, nor in any other way."""

    __slots__ = ("_by_name", "_how", "_key")

    def __init__(self, how: LogUserIds = LogUserIds.FULL) -> None:
        self._how: Final = how
        self._by_name: Final = how is LogUserIds.FULL
        self._key: bytes | None = None

    def use_key(self, pseudonym_key: bytes) -> None:
        """`pseudonym_key` is the key ring's, which no rotation changes."""
        self._key = hmac.digest(pseudonym_key, b"users in the log", "sha256")

    def shown(self, user_id: str) -> str | None:
        """`user_id` as lines have it; None: not at all. A pseudonym is hashed like any other."""
        if self._by_name:
            return user_id
        if self._how is LogUserIds.NONE or self._key is None:
            return None
        digest = hmac.digest(self._key, user_id.encode("utf-8", "surrogatepass"), "sha256")
        return PREFIX + b32encode(digest)[:HASH_CHARS].decode().lower()
