"""Moderators in a room: who is out, who comes in, who may say so, and what the others are told."""

import pytest

from actors import messages as m
from actors.answers import Joined, Resumed
from actors.ids import SocketId, UserId
from actors.permissions import ANONYMOUS_GRANTS, NOT_ALLOWED, NOTHING
from actors.players import LeaveReason
from actors.room_rules import BanUser, KickPlayer, SetRoom, UnbanUser
from tests.actors.moderated import MEMBER, MODERATOR, act, arrive, checked, no_of, seated
from tests.actors.stage import Stage

A, MOD = SocketId("A"), SocketId("Mod")


def kick(name: str, reason: str | None = None) -> KickPlayer:
    """By the session."""
    return KickPlayer(SocketId(name), None, reason)


# -- who may


@pytest.mark.rule("T2.9")
@pytest.mark.parametrize(
    "asked", [kick("B"), BanUser("user-B"), UnbanUser("user-B"), SetRoom(private=True)]
)
async def test_nobody_but_moderators_and_the_owner_decides(asked: object) -> None:
    """By the token as it is now; nothing has happened then."""
    stage = Stage()
    mod, a, b = await seated(stage, "Mod", "A", "B")
    await act(stage, a, asked)  # type: ignore[arg-type]
    assert no_of(a)[0] == "forbidden"
    mod.grant = MEMBER
    await act(stage, mod, asked)  # type: ignore[arg-type]
    assert no_of(mod)[0] == "forbidden"
    assert b.take() == []
    assert not stage.room().state.rules.bans
    assert sorted(stage.room().members) == ["A", "B", "Mod"]


@pytest.mark.rule("T2.9")
async def test_without_authentication_nobody_moderates_not_even_an_owner() -> None:
    """The owner is from a time when somebody vouched for names."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    await act(stage, mod, SetRoom(owner="user-A"))
    a = await arrive(stage, "A", ANONYMOUS_GRANTS.elsewhere)
    await act(stage, a, kick("Mod"))
    assert no_of(a)[0] == "forbidden"
    a.grant = MEMBER
    await act(stage, a, kick("Mod"))
    assert mod.take()[-1] == "evicted kicked"


async def test_who_sits_elsewhere_cannot_act_here() -> None:
    """Its outlet is not the member's."""
    stage = Stage()
    mod, _ = await seated(stage, "Mod", "A")
    old = stage.outlet("Mod")
    old.grant = MODERATOR
    await act(stage, old, kick("A"))
    assert no_of(old)[0] == "notInRoom"
    assert mod.take() == []


@pytest.mark.rule("T2.10")
async def test_one_acts_on_lower_ranks_alone() -> None:
    """Owner, then moderators, then the rest; nobody on himself."""
    stage = Stage()
    mod, mad, owner, a = await seated(stage, "Mod", "Mad", "Own", "A")
    await act(stage, mod, SetRoom(owner="user-Own"))
    for name in ("Mod", "Mad", "Own"):
        await act(stage, mod, kick(name))
        assert no_of(mod)[0] == "forbidden"
        await act(stage, mod, BanUser(f"user-{name}"))
        assert no_of(mod)[0] == "forbidden"
    await act(stage, owner, kick("Own"))
    assert no_of(owner)[0] == "forbidden"
    for outlet in (mod, mad, owner, a):
        assert "evicted kicked" not in outlet.take()
    await act(stage, owner, kick("Mad"), BanUser("user-Mod"))
    assert (mad.take()[-1], mod.take()[-1]) == ("evicted kicked", "evicted kicked")
    await stage.turn(m.Leave(owner, LeaveReason.LEFT))
    mod = await arrive(stage, "Mud", MODERATOR)
    await act(stage, mod, BanUser("user-Own"))
    assert no_of(mod)[0] == "forbidden", "the owner need not be here"


# -- kicks


@pytest.mark.rule("T2.11")
async def test_who_is_kicked_is_out_and_may_join_afresh() -> None:
    """The others are told first, then the moderator has its answer; the token is void."""
    stage = Stage()
    mod, a, b = await seated(stage, "Mod", "A", "B")
    await act(stage, mod, kick("A", "spam"))
    assert a.take() == ["evicted kicked"]
    assert b.take() == ["left A(kicked) v4"]
    assert mod.take() == ["left A(kicked) v4", "ok v4"]
    back = stage.outlet("A")
    back.grant = MEMBER
    await stage.turn(stage.resume(back, "A", version=3))
    assert no_of(back)[0] == "resumeExpired"
    again = await arrive(stage, "A2", person="user-A")
    again.answer_of(Joined)


