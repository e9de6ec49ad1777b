"""A person erased from open rooms and from what is behind them, so that nothing is left."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from actors import messages as m
from actors.directory import RoomRecord
from actors.erasing import ROOMS_AT_ONCE, Erasing
from actors.ids import RoomId, SocketId
from actors.players import LeaveReason
from actors.ports import Eviction, RecordingReason
from actors.recall import Recall
from actors.records import Record, Stamp
from actors.room_rules import RoomRules
from actors.runtime import Mailbox
from actors.settings import Durability
from tests.actors.kept_stage import KeptStage
from tests.actors.recorded_lives import poison
from tests.actors.stage import ROOM, Stage, settle
from tests.actors.stores.rooms import delta, row

ANN: Final = "user-A"
OTHER: Final = RoomId("hall:2")


class Places:
    """The parts with threads of their own, of which each fails as often as is said."""

    def __init__(self, **failing: int) -> None:
        self.asked: list[str] = []
        self.failing: Final = failing
        self.on_store: Callable[[], object] = lambda: None

    def _asked(self, name: str, deliver: Callable[[object], object]) -> None:
        self.asked.append(name)
        if self.failing.get(name, 0):
            self.failing[name] -= 1
            deliver("the disk is full")
        else:
            deliver({name: 1})

    def settle(self, deliver: Callable[[object], object]) -> None:
        self._asked("settle", deliver)

    def store(self, person: str, deliver: Callable[[object], object]) -> None:
        assert person == ANN
        self.on_store()
        self._asked("store", deliver)

    def recordings(self, person: str, deliver: Callable[[object], object]) -> None:
        assert person == ANN
        self._asked("recordings", deliver)

    def audit(self, person: str, deliver: Callable[[object], object]) -> None:
        assert person == ANN
        self._asked("audit", deliver)


class Erasure:
    """One erasure on a stage, and what came of it."""

    def __init__(self, stage: Stage, places: Places | None = None, waiting: Any = None) -> None:
        self.places: Final = places or Places()
        self.ended: list[dict[str, object]] = []
        self.troubles: list[str] = []
        Erasing(
            ANN,
            lambda room_id: f"anon-{room_id}",
            stage.directory,
            stage.clock,
            waiting,
            self.places,
            5.0,
            lambda done: self.ended.append(dict(done)),
            self.troubles.append,
        ).begin()


@pytest.mark.rule("T5.4")
async def test_players_are_out_at_once_and_the_others_see_them_leave() -> None:
    """In all rooms; the client is told not to come back, the others are not told why."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    (again,) = await stage.seat("C", room_id=OTHER, person=ANN)
    erasure = Erasure(stage)
    await stage.pass_time(1)
    for out in a, again:
        assert out.take()[-1] == f"evicted {Eviction.KICKED.value}"
    (seen,) = b.take()
    assert "left" in seen
    assert {member.person for member in stage.room().members.values()} == {"user-B"}
    assert erasure.ended == [{"places": 2, "settle": 1, "store": 1, "recordings": 1, "audit": 1}]
    assert erasure.places.asked == ["settle", "store", "recordings", "audit"]


@pytest.mark.rule("T5.3", "T5.4")
async def test_rules_of_open_rooms_name_the_person_no_more() -> None:
    """By the real name or by the pseudonym there, and those of others stay."""
    stage = Stage()
    await stage.seat("B")
    stage.room().state.rules = RoomRules(ANN, allow=frozenset({f"anon-{ROOM}", "user-B"}))
    erasure = Erasure(stage)
    await stage.pass_time(1)
    assert stage.room().state.rules == RoomRules(allow=frozenset({"user-B"}))
    assert erasure.ended[0]["places"] == 1


@pytest.mark.rule("T5.3", "T5.12")
async def test_what_rooms_remember_for_recordings_begins_anew() -> None:
    """Who has left long ago is in it, too, and a crash would write it out."""
    stage = Stage(recorder_inputs_max=64)
    (a,) = await stage.seat("A")
    await stage.seat("B")
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    cut = stage.room()._recorder.cut(RecordingReason.ROOM_RESTARTED, 0.0, 0)
    assert cut is not None
    assert ANN in str(cut.document())
    Erasure(stage)
    await stage.pass_time(1)
    cut = stage.room()._recorder.cut(RecordingReason.ROOM_RESTARTED, 0.0, 0)
    assert cut is not None
    assert ANN not in str(cut.document())
    assert "user-B" in str(cut.document())


