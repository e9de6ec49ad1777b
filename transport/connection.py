"""One TCP connection: bytes in, frames out, through websockets' parser.

An asyncio.Protocol over websockets' sans-I/O ServerProtocol. Owns fragments, flow control in both
directions and the closing; the handshake is in handshake.py. Knows no room: text goes to the
session, and what the session or a seat wants sent comes back through the Link methods. Nothing
that a client sends raises past `data_received`.

    handshaking -> open -> closing -> closed        (plain HTTP: handshaking -> closing -> closed)
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from websockets.exceptions import InvalidState, ProtocolError
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.http11 import Request
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

from transport import handshake
from transport.connection_parts import ConnectionParts
from transport.link import CloseCode, swallow
from transport.outbox import Outbox
from transport.phase import Phase
from transport.session import Session

SLICE_BYTES: Final = 4096
"""So much is parsed before looking whether reading is still wanted."""
BREATH_BYTES: Final = 8192
"""So much of one connection is parsed before all others had their turn."""
PARTING_BYTES_MAX: Final = 65_536
"""So much is read of a client after it was sent a close; then it is cut off."""
_TEXT, _PONG, _CLOSE, _PING = 0x81, 0x8A, 0x88, b"\x89\x00"
_FAREWELLS: Final = (b"\x03\xe8", b"\x03\xe9")
"""1000 and 1001, of a client that is done, and of a page that is left (RFC 6455, 7.4.1)."""


class Connection(ConnectionParts):
    """Made by the server for each accepted socket. Is the session's Link."""

    __slots__ = ()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._outbox = Outbox(self._transport, self._door.settings, self._door.clock, self)
        self._door.arrived(self)

    def data_received(self, data: bytes) -> None:
        self._door.pacer.note()
        if self._phase is Phase.CLOSING:
            self._parting_bytes += len(data)
            if self._parting_bytes > PARTING_BYTES_MAX:
                self.abort()
                return
        if self._unread is not None:
            self._unread += data
        elif self._is_short(data):
            self.heard_s = self._door.clock.monotonic_s()
            if data[0] == _TEXT:
                self._on_text(cast(Session, self.session), apply_mask(data[6:], data[2:6]))
            else:
                cast(Session, self.session).charge()
        elif self._is_farewell(data):
            self._on_farewell(apply_mask(data[6:], data[2:6]))
        elif len(data) <= SLICE_BYTES and self._phase is Phase.OPEN and self.is_reading():
            self._feed(data)
        elif self._phase is not Phase.HANDSHAKING or not self._is_known(data):
            self._unread = data
            self._feed_unread()

    def _is_short(self, data: bytes) -> bool:
        """`data` is one whole, masked text or pong of less than 126 bytes (RFC 6455, 5.2), and
        nothing is under way: taken without a parser, which would be 8 times slower.
        """
        return (
            self._phase is Phase.OPEN
            and (self._between and self._fragments is None)
            and len(data) >= 6
            and (data[0] == _TEXT or data[0] == _PONG)
            and 0x80 <= data[1] < 0xFE
            and len(data) == data[1] - 0x80 + 6
            and len(data) - 6 <= self._door.settings.message_bytes_max
            and self.is_reading()
        )

    def _is_farewell(self, data: bytes) -> bool:
        """`data` is one whole close as nearly all clients send it: with 1000 or 1001 and no reason.
        It needs no parser either, which would be made for it alone.
        """
        return (
            len(data) == 8
            and (data[0] == _CLOSE and data[1] == 0x82)
            and (self._phase is Phase.OPEN and self._between)
            and self.is_reading()
            and apply_mask(data[6:], data[2:6]) in _FAREWELLS
        )

    def _on_farewell(self, code: bytes) -> None:
        """Echo it and end (RFC 6455, 5.5.1 and 7.1.1)."""
        self.heard_s = self._door.clock.monotonic_s()
        self._leave()
        cast(Session, self.session).lost()
        cast(Outbox, self._outbox).put(b"\x88\x02" + code)
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self._phase = Phase.CLOSED
        session, self.session = self.session, None
        if session is not None:
            session.lost()
        self._door.left(self, session is not None)
        self._transport = self._protocol = self._outbox = self._unread = self._fragments = None
        self.offer = self.offer_moves = swallow  # the outbox points back here

    def pause_writing(self) -> None:
        if self._outbox is not None:
            self._outbox.pause()

    def resume_writing(self) -> None:
        if self._outbox is not None and self._outbox.resume():
            if self.session is not None:
                self._guard(self.session.relieve)
            self._read_on()

    # -- bytes in

    def _feed_unread(self) -> None:
        """Parse what is there, slice by slice, as long as reading is wanted."""
        left = BREATH_BYTES
        while self._unread and self.is_reading():
            if left <= 0:
                self._breathe()
                return
            unread = self._unread
            size = SLICE_BYTES
            preamble = self._preamble
            if self._phase is Phase.HANDSHAKING and preamble is not None:  # with limits of its own
                size = min(size, preamble.size(unread[:size], self._parser()))
            else:
                left -= SLICE_BYTES
            self._unread = unread[size:] or None
            self._feed(unread[:size])

    def _parser(self) -> Protocol | None:
        """Made when it is needed, since most clients never do, and few for long (1 KiB)."""
        if self._protocol is None:
            if self._phase is Phase.OPEN:
                self._protocol = handshake.open_protocol(self._door.settings)
            elif self._phase is Phase.HANDSHAKING:
                self._protocol = handshake.new_protocol(self._door.settings)
        return self._protocol

    def _feed(self, data: bytes) -> None:
        protocol = self._parser()
        if protocol is None or self._phase is Phase.CLOSED:
            return
        self.heard_s = now_s = self._door.clock.monotonic_s()
        protocol.receive_data(data)
        events = protocol.events_received()
        for event in events:
            if type(event) is Frame:
                self._on_frame(event)
            elif type(event) is Request:
                self._on_request(event)
        if protocol.writes:
            self._flush(protocol)
        self._between = handshake.between_frames(self._protocol)
        if self._between and self._fragments is None:
            self._incomplete_since_s = None
        elif self._incomplete_since_s is None:
            self._incomplete_since_s = now_s

    def _on_frame(self, frame: Frame) -> None:
        session = self.session
        if session is None or self._phase is not Phase.OPEN:
            return
        opcode = frame.opcode
        if self._fragments is None or (opcode is Opcode.CONT and frame.fin):
            self._incomplete_since_s = None  # this one is complete; what follows begins now
        if opcode is Opcode.TEXT:
            if frame.fin:
                self._on_text(session, cast(bytes, frame.data))
            else:
                session.charge()
                self._fragments = bytearray(frame.data)
        elif opcode is Opcode.CONT and self._fragments is not None:
            session.charge()
            self._fragments += frame.data
            if len(self._fragments) > self._door.settings.message_bytes_max:
                self._lose_and_close(CloseCode.TOO_BIG, "a message over the limit")
            elif frame.fin:
                text, self._fragments = self._fragments, None
                self._on_text(session, text)
        elif opcode is Opcode.BINARY:
            self._lose_and_close(CloseCode.UNSUPPORTED, "text frames only")
        elif opcode is Opcode.CLOSE:
            self._leave()
            session.lost()
        else:
            session.charge()

    def _on_text(self, session: Session, text: bytes | bytearray) -> None:
        try:
            session.receive(text)
        except UnicodeDecodeError:
            self._lose_and_close(CloseCode.NOT_UTF8, "text frames are UTF-8")
        except Exception as error:  # noqa: BLE001  # one of the two shells
            session.on_fault(error)

    def _is_known(self, data: bytes) -> bool:
        """It is a request that was accepted before, but for its key: there is nothing to parse."""
        if self._preamble is None or not self._preamble.is_unused():
            return False
        answer = handshake.answer_known(data, self._door, self, self._is_secure())
        if isinstance(answer, handshake.Opened):
            self.heard_s = self._door.clock.monotonic_s()
            self._open(answer)
        elif answer is not None:
            self._protocol = answer
            self._flush(answer)
        return answer is not None

    def _on_request(self, request: Request) -> None:
        protocol = cast(ServerProtocol, self._protocol)
        whole = cast(handshake.Preamble, self._preamble).whole
        door, secure = self._door, self._is_secure()
        opened = handshake.answer(protocol, request, door, self, secure, whole)
        if opened is not None:
            self._open(opened)

    def _is_secure(self) -> bool:
        return cast(asyncio.Transport, self._transport).get_extra_info("ssl_object") is not None

    def _open(self, opened: handshake.Opened) -> None:
        self._phase = Phase.OPEN
        outbox, self.form = cast(Outbox, self._outbox), opened.form
        self.offer, self.offer_moves = outbox.offer, outbox.offer_moves
        self._protocol, self._between, self._preamble = None, True, None
        self.session = self._door.welcome(self, opened.identity)
        # One write, since each costs as much as all that is made of a handshake's headers.
        outbox.put(opened.response + self.session.greet())

    # -- bytes out: Link

    def send(self, frame: bytes) -> None:
        self._door.pacer.answer()
        if self._outbox is not None and self._phase is Phase.OPEN:
            self._outbox.put(frame)

    def send_state(self, *parts: bytes) -> None:
        if self._outbox is not None and self._phase is Phase.OPEN:
            self._outbox.put_state(*parts)

    def ping(self) -> None:
        """Ask for a sign of life, and let go of a parser that has nothing to go on with."""
        if self._between and self._fragments is None and self._phase is Phase.OPEN:
            self._protocol = None
        self.send(_PING)

    # -- from the outbox

    def on_drained(self) -> None:
        """What was refused can be made up for."""
        if self.session is not None:
            self._guard(self.session.drained)

    def on_overload(self) -> None:
        """The client asks and does not read."""
        if self.session is not None:
            self.session.congested = True
        if self._transport is not None:
            self._transport.pause_reading()

    def on_too_slow(self) -> None:
        """It had its time."""
        if self._phase is Phase.OPEN:
            self._lose_and_close(CloseCode.TRY_LATER, "read too slowly")

    def defer(self, call: Callable[[], object]) -> None:
        self.call_later(0, call)

    def call_later(self, delay_s: float, call: Callable[[], object]) -> None:
        self._door.clock.call_later(delay_s, lambda: self._guard(call))

    def _guard(self, call: Callable[[], object]) -> None:
        """Run what a session does of its own accord; a bug in it ends this connection alone."""
        session = self.session
        if session is None:
            return
        try:
            call()
        except Exception as error:  # noqa: BLE001  # one of the two shells
            session.on_fault(error)

    # -- closing: Link

    def close(self, code: CloseCode, reason: str) -> None:
        protocol = self._parser()
        if protocol is None or self._phase is not Phase.OPEN:
            return
        self._leave()
        try:
            protocol.send_close(int(code), reason)
        except (InvalidState, ProtocolError):  # the client was faster
            protocol.fail(int(code))
        self._flush(protocol)
        self._door.closing(self)
        # For the client's half of the closing handshake, whatever reading was stopped for.
        self._held = False
        if self._outbox is not None:
            self._outbox.overloaded = False
        self._read_on()

    def abort(self) -> None:
        """End it now, whatever still waits."""
        if self._transport is not None:
            self._leave()
            self._transport.abort()

    def _leave(self) -> None:
        self._phase = Phase.CLOSING
        if self._outbox is not None:
            self._outbox.shut()

    def lose(self) -> None:
        """The peer is gone though the socket is not: as if it had closed, at once."""
        if self.session is not None:
            self.session.lost()
        self.abort()

    def _lose_and_close(self, code: CloseCode, reason: str) -> None:
        if self.session is not None:
            self.session.lost()
        self.close(code, reason)

    def _flush(self, protocol: Protocol) -> None:
        """Write what websockets has to say; its end of stream ends the connection."""
        transport, outbox = self._transport, self._outbox
        if transport is None or outbox is None:
            return
        writes = protocol.data_to_send()
        if writes == [b""] and self._phase is Phase.HANDSHAKING:
            transport.write(handshake.BAD_REQUEST)  # websockets says nothing to what is no HTTP
        for data in writes:
            if data:
                outbox.put(data)
                continue
            self._leave()
            if self.session is not None:
                self.session.lost()
            self._end()

    def _end(self) -> None:
        """Close the socket once all is written, and wait so long for that."""
        if self._transport is not None:
            self._transport.close()
        self._door.closing(self)
