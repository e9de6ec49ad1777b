"""How a server in jwt mode knows its clients: by a header of the handshake, or by a message.

Owns who has not said yet who he is: so many connections at most, for so long at most. What a valid
token is, is for whoever verifies (identity.py names it). One of them serves a door and its
sessions; a server in anonymous mode has none.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol

from actors.errors import Unauthenticated
from actors.ports import Clock
from actors.settings import Settings
from transport import bearer
from transport.admission import Rejected
from transport.deadlines import Deadlines
from transport.identity import NOBODY, Identity, Verify


class Stranger(Protocol):
    """A session that has not said who it is."""

    def turn_away(self, reason: str) -> None: ...


class Authentication:
    """All O(1). Verifying costs one signature, and is bounded by whoever asks."""

    def __init__(self, settings: Settings, clock: Clock, verify: Verify) -> None:
        self.leeway_ms: Final = round(settings.jwt_leeway_s * 1000)
        self._timeout_s: Final = settings.auth_timeout_s
        self._strangers_max: Final = settings.unauthenticated_max
        self._clock: Final = clock
        self._verify: Final = verify
        self._strangers: Final[set[Stranger]] = set()
        self._waits: Final = Deadlines[Stranger](clock, settings.auth_timeout_s, self._overdue)

    def identity_of(self, token: str) -> Identity:
        """Raises Unauthenticated."""
        return self._verify(token, self._clock.now_ms())

    def admit(self, authorization: Sequence[str]) -> Identity | Rejected:
        """Who opens a connection with these headers: NOBODY without any, if there is room."""
        challenge = bearer.CHALLENGE
        try:
            token = bearer.token_of(authorization)
            if token is not None:
                challenge = bearer.INVALID_CHALLENGE
                return self.identity_of(token)
        except Unauthenticated as refusal:
            return Rejected(HTTPStatus.UNAUTHORIZED, refusal.message, challenge)
        if self._strangers_max and len(self._strangers) >= self._strangers_max:
            text = "too many connections that are not authenticated"
            return Rejected(HTTPStatus.SERVICE_UNAVAILABLE, text)
        return NOBODY

    @property
    def strangers(self) -> int:
        """How many are waited for."""
        return len(self._strangers)

    def expect(self, stranger: Stranger) -> None:
        """It has `auth_timeout_s`."""
        self._strangers.add(stranger)
        self._waits.add(stranger)

    def settle(self, stranger: Stranger) -> None:
        """It has said who it is, or is gone. May be repeated."""
        self._strangers.discard(stranger)

    def stop(self) -> None:
        """Wait for nobody any more."""
        self._waits.stop()

    def _overdue(self, stranger: Stranger) -> None:
        if stranger in self._strangers:
            stranger.turn_away(f"not authenticated within {self._timeout_s} s")
