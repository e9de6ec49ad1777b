"""Slow readers and busy rooms: what is taken, what is refused, and when reading stops."""

from itertools import pairwise
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from tests.transport.sockets import Caller, Porch, text
from transport.connection import BREATH_BYTES, SLICE_BYTES

BOUND = 8192
HIGH = BOUND // 2
"""So much may wait before asyncio says so."""


def stuck(**settings: Any) -> tuple[Porch, Caller]:
    """A guest whose network lets nothing through any more."""
    porch = Porch(
        **{"outbox_bytes_max": BOUND, "message_bytes_max": 1024, "heartbeat_s": 3600, **settings}
    )
    guest = porch.guest()
    guest.wire.flows = False
    return porch, guest


def fill(guest: Caller, size: int) -> None:
    """Let so many bytes of answers wait."""
    while size:
        part = min(size, 1000 if size - 1000 not in range(1, 4) else 900)
        guest.connection.send(text(part))
        size -= part


def offers(guest: Caller, size: int, most: int = 1000) -> int:
    """How many events of so many bytes are taken."""
    return next(n for n in range(most) if not guest.connection.offer(text(size)))


# -- what is taken while something waits


@pytest.mark.rule("G7.1", "G8.1")
def test_moves_are_skipped_while_writing_is_paused() -> None:
    """None is queued; when all has drained the session hears of it once, and they go on."""
    _, guest = stuck()
    fill(guest, HIGH)
    assert guest.connection.offer_moves(text(100))
    waiting = len(guest.wire.buffer)
    for _ in range(50):
        assert not guest.connection.offer_moves(text(100))
    assert (len(guest.wire.buffer), guest.session.drains) == (waiting, 0)
    guest.wire.let_through()
    assert guest.session.drains == 1
    assert guest.connection.offer_moves(text(100))
    guest.wire.let_through()
    assert guest.session.drains == 1


@pytest.mark.rule("G8.2", "G8.5")
@pytest.mark.parametrize("size", [50, 700, 5000])
def test_events_are_taken_up_to_the_bound_and_then_refused(size: int) -> None:
    """And one frame: what waits never grows past that, however many come."""
    _, guest = stuck()
    assert offers(guest, size) == BOUND // size + 1
    assert len(guest.wire.buffer) <= BOUND + size
    for _ in range(100):
        assert not guest.connection.offer(text(size))
    assert guest.wire.peak_bytes <= BOUND + size


