"""What a room remembers of its past, and how it judges a client by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.history import Claim, Entry, History, Present, Verdict
from actors.ids import RoomId, SocketId
from actors.players import Event, LeaveReason
from actors.room_state import RoomState
from tests.actors.people import player

A, B, C, D = map(SocketId, "ABCD")
EPOCH = 5


class Past:
    """A room whose events go into a history, with every version's players and checksum kept."""

    def __init__(self, events_max: int = 100, bytes_max: int = 100_000) -> None:
        self.state = RoomState(RoomId("room"), EPOCH, 0, 100)
        self.history = History(events_max, bytes_max)
        self.at: dict[int, tuple[frozenset[SocketId], str]] = {0: (frozenset(), "00000000")}

    def publish(self, payload: bytes = b"x" * 10) -> list[Event]:
        """End the turn."""
        events = self.state.take_events()
        for event in events:
            self.history.append(event, payload)
        self.at[self.state.version] = (frozenset(self.state.players), self.state.checksum())
        return events

    def join(self, *names: str) -> None:
        """One turn in which `names` join: one event."""
        for name in names:
            self.state.join(player(name), 0)
        self.publish()

    def present(self) -> Present:
        state = self.state
        return Present(state.epoch, state.version, state.checksum(), frozenset(state.players))

    def judge(self, claim: Claim) -> Verdict:
        return self.history.judge(claim, self.present())

    def since(self, version: int) -> list[int] | None:
        """The versions of the events after `version`."""
        entries = self.history.since(version, self.state.version)
        return None if entries is None else [entry.event.version for entry in entries]


def past(**bounds: int) -> Past:
    """A (1), B and C at once (3), A leaves (4), D (5)."""
    past = Past(**bounds)
    past.join("A")
    past.join("B", "C")
    past.state.leave(A, LeaveReason.LEFT, 0)
    past.publish()
    past.join("D")
    return past


# -- looking back


@pytest.mark.rule("G6.2")
@pytest.mark.parametrize(
    ("version", "events"), [(5, []), (4, [5]), (3, [4, 5]), (1, [3, 4, 5]), (0, [1, 3, 4, 5])]
)
def test_the_events_after_a_version_come_in_order(version: int, events: list[int]) -> None:
    """Exactly those, and none at the present."""
    assert past().since(version) == events


@pytest.mark.rule("G6.10")
@pytest.mark.parametrize("version", [6, 99, 2, -1])
def test_no_client_can_have_been_ahead_or_inside_an_event(version: int) -> None:
    """Then there is nothing to catch up from."""
    assert past().since(version) is None


def test_a_room_without_a_past_knows_only_its_present() -> None:
    """A fresh epoch may begin at any version."""
    history = History(10, 1000)
    assert history.since(7, 7) == []
    assert history.since(6, 7) is None
    assert history.since(8, 7) is None


@pytest.mark.rule("G6.10")
def test_the_oldest_events_are_forgotten_beyond_their_number() -> None:
    """Three of four are kept; a client at version 0 is too far behind."""
    remembered = past(events_max=3)
    assert remembered.since(1) == [3, 4, 5]
    assert remembered.since(0) is None


@pytest.mark.rule("G6.10")
def test_the_oldest_events_are_forgotten_beyond_their_bytes() -> None:
    """Payloads of ten bytes, room for two."""
    remembered = past(bytes_max=29)
    assert remembered.since(3) == [4, 5]
    assert remembered.since(1) is None


@pytest.mark.rule("G6.10")
def test_one_event_may_put_out_many() -> None:
    """All that it leaves no room for, and no more: the joins of A, B and C."""
    remembered = past(bytes_max=45)
    remembered.state.join(player("E"), 0)
    remembered.publish(b"x" * 25)
    assert remembered.since(3) == [4, 5, 6]
    assert remembered.since(1) is None
    assert remembered.judge(Claim(None, EPOCH, 3, remembered.at[3][1])).valid


def test_an_event_larger_than_the_bound_leaves_nothing_to_remember() -> None:
    """And the next one that fits is remembered."""
    big = Past(bytes_max=15)
    big.state.join(player("A"), 0)
    big.publish(b"x" * 16)
    assert big.since(0) is None
    assert big.since(1) == []
    big.join("B")
    assert big.since(1) == [2]
    assert big.judge(Claim(frozenset({A}), EPOCH, 1, big.at[1][1])).valid


