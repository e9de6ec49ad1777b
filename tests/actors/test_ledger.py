"""The queue in front of the store: what waits, when it is written, what a failure does."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from actors.ids import RoomId, SocketId
from actors.ledger import Forgetful, StoreLedger
from actors.ports import Found
from actors.records import LONG_KEPT, Record, Row, Stamp
from actors.settings import Durability, Settings
from actors.stores.memory import MemoryDisk, MemoryStore
from tests.actors.fake_operator import FakeLog, FakeMetrics
from tests.actors.fakes import FakeClock
from tests.actors.kept_stage import HandStore

A, B = RoomId("a"), RoomId("b")
X, Y = SocketId("X"), SocketId("Y")
ROW: Row = ("u", "u", None, {}, 1, 2, 0.0, 0.0, False, False, 1, 1)


class Desk:
    """A ledger, its store and what it says."""

    def __init__(self, rooms: frozenset[RoomId] | None = None, **settings: Any) -> None:
        self.disk = MemoryDisk()
        self.clock = FakeClock()
        self.store = HandStore(self.disk)
        self.store.at_once = False
        self.log = FakeLog()
        self.metrics = FakeMetrics()
        self.settings = Settings(**settings)
        self.opened = replace(self.store.open(self.clock.now_ms()), rooms=rooms)
        self.ledger = StoreLedger(
            self.store, self.opened, self.clock, self.settings, self.log, self.metrics
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.jump(self.clock.monotonic_s() + seconds)

    def commit(self, record: Record) -> list[bool]:
        """What the one who waits is told, when it is."""
        told: list[bool] = []
        self.ledger.commit(record, told.append)
        return told

    def trouble(self) -> str | None:
        return self.ledger.trouble

    def rows(self, room_id: RoomId) -> set[SocketId]:
        """Whom the disk has in the room."""
        record = MemoryStore(self.disk).load(room_id)
        return set() if record is None else set(record.rows)


def record(room_id: RoomId, version: int, *, whole: bool = False, **rows: Row | None) -> Record:
    """`rows` by socketId; None is gone."""
    return Record(
        room_id, 5, version, 1, 2, whole, {SocketId(key): row for key, row in rows.items()}
    )


def test_what_is_noted_is_written_after_flush_ms_in_one_batch() -> None:
    """Not before, and all rooms together."""
    desk = Desk(flush_ms=50)
    desk.ledger.note(record(A, 1, X=ROW))
    desk.ledger.note(record(B, 1, Y=ROW))
    desk.ledger.note(record(A, 2, Y=ROW))
    desk.pass_time(0.049)
    assert desk.store.waits == []
    desk.pass_time(0.001)
    assert desk.store.waits == ["write"]
    assert [each.room_id for each in desk.store.batches[0].records] == [A, B]
    desk.store.do()
    assert (desk.rows(A), desk.rows(B)) == ({X, Y}, {Y})
    assert desk.metrics.count["store_records"] == 2
    assert desk.ledger.rooms_waiting == 0


def test_one_batch_is_under_way_at_a_time_and_the_next_follows_it() -> None:
    """However much comes meanwhile; that is one record a room."""
    desk = Desk()
    desk.ledger.note(record(A, 1, X=ROW))
    desk.ledger.flush()
    for version in range(2, 100):
        desk.ledger.note(record(A, version, Y=ROW if version % 2 else None))
        desk.ledger.flush()
    desk.pass_time(60)
    assert desk.store.waits.count("write") == 1
    assert desk.ledger.rooms_waiting == 2
    assert desk.ledger.rows_waiting(A) == 1
    desk.store.asked.rotate(-desk.store.waits.index("write"))
    desk.store.do()
    desk.pass_time(0.05)
    assert len(desk.store.batches) == 2
    assert len(desk.store.batches[1].records) == 1


@pytest.mark.rule("P2.1")
def test_a_commit_is_written_at_once_and_told_when_it_is_durable() -> None:
    """And not a moment earlier."""
    desk = Desk()
    told = desk.commit(record(A, 1, X=ROW))
    assert desk.store.waits == ["write"]
    assert told == []
    desk.store.do()
    assert told == [True]
    assert desk.rows(A) == {X}


def test_commits_that_come_while_one_is_under_way_share_the_next_batch() -> None:
    """Group commit by load alone."""
    desk = Desk()
    first = desk.commit(record(A, 1, X=ROW))
    later = [desk.commit(record(RoomId(f"r{n}"), 1, X=ROW)) for n in range(10)]
    desk.store.do()
    assert first == [True]
    assert all(told == [] for told in later)
    assert len(desk.store.batches[1].records) == 10
    desk.store.do()
    assert all(told == [True] for told in later)


def test_a_room_that_was_never_kept_is_found_empty() -> None:
    """Asked of the store, and answered later."""
    desk = Desk()
    found: list[Found] = []
    assert desk.ledger.find(A, found.append) is None
    desk.store.do()
    assert found == [Found(None)]


def test_a_room_that_the_store_cannot_have_is_not_asked_for() -> None:
    """Where it told all names at its opening; those that were noted since are remembered."""
    desk = Desk(rooms=frozenset({A}))
    assert desk.ledger.find(B, lambda _: None) == Found(None)
    assert desk.ledger.find(A, lambda _: None) is None
    desk.ledger.note(record(B, 1, X=ROW))
    desk.ledger.flush()
    assert desk.ledger.find(B, lambda _: None) is None
    assert desk.store.waits.count("load") == 2


def test_a_whole_record_that_waits_is_what_is_known_of_the_room() -> None:
    """The store, which is behind, is not asked."""
    desk = Desk()
    for flush in (False, True):
        desk.ledger.note(record(A, 3, whole=True))
        if flush:
            desk.ledger.flush()
        found = desk.ledger.find(A, lambda _: None)
        assert found is not None
        assert found.record is not None
        assert found.record.version == 3
    assert "load" not in desk.store.waits


def test_stamps_name_the_run_and_the_batch_that_a_record_goes_with() -> None:
    """So a mark is durable just when its batch is."""
    desk = Desk()
    run, mark = desk.opened.run, desk.opened.mark
    assert desk.ledger.note(record(A, 1, X=ROW)) == Stamp(run, mark + 1)
    assert desk.ledger.note(record(B, 1, X=ROW)) == Stamp(run, mark + 1)
    desk.ledger.flush()
    assert desk.store.batches[0].mark == mark + 1
    assert desk.ledger.note(record(A, 2, Y=ROW)) == Stamp(run, mark + 2)
    assert desk.disk.mark == mark
    desk.store.do()
    assert desk.disk.mark == mark + 1


def test_positions_are_saved_now_and_then_and_once_a_room() -> None:
    """However often it moves."""
    desk = Desk(position_save_s=5)
    saved: list[str] = []
    desk.ledger.moved(A, lambda: saved.append("a"))
    desk.pass_time(4)
    desk.ledger.moved(B, lambda: saved.append("b"))
    desk.ledger.moved(A, lambda: saved.append("a"))
    desk.pass_time(0.999)
    assert saved == []
    desk.pass_time(0.001)
    assert saved == ["a", "b"]
    desk.pass_time(60)
    assert saved == ["a", "b"]


@pytest.mark.rule("P5.6")
def test_a_drain_writes_positions_and_changes_and_says_when_all_is_durable() -> None:
    """Also what comes while it writes."""
    desk = Desk()
    idle: list[bool] = []
    desk.ledger.moved(A, lambda: desk.ledger.note(record(A, 2, X=ROW)))
    desk.ledger.note(record(B, 1, X=ROW))
    desk.ledger.drain(lambda: idle.append(True))
    assert idle == []
    desk.ledger.note(record(B, 2, Y=ROW))
    desk.store.do()
    assert idle == []
    desk.store.do()
    assert idle == [True]
    assert (desk.rows(A), desk.rows(B)) == ({X}, {X, Y})


@pytest.mark.rule("P5.6")
def test_a_drain_with_nothing_to_write_is_over_at_once() -> None:
    """Nobody waits for nothing."""
    desk = Desk()
    idle: list[bool] = []
    desk.ledger.drain(lambda: idle.append(True))
    assert idle == [True]


def test_a_ledger_that_is_stopped_waits_for_nothing() -> None:
    """Every timer is gone."""
    desk = Desk()
    desk.commit(record(A, 1, X=ROW))
    desk.ledger.note(record(B, 1, X=ROW))
    desk.ledger.moved(A, lambda: None)
    desk.ledger.stop()
    assert desk.clock.waiting() == []


def test_only_the_journal_commits_first() -> None:
    """`fast` writes behind."""
    assert Desk(durability=Durability.JOURNAL).ledger.commits_first
    assert not Desk(durability=Durability.FAST).ledger.commits_first


@pytest.mark.rule("P3.1")
def test_a_forgetful_ledger_knows_nothing_and_is_always_done() -> None:
    """Of a server that keeps nothing."""
    ledger = Forgetful()
    told: list[bool] = []
    assert ledger.find(A, lambda _: None) == Found(None)
    assert ledger.note(record(A, 1)) == ledger.commit(record(A, 1), told.append) == LONG_KEPT
    assert told == [True]
    assert not ledger.recall.is_open(0)


def test_positions_of_very_many_rooms_are_taken_a_part_at_a_time() -> None:
    """The loop goes on in between; all have their turn."""
    desk = Desk(position_save_s=5)
    saved: list[int] = []
    for number in range(1200):
        desk.ledger.moved(RoomId(f"r{number}"), partial(saved.append, number))
    desk.clock.step(desk.clock.monotonic_s() + 5)
    assert len(saved) == 500
    desk.pass_time(0)
    assert saved == list(range(1200))
