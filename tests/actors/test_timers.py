"""What a room waits for: ends of graces and ticks, with one timer each at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ids import RoomId, SocketId
from actors.recovery import Grace
from actors.timers import LATENESS, Graces, Rounds, Ticker
from tests.actors.fakes import FakeClock, FakeEncoder, FakeOutlet, FakeRoster

GRACE_S = 30.0
TICK_S = 0.05


def outlet(name: str) -> FakeOutlet:
    """Somebody's way to the room."""
    return FakeOutlet(name, FakeEncoder(), FakeRoster(), RoomId("room"))


class Waiting:
    """Graces whose ends are taken when their timer says so."""

    def __init__(self, *graces: Grace) -> None:
        self.clock = FakeClock()
        self.ended: list[tuple[float, str]] = []
        self.graces = Graces(self.clock, GRACE_S, self.take, graces)

    def take(self) -> None:
        now_s = self.clock.monotonic_s()
        while (grace := self.graces.take_ended(now_s)) is not None:
            self.ended.append((now_s, grace.socket_id))

    def until(self, now_s: float) -> None:
        while self.clock.step(now_s):
            assert len(self.clock.waiting()) <= 1

    def lose(self, name: str) -> None:
        self.graces.begin(SocketId(name), outlet(name), self.clock.monotonic_s())


# -- graces


@pytest.mark.rule("G6.13")
def test_a_grace_ends_when_it_is_over_and_not_before() -> None:
    """Not a moment early, and once."""
    waiting = Waiting()
    waiting.lose("A")
    waiting.until(GRACE_S - 0.001)
    assert waiting.ended == []
    waiting.until(GRACE_S * 3)
    assert waiting.ended == [(GRACE_S, "A")]
    assert waiting.clock.waiting() == []


def test_graces_end_in_the_order_they_began_each_at_its_time() -> None:
    """With one timer for all, which is that of the oldest."""
    waiting = Waiting()
    for at_s, name in [(0, "A"), (1, "B"), (1, "C"), (20, "D")]:
        waiting.until(at_s)
        waiting.lose(name)
        assert waiting.clock.waiting() == [GRACE_S]
    waiting.until(100)
    assert waiting.ended == [(30, "A"), (31, "B"), (31, "C"), (50, "D")]


@given(st.lists(st.integers(0, 40), max_size=20))
def test_every_loss_ends_exactly_its_grace_later(gaps_s: list[int]) -> None:
    """Whatever the gaps between losses, also when a timer is late."""
    waiting = Waiting()
    expected = []
    for number, gap_s in enumerate(gaps_s):
        waiting.until(waiting.clock.monotonic_s() + gap_s)
        waiting.lose(str(number))
        expected.append((waiting.clock.monotonic_s() + GRACE_S, str(number)))
    waiting.until(10_000)
    assert waiting.ended == expected


@pytest.mark.rule("G9.1")
def test_a_successor_goes_on_waiting_for_what_its_predecessor_waited_for() -> None:
    """With the deadlines that were, also those that are over already."""
    first = Waiting()
    first.lose("A")
    first.until(5)
    first.lose("B")
    left = first.graces.all()
    assert [(grace.socket_id, grace.deadline_s) for grace in left] == [("A", 30), ("B", 35)]
    first.graces.stop()
    assert first.clock.waiting() == []
    second = Waiting(*left)
    second.until(100)
    assert second.ended == [(30, "A"), (35, "B")]
    late = FakeClock()
    late.step(33)
    over = Graces(late, GRACE_S, lambda: None, left)
    assert late.waiting() == [33]
    ended = over.take_ended(33)
    assert ended is not None
    assert ended.socket_id == "A"
    assert over.take_ended(33) is None


def test_stopped_graces_say_nothing_more() -> None:
    """A room that ended or failed leaves no timer behind."""
    waiting = Waiting()
    waiting.graces.stop()
    waiting.lose("A")
    waiting.graces.stop()
    waiting.graces.stop()
    waiting.until(100)
    assert waiting.ended == []


# -- ticks