def test_payloads_are_kept_as_they_were_published() -> None:
    """The same bytes, not a copy made anew."""
    state = RoomState(RoomId("room"), 1, 0, 10)
    state.join(player("A"), 0)
    (event,) = state.take_events()
    payload = b"as published"
    history = History(10, 1000)
    history.append(event, payload)
    entries = history.since(0, 1)
    assert entries == [Entry(event, payload)]
    assert entries[0].payload is payload


# -- judging


@pytest.mark.rule("G10.1")
@pytest.mark.parametrize("version", [0, 1, 3, 4, 5])
def test_a_right_client_is_valid_at_every_version_that_it_can_be_at(version: int) -> None:
    """Whatever has happened since; a wrong list or checksum at the same version is not."""
    room = past()
    players, checksum = room.at[version]
    assert room.judge(Claim(players, EPOCH, version, checksum)) == Verdict(True)
    assert room.judge(Claim(players, None, version, None)).valid
    assert room.judge(Claim(None, EPOCH, version, checksum)).valid
    assert not room.judge(Claim(players | {SocketId("E")}, EPOCH, version, checksum)).valid
    assert not room.judge(Claim(players, EPOCH, version, "ffffffff")).valid


@pytest.mark.rule("G10.2")
def test_without_a_version_a_client_is_judged_at_the_present() -> None:
    """B, C and D are here now; A was."""
    room = past()
    assert room.judge(Claim(frozenset({B, C, D}))) == Verdict(True)
    assert room.judge(Claim(frozenset({A, B, C}))) == Verdict(False, (D,), (A,))


@pytest.mark.rule("G10.3")
def test_both_lists_are_sorted_and_at_the_version_named() -> None:
    """At version 3 there were A, B and C."""
    room = past()
    claim = Claim(frozenset({D, SocketId("Z"), SocketId("Y"), B}), EPOCH, 3)
    missing, unexpected = (A, C), (D, SocketId("Y"), SocketId("Z"))
    assert room.judge(claim) == Verdict(False, missing, unexpected)


@pytest.mark.rule("G10.5")
@pytest.mark.parametrize("claimed", [(EPOCH + 1, 5), (EPOCH - 1, 5), (EPOCH, 6), (EPOCH, 2)])
def test_another_epoch_or_an_unknown_version_is_not_valid(claimed: tuple[int, int]) -> None:
    """Even where the list is right; what differs is then told of the present."""
    room = past()
    epoch, version = claimed
    right = frozenset(room.state.players)
    assert room.judge(Claim(right, epoch, version)) == Verdict(False)
    wrong = room.judge(Claim(frozenset({A}), epoch, version))
    assert wrong == Verdict(False, (B, C, D), (A,))


@pytest.mark.rule("G10.5")
def test_a_forgotten_version_is_not_valid() -> None:
    """The last one that is remembered is, with its checksum."""
    room = past(events_max=2)
    assert room.judge(Claim(room.at[3][0], EPOCH, 3, room.at[3][1])).valid
    assert not room.judge(Claim(room.at[3][0], EPOCH, 3, room.at[1][1])).valid
    assert not room.judge(Claim(room.at[1][0], EPOCH, 1, room.at[1][1])).valid


def test_a_room_that_begins_with_players_knows_the_checksum_of_its_beginning() -> None:
    """After a recovery the first remembered version is not 0."""
    state = RoomState(RoomId("room"), EPOCH, 0, 10)
    state.restore([player("A")], 7, [])
    history = History(10, 1000, state.checksum())
    at_seven = Claim(frozenset({A}), EPOCH, 7, state.checksum())
    state.join(player("B"), 0)
    for event in state.take_events():
        history.append(event, b"")
    present = Present(EPOCH, 8, state.checksum(), frozenset(state.players))
    assert history.judge(at_seven, present).valid


steps = st.lists(st.lists(st.sampled_from("ABCDEF"), min_size=1, max_size=4), max_size=25)


@pytest.mark.rule("G10.1", "G6.2")
@given(steps, st.integers(1, 12))
def test_any_past_is_judged_right_as_far_as_it_is_remembered(
    turns: list[list[str]], events_max: int
) -> None:
    """Turns toggle who is inside. What `since` knows, `judge` finds valid, and nothing else."""
    room = Past(events_max=events_max)
    for turn in turns:
        for name in map(SocketId, turn):
            if room.state.leave(name, LeaveReason.LEFT, 0) is None:
                room.state.join(player(name), 0)
        room.publish()
    for version, (players, checksum) in room.at.items():
        known = room.since(version) is not None
        assert room.judge(Claim(players, EPOCH, version, checksum)).valid is known
    assert len(room.since(max(room.at)) or []) == 0