@pytest.mark.rule("G8.2")
def test_whoever_was_refused_hears_once_that_all_has_drained() -> None:
    """Not when the first byte goes, and not when nobody was refused."""
    _, guest = stuck()
    offers(guest, 500)
    guest.wire.let_through(BOUND // 2)
    assert guest.session.drains == 0
    guest.wire.let_through()
    guest.wire.let_through()
    assert guest.session.drains == 1
    fill(guest, HIGH + 100)
    guest.wire.let_through()
    assert guest.session.drains == 1
    assert guest.connection.offer(text(500))


@pytest.mark.rule("G8.2")
def test_a_state_is_taken_whatever_its_size_and_what_waits_before_it_counts_no_more() -> None:
    """Behind it as much may wait as behind nothing."""
    _, guest = stuck()
    offers(guest, 500)
    before = len(guest.wire.buffer)
    guest.connection.send_state(text(10 * BOUND))
    assert len(guest.wire.buffer) == before + 10 * BOUND
    assert offers(guest, 500) == BOUND // 500 + 1
    assert len(guest.wire.buffer) <= before + 11 * BOUND + 500


@pytest.mark.rule("G8.3", "G8.5")
def test_answers_are_taken_always_and_reading_stops_past_twice_the_bound() -> None:
    """Not before; and nothing that arrives meanwhile is lost."""
    _, guest = stuck()
    fill(guest, 2 * BOUND)
    assert guest.wire.is_reading()
    fill(guest, 100)
    assert not guest.wire.is_reading()
    assert len(guest.wire.buffer) == 2 * BOUND + 100
    assert (guest.session.congested, guest.session.reliefs) == (True, 0)
    guest.wire.arrive(guest.bytes_of("one", "two"))
    assert guest.session.texts == []
    guest.wire.let_through()
    guest.wire.arrive(b"")
    assert guest.is_lost is False
    assert guest.session.texts == [b"one", b"two"]
    assert guest.session.reliefs == 1
    guest.send("three")
    assert guest.session.texts[-1] == b"three"


@pytest.mark.rule("G8.5")
def test_what_was_read_already_waits_too_when_reading_stops() -> None:
    """The rest of a long piece is parsed after the drain, in its order."""
    porch, guest = stuck()
    texts = [b"%03d" % n + b"x" * 400 for n in range(40)]

    def respond(said: bytes) -> None:
        guest.connection.send(text(2000))

    guest.session.on_text = respond
    guest.wire.arrive(guest.bytes_of(*texts))
    handled = len(guest.session.texts)
    assert 0 < handled < len(texts)
    assert len(guest.wire.buffer) <= 2 * BOUND + (SLICE_BYTES // 400 + 1) * 2000
    for _ in range(10):
        guest.wire.let_through()
        porch.clock.advance(0)
    assert guest.session.texts == texts


@pytest.mark.rule("G8.5")
def test_pongs_count_for_what_waits_like_any_answer() -> None:
    """A client that pings and never reads has the server read nothing more from it, too."""
    porch, guest = stuck(slow_reader_s=3600)
    ping = guest.bytes_of(Frame(Opcode.PING, b"p" * 125))
    for _ in range(20 * BOUND // 127):
        guest.wire.arrive(ping)
        porch.clock.advance(1 / 60)
    assert guest.wire.peak_bytes <= 3 * BOUND


@pytest.mark.rule("G8.1")
def test_pauses_that_refuse_nobody_tell_nobody() -> None:
    """Writing may be paused and go on without the session knowing."""
    _, guest = stuck()
    fill(guest, HIGH + 1000)
    guest.wire.let_through()
    assert guest.session.drains == 0


# -- how long a reader may be slow


@pytest.mark.rule("G8.6")
def test_a_reader_that_stays_over_the_bound_is_closed_with_1013() -> None:
    """After `slow_reader_s`, though it answers pings; the player stays for the grace."""
    porch, guest = stuck(slow_reader_s=15)
    offers(guest, 500)
    porch.clock.advance(14.9)
    guest.wire.arrive(guest.bytes_of(Frame(Opcode.PONG, b"")))
    assert (guest.session.losses, guest.connection.is_open()) == (0, True)
    porch.clock.advance(0.2)
    assert (guest.session.losses > 0, guest.connection.is_open()) == (True, False)
    guest.wire.let_through()
    assert guest.close_code == 1013


@pytest.mark.rule("G8.6")
def test_answers_alone_may_make_a_reader_too_slow() -> None:
    """They are taken past the bound, but not for ever."""
    porch, guest = stuck(slow_reader_s=15)
    fill(guest, BOUND)
    porch.clock.advance(60)
    assert guest.connection.is_open()
    fill(guest, 100)
    porch.clock.advance(15)
    assert not guest.connection.is_open()


@pytest.mark.rule("G8.6")
def test_a_reader_that_drains_in_time_begins_anew() -> None:
    """Any number of times."""
    porch, guest = stuck(slow_reader_s=15)
    for _ in range(4):
        offers(guest, 500)
        porch.clock.advance(14)
        guest.wire.let_through()
        porch.clock.advance(0.5)
    assert guest.connection.is_open()
    offers(guest, 500)
    porch.clock.advance(15)
    assert not guest.connection.is_open()


@pytest.mark.rule("G8.6")
def test_a_whole_state_does_not_count_as_being_slow() -> None:
    """However long it takes; what grows behind it does."""
    porch, guest = stuck(slow_reader_s=15)
    guest.connection.send_state(text(2 * BOUND))
    porch.clock.advance(600)
    assert guest.connection.is_open()
    offers(guest, 500)
    porch.clock.advance(14)
    guest.connection.send_state(text(BOUND))
    porch.clock.advance(14)
    assert guest.connection.is_open()
    offers(guest, 500)
    porch.clock.advance(31)
    assert not guest.connection.is_open()


@pytest.mark.rule("G8.6")
def test_the_end_of_a_slow_reader_that_reads_nothing_is_a_cut() -> None:
    """The close frame waits behind all the rest, but not for ever."""
    porch, guest = stuck(slow_reader_s=15, close_timeout_s=5)
    offers(guest, 500)
    porch.clock.advance(15)
    porch.clock.advance(5)
    assert (guest.wire.ended(), guest.wire.was_aborted) == (True, True)
    assert porch.door.guests == {}


# -- reading that the session stops


@pytest.mark.rule("C2.2")
def test_a_held_connection_reads_nothing_until_it_is_released() -> None:
    """What arrives meanwhile, and what was there already, comes then, whole and in order."""
    porch, guest = stuck()
    texts = [b"%04d" % n + b"x" * 96 for n in range(200)]
    raw = guest.bytes_of(*texts)
    at = 20 * 106 + 50

    def hold(said: bytes) -> None:
        if said == texts[10]:
            guest.connection.hold()

    guest.session.on_text = hold
    guest.wire.arrive(raw[:at] + raw[at : at + SLICE_BYTES])
    handled = len(guest.session.texts)
    assert 10 < handled <= SLICE_BYTES // 106 + 1
    assert not guest.wire.is_reading()
    guest.wire.arrive(raw[at + SLICE_BYTES :])
    assert len(guest.session.texts) == handled
    guest.connection.release()
    porch.clock.advance(0)
    assert guest.session.texts == texts
    assert guest.wire.is_reading()


@pytest.mark.rule("C2.2", "C1.13")
def test_what_comes_while_held_is_kept() -> None:
    """TLS hands on what it has decrypted already, also after reading was stopped."""
    porch, guest = stuck()
    texts = [b"%04d" % n + b"x" * 96 for n in range(100)]
    raw = guest.bytes_of(*texts)
    guest.session.on_text = lambda said: guest.connection.hold() if said == texts[0] else None
    first = len(raw) // 100
    for at in range(0, len(raw), first):
        guest.connection.data_received(raw[at : at + first])
    assert guest.session.texts == texts[:1]
    guest.connection.release()
    porch.clock.advance(0)
    assert guest.session.texts == texts


@pytest.mark.rule("C2.2")
def test_a_connection_held_again_while_it_catches_up_stops_again() -> None:
    """In the middle of what was read before."""
    porch, guest = stuck()
    texts = [b"%04d" % n + b"x" * 96 for n in range(400)]
    guest.session.on_text = lambda said: guest.connection.hold()
    guest.wire.arrive(guest.bytes_of(*texts))
    rounds = 0
    while len(guest.session.texts) < len(texts):
        before = len(guest.session.texts)
        guest.connection.release()
        porch.clock.advance(0)
        rounds += 1
        assert before < len(guest.session.texts) <= before + SLICE_BYTES // 106 + 1
    assert rounds >= 9
    assert guest.session.texts == texts


@pytest.mark.rule("C2.2", "G8.5")
def test_reading_goes_on_only_when_both_reasons_to_stop_are_gone() -> None:
    """In whichever order they go."""
    for first_released in (True, False):
        porch, guest = stuck()
        guest.connection.hold()
        fill(guest, 2 * BOUND + 100)
        guest.wire.arrive(guest.bytes_of("text"))
        if first_released:
            guest.connection.release()
        else:
            guest.wire.let_through()
        porch.clock.advance(0)
        assert (guest.wire.is_reading(), guest.session.texts) == (False, [])
        guest.wire.let_through()
        guest.connection.release()
        porch.clock.advance(0)
        assert guest.session.texts == [b"text"]


@pytest.mark.rule("C2.2")
def test_holding_and_releasing_twice_is_as_good_as_once() -> None:
    """They are not counted."""
    porch, guest = stuck()
    guest.connection.release()
    guest.connection.hold()
    guest.connection.hold()
    guest.connection.release()
    guest.connection.release()
    porch.clock.advance(0)
    guest.send("text")
    assert guest.session.texts == [b"text"]


@pytest.mark.rule("G8.1", "C4.9")
def test_a_client_that_sends_much_at_once_lets_others_have_their_turn() -> None:
    """So much is parsed, then the loop goes round; nothing is lost or out of order."""
    porch, guest = stuck(heartbeat_timeout_s=1)
    texts = [b"%04d" % n + b"x" * 96 for n in range(2000)]
    turns: list[int] = []

    def count() -> None:
        turns.append(len(guest.session.texts))
        if len(guest.session.texts) < len(texts):
            porch.clock.call_later(0, count)

    porch.clock.call_later(0, count)
    guest.wire.arrive(guest.bytes_of(*texts))
    assert 0 < len(guest.session.texts) <= (BREATH_BYTES + SLICE_BYTES) // 106 + 1
    porch.clock.advance(0)
    steps = [after - before for before, after in pairwise([0, *turns])]
    assert max(steps) <= (BREATH_BYTES + SLICE_BYTES) // 106 + 1
    assert guest.session.texts == texts
    guest.send("next")
    assert guest.session.texts[-1] == b"next"


@pytest.mark.rule("C2.4")
def test_a_frame_that_is_cut_by_a_hold_is_completed_after_it() -> None:
    """Its first part is in the parser, its middle waits, its end is yet to come."""
    porch, guest = stuck()
    raw = guest.bytes_of(b"a" * 10, b"b" * 1000, b"c")
    guest.session.on_text = lambda said: guest.connection.hold() if said[:1] == b"a" else None
    guest.wire.arrive(raw[:300])
    guest.wire.arrive(raw[300:700])
    guest.connection.release()
    guest.wire.arrive(raw[700:])
    porch.clock.advance(0)
    assert guest.session.texts == [b"a" * 10, b"b" * 1000, b"c"]


@pytest.mark.rule("C2.2")
def test_what_comes_although_reading_was_stopped_is_kept() -> None:
    """A transport may have read already what it hands over after it was told to pause."""
    porch, guest = stuck()
    texts = [b"%04d" % n + b"x" * 96 for n in range(100)]
    raw = guest.bytes_of(*texts)
    guest.session.on_text = lambda said: guest.connection.hold() if said == texts[0] else None
    guest.wire.arrive(raw[:6000])
    assert not guest.wire.is_reading()
    guest.connection.data_received(raw[6000:])
    assert len(guest.session.texts) < 60
    guest.connection.release()
    porch.clock.advance(0)
    assert guest.session.texts == texts


@pytest.mark.rule("C2.2")
def test_a_client_at_full_speed_leaves_the_others_their_turn() -> None:
    """Of what came at once only a little is taken in one turn of the loop, and all in the end."""
    porch = Porch()
    guest = porch.guest()
    texts = [b"%04d" % n + b"x" * 96 for n in range(1000)]
    guest.wire.arrive(guest.bytes_of(*texts))
    assert 0 < len(guest.session.texts) <= 120
    assert not guest.wire.is_reading()
    for _ in range(20):
        porch.clock.advance(0)
    assert guest.session.texts == texts
    assert guest.wire.is_reading()
