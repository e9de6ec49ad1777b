"""What sessions ask of a room, and what comes of it.

Resumes, moves and slow readers have files of their own, beginning with `test_room_`. Each test is a
story in turns; what is sent in one `turn` is handled in one turn of the room.
"""

import pytest

from actors import messages as m
from actors.answers import Done, Joined, Validated
from actors.history import Claim
from actors.ids import SocketId
from actors.players import LeaveReason, StateView
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import ROOM, Stage

A, B, C = SocketId("A"), SocketId("B"), SocketId("C")


def shown(outlet: FakeOutlet) -> StateView:
    """The whole state that was told last."""
    view = outlet.story[-1].thing
    assert isinstance(view, StateView)
    return view


# -- joining


@pytest.mark.rule("G2.1")
async def test_a_join_is_answered_with_everybody_and_a_first_token() -> None:
    """The joiner is among them, as it wished to appear."""
    stage = Stage()
    await stage.seat("A")
    b = stage.outlet("B")
    await stage.pass_time(1)
    await stage.turn(
        stage.join(b, person="bob", display_name="Bob", x=1.5, y=-2.0, attributes={"hat": "red"})
    )
    joined = b.answer_of(Joined)
    assert (joined.version, joined.serial, joined.fresh, joined.succeeds) == (2, 1, True, None)
    player = {player.socket_id: player for player in shown(b).players}[B]
    assert (player.user_id, player.display_name, player.attributes) == (
        "bob",
        "Bob",
        {"hat": "red"},
    )
    assert (player.motion.x, player.motion.y) == (1.5, -2.0)
    assert player.joined_at_ms == player.motion.last_seen_ms == stage.clock.now_ms()
    assert shown(b).metadata.created_at_ms == stage.clock.now_ms() - 1000
    assert shown(b).metadata.player_count == 2


