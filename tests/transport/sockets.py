"""A TCP connection that tests hold in their hands, and a client on its other end.

Owns the fake of asyncio's transport: its write buffer with water marks, its reading that can be
paused, its ends. The client is websockets' own, without I/O. Nothing happens by itself: bytes that
the server writes stay in its buffer until the network lets them through, and what asyncio does
"soon" is done when the simulated clock advances.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from actors.settings import Settings
from tests.transport.simulated import SimulatedClock, WrittenLog
from transport.connection import Connection
from transport.door import Door
from transport.encoding import frame, message
from transport.identity import Identity
from transport.link import CloseCode, Link
from transport.session import Session

HOST: Final = "127.0.0.1:8765"
WELCOME: Final = message("welcome")


class Wire(asyncio.Transport):
    """The server's end of one TCP connection."""

    def __init__(self, clock: SimulatedClock, address: str, *, secure: bool = False) -> None:
        super().__init__({"peername": (address, 40_000), "ssl_object": secure or None})
        self._clock: Final = clock
        self._protocol: asyncio.Protocol | None = None
        self._high = 65_536
        self._low = 16_384
        self._arrived = b""
        self._is_paused = False
        self._is_ended = False
        self._is_broken = False
        self.buffer = b""
        """Written and not yet let through."""
        self.through = b""
        """What the client's machine has."""
        self.flows = True
        """Whether the network lets everything through at once."""
        self._reads = True
        self.is_closing_ = False
        self._is_lost = False
        self.was_aborted = False
        self.peak_bytes = 0

    # -- what the server does

    def connect(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is not None
        assert 0 <= low <= high
        self._high, self._low = high, low

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def write(self, data: Any) -> None:
        assert isinstance(data, bytes), "what is written must never change"
        if self._is_broken:
            return  # as asyncio does: the end will be told soon
        assert not self.is_closing_, "nothing is written behind a close"
        self.buffer += data
        if self.flows:
            self.let_through()
        self.peak_bytes = max(self.peak_bytes, len(self.buffer))
        if len(self.buffer) > self._high and not self._is_paused:
            self._is_paused = True
            assert self._protocol is not None
            self._protocol.pause_writing()

    def is_closing(self) -> bool:
        return self.is_closing_

    def close(self) -> None:
        self.is_closing_ = True
        self._reads = False
        if not self.buffer:
            self._end(None)

    def abort(self) -> None:
        self.is_closing_ = self.was_aborted = True
        self._reads = False
        self.buffer = b""
        self._end(None)

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        if not self.is_closing_:
            self._reads = True
            self._clock.call_later(0, self._read)

    def is_reading(self) -> bool:
        return self._reads

    # -- what the network does

    def ended(self) -> bool:
        """Whether the server was told that the connection is gone."""
        return self._is_lost

    def arrive(self, data: bytes) -> None:
        """Bytes of the client reach the machine; the server gets them while it reads."""
        self._arrived += data
        self._read()

    def let_through(self, size: int | None = None) -> None:
        """The network takes so many bytes of the buffer, or all."""
        taken = self.buffer[:size] if size is not None else self.buffer
        self.buffer = self.buffer[len(taken) :]
        self.through += taken
        if self._is_paused and len(self.buffer) <= self._low:
            self._is_paused = False
            assert self._protocol is not None
            self._protocol.resume_writing()
        if self.is_closing_ and not self.buffer:
            self._end(None)

    def hang_up(self) -> None:
        """The client's machine ends its half of the stream."""
        assert self._protocol is not None
        if not self._protocol.eof_received():
            self._is_broken = True
            self.close()

    def break_(self) -> None:
        """The connection is reset."""
        self.is_closing_ = self._is_broken = True
        self._reads = False
        self.buffer = b""
        self._end(ConnectionResetError())

    def _read(self) -> None:
        if self._reads and self._arrived and self._protocol is not None:
            data, self._arrived = self._arrived, b""
            self._protocol.data_received(data)

    def _end(self, error: Exception | None) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._clock.call_later(0, lambda: self._lose(error))

    def _lose(self, error: Exception | None) -> None:
        assert self._protocol is not None
        self._is_lost = True
        self._protocol.connection_lost(error)


@dataclass(slots=True)
class ScriptedSession:
    """In the place of a session: writes down what it is told, and does what it is bidden."""

    link: Link
    socket_id: str = "AAAA"
    texts: list[bytes] = field(default_factory=list)
    charges: int = 0
    losses: int = 0
    drains: int = 0
    faults: list[Exception] = field(default_factory=list)
    waits_ms: list[int] = field(default_factory=list)
    on_text: Callable[[bytes], object] = lambda text: None
    congested: bool = False
    reliefs: int = 0

    def greet(self) -> bytes:
        return WELCOME

    def receive(self, raw: bytes | bytearray) -> None:
        text = bytes(raw)
        text.decode()
        self.texts.append(text)
        self.on_text(text)

    def charge(self) -> None:
        self.charges += 1

    def lost(self) -> None:
        self.losses += 1

    def relieve(self) -> None:
        self.congested = False
        self.reliefs += 1

    def drained(self) -> None:
        self.drains += 1

    def drain(self, reconnect_after_ms: int) -> None:
        self.waits_ms.append(reconnect_after_ms)
        self.link.send(message("serverDraining", reconnectAfterMs=reconnect_after_ms))

    def on_fault(self, error: Exception) -> None:
        self.faults.append(error)
        self.lost()
        self.link.close(CloseCode.INTERNAL, "internal error")


class Porch:
    """A door, and what its connections share; each new session is a scripted one."""

    def __init__(self, **settings: Any) -> None:
        self.clock: Final = SimulatedClock()
        self.log: Final = WrittenLog()
        self.sessions: list[ScriptedSession] = []
        self.settings: Final = Settings(**settings)
        self.door = self._open_door()

    def _open_door(self) -> Door:
        return Door(
            self.settings,
            self.clock,
            self.log,
            self._new_session,
            lambda: (b"up 1\n", "text/plain"),
        )

    def _new_session(self, link: Link, identity: Identity) -> Session:
        del identity
        self.sessions.append(ScriptedSession(link))
        return cast(Session, self.sessions[-1])

    def caller(self, address: str = "192.0.2.1", *, secure: bool = False) -> "Caller":
        """A TCP connection on which nothing was said yet."""
        return Caller(self, address, secure=secure)

    def guest(self, address: str = "192.0.2.1") -> "Caller":
        """A client whose handshake is done, and who has read its welcome."""
        caller = self.caller(address)
        caller.send_raw(caller.handshake_bytes())
        assert caller.response is not None
        assert caller.response.status_code == 101
        assert caller.texts() == [{"type": "welcome"}]
        caller.session = self.sessions[-1]
        return caller


class Caller:
    """A client of the server, at the other end of a `Wire`."""

    def __init__(self, porch: Porch, address: str, *, secure: bool = False) -> None:
        self._clock: Final = porch.clock
        self.wire: Final = Wire(porch.clock, address, secure=secure)
        self.connection: Final = Connection(porch.door)
        self.protocol: Final = ClientProtocol(parse_uri(f"ws://{HOST}/ws"), max_size=None)
        self.session: ScriptedSession = cast(ScriptedSession, None)
        self.response: Response | None = None
        self.frames: list[Frame] = []
        """What came and was not yet looked at."""
        self.wire.connect(self.connection)

    # -- saying

    def handshake_bytes(self, path: str = "/ws", **headers: str | None) -> bytes:
        """A right handshake, but for `headers`: underscores are hyphens, None leaves one out."""
        request = self.protocol.connect()
        request.path = path
        for name, value in headers.items():
            header = name.replace("_", "-")
            if header in request.headers:
                del request.headers[header]
            if value is not None:
                request.headers[header] = value
        self.protocol.send_request(request)
        return b"".join(self.protocol.data_to_send())

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are, in one piece, and what the server does with them soon."""
        self.wire.arrive(data)
        self._clock.advance(0)
        self.read()

    def bytes_of(self, *payloads: str | bytes | Frame) -> bytes:
        """Text messages, or frames of one's own, as masked bytes."""
        for payload in payloads:
            if isinstance(payload, Frame):
                self.protocol.send_frame(payload)
            else:
                text = payload.encode() if isinstance(payload, str) else payload
                self.protocol.send_frame(Frame(Opcode.TEXT, text))
        return b"".join(self.protocol.data_to_send())

    def send(self, *payloads: str | bytes | Frame) -> None:
        """So many messages or frames, in one piece."""
        self.send_raw(self.bytes_of(*payloads))

    # -- hearing

    def read(self) -> None:
        """Take in what came through; pings are answered only by `answer`."""
        through, self.wire.through = self.wire.through, b""
        if through and self.protocol.state is not State.CLOSED:
            self.protocol.receive_data(through)
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                self.frames.append(event)

    def answer(self) -> None:
        """Send what the client's protocol wants sent: pongs, and the echo of a close."""
        data = b"".join(self.protocol.data_to_send())
        if data and not self.wire.is_closing_:
            self.send_raw(data)

    def heard(self) -> list[Frame]:
        """The frames that came since the last call."""
        self.read()
        heard, self.frames = self.frames, []
        return heard

    def texts(self) -> list[Any]:
        """The JSON of the text messages that came since the last call, and nothing else came."""
        heard = self.heard()
        assert all(each.opcode is Opcode.TEXT and each.fin for each in heard), heard
        return [json.loads(bytes(each.data)) for each in heard]

    @property
    def close_code(self) -> int | None:
        """The code that the server closed with, or answered a close with."""
        self.read()
        received = self.protocol.close_rcvd
        return int(received.code) if received is not None else None

    @property
    def is_lost(self) -> bool:
        """The TCP connection has ended, and the server knows."""
        self._clock.advance(0)
        return self.wire.ended()


def text(size: int) -> bytes:
    """A server's frame of exactly so many bytes."""
    head = len(frame(b"x" * size)) - size
    made = frame(b'"' + b"x" * (size - head - 2) + b'"')
    assert len(made) == size
    return made
