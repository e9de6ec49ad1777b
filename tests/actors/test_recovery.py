"""A room that raises in its turn: who is told what, what is kept, and what follows.

`P` is the session whose request is poison. Rooms that keep failing are in test_recovery_closing.py.
"""

from collections.abc import Callable
from typing import Any

import pytest

from actors import messages as m
from actors.answers import Joined, Validated
from actors.history import Claim
from actors.ids import SocketId
from actors.players import LeaveReason
from actors.room_state import RoomState
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import ROOM, Stage

P = SocketId("P")


class Poisoned(Exception):
    """What a broken state raises."""


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state method does what it should, and then raises where P is concerned."""
    for name in ("join", "ready", "update", "move", "touch", "lose", "resume", "leave"):
        monkeypatch.setattr(RoomState, name, raising_for_p(getattr(RoomState, name)))


def raising_for_p(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method` of a state, made to raise after it has done its work for P, while `armed`."""

    def poisoned(self: RoomState, who: Any, *arguments: Any, **named: Any) -> Any:
        result = method(self, who, *arguments, **named)
        if armed and getattr(who, "socket_id", who) == P:
            armed.pop()
            raise Poisoned(method.__name__)
        return result

    return poisoned


armed: list[None] = []
"""One entry for each time that the state will yet break."""


@pytest.fixture(autouse=True)
def disarm() -> None:
    """Every test begins with a healthy state."""
    armed.clear()


def arm(times: int = 1) -> None:
    """Let the state break the next `times` that something is done with P."""
    armed[:] = [None] * times


async def seated(*names: str, **settings: Any) -> tuple[Stage, list[FakeOutlet]]:
    """A room of `names`, the state of which breaks the next time that P is concerned."""
    stage = Stage(**settings)
    outlets = await stage.seat(*names)
    arm()
    return stage, outlets


def healthy(stage: Stage) -> None:
    """What a room must be between turns, whatever happened before."""
    room = stage.room()
    state = room.state
    assert state.players.keys() == room.members.keys()
    assert state.checksum() == state.recomputed_checksum()
    assert {outlet.socket_id for outlet in stage.roster.claims(ROOM)} == {
        key for key, player in state.players.items() if player.connected
    }


# -- everybody is told, one is answered


POISON: list[tuple[str, Callable[[Stage, FakeOutlet], object]]] = [
    ("ready", lambda stage, p: m.Ready(p)),
    ("update", lambda stage, p: m.Update(p, "Poison", None)),
    ("say", lambda stage, p: m.Say(p, "chat", "poison")),
    ("leave", lambda stage, p: m.Leave(p, LeaveReason.LEFT)),
]


@pytest.mark.rule("G9.1", "G9.2", "G9.3")
@pytest.mark.parametrize("request_of", [p[1] for p in POISON], ids=[p[0] for p in POISON])
async def test_a_request_that_breaks_the_room_costs_its_sender_an_internal_and_nobody_a_seat(
    request_of: Callable[[Stage, FakeOutlet], object],
) -> None:
    """The same members on the same connections, a whole state for each, a higher epoch."""
    stage, (a, b, p) = await seated("A", "B", "P")
    epoch, mailbox = stage.room().state.epoch, stage.directory.mailbox_of(ROOM)
    await stage.turn(request_of(stage, p))
    assert p.refusal() == "internal"
    assert a.take() == b.take() == ["roomState roomRecovered v3: A B P"]
    assert p.take() == ["refused internal", "roomState roomRecovered v3: A B P"]
    assert stage.room().state.epoch > epoch
    assert stage.directory.mailbox_of(ROOM) is mailbox
    assert stage.metrics.count["room_restarted"] == 1
    healthy(stage)
    await stage.turn(m.Ready(a), m.Say(b, "chat", "on we go"))
    assert a.take() == ["ready A v4", "said B: on we go", "ok v4"]
    assert p.take() == ["ready A v4", "said B: on we go"]


