"""What a room remembers of its last inputs: how many, from where on, and nothing personal."""

import weakref
from dataclasses import replace
from typing import Any

import pytest

from actors import messages as m
from actors.history import Claim
from actors.ids import SocketId, UserId
from actors.players import LeaveReason
from actors.ports import Recording
from actors.reducing import REDUCED
from actors.seating import HANDLERS
from actors.stores.codec import dumps
from actors.story import FLAGS
from tests.actors.fake_operator import read_back
from tests.actors.kept_stage import KeptStage
from tests.actors.recorded_lives import cut
from tests.actors.stage import Stage, settle
from tests.simulation.recordings import replay


def test_every_flag_is_a_bit_of_its_own_with_a_word_of_ours() -> None:
    """Whatever else the interpreter keeps with a class: 3.13 adds the line where it begins."""
    assert sorted(FLAGS.values()) == [1 << bit for bit in range(len(FLAGS))]
    assert all(word.isalpha() for word in FLAGS)


def inputs(stage: Stage) -> list[dict[str, Any]]:
    """What the room remembers now, oldest first."""
    steps = read_back(cut(stage.room()))["inputs"]
    assert isinstance(steps, list)
    return steps


def kinds(stage: Stage) -> list[str]:
    """The same, by name."""
    return [step["do"] for step in inputs(stage)]


def counted(stage: Stage) -> int:
    """How many inputs that is, without ends of turns and moves."""
    return sum(kind not in {"end", "moves"} for kind in kinds(stage))


def test_every_message_that_is_handled_can_be_remembered() -> None:
    """One that is added to the one table and not to the other would make rooms fail."""
    assert REDUCED.keys() == HANDLERS.keys()


# -- how many


