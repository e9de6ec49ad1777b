"""Records of rooms: what they say, and that they may be merged and replayed at will."""

from copy import deepcopy
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.ids import RoomId, SocketId, UserId
from actors.players import Motion, Player
from actors.records import (
    LONG_KEPT,
    ROW_FIELDS,
    Kept,
    Record,
    Stamp,
    kept_in,
    merged,
    row_of,
    spot_of,
    vacant,
)
from tests.actors.stores.rooms import OTHER, ROOM, Model, delta, records, row, seen, whole

A, B = SocketId("A"), SocketId("B")
PLAYER = Player(
    A,
    UserId("anon-1"),
    "Zoë",
    {"colour": "red"},
    100,
    Motion(1.5, -2.0, 200),
    hide_position=True,
    is_ready=True,
    connected=False,
)

histories = st.lists(records(st.just(ROOM)), min_size=1, max_size=7)


def told(base: Record, history: list[Record]) -> Record:
    """`base` after all of `history`, one by one; neither is changed."""
    state = deepcopy(base)
    for record in history:
        state.absorb(record)
    return state


def merge(history: list[Record], cuts: list[int]) -> Record:
    """`history` as one record, grouped as `cuts` say: the sides of a cut are merged first."""
    if len(history) == 1:
        return deepcopy(history[0])
    cut = 1 + (cuts[0] if cuts else 0) % (len(history) - 1)
    left = merge(history[:cut], cuts[1:])
    left.absorb(merge(history[cut:], cuts[2:]))
    return left


# -- merging


@given(histories, st.lists(st.integers(0, 20), max_size=8))
def test_records_may_be_merged_in_any_groups(history: list[Record], cuts: list[int]) -> None:
    """The queue before a slow disk, the journal of a start and the fold all say the same."""
    one = merge(history, cuts)
    assert one == merge(history, [])
    assert told(vacant(ROOM), [one]) == told(vacant(ROOM), history)


@given(records(st.just(ROOM)), histories, st.data())
def test_a_journal_may_be_replayed_over_what_has_some_of_it(
    base: Record, history: list[Record], data: st.DataObject
) -> None:
    """Whether the row was folded before it, in the middle of it, or after it."""
    start = told(vacant(ROOM), [base])
    end = seen(told(start, history))
    for folded in range(len(history) + 1):
        row_then = told(start, history[:folded])
        assert seen(told(row_then, history)) == end
        at = data.draw(st.integers(0, folded))
        assert seen(told(row_then, [merge(history[at:], [])] if history[at:] else [])) == end


@given(histories)
def test_absorbing_says_what_the_plainest_model_says(history: list[Record]) -> None:
    """And leaves what it absorbed as it was."""
    before = deepcopy(history)
    state = told(vacant(ROOM), history)
    model = Model()
    model.apply(history)
    assert seen(state) == model.rooms[ROOM]
    assert state.recalled == tuple(name for record in history for name in record.recalled)
    assert history == before


def test_what_is_absorbed_is_not_shared() -> None:
    """A record that absorbed a whole one may change without changing it."""
    newer = whole(ROOM, "A", spots={"A": (1.0, 1.0, 1)})
    state = vacant(ROOM)
    state.absorb(newer)
    state.absorb(delta(rows={"A": None, "B": row("B")}, spots={"B": (2.0, 2.0, 2)}))
    assert newer == whole(ROOM, "A", spots={"A": (1.0, 1.0, 1)})
    assert seen(state) == (1, 1, 1000, 2001, {B: row("B")}, {B: (2.0, 2.0, 2)})


def test_of_what_became_different_it_is_remembered_who_left() -> None:
    """Until it is known who was there, a departure must not be forgotten."""
    state = delta(rows={"A": row("A")}, spots={"A": (1.0, 1.0, 1)})
    state.absorb(delta(rows={"A": None}, version=2))
    assert state.rows == {A: None}
    assert state.spots == {}
    assert not state.whole
    state.absorb(whole(ROOM, "B", version=3))
    assert seen(state) == (1, 3, 1000, 2003, {B: row("B")}, {})


def test_merged_gives_one_record_a_room_in_the_order_of_the_first() -> None:
    """Each with all that was said of its room, and no other."""
    history = [whole(ROOM, "A"), whole(OTHER, "B"), delta(ROOM, {"A": None}, version=2)]
    by_room = merged(history)
    assert list(by_room) == [ROOM, OTHER]
    assert seen(by_room[ROOM]) == (1, 2, 1000, 2002, {}, {})
    assert seen(by_room[OTHER]) == seen(whole(OTHER, "B"))
    assert merged([]) == {}


def test_a_vacant_room_is_whole_and_holds_nobody() -> None:
    """Nothing is known of it."""
    record = vacant(RoomId("x"))
    assert (record.room_id, record.whole, len(record.rows)) == ("x", True, 0)
    assert record == Record(RoomId("x"), 0, 0, 0, 0, True, {})


# -- players


def test_a_player_comes_back_from_its_row_without_a_connection() -> None:
    """With its person and the numbers of its tokens."""
    written = row_of(PLAYER, "person", 9, 4)
    assert len(written) == ROW_FIELDS
    (kept,) = kept_in(whole(ROOM, rows={"A": written}))
    assert kept == Kept(PLAYER, "person", 9, 4)
    online = replace(PLAYER, connected=True, hide_position=False, is_ready=False)
    (kept,) = kept_in(whole(ROOM, rows={"A": row_of(online, "p", 2, 1)}))
    assert kept.player == replace(online, connected=False)


def test_a_newer_position_is_where_a_player_comes_back() -> None:
    """The others are where their rows say."""
    moved = replace(PLAYER, motion=Motion(7.0, 8.0, 900))
    assert spot_of(moved) == (7.0, 8.0, 900)
    rows = {"A": row_of(PLAYER, "p", 1, 1), "B": row("B")}
    first, second = kept_in(whole(ROOM, rows=rows, spots={"A": spot_of(moved)}))
    assert first.player == moved
    assert second.player.motion == Motion(1.5, -2.25, 1_700_000_001_000)


def test_who_left_is_not_among_those_kept() -> None:
    """A row of None is a departure."""
    assert [kept.player.socket_id for kept in kept_in(delta(rows={"A": None, "B": row("B")}))] == [
        B
    ]


def test_stamps_rise_with_runs_and_then_with_batches() -> None:
    """And one of a stored player is below all."""
    assert LONG_KEPT < Stamp(1, 0) < Stamp(1, 1) < Stamp(2, 0)