@pytest.mark.rule("G9.3")
async def test_a_join_that_breaks_the_room_seats_nobody() -> None:
    """The joiner gets internal, takes no place, and may try again."""
    stage, (a,) = await seated("A", players_max=2)
    p = stage.outlet("P")
    await stage.turn(stage.join(p))
    assert p.take() == ["refused internal"]
    assert a.take() == ["roomState roomRecovered v1: A"]
    healthy(stage)
    await stage.turn(stage.join(p))
    assert p.take() == ["Joined v2: A P"]
    assert stage.census.players == 2


@pytest.mark.rule("G9.3")
async def test_a_resume_that_breaks_the_room_leaves_the_player_lost_with_its_grace() -> None:
    """Its token of before is still good, when the room has recovered."""
    stage, (a, p) = await seated("A", "P", resume_grace_s=30)
    armed.clear()
    await stage.lose(p)
    arm()
    a.take()
    again = stage.outlet("P")
    await stage.turn(stage.resume(again, "P", version=3))
    assert again.take() == ["refused internal"]
    assert a.take() == ["roomState roomRecovered v3: A P?"]
    assert (await stage.come_back("P", version=3)).take() == ["Resumed v4 [connection P+ v4]"]


async def test_a_move_that_breaks_the_room_is_told_to_its_sender_as_something_unasked() -> None:
    """It awaits no answer: nothing else that is under way may be taken for it."""
    stage, (a, p) = await seated("A", "P")
    await stage.turn(m.Move(p, 1.0, 1.0))
    (refused,) = p.answers[1:]
    assert getattr(refused, "unasked", False) is True
    assert a.take() == ["roomState roomRecovered v2: A P"]


@pytest.mark.rule("G6.1", "G9.1")
async def test_a_loss_that_breaks_the_room_is_a_loss_all_the_same() -> None:
    """Nobody is answered; the player is shown as gone and has its grace."""
    stage, (a, p) = await seated("A", "P", resume_grace_s=30)
    await stage.lose(p)
    assert a.take() == ["roomState roomRecovered v3: A P?"]
    assert len(p.answers) == 1
    healthy(stage)
    await stage.pass_time(30)
    assert a.take() == ["left P(timeout) v4"]


# -- the rest of the turn, and of the mailbox


@pytest.mark.rule("G9.3")
async def test_what_the_turn_had_handled_whole_is_kept_and_the_rest_follows() -> None:
    """Changes before the poison are in the state, messages come after it, answers last."""
    stage, (a, b, c, p) = await seated("A", "B", "C", "P")
    d = stage.outlet("D")
    await stage.turn(m.Ready(a), stage.join(d), m.Say(b, "chat", "kept"), m.Ready(p), m.Ready(c))
    assert p.take() == [
        "ready A v5",
        "joined D v6",
        "refused internal",
        "roomState roomRecovered v6: A* B C D P",
        "said B: kept",
        "ready C v7",
    ]
    assert a.take() == [
        "ready A v5",
        "joined D v6",
        "ok v6",
        "roomState roomRecovered v6: A* B C D P",
        "said B: kept",
        "ready C v7",
    ]
    assert b.take()[-3:] == ["said B: kept", "ok v6", "ready C v7"]
    assert d.take() == [
        "Joined v6: A* B C D P",
        "roomState roomRecovered v6: A* B C D P",
        "said B: kept",
        "ready C v7",
    ]
    healthy(stage)


@pytest.mark.rule("G9.3")
async def test_whoever_was_owed_an_answer_gets_it_in_the_new_epoch() -> None:
    """A join its snapshot, a request its ok, a question its answer; none is answered twice."""
    stage, (a, b, c, p) = await seated("A", "B", "C", "P")
    e = stage.outlet("E")
    old = stage.room().state
    right = Claim(frozenset(old.players), old.epoch, old.version, old.checksum())
    await stage.turn(
        m.Ready(a),
        m.Describe(b),
        m.Validate(c, right),
        stage.join(e),
        m.Ready(p),
    )
    state = "v6: A* B C E P"
    assert a.take() == [f"roomState roomRecovered {state}", "ok v6"]
    assert b.take() == [f"roomState roomRecovered {state}", f"Described {state}"]
    assert c.take() == [f"roomState roomRecovered {state}", f"invalid {state}"]
    assert e.take() == [f"Joined {state}"]
    assert e.answer_of(Joined).fresh
    assert not c.answer_of(Validated).verdict.valid
    assert [len(outlet.answers) for outlet in (a, b, c, e, p)] == [2, 2, 2, 1, 2]


