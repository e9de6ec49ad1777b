"""A whole connection as a target: all bytes that one client ever sends, from its handshake on.

The same stream comes in one piece, byte by byte, frame by frame and in random pieces, to a
scripted session and to a real one. Whatever the pieces, what the sessions get and what is sent
must be what the reference says (`reference.py`), and afterwards the connection either answers
pings of both kinds, or is gone with a code or status that it may have.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any, Final
from zlib import crc32

from tests.fuzz import documents, frames
from tests.fuzz.engine import STEERING, Behaviours
from tests.fuzz.frames import Piece
from tests.fuzz.houses import BOUNDLESS, MESSAGE_BYTES_MAX, STRICT, House
from tests.fuzz.mutation import SIZE_MAX, mutated
from tests.fuzz.reference import End, Outcome, outcome_of
from tests.transport.requests import ALL, encoded
from transport.limits import VIOLATIONS_MAX

_END: Final = b"\r\n\r\n"
HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_TOKENS: Final = (
    b"GET ", b"HEAD ", b"POST ", b"/ws", b"/healthz", b"/readyz", b"/metrics", b"?a=b", b"HTTP/1.1",
    b"HTTP/1.0", b"HTTP/2.0", b"\r\n", b"\n", _END, b": ", b"\r\n ", b"\x00", b"\xff", b",", b" ",
    b"Host: ", b"Host: localhost\r\n", b"Host: example.org\r\n", b"Origin: http://127.0.0.1\r\n",
    b"Origin: http://evil.example\r\n", b"Origin: null\r\n", b"Upgrade: h2c\r\n",
    b"Upgrade: websocket\r\n", b"Connection: close\r\n", b"keep-alive, Upgrade",
    b"Sec-WebSocket-Protocol: vaultmeet.v1\r\n", b"Sec-WebSocket-Protocol: a, vaultmeet.v1, b\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"Sec-WebSocket-Version: 8\r\n",
    b"Sec-WebSocket-Key: short==\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Authorization: Bearer x\r\n", b"X: " + b"y" * 200 + b"\r\n", b"A: b\r\n" * 130,
)  # fmt: skip
_STATUSES: Final = frozenset({200, 400, 403, 404, 405, 414, 426, 431, 505})
_LOOPBACK: Final = re.compile(
    r"(https?://)?(127(\.\d+){3}|localhost|\[[0:]+1\])(:\d+)?", re.IGNORECASE
)
_WORDS: Final = re.compile(rb"unsupported|invalid [-\w]+|missing [-\w]+|expected \w+|too \w+")
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ASK: Final = frames.text(b'{"type":"ping","t":"still here"}') + Piece(frames.PING, b"?").encoded()


class Streams:
    """Owns no state: each stream has a house of its own."""

    name: Final = "connection"

    def seeds(self) -> Iterable[bytes]:
        yield from (b"", b"\r\n\r\n", b"\x16\x03\x01", HANDSHAKE)
        for path in (b"/", b"/healthz", b"/readyz", b"/metrics", b"/ws/"):
            yield HANDSHAKE.replace(b"/ws", path)
        for token in _TOKENS:
            if token.endswith(b"\r\n"):
                yield HANDSHAKE.replace(b"\r\n", b"\r\n" + token, 1)
        texts = [frames.text(encoded(request), b"\x01\x02\x03\x04") for request in ALL]
        yield HANDSHAKE + b"".join(texts)
        for text in texts:
            yield HANDSHAKE + texts[0] + text
        for first in (0x01, 0x80, 0x82, 0x88, 0x89, 0x8A):
            yield HANDSHAKE + Piece(first, b"").encoded() + texts[-1]
        parts = [
            Piece(0x01, b'{"type"'),
            Piece(0, b':"ping"'),
            Piece(0x89, b"p"),
            Piece(0x80, b"}"),
        ]
        yield HANDSHAKE + b"".join(part.encoded() for part in parts)

    def mutate(self, rng: Random, data: bytes, other: bytes) -> bytes:
        head, stream = _split(data)
        if not stream or rng.random() < 0.1:
            head = mutated(rng, head, _split(other)[0], _TOKENS)
            return (head + stream)[:SIZE_MAX]
        lent = _split(other)[1]
        if rng.random() < 0.7:
            return (head + frames.changed(rng, stream, lent))[:SIZE_MAX]
        return (head + mutated(rng, stream, lent, documents.TOKENS))[:SIZE_MAX]

    def fixed(self, data: bytes) -> int:
        return len(HANDSHAKE) if data.startswith(HANDSHAKE) else 0

    def run(self, data: bytes) -> Behaviours:
        head, stream = _split(data)
        whole = _heard(House(BOUNDLESS, real=False), [data])
        if whole.status != 101:
            return _turned_away(whole, data)
        _may_be_let_in(head, whole.headers)
        expected = outcome_of(stream, MESSAGE_BYTES_MAX)
        by_frame, by_byte, at_random = _pieces(data, head)
        whole.must_be(expected, "in one piece")
        for pieces, how in (
            (by_frame, "frame by frame"),
            (by_byte, "byte by byte"),
            (at_random, ""),
        ):
            _heard(House(BOUNDLESS, real=False), pieces).must_be(expected, how or "in some pieces")
        whole.must_end_as(expected)
        one = _heard(House(BOUNDLESS, real=True), [data])
        other = _heard(House(BOUNDLESS, real=True), by_frame)
        if len(expected.texts) <= VIOLATIONS_MAX:
            for real in (one, other):
                real.must_close_as(expected)
                real.must_end_as(expected)
        said, in_turn = one.objects(), other.objects()
        if one.close() is not None:  # then what still waits for its turn is dropped
            in_turn = in_turn[: len(said)]
        assert said == in_turn, "the session says something else"
        hurried = _heard(House(STRICT, real=True), at_random)
        hurried.must_be_bounded(expected)
        shown = _behaviours(expected, whole) | _answers("", one) | _answers("hurried: ", hurried)
        return frozenset(shown)


def _split(data: bytes) -> tuple[bytes, bytes]:
    """The request, and the frames behind it."""
    end = data.find(_END)
    at = len(data) if end < 0 else end + len(_END)
    return data[:at], data[at:]


def _pieces(data: bytes, head: bytes) -> tuple[list[bytes], ...]:
    """The same stream cut between frames, at every byte, and wherever its checksum says. A right
    handshake is not cut up every time.
    """
    rng = Random(crc32(data))
    first = len(head) if head == HANDSHAKE else 1
    every = [0, *range(first, len(data) + 1)]
    count = rng.randrange(1, 8)
    some = sorted({0, len(data), *(rng.randrange(len(data) + 1) for _ in range(count))})
    between = sorted({0, *(len(head) + at for at in frames.bounds(data[len(head) :]))})
    return tuple([data[at:end] for at, end in pairwise(cuts)] for cuts in (between, every, some))


@dataclass(slots=True)
class Heard:
    """What one house made of a stream: what it said, and the house itself."""

    house: House
    status: int | None = None
    headers: bytes = b""
    said: list[Piece] = field(default_factory=list)

    # -- against the reference

    def must_be(self, expected: Outcome, how: str) -> None:
        """Session and client got what the reference says. Scripted sessions only."""
        session = self.house.scripted
        assert session is not None
        assert session.faults == [], f"a fault {how}: {session.faults}"
        assert session.texts == expected.texts, f"other texts {how}"
        assert session.charges == expected.charges, f"other charges {how}"
        assert (session.losses > 0) is (expected.close is not None), f"other losses {how}"
        self.must_close_as(expected, how)

    def must_close_as(self, expected: Outcome, how: str = "with a real session") -> None:
        pongs = [piece.payload for piece in self.said if piece.first == frames.PONG]
        assert pongs == expected.pongs, f"other pongs {how}"
        close = self.close()
        assert close == expected.close or close in expected.later, (
            f"closed otherwise {how}: {close}"
        )
        if expected.echo is not None:
            (echo,) = [piece.payload for piece in self.said if piece.first == frames.CLOSE]
            assert echo == expected.echo, f"another close came back {how}"
        assert self.house.wire.ended() is (expected.end is End.OVER), f"the socket's end {how}"

    def must_be_bounded(self, expected: Outcome) -> None:
        """Under strict limits less may get through, and too much ends it."""
        close = self.close()
        assert close in {expected.close, 1008, *expected.later}, (
            f"closed otherwise under limits: {close}"
        )
        if close is None and expected.end is End.BETWEEN:
            self.house.clock.advance(10)
            self._must_answer()

    def must_end_as(self, expected: Outcome) -> None:
        """It lives, or its time is limited. Uses the house up."""
        house = self.house
        match expected.end:
            case End.BETWEEN:
                self._must_answer()
            case End.PARTING:
                house.clock.advance(house.settings.close_timeout_s)
                house.clock.advance(0)
                assert house.wire.ended(), "a client that does not close holds on to its socket"
            case End.IN_FRAME | End.IN_MESSAGE:
                house.clock.advance(house.settings.heartbeat_s)
                house.clock.advance(0)
                assert house.wire.ended(), "half a message holds on to its connection"
        self._must_be_free_of_faults()

    def _must_answer(self) -> None:
        """A ping frame and a `ping` request, each in its own way."""
        house = self.house
        house.wire.through = b""
        house.hear([_ASK])
        heard = frames.taken_apart(house.wire.through)
        assert any(piece == Piece(frames.PONG, b"?", None) for piece in heard), "no pong"
        if house.scripted is not None:
            assert house.scripted.texts[-1:] == [b'{"type":"ping","t":"still here"}'], "deaf"
        else:
            said = [json.loads(piece.payload) for piece in heard if piece.first == frames.TEXT]
            assert any(each.get("t") == "still here" for each in said), "the session is deaf"

    def _must_be_free_of_faults(self) -> None:
        for line in self.house.log.lines:
            assert line.level in {"debug", "info"} or line.event == "client_misbehaved", line

    # -- what was said

    def close(self) -> int | None:
        """The code of the close frame, 1005 where it has none."""
        closes = [n for n, piece in enumerate(self.said) if piece.first == frames.CLOSE]
        if not closes:
            return None
        (at,) = closes
        assert all(piece.first == frames.PONG for piece in self.said[at + 1 :]), "behind a close"
        payload = self.said[at].payload
        return int.from_bytes(payload[:2]) if payload else 1005

    def objects(self) -> list[Any]:
        """The JSON of the texts, in order."""
        return [json.loads(each.payload) for each in self.said if each.first == frames.TEXT]


def _heard(house: House, pieces: list[bytes]) -> Heard:
    house.hear(pieces)
    heard = Heard(house)
    through = house.wire.through
    if through:
        heard.headers, _, rest = through.partition(_END)
        found = re.match(rb"HTTP/1\.1 (\d{3}) ", heard.headers)
        assert found is not None, "no HTTP"
        heard.status = int(found[1])
        if heard.status == 101:
            heard.said = frames.taken_apart(rest)
            assert b"".join(piece.encoded() for piece in heard.said) == rest, "half a frame"
            assert all(piece.mask is None for piece in heard.said), "a server's frame is masked"
    heard._must_be_free_of_faults()
    return heard


# -- the handshake


def _turned_away(whole: Heard, data: bytes) -> Behaviours:
    """No WebSocket: one answer of plain HTTP and the end, or nothing yet and an end in time."""
    head, _ = _split(data)
    _, by_byte, at_random = _pieces(data, head)
    for pieces in (by_byte, at_random):
        other = _heard(House(BOUNDLESS, real=False), pieces)
        assert other.status == whole.status, f"answered {other.status}, not {whole.status}"
    house = whole.house
    assert house.scripted is None, "a session without a handshake"
    if whole.status is None:
        assert not house.wire.ended(), "ended without a word"
        house.clock.advance(house.settings.handshake_timeout_s)
        house.clock.advance(0)
        assert house.wire.ended(), "a handshake that never ends"
        return frozenset({"http: nothing yet"})
    assert whole.status in _STATUSES, f"answered {whole.status}"
    assert house.wire.ended(), "answered and not ended"
    words = b"".join(_WORDS.findall(house.wire.through.partition(_END)[2]))
    return frozenset({f"http: {whole.status}", f"{STEERING}{whole.status} {words!r}"})


def _may_be_let_in(head: bytes, answer: bytes) -> None:
    """A handshake that was accepted is one, from here, and was answered as such."""
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, version = first.split(" ")
    assert (method, path.partition("?")[0], version) == ("GET", "/ws", "HTTP/1.1"), "let in"
    sent: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        sent.setdefault(name.lower(), []).append(value.strip(" \t"))
    for name in ("host", *(["origin"] if "origin" in sent else [])):
        (value,) = sent[name]
        assert _LOOPBACK.fullmatch(value), f"let in with {name} {value}"
    assert "websocket" in ",".join(sent["upgrade"]).lower()
    assert "upgrade" in ",".join(sent["connection"]).lower()
    (key,) = sent["sec-websocket-key"]
    proof = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())  # noqa: S324
    assert b"Sec-WebSocket-Accept: " + proof in answer, "a wrong proof"
    assert b"extensions" not in answer.lower(), "an extension was agreed on"


# -- what is new


def _behaviours(expected: Outcome, whole: Heard) -> set[str]:
    """Pairs of neighbouring frames, and the end."""
    kinds = ["", *expected.kinds]
    plain = [kind.replace(" very", "").replace(" long", "") for kind in kinds]
    shown = {f"frames: {one} > {other}" for one, other in pairwise(plain)}
    shown |= {f"frames: {kind}" for kind in kinds if "long" in kind}
    shown.add(f"end: {expected.end.value}, {_code(expected.close)} {expected.why}".rstrip())
    if kinds[-1]:
        shown.add(f"{STEERING}{kinds[-1]}, then {expected.why or expected.end.value}")
    if b"Sec-WebSocket-Protocol" in whole.headers:
        shown.add("http: 101 with a subprotocol")
    return shown


def _code(close: int | None) -> str:
    """A close code; those that are the client's to choose are all one."""
    return "3000 or more" if close is not None and close >= 3000 else str(close)


def _answers(how: str, heard: Heard) -> set[str]:
    """What the session said, and what after what."""
    said = [each.get("code", each["type"]) for each in heard.objects()]
    close = _code(heard.close())
    pairs = {f"{STEERING}{one} > {two}" for one, two in pairwise(said)}
    return {f"{how}{each}" for each in said} | {f"{how}closed {close}"} | (set() if how else pairs)