@pytest.mark.rule("T5.3")
async def test_who_is_there_again_when_the_store_is_done_is_erased_once_more() -> None:
    """The room may have been loaded from what the store had before."""
    stage = Stage()
    places = Places()
    (b,) = await stage.seat("B", room_id=OTHER)

    def load() -> None:
        if places.asked.count("settle") == 1:
            stage.post(stage.join(stage.outlet("A", OTHER)))

    places.on_store = load
    erasure = Erasure(stage, places)
    await stage.pass_time(1)
    assert places.asked == ["settle", "store", "settle", "store", "recordings", "audit"]
    assert erasure.ended[0]["places"] == 1
    assert stage.members(OTHER) == [b]


@pytest.mark.rule("T5.3")
async def test_a_room_that_is_being_loaded_is_waited_for() -> None:
    """Nobody knows who will be in it."""
    stage = Stage()
    stage.directory.rooms[OTHER] = RoomRecord(OTHER, Mailbox())
    erasure = Erasure(stage)
    await stage.pass_time(1)
    assert not erasure.ended
    del stage.directory.rooms[OTHER]
    await stage.pass_time(1)
    assert erasure.ended, "nobody was"


@pytest.mark.rule("T5.4", "T5.8")
async def test_a_room_that_fails_of_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back with the person in it."""
    stage = Stage()
    await stage.seat("P", person=ANN)
    with monkeypatch.context() as broken:
        poison(broken, "leave")
        erasure = Erasure(stage)
        await stage.pass_time(1)
        assert stage.log.of("room_restarted")
        assert not erasure.ended
        assert stage.room().members
    await stage.pass_time(10)
    assert erasure.ended
    assert not stage.room().members
    assert ANN not in str(stage.log.of("room_restarted"))


@pytest.mark.rule("T5.4")
async def test_many_rooms_are_asked_a_few_at_a_time() -> None:
    """Others have their turn in between."""
    stage = Stage()
    count = 2 * ROOMS_AT_ONCE + 10
    for number in range(count):
        await stage.seat(f"s{number}", room_id=RoomId(f"room-{number}"), person=ANN)
    erasure = Erasure(stage)
    assert sum(len(one.mailbox) for one in stage.directory.rooms.values()) == ROOMS_AT_ONCE
    await stage.pass_time(1)
    assert erasure.ended[0]["places"] == count


@pytest.mark.rule("T5.9")
@pytest.mark.parametrize("place", ["settle", "store", "recordings", "audit"])
async def test_what_fails_is_done_again_from_the_beginning(place: str) -> None:
    """After a while, as often as it takes; each time it is told."""
    stage = Stage()
    await stage.seat("A")
    erasure = Erasure(stage, Places(**{place: 2}))
    await stage.pass_time(4.9)
    assert erasure.troubles == ["the disk is full"]
    assert not erasure.ended
    await stage.pass_time(11)
    assert erasure.troubles == ["the disk is full"] * 2
    assert len(erasure.ended) == 1
    assert erasure.places.asked.count(place) == 3


@pytest.mark.rule("T5.9")
async def test_a_room_that_cannot_be_stored_keeps_its_players_until_it_can() -> None:
    """Nobody is told of what is not durable, and it is asked until it is."""
    stage = KeptStage(durability=Durability.FAST)
    await stage.seat("A")
    stage.store.at_once = False
    erasure = Erasure(stage, waiting=stage.ledger)
    await settle()
    stage.store.fail()
    await settle()
    assert stage.room().members, "it was undone"
    stage.store.at_once = True
    await stage.pass_time(60)
    assert erasure.ended
    assert not stage.room().members
    assert not stage.kept()


class Waiting:
    """What waits for a store, with the person in it."""

    def __init__(self) -> None:
        self.recall: Final = Recall({1: 1}, {}, 2, until_s=100)
        self.record: Final = delta(OTHER, {"A": row("A", person=ANN)})

    def unwritten(self) -> list[Record]:
        return [self.record]


@pytest.mark.rule("T5.3", "T5.6")
async def test_what_waits_for_the_store_is_changed_there_and_tokens_are_barred() -> None:
    """Before what is under way is waited for, and again when some of that has come back: a record
    that the store did not take would bring the person back.
    """
    waiting, places = Waiting(), Places()
    seen: list[object] = []

    def settle_(deliver: Callable[[object], object]) -> None:
        seen.append(dict(waiting.record.rows))
        waiting.record.rows[SocketId("A")] = row("A", person=ANN)
        deliver(None)

    places.settle = settle_  # type: ignore[method-assign]
    places.on_store = lambda: seen.append(dict(waiting.record.rows))
    Erasure(Stage(), places, waiting)
    await settle()
    assert seen == [{"A": None}, {"A": None}]
    stamp, a = Stamp(1, 2), SocketId("A")
    assert not waiting.recall.admits(stamp, a, 0.0, ANN)
    assert waiting.recall.admits(stamp, a, 0.0, "user-B")
