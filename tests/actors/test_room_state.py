"""One room's facts, by examples. Random histories are in test_room_state_model.py."""

from dataclasses import replace
from typing import Any
from zlib import crc32

import pytest

from actors.errors import NotInRoom, Refusal, RoomFull
from actors.ids import RoomId, SocketId
from actors.players import Change, EventKind, LeaveReason, Metadata, Player
from actors.room_state import RoomState, checksum_of
from tests.actors.people import player

A, B, C = SocketId("A"), SocketId("B"), SocketId("C")


def room(*names: str, players_max: int = 10) -> RoomState:
    """A room in which `names` sit, with nothing left to publish."""
    state = RoomState(RoomId("room"), 5, 1_000, players_max)
    for name in names:
        state.join(player(name), 1_000)
    state.take_events()
    return state


def facts(state: RoomState) -> dict[str, Any]:
    """All that a room says about itself."""
    return {
        "version": state.version,
        "players": dict(state.players),
        "motions": {key: replace(p.motion) for key, p in state.players.items()},
        "checksum": state.checksum(),
        "metadata": state.metadata(),
    }


# -- what is a change


@pytest.mark.rule("G1.1")
def test_every_change_is_one_version() -> None:
    """A join, ready, update, loss, return and leave: six changes, six versions."""
    state = room()
    changes = [
        state.join(player("A"), 1),
        state.ready(A, 2),
        state.update(A, "Ann", None, 3),
        state.lose(A, 4),
        state.resume(A, 5),
        state.leave(A, LeaveReason.LEFT, 6),
    ]
    assert [change and change.version for change in changes] == [1, 2, 3, 4, 5, 6]
    assert state.version == 6
    assert [change and change.kind for change in changes] == [
        EventKind.JOINED,
        EventKind.READY,
        EventKind.UPDATED,
        EventKind.CONNECTION,
        EventKind.CONNECTION,
        EventKind.LEFT,
    ]


def test_a_change_shows_the_player_as_at_its_version() -> None:
    """Later changes do not reach back."""
    state = room("A")
    ready = state.ready(A, 1)
    lost = state.lose(A, 2)
    left = state.leave(A, LeaveReason.TIMEOUT, 3)
    assert ready is not None
    assert lost is not None
    assert left is not None
    assert (ready.player.is_ready, ready.player.connected) == (True, True)
    assert (lost.player.is_ready, lost.player.connected) == (True, False)
    assert left == Change(EventKind.LEFT, lost.player, 4, LeaveReason.TIMEOUT)


@pytest.mark.rule("G5.5")
def test_what_is_so_already_is_no_change() -> None:
    """A second join, ready, loss, return or leave."""
    state = room("A")
    state.ready(A, 1)
    before = facts(state)
    assert state.join(player("A", "somebody else"), 2) is None
    assert state.ready(A, 2) is None
    assert state.resume(A, 2) is None
    assert facts(state) == before
    state.lose(A, 3)
    before = facts(state)
    assert state.lose(A, 4) is None
    assert facts(state) == before
    state.leave(A, LeaveReason.LEFT, 5)
    before = facts(state)
    assert state.leave(A, LeaveReason.LEFT, 6) is None
    assert state.lose(A, 6) is None
    assert facts(state) == before


@pytest.mark.rule("G1.6")
def test_an_update_replaces_what_it_names_and_nothing_else() -> None:
    """Attributes as a whole; an update that changes nothing is a version all the same."""
    state = room("A")
    state.update(A, "Ann", {"hat": "red", "team": 1}, 1)
    state.update(A, None, {"hat": "blue"}, 2)
    assert (state.players[A].display_name, state.players[A].attributes) == ("Ann", {"hat": "blue"})
    state.update(A, "Anna", None, 3)
    assert (state.players[A].display_name, state.players[A].attributes) == ("Anna", {"hat": "blue"})
    version = state.version
    state.update(A, None, None, 4)
    assert state.version == version + 1


# -- refusals


@pytest.mark.rule("E2.2")
def test_a_full_room_refuses_and_stays_as_it_was() -> None:
    """Lost players count; a retried join of somebody inside is no refusal."""
    state = room("A", "B", players_max=2)
    state.lose(A, 1)
    before = facts(state)
    with pytest.raises(RoomFull, match="2 players"):
        state.join(player("C"), 2)
    assert facts(state) == before
    assert state.join(player("B"), 2) is None
    state.leave(A, LeaveReason.TIMEOUT, 3)
    assert state.join(player("C"), 4) is not None