@pytest.mark.rule("G5.1")
async def test_joining_again_shows_the_present_state_and_changes_nothing() -> None:
    """A new token, the version as it was, and nobody else is told."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(stage.join(a, display_name="another name", x=9.0))
    joined = a.answer_of(Joined)
    assert (joined.version, joined.serial, joined.fresh) == (2, 2, False)
    assert a.take() == ["Joined v2: A B"]
    assert b.take() == []
    assert stage.room().state.players[A].display_name is None
    assert stage.metrics.count["player_joined"] == 2
    await stage.turn(m.Ready(a))
    assert a.take() == [*b.take(), "ok v3"] == ["ready A v3", "ok v3"]


@pytest.mark.rule("G2.7")
async def test_one_user_may_sit_with_several_sessions() -> None:
    """One player each."""
    stage = Stage()
    await stage.seat("A", "B", person="ann")
    players = stage.room().state.players
    assert [players[key].user_id for key in (A, B)] == ["ann", "ann"]


@pytest.mark.rule("E2.2", "G6.14")
async def test_a_full_room_refuses_and_lost_players_count() -> None:
    """Nobody else notices, and a place that becomes free is taken."""
    stage = Stage(players_max=2)
    a, b = await stage.seat("A", "B")
    await stage.lose(a)
    b.take()
    c = stage.outlet("C")
    await stage.turn(stage.join(c))
    assert c.take() == ["refused roomFull"]
    assert b.take() == []
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    await stage.turn(stage.join(c))
    assert c.take() == ["Joined v5: A? C"]


@pytest.mark.rule("E2.2")
async def test_of_a_storm_on_the_last_places_the_first_get_them() -> None:
    """In the order of asking; each of the others is refused."""
    stage = Stage(players_max=3)
    came = [stage.outlet(name) for name in "ABCDE"]
    await stage.turn(*(stage.join(outlet) for outlet in came))
    assert [outlet.take() for outlet in came] == [
        *[["Joined v3: A B C"]] * 3,
        *[["refused roomFull"]] * 2,
    ]


@pytest.mark.rule("G5.7")
async def test_a_join_whose_connection_is_gone_leaves_nobody_behind() -> None:
    """It is dropped without an answer."""
    stage = Stage()
    (a,) = await stage.seat("A")
    gone = stage.outlet("B")
    stage.post(stage.join(gone))
    gone.alive = False
    await stage.turn()
    assert gone.take() == a.take() == []
    assert list(stage.room().state.players) == [A]


async def test_a_join_after_its_deadline_is_unavailable_and_never_takes_effect() -> None:
    """At the deadline itself it is still in time."""
    stage = Stage(join_timeout_s=5)
    (a,) = await stage.seat("A")
    late, in_time = stage.outlet("B"), stage.outlet("C")
    joins = [stage.join(late)]
    stage.clock.step(1)
    joins.append(stage.join(in_time))
    stage.clock.step(6)
    await stage.turn(*joins)
    assert late.take() == ["refused unavailable"]
    assert in_time.take() == ["Joined v2: A C"]
    assert a.take() == ["joined C v2"]


async def test_an_answer_goes_to_the_metrics_with_the_time_it_took() -> None:
    """From asking to answering."""
    stage = Stage()
    await stage.seat("A")
    b = stage.outlet("B")
    join = stage.join(b)
    stage.clock.step(0.25)
    await stage.turn(join)
    assert stage.metrics.join_seconds == [0.0, 0.25]
    (_, line) = stage.log.of("player_joined")
    assert (line.level, line.room_id, line.socket_id, line.user_id) == (
        "info",
        "room",
        "B",
        "user-B",
    )
    assert line.details == {"playerCount": 2, "version": 2, "duration_ms": 250}


# -- one session a user


@pytest.mark.rule("C4.7")
async def test_the_newest_session_of_a_user_replaces_the_others() -> None:
    """They are evicted, the others see them leave as replaced, and then the newcomer."""
    stage = Stage(one_session_per_user=True)
    (a,) = await stage.seat("A", person="ann")
    (b,) = await stage.seat("B")
    c = stage.outlet("C")
    a.take()
    await stage.turn(stage.join(c, person="ann"))
    assert a.take() == ["evicted replaced"]
    assert b.take() == ["left A(replaced) v3", "joined C v4"]
    assert c.take() == ["Joined v4: B C"]
    assert stage.metrics.count["player_left replaced"] == 1


async def test_a_replaced_session_frees_its_place() -> None:
    """Also where it was lost, and the room full."""
    stage = Stage(one_session_per_user=True, players_max=2)
    (a,) = await stage.seat("A", person="ann")
    await stage.seat("B")
    await stage.lose(a)
    c = stage.outlet("C")
    await stage.turn(stage.join(c, person="ann"))
    assert c.take() == ["Joined v5: B C"]


@pytest.mark.rule("C4.7")
async def test_who_joins_and_is_replaced_in_one_turn_has_its_answer_first() -> None:
    """A client that waits for its answer is answered, then told that it is out."""
    stage = Stage(one_session_per_user=True)
    (z,) = await stage.seat("Z")
    a, b = stage.outlet("A"), stage.outlet("B")
    await stage.turn(stage.join(a, person="ann"), stage.join(b, person="ann"))
    assert a.take() == ["Joined v2: A Z", "evicted replaced"]
    assert b.take() == ["Joined v4: B Z"]
    assert z.take() == ["joined A v2", "left A(replaced) v3", "joined B v4"]


async def test_joining_again_replaces_nobody() -> None:
    """The session is its own newest."""
    stage = Stage(one_session_per_user=True)
    (a,) = await stage.seat("A", person="ann")
    await stage.turn(stage.join(a, person="ann"))
    assert a.take() == ["Joined v1: A"]


# -- leaving


@pytest.mark.rule("G5.6")
async def test_a_leave_is_answered_and_seen_by_the_others() -> None:
    """With its reason; who left hears nothing more."""
    stage = Stage()
    a, b, c = await stage.seat("A", "B", "C")
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    assert a.take() == ["Left"]
    assert b.take() == c.take() == ["left A(left) v4"]
    await stage.turn(m.Leave(b, LeaveReason.SWITCHED))
    assert c.take() == ["left B(switched) v5"]
    await stage.turn(m.Ready(c))
    assert a.take() == b.take()[1:] == []
    assert stage.metrics.count["player_left left"] == 1
    assert stage.metrics.count["player_left switched"] == 1
    (line, _) = stage.log.of("player_left")
    assert (line.socket_id, line.user_id) == ("A", "user-A")
    assert line.details == {"playerCount": 2, "version": 4, "reason": "left"}


async def test_a_leave_of_somebody_who_is_not_there_is_answered_too() -> None:
    """It is where the session wants to be."""
    stage = Stage()
    (a,) = await stage.seat("A")
    stranger = stage.outlet("X")
    await stage.turn(m.Leave(stranger, LeaveReason.LEFT))
    assert stranger.take() == ["Left"]
    assert a.take() == []


@pytest.mark.rule("G5.4")
async def test_nothing_of_the_old_room_follows_a_switch() -> None:
    """The new room's state, then the old room's goodbye; others see it leave as switched."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    there = FakeOutlet("A", stage.encoder, stage.roster, type(ROOM)("other"))
    await stage.turn(stage.join(there))
    assert there.take() == ["Joined v1: A"]
    await stage.turn(m.Leave(a, LeaveReason.SWITCHED), m.Say(b, "chat", "gone"), m.Ready(b))
    assert a.take() == ["Left"]
    assert b.take()[0] == "left A(switched) v3"
    assert there.take() == []


# -- ready, update, talk


