"""Random histories of the directory: rooms that are slow to load, to answer and to close, or fail.

A room that is `held` has no turn until it is let go, so that every order of a join and a reaping
comes up; one that loads waits for a store which may not know. A room that fails is restarted, and
rests when it fails again. Whatever the order: each join is answered once, in time, and the
directory holds what the rooms hold.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actors import messages as m
from actors.answers import Joined, Refused
from actors.directory import Phase
from actors.ids import RoomId
from actors.ledger import Forgetful
from actors.players import LeaveReason
from actors.ports import Found, Ledger
from actors.room import RoomActor
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import Stage

ROOMS = [RoomId(name) for name in ("one", "two", "three")]
ROOMS_MAX = 2
PARKED_MAX = 3
IDLE_S = 8.0
TIMEOUT_S = 5.0
CLOSED_S = 6.0

room_ids = st.sampled_from(ROOMS)


class SlowLedger(Forgetful):
    """Keeps nothing, and where it is slow it takes its time to say so."""

    def __init__(self) -> None:
        self.is_slow = False
        self.asked: deque[tuple[RoomId, Callable[[Found], object]]] = deque()

    def find(self, room_id: RoomId, deliver: Callable[[Found], object]) -> Found | None:
        if not self.is_slow:
            return super().find(room_id, deliver)
        self.asked.append((room_id, deliver))
        return None


class SlowStage(Stage):
    """A stage whose rooms may be slow to load."""

    def _ledger(self) -> Ledger:
        self.ledger = SlowLedger()
        return self.ledger


class Directory(RuleBasedStateMachine):
    """A registry of at most two rooms and of three that are asked for."""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.stage: SlowStage = self.run(self.make_stage())
        self.stage.encoder.poison = "poison"
        self.names = 0
        self.waiting: dict[FakeOutlet, float] = {}
        """Who asked and was not answered, and until when it may take."""
        self.seated: list[FakeOutlet] = []
        self.gone: list[FakeOutlet] = []
        self.held: dict[RoomId, RoomActor] = {}
        self.rested_s: dict[RoomId, float] = {}
        """When a room was closed for failing."""
        self.epochs: dict[RoomId, int] = {}
        self.highest = 0

    async def make_stage(self) -> SlowStage:
        return SlowStage(
            rooms_max=ROOMS_MAX,
            parked_joins_max=PARKED_MAX,
            room_idle_s=IDLE_S,
            join_timeout_s=TIMEOUT_S,
            self_check_s=3600,
            room_restarts_max=1,
            room_restarts_window_s=30,
            room_closed_s=CLOSED_S,
        )

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        for room_id in list(self.held):
            self.let_go(room_id)
        while self.stage.ledger.asked:
            self.load(True)
        self.run(self.stage.pass_time(0))
        self.note_answers()
        assert self.waiting == {}, "somebody was never answered"
        for outlet in self.seated:
            self.run(self.stage.turn(m.Leave(outlet, LeaveReason.LEFT)))
        self.run(self.stage.pass_time(2 * IDLE_S))
        assert self.stage.directory.rooms == {}
        assert not self.stage.directory.parked
        assert [due for due in self.stage.clock.waiting() if due < 3600] == []
        self.runner.close()

    # -- steps

    @rule(room_id=room_ids, storm=st.integers(1, 4))
    def come(self, room_id: RoomId, storm: int) -> None:
        for _ in range(storm):
            self.names += 1
            outlet = self.stage.outlet(f"n{self.names}", room_id)
            self.waiting[outlet] = self.stage.clock.monotonic_s() + TIMEOUT_S
            self.stage.post(self.stage.join(outlet))
        self.run(self.stage.turn())

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """The connection of somebody who waits is gone."""
        if self.waiting:
            outlet = data.draw(st.sampled_from(list(self.waiting)))
            outlet.alive = False
            self.gone.append(outlet)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.seated:
            outlet = data.draw(st.sampled_from(self.seated))
            self.let_go(outlet.room_id)
            self.note_answers()
            self.seated.remove(outlet)
            self.run(self.stage.turn(m.Leave(outlet, LeaveReason.LEFT)))
            assert outlet.story[-1].line == "Left"

    @rule(room_id=room_ids)
    def hold(self, room_id: RoomId) -> None:
        """The room has no turn from now on."""
        rooms = self.stage.directory.rooms
        if room_id in rooms and not self.is_stuck(room_id):
            self.held[room_id] = self.stage.room(room_id)
            self.stage.directory.mailbox_of(room_id).adopt(None)

    @rule(room_id=room_ids)
    def let_go(self, room_id: RoomId) -> None:
        if room_id in self.held:
            room = self.held.pop(room_id)
            room.mailbox.adopt(room)
            self.run(self.stage.turn())

    @rule(is_slow=st.sampled_from([True, True, False]))
    def slow_down(self, is_slow: bool) -> None:
        """The store takes its time from now on, or does not."""
        self.stage.ledger.is_slow = is_slow

    @precondition(lambda self: self.stage.ledger.asked)
    @rule(known=st.sampled_from([True, True, False]))
    def load(self, known: bool) -> None:
        """The store says that it keeps nothing of the room, or that it cannot say."""
        room_id, deliver = self.stage.ledger.asked.popleft()
        deliver(Found(known=known))
        self.run(self.stage.turn())
        if not known:
            assert room_id not in self.stage.directory.rooms

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """A room breaks in its turn: it is restarted with all its members, or closed."""
        if not self.seated:
            return
        outlet = data.draw(st.sampled_from(self.seated))
        room_id = outlet.room_id
        self.let_go(room_id)
        self.note_answers()
        closed = len(self.stage.log.of("room_closed"))
        self.run(self.stage.turn(m.Say(outlet, "chat", "poison")))
        self.note_answers()
        if len(self.stage.log.of("room_closed")) > closed:
            self.rested_s[room_id] = self.stage.clock.monotonic_s()
            assert room_id not in self.stage.directory.rooms
            self.seated = [each for each in self.seated if each.room_id != room_id]
        assert outlet.refusal() == "internal"

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.9, IDLE_S, IDLE_S]))
    def wait(self, seconds: float) -> None:
        self.run(self.stage.pass_time(seconds))

    # -- what holds between steps

    def note_answers(self) -> None:
        for outlet in list(self.waiting):
            if not outlet.answers:
                if outlet in self.gone and not self.is_stuck(outlet.room_id):
                    del self.waiting[outlet]  # dropped, as it should be
                continue
            del self.waiting[outlet]
            (answer,) = outlet.answers
            if isinstance(answer, Joined):
                self.seated.append(outlet)
                assert outlet not in self.gone
            else:
                assert isinstance(answer, Refused)
                code = answer.refusal.code
                rested_s = self.rested_s.get(outlet.room_id)
                assert code == "unavailable" or (code == "roomClosed" and rested_s is not None)

    def is_stuck(self, room_id: RoomId) -> bool:
        """Who asks for the room has to wait."""
        return room_id in self.held or room_id in self.stage.directory.loading

    @invariant()
    def each_is_answered_once_and_in_time(self) -> None:
        self.note_answers()
        now_s = self.stage.clock.monotonic_s()
        for outlet, until_s in self.waiting.items():
            assert self.is_stuck(outlet.room_id), "nothing holds it up"
            record = self.stage.directory.rooms[outlet.room_id]
            if any(message.outlet is outlet for message in record.parked or ()):
                assert until_s > now_s, "it is parked for too long"

    @invariant()
    def the_directory_holds_what_the_rooms_hold(self) -> None:
        directory = self.stage.directory
        assert len(directory.rooms) <= ROOMS_MAX
        parked = {key: record.parked or [] for key, record in directory.rooms.items()}
        assert sum(map(len, parked.values())) == directory.parked_count <= PARKED_MAX
        asked = {room_id for room_id, _ in self.stage.ledger.asked}
        assert len(asked) == len(self.stage.ledger.asked), "asked twice"
        assert asked == directory.loading, "what is asked for and what is waited for differ"
        for room_id, record in directory.rooms.items():
            assert (record.phase is Phase.LOADING) is (room_id in asked)
            if record.phase is Phase.LOADING:
                continue
            room = self.held.get(room_id) or self.stage.room(room_id)
            assert not room.actor_stopped.is_set()
            assert room.mailbox is record.mailbox
            assert (record.phase is Phase.LIVE) or room_id in self.held
            assert not parked[room_id] or record.phase is Phase.CLOSING
        sitting = {name for key in directory.rooms for name in self.players(key)}
        now_s = self.stage.clock.monotonic_s()
        for room_id, until_s in directory.resting.items():
            assert until_s == self.rested_s[room_id] + CLOSED_S
            assert room_id not in directory.rooms or until_s <= now_s, "a room rests and lives"
        assert sitting >= {outlet.socket_id for outlet in self.seated}
        assert self.stage.log.of("registry_restarted") == []

    @invariant()
    def every_incarnation_has_a_higher_epoch_than_any_before(self) -> None:
        now = {
            key: (self.held.get(key) or self.stage.room(key)).state.epoch
            for key, record in self.stage.directory.rooms.items()
            if record.phase is not Phase.LOADING
        }
        fresh = [epoch for key, epoch in now.items() if epoch != self.epochs.get(key)]
        assert all(epoch > self.highest for epoch in fresh)
        assert len(set(fresh)) == len(fresh)
        self.highest = max([self.highest, *fresh])
        self.epochs = now

    def players(self, room_id: RoomId) -> list[str]:
        if self.stage.directory.rooms[room_id].phase is Phase.LOADING:
            return []
        room = self.held.get(room_id) or self.stage.room(room_id)
        return list(room.state.players)


@pytest.mark.rule("E2.5", "G4.2", "G5.7", "G5.8", "G9.4")
def test_whatever_the_order_of_joins_and_reapings_each_join_is_answered() -> None:
    """Histories of up to fifty steps."""
    run_state_machine_as_test(
        Directory, settings=settings(max_examples=150, stateful_step_count=50)
    )
