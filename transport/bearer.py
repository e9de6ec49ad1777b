"""The header `Authorization` of a handshake: the token in it (RFC 6750, 2.1). PURE.

Owns what a right header looks like and the challenge that answers a wrong one. A token in the URL
is not looked at (RFC 6750, 5.3: URLs are logged everywhere).
"""

import re
from collections.abc import Sequence
from typing import Final

from actors.errors import Unauthenticated

CHALLENGE: Final = 'Bearer realm="vaultmeet"'
"""Of a header that is no bearer token's (RFC 6750, 3)."""
INVALID_CHALLENGE: Final = f'{CHALLENGE}, error="invalid_token"'
"""Of a token that is not taken."""
# RFC 9110, 11.1: the scheme's case does not matter, and one space at least parts it from the token.
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


def token_of(values: Sequence[str]) -> str | None:
    """The token in the headers of that name; None where there is no header. Raises
    Unauthenticated.
    """
    if not values:
        return None
    found = _BEARER.fullmatch(values[0].strip(" \t")) if len(values) == 1 else None
    if found is None:
        raise Unauthenticated("Authorization: expected one header, 'Bearer' and a token")
    return found[1]