class Ticking:
    """A ticker whose room has a turn whenever something happens."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ticker = Ticker(self.clock, TICK_S, self.tick)
        self.sent: list[tuple[float, list[str]]] = []

    def tick(self) -> None:
        self.ticker.ticked()
        self.turn()

    def turn(self) -> None:
        moved = self.ticker.take_due()
        if moved:
            self.sent.append((round(self.clock.monotonic_s(), 6), list(moved)))
        assert len(self.clock.waiting()) <= 1
        assert self.ticker.is_waiting is bool(self.clock.waiting())

    def move(self, at_s: float, *names: str) -> None:
        while self.clock.step(at_s):
            pass
        for name in names:
            self.ticker.note(SocketId(name))
        self.turn()


@pytest.mark.rule("G7.2")
def test_the_first_move_after_a_quiet_moment_is_sent_at_once() -> None:
    """Those right after it wait for the tick, and are then sent together, each player once."""
    ticking = Ticking()
    ticking.move(1.0, "A")
    ticking.move(1.01, "A", "B")
    ticking.move(1.02, "A")
    ticking.move(1.03, "C")
    ticking.move(2.0)
    assert ticking.sent == [(1.0, ["A"]), (1.05, ["A", "B", "C"])]


@pytest.mark.rule("G7.2")
def test_moves_are_sent_once_a_tick_however_many_there_are() -> None:
    """Twenty a second at 50 ms."""
    ticking = Ticking()
    for millisecond in range(1_000):
        ticking.move(millisecond / 1000, "A")
    ticking.move(5.0)
    times = [at_s for at_s, _ in ticking.sent]
    assert times == pytest.approx([number * TICK_S for number in range(21)])


@pytest.mark.rule("G7.2")
def test_ticks_that_come_late_by_the_loop_do_not_put_off_the_next() -> None:
    """On a loop that looks at the clock every 1.7 ms there are 20 a second all the same."""
    ticking = Ticking()
    looks = 6000
    for look in range(looks):
        ticking.clock.jump(look * 0.0017)
        ticking.ticker.note(SocketId("A"))
        ticking.turn()
    assert len(ticking.sent) == pytest.approx(looks * 0.0017 / TICK_S, abs=1.5)


@pytest.mark.rule("G7.2")
@given(st.lists(st.floats(0, 0.2), max_size=60))
def test_moves_are_told_no_closer_than_a_tick_less_its_lateness(gaps_s: list[float]) -> None:
    """And no more of them in any time than there are ticks in it, and one."""
    ticking = Ticking()
    now_s = 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        ticking.clock.jump(now_s)
        ticking.ticker.note(SocketId("A"))
        ticking.turn()
    times = [at_s for at_s, _ in ticking.sent]
    for first, at_s in enumerate(times):
        for ahead, later_s in enumerate(times[first + 1 :], 1):
            assert later_s - at_s >= (ahead - LATENESS) * TICK_S - 1e-5


@pytest.mark.rule("G7.1")
@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from("ABC")), max_size=40))
def test_nobody_who_moved_is_forgotten(moves: list[tuple[int, str]]) -> None:
    """After the last move of a player there is one more sending with that player in it."""
    ticking = Ticking()
    now_s = 0.0
    last: dict[str, float] = {}
    for gap_ms, name in moves:
        now_s += gap_ms / 1000
        ticking.move(now_s, name)
        last[name] = round(now_s, 6)
    ticking.move(now_s + 10)
    for name, moved_s in last.items():
        newest = max(at_s for at_s, names in ticking.sent if name in names)
        assert moved_s <= newest <= moved_s + TICK_S + 1e-6


def test_nothing_is_sent_and_no_timer_runs_where_nobody_moves() -> None:
    """An idle room costs nothing."""
    ticking = Ticking()
    ticking.turn()
    ticking.move(1.0, "A")
    ticking.move(10.0)
    assert ticking.sent == [(1.0, ["A"])]
    assert ticking.clock.waiting() == []


def test_a_stopped_ticker_ticks_no_more() -> None:
    """A room that ended or failed leaves no timer behind."""
    ticking = Ticking()
    ticking.move(1.0, "A")
    ticking.move(1.01, "B")
    assert ticking.clock.waiting() != []
    ticking.ticker.stop()
    ticking.ticker.stop()
    assert ticking.clock.waiting() == []
    assert not ticking.ticker.is_waiting


# -- rounds


@pytest.mark.rule("G7.10")
def test_a_round_waits_for_its_time_with_one_timer_and_needs_none_after_it() -> None:
    """However often something waits for it; the first one is due at once."""
    clock, fired = FakeClock(), []
    rounds = Rounds(clock, 1.0, lambda: fired.append(clock.monotonic_s()))
    assert rounds.is_due(0.0)
    rounds.begin(0.0)
    assert not rounds.is_due(0.999)
    assert clock.waiting() == []
    rounds.wait(0.05, 0.0)
    clock.jump(0.05)
    rounds.wait(0.1, 0.05)
    assert clock.waiting() == [1.0]
    clock.jump(0.5)
    rounds.begin(0.5)  # it came with a tick
    assert clock.waiting() == []
    rounds.wait(2.0, 0.5)
    assert clock.waiting() == [2.0], "not before the tick allows it"
    clock.jump(3.0)
    rounds.ticked()
    assert (fired, rounds.is_woken, clock.waiting()) == ([2.0], True, [])


def test_stopped_rounds_wake_nobody() -> None:
    """A room that ended or failed leaves no timer behind; a late call of one changes nothing."""
    clock = FakeClock()
    rounds = Rounds(clock, 1.0, lambda: None)
    rounds.begin(0.0)
    rounds.wait(0.0, 0.0)
    rounds.stop()
    rounds.stop()
    assert clock.waiting() == []
    rounds.wait(0.0, 0.0)
    rounds.ticked()  # a message of the room before
    assert clock.waiting() == []