@pytest.mark.rule("E2.1")
@pytest.mark.parametrize(
    "step",
    [
        lambda state: state.ready(B, 2),
        lambda state: state.update(B, "Bob", {}, 2),
        lambda state: state.resume(B, 2),
        lambda state: state.touch(B, 2),
    ],
    ids=["ready", "update", "resume", "touch"],
)
def test_who_does_not_sit_here_is_refused_and_nothing_changes(step: Any) -> None:
    """The room is not even touched."""
    state = room("A")
    before = facts(state)
    with pytest.raises(NotInRoom):
        step(state)
    assert facts(state) == before
    assert state.take_events() == []


def test_refusals_are_refusals() -> None:
    """None of them is a fault that would restart the room."""
    assert issubclass(RoomFull, Refusal)
    assert issubclass(NotInRoom, Refusal)


# -- checksum


@pytest.mark.rule("G3.2")
def test_the_vectors_of_the_protocol_hold() -> None:
    """The empty room, one player, and two."""
    state = room()
    assert state.checksum() == "00000000"
    state.join(player("AAAA", "ann"), 1)
    assert state.checksum() == "6a5028f9"
    state.join(player("BBBB", "zoë"), 2)
    state.ready(SocketId("BBBB"), 3)
    state.lose(SocketId("BBBB"), 4)
    assert state.checksum() == "d138a372"


@pytest.mark.rule("G3.2")
def test_lines_are_sorted_as_bytes() -> None:
    """Capital letters before small ones, digits before both, whatever the order of joining."""
    names = ["a", "B", "_", "9", "-", "Z"]
    state = room(*names)
    lines = [f"{name}|user-{name}|0|1".encode() for name in sorted(names, key=str.encode)]
    assert state.checksum() == format(crc32(b"\n".join(lines)), "08x") == checksum_of(lines)


def test_a_checksum_has_eight_digits_also_when_the_first_are_zeros() -> None:
    """Found by trying: the CRC of this line begins with a zero."""
    line = next(line for n in range(1000) if crc32(line := f"{n}|u|0|1".encode()) < 0x1000_0000)
    assert len(checksum_of([line])) == 8
    assert checksum_of([line]).startswith("0")


def test_positions_names_and_attributes_are_not_in_the_checksum() -> None:
    """Ids and flags only: no float, no locale."""
    state = room("A", "B")
    before = state.checksum()
    state.update(A, "Ann", {"x": 1.5}, 1)
    state.move(A, 3.25, -0.0, 2)
    assert state.checksum() == before


# -- events


@pytest.mark.rule("G1.1", "G3.1")
def test_neighbouring_changes_of_one_kind_are_one_event() -> None:
    """Its version and checksum are those of the last; k players are k versions."""
    state = room("A")
    state.join(player("B"), 1)
    state.join(player("C"), 2)
    (event,) = state.take_events()
    assert [change.player.socket_id for change in event.changes] == [B, C]
    assert (event.base_version, event.version) == (1, 3)
    assert event.checksum == state.checksum()
    assert state.take_events() == []


@pytest.mark.rule("G3.1")
def test_changes_of_another_kind_between_them_part_events() -> None:
    """Each event has the checksum and the metadata of its own last version."""
    state = room("A")
    state.join(player("B"), 2_000)
    joined = (state.checksum(), state.metadata())
    state.ready(A, 3_000)
    ready = (state.checksum(), state.metadata())
    state.join(player("C"), 4_000)
    events = state.take_events()
    assert [(event.kind, event.version) for event in events] == [
        (EventKind.JOINED, 2),
        (EventKind.READY, 3),
        (EventKind.JOINED, 4),
    ]
    assert [(event.checksum, event.metadata) for event in events] == [
        joined,
        ready,
        (state.checksum(), state.metadata()),
    ]


def test_what_was_taken_is_no_neighbour_of_what_follows() -> None:
    """A room message between two joins stands between them for everybody."""
    state = room()
    state.join(player("A"), 1)
    first = state.take_events()
    state.join(player("B"), 2)
    second = state.take_events()
    assert [len(event.changes) for event in first + second] == [1, 1]


# -- moves and metadata


