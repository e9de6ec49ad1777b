"""How connections end: by either side, in time or not, and what is left of them."""

from collections.abc import Callable

import pytest
from websockets.frames import Close, Frame, Opcode

from tests.transport.sockets import WELCOME, Caller, Porch, Wire, text
from transport.connection import PARTING_BYTES_MAX
from transport.link import CloseCode


def close_frame(code: int, reason: str = "") -> Frame:
    """A close frame of the client."""
    return Frame(Opcode.CLOSE, Close(code, reason).serialize())


def pinged(guest: Caller) -> int:
    """How many pings came since the last call."""
    return sum(each.opcode is Opcode.PING for each in guest.heard())


# -- the client ends it


@pytest.mark.rule("C4.8")
@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0b\xb8", b"\x13\x87x"])
def test_a_close_is_answered_with_its_own_payload_and_the_stream_ended(payload: bytes) -> None:
    """It is a loss: the player stays for the grace."""
    porch = Porch()
    guest = porch.guest()
    guest.send(Frame(Opcode.CLOSE, payload))
    (echo,) = guest.heard()
    assert (echo.opcode, bytes(echo.data)) == (Opcode.CLOSE, payload)
    assert guest.is_lost
    assert guest.session.losses > 0
    assert porch.door.guests == {}


@pytest.mark.rule("C4.8")
def test_what_is_sent_behind_a_close_is_ignored() -> None:
    """Also where it came in the same piece."""
    guest = Porch().guest()
    guest.wire.arrive(
        guest.bytes_of("before", close_frame(1000), "behind", Frame(Opcode.PING, b""))
    )
    assert guest.session.texts == [b"before"]
    assert [each.opcode for each in guest.heard()] == [Opcode.CLOSE]


@pytest.mark.rule("G6.1")
@pytest.mark.parametrize("end", [Wire.hang_up, Wire.break_, Wire.abort])
def test_a_socket_that_ends_without_a_close_is_a_loss(end: Callable[[Wire], None]) -> None:
    """And makes room at the door; what was half said is forgotten."""
    porch = Porch()
    guest = porch.guest()
    emptied: list[bool] = []
    porch.door.on_emptied = lambda: emptied.append(True)
    guest.wire.arrive(guest.bytes_of("x" * 300)[:100])
    end(guest.wire)
    assert guest.is_lost
    assert (guest.session.losses > 0, guest.session.texts) == (True, [])
    assert (porch.door.admission.open_count, porch.door.guests) == (0, {})
    assert (emptied, guest.connection.is_open()) == ([True], False)


# -- the server ends it


@pytest.mark.rule("C4.8")
@pytest.mark.parametrize("code", CloseCode)
def test_a_close_of_ours_says_why_and_waits_for_the_answer(code: CloseCode) -> None:
    """Nothing is sent behind it, and frames that still come are ignored."""
    porch = Porch()
    guest = porch.guest()
    guest.connection.close(code, "the reason")
    connection = guest.connection
    connection.send(WELCOME)
    connection.send_state(WELCOME)
    assert connection.offer(WELCOME)
    assert connection.offer_moves(WELCOME)
    connection.ping()
    connection.close(CloseCode.POLICY, "another")
    assert not guest.wire.is_closing()
    (close,) = guest.heard()
    assert bytes(close.data) == Close(int(code), "the reason").serialize()
    guest.wire.arrive(guest.bytes_of("late"))
    assert (guest.session.texts, guest.wire.ended()) == ([], False)
    guest.answer()
    assert guest.is_lost


@pytest.mark.rule("C4.8")
def test_a_close_that_is_not_answered_ends_in_a_cut() -> None:
    """After `close_timeout_s`; one that was answered is not touched again."""
    porch = Porch(close_timeout_s=5)
    guest, polite = porch.guest(), porch.guest()
    guest.connection.close(CloseCode.RESTART, "")
    polite.connection.close(CloseCode.RESTART, "")
    polite.read()
    polite.answer()
    porch.clock.advance(4.9)
    assert not guest.wire.ended()
    porch.clock.advance(0.2)
    assert (guest.wire.ended(), guest.wire.was_aborted) == (True, True)
    assert (polite.wire.ended(), polite.wire.was_aborted) == (True, False)


