"""A WebSocket client's connection in the simulated world, by websockets' own parser.

Owns the handshake, frames in and out, answers to pings and closes. Knows nothing of rooms: each
object of a text frame is handed on with the time at which the server wrote its last byte.
"""

import asyncio
import base64
import random
from collections.abc import Callable
from typing import Any, Final

import orjson
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.simulation.network import End

_URI: Final = parse_uri("ws://127.0.0.1:8765/ws")
CLOSING_S: Final = 10.0
"""A client that closed waits so long for the server's half."""


def some_form(seed: str) -> Subprotocol | None:
    """What a client asks for: a third wants moves in the compact form."""
    return Subprotocol("vaultmeet.v1.compact") if random.Random(seed).random() < 1 / 3 else None


class ClientSocket(asyncio.Protocol):
    """`hear(item, sent_s)` gets every object, and every binary frame whole; `opened` is called when
    the handshake is done. `token` goes with that, where there is one.
    """

    def __init__(
        self,
        rng: random.Random,
        hear: Callable[[Any, float], object],
        opened: Callable[[], object],
        subprotocol: Subprotocol | None = None,
        token: str = "",
    ) -> None:
        self._token: Final = token
        self._rng: Final = rng
        self._hear: Final = hear
        self._opened: Final = opened
        self._protocol: Final = ClientProtocol(
            _URI, max_size=None, subprotocols=[subprotocol] if subprotocol else None
        )
        self._protocol.key = base64.b64encode(rng.randbytes(16)).decode()
        self.end: End | None = None
        self.is_connecting = True
        self.is_open = False
        """The handshake is done and nobody has closed."""
        self.is_gone = False
        self.answers_pings = True
        self.on_reset: Callable[[], object] = lambda: None
        self.on_close: Callable[[int | None], object] = lambda code: None
        """Called where an open connection, that nobody was about to close, is reset."""
        self.close_code: int | None = None
        self.status: int | None = None
        self.heard_s = 0.0
        """When the newest byte that came was written."""

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, End)
        self.end = transport
        request = self._protocol.connect()
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        assert self.end is not None
        self.heard_s = self.end.sent_s
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self.status = event.status_code
                self.is_connecting = False
                if event.status_code == 101:
                    self.is_open = True
                    self._opened()
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and self.is_open and not self.is_spoilt():
            self.on_reset()
        self.is_gone = True
        self.is_open = self.is_connecting = False

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            value = orjson.loads(frame.data)
            for item in value if isinstance(value, list) else [value]:
                self._hear(item, self.heard_s)
        elif frame.opcode is Opcode.BINARY:
            self._hear(bytes(frame.data), self.heard_s)
        elif frame.opcode is Opcode.CLOSE:
            self.is_open = False
            received = self._protocol.close_rcvd  # `close_code` waits for the end of the stream
            self.close_code = None if received is None else int(received.code)
            self.on_close(self.close_code)

    def _flush(self) -> None:
        assert self.end is not None
        for data in self._protocol.data_to_send():
            if self.end.is_closing():
                return
            if data == b"":
                self.end.close()
            elif self.answers_pings or data[0] & 0xF != Opcode.PONG:
                self.end.write(data)

    # -- saying

    def send_text(self, text: bytes, *, pieces: int = 1) -> None:
        """One message in so many fragments."""
        size = max(1, -(-len(text) // pieces))
        parts = [text[at : at + size] for at in range(0, len(text), size)] or [b""]
        for number, part in enumerate(parts):
            opcode = Opcode.CONT if number else Opcode.TEXT
            self.send_frame(opcode, part, fin=number == len(parts) - 1)

    def send_frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        """A masked frame, as it is. Nothing where the connection is not open."""
        if self.end is None or self.end.is_closing() or not self.is_open:
            return
        mask = self._rng.randbytes(4)
        head = bytes([opcode | (0x80 if fin else 0)])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65_536:
            head += b"\xfe" + len(data).to_bytes(2, "big")
        else:
            head += b"\xff" + len(data).to_bytes(8, "big")
        self.end.write(head + mask + apply_mask(data, mask))

    def close(self) -> None:
        """The closing handshake; after `CLOSING_S` the client goes without the other half."""
        if self.is_open and self._protocol.state is State.OPEN and self.end is not None:
            self.is_open = False
            self._protocol.send_close(1000)
            self._flush()
            asyncio.get_running_loop().call_later(CLOSING_S, self.abort)

    def is_spoilt(self) -> bool:
        """It will never do its part again: cut silently, or it answers no pings."""
        return not self.answers_pings or (self.end is not None and self.end.is_cut())

    def abort(self) -> None:
        """Gone at once, by a reset."""
        self.is_open = self.is_connecting = False
        if self.end is not None and not self.is_gone:
            self.end.abort()
