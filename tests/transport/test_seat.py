"""A place in a room: what passes through it while it lives, and what does when it is dead."""

from typing import Any, cast

import pytest

from actors.answers import Answer, Done
from actors.ids import RoomId, SocketId, UserId
from actors.permissions import ANONYMOUS_GRANTS
from actors.ports import Eviction, Outlet, StateReason
from actors.privacy import Privacy
from actors.runtime import Mailbox
from tests.transport.simulated import SimulatedClock
from tests.transport.stage import Letterbox, WrittenLink
from transport.encoding import frame
from transport.seat import Seat
from transport.sequences import SequenceMemory

EVENT = frame(b'{"type":"playerReady"}')


class Sitting:
    """A session that writes down what its seat tells it, or fails of it."""

    def __init__(self) -> None:
        self.heard = False
        self.told: list[Any] = []
        self.fault: Exception | None = None

    def on_answer(self, seat: Seat, answer: Answer) -> None:
        self._tell(answer)

    def on_state(self, seat: Seat, state: bytes, reason: StateReason) -> None:
        self._tell((state, reason))

    def on_evicted(self, seat: Seat, reason: Eviction, detail: str) -> None:
        self._tell((reason, detail))

    def on_fault(self, error: Exception) -> None:
        self.told.append(error)

    def late_move(self, seat: Seat) -> tuple[float, float] | None:
        del seat
        return None

    def supersede(self, seat: Seat) -> SequenceMemory:
        return SequenceMemory()

    def _tell(self, what: object) -> None:
        if self.fault is not None:
            raise self.fault
        self.told.append(what)


def seated() -> tuple[Seat, Sitting, WrittenLink]:
    """A seat in the lobby, and what is on both sides of it."""
    sitting, link = Sitting(), WrittenLink(SimulatedClock())
    seat = Seat(
        sitting,
        link,
        RoomId("lobby"),
        cast(Mailbox, Letterbox()),
        SocketId("AAAA"),
        "ann",
        UserId("anon-abc"),
        Privacy(hide_user_id=True),
        ANONYMOUS_GRANTS.elsewhere,
    )
    return seat, sitting, link


def test_a_seat_is_an_outlet_whose_frames_go_straight_to_the_link() -> None:
    """The session is not asked for each of them."""
    seat, sitting, link = seated()
    outlet: Outlet = seat
    assert outlet.alive
    assert outlet.offer(EVENT)
    assert outlet.offer_moves(EVENT)
    assert (link.sent, sitting.told) == (EVENT * 2, [])
    link.takes_events = link.takes_moves = False
    assert (outlet.offer(EVENT), outlet.offer_moves(EVENT)) == (False, False)


def test_what_concerns_the_session_is_told_to_it() -> None:
    """Answers, states, evictions; and whether a frame was heard is the session's to say."""
    seat, sitting, _ = seated()
    seat.answer(Done(1))
    seat.send_state(b"state", StateReason.SLOW_CONSUMER)
    seat.evict(Eviction.KICKED, "why")
    assert sitting.told == [
        Done(1),
        (b"state", StateReason.SLOW_CONSUMER),
        (Eviction.KICKED, "why"),
    ]
    heard = [seat.heard]
    sitting.heard = True
    assert [*heard, seat.heard] == [False, True]


@pytest.mark.rule("G5.4", "C4.6")
def test_through_a_dead_seat_nothing_passes_but_answers() -> None:
    """It takes everything, so that no room falls behind; the session judges late answers."""
    seat, sitting, link = seated()
    seat.kill()
    seat.kill()
    assert not seat.alive
    link.takes_events = link.takes_moves = False
    assert seat.offer(EVENT)
    assert seat.offer_moves(EVENT)
    seat.send_state(b"state", StateReason.ROOM_RECOVERED)
    seat.evict(Eviction.CLOSED, "why")
    assert (link.sent, sitting.told) == (b"", [])
    seat.answer(Done(1))
    assert sitting.told == [Done(1)]


@pytest.mark.rule("C4.9")
def test_what_fails_in_a_session_is_its_own_affair() -> None:
    """The room that called goes on; the session is told of its bug."""
    seat, sitting, _ = seated()
    sitting.fault = ValueError("a bug")
    seat.answer(Done(1))
    seat.send_state(b"state", StateReason.ROOM_RECOVERED)
    seat.evict(Eviction.CLOSED, "why")
    assert sitting.told == [sitting.fault] * 3


@pytest.mark.rule("G11.3")
def test_a_seat_shows_nobody_who_sits_in_it() -> None:
    """What a log line may quote of it is the session's name and the room."""
    assert repr(seated()[0]) == "<Seat AAAA in lobby>"