def test_a_move_is_seen_and_is_no_version() -> None:
    """False where nobody may see it: not seated, or hidden."""
    state = room("A")
    state.join(player("B", hide_position=True), 1_500)
    version = state.version
    assert state.move(A, 1.0, 2.0, 3_000)
    assert not state.move(B, 1.0, 2.0, 4_000)
    assert not state.move(C, 1.0, 2.0, 5_000)
    assert state.version == version
    a, b = state.players[A].motion, state.players[B].motion
    assert (a.x, a.y, a.last_seen_ms) == (1.0, 2.0, 3_000)
    assert (b.x, b.y, b.last_seen_ms) == (0.0, 0.0, 4_000)
    assert state.metadata().last_activity_ms == 4_000


def test_metadata_counts_players_and_knows_the_last_activity() -> None:
    """A change, a move or a message; a room is active while somebody is connected."""
    state = room("A", "B")
    assert state.metadata() == Metadata(1_000, 1_000, 2, is_active=True, players_max=10)
    state.touch(A, 2_000)
    assert state.metadata().last_activity_ms == 2_000
    assert state.players[A].motion.last_seen_ms == 2_000
    state.lose(A, 3_000)
    assert state.metadata() == Metadata(1_000, 3_000, 2, is_active=True, players_max=10)
    state.lose(B, 4_000)
    assert not state.metadata().is_active
    state.resume(B, 5_000)
    assert state.metadata().is_active
    state.leave(B, LeaveReason.LEFT, 6_000)
    assert state.metadata() == Metadata(1_000, 6_000, 1, is_active=False, players_max=10)
    state.leave(A, LeaveReason.TIMEOUT, 7_000)
    assert state.metadata() == Metadata(1_000, 7_000, 0, is_active=False, players_max=10)


def test_who_is_lost_was_last_seen_before() -> None:
    """The loss is noticed at its time, and is nothing that the player did."""
    state = room("A")
    state.ready(A, 2_000)
    state.lose(A, 3_000)
    assert state.players[A].motion.last_seen_ms == 2_000
    state.resume(A, 4_000)
    assert state.players[A].motion.last_seen_ms == 4_000


# -- taking over


@pytest.mark.rule("G9.3")
def test_a_fresh_state_takes_over_players_and_the_changes_after_them() -> None:
    """Version, flags and checksum go on; there is nothing to publish."""
    old = room("A", "B")
    published = dict(old.players)
    version = old.version
    changes = [
        old.ready(A, 1),
        old.join(player("C"), 2),
        old.lose(B, 3),
        old.leave(A, LeaveReason.LEFT, 4),
    ]
    fresh = room()
    fresh.restore(published.values(), version, [change for change in changes if change])
    assert fresh.players == old.players
    assert (fresh.version, fresh.checksum()) == (old.version, old.checksum())
    assert fresh.checksum() == fresh.recomputed_checksum()
    assert fresh.connected_count == old.connected_count == 1
    assert fresh.take_events() == []


# -- removals cannot raise


def poison(state: RoomState, how: str) -> None:
    """Damage a room in which A and B sit, as only a bug could."""
    match how:
        case "a player the index does not know":
            state.players[C] = player("C")
        case "an index without its players":
            state._order.clear()
            state._lines.clear()
        case "an index entry too many":
            state._order.append(SocketId("ZZ"))
            state._lines.append(b"ZZ|x|0|1")
        case "a foreign player under the name":
            state.players[A] = replace(player("D"), is_ready=True)
        case "a count that is off":
            state.connected_count = -3
        case "a position that is no number":
            state.players[A].motion.x = float("nan")
        case _:
            raise AssertionError(how)


@pytest.mark.rule("G9.1")
@pytest.mark.parametrize(
    "how",
    [
        "a player the index does not know",
        "an index without its players",
        "an index entry too many",
        "a foreign player under the name",
        "a count that is off",
        "a position that is no number",
    ],
)
def test_a_removal_goes_through_on_a_poisoned_state(how: str) -> None:
    """Whoever is lost or removed is so, a second removal is none, and nothing is raised."""
    state = room("A", "B")
    poison(state, how)
    state.lose(C, 8)
    state.lose(B, 8)
    for socket_id in (C, B, A):
        known: Player | None = state.players.get(socket_id)
        change = state.leave(socket_id, LeaveReason.TIMEOUT, 9)
        assert (change is None) == (known is None)
        assert state.leave(socket_id, LeaveReason.TIMEOUT, 9) is None
    assert state.players.get(C) is state.players.get(A) is None
    state.take_events()