@pytest.mark.rule("G5.5")
async def test_a_second_ready_changes_nothing_and_is_ok() -> None:
    """Nobody is told twice."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Ready(a))
    await stage.turn(m.Ready(a))
    assert a.take() == ["ready A v3", "ok v3", "ok v3"]
    assert b.take() == ["ready A v3"]


@pytest.mark.rule("G1.6")
async def test_an_update_shows_the_whole_new_player() -> None:
    """What it does not name stays."""
    stage = Stage()
    (a,) = await stage.seat("A", display_name="Ann")
    await stage.turn(m.Update(a, None, {"hat": "red"}))
    player = stage.room().state.players[A]
    assert (player.display_name, player.attributes) == ("Ann", {"hat": "red"})
    assert a.take() == ["updated A v2", "ok v2"]


@pytest.mark.rule("G1.5")
async def test_a_room_message_is_no_version_and_is_an_activity() -> None:
    """It reaches everybody once, the sender included."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.pass_time(2)
    await stage.turn(m.Say(a, "chat", {"text": "hi"}))
    assert a.take() == ["said A: {'text': 'hi'}", "ok v2"]
    assert b.take() == ["said A: {'text': 'hi'}"]
    assert stage.room().state.last_activity_ms == stage.clock.now_ms()


@pytest.mark.rule("E2.1")
async def test_requests_of_strangers_are_refused_and_change_nothing() -> None:
    """A move awaits no answer."""
    stage = Stage()
    (a,) = await stage.seat("A")
    version = stage.room().state.version
    for request in (m.Ready, m.Describe):
        stranger = stage.outlet("X")
        await stage.turn(request(stranger))
        assert stranger.take() == ["refused notInRoom"]
    for other in (
        m.Update(stage.outlet("A"), "not A", None),
        m.Say(stage.outlet("A"), "chat", "not A"),
        m.Validate(stage.outlet("A"), Claim(frozenset())),
    ):
        await stage.turn(other)
        assert isinstance(other.outlet, FakeOutlet)
        assert other.outlet.take() == ["refused notInRoom"]
    mover = stage.outlet("A")
    await stage.turn(m.Move(mover, 5.0, 5.0))
    assert mover.take() == a.take() == []
    assert stage.room().state.version == version
    assert stage.room().state.players[A].motion.x == 0.0


# -- describing and validating


@pytest.mark.rule("G2.5")
async def test_the_whole_state_can_be_asked_for() -> None:
    """Nobody else is told anything."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Ready(b))
    a.take(), b.take()
    await stage.turn(m.Describe(a))
    assert a.take() == ["Described v3: A B*"]
    assert b.take() == []


@pytest.mark.rule("G10.1", "G10.4")
async def test_a_client_is_judged_at_the_version_that_it_names() -> None:
    """Events in flight do not make it wrong; the answer has no players where it is right."""
    stage = Stage()
    a, _ = await stage.seat("A", "B")
    state = stage.room().state
    before = Claim(frozenset({A, B}), state.epoch, 2, state.checksum())
    c = stage.outlet("C")
    await stage.turn(stage.join(c), m.Validate(a, before))
    assert a.take() == ["joined C v3", "valid v3"]
    assert stage.metrics.count["state_validated True"] == 1


@pytest.mark.rule("G10.3", "G10.4")
async def test_a_wrong_client_is_healed_by_the_answer() -> None:
    """With all players, what it lacks and what only it has; the operator may look."""
    stage = Stage()
    a, _ = await stage.seat("A", "B")
    await stage.turn(m.Validate(a, Claim(frozenset({A, C}))))
    assert a.take() == ["invalid v2: A B"]
    verdict = a.answer_of(Validated).verdict
    assert (verdict.missing, verdict.unexpected) == ((B,), (C,))
    assert stage.metrics.count["state_validated False"] == 1
    (line,) = stage.log.of("client_state_invalid")
    assert (line.level, line.socket_id) == ("warn", "A")
    assert (line.details["missing"], line.details["unexpected"]) == (1, 1)


@pytest.mark.rule("G10.1")
async def test_a_validation_in_the_turn_of_other_changes_sees_them_all() -> None:
    """It is answered at the end of the turn, after the events that it may be compared with."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    after = Claim(frozenset({A, B}), None, 3, None)
    await stage.turn(m.Validate(a, after), m.Ready(b))
    assert a.take() == ["ready B v3", "valid v3"]


async def test_the_last_validation_by_the_room_itself_is_shown() -> None:
    """At first its beginning, then the last self-check."""
    stage = Stage(self_check_s=60)
    start_ms = stage.clock.now_ms()
    (a,) = await stage.seat("A")
    await stage.turn(m.Describe(a))
    assert shown(a).last_validated_ms == start_ms
    await stage.pass_time(61)
    await stage.turn(m.Describe(a))
    assert shown(a).last_validated_ms == start_ms + 60_000


async def test_the_census_counts_the_players_of_all_rooms() -> None:
    """Lost ones included, until they are gone."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.seat("C", room_id=type(ROOM)("other"))
    assert stage.census.players == 3
    await stage.lose(a)
    assert stage.census.players == 3
    await stage.turn(m.Leave(b, LeaveReason.LEFT))
    assert stage.census.players == 2
    await stage.pass_time(31)
    assert stage.census.players == 1


async def test_a_version_in_ok_is_the_rooms_at_the_end_of_the_turn() -> None:
    """Not below that of the request's own event."""
    stage = Stage()
    a, b = await stage.seat("A", "B")
    await stage.turn(m.Ready(a), m.Ready(b))
    assert a.answer_of(Done).version == 4
