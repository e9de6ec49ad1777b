"""Whom a token seats again after a restart, although the store does not know the player."""

import pytest

from actors.ids import SocketId
from actors.recall import NOBODY, Recall
from actors.records import LONG_KEPT, Stamp

A, B, C = map(SocketId, "ABC")
UNTIL_S = 100.0
GAPS = {3: 10, 5: 0}
RUN = 6


@pytest.mark.rule("P1.1", "P4.5")
@pytest.mark.parametrize(
    ("stamp", "socket_id", "now_s", "admitted"),
    [
        (Stamp(3, 11), A, 0.0, True),  # the first batch that is missing
        (Stamp(3, 10), A, 0.0, False),  # the last that is durable: A has left since
        (Stamp(3, 9), A, 0.0, False),
        (Stamp(3, 10**9), A, 0.0, True),
        (Stamp(5, 1), A, 0.0, True),  # of a run that made nothing durable
        (Stamp(5, 0), A, 0.0, False),
        (Stamp(4, 11), A, 0.0, False),  # of a run that nobody knows
        (Stamp(2, 11), A, 0.0, False),
        (Stamp(6, 11), A, 0.0, False),  # of this run, or a later one
        (LONG_KEPT, A, 0.0, False),
        (Stamp(0, 11), A, 0.0, False),
        (Stamp(3, 11), B, 0.0, False),  # seated again by run 5
        (Stamp(5, 1), B, 0.0, True),  # and then anew: the run that seated it again says so
        (Stamp(5, 0), B, 0.0, False),  # known to run 5, and gone since
        (Stamp(3, 11), A, UNTIL_S - 0.001, True),
        (Stamp(3, 11), A, UNTIL_S, False),
        (Stamp(3, 11), A, UNTIL_S + 1, False),
    ],
)
def test_only_who_was_seated_in_a_gap_is_admitted_once_and_in_time(
    stamp: Stamp, socket_id: SocketId, now_s: float, admitted: bool
) -> None:
    """Batch by batch, run by run, until the grace since the start is over."""
    assert Recall(GAPS, {B: 5}, RUN, UNTIL_S).admits(stamp, socket_id, now_s) is admitted


@pytest.mark.rule("P1.1", "P4.5")
@pytest.mark.parametrize(
    ("recalled_in", "admitted"), [(2, [3, 4, 5]), (3, [3, 4, 5]), (4, [4, 5]), (5, [5]), (6, [])]
)
def test_a_token_from_before_the_run_that_seated_its_player_again_is_spent(
    recalled_in: int, admitted: list[int]
) -> None:
    """Of that run and later ones it is judged by its batch, as that of somebody else is."""
    gaps = {3: 10, 4: 10, 5: 10}
    recall = Recall(gaps, {A: recalled_in}, RUN, UNTIL_S)
    assert [run for run in gaps if recall.admits(Stamp(run, 11), A, 0.0)] == admitted
    assert [run for run in gaps if recall.admits(Stamp(run, 10), A, 0.0)] == []
    assert [run for run in gaps if recall.admits(Stamp(run, 11), B, 0.0)] == [*gaps]


def test_who_was_seated_again_is_not_admitted_again_unless_it_was_undone() -> None:
    """Others are; an undo of somebody unknown changes nothing."""
    recall = Recall(GAPS, {}, RUN, UNTIL_S)
    assert not recall.seated(A)
    recall.note(A)
    assert recall.seated(A)
    assert not recall.seated(C)
    assert not recall.admits(Stamp(3, 11), A, 0.0)
    assert not recall.admits(Stamp(5, 11), A, 0.0)
    assert recall.admits(Stamp(3, 11), C, 0.0)
    recall.undo(A)
    recall.undo(C)
    assert recall.admits(Stamp(3, 11), A, 0.0)
    assert recall.admits(Stamp(3, 11), C, 0.0)


@pytest.mark.parametrize("times", [1, 2])
def test_an_undo_gives_back_what_was_spent_in_earlier_runs(times: int) -> None:
    """However often it was noted or is undone: no token comes to life that was void before."""
    recall = Recall(GAPS, {A: 5}, RUN, UNTIL_S)
    for _ in range(times):
        recall.note(A)
    assert not recall.admits(Stamp(5, 1), A, 0.0)
    for _ in range(times):
        recall.undo(A)
    assert not recall.seated(A)
    assert recall.admits(Stamp(5, 1), A, 0.0)
    assert not recall.admits(Stamp(3, 11), A, 0.0)
    recall.note(A)
    assert not recall.admits(Stamp(5, 1), A, 0.0)


@pytest.mark.parametrize(("now_s", "is_open"), [(-1.0, True), (99.9, True), (100.0, False)])
def test_the_grace_is_open_until_its_end(now_s: float, is_open: bool) -> None:
    """The end itself is not in it."""
    assert Recall({}, {}, RUN, UNTIL_S).is_open(now_s) is is_open


def test_a_recall_does_not_change_with_what_it_was_made_of() -> None:
    """It keeps its own gaps and names."""
    gaps, names = {3: 10}, {B: 5}
    recall = Recall(gaps, names, RUN, UNTIL_S)
    gaps[3] = 99
    names.clear()
    recall.note(C)
    recall.undo(B)
    assert recall.admits(Stamp(3, 11), A, 0.0)
    assert not recall.admits(Stamp(3, 11), B, 0.0)
    assert names == {}


@pytest.mark.parametrize("now_s", [float("-inf"), -1e9, 0.0, 1e9])
def test_a_server_that_keeps_nothing_recalls_nobody(now_s: float) -> None:
    """At no time, of no run."""
    assert not NOBODY.is_open(now_s)
    assert not NOBODY.admits(Stamp(1, 1), A, now_s)
    assert not NOBODY.admits(LONG_KEPT, A, now_s)


@pytest.mark.rule("T5.6")
def test_who_was_erased_is_seated_by_no_token_of_a_run_before() -> None:
    """Others are; and nothing is remembered of it when the grace is over."""
    recall = Recall({3: 10}, {}, 4, 100.0)
    recall.bar("ann", 5.0)
    assert not recall.admits(Stamp(3, 11), A, 50.0, "ann")
    assert recall.admits(Stamp(3, 11), A, 50.0, "bob")
    assert not recall.admits(Stamp(3, 11), A, 100.0, "bob")
    assert not recall._barred
    recall.bar("ann", 100.0)
    assert not recall._barred
