"""When a connection has a parser: made for what is no short text, let go of at a heartbeat."""

import pytest
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]

from tests.transport.sockets import Caller, Porch
from transport.link import CloseCode

LONG = b"x" * 200
HEARTBEAT_S = 10.0


def open_guest() -> tuple[Porch, Caller]:
    """A client that is in, on a porch of its own."""
    porch = Porch(heartbeat_s=HEARTBEAT_S)
    return porch, porch.guest()


def has_parser(guest: Caller) -> bool:
    """Whether there is one now."""
    return guest.connection._protocol is not None


def test_short_texts_and_pongs_need_no_parser() -> None:
    """Nor does an empty text; each pong costs, as any other control frame."""
    porch, guest = open_guest()
    texts = [b"", b"a", b"y" * 125]
    for text in texts:
        guest.send(text)
        porch.clock.advance(0)
    for payload in (b"", b"p" * 125):
        guest.send(Frame(Opcode.PONG, payload))
        porch.clock.advance(0)
    assert guest.session.texts == texts
    assert guest.session.charges == 2
    assert not has_parser(guest)


@pytest.mark.rule("C2.6")
def test_a_pong_is_a_sign_of_life_without_a_parser() -> None:
    """The time at which it came is when the client was heard last."""
    porch, guest = open_guest()
    porch.clock.advance(5)
    guest.send(Frame(Opcode.PONG, b""))
    assert guest.connection.heard_s == porch.clock.monotonic_s()
    assert not has_parser(guest)


def test_a_parser_stays_until_the_next_heartbeat() -> None:
    """One long text makes it; those that follow find it, and after a pause there is none."""
    porch, guest = open_guest()
    guest.send(LONG)
    made = guest.connection._protocol
    assert made is not None
    guest.send(LONG, b"a")
    assert guest.connection._protocol is made
    porch.clock.advance(HEARTBEAT_S)
    assert not has_parser(guest)
    guest.send(LONG)
    assert guest.session.texts == [LONG, LONG, b"a", LONG]
    assert guest.close_code is None


@pytest.mark.parametrize("size", [1, 3, 100], ids=["head", "mask", "payload"])
def test_a_parser_stays_in_the_midst_of_a_frame(size: int) -> None:
    """What has come of it is in there."""
    porch, guest = open_guest()
    raw = guest.bytes_of(LONG)
    guest.send_raw(raw[:size])
    porch.clock.advance(HEARTBEAT_S)
    assert has_parser(guest)
    guest.send_raw(raw[size:])
    assert guest.session.texts == [LONG]


def test_a_parser_stays_between_the_fragments_of_a_message() -> None:
    """It knows that one is under way, and what may not come now."""
    porch, guest = open_guest()
    guest.send(Frame(Opcode.TEXT, b"a", fin=False))
    porch.clock.advance(HEARTBEAT_S)
    assert has_parser(guest)
    guest.send(Frame(Opcode.CONT, b"b"))
    assert guest.session.texts == [b"ab"]


def test_a_connection_without_a_parser_can_be_closed() -> None:
    """With the code, and both halves of the closing handshake."""
    _, guest = open_guest()
    assert not has_parser(guest)
    guest.connection.close(CloseCode.RESTART, "the server is draining")
    guest.read()
    assert guest.close_code == CloseCode.RESTART


def farewell(payload: bytes, mask: bytes, pieces: int) -> tuple[bytes, bool, bool, bool, bool]:
    """What comes of a client's close: the answer, who is lost, and whether there was a parser."""
    _, guest = open_guest()
    frame = bytes([0x88, 0x80 | len(payload)]) + mask + apply_mask(payload, mask)
    size = -(-len(frame) // pieces)
    parsed = False
    for at in range(0, len(frame), size):
        guest.wire.arrive(frame[at : at + size])
        parsed = parsed or has_parser(guest)
    connection = guest.connection
    lost = guest.session.losses > 0
    return bytes(guest.wire.through), guest.is_lost, connection.is_open(), lost, parsed


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\x01\x02\x03\x04", b"\xff\x88\x03\xe8"])
def test_a_close_that_needs_no_parser_is_answered_as_by_one(mask: bytes) -> None:
    """Each code, with and without a reason, in one piece and in three."""
    codes = [*range(990, 1020), 2999, 3000, 4000, 4999, 5000, 65535]
    payloads = [b"", b"\x03", *(code.to_bytes(2) for code in codes)]
    payloads += [b"\x03\xe8bye", b"\x03\xe9\xff", b"\x03\xe8" + b"x" * 123]
    for payload in payloads:
        *at_once, parsed = farewell(payload, mask, 1)
        *piecemeal, _ = farewell(payload, mask, 3)
        assert at_once == piecemeal, payload
        assert parsed == (payload not in {b"\x03\xe8", b"\x03\xe9"}) or not at_once[0], payload


def test_a_close_between_two_fragments_ends_the_message_too() -> None:
    """What was begun is never completed."""
    _, guest = open_guest()
    guest.send(Frame(Opcode.TEXT, b"half", fin=False))
    assert has_parser(guest)
    guest.send(Frame(Opcode.CLOSE, b"\x03\xe8"))
    assert guest.session.texts == []
    assert not guest.connection.is_open()
