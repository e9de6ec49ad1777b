"""Frames of an open connection: pieces and fragments, control frames, and what breaks RFC 6455."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tests.transport.sockets import WELCOME, Caller, Porch

TEXT, CONT, PING, PONG = Opcode.TEXT, Opcode.CONT, Opcode.PING, Opcode.PONG


def fragments(payload: bytes, size: int) -> list[Frame]:
    """`payload` as a message in fragments of at most so many bytes."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    last = len(parts) - 1
    return [Frame(CONT if n else TEXT, part, fin=n == last) for n, part in enumerate(parts)]


def raw_frame(
    first: int, payload: bytes, *, masked: bool = True, length: int | None = None
) -> bytes:
    """A client's frame of any first byte, which a right client cannot be made to send."""
    bit = 0x80 if masked else 0
    size = len(payload) if length is None else length
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + (b"\x00" * 4 if masked else b"") + payload


# -- text


def test_a_message_is_handed_to_the_session_as_it_was_sent() -> None:
    """One after the other, of every length that a frame says in another way."""
    porch = Porch()
    guest = porch.guest()
    texts = [b"", b"a", "é日本😀".encode(), b"x" * 125, b"y" * 126, b"z" * 5000, b"w" * 16_384]
    for text in texts:
        guest.send(text)
        porch.clock.advance(0)
    assert guest.session.texts == texts
    guest.send(*texts)
    for _ in range(10):  # so much at once is taken in several turns of the loop
        porch.clock.advance(0)
    assert guest.session.texts == texts * 2
    assert guest.session.charges == 0


@pytest.mark.rule("C2.4")
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_message_may_come_in_fragments_and_in_single_bytes(size: int) -> None:
    """Also cut within a character; each fragment costs, the message costs as any other."""
    guest = Porch().guest()
    payload = "zoë 日本 😀 and so on".encode()
    parts = fragments(payload, size)
    raw = guest.bytes_of(*parts)
    guest.send_raw(raw)
    for byte in raw:
        guest.send_raw(bytes([byte]))
    assert guest.session.texts == [payload] * 2
    assert guest.session.charges == (2 * len(parts) if len(parts) > 1 else 0)
    assert guest.close_code is None


@pytest.mark.rule("C2.4", "C2.6")
def test_control_frames_may_come_between_fragments() -> None:
    """They are answered at once and do not become part of the message."""
    guest = Porch().guest()
    first, *middle, last = fragments(b"hello", 1)
    guest.send(first, Frame(PING, b"p"), *middle, Frame(PONG, b"q"), last)
    assert guest.session.texts == [b"hello"]
    assert [(each.opcode, bytes(each.data)) for each in guest.heard()] == [(PONG, b"p")]


@pytest.mark.rule("C2.4")
def test_empty_fragments_are_part_of_a_message_too() -> None:
    """The message is whole with the last of them."""
    guest = Porch().guest()
    guest.send(Frame(TEXT, b"", fin=False), Frame(CONT, b"hi", fin=False), Frame(CONT, b""))
    assert guest.session.texts == [b"hi"]


@pytest.mark.rule("C2.4")
@settings(max_examples=150)
@given(st.data())
def test_messages_arrive_however_their_bytes_are_cut(data: st.DataObject) -> None:
    """In pieces of any size, also where a piece looks like something else."""
    guest = Porch().guest()
    texts = data.draw(st.lists(st.binary(max_size=300).map(bytes.hex).map(str.encode), max_size=6))
    raw = guest.bytes_of(*texts)
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        guest.send_raw(raw[:size])
        raw = raw[size:]
    assert guest.session.texts == texts


