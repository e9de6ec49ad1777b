"""A room held against itself and its sessions: each breach is found, healed and told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors import messages as m
from actors.faults import Inconsistent
from actors.ids import RoomId, SocketId
from actors.members import Absent, Hearing, Member
from actors.players import LeaveReason
from actors.room_state import RoomState
from actors.self_check import Suspicion, breaches
from tests.actors.fakes import FakeEncoder, FakeOutlet, FakeRoster
from tests.actors.people import player
from tests.actors.stage import ROOM, Stage

A, B, C = SocketId("A"), SocketId("B"), SocketId("C")
CHECK_S = 60.0


class Checked:
    """A sound room of A and B, B lost, and what the sessions believe."""

    def __init__(self) -> None:
        self.state = RoomState(RoomId("room"), 1, 0, 10)
        self.members: dict[SocketId, Member] = {}
        self.claims: list[FakeOutlet] = []
        for name in (A, B):
            self.sit(name)
        self.state.lose(B, 0)
        self.members[B].hearing = Hearing.LOST
        self.claims.pop()

    def outlet(self, name: SocketId) -> FakeOutlet:
        return FakeOutlet(name, FakeEncoder(), FakeRoster(), RoomId("room"))

    def sit(self, name: SocketId) -> None:
        self.state.join(player(name), 0)
        self.members[name] = Member(self.outlet(name), name, Hearing.CURRENT)
        self.claims.append(self.members[name].outlet)  # type: ignore[arg-type]

    def found(self) -> list[str]:
        return breaches(self.state, self.members, self.claims)


def test_a_sound_room_has_no_breach() -> None:
    """Empty, too; a lost player has no session, and one that is behind hears on."""
    room = Checked()
    assert room.found() == []
    room.members[A].hearing = Hearing.BEHIND
    assert room.found() == []
    assert breaches(RoomState(RoomId("room"), 1, 0, 10), {}, []) == []


PLANTED: list[tuple[str, Callable[[Checked], object], list[str]]] = [
    (
        "a flag that the checksum does not know",
        lambda room: room.state.players.update({A: replace(player("A"), is_ready=True)}),
        ["the checksum is not that of the players"],
    ),
    (
        "a count that is off",
        lambda room: setattr(room.state, "connected_count", 7),
        ["the count of connected players is wrong"],
    ),
    (
        "a player whom nobody can bring back",
        lambda room: room.members.pop(B),
        ["player without member: B"],
    ),
    (
        "a member without a player",
        lambda room: room.members.update({C: Member(room.outlet(C), "c", Hearing.LOST)}),
        ["member without player: C"],
    ),
    (
        "a player shown as lost whose member hears",
        lambda room: setattr(room.members[B], "hearing", Hearing.CURRENT),
        ["connected flag is wrong: B", "player without session: B"],
    ),
    (
        "a player shown as connected whose member is lost",
        lambda room: setattr(room.members[A], "hearing", Hearing.LOST),
        ["connected flag is wrong: A", "session without player: A"],
    ),
    (
        "a player whose session sits elsewhere",
        lambda room: room.claims.clear(),
        ["player without session: A"],
    ),
    (
        "a session that believes itself here",
        lambda room: room.claims.append(room.outlet(C)),
        ["session without player: C"],
    ),
    (
        "a session on another connection",
        lambda room: room.claims.__setitem__(0, room.outlet(A)),
        ["session has another outlet: A"],
    ),
]


@pytest.mark.parametrize(
    ("plant", "expected"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED]
)
def test_each_breach_is_found_and_named(
    plant: Callable[[Checked], object], expected: list[str]
) -> None:
    """Alone, by the session it concerns."""
    room = Checked()
    plant(room)
    assert room.found() == expected


# -- in a room


async def checked(**settings: int) -> tuple[Stage, FakeOutlet, FakeOutlet]:
    """A room of A and B, and a minute until its check."""
    stage = Stage(self_check_s=CHECK_S, resume_grace_s=1000, **settings)
    a, b = await stage.seat("A", "B")
    return stage, a, b


async def test_a_room_checks_itself_and_says_when() -> None:
    """Once every `self_check_s`, as long as somebody sits in it."""
    stage, a, b = await checked()
    started_ms = stage.clock.now_ms()
    await stage.pass_time(CHECK_S * 3.5)
    await stage.turn(m.Describe(a))
    view = a.story[-1].thing
    assert getattr(view, "last_validated_ms", None) == started_ms + 180_000
    assert stage.metrics.count["room_restarted"] == 0
    await stage.turn(m.Leave(a, LeaveReason.LEFT), m.Leave(b, LeaveReason.LEFT))
    await stage.pass_time(CHECK_S)
    assert stage.clock.waiting() == [*stage.directory.idle.values()]


@pytest.mark.parametrize(
    ("plant", "named", "healed"),
    [
        (
            lambda stage: stage.room().state.players.pop(A),
            "member without player: A",
            "v2: A B",
        ),
        (
            lambda stage: setattr(stage.room().state, "connected_count", 9),
            "the count of connected players is wrong",
            "v2: A B",
        ),
        (
            lambda stage: stage.room().state.players.update({C: player("C")}),
            "player without member: C",
            "v2: A B",
        ),
        (
            lambda stage: stage.room().members.pop(A),
            "player without member: A",
            "v3: B",
        ),
        (
            lambda stage: setattr(stage.room().members[A], "hearing", Hearing.LOST),
            "connected flag is wrong: A",
            "v2: A B",
        ),
        (
            lambda stage: stage.room().state.lose(A, 0),
            "connected flag is wrong: A",
            "v2: A B",
        ),
        (
            lambda stage: stage.roster.seated[ROOM].pop(0),
            "player without session: A",
            "v3: A? B",
        ),
        (
            lambda stage: stage.roster.seated[ROOM].__setitem__(0, stage.outlet("A")),
            "session has another outlet: A",
            "v3: A? B",
        ),
    ],
    ids=[
        "a player gone",
        "a wrong count",
        "a player of nowhere",
        "a member gone",
        "a member taken for lost",
        "a player shown as lost",
        "a session gone",
        "a session on another connection",
    ],
)
async def test_a_breach_is_a_fault_that_a_restart_heals(
    plant: Callable[[Stage], object], named: str, healed: str
) -> None:
    """Within one check: the operator learns which, the members get the sound state."""
    stage, _, b = await checked()
    plant(stage)
    await stage.pass_time(CHECK_S)
    (line,) = stage.log.of("room_restarted")
    assert "Inconsistent" in str(line.details["error"])
    assert named in str(line.details["error"])
    assert line.details["poison"] is None
    assert b.take() == [f"roomState roomRecovered {healed}"]
    state = stage.room().state
    claims = stage.roster.claims(ROOM)
    assert breaches(state, stage.room().members, claims) == []
    await stage.pass_time(CHECK_S * 5)
    assert stage.metrics.count["room_restarted"] == 1


async def test_a_lost_player_that_would_never_end_is_ended() -> None:
    """Its grace was forgotten: the check finds that, and it has a new one."""
    stage = Stage(self_check_s=CHECK_S, resume_grace_s=1000)
    a, b = await stage.seat("A", "B")
    stage.room().state.lose(A, 0)
    stage.room().members[A].hearing = Hearing.LOST
    a.cut()
    await stage.pass_time(CHECK_S)
    (line,) = stage.log.of("room_restarted")
    assert "lost player without an end: A" in str(line.details["error"])
    b.take()
    await stage.pass_time(1000)
    assert b.take()[-1].startswith("left A(timeout)")


async def test_a_lost_player_whose_member_hears_is_made_lost_again() -> None:
    """Nobody is at the other end, so it must not be kept for ever."""
    stage, a, b = await checked()
    await stage.lose(a)
    stage.room().members[A].hearing = Hearing.CURRENT
    await stage.pass_time(CHECK_S)
    assert stage.metrics.count["room_restarted"] == 1
    b.take()
    await stage.pass_time(1000)
    assert b.take()[-1] == "left A(timeout) v4"
    assert stage.metrics.count["room_restarted"] == 1


async def test_a_player_whose_session_is_nowhere_is_shown_as_lost() -> None:
    """Its connection is gone and nobody told the room."""
    stage, a, b = await checked()
    a.cut()
    await stage.pass_time(CHECK_S)
    assert b.take() == ["roomState roomRecovered v3: A? B"]
    await stage.pass_time(1000)
    assert b.take()[-1] == "left A(timeout) v4"


async def test_a_session_that_the_room_does_not_know_is_told_that_it_is_out() -> None:
    """It believes itself here, and would wait for ever."""
    stage, a, _ = await checked()
    ghost = stage.outlet("C")
    stage.roster.sit(ROOM, ghost)
    await stage.pass_time(CHECK_S)
    assert ghost.take() == ["evicted closed"]
    assert a.take() == ["roomState roomRecovered v2: A B"]
    assert list(stage.roster.claims(ROOM)) != []


@pytest.mark.parametrize("message", [m.Lost, lambda outlet: m.Leave(outlet, LeaveReason.SWITCHED)])
@pytest.mark.parametrize("turn_messages_max", [1, 512])
async def test_a_loss_or_leave_that_is_on_its_way_is_no_breach(
    turn_messages_max: int, message: Callable[[FakeOutlet], object]
) -> None:
    """The session knows already; the room will, when it has handled what waits behind the check."""
    stage, a, _ = await checked(turn_messages_max=turn_messages_max)
    a.cut()
    stage.clock.step(CHECK_S)
    stage.post(message(a))
    await stage.pass_time(CHECK_S * 3)
    assert stage.metrics.count["room_restarted"] == 0


async def test_there_is_one_timer_for_checks_however_many_alarms_were_false() -> None:
    """A second look is no second timer."""
    stage, a, _ = await checked(turn_messages_max=1)
    for serial in (1, 2, 3):
        a.cut()
        stage.clock.jump(stage.clock.monotonic_s() + CHECK_S)
        stage.post(m.Lost(a))
        await stage.turn()
        a = await stage.come_back("A", version=stage.room().state.version, serial=serial)
    assert stage.metrics.count["room_restarted"] == 0
    assert len([due_s for due_s in stage.clock.waiting() if due_s <= 4 * CHECK_S]) == 1


async def test_a_check_follows_every_recovery() -> None:
    """What the crash left behind is found at once, not a minute later."""
    stage, a, _ = await checked()
    stage.encoder.poison = "poison"
    calls: list[RoomId] = []
    claims = stage.roster.claims

    def noted(room_id: RoomId) -> list[FakeOutlet]:
        calls.append(room_id)
        return [outlet for outlet in claims(room_id) if isinstance(outlet, FakeOutlet)]

    stage.roster.claims = noted  # type: ignore[method-assign]
    await stage.turn(m.Say(a, "chat", "poison"))
    assert len(calls) == 2  # one to recover, one to check


def test_only_the_look_that_was_asked_for_last_counts() -> None:
    """One from before may see what was on its way then, and is not behind what waits now."""
    suspicion = Suspicion()
    assert suspicion.wants(0)
    assert suspicion.look(["player without session: A"], {})
    first = suspicion.ask()
    second = suspicion.ask()
    assert not suspicion.wants(first)
    assert suspicion.wants(second)
    assert not suspicion.wants(0), "there is something to look at again"


def test_what_was_seen_before_nothing_could_be_said_does_not_count() -> None:
    """The looks begin anew."""
    suspicion = Suspicion()
    breach = ["player without session: A"]
    assert suspicion.look(breach, {})
    assert suspicion.look(breach, {})
    suspicion.drop()
    assert suspicion.look(breach, {})
    assert suspicion.look(breach, {})
    with pytest.raises(Inconsistent, match="player without session: A"):
        suspicion.look(breach, {})


def test_a_player_that_is_lost_twice_is_another_suspect_each_time() -> None:
    """By its outlet; the same one in every look is a breach."""
    suspicion = Suspicion()
    breach = ["player without session: A"]
    outlets = [Absent(SocketId("A")) for _ in range(6)]
    for outlet in outlets:
        suspicion.look(breach, {SocketId("A"): Member(outlet, "ann")})
    suspicion.drop()
    member = {SocketId("A"): Member(outlets[0], "ann")}
    assert suspicion.look(breach, member)
    assert suspicion.look(breach, member)
    with pytest.raises(Inconsistent):
        suspicion.look(breach, member)
