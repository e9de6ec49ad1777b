"""When a room is written out, and that it can be played again from what is written."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from actors import messages as m
from actors.history import Claim
from actors.ids import SocketId
from actors.motion import Motions
from actors.players import LeaveReason
from actors.ports import Recording, StateReason
from actors.recorder import Recorder
from actors.recovery import RoomFailed, Wreckage
from actors.room_state import RoomState
from tests.actors.fake_operator import read_back
from tests.actors.fakes import FakeOutlet
from tests.actors.kept_stage import KeptStage
from tests.actors.recorded_lives import POISONED, cut, poison, replayed
from tests.actors.stage import ROOM, Stage
from tests.simulation.recordings import Replayed

WRONG = Claim(frozenset({SocketId("nobody")}))


def only(stage: Stage) -> Recording:
    """The one recording that was written."""
    (recording,) = stage.recordings.kept
    return recording


def played(stage: Stage) -> Replayed:
    """What comes out of it."""
    return replayed(only(stage))


# -- crashes


@pytest.mark.rule("O4.1", "O4.2")
async def test_a_room_that_crashes_is_written_with_the_input_that_did_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the last one, and raises the same again."""
    stage = Stage()
    (a, p) = await stage.seat("A", "P")
    poison(monkeypatch, "ready")
    await stage.turn(m.Ready(a), m.Ready(p), m.Update(a, "Ann", None))
    recording = only(stage)
    document = read_back(recording)
    assert document["reason"] == "room_restarted"
    assert (document["inputs"][-1]["do"], document["inputs"][-1]["raised"]) == ("ready", True)
    assert document["error"]["type"] == "Poisoned"
    assert document["then"]["version"] == 4  # half-done, as it was
    assert recording.inputs == 4
    again = replayed(recording)
    assert again.same, str(again)
    assert again.raised == document["error"]["type"] + " in " + document["error"]["places"][-1]
    assert "the same error as recorded" in str(again)


