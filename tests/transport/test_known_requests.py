"""A handshake that was accepted before: answered without a parser, and as it would be with one."""

import random
import re

import pytest

from tests.transport.sockets import Caller, Porch
from transport.known_requests import KNOWN_BYTES_MAX, KNOWN_MAX, KnownRequests

KEY = re.compile(rb"(?i)(sec-websocket-key: )(\S+)")


def answered(porch: Porch, raw: bytes) -> bytes:
    """All that a new connection that says this gets, until a moment later."""
    caller = porch.caller()
    caller.wire.arrive(raw)
    return bytes(caller.wire.through)


def with_key(raw: bytes, key: bytes) -> bytes:
    """The same request with another one."""
    return KEY.sub(rb"\g<1>" + key, raw)


def primed(raw: bytes) -> Porch:
    """A door that has accepted this before, and knows it."""
    porch = Porch()
    answered(porch, raw)
    assert porch.door.known.find(raw) is not None
    return porch


def request(path: str = "/ws", **headers: str | None) -> bytes:
    """A right one, of a caller of its own."""
    return Caller(Porch(), "192.0.2.1", secure=False).handshake_bytes(path, **headers)


@pytest.mark.rule("C1.18")
@pytest.mark.parametrize("offered", [None, "vaultmeet.v1", "vaultmeet.v1.compact", "chat"])
def test_one_that_differs_by_its_key_is_answered_as_by_the_parser(offered: str | None) -> None:
    """To the byte, an hour later too; the client's own library finds it right."""
    raw = request(Sec_WebSocket_Protocol=offered)
    porch = primed(raw)
    porch.clock.advance(3600)
    fresh = Porch()
    fresh.clock.advance(3600)
    caller = porch.caller()
    again = caller.handshake_bytes(Sec_WebSocket_Protocol=offered)
    assert again != raw
    assert porch.door.known.find(again) is not None
    caller.send_raw(again)
    assert caller.response is not None
    assert caller.response.status_code == 101
    assert answered(porch, again) == answered(fresh, again)


@pytest.mark.rule("C1.18")
def test_whatever_differs_by_more_is_answered_as_by_the_parser() -> None:
    """Bytes changed, left out, put in, twice, cut, or with more behind them: never as the one that
    is known, unless the parser would say the same.
    """
    raw = request()
    porch, rng = primed(raw), random.Random(4)
    for _ in range(1500):
        data = bytearray(raw)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            match rng.randrange(5):
                case 0:
                    data[at] = rng.choice(b"\r\n :,aA=09\x00\xff")
                case 1:
                    del data[at : at + rng.randint(1, 30)]
                case 2:
                    data[at:at] = raw[at : at + rng.randint(1, 60)]
                case 3:
                    del data[at + 1 :]
                case _:
                    data += raw[-rng.randint(1, 40) :]
            if not data:
                data += b"\r\n"
        assert answered(porch, bytes(data)) == answered(Porch(), bytes(data)), bytes(data)


@pytest.mark.rule("C1.14", "C1.18")
@pytest.mark.parametrize(
    "key",
    [b"", b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZR==", b"dGhlIHNhbXBsZSBub25jZQ===",
     b"!!!!!!!!!!!!!!!!!!!!!!==", b"dGhlIHNhbXBsZQ==", b"dGhlIHNhbXBsZSBub25jZQ==\r\nUpgrade: x"],
)  # fmt: skip
def test_a_key_that_is_none_is_not_let_in_by_the_request_around_it(key: bytes) -> None:
    """The parser judges it, as ever."""
    raw = request()
    wrong = with_key(raw, key)
    assert primed(raw).door.known.find(wrong) is None
    assert answered(primed(raw), wrong) == answered(Porch(), wrong)


@pytest.mark.rule("C1.7", "C1.10", "C1.11", "C1.12", "C1.18")
def test_who_may_come_in_is_asked_each_time() -> None:
    """Of the known too: what has changed since is what counts."""
    raw = request()
    for settings in ({"connections_max": 1}, {"connections_per_ip_max": 1}):
        porch = Porch(**settings)
        assert answered(porch, raw).startswith(b"HTTP/1.1 101 ")
        full = answered(porch, raw)
        strange = raw.replace(b"\r\nHost:", b"\r\nX-Strange: 1\r\nHost:")
        assert full.split()[1] in {b"429", b"503"}
        assert full == answered(porch, strange), "told as somebody new is told"
    porch = primed(raw)
    porch.door.admission.draining = True
    assert answered(porch, raw).startswith(b"HTTP/1.1 503 ")


@pytest.mark.rule("C1.18")
def test_a_request_of_one_person_is_not_remembered() -> None:
    """Nor one that came in pieces, or is long."""
    for headers in (
        {"Authorization": "Bearer abc"},
        {"Cookie": "a=b"},
        {"X_Forwarded_For": "192.0.2.7"},
        {"X_Long": "a" * KNOWN_BYTES_MAX},
    ):
        raw, porch = request(**headers), Porch()
        assert answered(porch, raw).startswith(b"HTTP/1.1 101 ")
        assert porch.door.known.find(raw) is None
    raw, porch = request(), Porch()
    caller = porch.caller()
    for byte in raw:
        caller.wire.arrive(bytes([byte]))
    assert porch.door.known.find(raw) is None


@pytest.mark.rule("C1.16", "C1.18")
def test_a_known_request_behind_the_beginning_of_another_is_a_part_of_that() -> None:
    """Where a packet begins decides nothing."""
    raw = request()
    for beginning in (b"GET /ws HTTP/1.1\r\nX-Strange: ", b"G", b"\r\n"):
        known, fresh = primed(raw).caller(), Porch().caller()
        for caller in (known, fresh):
            caller.wire.arrive(beginning)
            caller.wire.arrive(raw)
        assert known.wire.through == fresh.wire.through


@pytest.mark.rule("C1.18")
def test_so_many_are_remembered_and_no_more() -> None:
    """The oldest goes for the newest."""
    porch = Porch()
    raws = [request(X_Number=str(number)) for number in range(KNOWN_MAX + 1)]
    for raw in raws:
        answered(porch, raw)
    known: KnownRequests = porch.door.known
    assert known.find(raws[0]) is None
    assert all(known.find(raw) is not None for raw in raws[1:])
