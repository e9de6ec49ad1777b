"""The stage of a server in jwt mode: sessions that must say who they are, and tokens for them.

Owns the making of such sessions; all else is stage.py's. Tokens are signed by minted.py and
verified by the real verifier, in simulated time.
"""

from typing import Any, Final

from actors.ids import SocketId
from actors.permissions import ANONYMOUS_GRANTS
from actors.settings import AuthMode
from tests.transport import minted
from tests.transport.stage import Client, Object, Stage, WrittenLink
from transport import auth_keys
from transport.auth import TokenVerifier
from transport.authentication import Authentication
from transport.identified import IdentifiedSession
from transport.identity import NOBODY, Identity
from transport.session import Session

JWT: Final[dict[str, Any]] = {"auth": AuthMode.JWT, "jwt_secret_file": "secret"}


class TokenStage(Stage):
    """`identity` is whose the next connection is, by a header of its handshake."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**JWT, **settings)
        keys = auth_keys.of_secret(minted.SECRET)
        verify = TokenVerifier(self.settings, lambda: keys, ANONYMOUS_GRANTS).verify
        self.authentication: Final = Authentication(self.settings, self.clock, verify)
        self.identity: Identity = NOBODY

    def new_session(self, link: WrittenLink, socket_id: SocketId) -> Session:
        identity, self.identity = self.identity, NOBODY
        return IdentifiedSession(self.host, link, socket_id, self.authentication, identity)

    def token(self, user: str = "ann", life_s: float = 3600, **claims: Any) -> str:
        """One that begins now."""
        now_s = self.clock.now_ms() / 1000
        return minted.hs256({"sub": user, "iat": now_s, "exp": now_s + life_s, **claims})

    def known(self, user: str = "ann", life_s: float = 3600, socket_id: str = "AAAA") -> Client:
        """A client that has said who it is."""
        client = self.client(socket_id)
        answer = client.ask("authenticate", token=self.token(user, life_s))
        assert answer["type"] == "authenticated", answer
        return client

    def pass_time(self, client: Client, seconds: float) -> list[Object]:
        """What `client` hears meanwhile."""
        self.clock.advance(seconds)
        client.link.run_deferred()
        return client.heard()