@pytest.mark.rule("O4.4")
@pytest.mark.parametrize("inputs_max", [2, 7, 20, 256])
async def test_between_half_and_all_of_the_inputs_are_remembered(inputs_max: int) -> None:
    """From a base on which the rest can be played: the second chunk of them, and the one before."""
    stage = Stage(recorder_inputs_max=inputs_max)
    (a,) = await stage.seat("A")
    for number in range(3 * inputs_max):
        await stage.turn(m.Describe(a))
        handled = number + 2
        assert min(handled, inputs_max // 2) <= counted(stage) <= inputs_max
    assert read_back(cut(stage.room()))["base"]["players"] != []


@pytest.mark.rule("O4.4")
async def test_a_turn_is_remembered_whole_whatever_its_length() -> None:
    """It cannot be played from its middle; what it is over the bound goes with its chunk."""
    stage = Stage(recorder_inputs_max=4)
    outlets = [stage.outlet(f"S{number}") for number in range(50)]
    await stage.turn(*(stage.join(outlet) for outlet in outlets))
    assert counted(stage) == 50
    for _ in range(4):
        await stage.turn(m.Describe(outlets[0]))
    assert counted(stage) <= 4
    assert len(read_back(cut(stage.room()))["base"]["players"]) == 50


@pytest.mark.rule("O4.4")
async def test_with_zero_nothing_is_remembered_and_nothing_written() -> None:
    """Also where a client is wrong, and where moves come."""
    stage = Stage(recorder_inputs_max=0)
    (a,) = await stage.seat("A")
    await stage.turn(m.Move(a, 1, 1), m.Validate(a, Claim(frozenset())))
    recorder = stage.room()._recorder
    assert recorder.movers is None
    assert recorder._inputs == []
    assert recorder._base is None
    assert stage.recordings.kept == []


@pytest.mark.rule("O4.8")
async def test_where_nothing_is_written_nothing_is_remembered() -> None:
    """As in `durability = memory`, which has no folder."""
    stage = Stage()
    stage.recordings.keeps = False
    (a,) = await stage.seat("A")
    await stage.turn(m.Validate(a, Claim(frozenset())))
    assert stage.room()._recorder.movers is None
    assert stage.recordings.kept == []


async def test_a_disk_that_keeps_failing_does_not_make_a_room_remember_more() -> None:
    """Each turn is undone, and the room is never told to have ended one."""
    stage = KeptStage(recorder_inputs_max=6)
    (a,) = await stage.seat("A")
    stage.store.at_once = False
    for _ in range(30):
        await stage.turn(m.Update(a, "Ann", None), m.Update(a, "Bea", None))
        stage.store.fail()
        await stage.pass_time(1)
        assert counted(stage) <= 6 + 2
    assert "undone" in {step.get("commit") for step in inputs(stage)}
    assert stage.room()._turning.checkpoint.version == 1


async def test_everybody_gone_everything_forgotten() -> None:
    """What comes to an empty room begins anew, and the room costs next to nothing."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    assert "join" in kinds(stage)
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    assert stage.room().is_folded()
    await stage.seat("C")
    assert kinds(stage) == ["join", "end"]


# -- what costs nothing


async def test_moves_are_remembered_once_a_player_where_they_came_last() -> None:
    """Bounded by the players, however many there are; where they went is not remembered."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    for number in range(50):
        await stage.turn(m.Move(a, number, 0), m.Move(b, number, 0), m.Move(a, number, 1))
    await stage.turn(m.Describe(a))
    await stage.turn(m.Move(b, 7, 7))
    assert inputs(stage)[3:] == [
        {"do": "moves", "socketIds": ["A"]},
        {"do": "describe", "at": 0.0, "socketId": "A", "flags": ["present"]},
        {"do": "end"},
        {"do": "moves", "socketIds": ["B"]},
    ]


async def test_a_turn_without_inputs_leaves_no_trace() -> None:
    """Ticks and moves alone."""
    stage = KeptStage()
    (a,) = await stage.seat("A")
    before = kinds(stage)
    for number in range(5):
        await stage.turn(m.Move(a, number, 0))
        await stage.pass_time(0.1)
    assert kinds(stage) == [*before, "moves"]


async def test_a_room_in_which_nothing_happens_remembers_no_more() -> None:
    """Of the self-checks of an idle room there is the last."""
    stage = Stage(self_check_s=60)
    await stage.seat("A")
    await stage.pass_time(600)
    assert kinds(stage) == ["join", "end", "selfCheck", "end"]


# -- nothing personal


class Word:
    """Something said, whose end can be seen."""


async def test_what_was_said_is_not_held() -> None:
    """Not even until it would be written."""
    stage = Stage()
    (a,) = await stage.seat("A")
    word = Word()
    gone = weakref.ref(word)
    await stage.turn(m.Say(a, "chat", word))
    a.take()
    stage.encoder.forget()
    del word
    await settle()
    assert kinds(stage)[-2:] == ["say", "end"]
    assert gone() is None


SECRETS: dict[str, Any] = {
    "person": "Zaphod-the-person",
    "name": "Trillian-by-name",
    "update": "Marvin-by-name",
    "key": "shoe-size",
    "value": "fourty-two-and-a-half",
    "event": "whispered-event",
    "data": "whispered-data",
    "detail": "kicked-for-that",
    "list": "claimed-session",
    "sum": "deadbeef-and-more",
    "x": 271828.25,
    "y": 314159.75,
    "error": "a text that quotes Zaphod",
}
"""One for each field that is personal, told apart from all else in a file."""


class Quoting(Exception):
    """A fault whose text quotes somebody."""


async def telling(stage: Stage) -> Recording:
    """A room that was told every secret, and fails."""
    p, q = stage.outlet("P"), stage.outlet("Q")
    values: dict[str, Any] = {
        "person": SECRETS["person"],
        "display_name": SECRETS["name"],
        "attributes": {SECRETS["key"]: SECRETS["value"]},
        "x": SECRETS["x"],
        "y": SECRETS["y"],
        "hide_position": True,
    }
    now_s = stage.clock.monotonic_s()
    profile = replace(stage.join(p, **values).profile, user_id=UserId("anon-abcdefghijkl"))
    await stage.turn(m.Join(p, p.room_id, profile, now_s, now_s + 5))
    other = replace(profile, person=profile.person + "-too")
    await stage.turn(m.Join(q, q.room_id, other, now_s, now_s + 5))
    claim = Claim(frozenset({SocketId(SECRETS["list"])}), 1, 1, SECRETS["sum"])
    await stage.turn(m.Validate(p, claim))
    await stage.turn(m.Say(p, SECRETS["event"], SECRETS["data"]))
    await stage.turn(m.Update(p, SECRETS["update"], {SECRETS["key"]: SECRETS["value"]}))
    await stage.turn(m.Move(p, SECRETS["x"], SECRETS["y"]))
    await stage.turn(m.Kick(SocketId("Q"), SECRETS["detail"]))
    await stage.lose(p)
    again = stage.outlet("P")
    await stage.turn(m.Resume(again, p.room_id, SocketId("P"), 1, 1, 1, now_s, now_s + 5, profile))
    error: BaseException = Quoting(SECRETS["error"])
    try:
        raise error
    except Quoting:
        recording = stage.room()._recorder.cut_failed(error, m.Move(again, 1, 1), stage.ports)
    assert recording is not None
    return recording


@pytest.mark.rule("O4.3")
@pytest.mark.parametrize("inputs_max", [1, 4, 256])
@pytest.mark.parametrize("one_session", [True, False])
async def test_no_byte_of_what_is_personal_is_in_a_recording(
    inputs_max: int, one_session: bool
) -> None:
    """Neither of the inputs nor of the players from whom they begin, nor of what was raised."""
    stage = Stage(recorder_inputs_max=inputs_max, one_session_per_user=one_session)
    recording = await telling(stage)
    written = [dumps(one.document()).decode() for one in (recording, *stage.recordings.kept)]
    assert len(written) == 2
    assert all("anon-abcdefghijkl" in text for text in written)
    for text in written:
        found = [what for what, secret in SECRETS.items() if str(secret) in text]
        assert found == []


async def test_who_is_whom_is_told_by_numbers() -> None:
    """The same for two sessions of one person, and only where the room asks for it."""
    for one_session, expected in ((True, [1, 2, 1, 3]), (False, [0, 0, 0, 0])):
        stage = Stage(one_session_per_user=one_session)
        for name, person in (("A", "ann"), ("B", "bob"), ("C", "ann"), ("D", "cem")):
            await stage.seat(name, person=person)
        joins = [step["person"] for step in inputs(stage) if step["do"] == "join"]
        assert joins == expected


async def test_numbers_of_persons_are_not_given_twice_nor_kept_for_ever() -> None:
    """Who left long ago is not remembered, by any number."""
    stage = Stage(one_session_per_user=True, recorder_inputs_max=4)
    await stage.seat("Z", person="zoe")
    seen = []
    for number in range(20):
        (outlet,) = await stage.seat(f"S{number}", person=f"person-{number}")
        seen.append(next(s["person"] for s in reversed(inputs(stage)) if s["do"] == "join"))
        await stage.turn(m.Leave(outlet, LeaveReason.LEFT))
    assert len(set(seen)) == 20
    persons = stage.room()._recorder._persons
    assert persons is not None
    assert len(persons) <= 4


@pytest.mark.rule("O4.3")
async def test_nobody_is_known_again_who_comes_back_hidden() -> None:
    """A number that stayed with the person would say who is behind the pseudonym."""
    stage = Stage(one_session_per_user=True)
    await stage.seat("Z", person="zoe")
    (ann,) = await stage.seat("A", person="ann")
    await stage.turn(m.Leave(ann, LeaveReason.LEFT))
    ann.cut()
    hidden = stage.outlet("B")
    join = stage.join(hidden, person="ann")
    shown = replace(join.profile, user_id=UserId("anon-abcdefghijkl"))
    await stage.turn(replace(join, profile=shown))
    joins = [(step["userId"], step["person"]) for step in inputs(stage) if step["do"] == "join"]
    assert joins == [("zoe", 1), ("ann", 2), ("anon-abcdefghijkl", 3)]
    assert replay(read_back(cut(stage.room()))).same