@pytest.mark.rule("C4.8")
def test_who_goes_on_talking_behind_our_close_is_cut_off() -> None:
    """So much is read to find the answer; it was not there."""
    porch = Porch(close_timeout_s=300)
    guest = porch.guest()
    guest.connection.close(CloseCode.POLICY, "enough")
    piece = guest.bytes_of("x" * 1000)
    for _ in range(PARTING_BYTES_MAX // len(piece)):
        guest.wire.arrive(piece)
    assert not guest.wire.is_closing()
    guest.wire.arrive(piece)
    porch.clock.advance(0)
    assert (guest.wire.ended(), guest.wire.was_aborted, guest.session.texts) == (True, True, [])


@pytest.mark.rule("C4.8")
def test_when_both_close_at_once_the_stream_ends() -> None:
    """Each has said why; neither answers the other."""
    guest = Porch().guest()
    raw = guest.bytes_of(close_frame(1001))
    guest.connection.close(CloseCode.RESTART, "")
    guest.wire.arrive(raw)
    assert guest.is_lost


@pytest.mark.rule("C4.8")
def test_a_session_that_closes_when_the_client_already_has_is_too_late() -> None:
    """Both came in one piece; the client's code is answered, and nothing fails."""
    guest = Porch().guest()
    guest.session.on_text = lambda said: guest.connection.close(CloseCode.POLICY, "enough")
    guest.wire.arrive(guest.bytes_of("a", close_frame(3000)))
    assert (guest.session.texts, guest.session.faults) == ([b"a"], [])
    assert (guest.close_code, guest.is_lost) == (3000, True)


def test_a_session_may_close_in_the_middle_of_a_piece() -> None:
    """What is left of the piece is ignored."""
    guest = Porch().guest()
    guest.session.on_text = lambda said: guest.connection.close(CloseCode.POLICY, "enough")
    guest.wire.arrive(guest.bytes_of("a", "b", Frame(Opcode.PING, b""), "c" * 300))
    assert guest.session.texts == [b"a"]
    assert guest.close_code == 1008


@pytest.mark.rule("C4.8", "O2.2")
@pytest.mark.parametrize("cut", [0, 1, 3, 50])
def test_a_held_connection_reads_the_answer_to_its_close(cut: int) -> None:
    """Also where it was held in the middle of a frame: the answer ends it, not the time."""
    porch = Porch(close_timeout_s=300)
    guest = porch.guest()
    guest.session.on_text = lambda said: guest.connection.hold()
    raw = guest.bytes_of("a", *["b" * 200] * 40, "c" * 60)
    guest.wire.arrive(raw[: len(raw) - cut])
    assert not guest.wire.is_reading()
    guest.connection.close(CloseCode.RESTART, "")
    porch.clock.advance(0)
    guest.wire.arrive(raw[len(raw) - cut :])
    guest.read()
    guest.answer()
    assert guest.is_lost
    assert len(guest.session.texts) < 41


@pytest.mark.rule("C4.8", "G8.5")
def test_a_reader_past_twice_the_bound_is_read_from_again_when_it_is_closed() -> None:
    """Its own close is in what it had sent, and ends the connection when all has drained."""
    porch = Porch(close_timeout_s=300, outbox_bytes_max=20_000)
    guest = porch.guest()
    guest.wire.flows = False
    guest.connection.send_state(text(50_000))
    guest.wire.arrive(guest.bytes_of("unheard", close_frame(1001)))
    assert not guest.wire.is_reading()
    guest.connection.close(CloseCode.RESTART, "")
    porch.clock.advance(0)
    assert guest.wire.is_closing()
    guest.wire.let_through()
    assert (guest.close_code, guest.session.texts, guest.is_lost) == (1012, [], True)


# -- nobody is there any more


@pytest.mark.rule("G6.16")
def test_a_guest_is_pinged_within_each_heartbeat() -> None:
    """As long as it is open."""
    porch = Porch(heartbeat_s=10, heartbeat_timeout_s=10)
    guest = porch.guest()
    for _ in range(5):
        porch.clock.advance(10)
        assert pinged(guest) == 1
        guest.answer()
    guest.connection.close(CloseCode.RESTART, "")
    porch.clock.advance(100)
    assert pinged(guest) == 0


@pytest.mark.rule("G6.16")
@pytest.mark.parametrize("timeout_s", [1, 10, 35])
def test_a_half_open_connection_is_lost_in_time(timeout_s: float) -> None:
    """After `heartbeat_s` + `heartbeat_timeout_s` at most, however it had answered before."""
    porch = Porch(heartbeat_s=10, heartbeat_timeout_s=timeout_s)
    guest = porch.guest()
    for _ in range(6):
        porch.clock.advance(10)
        guest.read()
        guest.answer()
    porch.clock.advance(timeout_s - 0.5)
    assert not guest.wire.ended()
    porch.clock.advance(10.5)
    assert guest.wire.ended()
    assert guest.session.losses > 0
    assert porch.log.told("heartbeat_missed")[0]["socket_id"] == "AAAA"


@pytest.mark.rule("G6.16")
@pytest.mark.parametrize("sign", ["text", Frame(Opcode.PONG, b""), Frame(Opcode.PING, b"x")])
def test_whatever_is_heard_is_a_sign_of_life(sign: str | Frame) -> None:
    """Not pongs alone; and a byte of a frame, too, as long as the frame gets on."""
    porch = Porch(heartbeat_s=10, heartbeat_timeout_s=10)
    guest = porch.guest()
    for _ in range(20):
        porch.clock.advance(9)
        guest.send(sign)
    assert not guest.wire.ended()


@pytest.mark.rule("G6.16")
@pytest.mark.parametrize("timeout_s", [3, 10])
def test_a_connection_that_is_not_read_is_not_taken_for_dead(timeout_s: float) -> None:
    """Nothing can be heard from it; it has its time again when reading goes on."""
    porch = Porch(heartbeat_s=10, heartbeat_timeout_s=timeout_s)
    guest = porch.guest()
    guest.connection.hold()
    porch.clock.advance(200)
    guest.connection.release()
    porch.clock.advance(timeout_s - 0.5)
    assert not guest.wire.ended()
    porch.clock.advance(20)
    assert guest.wire.ended()


@pytest.mark.rule("G6.16", "G8.5")
def test_a_dead_reader_of_a_huge_state_is_lost_too() -> None:
    """Its state is past twice the bound, so it is not read from; it takes nothing in either."""
    porch = Porch(heartbeat_s=10, heartbeat_timeout_s=10, outbox_bytes_max=20_000)
    guest = porch.guest()
    guest.wire.flows = False
    guest.connection.send_state(b"x" * 100_000)
    porch.clock.advance(3600)
    assert guest.wire.ended()


@pytest.mark.rule("G8.2", "G6.16")
@pytest.mark.parametrize("size", [15_000, 35_000, 100_000])
def test_a_slow_reader_of_a_huge_state_is_not_lost_while_it_gets_on(size: int) -> None:
    """It cannot answer a ping that waits behind the state."""
    porch = Porch(heartbeat_s=10, heartbeat_timeout_s=10, outbox_bytes_max=20_000)
    guest = porch.guest()
    guest.wire.flows = False
    guest.connection.send_state(b"x" * size)
    for _ in range(60):
        porch.clock.advance(1)
        guest.wire.let_through(size // 70)
    assert not guest.wire.ended()


# -- messages that are begun and not completed


def piece_of_frame(guest: Caller, size: int) -> Callable[[], bytes]:
    """A long message in one frame, so many bytes at a time."""
    raw = guest.bytes_of("x" * 10_000)
    pieces = iter(raw[at : at + size] for at in range(0, len(raw), size))
    return lambda: next(pieces)


def fragment(guest: Caller, size: int) -> Callable[[], bytes]:
    """A message without end, in fragments of so many bytes."""
    first = iter([Frame(Opcode.TEXT, b"x" * size, fin=False)])
    return lambda: guest.bytes_of(next(first, Frame(Opcode.CONT, b"x" * size, fin=False)))


@pytest.mark.rule("C2.5")
@pytest.mark.parametrize("begin", [piece_of_frame, fragment])
@pytest.mark.parametrize("size", [1, 2, 6, 20])
def test_a_message_that_is_not_completed_in_time_loses_its_connection(
    begin: Callable[[Caller, int], Callable[[], bytes]], size: int
) -> None:
    """However steadily it gets on, with a heartbeat's delay at most."""
    porch = Porch(message_timeout_s=10, heartbeat_s=5, heartbeat_timeout_s=300)
    guest = porch.guest()
    more = begin(guest, size)
    for _ in range(9):
        guest.wire.arrive(more())
        porch.clock.advance(1)
    assert not guest.wire.ended()
    for _ in range(7):
        if not guest.wire.is_closing_:
            guest.wire.arrive(more())
        porch.clock.advance(1)
    assert guest.wire.ended()


@pytest.mark.rule("C2.5")
@pytest.mark.parametrize("at", [1, 2, 4, 5, 8, 9])
def test_a_frame_that_stops_anywhere_loses_its_connection(at: int) -> None:
    """In its head, in its mask, or just behind either."""
    porch = Porch(message_timeout_s=10, heartbeat_s=5, heartbeat_timeout_s=300)
    guest = porch.guest()
    guest.wire.arrive(guest.bytes_of("x" * 200)[:at])
    porch.clock.advance(16)
    assert guest.wire.ended()


@pytest.mark.rule("C2.5", "C2.4")
@pytest.mark.parametrize("fragmented", [True, False])
def test_messages_that_are_completed_in_time_may_follow_each_other_without_a_gap(
    fragmented: bool,
) -> None:
    """Each piece ends one and begins the next: none takes more than a second."""
    porch = Porch(message_timeout_s=10, heartbeat_s=5, heartbeat_timeout_s=300)
    guest = porch.guest()
    if fragmented:
        begin = guest.bytes_of(Frame(Opcode.TEXT, b"a", fin=False))
        end = guest.bytes_of(Frame(Opcode.CONT, b"b"))
    else:
        whole = guest.bytes_of("a" * 200)
        begin, end = whole[:100], whole[100:]
    guest.wire.arrive(begin)
    for _ in range(60):
        porch.clock.advance(1)
        guest.wire.arrive(end + begin)
    assert len(guest.session.texts) == 60
    assert not guest.wire.ended()


@pytest.mark.rule("C2.5")
def test_a_connection_on_which_nothing_is_begun_may_be_silent() -> None:
    """Pings are answered, nothing else is said."""
    porch = Porch(message_timeout_s=10, heartbeat_s=5, heartbeat_timeout_s=5)
    guest = porch.guest()
    for _ in range(40):
        porch.clock.advance(4)
        guest.read()
        guest.answer()
    assert not guest.wire.ended()
