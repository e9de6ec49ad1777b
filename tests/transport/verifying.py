"""A verifier with keys, settings and time of the test's own, and what it says of a token.

Owns the asking. Tokens come from minted.py.
"""

from typing import Any, Final

import pytest

from actors.errors import Unauthenticated
from actors.permissions import ANONYMOUS_GRANTS
from actors.settings import AuthMode, Settings
from tests.transport.minted import NOW_S, SECRET
from transport import auth_keys
from transport.auth import TokenVerifier
from transport.auth_keys import KeySet
from transport.identity import Identity

FILES: Final[dict[str, Any]] = {"auth": AuthMode.JWT, "jwt_secret_file": "f"}


def verifier(keys: KeySet | None = None, **settings: Any) -> TokenVerifier:
    """One with the secret, where no other keys are given."""
    made = keys or auth_keys.of_secret(SECRET)
    return TokenVerifier(Settings(**FILES, **settings), lambda: made, ANONYMOUS_GRANTS)


def taken(token: str, keys: KeySet | None = None, at_s: float = NOW_S, **settings: Any) -> Identity:
    """Whose `token` is. Raises Unauthenticated."""
    return verifier(keys, **settings).verify(token, round(at_s * 1000))


def refusal(token: str, keys: KeySet | None = None, at_s: float = NOW_S, **settings: Any) -> str:
    """Why `token` is not taken; never with any of the token in it."""
    with pytest.raises(Unauthenticated) as refused:
        taken(token, keys, at_s, **settings)
    message = refused.value.message
    assert message.startswith("token: ")
    assert not any(len(part) > 8 and part in message for part in token.split("."))
    return message.removeprefix("token: ")


def public(content: bytes) -> KeySet:
    """The keys of such a file."""
    return auth_keys.of_public(content)
