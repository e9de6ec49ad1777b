"""How an input becomes another one by blind changes of bytes. PURE: chance is an argument.

Owns the changes that make sense for any bytes. What is made of JSON or of frames is also changed
by somebody who knows that: see `documents.py` and `frames.py`.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

SIZE_MAX: Final = 2048
"""Longer inputs are cut: what needs more is brought within reach by small limits."""
_BYTES: Final = (
    b"\x00\x01\x08\x09\x0a\x0d\x1f \"',-.0:[\\]{}\x7d\x7e\x7f\x80\x81\x88\x89\xc0\xed\xff"
)
NUMBERS: Final = (
    "0", "1", "-1", "-0", "1e9", "-1e9", "1000000001", "1e400", "1e-400", "0.1",
    "9007199254740991", "9007199254740992", "18446744073709551615", "18446744073709551616",
    "-9223372036854775809", "01", "1.", ".5", "+1", "NaN", "Infinity", "9" * 40,
)  # fmt: skip

Change = Callable[[Random, bytes, bytes, Sequence[bytes]], bytes]
"""Makes another input of one, with a second one and the target's tokens at hand."""


def span(rng: Random, data: bytes, longest: int = 64) -> tuple[int, int]:
    """A place in `data` and where a piece that begins there ends; short pieces are likelier."""
    at = rng.randrange(len(data) + 1)
    size = min(rng.randrange(1, longest + 1), rng.randrange(1, longest + 1))
    return at, min(len(data), at + size)


def _flip(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _set(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.choice(_BYTES)]) + data[at + rng.randrange(2) :]


def _garble(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, end = span(rng, data, 8)
    return data[:at] + rng.randbytes(end - at) + data[end:]


def _remove(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, end = span(rng, data)
    return data[:at] + data[end:]


def _repeat(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, end = span(rng, data)
    times = rng.choice((2, 2, 3, 8, 40))
    return data[:at] + data[at:end] * times + data[end:]


def _swap(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, middle = span(rng, data)
    end = min(len(data), middle + middle - at)
    return data[:at] + data[middle:end] + data[at:middle] + data[end:]


def _token(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, end = span(rng, data, 16)
    return data[:at] + rng.choice(tokens) + data[rng.choice((at, end)) :]


def _splice(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _graft(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    at, end = span(rng, data)
    begin, stop = span(rng, other)
    return data[:at] + other[begin:stop] + data[rng.choice((at, end)) :]


def _cut(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _number(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    """Another number where there is one."""
    digits = [at for at, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if not digits:
        return data
    at = end = rng.choice(digits)
    while end < len(data) and 0x30 <= data[end] <= 0x39:
        end += 1
    return data[:at] + rng.choice(NUMBERS).encode() + data[end:]


_CHANGES: Final[tuple[Change, ...]] = (
    _flip, _flip, _set, _set, _garble, _remove, _remove, _repeat, _swap, _token, _token, _token,
    _splice, _graft, _cut, _number,
)  # fmt: skip


def mutated(rng: Random, data: bytes, other: bytes, tokens: Sequence[bytes]) -> bytes:
    """One to four changes of `data`, one on the other; `other` lends parts of itself."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        data = rng.choice(_CHANGES)(rng, data, other, tokens)
    return data[:SIZE_MAX]
