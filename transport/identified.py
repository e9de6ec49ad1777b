"""A session that must say who it is, on a server in jwt mode: from its token to its end.

Owns what a client may ask for before that, the renewal of tokens, and what their end does to an
open connection. Everything else is a session as any other (session.py), and asks `identity`.

    nobody -> known <-> told (that the token expires) -> gone        (renewed: known again)
"""

from typing import Final

from actors.errors import BadMessage, Forbidden, Refusal, Unauthenticated
from actors.ids import SocketId
from actors.ports import Cancellable
from actors.waiting import wait_s
from transport import encoding
from transport import requests as r
from transport.authentication import Authentication
from transport.host import Host
from transport.identity import NOBODY, Identity
from transport.link import CloseCode, Link
from transport.session import Session

STRANGERS_MESSAGES_MAX: Final = 16
"""So many messages are taken of who has not said who he is; then the connection is closed."""
STRANGERS_BYTES_MAX: Final = 9216
"""So long may each of them be: the longest token, and what is around it."""
LOOK_S_MAX: Final = 60.0
"""A token's end is by the wall clock, which may jump: it is looked at this often at least."""


class IdentifiedSession(Session):
    """One timer, for the token's end; none of its own while it is nobody's."""

    __slots__ = ("_authentication", "_expiry", "_messages", "_told")

    def __init__(
        self,
        host: Host,
        link: Link,
        socket_id: SocketId,
        authentication: Authentication,
        identity: Identity = NOBODY,
    ) -> None:
        super().__init__(host, link, socket_id)
        self._authentication: Final = authentication
        self._expiry: Cancellable | None = None
        self._messages = 0
        self._told = False
        self.identity = identity
        if identity is NOBODY:
            authentication.expect(self)
        else:
            self._wait()

    # -- what a stranger may say

    def receive(self, raw: bytes | bytearray) -> None:
        if self.identity is NOBODY and not self._is_modest(raw):
            return
        super().receive(raw)

    def _is_modest(self, raw: bytes | bytearray) -> bool:
        """Few messages, and short ones; what is too long is not even read."""
        self._messages += 1
        if self._messages > STRANGERS_MESSAGES_MAX:
            self._turn_away("too many messages, and none that authenticates")
            return False
        if len(raw) > STRANGERS_BYTES_MAX:
            raw.decode()
            self._refuse(BadMessage(None, f"at most {STRANGERS_BYTES_MAX} bytes for now"), None)
            return False
        return True

    def _dispatch(self, request: r.Request, number: int | None) -> None:
        if isinstance(request, r.Authenticate):
            self._authenticate(request.token, number)
            return
        if self.identity is NOBODY and not isinstance(request, r.Ping):
            raise Unauthenticated("expected authenticate before anything but ping")
        super()._dispatch(request, number)

    def _move(self, request: r.MoveTo, allowed: bool) -> None:
        if self.identity is NOBODY:
            raise Unauthenticated("expected authenticate before anything but ping")
        super()._move(request, allowed)

    # -- saying who one is, and saying it again

    def _authenticate(self, token: str, number: int | None) -> None:
        """Raises Unauthenticated, and Forbidden for somebody else's token; the one that the
        session has stays good.
        """
        try:
            identity = self._authentication.identity_of(token)
            if self.identity is not NOBODY and identity.user_id != self.identity.user_id:
                raise Forbidden("token: expected the sub that this session has")
        except Refusal:
            # Each has cost a signature: who goes on and on is sent away.
            self._offend(self._host.clock.monotonic_s())
            raise
        self._authentication.settle(self)
        self._told = False
        fields: dict[str, object] = {"userId": identity.user_id}
        if identity.expires_at_ms is not None:
            fields["expiresAt"] = encoding.rfc3339(identity.expires_at_ms)
        self._send("authenticated", number, **fields)
        self.review(identity)
        self._wait()

    # -- the end of a token

    def turn_away(self, reason: str) -> None:
        """End the connection soon, as for any who cannot say who he is."""
        if self._link is not None:
            self._link.defer(lambda: self._turn_away(reason))

    def _turn_away(self, reason: str) -> None:
        """The player stays for the grace; nothing is done twice."""
        link = self._link
        if link is not None:
            self._host.log.info("session_turned_away", **self._named(), reason=reason)
            self.lost()
            link.close(CloseCode.UNAUTHENTICATED, reason)

    def _wait(self) -> None:
        """For the next thing to do about the token, of those that are still to be done."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        due_ms = self._ends_ms() if self._told else self.identity.expiring_at_ms
        if due_ms is None or self._link is None:
            return
        delay_s = wait_s(due_ms / 1000, self._host.clock.now_ms() / 1000)
        self._expiry = self._host.clock.call_later(min(delay_s, LOOK_S_MAX), self._look_soon)

    def _look_soon(self) -> None:
        self._expiry = None
        if self._link is not None:
            self._link.defer(self._look)

    def _look(self) -> None:
        identity, now_ms = self.identity, self._host.clock.now_ms()
        ends_ms, tell_ms = self._ends_ms(), identity.expiring_at_ms
        if self._link is None or ends_ms is None or tell_ms is None:
            return
        if now_ms >= ends_ms:
            self._turn_away("the token has expired")
            return
        if not self._told and now_ms >= tell_ms and identity.expires_at_ms is not None:
            self._told = True
            expires_at = encoding.rfc3339(identity.expires_at_ms)
            self._send("tokenExpiring", None, expiresAt=expires_at)
        self._wait()

    def _ends_ms(self) -> int | None:
        """As long as it would be taken, it is good."""
        expires_at_ms = self.identity.expires_at_ms
        return None if expires_at_ms is None else expires_at_ms + self._authentication.leeway_ms

    def _end(self) -> bool:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._authentication.settle(self)
        return super()._end()