@pytest.mark.rule("G9.3")
async def test_a_resume_before_the_poison_is_answered_with_the_whole_state() -> None:
    """What it missed belongs to an epoch that is over."""
    stage, (a, b, p) = await seated("A", "B", "P")
    await stage.lose(a)
    again = stage.outlet("A")
    await stage.turn(stage.resume(again, "A", version=3), m.Ready(p))
    assert again.take() == ["Joined v5: A B P"]
    joined = again.answer_of(Joined)
    assert (joined.fresh, joined.serial, joined.succeeds) == (False, 2, a)
    assert b.take() == ["connection A- v4", "roomState roomRecovered v5: A B P"]
    healthy(stage)
    await stage.turn(m.Ready(b))
    assert again.take() == ["ready B v6"]


@pytest.mark.rule("G9.3")
async def test_messages_behind_the_poison_are_handled_in_their_order() -> None:
    """Joins, leaves and losses among them; two poisons are two restarts."""
    stage, (a, b, c, p) = await seated("A", "B", "C", "P")
    arm(2)
    d = stage.outlet("D")
    await stage.turn(
        m.Ready(p),
        stage.join(d),
        m.Update(p, "again", None),
        m.Ready(b),
        m.Leave(a, LeaveReason.LEFT),
        m.Say(c, "chat", "still here"),
    )
    assert stage.metrics.count["room_restarted"] == 2
    assert p.take() == [
        "refused internal",
        "roomState roomRecovered v4: A B C P",
        "refused internal",
        "roomState roomRecovered v5: A B C D P",
        "ready B v6",
        "left A(left) v7",
        "said C: still here",
    ]
    assert d.take() == [
        "Joined v5: A B C D P",
        "ready B v6",
        "left A(left) v7",
        "said C: still here",
    ]
    assert a.take()[-1] == "Left"
    healthy(stage)


# -- who is lost, behind or hidden


@pytest.mark.rule("G9.1")
async def test_the_lost_stay_lost_with_what_was_left_of_their_grace() -> None:
    """They are told nothing, and are gone when it ends."""
    stage, (a, b, p) = await seated("A", "B", "P", resume_grace_s=30)
    await stage.lose(a)
    await stage.pass_time(20)
    a.offers = 0
    b.take()
    await stage.turn(m.Ready(p))
    assert b.take() == ["roomState roomRecovered v4: A? B P"]
    await stage.pass_time(9)
    assert b.take() == []
    await stage.pass_time(1)
    assert b.take() == ["left A(timeout) v5"]
    assert a.offers == 0


@pytest.mark.rule("G6.10", "G9.1")
async def test_the_lost_come_back_to_a_recovered_room_with_the_whole_state() -> None:
    """Their epoch is over, their token is good."""
    stage, (a, _b, p) = await seated("A", "B", "P")
    epoch = stage.room().state.epoch
    await stage.lose(a)
    await stage.turn(m.Ready(p))
    again = await stage.come_back("A", version=4, epoch=epoch)
    assert again.take() == ["Joined v5: A B P"]
    await stage.pass_time(100)
    assert "A" in stage.room().state.players


@pytest.mark.rule("G9.1")
async def test_a_connection_that_died_before_the_crash_is_lost_once() -> None:
    """The room sees it at once; its loss, still in the mailbox, adds nothing."""
    stage, (a, b, p) = await seated("A", "B", "P", resume_grace_s=30)
    a.cut()
    await stage.turn(m.Ready(p), m.Lost(a))
    assert b.take() == ["roomState roomRecovered v4: A? B P"]
    await stage.pass_time(30)
    assert b.take() == ["left A(timeout) v5"]
    healthy(stage)


