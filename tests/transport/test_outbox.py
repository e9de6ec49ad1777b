"""The outbox by itself: what it tells its connection, and when."""

from typing import Any

from actors.settings import Settings
from tests.transport.simulated import SimulatedClock
from tests.transport.sockets import Wire
from transport.outbox import Outbox

BOUND = 8192


class Sending:
    """A connection that writes down what its outbox says."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_drained(self) -> None:
        self.told.append("drained")

    def on_overload(self) -> None:
        self.told.append("overload")

    def on_too_slow(self) -> None:
        self.told.append("too slow")


class Marks:
    """The asyncio side of a `Wire`: passes its water marks on."""

    outbox: Outbox

    def connection_made(self, transport: object) -> None:
        """The outbox is made by the test."""

    def pause_writing(self) -> None:
        self.outbox.pause()

    def resume_writing(self) -> None:
        self.outbox.resume()


def stuck(**settings: Any) -> tuple[Outbox, Sending, Wire, SimulatedClock]:
    """An outbox whose network lets nothing through."""
    clock, sending, marks = SimulatedClock(), Sending(), Marks()
    wire = Wire(clock, "192.0.2.1")
    wire.flows = False
    wire.connect(marks)  # type: ignore[arg-type]
    values = {"outbox_bytes_max": BOUND, "message_bytes_max": 1024, **settings}
    marks.outbox = Outbox(wire, Settings(**values), clock, sending)
    return marks.outbox, sending, wire, clock


def test_the_water_marks_are_half_the_bound_and_64_kib_at_most() -> None:
    """A pause must come before the bound, so that it is seen."""
    for bound, high in ((4096, 2048), (BOUND, 4096), (10_000_000, 65_536)):
        outbox, _, wire, _ = stuck(outbox_bytes_max=bound)
        outbox.put(b"x" * high)
        assert outbox.offer_moves(b"y")
        assert not outbox.offer_moves(b"y")
        wire.let_through(high - high // 4)
        assert not outbox.offer_moves(b"y")
        wire.let_through(1)
        assert outbox.offer_moves(b"y")


def test_each_thing_is_told_once() -> None:
    """An overload until it has drained, a drain after a refusal, slowness after its time."""
    outbox, sending, wire, clock = stuck(slow_reader_s=15)
    for _ in range(40):
        outbox.put(b"x" * 1000)
        outbox.offer(b"x" * 1000)
        outbox.offer_moves(b"x" * 1000)
    assert (sending.told, outbox.overloaded) == (["overload"], True)
    clock.advance(15)
    assert sending.told == ["overload", "too slow"]
    wire.let_through()
    assert (sending.told, outbox.overloaded) == (["overload", "too slow", "drained"], False)
    clock.advance(100)
    assert len(sending.told) == 3


def test_slowness_counts_from_the_bound_on_and_only_while_over_it() -> None:
    """A frame that passes the bound begins it; a dip that is seen, or a whole state, ends it."""
    outbox, sending, wire, clock = stuck(slow_reader_s=15)
    outbox.put(b"x" * BOUND)
    outbox.offer(b"x")  # nothing comes after it
    clock.advance(14)
    wire.let_through(2)
    outbox.offer(b"xx")
    clock.advance(14)
    assert sending.told == []
    outbox.put_state(b"x" * 3 * BOUND)
    outbox.offer(b"x" * BOUND)
    clock.advance(14)
    outbox.offer(b"x")
    clock.advance(14.5)
    assert sending.told == ["overload"]
    clock.advance(0.5)
    assert sending.told == ["overload", "too slow"]


def test_answers_to_one_that_had_dipped_below_the_bound_begin_its_time_anew() -> None:
    """Also where nothing was offered in between, since it is behind."""
    outbox, sending, wire, clock = stuck(slow_reader_s=15)
    outbox.offer(b"x" * (BOUND + 1))
    assert not outbox.offer(b"x")
    clock.advance(14)
    wire.let_through(2)
    outbox.put(b"xx")
    clock.advance(14.5)
    assert sending.told == []
    clock.advance(0.5)
    assert sending.told == ["too slow"]


def test_moves_that_pass_the_bound_begin_its_time() -> None:
    """One frame of many, and nothing comes after it."""
    outbox, sending, _, clock = stuck(slow_reader_s=15)
    assert outbox.offer_moves(b"x" * (BOUND + 1))
    clock.advance(15)
    assert sending.told == ["too slow"]


def test_what_is_offered_to_one_that_was_shut_is_swallowed() -> None:
    """Whether it was full or not, and also when it has drained."""
    for size in (1, BOUND + 1):
        outbox, _, wire, _ = stuck()
        outbox.put(b"x" * size)
        outbox.shut()
        assert outbox.offer(b"y")
        assert outbox.offer_moves(b"y")
        wire.let_through()
        assert outbox.offer(b"y")
        assert outbox.offer_moves(b"y")
        assert outbox.written_bytes() == size


def test_what_the_socket_has_taken_is_known() -> None:
    """It grows as the reader gets on, whichever way the bytes were put."""
    outbox, _, wire, _ = stuck()
    outbox.put(b"x" * 10)
    outbox.put_state(b"x" * 20)
    outbox.offer(b"x" * 30)
    outbox.offer_moves(b"x" * 40)
    taken = [outbox.sent_bytes()]
    wire.let_through(35)
    taken.append(outbox.sent_bytes())
    wire.let_through()
    assert [*taken, outbox.sent_bytes()] == [0, 35, 100]
