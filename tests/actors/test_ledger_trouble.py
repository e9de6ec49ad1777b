"""The ledger over a disk that stalls, fails or cannot say: what is tried again, told, given up."""

import pytest

from actors.ids import RoomId
from actors.ports import Found
from actors.stores.port import StoreDamaged
from tests.actors.test_ledger import ROW, A, B, Desk, X, Y, record


@pytest.mark.rule("P2.2")
def test_a_commit_that_fails_is_told_so_and_is_not_tried_again() -> None:
    """What was only noted is."""
    desk = Desk(store_retry_s=1)
    desk.ledger.note(record(B, 1, Y=ROW))
    told = desk.commit(record(A, 1, X=ROW))
    desk.store.fail()
    assert told == [False]
    desk.pass_time(1)
    desk.store.do()
    assert [each.room_id for each in desk.store.batches[-1].records] == [B]
    assert desk.rows(A) == set()


@pytest.mark.rule("P2.2")
def test_a_commit_that_takes_too_long_is_given_up() -> None:
    """Also one that is not even under way; each when its own time is over."""
    desk = Desk(commit_timeout_s=2)
    first = desk.commit(record(A, 1, X=ROW))
    desk.pass_time(1)
    second = desk.commit(record(B, 1, X=ROW))
    desk.pass_time(0.999)
    assert (first, second) == ([], [])
    desk.pass_time(0.001)
    assert (first, second) == ([False], [])
    desk.pass_time(1)
    assert second == [False]
    desk.store.do()
    assert (first, second) == ([False], [False]), "nobody is told twice"
    desk.pass_time(10)
    assert desk.rows(B) == set(), "what was given up before it was under way is not written"


def test_what_failed_waits_again_below_what_came_since() -> None:
    """The newest value wins, whatever the order of the writes."""
    desk = Desk(store_retry_s=1)
    desk.ledger.note(record(A, 1, X=ROW, Y=ROW))
    desk.ledger.flush()
    desk.ledger.note(record(A, 2, X=None))
    desk.store.fail()
    assert desk.store.waits == []
    desk.pass_time(0.999)
    assert desk.store.waits == []
    desk.pass_time(0.001)
    desk.store.do()
    assert desk.rows(A) == {Y}


def test_after_a_failure_commits_wait_for_the_next_try() -> None:
    """A disk that fails is not asked over and over."""
    desk = Desk(store_retry_s=1, commit_timeout_s=2)
    desk.commit(record(A, 1, X=ROW))
    desk.store.fail()
    told = desk.commit(record(A, 1, whole=True, X=ROW))
    assert desk.store.waits == []
    desk.pass_time(1)
    assert desk.store.waits == ["write"]
    desk.store.do()
    assert told == [True]


@pytest.mark.rule("P1.4")
def test_a_stall_is_told_once_and_so_is_its_end() -> None:
    """A warning, then how long it was."""
    desk = Desk(store_stall_s=1)
    desk.ledger.note(record(A, 1, X=ROW))
    desk.ledger.flush()
    assert desk.trouble() is None
    desk.pass_time(1)
    assert desk.trouble() == "stalled"
    desk.pass_time(4)
    desk.store.do()
    assert desk.trouble() is None
    (stalled,) = desk.log.of("store_stalled")
    assert (stalled.level, stalled.details) == ("warn", {"duration_ms": 1000, "roomsWaiting": 1})
    (recovered,) = desk.log.of("store_recovered")
    assert recovered.details == {"duration_ms": 4000}


@pytest.mark.rule("P1.4")
def test_failures_are_told_once_until_it_works_again() -> None:
    """An error that names the fault; each is counted."""
    desk = Desk(store_retry_s=1)
    desk.ledger.note(record(A, 1, X=ROW))
    desk.ledger.flush()
    for _ in range(3):
        desk.store.fail()
        desk.pass_time(1)
    assert desk.trouble() == "failing"
    (failed,) = desk.log.of("store_failed")
    assert failed.level == "error"
    assert "the disk is full" in str(failed.details["error"])
    assert desk.metrics.count["store_failed full"] == 3
    desk.store.do()
    assert desk.trouble() is None
    assert desk.rows(A) == {X}


def test_a_fold_that_fails_is_told_and_nothing_else_changes() -> None:
    """It is tried again after a later write."""
    desk = Desk()
    desk.ledger.note(record(A, 1, X=ROW))
    desk.ledger.flush()
    desk.store.do()
    desk.store.fail_to_tidy()
    assert desk.log.of("store_not_tidied")[0].level == "error"
    assert desk.ledger.trouble is None