@pytest.mark.rule("T2.11")
async def test_a_kick_by_user_is_of_all_sessions_that_show_that_name() -> None:
    """Lost ones, too; not of one that hides who it is."""
    stage = Stage()
    mod, a, b = await seated(stage, "Mod", "A", "B", person="")
    twin = await arrive(stage, "A2", person="user-A")
    hidden = await arrive(stage, "A3", person="user-A", user_id=UserId("anon-xxxxxxxxxxxx"))
    await stage.lose(twin)
    stage.forget()
    await act(stage, mod, KickPlayer(None, "user-A"))
    assert a.take() == ["evicted kicked"]
    assert b.take() == ["left A(kicked) A2(kicked) v8"]
    assert "evicted kicked" not in hidden.take()


@pytest.mark.rule("T2.19")
async def test_a_kick_of_nobody_names_the_field() -> None:
    """Whoever it was may have left meanwhile."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    await act(stage, mod, kick("Z"))
    assert no_of(mod) == ("badMessage", "socketId: expected one of a player in the room")
    await act(stage, mod, KickPlayer(None, "user-Z"))
    assert no_of(mod) == ("badMessage", "userId: expected one of a player in the room")


# -- bans


@pytest.mark.rule("T2.12")
async def test_a_ban_is_of_all_sessions_and_keeps_them_out() -> None:
    """Open ones, and one in its grace. Neither join nor token comes in, until it is lifted."""
    stage = Stage()
    mod, a, b = await seated(stage, "Mod", "A", "B")
    lost = await arrive(stage, "A2", person="user-A")
    await stage.lose(lost)
    stage.forget()
    await act(stage, mod, BanUser("user-A", "spam"))
    assert a.take() == ["evicted kicked"]
    assert b.take() == ["left A(kicked) A2(kicked) v7"]
    assert mod.take() == ["left A(kicked) A2(kicked) v7", "ok v7"]
    assert no_of(await arrive(stage, "A3", person="user-A")) == ("forbidden", "banned: spam")
    for name in ("A", "A2"):
        back = stage.outlet(name)
        await stage.turn(stage.resume(back, name, version=3))
        assert no_of(back)[0] == "resumeExpired"
    assert (await checked(stage, "user-A")).reason == "banned: spam"
    await act(stage, mod, UnbanUser("user-A"))
    (await arrive(stage, "A3", person="user-A")).answer_of(Joined)
    assert mod.take() == ["ok v7", "joined A3 v8"]


@pytest.mark.rule("T2.12")
async def test_a_ban_for_a_time_ends_with_it() -> None:
    """Also of somebody who was not here."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    await act(stage, mod, BanUser("user-A", None, 60))
    assert mod.take() == ["ok v1"]
    await stage.pass_time(59)
    assert no_of(await arrive(stage, "A")) == ("forbidden", "banned")
    await stage.pass_time(1)
    (await arrive(stage, "A")).answer_of(Joined)


@pytest.mark.rule("T2.12")
async def test_a_join_that_waits_behind_a_ban_is_refused() -> None:
    """And one before it is seated, and out at once: in the room's order."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    early, late = stage.outlet("E"), stage.outlet("L")
    early.grant = late.grant = MEMBER
    await stage.turn(
        stage.join(early, person="eve"),
        m.Moderate(mod, BanUser("eve")),
        stage.join(late, person="eve"),
    )
    assert early.take() == ["Joined v2: E Mod", "evicted kicked"]
    assert no_of(late) == ("forbidden", "banned")
    assert mod.take() == ["joined E v2", "left E(kicked) v3", "ok v3"]


@pytest.mark.rule("T2.13")
async def test_a_ban_by_a_pseudonym_is_of_the_person_and_tells_nobody_who_it_is() -> None:
    """Lifted by the same name, also when nobody is here who has it."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    shown = "anon-xxxxxxxxxxxx"
    hidden = await arrive(stage, "H", person="zoe", user_id=UserId(shown))
    await act(stage, mod, BanUser(shown, "rude"))
    assert hidden.take()[-1] == "evicted kicked"
    assert no_of(await arrive(stage, "Z", person="zoe"))[0] == "forbidden"
    assert "zoe" not in str(stage.log.lines)
    await act(stage, mod, UnbanUser(shown))
    (await arrive(stage, "Z", person="zoe")).answer_of(Joined)


@pytest.mark.rule("T2.13")
async def test_a_kick_by_session_is_of_somebody_who_hides_as_well() -> None:
    """Whoever it is."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    hidden = await arrive(stage, "H", person="zoe", user_id=UserId("anon-xxxxxxxxxxxx"))
    await act(stage, mod, kick("H", "rude"))
    assert hidden.take()[-1] == "evicted kicked"
    assert "zoe" not in str(stage.log.lines)


@pytest.mark.rule("T2.13")
async def test_a_ban_by_the_real_name_is_of_who_hides_it_and_the_log_names_the_session() -> None:
    """Nothing that the moderator wrote is in any line of it."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    hidden = await arrive(stage, "H", person="zoe", user_id=UserId("anon-xxxxxxxxxxxx"))
    await act(stage, mod, BanUser("zoe", "it is zoe"), BanUser("yan"), SetRoom(owner="xia"))
    assert hidden.take()[-1] == "evicted kicked"
    assert not any(name in str(stage.log.lines) for name in ("zoe", "yan", "xia"))
    (line, _) = stage.log.of("user_banned")
    assert (line.socket_id, line.details["socketIds"]) == ("Mod", ["H"])