@pytest.mark.rule("G8.2", "G9.2")
async def test_who_was_behind_is_healed_by_the_recovery() -> None:
    """A whole state is taken whatever its size; the draining adds nothing."""
    stage, (a, b, p) = await seated("A", "B", "P")
    a.full = True
    await stage.turn(m.Ready(b))
    a.full = False
    await stage.turn(m.Ready(p))
    await stage.turn(m.Drained(a), m.Update(b, "Bob", None))
    assert a.take() == ["roomState roomRecovered v4: A B* P", "updated B v5"]


@pytest.mark.rule("G9.1", "G11.5")
async def test_positions_and_profiles_survive() -> None:
    """Also those moved since the last publication; hidden ones stay hidden."""
    stage = Stage()
    a, p = await stage.seat("A", "P", display_name="Somebody", attributes={"hat": "red"})
    hidden = stage.outlet("H")
    await stage.turn(stage.join(hidden, hide_position=True, x=1.0))
    arm()
    created_ms = stage.room().state.created_at_ms
    await stage.pass_time(5)
    await stage.turn(m.Move(a, 5.0, 6.0), m.Ready(p))
    state = stage.room().state
    player = state.players[SocketId("A")]
    assert (player.motion.x, player.motion.y) == (5.0, 6.0)
    assert (player.display_name, player.attributes) == ("Somebody", {"hat": "red"})
    assert state.players[SocketId("H")].hide_position
    assert state.created_at_ms == created_ms
    assert state.players[SocketId("H")].motion.last_seen_ms == created_ms


async def test_moves_ticks_and_checks_go_on_after_a_recovery() -> None:
    """One timer of each kind, none of the failed room."""
    stage, (a, b, p) = await seated("A", "B", "P", self_check_s=60, tick_ms=50)
    await stage.turn(m.Move(a, 1.0, 1.0))
    await stage.turn(m.Move(a, 2.0, 2.0))
    assert len(stage.clock.waiting()) == 2
    await stage.turn(m.Ready(p))
    assert stage.clock.waiting() == [60]
    stage.forget()
    await stage.turn(m.Move(b, 3.0, 3.0))
    assert a.take() == ["moved B 3 3"]
    await stage.turn(m.Move(b, 4.0, 4.0))
    await stage.pass_time(61)
    assert a.take() == ["moved B 4 4"]
    assert stage.room()._publication.last_validated_ms == stage.clock.now_ms() - 1000


# -- what the operator is told


async def test_the_operator_learns_what_broke_and_what_came_before() -> None:
    """The state's numbers, the poison, the last operations; nothing that was said or is secret."""
    stage, (a, _, p) = await seated("A", "B", "P")
    before = stage.room().state
    numbers = {"epoch": before.epoch, "version": 4, "checksum": before.checksum(), "count": 3}
    await stage.turn(m.Say(p, "chat", "confidential"))
    (line,) = stage.log.of("room_restarted")
    assert (line.level, line.room_id, line.socket_id) == ("error", "room", "P")
    assert line.details["roomState"] == numbers | {"version": 3}
    assert "Poisoned" in str(line.details["error"])
    assert str(line.details["poison"]).startswith("Say(")
    assert "confidential" not in str(line)
    assert "user-P" not in str(line.details["poison"])
    assert line.details["lastOperations"] == ["joined A", "joined B", "joined P"]
    assert a.take() == ["roomState roomRecovered v3: A B P"]


async def test_the_last_operations_go_on_over_restarts_and_are_bounded() -> None:
    """The newest ones, at most a few dozen."""
    stage, (a, p) = await seated("A", "P")
    for number in range(100):
        await stage.turn(m.Update(a, f"A{number}", None))
    await stage.turn(m.Ready(p))
    await stage.turn(m.Ready(a))
    arm()
    await stage.turn(m.Ready(p))
    first, second = (line.details["lastOperations"] for line in stage.log.of("room_restarted"))
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert 32 <= len(first) <= 64
    assert set(first) == {"updated A"}
    assert second[-2:] == ["updated A", "ready A"]
