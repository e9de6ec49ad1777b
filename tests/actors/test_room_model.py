"""Random lives of six sessions in two rooms: all who listen hold what the room holds.

Each step is one turn with a request of some of the sessions, or time that passes. Rooms crash,
close and are reaped in between. Every session is a mirror that believes only what it is told
(mirror.py).
"""

import asyncio
from collections.abc import Coroutine
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
from actors.answers import Answer, Joined, Refused, Resumed, Validated
from actors.ids import RoomId
from actors.players import LeaveReason
from tests.actors.fakes import FakeOutlet
from tests.actors.mirror import Mirror
from tests.actors.stage import ROOM, Stage, profile_of

OTHER = RoomId("other")
NAMES = "ABCDEF"
GRACE_S = 30.0

sessions = st.sampled_from(NAMES)
seated_does = st.sampled_from(
    ["ready", "update", "say", "say", "move", "describe", "validate", "leave", "rejoin", "poison"]
)


class Lives(RuleBasedStateMachine):
    """The sessions, what they should be by now, and the rooms."""

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.stage = self.run(self.make_stage())
        self.mirrors = {name: Mirror(name, self.stage.encoder) for name in NAMES}
        self.lost_s: dict[str, float] = {}
        self.words = 0

    async def make_stage(self) -> Stage:
        stage = Stage(
            room_idle_s=40, resume_grace_s=GRACE_S, self_check_s=7, players_max=5, tick_ms=50
        )
        stage.encoder.poison = "poison"
        return stage

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()

    # -- who is where

    def is_seated(self, name: str) -> bool:
        return self.mirrors[name].inside and name not in self.lost_s

    def outlet(self, name: str) -> FakeOutlet:
        outlet = self.mirrors[name].outlet
        assert outlet is not None
        return outlet

    # -- steps

    @rule(turn=st.dictionaries(sessions, seated_does, min_size=1), dying=st.sets(sessions))
    def ask(self, turn: dict[str, str], dying: set[str]) -> None:
        """One request each, answered once; some have just drained, the connections of some die."""
        if "poison" in turn.values():  # whoever leaves or dies as the room fails has its own tests
            turn = {name: what for name, what in turn.items() if what != "leave"}
            dying = set()
        turn = {name: what for name, what in turn.items() if self.is_seated(name)}
        asked = {name: self.request(name, what) for name, what in turn.items()}
        before = {name: len(self.outlet(name).answers) for name in asked}
        drained = [
            self.outlet(name) for name in asked if self.outlet(name).full and turn[name] != "leave"
        ]
        died = sorted(dying & asked.keys())
        for outlet in drained:
            outlet.full = False
        for name in asked:
            self.outlet(name).heard = True
        for name in died:
            self.outlet(name).cut()
        failures = self.failures()
        self.run(
            self.stage.turn(
                *(m.Drained(outlet) for outlet in drained),
                *asked.values(),
                *(m.Lost(self.outlet(name)) for name in died),
            )
        )
        failed = self.failures() > failures
        for name, request in asked.items():
            answers = self.outlet(name).answers[before[name] :]
            unanswered = isinstance(request, m.Move) or (
                isinstance(request, m.Join) and name in died
            )
            assert len(answers) == (not unanswered), (request, answers)
            for answer in answers:
                self.judge(name, request, answer, failed)
        for name in died:
            if turn[name] == "leave":
                self.mirrors[name].inside = False
            else:
                self.lost_s[name] = self.stage.clock.monotonic_s()

    def judge(self, name: str, request: m.Request, answer: Answer, failed: bool) -> None:
        """An answer that this request may have."""
        if isinstance(answer, Refused):
            poison = isinstance(request, m.Say) and request.data == "poison"
            assert failed
            assert answer.refusal.code == "roomClosed" or poison, answer
        elif isinstance(answer, Validated):
            assert failed or answer.verdict.valid, "a right client was told that it is wrong"
        elif isinstance(answer, Joined):
            self.mirrors[name].serial = answer.serial

    def failures(self) -> int:
        """How often any room has failed."""
        return len(self.stage.log.of("room_restarted")) + len(self.stage.log.of("room_closed"))

    def request(self, name: str, what: str) -> m.Request:
        outlet = self.outlet(name)
        self.words += 1
        match what:
            case "ready":
                return m.Ready(outlet)
            case "update":
                return m.Update(outlet, f"name {self.words}", None)
            case "say":
                return m.Say(outlet, "chat", f"word {self.words}")
            case "move":
                return m.Move(outlet, float(self.words), 0.0)
            case "describe":
                return m.Describe(outlet)
            case "validate":
                return m.Validate(outlet, self.mirrors[name].claim())
            case "leave":
                return m.Leave(outlet, LeaveReason.LEFT)
            case "rejoin":
                join: m.Join = self.stage.join(outlet)
                return join
            case _:
                return m.Say(outlet, "chat", "poison")

    @rule(names=st.sets(sessions, min_size=1), room_id=st.sampled_from([ROOM, ROOM, OTHER]))
    def come(self, names: set[str], room_id: RoomId) -> None:
        """A storm of joins; who sits elsewhere switches, who is lost does not come this way."""
        came = {}
        for name in sorted(names):
            mirror = self.mirrors[name]
            if name in self.lost_s or (mirror.inside and self.outlet(name).room_id == room_id):
                continue
            came[name] = self.stage.outlet(name, room_id)
        self.run(self.stage.turn(*(self.stage.join(outlet) for outlet in came.values())))
        for name, outlet in came.items():
            (answer,) = outlet.answers
            mirror = self.mirrors[name]
            if isinstance(answer, Refused):
                assert answer.refusal.code in {"roomFull", "roomClosed"}
                continue
            assert isinstance(answer, Joined)
            old = mirror.outlet if mirror.inside else None
            if old is not None:
                mirror.read()
                self.run(self.stage.turn(m.Leave(old, LeaveReason.SWITCHED)))
            mirror.outlet, mirror.inside, mirror.serial = outlet, False, 1

    @rule(names=st.sets(sessions, min_size=1))
    def lose(self, names: set[str]) -> None:
        lost = [name for name in sorted(names) if self.is_seated(name)]
        self.read()
        lost = [name for name in lost if self.is_seated(name)]
        self.run(self.stage.lose(*(self.outlet(name) for name in lost)))
        for name in lost:
            self.lost_s[name] = self.stage.clock.monotonic_s()

    @precondition(lambda self: any(mirror.inside for mirror in self.mirrors.values()))
    @rule(right=st.sampled_from([True, True, False]), data=st.data())
    def come_back(self, right: bool, data: st.DataObject) -> None:
        """With what it knows, or (as a client may) with a version that makes no sense; lost, or
        while the old connection lingers.
        """
        inside = [name for name in NAMES if self.mirrors[name].inside]
        names = data.draw(st.sets(st.sampled_from(inside), min_size=1))
        came: dict[str, FakeOutlet] = {}
        resumes = []
        for name in sorted(names):
            mirror = self.mirrors[name]
            came[name] = self.stage.outlet(name, self.outlet(name).room_id)
            version = mirror.version if right else 10**6
            resumes.append(
                m.Resume(
                    came[name],
                    came[name].room_id,
                    mirror.name,
                    mirror.serial,
                    mirror.epoch,
                    version,
                    0.0,
                    1e9,
                    profile_of(name),
                )
            )
        self.run(self.stage.turn(*resumes))
        for name, outlet in came.items():
            (answer,) = outlet.answers
            self.lost_s.pop(name, None)
            mirror = self.mirrors[name]
            if isinstance(answer, Refused):  # its room was closed meanwhile
                assert answer.refusal.code in {"roomClosed", "resumeExpired"}
                mirror.inside = False
                assert not self.sits(name)
                continue
            assert isinstance(answer, Joined | Resumed)
            if isinstance(answer, Joined):
                mirror.serial = answer.serial
            mirror.outlet = outlet

    def sits(self, name: str) -> bool:
        return any(
            name in self.stage.room(room_id).state.players for room_id in self.stage.directory.rooms
        )

    @rule(name=sessions)
    def clog(self, name: str) -> None:
        """From now on it refuses what may be refused."""
        if self.is_seated(name):
            self.outlet(name).full = True

    @rule(names=st.sets(sessions, min_size=1))
    def drain(self, names: set[str]) -> None:
        """It takes frames again, and says so."""
        full = [
            self.outlet(name)
            for name in sorted(names)
            if self.is_seated(name) and self.outlet(name).full
        ]
        for outlet in full:
            outlet.full = False
        self.run(self.stage.turn(*(m.Drained(outlet) for outlet in full)))

    @rule(seconds=st.sampled_from([0.05, 1.0, 6.0, 29.0, 31.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.run(self.stage.pass_time(seconds))
        now_s = self.stage.clock.monotonic_s()
        for name, lost_s in list(self.lost_s.items()):
            if lost_s + GRACE_S <= now_s:
                del self.lost_s[name]
                self.mirrors[name].inside = False
                assert not self.sits(name)

    # -- what holds between steps

    def read(self) -> None:
        for name, mirror in self.mirrors.items():
            if mirror.outlet is not None and name not in self.lost_s:
                mirror.read()

    @invariant()
    def all_who_listen_hold_what_the_room_holds(self) -> None:
        self.read()
        for name, mirror in self.mirrors.items():
            if not self.is_seated(name) or self.outlet(name).full:
                continue
            state = self.stage.room(self.outlet(name).room_id).state
            assert (mirror.epoch, mirror.version) == (state.epoch, state.version), name
            assert mirror.checksum() == state.checksum()
            assert mirror.players == state.players

    @invariant()
    def every_session_sits_where_it_believes_and_nobody_else_is_there(self) -> None:
        for room_id in self.stage.directory.rooms:
            players = self.stage.room(room_id).state.players
            for name, player in players.items():
                assert player.connected is (name not in self.lost_s), name
                assert self.mirrors[name].inside
                assert self.outlet(name).room_id == room_id
        for name, mirror in self.mirrors.items():
            if mirror.inside and name not in self.lost_s:
                assert name in self.stage.room(self.outlet(name).room_id).state.players

    @invariant()
    def nothing_waits_and_the_checks_found_nothing(self) -> None:
        assert self.stage.directory.parked_count == 0
        assert self.stage.log.of("registry_restarted") == []
        for line in self.stage.log.of("room_restarted") + self.stage.log.of("room_closed"):
            assert "Broken in " in str(line.details["error"]), line
        rooms = self.stage.directory.rooms
        assert all(not len(record.mailbox) for record in rooms.values())


@pytest.mark.rule("G1.1", "G1.2", "G1.3", "G1.4", "G2.2", "G3.1", "G6.2", "G7.5", "G8.2", "G9.1")
def test_whatever_happens_all_who_listen_hold_what_the_room_holds() -> None:
    """Lives of up to fifty steps."""
    run_state_machine_as_test(Lives, settings=settings(max_examples=150, stateful_step_count=50))
