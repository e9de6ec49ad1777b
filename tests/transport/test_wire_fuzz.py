"""Whatever a client sends: taken, or refused in words that can be sent back; nothing else."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.errors import Refusal
from tests.transport import requests as r
from tests.transport.stage import objects
from transport import encoding, wire
from transport.requests import MoveTo

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=200)
    | st.sampled_from(["", "__proto__", "\u2028", "r" * 129, "e" * 65, 2**53, -1, 1e9 + 1, 1e308])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = sorted({name for request in r.ALL for name in request} | {"sequenceId", "timestamp", "z"})
REQUESTS = st.sampled_from(r.ALL)


@st.composite
def changed_requests(draw: st.DrawFn) -> dict[str, Any]:
    """A valid request of which some fields were replaced, added or removed."""
    request = dict(draw(REQUESTS))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=4)):
        if draw(st.booleans()):
            request[name] = draw(VALUES)
        else:
            request.pop(name, None)
    return request


@st.composite
def damaged_frames(draw: st.DrawFn) -> bytes:
    """A valid frame that lost, gained or swapped some bytes."""
    raw = bytearray(r.encoded(draw(REQUESTS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(raw)


def take(raw: bytes) -> Refusal | None:
    """What a session does with `raw`: why it is refused, None where it is taken."""
    try:
        fields = wire.decode(raw)
        number = wire.sequence_of(fields)
        assert number is None or 1 <= number <= 2**53 - 1
        position = wire.plain_move(fields)
        request = wire.parse(fields, len(raw))
    except Refusal as refusal:
        return refusal
    assert position is None or request == MoveTo(*position)
    assert isinstance(request, MoveTo) == wire.is_move(fields)
    return None


def judge(raw: bytes) -> None:
    """Only a refusal that can be said, or what is no UTF-8, may come of `raw`."""
    if raw.decode(errors="replace").encode() != raw:
        with pytest.raises(UnicodeDecodeError):
            take(raw)
        return
    refusal = take(raw)
    if refusal is not None:
        (said,) = objects(encoding.error(refusal, 1))
        assert said["message"] == refusal.message
        assert len(refusal.message) < 500
        assert said["code"] in {"badMessage", "unsupportedType"}


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xff" * 20_000)
@example(b"[" * 16_384)
@example(b'{"a":' * 3_000 + b"1" + b"}" * 3_000)
@settings(max_examples=400)
def test_arbitrary_bytes_are_refused(raw: bytes) -> None:
    """Garbage of any kind is nobody's fault but the client's."""
    judge(raw)


@given(damaged_frames())
@settings(max_examples=600)
def test_damaged_frames_are_taken_or_refused(raw: bytes) -> None:
    """A frame that was right until a few bytes changed."""
    judge(raw)


@given(changed_requests())
@example({"type": "ping", "t": 2**64})
@example({"type": "sendRoomMessage", "event": "e", "data": -(2**70)})
@settings(max_examples=1000)
def test_requests_with_strange_fields_are_taken_or_refused(request: dict[str, Any]) -> None:
    """Valid JSON in which any field may be anything, and what is taken is within the bounds."""
    raw = json.dumps(request).encode()
    judge(raw)


@given(VALUES)
@settings(max_examples=300)
def test_any_json_value_is_taken_or_refused(value: object) -> None:
    """Objects of unknown fields, and what is no object at all."""
    judge(json.dumps(value).encode())
