"""A connection without what it does with bytes: its state, and reading that stops and goes on.

Owns the reasons for which reading stops: the session wants no more, the client reads too little, or
it is the turn of others. What is read goes to `_feed_unread` (connection.py).
"""

import asyncio
from typing import Final, cast

from websockets.protocol import Protocol

from actors.encoder import Form
from transport import handshake
from transport.door import Door
from transport.link import swallow
from transport.outbox import Outbox
from transport.phase import Phase
from transport.session import Session


class ConnectionParts(asyncio.Protocol):
    """The state of a connection, and whether it is read from."""

    __slots__ = (
        "_between", "_breathing", "_door", "_fragments", "_held", "_incomplete_since_s", "_outbox",
        "_parting_bytes", "_phase", "_preamble", "_protocol", "_transport", "_unread", "address",
        "form", "heard_s", "offer", "offer_moves", "session",
    )  # fmt: skip

    def __init__(self, door: Door) -> None:
        self._door: Final = door
        self._phase = Phase.HANDSHAKING
        self._transport: asyncio.Transport | None = None
        self._protocol: Protocol | None = None
        self._preamble: handshake.Preamble | None = handshake.Preamble()  # until it is open
        self._unread: bytes | None = None
        self._fragments: bytearray | None = None
        self._between = False
        self._incomplete_since_s: float | None = None
        self._held = False
        self._breathing = False
        self._parting_bytes = 0
        self._outbox: Outbox | None = None
        self.session: Session | None = None
        self.address = ""
        self.heard_s = 0.0
        self.form = Form.JSON
        self.offer = self.offer_moves = swallow  # the outbox' own from the handshake on

    def overdue_s(self, now_s: float) -> float:
        """For how long a message has been begun and not completed; 0 where none is."""
        since_s = self._incomplete_since_s
        return 0.0 if since_s is None or not self.is_reading() else now_s - since_s

    def is_open(self) -> bool:
        return self._phase is Phase.OPEN

    def is_handshaking(self) -> bool:
        return self._phase is Phase.HANDSHAKING

    # -- reading, stopped and resumed: Link

    def hold(self) -> None:
        if not self._held and self._transport is not None:
            self._held = True
            self._transport.pause_reading()

    def release(self) -> None:
        if self._held:
            self._held = False
            self._read_on()

    def _breathe(self) -> None:
        """Let the others have their turn first."""
        self._breathing = True
        cast(asyncio.Transport, self._transport).pause_reading()
        self._door.clock.call_later(0, self._breathed)

    def _breathed(self) -> None:
        self._breathing = False
        self._read_on()

    def is_reading(self) -> bool:
        """Bytes that come are parsed at once."""
        overloaded = self._outbox is not None and self._outbox.overloaded
        return not (self._held or self._breathing or overloaded)

    def progress(self) -> tuple[int, int]:
        """(bytes written, bytes of them that the peer's side has taken)."""
        outbox = self._outbox
        return (0, 0) if outbox is None else (outbox.written_bytes(), outbox.sent_bytes())

    def is_silent(self, since_s: float, then: tuple[int, int]) -> bool:
        """Nothing came since `since_s`, when `progress` was `then`.

        While a busy session stops reading that is no silence, and neither is it while a ping
        still waits behind other bytes and those get on: it cannot have been answered yet.
        """
        if self.heard_s >= since_s or self._held or self._breathing:
            return False
        written, sent_then = then
        sent_now = self.progress()[1]
        unanswerable = sent_now < written or not self.is_reading()
        return not (unanswerable and sent_now > sent_then)

    def _read_on(self) -> None:
        """Go on reading, unless there still is a reason not to; harmless where there was none."""
        if self._transport is None or not self.is_reading():
            return
        self.heard_s = self._door.clock.monotonic_s()  # nothing could be heard meanwhile
        self._feed_unread()
        if self.is_reading() and self._transport is not None:
            self._transport.resume_reading()

    def _feed_unread(self) -> None:
        """Parse what is there, as long as reading is wanted."""
        raise NotImplementedError
