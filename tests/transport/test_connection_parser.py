"""When a connection has a parser: made for what is no short text, let go of at a heartbeat."""

import pytest
from websockets.frames import Frame, Opcode

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