@pytest.mark.rule("C2.4")
@pytest.mark.parametrize(
    ("size", "at"), [(20, 2), (20, 6), (126, 4), (126, 8)], ids=["head", "mask", "length", "long"]
)
def test_the_rest_of_a_frame_is_not_taken_for_a_frame_of_its_own(size: int, at: int) -> None:
    """The head may come alone, and what follows may look like a whole message by its mask."""
    guest = Porch().guest()
    payload = bytes(97 + n % 26 for n in range(size))
    head = bytes([0x81, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
    rest = size + 4 - (at - len(head))
    if at > len(head):  # the piece begins with the payload
        rest = size
        mask = bytes([0x81 ^ payload[0], (0x80 + rest - 6) ^ payload[1], 0, 0])
    else:
        mask = bytes([0x81, 0x80 + rest - 6, 0, 0])
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    raw = head + mask + masked
    assert raw[at] == 0x81
    assert len(raw) - at == raw[at + 1] - 0x80 + 6
    guest.send_raw(raw[:at])
    guest.send_raw(raw[at:])
    guest.send("next")
    assert guest.session.texts == [payload, b"next"]


# -- control frames


@pytest.mark.rule("C2.6")
@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff", b"p" * 125])
def test_a_ping_is_answered_with_its_own_payload(payload: bytes) -> None:
    """Each in its order, before what was sent behind it; it costs a token."""
    guest = Porch().guest()
    guest.send(Frame(PING, payload), Frame(PING, b"2"), "text")
    heard = guest.heard()
    assert [(each.opcode, bytes(each.data)) for each in heard] == [(PONG, payload), (PONG, b"2")]
    assert (guest.session.charges, guest.session.texts) == (2, [b"text"])


@pytest.mark.rule("C2.6")
def test_pongs_that_nobody_asked_for_change_nothing() -> None:
    """But they cost."""
    guest = Porch().guest()
    guest.send(*[Frame(PONG, b"x")] * 20)
    assert (guest.heard(), guest.session.texts, guest.session.charges) == ([], [], 20)


# -- what closes


@pytest.mark.rule("C4.1")
@pytest.mark.parametrize("fin", [True, False])
def test_a_binary_frame_closes_with_1003(fin: bool) -> None:
    """Whole or in fragments, and whatever is in it."""
    guest = Porch().guest()
    guest.send(Frame(Opcode.BINARY, b'{"type":"ready"}', fin=fin))
    assert (guest.close_code, guest.session.losses, guest.session.texts) == (1003, 1, [])


@pytest.mark.rule("C4.2")
def test_a_message_of_the_limit_is_taken_and_a_larger_one_closes_with_1009() -> None:
    """In one frame and in fragments; the size that a head announces is enough."""
    porch = Porch(message_bytes_max=300)
    guest = porch.guest()
    guest.send(b"x" * 300, *fragments(b"y" * 300, 50))
    assert guest.session.texts == [b"x" * 300, b"y" * 300]
    guest.send(b"x" * 301)
    assert (guest.close_code, guest.session.losses > 0) == (1009, True)
    guest = porch.guest()
    guest.send(*fragments(b"y" * 301, 50))
    assert (guest.close_code, guest.session.texts) == (1009, [])
    guest = porch.guest()
    guest.send_raw(raw_frame(0x81, b"", length=2**40))
    assert guest.close_code == 1009


@pytest.mark.rule("C4.2", "C2.6")
def test_control_frames_between_the_fragments_of_a_large_message_are_no_part_of_it() -> None:
    """A message of exactly the limit, with the largest ping in front of its last byte."""
    guest = Porch(message_bytes_max=300).guest()
    head, tail = Frame(TEXT, b"x" * 299, fin=False), Frame(CONT, b"y")
    guest.send(head, Frame(PING, b"p" * 125), tail)
    assert guest.session.texts == [b"x" * 299 + b"y"]
    assert [(each.opcode, len(each.data)) for each in guest.heard()] == [(PONG, 125)]
    assert guest.close_code is None


@pytest.mark.rule("C4.2", "C4.9")
def test_fragments_over_the_limit_close_with_1009_before_the_message_is_complete() -> None:
    """No more than the limit and one frame is ever kept."""
    guest = Porch(message_bytes_max=300).guest()
    guest.send(Frame(TEXT, b"x" * 300, fin=False), Frame(CONT, b"", fin=False))
    assert guest.session.losses == 0
    guest.send(Frame(CONT, b"x", fin=False), Frame(CONT, b"y"))
    assert (guest.close_code, guest.session.texts, guest.session.losses) == (1009, [], 1)


@pytest.mark.rule("C4.3")
@pytest.mark.parametrize(
    "payload", [b"\xff", b"\xc0\xaf", b'"\xed\xa0\x80"', b"\xe2\x82", b"a" * 200 + b"\x80"]
)
def test_text_that_is_no_utf_8_closes_with_1007(payload: bytes) -> None:
    """Short or long, whole or in fragments, and cut in a character at its end."""
    for frames in ([Frame(TEXT, payload)], fragments(payload + b"  ", 2)):
        guest = Porch().guest()
        guest.send(*frames)
        assert (guest.close_code, guest.session.losses) == (1007, 1)
        assert guest.session.faults == []


@pytest.mark.rule("C4.4")
@pytest.mark.parametrize(
    "raw",
    [
        raw_frame(0x81, b"hello", masked=False),
        raw_frame(0x81, b"hello" * 100, masked=False),
        raw_frame(0xC1, b"hello"),
        raw_frame(0xA1, b"hello"),
        raw_frame(0x91, b"hello"),
        raw_frame(0x83, b"hello"),
        raw_frame(0x87, b"hello"),
        raw_frame(0x8B, b"hello"),
        raw_frame(0x8F, b"hello"),
        raw_frame(0x80, b"hello"),
        raw_frame(0x00, b"hello"),
        raw_frame(0x09, b"hello"),
        raw_frame(0x0A, b"hello"),
        raw_frame(0x08, b"\x03\xe8"),
        raw_frame(0x89, b"x" * 126),
        raw_frame(0x88, b"\x03\xe8" + b"x" * 124),
        raw_frame(0x88, b"x"),
        raw_frame(0x88, struct.pack("!H", 1005)),
        raw_frame(0x88, struct.pack("!H", 999)),
        raw_frame(0x01, b"a") + raw_frame(0x81, b"b"),
        raw_frame(0x01, b"a") + raw_frame(0x82, b"b"),
        raw_frame(0x01, b"a") + raw_frame(0x88, b"\x03\xe8"),
    ],
)
def test_a_frame_that_breaks_rfc_6455_closes_with_1002(raw: bytes) -> None:
    """Unmasked, reserved, fragmented or long control frames, strays; also in single bytes."""
    porch = Porch()
    for pieces in ([raw], [raw[n : n + 1] for n in range(len(raw))]):
        guest = porch.guest()
        for piece in pieces:
            guest.wire.arrive(piece)
        assert guest.close_code == 1002
        assert (guest.session.texts, guest.session.losses > 0) == ([], True)
        assert guest.is_lost


@pytest.mark.rule("C4.4")
@pytest.mark.parametrize("between", [b"", raw_frame(0x00, b"b"), raw_frame(0x89, b"")])
def test_a_message_within_a_message_closes_with_1002_also_frame_by_frame(between: bytes) -> None:
    """Each in a piece of its own, which looks like nothing was under way."""
    guest = Porch().guest()
    for piece in (raw_frame(0x01, b"a"), between, raw_frame(0x81, b"whole")):
        if piece:
            guest.wire.arrive(piece)
    assert (guest.close_code, guest.session.texts) == (1002, [])


@pytest.mark.rule("C4.4")
def test_what_follows_a_broken_frame_is_ignored() -> None:
    """In the same piece and in the next."""
    guest = Porch().guest()
    guest.send("before")
    broken = raw_frame(0xC1, b"x")
    guest.wire.arrive(guest.bytes_of("a") + broken + guest.bytes_of("b"))
    assert guest.session.texts == [b"before", b"a"]
    assert guest.close_code == 1002


@pytest.mark.rule("C4.9")
@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=400), st.integers(1, 50))
def test_garbage_ends_its_own_connection_at_most(garbage: bytes, size: int) -> None:
    """In pieces of any size; another guest goes on, and nothing is raised."""
    porch = Porch(heartbeat_s=300)
    other, guest = porch.guest("192.0.2.2"), porch.guest()
    for at in range(0, len(garbage), size):
        guest.wire.arrive(garbage[at : at + size])
    porch.clock.advance(60)
    other.send("still here")
    assert other.session.texts == [b"still here"]
    assert guest.session.faults == []


