"""What a session needs of its connection: the seam between the two, and the close codes.

A session never sees a socket, a connection never sees a room; this page is all they share.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final, Protocol

from actors.encoder import Form

REASON_BYTES_MAX: Final = 123


class CloseCode(IntEnum):
    """Why the server ends a connection. Up to 4499 reconnect, from 4500 don't."""

    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    TRY_LATER = 1013
    UNAUTHENTICATED = 4401
    KICKED = 4503
    REPLACED = 4509


def fitting(reason: str) -> str:
    """As much of `reason` as a close frame has room for: 123 bytes (RFC 6455, 5.5 and 5.5.1)."""
    return reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")


def swallow(frame: bytes, /) -> bool:
    """Take `frame` for nobody: in the place of an `offer` where no client is."""
    del frame
    return True


class Link(Protocol):
    """One open connection, as its session sees it. Nothing here raises."""

    @property
    def form(self) -> Form:
        """What was agreed on in the handshake."""
        ...

    def send(self, frame: bytes) -> None:
        """An answer: always taken. Past twice the outbox bound reading stops until it drains."""
        ...

    def send_state(self, *parts: bytes) -> None:
        """A whole state, one frame: always taken, and what waits in front of it counts no more."""
        ...

    def offer(self, frame: bytes) -> bool:
        """False, and nothing taken, while the outbox is over its bound."""
        ...

    def offer_moves(self, frame: bytes) -> bool:
        """False, and nothing taken, while anything waits."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """End the connection; frames that still come are ignored. May be repeated."""
        ...

    def hold(self) -> None:
        """Read nothing until `release`."""
        ...

    def release(self) -> None: ...

    def defer(self, call: Callable[[], object]) -> None:
        """Run `call` soon, in the connection's own context."""
        ...

    def call_later(self, delay_s: float, call: Callable[[], object]) -> None:
        """Run `call` after `delay_s`, unless the connection is gone by then."""
        ...
