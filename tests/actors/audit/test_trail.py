"""What waits for the audit, and what becomes of it when the disk is slow, full or gone."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actors.audit.book import AuditFault
from actors.audit.chain import Link
from actors.audit.port import AuditLog, Entry, Gap, Item, Told
from actors.audit.refusals import KINDS_MAX, WINDOW_S, Refusals
from actors.audit.trail import ANCHOR_S, BATCH_MAX, AuditTrail
from actors.ids import RoomId, SocketId
from actors.settings import Settings
from tests.actors.audit.stage import ROOM, fact
from tests.actors.fake_operator import FakeLog
from tests.actors.fakes import FakeClock

LINK = Link(7, b"m" * 32)


class FakeWriter:
    """A disk that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: deque[tuple[Sequence[Item], Callable[[Any], object]]] = deque()
        self.written: list[Item] = []
        self.forgotten: list[str] = []

    def write(
        self, items: Sequence[Item], now_ms: int, deliver: Callable[[Link | AuditFault], object]
    ) -> None:
        assert items
        assert not self.asked, "one batch at a time"
        self.asked.append((items, deliver))

    def forget(
        self, user_id: str, now_ms: int, deliver: Callable[[bool | AuditFault], object]
    ) -> None:
        self.forgotten.append(user_id)
        deliver(True)

    def done(self) -> None:
        items, deliver = self.asked.popleft()
        self.written += items
        deliver(LINK)

    def fail(self) -> None:
        _, deliver = self.asked.popleft()
        deliver(AuditFault("the disk is full"))


