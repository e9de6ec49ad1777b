"""Requests as JSON that is changed as JSON: a field gone, twice, of another type, or very deep.

Owns the words that requests are made of. PURE: chance is an argument.
"""

import json
from copy import deepcopy
from random import Random
from typing import Any, Final

from tests.fuzz.mutation import NUMBERS
from tests.transport.requests import ALL

Object = dict[str, Any]

FIELDS: Final = tuple(
    sorted(
        {name for request in ALL for name in request}
        | {"sequenceId", "timestamp", "x", "y", "hideUserId", "hidePosition", "__proto__"}
    )
)
TYPES: Final = tuple(request["type"] for request in ALL)
TIMES: Final = (
    "2026-01-02T03:04:05.678Z",
    "2026-12-31t23:59:60z",
    "2026-01-02T03:04:05+23:59",
    "2026-13-02T03:04:05Z",
    "2026-01-02T03:04:05",
)
_WORDS: Final = (
    "", "a", "r" * 128, "r" * 129, "e" * 64, "e" * 65, "t" * 1025, "a b", "é", "😀" * 64, "\u0000",
    "\u0085", "\u2028", "\ufeff", "lobby\n", "-._:", "6a5028f9", "6A5028F9", "constructor",
    *TIMES, *TYPES,
)  # fmt: skip
_OF_EACH_TYPE: Final[tuple[Any, ...]] = (None, True, False, 0, 1, -1, 0.5, "", "a", [], {})
_AT_BOUNDS: Final[tuple[Any, ...]] = (
    1e9, -1e9, 1e9 + 1, -1e9 - 1, 2**53 - 1, 2**53, 2**63, 2**64, 1e308, "e" * 64, "e" * 65,
    "r" * 128, "r" * 129, {"a": "x" * 1008}, {"a": "x" * 1020},
)  # fmt: skip
_STRUCTURES: Final[tuple[Any, ...]] = (
    [[]], {"x": 1, "y": 2}, {"hideUserId": True}, ["AAAA"], ["AAAA", 5], [None],
)  # fmt: skip
_GROUPS: Final = (_OF_EACH_TYPE, _AT_BOUNDS, _STRUCTURES, _WORDS)
VALUES: Final[tuple[Any, ...]] = tuple(value for group in _GROUPS for value in group)
TOKENS: Final = (
    *(f'"{name}":'.encode() for name in FIELDS),
    *(json.dumps(value, ensure_ascii=False).encode() for value in VALUES),
    *(number.encode() for number in NUMBERS),
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"\\u0000", b"\\ud83d\\ude00",
    b"\\ud800", b"\\", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80",
    b"\xe2\x82", b"\xe2\x80\xa8", b"\xc2\x85", b'{"a":' * 17, b"[" * 20,
)  # fmt: skip


def nested(rng: Random) -> Any:
    """Something deep or wide, at the bounds and beyond."""
    if rng.random() < 0.2:
        return {str(key): 1 for key in range(rng.choice((250, 253, 254, 255, 256)))}
    value: Any = 1
    for _ in range(rng.choice((1, 13, 14, 15, 16, 17, 40))):
        value = {"n": value} if rng.random() < 0.5 else [value]
    return value


def changed(rng: Random, data: bytes, other: bytes) -> bytes | None:
    """`data` with some of its fields changed, also to those of `other`; None where it is no
    object.
    """
    document, lender = _object(data), _object(other)
    if document is None:
        return None
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder = document
        inner = [value for value in document.values() if isinstance(value, dict)]
        if inner and rng.random() < 0.3:
            holder = rng.choice(inner)
        _change(rng, holder, lender or document)
    ascii_only = rng.random() < 0.3
    try:
        return json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(document, separators=(",", ":")).encode()


def _change(rng: Random, holder: Object, lender: Object) -> None:
    name = rng.choice(tuple(holder) or FIELDS) if rng.random() < 0.6 else rng.choice(FIELDS)
    match rng.randrange(8):
        case 0 | 1:
            holder.pop(name, None)
        case 2:
            holder.update(deepcopy(lender))
        case 3:
            holder[name] = nested(rng)
        case 4:
            holder["type"] = rng.choice(TYPES)
        case 5:
            number = rng.choice(NUMBERS)
            holder[name] = float(number) if number[-1:].isdigit() and "e4" not in number else 1
        case _:
            holder[name] = deepcopy(rng.choice(rng.choice(_GROUPS)))


def _object(data: bytes) -> Object | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
