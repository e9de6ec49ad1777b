"""Random lives of a few sessions in one room that is recorded, kept or not, on a disk that fails.

Owns the dice. After each step the room's story is cut and played again: what comes out must be what
the room is. `P` is poison where a test has made it so: what it asks for makes the room raise, also
when it is played.
"""

import random
from collections.abc import Callable
from typing import Any, Final

import pytest

from actors import messages as m
from actors.answers import Joined, Resumed
from actors.history import Claim
from actors.ids import SocketId
from actors.members import Member
from actors.permissions import ANONYMOUS_GRANTS
from actors.players import LeaveReason
from actors.ports import Recording, RecordingReason
from actors.records import LONG_KEPT, Stamp
from actors.room import RoomActor
from actors.room_rules import Act, BanUser, KickPlayer, SetRoom, UnbanUser
from actors.room_state import RoomState
from actors.settings import Durability
from tests.actors.fake_operator import read_back
from tests.actors.fakes import FakeClock, FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.moderated import MEMBER, MODERATOR
from tests.actors.stage import ROOM, Stage, settle
from tests.simulation.recordings import Replayed, replay

NAMES: Final = "ABCDP"
POISONED: Final = ("join", "ready", "update", "touch", "move", "lose", "leave")
"""What of a state can be made to raise."""
PERSONS: Final = ("ann", "bob", "cem")


def cut(room: RoomActor, reason: RecordingReason = RecordingReason.ROOM_RESTARTED) -> Recording:
    """The room's story as it is now."""
    clock = room._ports.clock
    recording = room._recorder.cut(reason, clock.monotonic_s(), clock.now_ms())
    assert recording is not None
    return recording


def replayed(recording: Recording) -> Replayed:
    """What comes out of it."""
    return replay(read_back(recording))


class Poisoned(Exception):
    """What a broken state raises."""


