"""Who a session is, as a token says. PURE.

Owns the value, and how whoever verifies tokens looks to the rest. Knows no token's form and no
library: a server in anonymous mode has no need of either.
"""

from collections.abc import Callable
from typing import Final

from actors.permissions import ANONYMOUS_GRANTS, NO_GRANTS, Grants
from actors.values import value

JWT_CHARS_MAX: Final = 8192
"""A longer token is not looked at: it would not fit into a handshake's header either."""


@value
class Identity:
    """`user_id` is None where nobody vouches for one. `expires_at_ms` is the token's `exp`, and
    from `expiring_at_ms` on its client is to be told; Unix milliseconds, None where nothing ends.
    """

    user_id: str | None
    grants: Grants
    expires_at_ms: int | None = None
    expiring_at_ms: int | None = None


ANONYMOUS: Final = Identity(None, ANONYMOUS_GRANTS)
"""Everybody's, where nobody is asked who he is."""
NOBODY: Final = Identity(None, NO_GRANTS)
"""A session's that has yet to say who it is, where everybody must."""

Verify = Callable[[str, int], Identity]
"""`verify(token, now_ms)` is whose token it is. Raises Unauthenticated, which names the claim."""
