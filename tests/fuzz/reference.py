"""What a server has to make of a client's frames, read off RFC 6455 and the protocol page.

Owns a second opinion on every stream: which texts arrive, which pings are answered, with which
code it ends. Slow and plain, one frame after the other; it knows nothing of pieces, since the
outcome must not depend on them. Where the RFC leaves open which of two errors of one frame is
noticed, or how soon, this does as websockets does.

    between frames -> in a frame -> ... -> parting (a close was sent) -> over
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tests.fuzz.frames import masked

_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
_KINDS: Final = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
CONTROL_BYTES_MAX: Final = 125


class End(Enum):
    """How far the stream goes."""

    BETWEEN = "between frames"
    IN_FRAME = "in a frame"
    IN_MESSAGE = "in a message"
    PARTING = "closed by the server"
    OVER = "over"


@dataclass(slots=True)
class Outcome:
    """What the stream comes to. `close` is the code that ends it (1005: a close without one)."""

    texts: list[bytes] = field(default_factory=list)
    charges: int = 0
    pongs: list[bytes] = field(default_factory=list)
    close: int | None = None
    later: set[int] = field(default_factory=set)
    """With which codes it may end instead, where more came before the server had its say: the
    parser is then ahead of the session.
    """
    echo: bytes | None = None
    """The payload of a close that is the client's own."""
    end: End = End.BETWEEN
    why: str = ""
    kinds: list[str] = field(default_factory=list)
    """Each frame in a few words."""


class _Broken(Exception):
    """The client broke the protocol; nothing more is read."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code: Final = code
        self.why: Final = why


def outcome_of(stream: bytes, message_bytes_max: int) -> Outcome:
    """O(size)."""
    return _Reader(stream, message_bytes_max).read()


class _Reader:
    """Goes once through the stream."""

    def __init__(self, stream: bytes, message_bytes_max: int) -> None:
        self._stream: Final = stream
        self._at = 0
        self._max: Final = message_bytes_max
        self._message: bytes | None = None
        """What came so far of a message in fragments, also of one that is of no interest."""
        self._outcome: Final = Outcome()

    def read(self) -> Outcome:
        outcome = self._outcome
        try:
            while outcome.end is not End.OVER:
                start = self._at
                frame = self._frame()
                if frame is None:
                    if outcome.close is None and start < len(self._stream):
                        outcome.end = End.IN_FRAME
                    elif outcome.close is None and self._message is not None:
                        outcome.end = End.IN_MESSAGE
                    break
                self._take(*frame)
        except _Broken as broken:
            if outcome.close is None:
                outcome.close, outcome.why = broken.code, broken.why
            outcome.later.add(broken.code)
            outcome.end = End.OVER
        return outcome

    def _bytes(self, size: int) -> bytes | None:
        if len(self._stream) - self._at < size:
            return None
        self._at += size
        return self._stream[self._at - size : self._at]

    def _frame(self) -> tuple[int, bytes] | None:
        """First byte and payload; None where it is not complete."""
        head = self._bytes(2)
        if head is None:
            return None
        first, second = head
        if first & 0x0F not in _KINDS:
            raise _Broken(1002, "opcode")
        if not second & 0x80:
            raise _Broken(1002, "not masked")
        size = second & 0x7F
        if size >= 126:
            extended = self._bytes(2 if size == 126 else 8)
            if extended is None:
                return None
            size = int.from_bytes(extended)
        if size > self._max:
            raise _Broken(1009, "too big")
        mask = self._bytes(4)
        if mask is None:
            return None
        payload = self._bytes(size)
        if payload is None:
            return None
        if first & 0x70:
            raise _Broken(1002, "reserved bits")
        control = first & 0x08
        if control and size > CONTROL_BYTES_MAX:
            raise _Broken(1002, "control frame too long")
        if control and not first & 0x80:
            raise _Broken(1002, "control frame in fragments")
        form = {126: " long", 127: " very long"}.get(second & 0x7F, "")
        more = "" if first & 0x80 else " and more"
        self._outcome.kinds.append(f"{_KINDS[first & 0x0F]}{form}{more}")
        return first, masked(payload, mask)

    def _take(self, first: int, payload: bytes) -> None:
        fin, outcome = bool(first & 0x80), self._outcome
        open_ = outcome.close is None
        match first & 0x0F:
            case 8:
                self._close(payload)
            case 9 | 10 as opcode:
                outcome.charges += open_
                if opcode == 9:
                    outcome.pongs.append(payload)
            case 0:
                if self._message is None:
                    raise _Broken(1002, "stray continuation")
                outcome.charges += open_
                message = self._message + payload
                self._message = None if fin else message
                if len(message) > self._max and open_:
                    self._part(1009, "too big, in fragments")
                elif fin and open_:
                    self._text(message)
            case opcode:
                if self._message is not None:
                    raise _Broken(1002, "message within a message")
                if not fin:
                    self._message = payload
                if opcode == 2:
                    self._part(1003, "binary")
                elif fin and open_:
                    self._text(payload)
                else:
                    outcome.charges += open_

    def _text(self, payload: bytes) -> None:
        try:
            payload.decode()
        except UnicodeDecodeError:
            self._part(1007, "text that is no UTF-8")
        else:
            self._outcome.texts.append(payload)

    def _part(self, code: int, why: str) -> None:
        """The server closes and waits for the client to do the same."""
        if self._outcome.close is None:
            self._outcome.close, self._outcome.why = code, why
            self._outcome.end = End.PARTING

    def _close(self, payload: bytes) -> None:
        if len(payload) == 1:
            raise _Broken(1002, "close of one byte")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise _Broken(1007, "close reason that is no UTF-8") from None
        if payload and int.from_bytes(payload[:2]) not in _CODES:
            raise _Broken(1002, "close code")
        if self._message is not None:
            raise _Broken(1002, "close within a message")
        code = int.from_bytes(payload[:2]) if payload else 1005
        if self._outcome.close is None:
            self._outcome.close = code
            self._outcome.echo, self._outcome.why = payload, "closed by the client"
        self._outcome.later.add(code)
        self._outcome.end = End.OVER