def poisoned(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method` of a state, made to raise after it has done its work for P."""

    def broken(self: RoomState, who: Any, *arguments: Any, **named: Any) -> Any:
        result = method(self, who, *arguments, **named)
        if getattr(who, "socket_id", who) == "P":
            raise Poisoned(method.__name__)
        return result

    return broken


def poison(monkeypatch: pytest.MonkeyPatch, *methods: str) -> None:
    """From now on these methods of a state raise where P is concerned, whoever calls them."""
    for name in methods:
        monkeypatch.setattr(RoomState, name, poisoned(getattr(RoomState, name)))


class RestlessClock(FakeClock):
    """Goes on a little each time that it is read, as a real one does."""

    def monotonic_s(self) -> float:
        self._now_s += 0.001
        return self._now_s


class RestlessStage(Stage):
    """A stage whose clock does not stand still."""

    def _clock(self) -> FakeClock:
        return RestlessClock()


class Lives:
    """One seed's life of a room. `kinds` gathers what was recorded in it."""

    def __init__(self, seed: int, kinds: set[str] | None = None) -> None:
        self.kinds = kinds
        self.dice: Final = random.Random(seed)
        self.durability: Final = self.dice.choice(list(Durability))
        self.outlets: dict[str, FakeOutlet] = {}
        self.cuts = 0
        self.crashes = 0
        self.seen = 0
        self.known: dict[str, tuple[int, int, Stamp]] = {}
        """By session: the newest serial, version and stamp that it was given."""

    def make_stage(self) -> Stage:
        dice = self.dice
        settings: dict[str, Any] = {
            "recorder_inputs_max": dice.choice([1, 2, 3, 8, 20, 256]),
            "one_session_per_user": dice.random() < 0.5,
            "players_max": dice.choice([3, 1000]),
            "turn_messages_max": dice.choice([1, 3, 512]),
            "room_restarts_max": 1000,
            "self_check_s": 7,
            "room_idle_s": 20,
        }
        if self.durability is Durability.MEMORY:
            return RestlessStage(**settings)
        return KeptStage(clock=RestlessClock(), durability=self.durability, **settings)

    async def live(self, steps: int) -> None:
        self.stage = self.make_stage()
        for _ in range(steps):
            await self._step()
            self._check()

    # -- steps

    async def _step(self) -> None:
        dice = self.dice
        roll = dice.random()
        if roll < 0.6:
            await self.stage.turn(*(self._message() for _ in range(dice.choice([1, 1, 2, 5]))))
        elif roll < 0.8:
            await self.stage.pass_time(dice.choice([0.01, 0.3, 1.0, 6.0, 29.9, 31.0]))
        else:
            await self._disk()
        self._learn()

    async def _disk(self) -> None:
        stage = self.stage
        if not isinstance(stage, KeptStage):
            return
        store = stage.store
        roll = self.dice.random()
        if roll < (0.3 if store.asked else 0.05):
            self.stage = await stage.restart()
            for outlet in self.outlets.values():
                outlet.cut()
        elif roll < 0.35:
            store.at_once = False
        elif roll < 0.6 and store.asked:
            store.fail() if self.dice.random() < 0.5 else store.do()
        else:
            while store.asked:
                store.do()
                await settle()
            store.at_once = True
        await settle()

    def _message(self) -> object:
        dice = self.dice
        name = dice.choice(NAMES)
        outlet = self.outlets.get(name)
        if outlet is None or not outlet.alive or ROOM not in self.stage.directory.rooms:
            return self._arrival(name)
        if dice.random() < 0.1:
            outlet.heard = True
        if dice.random() < 0.1:
            outlet.full = not outlet.full
        epoch, version = self._now()
        if name == "P" and dice.random() < 0.3:
            return m.Ready(outlet)
        choices: list[object] = [
            m.Move(outlet, dice.uniform(-9, 9), dice.uniform(-9, 9)),
            m.Move(outlet, dice.uniform(-9, 9), dice.uniform(-9, 9)),
            m.Ready(outlet),
            m.Update(outlet, dice.choice([None, "Ann"]), dice.choice([None, {}, {"a": 1}])),
            m.Say(outlet, "chat", "hello"),
            m.Validate(outlet, Claim(frozenset({SocketId("A")}), epoch, version)),
            m.Describe(outlet),
            m.Leave(outlet, LeaveReason.LEFT),
            m.Heard(outlet),
            m.Drained(outlet),
            m.Kick(SocketId(dice.choice(NAMES)), "rude"),
            m.GraceEnded(),
            m.SelfCheck(),
            m.Check(outlet, ROOM, dice.choice(PERSONS), 0.0),
            m.Moderate(outlet, self._act()),
            m.Moderate(outlet, self._act()),
        ]
        if dice.random() < 0.4:
            return self._arrival(name)
        if dice.random() < 0.2:
            outlet.cut()
            return m.Lost(outlet)
        return dice.choice(choices)

    def _act(self) -> Act:
        """Of a moderator, or of somebody who is none."""
        dice = self.dice
        acts: list[Act] = [
            KickPlayer(SocketId(dice.choice(NAMES)), None),
            KickPlayer(None, dice.choice(PERSONS)),
            BanUser(dice.choice(PERSONS), None, dice.choice([3, 30])),
            BanUser(dice.choice(PERSONS)),
            UnbanUser(dice.choice(PERSONS)),
            SetRoom(players_max=dice.choice([2, 1000])),
            SetRoom(private=dice.random() < 0.8),
            SetRoom(private=dice.random() < 0.8),
        ]
        return dice.choice(acts)

    def _arrival(self, name: str) -> object:
        """A join or a resume: again, anew, late, or of a connection that is gone."""
        dice = self.dice
        old = self.outlets.get(name)
        seated = old is not None and old.alive
        if seated and dice.random() < 0.3 and old is not None:
            return self.stage.join(old, person=dice.choice(PERSONS))
        outlet = self.stage.outlet(name)
        outlet.alive = dice.random() < 0.95
        outlet.grant = dice.choice([MEMBER, MODERATOR, MODERATOR, ANONYMOUS_GRANTS.elsewhere])
        self.outlets[name] = outlet
        late = dice.random() < 0.05
        if dice.random() < 0.5 or name not in self.known:
            join = self.stage.join(
                outlet, person=dice.choice(PERSONS), hide_position=dice.random() < 0.3
            )
            return self._late(join) if late else join
        serial, version, stamp = self.known[name]
        serial += dice.choice([0, 0, 0, 0, -1, 1])
        now_s = self.stage.clock.monotonic_s()
        return m.Resume(
            outlet,
            ROOM,
            SocketId(name),
            serial,
            self._now()[0],
            version,
            now_s,
            now_s + (-1 if late else 5),
            self.stage.join(outlet, person=dice.choice(PERSONS)).profile,
            stamp,
        )

    @staticmethod
    def _late(join: m.Join) -> m.Join:
        return m.Join(join.outlet, join.room_id, join.profile, join.asked_s, join.asked_s - 1)

    def _now(self) -> tuple[int, int]:
        record = self.stage.directory.rooms.get(ROOM)
        room = record.mailbox._owner if record is not None else None
        if not isinstance(room, RoomActor):
            return 1, 0
        return room.state.epoch, room.state.version

    def _learn(self) -> None:
        for name, outlet in self.outlets.items():
            for answer in outlet.answers:
                if isinstance(answer, Joined | Resumed):
                    stamp = answer.stamp if answer.stamp != LONG_KEPT else LONG_KEPT
                    self.known[name] = answer.serial, answer.version, stamp

    # -- what must hold

    def _check(self) -> None:
        record = self.stage.directory.rooms.get(ROOM)
        room = record.mailbox._owner if record is not None else None
        is_whole = isinstance(room, RoomActor) and not room.is_folded()
        if isinstance(room, RoomActor) and is_whole and room._recorder._base is not None:
            recording = cut(room)
            self.cuts += 1
            self._gather(recording)
            again = replayed(recording)
            assert again.same, f"{again}\n\n{read_back(recording)}"
            assert not any("put off" in line for line in again.lines), str(again)
            self._compare(room, again)
        for recording in self.stage.recordings.kept[self.seen :]:
            again = replayed(recording)
            assert again.same, f"{again}\n\n{read_back(recording)}"
            self.crashes += recording.reason is not RecordingReason.STATE_INVALID
        self.seen = len(self.stage.recordings.kept)

    def _gather(self, recording: Recording) -> None:
        if self.kinds is None:
            return
        document = read_back(recording)
        for step in document["inputs"]:
            kind = step["do"]
            self.kinds.add(f"{kind}:{step['commit']}" if "commit" in step else kind)
            self.kinds |= {f"{kind}:{flag}" for flag in step.get("flags", ())}
        base = document["base"]
        self.kinds |= {f"base:{what}" for what in ("players", "graces") if base[what]}
        self.kinds |= {"base:absent" for one in base["members"] if one["absent"]}

    @staticmethod
    def _compare(room: RoomActor, again: Replayed) -> None:
        """More than the document says: the members are as they were, too."""
        played = again.room
        assert played is not None
        assert {key: _shown(member) for key, member in played.members.items()} == {
            key: _shown(member) for key, member in room.members.items()
        }, str(again)
        assert [(one.deadline_s, one.socket_id) for one in played._graces.all()] == [
            (one.deadline_s, one.socket_id) for one in room._graces.all()
        ], str(again)


def _shown(member: Member) -> tuple[object, ...]:
    hearing = "lost" if member.hearing.value == "lost" else "hears"
    return hearing, member.serial, member.confirmed, member.owes_token, member.stamp is None
