"""A client's frames as values that can be wrong in any part, and how one becomes another.

Owns the making of bytes that no right client sends: lengths that lie, masks left out, reserved
bits. PURE: chance is an argument.
"""

import struct
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.fuzz import documents
from tests.fuzz.mutation import mutated

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
PLAIN: Final = b"\x00\x00\x00\x00"
"""A mask that leaves the payload readable."""
_FIRSTS: Final = (
    0x81, 0x81, 0x81, 0x01, 0x01, 0x00, 0x00, 0x80, 0x80, 0x88, 0x89, 0x89, 0x8A, 0x82, 0x02, 0x08,
    0x09, 0x83, 0x8B, 0xC1, 0xA1, 0x91, 0xC9, 0x90,
)  # fmt: skip
_SIZES: Final = (0, 1, 2, 6, 124, 125, 126, 127, 128, 255, 256, 257, 65_535, 65_536, 2**31, 2**63)
_CODES: Final = (
    0, 999, 1000, 1001, 1002, 1004, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 1016, 2999, 3000,
    4000, 4509, 4999, 5000, 65_535,
)  # fmt: skip
_CUTS: Final = (b"\xe2\x82", b"\xff", b"\xed\xa0\x80", "é".encode()[:1], b"", b"\x00")


@dataclass(frozen=True, slots=True)
class Piece:
    """One frame. `size` is what its head says, None for the truth; `form` is how many bytes say
    it (0: as short as can be).
    """

    first: int
    payload: bytes
    mask: bytes | None = PLAIN
    size: int | None = None
    form: int = 0

    def encoded(self) -> bytes:
        size = len(self.payload) if self.size is None else self.size
        form = max(self.form, 0 if size < 126 else 2 if size < 65_536 else 8)
        bit = 0 if self.mask is None else 0x80
        if form == 0:
            head = struct.pack("!BB", self.first, bit | size)
        elif form == 2:
            head = struct.pack("!BBH", self.first, bit | 126, size)
        else:
            head = struct.pack("!BBQ", self.first, bit | 127, size)
        if self.mask is None:
            return head + self.payload
        return head + self.mask + masked(self.payload, self.mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """RFC 6455, 5.3."""
    size = len(payload)
    if not any(mask) or not size:
        return payload
    key = int.from_bytes((mask * (size // 4 + 1))[:size])
    return (int.from_bytes(payload) ^ key).to_bytes(size)


def text(payload: bytes, mask: bytes = PLAIN) -> bytes:
    """A right text frame."""
    return Piece(TEXT, payload, mask).encoded()


def taken_apart(stream: bytes) -> list[Piece]:
    """`stream` as frames, as far as it goes; what is left over is a frame of its own kind."""
    pieces = []
    at = 0
    while len(stream) - at >= 2:
        first, second = stream[at], stream[at + 1]
        size, form, head = second & 0x7F, 0, 2
        if size >= 126:
            form, head = (2, 4) if size == 126 else (8, 10)
            size = int.from_bytes(stream[at + 2 : at + head])
        mask = None
        if second & 0x80:
            mask, head = stream[at + head : at + head + 4], head + 4
        payload = stream[at + head : at + head + size]
        if mask is not None:
            if len(mask) < 4:
                break
            payload = masked(payload, mask)
        told = None if len(payload) == size else min(size, 2**64 - 1)
        pieces.append(Piece(first, payload, mask, told, form))
        at += head + size
    return pieces


def bounds(stream: bytes) -> list[int]:
    """Where frames begin and end, right or wrong, as far as their heads say; with them, where
    something begins or ends within a frame that would pass for a short text frame of its own.
    """
    cuts = {0, len(stream)}
    at = 0
    while len(stream) - at >= 2:
        second = stream[at + 1]
        size, head = second & 0x7F, 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(stream[at + 2 : at + head])
        at += head + (4 if second & 0x80 else 0) + size
        cuts.add(min(at, len(stream)))
    for at in range(len(stream) - 6):
        if stream[at] == TEXT and 0x80 < stream[at + 1] < 0xFE:
            end = at + 6 + stream[at + 1] - 0x80
            if end <= len(stream):
                cuts |= {at, end}
    return sorted(cuts)


def changed(rng: Random, stream: bytes, other: bytes) -> bytes:
    """`stream` with some of its frames changed, moved, cut in fragments, or lent by `other`."""
    pieces = taken_apart(stream)
    lent = taken_apart(other)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(pieces) + 1)
        match rng.randrange(10):
            case 0:
                pieces[at:at] = lent[rng.randrange(len(lent) + 1) :][:4]
            case 1:
                pieces = [*pieces[:at], *lent[rng.randrange(len(lent) + 1) :]]
            case 2:
                pieces[at : at + 1] = pieces[at : at + 1] * rng.choice((0, 2, 2, 3, 12, 100))
            case 3:
                pieces.insert(at, Piece(rng.choice(_FIRSTS), _payload(rng, b"", b"")))
            case 4 | 5 if at < len(pieces):
                pieces[at : at + 1] = _fragments(rng, pieces[at])
            case _ if at < len(pieces):
                pieces[at] = _touched(rng, pieces[at], lent)
    made = b"".join(piece.encoded() for piece in pieces)
    return made if rng.random() < 0.9 else made[: rng.randrange(len(made) + 1)]


def _fragments(rng: Random, piece: Piece) -> list[Piece]:
    """The same message in several frames, perhaps with something in between."""
    size = rng.choice((1, 2, 7, 50, 120))
    payload = piece.payload[:400] if size > 2 else piece.payload[:60]
    parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    pieces = [Piece((piece.first & 0x0F) if n == 0 else 0, part) for n, part in enumerate(parts)]
    pieces[-1] = replace(pieces[-1], first=pieces[-1].first | 0x80)
    if rng.random() < 0.4:
        between = Piece(rng.choice((PING, PONG, PING, TEXT, CLOSE)), _payload(rng, b"", b""))
        pieces.insert(rng.randrange(len(pieces) + 1), between)
    return pieces


def _touched(rng: Random, piece: Piece, lent: list[Piece]) -> Piece:
    match rng.randrange(9):
        case 0:
            return replace(piece, first=rng.choice(_FIRSTS))
        case 1:
            return replace(piece, first=piece.first ^ (1 << rng.randrange(8)))
        case 2:
            mask = rng.choice((None, PLAIN, b"\x81\x80\x81\x80", rng.randbytes(4)))
            return replace(piece, mask=mask)
        case 3:
            return replace(piece, size=rng.choice((*_SIZES, len(piece.payload) + 1)))
        case 4:
            return replace(piece, form=rng.choice((0, 2, 8)), size=None)
        case 5:
            filled = (piece.payload + b" " * 300)[: rng.choice(_SIZES[:12])]
            return replace(piece, payload=filled, size=None)
        case _:
            other = rng.choice(lent).payload if lent else b""
            return replace(piece, payload=_payload(rng, piece.payload, other), size=None)


def _payload(rng: Random, payload: bytes, other: bytes) -> bytes:
    match rng.randrange(8):
        case 0:
            return struct.pack("!H", rng.choice(_CODES)) + rng.choice(
                (b"", b"why", b"\xff", b"x" * 123)
            )
        case 1:
            at = rng.randrange(len(payload) + 1)
            return payload[:at] + rng.choice(_CUTS) + payload[at:]
        case 2:
            return rng.choice((b"", b"x", b"p" * 125, b"p" * 126))
        case 3 | 4 | 5:
            return documents.changed(rng, payload, other) or payload
        case _:
            return mutated(rng, payload, other, documents.TOKENS)