class Desk:
    """A trail in front of such a disk."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.log = FakeLog()
        self.count: Counter[str] = Counter()
        self.writer = FakeWriter()
        self.trail = AuditTrail(self.writer, self.clock, Settings(**settings), self.log, self)

    def audit_entries(self, outcome: str, count: int) -> None:
        self.count[outcome] += count

    def note(self, *events: str) -> None:
        port: AuditLog = self.trail
        for event in events:
            port.note(event)

    def pass_s(self, seconds: float) -> None:
        self.clock.jump(self.clock.monotonic_s() + seconds)

    def events(self) -> list[str]:
        return [item.entry().event if not isinstance(item, Entry) else item.event
                for item in self.writer.written]  # fmt: skip


@pytest.mark.rule("T4.7")
def test_entries_are_written_together_a_little_later() -> None:
    """One batch at a time; what comes meanwhile is the next one."""
    desk = Desk(audit_flush_ms=100)
    desk.note("a", "b")
    desk.pass_s(0.09)
    assert not desk.writer.asked
    desk.pass_s(0.02)
    desk.note("c")
    desk.pass_s(5)
    desk.writer.done()
    assert desk.events() == ["a", "b"]
    desk.pass_s(0.2)
    desk.writer.done()
    assert desk.events() == ["a", "b", "c"]
    assert desk.trail.waiting == 0
    assert desk.count == {"written": 3}
    assert desk.clock.waiting() == []


@pytest.mark.rule("T4.7")
def test_a_batch_that_fails_comes_again_until_it_is_written() -> None:
    """The operator hears of it once, and when it is over."""
    desk = Desk()
    desk.note("a", "b")
    for _ in range(3):
        desk.pass_s(1.1)
        desk.writer.fail()
        assert desk.trail.trouble == "the disk is full"
        desk.note("c")
    desk.pass_s(1.1)
    desk.writer.done()
    desk.pass_s(0.3)
    desk.writer.done()
    assert desk.events() == ["a", "b", "c", "c", "c"]
    assert desk.trail.trouble is None
    assert [line.event for line in desk.log.lines if line.event != "audit_anchored"] == [
        "audit_failed",
        "audit_recovered",
    ]


@pytest.mark.rule("T4.7")
def test_beyond_the_bound_entries_are_counted_and_the_gap_is_an_entry() -> None:
    """It stands where they would have stood, with their number and times."""
    desk = Desk(audit_waiting_max=3)
    desk.note("a", "b", "c")
    desk.pass_s(1)
    desk.note("d")
    desk.pass_s(1)
    desk.note("e", "f")
    assert desk.trail.waiting == 4
    desk.writer.done()
    desk.note("g")
    desk.pass_s(1)
    desk.writer.done()
    desk.note("h")
    desk.pass_s(1)
    desk.writer.done()
    assert desk.events() == ["a", "b", "c", "audit_gap", "g", "h"]
    gap = desk.writer.written[3]
    assert isinstance(gap, Gap)
    assert (gap.count, gap.from_ms, gap.until_ms) == (3, 1_001_000, 1_002_000)
    assert desk.count == {"written": 6, "dropped": 3}
    (line,) = desk.log.of("audit_entries_dropped")
    assert line.level == "warn"


@pytest.mark.rule("T4.7")
def test_each_gap_stands_where_it_was() -> None:
    """Two of them do not become one: neither where something fitted in between, nor where the
    first is under way to the disk.
    """
    desk = Desk(audit_waiting_max=2)
    desk.note("a", "b")
    desk.pass_s(1)
    desk.note("lost")
    desk.writer.done()
    desk.note("c", "lost", "lost")
    desk.pass_s(1)
    desk.note("lost")
    desk.trail.drain(lambda: None)
    while desk.writer.asked:
        desk.writer.done()
    assert desk.events() == ["a", "b", "audit_gap", "c", "audit_gap", "audit_gap"]
    gaps = [item.count for item in desk.writer.written if isinstance(item, Gap)]
    assert gaps == [1, 2, 1]
    assert desk.trail.waiting == 0


def test_a_batch_has_a_bound_and_the_next_follows_at_once() -> None:
    """So that no piece of work on the thread is long."""
    desk = Desk()
    desk.note(*["x"] * (2 * BATCH_MAX + 1))
    desk.pass_s(1)
    desk.writer.done()
    desk.writer.done()
    assert not desk.writer.asked
    desk.pass_s(1)
    desk.writer.done()
    assert len(desk.writer.written) == 2 * BATCH_MAX + 1


def test_a_full_batch_does_not_wait_for_the_time() -> None:
    """Unless one that failed waits to be written again: that is first."""
    desk = Desk()
    desk.note(*["x"] * BATCH_MAX)
    desk.pass_s(0)
    desk.writer.done()
    assert len(desk.writer.written) == BATCH_MAX
    assert desk.clock.waiting() == []
    desk.note("y")
    desk.pass_s(1)
    desk.writer.fail()
    desk.note(*["z"] * BATCH_MAX)
    assert not desk.writer.asked
    desk.pass_s(1.1)
    desk.writer.done()
    desk.writer.done()
    assert desk.events()[BATCH_MAX:] == ["y", *["z"] * BATCH_MAX]


def test_a_full_batch_goes_after_the_turn_that_filled_it() -> None:
    """Which is to know nothing of a writer that has ended meanwhile, and raises."""
    desk = Desk()
    desk.note(*["x"] * BATCH_MAX)
    assert not desk.writer.asked
    desk.pass_s(0)
    assert len(desk.writer.asked) == 1


def test_a_gap_that_fills_a_batch_is_written_with_its_count() -> None:
    """What is handed over grows no more."""
    desk = Desk(audit_waiting_max=BATCH_MAX - 1)
    desk.note(*["x"] * BATCH_MAX)
    desk.pass_s(0)
    desk.writer.done()
    gap = desk.writer.written[-1]
    assert isinstance(gap, Gap)
    assert gap.count == 1
    desk.note("y")
    desk.pass_s(1)
    desk.writer.done()
    assert desk.events()[-2:] == ["audit_gap", "y"]


def test_a_drain_writes_all_at_once_and_says_when() -> None:
    """Also what was counted and would have come later, also after a failure."""
    desk = Desk()
    idle: list[str] = []
    desk.trail.drain(lambda: idle.append("nothing"))
    assert idle == ["nothing"]
    for _ in range(3):
        desk.trail.refused("forbidden", ROOM, SocketId("AAAA"), "ann")
    desk.trail.drain(lambda: idle.append("all"))
    desk.trail.drain(lambda: idle.append("too"))
    desk.writer.fail()
    desk.pass_s(2)
    assert idle == ["nothing"]
    desk.writer.done()
    assert idle == ["nothing", "all", "too"]
    assert desk.events() == ["request_refused", "request_refused"]


@pytest.mark.rule("T4.6")
def test_a_person_is_forgotten_behind_all_that_waits() -> None:
    """Else what was noted before would be sealed with a new key after."""
    desk = Desk()
    desk.note("a")
    forgotten: list[object] = []
    desk.trail.forget("ann", forgotten.append)
    assert desk.writer.forgotten == []
    desk.writer.done()
    assert desk.writer.forgotten == ["ann"]
    assert forgotten == [True]


@pytest.mark.rule("T4.12", "T4.14")
def test_what_is_kept_elsewhere_is_written_however_much_waits() -> None:
    """It is not counted in place of being written, and nobody is told before it is on the disk."""
    desk = Desk(audit_waiting_max=1)
    desk.note("a", "b", "c")
    done: list[str] = []
    desk.trail.keep([Entry(1, "kept"), Entry(1, "too")], lambda: done.append("kept"))
    desk.writer.fail()
    desk.pass_s(10)
    assert done == []
    while desk.writer.asked:
        desk.writer.done()
    assert done == ["kept"]
    assert desk.events() == ["a", "audit_gap", "kept", "too"]


@pytest.mark.rule("T4.6")
def test_a_drain_waits_for_nothing_that_comes_after_it() -> None:
    """However much does."""
    desk = Desk()
    desk.note("a", "b")
    done: list[str] = []
    desk.trail.drain(lambda: done.append("a b"))
    desk.note("c")
    desk.writer.done()
    assert done == ["a b"]
    assert desk.trail.waiting == 1
    desk.trail.drain(lambda: done.append("c"))
    desk.writer.done()
    assert done == ["a b", "c"]
    assert desk.trail.waiting == 0


@pytest.mark.rule("T4.7")
def test_a_write_that_takes_long_is_told_and_so_is_its_end() -> None:
    """After `store_stall_s`; nothing is written twice for that."""
    desk = Desk(store_stall_s=1)
    desk.note("a")
    desk.pass_s(3)
    assert desk.trail.trouble == "a write takes longer than 1 s"
    desk.writer.done()
    desk.note("b")
    desk.pass_s(0.5)
    desk.writer.done()
    assert not desk.trail.trouble
    assert desk.events() == ["a", "b"]
    told = [line.event for line in desk.log.lines if line.event != "audit_anchored"]
    assert told == ["audit_stalled", "audit_recovered"]
    assert desk.clock.waiting() == []


@pytest.mark.rule("T4.3")
def test_the_log_is_told_where_the_chain_ends() -> None:
    """With the first batch and then once an hour, as `audit verify --contains` takes it."""
    desk = Desk()
    for _ in range(3):
        desk.note("a")
        desk.pass_s(ANCHOR_S / 2 + 1)
        desk.writer.done()
    lines = desk.log.of("audit_anchored")
    assert [line.details for line in lines] == [{"record": f"7:{LINK.mac.hex()}"}] * 2


@pytest.mark.rule("T4.1")
def test_facts_of_rooms_are_entries_but_for_those_that_are_no_access() -> None:
    """With epoch and version, and the person for whoever has the key."""
    desk = Desk()
    port: AuditLog = desk.trail
    port.told(RoomId("lobby"), 9, [fact(), fact("player_readied"), fact("player_left", reason="x")])
    desk.pass_s(1)
    desk.writer.done()
    (joined, left) = desk.writer.written
    assert isinstance(joined, Told)
    assert isinstance(left, Told)
    assert joined.entry() == Entry(
        1_000_000, "player_joined", "lobby", "AAAA", "ann", {}, {"epoch": 9, "version": 3}
    )
    assert left.entry().details == {"epoch": 9, "version": 3, "reason": "x"}


# -- refusals


@pytest.mark.rule("T4.9")
def test_the_first_refusal_is_an_entry_at_once_and_the_rest_one_more() -> None:
    """For each session and code; then it begins anew."""
    desk = Desk()
    for code in ("resumeExpired", "badMessage", "rateLimited", "notInRoom"):
        for _ in range(100):
            desk.trail.refused(code, ROOM, SocketId("AAAA"), None)
    desk.trail.refused("roomFull", ROOM, SocketId("BBBB"), "bob")
    desk.pass_s(1)
    desk.writer.done()
    codes = [item.details["code"] for item in desk.writer.written if isinstance(item, Entry)]
    assert codes == ["resumeExpired", "rateLimited", "roomFull"]
    desk.pass_s(WINDOW_S)
    desk.writer.done()
    rest = [item.details for item in desk.writer.written[3:] if isinstance(item, Entry)]
    assert rest == [
        {"code": "resumeExpired", "more": 99, "fromMs": 1_000_000},
        {"code": "rateLimited", "more": 99, "fromMs": 1_000_000},
    ]
    desk.trail.refused("rateLimited", ROOM, SocketId("AAAA"), None)
    desk.pass_s(1)
    desk.writer.done()
    assert len(desk.writer.written) == 6


@pytest.mark.rule("T4.9")
def test_refusals_under_ever_new_names_are_counted_together() -> None:
    """None is lost, and memory has a bound."""
    refusals = Refusals()
    entries = [
        refusals.note(number, "forbidden", "lobby", f"S{number}", None)
        for number in range(3 * KINDS_MAX)
    ]
    at_once = [entry for entry in entries if entry is not None]
    assert len(at_once) == KINDS_MAX + 1
    (others,) = refusals.close()
    assert others.socket_id is None
    assert others.room_id is None
    assert len(at_once) + int(str(others.details["more"])) == 3 * KINDS_MAX
    assert refusals.close() == []
