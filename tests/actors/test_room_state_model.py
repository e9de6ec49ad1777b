"""Random histories of one room's facts, each step held against a tiny model.

The model is a dict of flags and a counter. Whatever the history: a refusal and a repetition leave
everything untouched, every change is one version, the checksum is always that of the players, and
the events, applied one after the other, lead from the empty room to this one. What was not told yet
can be undone, and a fresh object made of what was told and the changes since is this room.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from actors.errors import NotInRoom, RoomFull
from actors.ids import RoomId, SocketId
from actors.players import Change, EventKind, LeaveReason, Player
from actors.room_rules import PLAIN, RoomRules
from actors.room_state import RoomState, checksum_of
from tests.actors.people import player

PLAYERS_MAX = 4
names = st.sampled_from(["A", "AA", "B", "a", "_", "0"]).map(SocketId)
users = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4)
coordinates = st.floats(-1e9, 1e9)


@dataclass
class Known:
    """What the model knows of one player."""

    user: str
    is_ready: bool = False
    connected: bool = True
    display_name: str | None = None
    attributes: Any = None
    hidden: bool = False
    motion: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """x, y and when it was last seen. All versions of a player share it: it is never undone."""

    def line(self, name: str) -> bytes:
        return f"{name}|{self.user}|{int(self.is_ready)}|{int(self.connected)}".encode()


class Rooms(RuleBasedStateMachine):
    """One room and its model."""

    @initialize()
    def open(self) -> None:
        self.state = RoomState(RoomId("room"), 1, 0, PLAYERS_MAX)
        self.kept = PLAIN
        self.model: dict[SocketId, Known] = {}
        self.version = 0
        self.now_ms = 0
        self.mirror: dict[SocketId, tuple[str, bool, bool]] = {}
        self.mirror_version = 0
        self.note_what_is_told()

    def note_what_is_told(self) -> None:
        """Where an undoing goes back to, and a crash begins."""
        self.told = dict(self.state.players), self.version, self.kept
        self.told_model = {name: replace(known) for name, known in self.model.items()}
        self.changes: list[Change] = []

    def tick(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def changed(self, change: Change | None, kind: EventKind, name: SocketId) -> None:
        self.version += 1
        assert change is not None
        assert (change.kind, change.version) == (kind, self.version)
        assert change.player.socket_id == name
        assert self.state.last_activity_ms == self.now_ms
        self.changes.append(change)
        self.seen(name)

    def seen(self, name: SocketId) -> None:
        """A change of somebody who is there, of its own doing or not, is a sign of life."""
        if name in self.model and self.model[name].connected:
            self.model[name].motion[2] = self.now_ms

    @rule(name=names, user=users, hidden=st.booleans(), returns=st.booleans())
    def join(self, name: SocketId, user: str, hidden: bool, returns: bool) -> None:
        """Also of somebody who was promised its seat."""
        someone = player(name, user, hide_position=hidden)
        if name in self.model:
            assert self.state.join(someone, self.tick(), returns=returns) is None
        elif len(self.model) >= self.players_max() and not returns:
            with pytest.raises(RoomFull):
                self.state.join(someone, self.tick())
        else:
            self.model[name] = Known(user, attributes={}, hidden=hidden)
            change = self.state.join(someone, self.tick(), returns=returns)
            self.changed(change, EventKind.JOINED, name)

    def players_max(self) -> int:
        return min(PLAYERS_MAX, self.kept.players_max or PLAYERS_MAX)

    @rule(players_max=st.none() | st.integers(1, PLAYERS_MAX + 2))
    def have_rules(self, players_max: int | None) -> None:
        """No version comes with them, and nobody is put out."""
        self.kept = self.state.rules = RoomRules(players_max=players_max)
        assert self.state.metadata().players_max == self.players_max()

    @rule(name=names)
    def touch(self, name: SocketId) -> None:
        """It said something."""
        if name not in self.model:
            with pytest.raises(NotInRoom):
                self.state.touch(name, self.tick())
            return
        self.state.touch(name, self.tick())
        self.model[name].motion[2] = self.now_ms
        assert self.state.last_activity_ms == self.now_ms

    @rule(name=names)
    def ready(self, name: SocketId) -> None:
        if name not in self.model:
            with pytest.raises(NotInRoom):
                self.state.ready(name, self.tick())
        elif self.model[name].is_ready:
            assert self.state.ready(name, self.tick()) is None
        else:
            self.model[name].is_ready = True
            self.changed(self.state.ready(name, self.tick()), EventKind.READY, name)

    @rule(
        name=names,
        display_name=st.none() | users,
        attributes=st.none() | st.dictionaries(users, st.integers(), max_size=2),
    )
    def update(self, name: SocketId, display_name: str | None, attributes: Any) -> None:
        if name not in self.model:
            with pytest.raises(NotInRoom):
                self.state.update(name, display_name, attributes, self.tick())
            return
        known = self.model[name]
        if display_name is not None:
            known.display_name = display_name
        if attributes is not None:
            known.attributes = attributes
        change = self.state.update(name, display_name, attributes, self.tick())
        self.changed(change, EventKind.UPDATED, name)

    @rule(name=names)
    def lose(self, name: SocketId) -> None:
        if name in self.model and self.model[name].connected:
            self.model[name].connected = False
            self.changed(self.state.lose(name, self.tick()), EventKind.CONNECTION, name)
        else:
            assert self.state.lose(name, self.tick()) is None

    @rule(name=names)
    def resume(self, name: SocketId) -> None:
        if name not in self.model:
            with pytest.raises(NotInRoom):
                self.state.resume(name, self.tick())
        elif self.model[name].connected:
            assert self.state.resume(name, self.tick()) is None
        else:
            self.model[name].connected = True
            self.changed(self.state.resume(name, self.tick()), EventKind.CONNECTION, name)

    @rule(name=names, reason=st.sampled_from(LeaveReason))
    def leave(self, name: SocketId, reason: LeaveReason) -> None:
        if name not in self.model:
            assert self.state.leave(name, reason, self.tick()) is None
            return
        del self.model[name]
        change = self.state.leave(name, reason, self.tick())
        self.changed(change, EventKind.LEFT, name)
        assert change is not None
        assert change.reason is reason

    @rule(name=names, x=coordinates, y=coordinates)
    def move(self, name: SocketId, x: float, y: float) -> None:
        visible = name in self.model and not self.model[name].hidden
        assert self.state.move(name, x, y, self.tick()) is visible
        if visible:
            self.model[name].motion[:2] = x, y
        if name in self.model:
            self.model[name].motion[2] = self.now_ms

    @rule()
    def publish(self) -> None:
        """Hand the events to a mirror that knows nothing else."""
        for event in self.state.take_events():
            assert event.base_version == self.mirror_version
            for change in event.changes:
                self.mirror_version += 1
                assert (change.kind, change.version) == (event.kind, self.mirror_version)
                someone = change.player
                if change.kind is EventKind.LEFT:
                    del self.mirror[someone.socket_id]
                else:
                    flags = (someone.user_id, someone.is_ready, someone.connected)
                    self.mirror[someone.socket_id] = flags
            assert event.version == self.mirror_version
            lines = [Known(*self.mirror[name]).line(name) for name in sorted(self.mirror)]
            assert event.checksum == checksum_of(lines)
            assert event.metadata.player_count == len(self.mirror)
        assert self.mirror_version == self.version
        assert self.state.take_events() == []
        self.note_what_is_told()

    @rule()
    def seal(self) -> None:
        """What follows is an event of its own, whatever its kind."""
        self.state.seal()

    @rule()
    def undo(self) -> None:
        """What nobody was told has not happened; positions are no part of that."""
        self.state.revert(*self.told)
        self.model, (_, self.version, self.kept) = self.told_model, self.told
        assert self.state.take_events() == []
        self.note_what_is_told()

    @rule()
    def take_over(self) -> None:
        """A fresh object from what was told and the changes since is this room, with nothing more
        to tell: a new epoch begins with a whole state.
        """
        fresh = RoomState(RoomId("room"), self.state.epoch + 1, 0, PLAYERS_MAX)
        fresh.last_activity_ms = self.now_ms
        players, version, _ = self.told
        fresh.rules = self.kept
        fresh.restore([replace(each) for each in players.values()], version, self.changes)
        self.state = fresh
        for change in self.changes:
            name = change.player.socket_id
            if change.player.connected and change.kind is not EventKind.LEFT and name in self.model:
                self.seen_again(name, change.player)
        assert self.state.take_events() == []
        self.mirror_version = self.version
        self.mirror = {
            name: (known.user, known.is_ready, known.connected)
            for name, known in self.model.items()
        }
        self.note_what_is_told()

    def seen_again(self, name: SocketId, before: Player) -> None:
        """The changes of the broken turn are done once more, now."""
        if self.state.players[name].motion is before.motion:
            self.model[name].motion[2] = self.now_ms

    @invariant()
    def the_room_is_the_model(self) -> None:
        state = self.state
        assert state.version == self.version
        assert state.players.keys() == self.model.keys()
        for name, known in self.model.items():
            someone = state.players[name]
            assert someone.socket_id == name
            assert someone.user_id == known.user
            assert (someone.is_ready, someone.connected) == (known.is_ready, known.connected)
            assert someone.display_name == known.display_name
            assert someone.attributes == known.attributes
            motion = someone.motion
            assert [motion.x, motion.y, motion.last_seen_ms] == known.motion
        assert state.rules == self.kept
        metadata = state.metadata()
        assert metadata.player_count == len(self.model)
        assert metadata.is_active is any(known.connected for known in self.model.values())

    @invariant()
    def the_checksum_is_that_of_the_players(self) -> None:
        lines = [self.model[name].line(name) for name in sorted(self.model)]
        assert self.state.checksum() == self.state.recomputed_checksum() == checksum_of(lines)


@pytest.mark.rule("G1.1", "G3.1", "G3.2", "E2.2")
def test_whatever_happens_the_room_is_its_model() -> None:
    """Histories of up to sixty steps."""
    run_state_machine_as_test(Rooms, settings=settings(max_examples=150, stateful_step_count=60))