@pytest.mark.rule("O4.1", "O4.2")
@pytest.mark.parametrize("method", POISONED)
async def test_whatever_raises_raises_again(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a handler, of a join, of the end of a grace; by a move, which leaves no input."""
    stage = Stage()
    await stage.seat("A", "B")
    what: dict[str, Callable[[FakeOutlet], object]] = {
        "join": stage.join,
        "ready": m.Ready,
        "update": lambda p: m.Update(p, "Poison", {"a": 1}),
        "touch": lambda p: m.Say(p, "chat", "hi"),
        "move": lambda p: m.Move(p, 1.0, 1.0),
        "lose": m.Lost,
        "leave": lambda p: m.Leave(p, LeaveReason.LEFT),
    }
    p = stage.outlet("P")
    if method != "join":
        (p,) = await stage.seat("P")
    with monkeypatch.context() as broken:
        poison(broken, method)
        await stage.turn(m.Move(p, 0.0, 0.0), what[method](p))
        last = read_back(stage.recordings.kept[0])["inputs"][-1]
        again = replayed(stage.recordings.kept[0])
    assert last["raised"] is True
    assert last["do"] == {"touch": "say", "lose": "lost"}.get(method, method)
    assert again.same, str(again)
    assert again.raised is not None
    assert again.raised.startswith("Poisoned in ")


@pytest.mark.rule("O4.2")
async def test_a_fault_as_the_turn_ends_raises_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a turn in which nothing happened but moves."""
    publish = Motions.publish

    def broken(self: Motions, moved: list[SocketId]) -> None:
        if SocketId("P") in moved:
            raise ArithmeticError("P moved")
        publish(self, moved)

    stage = Stage()
    a, p = await stage.seat("A", "P")
    monkeypatch.setattr(Motions, "publish", broken)
    await stage.turn(m.Move(a, 1, 1))
    await stage.pass_time(1)
    await stage.turn(m.Move(p, 1, 1))
    document = read_back(only(stage))
    assert document["inputs"][-1] == {"do": "end", "raised": True}
    again = played(stage)
    assert again.same, str(again)
    assert "ArithmeticError" in str(again.raised)


@pytest.mark.rule("O4.2")
async def test_a_fault_that_depends_on_what_was_left_out_is_told_not_to_come_again() -> None:
    """What was said is not in a recording; the replay says so, and all else is as it was."""
    stage = Stage()
    stage.encoder.poison = "poison"
    (a,) = await stage.seat("A")
    await stage.turn(m.Say(a, "chat", "poison"))
    again = played(stage)
    assert not again.same
    assert again.found == again.expected
    assert again.raised is None
    assert "did not raise; recorded was Broken" in str(again)


@pytest.mark.rule("O4.2")
@pytest.mark.parametrize("inputs_max", [1, 2, 4, 256])
async def test_a_self_check_that_fails_fails_again(inputs_max: int) -> None:
    """What the sessions said is in the recording, in every look, however short it is."""
    stage = Stage(self_check_s=5, recorder_inputs_max=inputs_max)
    a, _ = await stage.seat("A", "B")
    stage.roster.rise(ROOM, a)
    await stage.pass_time(6)
    document = read_back(only(stage))
    assert document["error"]["type"] == "Inconsistent"
    assert document["error"]["text"] == "player without session: A"
    again = played(stage)
    assert again.same, str(again)


@pytest.mark.rule("O4.2")
async def test_a_self_check_that_fails_after_one_that_did_not_quite_fails_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second look at what turned out to be none is not taken for a routine one."""
    stage = Stage(self_check_s=5)
    a, b = await stage.seat("A", "B")
    looks = iter([[b], [a, b]])
    monkeypatch.setattr(stage.roster, "claims", lambda room_id: next(looks, [b]))
    await stage.pass_time(11)
    again = played(stage)
    assert again.same, str(again)


@pytest.mark.rule("O4.2")
async def test_a_self_check_that_fails_after_a_crash_fails_again() -> None:
    """It is the look that the recovered room asked for before the recording begins."""
    stage = Stage()
    stage.encoder.poison = "poison"
    a, _ = await stage.seat("A", "B")
    stranger = stage.outlet("S")
    send_state = a.send_state

    def sent(state: bytes, reason: StateReason) -> None:
        send_state(state, reason)
        stage.roster.sit(ROOM, stranger)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(a, "send_state", sent)
        await stage.turn(m.Say(a, "chat", "poison"))
    second = stage.recordings.kept[1]
    assert read_back(second)["error"]["text"] == "session without player: S"
    assert replayed(second).same, str(replayed(second))


@pytest.mark.rule("O4.1")
async def test_a_room_that_is_closed_is_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each restart, and the end."""
    stage = Stage(room_restarts_max=2)
    (p,) = await stage.seat("P")
    poison(monkeypatch, "ready")
    for _ in range(3):
        await stage.turn(m.Ready(p))
    reasons = [recording.reason.value for recording in stage.recordings.kept]
    assert reasons == ["room_restarted", "room_restarted", "room_closed"]
    assert all(replayed(recording).same for recording in stage.recordings.kept)


@pytest.mark.rule("O4.1", "O4.2")
async def test_a_room_that_crashes_at_once_again_is_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the first message of its new epoch, from where that began."""
    stage = Stage()
    (p,) = await stage.seat("P")
    poison(monkeypatch, "ready")
    await stage.turn(m.Ready(p), m.Ready(p))
    first, second = stage.recordings.documents()
    assert second["base"]["epoch"] > first["base"]["epoch"]
    assert [step["do"] for step in second["inputs"]] == ["ready"]
    assert all(replayed(recording).same for recording in stage.recordings.kept)


@pytest.mark.rule("O4.1")
async def test_a_room_that_cannot_be_restarted_is_written_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once, as lost."""

    def broken(*_: Any) -> None:
        raise ArithmeticError("nothing can be made of it")

    stage = Stage()
    (p,) = await stage.seat("P")
    poison(monkeypatch, "ready")
    monkeypatch.setattr(RoomState, "restore", broken)
    await stage.turn(m.Ready(p))
    assert [recording.reason.value for recording in stage.recordings.kept] == ["room_lost"]
    assert stage.log.of("room_lost")


@pytest.mark.rule("O4.1")
async def test_a_room_that_fails_as_it_recovers_says_so() -> None:
    """There is nothing to play: its story before was written when it failed before."""
    stage = Stage()
    stage.encoder.poison = "poison"
    (a,) = await stage.seat("A")
    stage.encoder.fail("state")
    await stage.turn(m.Say(a, "chat", "poison"))
    first, second = stage.recordings.kept
    assert read_back(first)["base"] is not None
    assert read_back(second)["base"] is None
    again = replayed(second)
    assert again.same
    assert "nothing to play" in str(again)


async def test_a_room_that_the_directory_has_lost_is_written_all_the_same() -> None:
    """It cannot be restarted."""
    stage = Stage()
    await stage.seat("A")
    room = stage.room()
    error = ArithmeticError("late")
    recording = room._recorder.cut_failed(error, None, stage.ports)
    del stage.directory.rooms[ROOM]
    wreckage = Wreckage(
        ROOM, 1, 1, room._turning.checkpoint, room._turn, room.members, (), (), 0, {"epoch": 1}
    )
    stage.directory.registry.tell(RoomFailed(ROOM, error, None, wreckage, recording))
    await stage.turn()
    assert only(stage).reason.value == "room_lost"


async def test_a_state_too_damaged_to_be_read_does_not_keep_the_room_from_restarting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What can be written is."""
    stage = Stage()
    a, p = await stage.seat("A", "P")

    def wreck(self: RoomState, *_: Any) -> None:
        self._lines = cast(Any, None)
        raise ArithmeticError("wrecked")

    monkeypatch.setattr(RoomState, "ready", wreck)
    await stage.turn(m.Ready(p))
    assert a.take() == ["roomState roomRecovered v2: A P"]
    assert read_back(only(stage))["then"]["checksum"] == "unknown"


@pytest.mark.rule("O4.6")
async def test_a_story_that_cannot_be_cut_does_not_keep_the_room_from_restarting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug of the recorder costs the recording, and nothing else."""

    def broken(*_: Any, **__: Any) -> None:
        raise ArithmeticError("no story")

    stage = Stage()
    stage.encoder.poison = "poison"
    (a,) = await stage.seat("A")
    monkeypatch.setattr(Recorder, "_cut", broken)
    await stage.turn(m.Say(a, "chat", "poison"))
    assert a.take() == ["refused internal", "roomState roomRecovered v1: A"]
    assert stage.recordings.kept == []


# -- clients that are wrong


@pytest.mark.rule("O4.1", "O4.2")
async def test_a_client_that_is_wrong_has_the_room_written_out() -> None:
    """With what it claimed, in numbers; one that is right has not."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    right = Claim(frozenset({SocketId("A"), SocketId("B")}))
    await stage.turn(m.Validate(a, right))
    assert stage.recordings.kept == []
    await stage.turn(m.Ready(a), m.Validate(b, Claim(WRONG.players, 7, 1, "deadbeef")))
    document = read_back(only(stage))
    assert document["reason"] == "client_state_invalid"
    assert document["claim"] == {
        "socketId": "B",
        "epoch": 7,
        "version": 1,
        "checksum": "deadbeef",
        "missing": 2,
        "unexpected": 1,
    }
    again = played(stage)
    assert again.same, str(again)
    assert document["then"]["version"] == 3


async def test_many_that_are_wrong_in_one_turn_are_one_recording() -> None:
    """The room is the same for all of them."""
    stage = Stage()
    outlets = await stage.seat("A", "B", "C")
    await stage.turn(*(m.Validate(outlet, WRONG) for outlet in outlets))
    assert read_back(only(stage))["claim"]["socketId"] == "A"


async def test_nothing_is_written_of_what_was_undone() -> None:
    """Who asked was told that it was not done; the next one who is wrong is."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    stage.store.at_once = False
    await stage.turn(m.Ready(a), m.Validate(a, WRONG))
    stage.store.fail()
    await stage.turn()
    assert stage.recordings.kept == []
    await stage.turn(m.Validate(a, WRONG))
    assert played(stage).same


@pytest.mark.rule("O4.2")
async def test_an_answer_to_an_outlet_that_its_member_had_left_kills_no_other() -> None:
    """Back twice in one turn, and the first connection ends before that turn is durable."""
    stage = KeptStage()
    a, _ = await stage.seat("A", "B")
    await stage.lose(a)
    version = stage.room().state.version
    stage.store.at_once = False
    first, second = stage.outlet("A"), stage.outlet("A")
    await stage.turn(*(stage.resume(each, "A", version=version) for each in (first, second)))
    first.cut()
    stage.store.do()
    stage.store.at_once = True
    await stage.turn()
    second.heard = True
    await stage.turn(m.Heard(second))
    await stage.lose(second)
    late = stage.outlet("A")
    await stage.turn(stage.resume(late, "A", version=version, serial=1))
    assert late.take() == ["refused resumeExpired"]
    again = replayed(cut(stage.room()))
    assert again.found == again.expected, str(again)