# -- faults of our own


@pytest.mark.rule("C4.9")
@pytest.mark.parametrize("size", [10, 200])
def test_a_fault_in_a_session_ends_that_connection_with_1011(size: int) -> None:
    """On the short way of a text and on the long one, in what comes later, and nobody else's."""
    porch = Porch()
    other, guest = porch.guest("192.0.2.2"), porch.guest()

    def fail(text: bytes) -> None:
        raise ValueError("a bug")

    guest.session.on_text = fail
    guest.send(b"x" * size)
    assert (guest.close_code, guest.session.losses) == (1011, 1)
    assert [repr(fault) for fault in guest.session.faults] == ["ValueError('a bug')"]
    other.send("still here")
    assert other.session.texts == [b"still here"]


@pytest.mark.rule("C4.9")
@pytest.mark.parametrize("delay_s", [0, 3])
def test_a_fault_in_what_was_put_off_ends_that_connection_too(delay_s: float) -> None:
    """What a session asks the connection to do soon, or later."""
    porch = Porch()
    guest = porch.guest()

    def fail() -> None:
        raise ValueError("a bug")

    if delay_s:
        guest.connection.call_later(delay_s, fail)
    else:
        guest.connection.defer(fail)
    porch.clock.advance(delay_s)
    assert guest.close_code == 1011


def test_what_was_put_off_does_not_run_when_the_connection_is_gone() -> None:
    """And runs in its time where it is not."""
    porch = Porch()
    gone, here = porch.guest(), porch.guest()
    ran: list[str] = []
    for guest, name in ((gone, "gone"), (here, "here")):
        guest.connection.defer(lambda name=name: ran.append(f"{name} soon"))  # type: ignore[misc]
        guest.connection.call_later(5, lambda name=name: ran.append(f"{name} later"))  # type: ignore[misc]
    gone.wire.break_()
    assert ran == []
    porch.clock.advance(10)
    assert ran[-1] == "here later"
    assert "gone later" not in ran


def test_nothing_is_sent_before_the_welcome_or_without_a_socket() -> None:
    """A link that is not open takes everything and sends nothing."""
    porch = Porch()
    caller: Caller = porch.caller()
    connection = caller.connection
    for _ in range(2):
        connection.send(WELCOME)
        connection.send_state(WELCOME)
        assert connection.offer(WELCOME)
        assert connection.offer_moves(WELCOME)
        connection.ping()
        connection.hold()
        connection.release()
        assert caller.wire.through == b""
        caller.wire.break_()
        porch.clock.advance(0)
    connection.abort()
    connection.lose()
    assert not connection.is_open()
