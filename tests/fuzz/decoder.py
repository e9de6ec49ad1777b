"""The wire decoder as a target: a text frame's bytes, and what may become of them.

Either a request within all bounds, or a refusal that can be sent back, or, for what is no UTF-8,
a UnicodeDecodeError; nothing else, and the same for every way of handing the bytes over.
"""

import json
import re
from collections.abc import Iterable
from random import Random
from typing import Any, Final

from actors.errors import BadMessage, Refusal, UnsupportedType
from tests.fuzz import documents, oracle
from tests.fuzz.engine import STEERING, Behaviours
from tests.fuzz.mutation import mutated
from tests.transport.requests import ALL, encoded
from tests.transport.stage import objects
from transport import encoding, wire
from transport.fields import Fields
from transport.requests import MoveTo, Request

_DIGITS: Final = re.compile(r"\d+")
_HUGE: Final = 10**6
_MEANT: Final = {request["type"]: {*request, "sequenceId", "timestamp"} for request in ALL}


class Decoder:
    """Owns no state: each frame is judged by itself."""

    name: Final = "decoder"

    def seeds(self) -> Iterable[bytes]:
        yield from (b"", b"{}", b"[]", b"null", b'{"type":1}', b'{"type":"x"}', b"\xff")
        for request in ALL:
            yield encoded(request)
            yield encoded({**request, "sequenceId": 1, "timestamp": documents.TIMES[0]})

    def mutate(self, rng: Random, data: bytes, other: bytes) -> bytes:
        if rng.random() < 0.5:
            made = documents.changed(rng, data, other)
            if made is not None:
                return made
        return mutated(rng, data, other, documents.TOKENS)

    def fixed(self, data: bytes) -> int:
        return 0

    def run(self, data: bytes) -> Behaviours:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            assert _is_no_text(data), "text that is no UTF-8 was taken"
            return frozenset({"not UTF-8"})
        try:
            fields = wire.decode(data)
        except BadMessage as refusal:
            _must_be_refused(text)
            _sayable(refusal, None)
            return frozenset({"not an object", STEERING + _reason(text)})
        try:
            read = oracle.reading(text)
        except oracle.NotJson as why:
            raise AssertionError(f"taken though it is no JSON: {why}") from None
        except oracle.Unjudged:
            read = dict(fields)
        assert _equal(fields, read), "read as something else than it says"
        return _judged(data, fields)


def _judged(data: bytes, fields: Fields) -> Behaviours:
    number, refusal = None, None
    try:
        number = wire.sequence_of(fields)
    except BadMessage as no:
        refusal = no
    sent = fields.get("sequenceId")
    right = type(sent) is int and 1 <= sent < 2**53
    if right or "sequenceId" not in fields:
        assert number == sent, "the number is another"
    else:
        assert refusal is not None, "a number that is none"
        assert refusal.field == "sequenceId", "another field was named"
    position = wire.plain_move(fields)
    outcome = _parsed(fields, len(data))
    if isinstance(outcome, Request):
        assert position is None or outcome == MoveTo(*position)
        assert isinstance(outcome, MoveTo) is wire.is_move(fields)
        oracle.check(outcome, fields)
        return frozenset({"sequenceId: refused"} if refusal else _named(fields))
    assert position is None, "a move by the short way alone"
    assert str(outcome) == str(_parsed(fields, _HUGE)), "a short frame is judged otherwise"
    _sayable(outcome, number)
    field = outcome.field if isinstance(outcome, BadMessage) else None
    kind = fields.get("type")
    known = kind if kind in documents.TYPES else "?"
    value = type(fields.get(field or "")).__name__
    return frozenset({f"{known}: {outcome.code} {field}", f"{STEERING}{known} {field} {value}"})


def _parsed(fields: Fields, size: int) -> Request | Refusal:
    try:
        return wire.parse(fields, size)
    except (BadMessage, UnsupportedType) as refusal:
        return refusal


def _named(fields: Fields) -> list[str]:
    """The fields that mean something to the request, and of what type each is."""
    kind = fields["type"]
    return [
        f"{kind}: {name} {type(value).__name__}"
        for name, value in fields.items()
        if name in _MEANT[kind]
    ]


def _sayable(refusal: Refusal, number: int | None) -> None:
    """A refusal becomes one small message that says what it says."""
    (said,) = objects(encoding.error(refusal, number))
    assert (said["code"], said["message"]) == (refusal.code, refusal.message)
    assert said.get("replyTo") == number
    assert len(refusal.message) < 500, "an endless refusal"


def _is_no_text(data: bytes) -> bool:
    """Also where a frame came in fragments, whose bytes may still change."""
    for raw in (data, bytearray(data)):
        try:
            wire.decode(raw)
        except UnicodeDecodeError:
            continue
        except Refusal:
            return False
        return False
    return True


def _must_be_refused(text: str) -> None:
    try:
        oracle.reading(text)
    except (oracle.NotJson, oracle.Unjudged):
        return
    raise AssertionError("an object was refused")


def _reason(text: str) -> str:
    try:
        json.loads(text)
    except ValueError as error:
        return _DIGITS.sub("0", str(error).partition(": line")[0])[:80]
    except RecursionError:
        return "too deep"
    return "no object"


def _equal(one: Any, other: Any) -> bool:
    """As `==`, and the types are the same, too: true is not 1, and 1.0 is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