def test_a_store_that_cannot_say_is_told_to_the_operator() -> None:
    """And whoever asked learns that it is not known."""
    desk = Desk()
    found: list[Found] = []
    desk.ledger.find(A, found.append)
    desk.store.fail(StoreDamaged("the record of room a was set aside"))
    assert found == [Found(known=False)]
    (line,) = desk.log.of("room_not_loaded")
    assert (line.level, line.room_id) == ("error", "a")
    assert desk.metrics.count["store_failed damaged"] == 1


def test_while_writes_fail_no_more_rooms_are_opened_than_may_wait() -> None:
    """The bound of what waits is `rooms_max`."""
    desk = Desk(rooms_max=2, store_retry_s=1)
    desk.ledger.note(record(A, 1, X=ROW))
    desk.ledger.flush()
    desk.store.fail()
    desk.ledger.note(record(B, 1, X=ROW))
    assert desk.ledger.find(RoomId("c"), lambda _: None) == Found(known=False)
    desk.pass_time(1)
    desk.store.do()
    assert desk.ledger.find(RoomId("c"), lambda _: None) is None


def test_gaps_are_settled_when_the_grace_since_the_start_ends() -> None:
    """A failure of that is told and costs nothing."""
    desk = Desk(resume_grace_s=30)
    desk.disk.gaps[1] = 7
    desk.pass_time(29.999)
    assert desk.store.waits == []
    desk.pass_time(0.001)
    assert desk.store.waits == ["settle"]
    desk.store.do()
    assert desk.disk.gaps == {}


@pytest.mark.rule("P1.4")
def test_one_outage_is_told_once_however_it_shows() -> None:
    """Tries that stall and tries that fail, in turn: one line, and one when it is over."""
    desk = Desk(store_retry_s=1, store_stall_s=1)
    desk.ledger.note(record(A, 1, X=ROW))
    desk.ledger.flush()
    for _ in range(3):
        desk.pass_time(2)
        desk.store.fail()
        desk.pass_time(1)
    desk.store.do()
    told = [line.event for line in desk.log.lines]
    assert told == ["store_stalled", "store_failed", "store_recovered"]
    assert desk.log.lines[1].details["roomsWaiting"] == 1


@pytest.mark.rule("P2.2")
def test_what_is_noted_after_giving_up_is_not_dropped_with_it() -> None:
    """Not even where the batch that it is in fails once."""
    desk = Desk(commit_timeout_s=2, store_retry_s=1, resume_grace_s=1000)
    desk.ledger.note(record(B, 1, whole=True))
    desk.ledger.flush()
    told = desk.commit(record(A, 2, X=ROW))
    desk.pass_time(2)
    assert told == [False]
    desk.ledger.note(record(A, 1, whole=True, Y=ROW))
    desk.store.do()
    desk.pass_time(0.05)
    desk.store.fail()
    desk.pass_time(1)
    desk.store.do()
    assert desk.rows(A) == {Y}


def test_what_was_given_up_before_it_was_under_way_never_is() -> None:
    """There is nothing to write then."""
    desk = Desk(commit_timeout_s=2, resume_grace_s=1000)
    desk.ledger.note(record(B, 1, whole=True))
    desk.ledger.flush()
    desk.commit(record(A, 2, X=ROW))
    desk.pass_time(2)
    desk.store.do()
    desk.pass_time(1)
    assert desk.store.waits == []


@pytest.mark.rule("P2.4")
def test_a_settling_that_fails_is_tried_again_and_is_no_trouble() -> None:
    """Joins do not wait for it."""
    desk = Desk(resume_grace_s=1, store_retry_s=1)
    desk.disk.gaps[1] = 7
    desk.pass_time(1)
    desk.store.fail()
    assert desk.trouble() is None
    desk.pass_time(1)
    assert desk.store.do() == "settle"
    assert desk.disk.gaps == {}


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_spent_tokens_stay_spent_though_the_record_that_says_so_is_dropped(
    fails: bool, undone: bool
) -> None:
    """The room's next record says it, but not of whom the turn that was undone had seated."""
    desk = Desk(commit_timeout_s=2, resume_grace_s=1000, store_retry_s=1)
    desk.ledger.note(record(B, 1, whole=True))
    desk.ledger.flush()
    for socket_id, write in ((X, desk.ledger.note), (Y, desk.commit)):
        spending = record(A, 2)
        spending.rows[socket_id] = ROW
        spending.recalled = (socket_id,)
        desk.ledger.recall.note(socket_id)
        write(spending)
    if fails:
        desk.store.do()
        desk.store.fail()
    else:
        desk.pass_time(2)
    if undone:
        desk.ledger.recall.undo(Y)
    desk.ledger.note(record(A, 2, whole=True, X=ROW))
    desk.pass_time(1)
    while desk.store.waits:
        desk.store.do()
        desk.pass_time(0.05)
    run = desk.disk.run
    assert desk.disk.recalled == ({X: run} if undone else {X: run, Y: run})
    assert desk.rows(A) == {X}