# -- the room's own rules


@pytest.mark.rule("T2.14")
async def test_a_private_room_lets_in_whom_it_knows_and_those_who_sit_stay() -> None:
    """A resume is no join."""
    stage = Stage()
    mod, a = await seated(stage, "Mod", "A")
    await act(stage, mod, SetRoom(private=True, allow=("user-B",)))
    assert mod.take() == ["room private 1000", "ok v2"]
    assert a.take() == ["room private 1000"]
    (await arrive(stage, "B")).answer_of(Joined)
    (await arrive(stage, "Mad", MODERATOR)).answer_of(Joined)
    assert no_of(await arrive(stage, "C")) == ("forbidden", NOT_ALLOWED)
    await stage.lose(a)
    back = stage.outlet("A")
    back.grant = MEMBER
    await stage.turn(stage.resume(back, "A", version=2))
    back.answer_of(Resumed)
    await act(stage, mod, SetRoom(private=False))
    (await arrive(stage, "C")).answer_of(Joined)


@pytest.mark.rule("T2.15")
async def test_players_max_of_a_room_is_below_the_servers_and_puts_nobody_out() -> None:
    """Lost players always fit; `maxPlayers` says what holds."""
    stage = Stage(players_max=4)
    mod, a, b = await seated(stage, "Mod", "A", "B")
    await act(stage, mod, SetRoom(players_max=2))
    assert a.take() == ["room open 2"]
    assert stage.room().state.metadata().players_max == 2
    await stage.lose(b)
    assert no_of(await arrive(stage, "C"))[0] == "roomFull"
    await stage.come_back("B", version=3)
    await act(stage, mod, SetRoom(players_max=1_000_000))
    assert stage.room().state.metadata().players_max == 4
    (await arrive(stage, "C")).answer_of(Joined)
    assert no_of(await arrive(stage, "D"))[0] == "roomFull"


@pytest.mark.rule("T2.15")
async def test_joins_that_waited_together_never_exceed_players_max() -> None:
    """They are counted as they are seated, however long they had waited before."""
    stage = Stage()
    (mod,) = await seated(stage, "Mod")
    outlets = [stage.outlet(f"S{number}") for number in range(6)]
    await stage.turn(
        *(stage.join(outlet) for outlet in outlets[:2]),
        m.Moderate(mod, SetRoom(players_max=4)),
        *(stage.join(outlet) for outlet in outlets[2:]),
    )
    answers = [type(outlet.answers[-1]).__name__ for outlet in outlets]
    assert answers == ["Joined"] * 3 + ["Refused"] * 3


@pytest.mark.rule("T2.16")
async def test_the_public_part_of_the_rules_is_told_where_it_changes_without_a_version() -> None:
    """Neither list nor owner is; nor is what was so before."""
    stage = Stage()
    mod, a = await seated(stage, "Mod", "A")
    await act(stage, mod, SetRoom(allow=("x",), owner="y"), SetRoom(private=False))
    await act(stage, mod, SetRoom(players_max=1000))
    assert a.take() == []
    assert mod.take() == ["ok v2"] * 3
    await act(stage, mod, SetRoom(private=True), SetRoom(players_max=7))
    assert a.take() == ["room private 1000", "room private 7"]
    assert stage.room().state.version == 2


@pytest.mark.rule("T2.8")
async def test_what_one_may_do_is_asked_without_opening_a_room() -> None:
    """An open one says it by its rules, the owner's rights among it."""
    stage = Stage()
    assert await checked(stage, "user-A") == MEMBER
    assert stage.directory.rooms == {}
    (mod,) = await seated(stage, "Mod")
    await act(stage, mod, SetRoom(private=True, owner="user-A"))
    assert (await checked(stage, "user-A")).moderates
    assert await checked(stage, "user-B") == await checked(stage, "user-A", NOTHING) == NOTHING


@pytest.mark.rule("T2.5")
async def test_a_join_whose_token_was_changed_while_it_waited_is_refused() -> None:
    """What counts is the token at the moment."""
    stage = Stage()
    outlet = stage.outlet("A")
    outlet.grant = MEMBER
    stage.post(stage.join(outlet))
    outlet.grant = NOTHING
    await stage.turn()
    assert no_of(outlet) == ("forbidden", NOT_ALLOWED)
