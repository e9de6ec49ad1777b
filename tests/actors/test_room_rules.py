"""What a room keeps of who may come and who decides: the value, and its way to disk."""

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import BadMessage, Forbidden
from actors.ids import RoomId
from actors.permissions import ANONYMOUS_GRANTS, NOT_ALLOWED, NOTHING, Grant, Permission
from actors.records import Record, vacant
from actors.room_rules import (
    PLAIN,
    Ban,
    BanUser,
    KickPlayer,
    Rank,
    RoomRules,
    SetRoom,
    UnbanUser,
    plain_of,
    rules_from,
)
from actors.stores.codec import BodyInvalid, body_of, records_in

LOBBY = RoomId("lobby")

MEMBER = Grant(frozenset({Permission.JOIN, Permission.MOVE, Permission.MESSAGE}))
MODERATOR = Grant(frozenset(Permission))
GUEST = ANONYMOUS_GRANTS.elsewhere

names = st.sampled_from(["ann", "bob", "zoë", "anon-abcdefghijkl", "x" * 128])
times = st.none() | st.integers(0, 2**53)
bans = st.builds(Ban, names, st.none() | names, times)
rules = st.builds(
    RoomRules,
    st.none() | names,
    st.booleans(),
    st.none() | st.integers(1, 10**6),
    st.frozensets(names),
    st.dictionaries(names, bans).map(MappingProxyType),
)


def banned(
    person: str = "bob", reason: str | None = None, until_ms: int | None = None
) -> RoomRules:
    """A room that says nothing else."""
    return PLAIN.banned(person, Ban(person, reason, until_ms), 10, 0)


# -- who may come


@given(rules, names, st.sampled_from([NOTHING, MEMBER, MODERATOR, GUEST]), st.integers(0, 2**53))
def test_a_room_never_allows_more_than_the_token_but_to_its_owner(
    room: RoomRules, person: str, grant: Grant, now_ms: int
) -> None:
    """Default is no; the owner moderates, and needs the token's `join` all the same."""
    granted = room.granted(person, grant, now_ms)
    extra = granted.permissions - grant.permissions
    assert extra <= {Permission.MODERATE}
    if extra:
        assert room.rank(person, grant) is Rank.OWNER
    if not grant.allowed or room.ban_of(person, now_ms):
        assert granted.permissions == frozenset()
    assert granted.allowed or granted.reason


@pytest.mark.rule("T2.14")
def test_a_private_room_is_for_owner_list_and_moderators() -> None:
    """Nobody is let in by a name that nobody vouches for."""
    room = RoomRules("ann", private=True, allow=frozenset({"bob"}))
    assert room.granted("ann", MEMBER, 0).moderates
    assert room.granted("bob", MEMBER, 0) == MEMBER
    assert room.granted("mod", MODERATOR, 0) == MODERATOR
    for person, grant in (("eve", MEMBER), ("ann", GUEST), ("bob", GUEST), ("bob", NOTHING)):
        assert not room.granted(person, grant, 0).allowed


@pytest.mark.rule("T2.8")
def test_a_private_room_says_as_much_as_one_that_the_token_does_not_grant() -> None:
    """The same words, and nothing else."""
    private = RoomRules("ann", private=True, players_max=3)
    assert private.granted("eve", MEMBER, 0) == PLAIN.granted("eve", NOTHING, 0) == NOTHING


@pytest.mark.rule("T2.12")
def test_a_ban_holds_until_its_end_and_is_told_with_its_reason() -> None:
    """To the millisecond; it is above every rank by token."""
    room = banned("bob", "spam", 5000)
    for grant in (MEMBER, MODERATOR, GUEST):
        assert room.granted("bob", grant, 4999) == Grant(frozenset(), "banned: spam")
    assert room.granted("bob", MEMBER, 5000) == MEMBER
    assert banned().granted("bob", MEMBER, 2**53).reason == "banned"
    with pytest.raises(Forbidden, match="banned: spam"):
        room.admit("bob", MEMBER, 0)
    with pytest.raises(Forbidden, match=NOT_ALLOWED):
        PLAIN.admit("bob", NOTHING, 0)


# -- what becomes of them


@pytest.mark.rule("T2.19")
def test_bans_are_bounded_and_those_that_have_ended_make_room() -> None:
    """The bound is of those that hold."""
    room = banned("a", until_ms=10).banned("b", Ban("b"), 2, 5)
    with pytest.raises(BadMessage, match="userId: expected at most 2 bans"):
        room.banned("c", Ban("c"), 2, 9)
    assert room.banned("b", Ban("b", "again"), 2, 9).bans["b"].reason == "again"
    assert set(room.banned("c", Ban("c"), 2, 10).bans) == {"b", "c"}
    assert banned("a", until_ms=10).pruned(10) is PLAIN
    assert banned("a", until_ms=10).pruned(9).bans


@pytest.mark.rule("T2.13")
def test_a_ban_is_lifted_by_either_name() -> None:
    """The one that it was asked for by, or the real one."""
    room = PLAIN.banned("zoe", Ban("anon-abcdefghijkl"), 10, 0)
    assert room.unbanned("zoe").bans == room.unbanned("anon-abcdefghijkl").bans == {}
    assert room.unbanned("ann") is room


@pytest.mark.rule("T2.20")
def test_a_room_gets_an_owner_from_a_moderator_and_another_from_its_owner_alone() -> None:
    """Not somebody who is banned."""
    owned = PLAIN.changed(SetRoom(owner="ann"), Rank.MODERATOR, 10, 0)
    assert owned.owner == "ann"
    with pytest.raises(Forbidden, match="owner"):
        owned.changed(SetRoom(owner="bob"), Rank.MODERATOR, 10, 0)
    assert owned.changed(SetRoom(owner="ann"), Rank.MODERATOR, 10, 0) == owned
    assert owned.changed(SetRoom(owner="bob"), Rank.OWNER, 10, 0).owner == "bob"
    with pytest.raises(BadMessage, match="owner: expected a user who is not banned"):
        banned("bob").changed(SetRoom(owner="bob"), Rank.MODERATOR, 10, 0)


@pytest.mark.rule("T2.19")
def test_the_list_of_who_is_let_in_is_bounded() -> None:
    """And replaced as a whole; what is not named stays."""
    room = PLAIN.changed(SetRoom(private=True, allow=("a", "b")), Rank.MODERATOR, 2, 0)
    assert (room.private, room.allow) == (True, frozenset("ab"))
    room = room.changed(SetRoom(allow=("c",)), Rank.MODERATOR, 2, 0)
    assert (room.private, room.allow) == (True, frozenset("c"))
    with pytest.raises(BadMessage, match="allow: expected at most 2 users"):
        PLAIN.changed(SetRoom(allow=("a", "b", "c")), Rank.OWNER, 2, 0)


@pytest.mark.rule("T2.13")
@pytest.mark.parametrize(
    "thing",
    [
        RoomRules("zoe", allow=frozenset({"zoe"}), bans={"zoe": Ban("anon-x")}),
        KickPlayer(None, "zoe"),
        BanUser("zoe"),
        UnbanUser("zoe"),
        SetRoom(allow=("zoe",), owner="zoe"),
    ],
)
def test_nobody_who_is_named_is_in_a_repr(thing: object) -> None:
    """It may come into a log by an error, and who it is may hide."""
    assert "zoe" not in repr(thing)


# -- the way to disk


def record(room: RoomRules | None, *, whole: bool = True) -> Record:
    """Of an empty room."""
    return replace(vacant(LOBBY), whole=whole, rules=room)


@given(rules, st.booleans())
def test_rules_are_read_as_they_were_written(room: RoomRules, whole: bool) -> None:
    """Those that say nothing are known by a look."""
    assert rules_from(plain_of(room)) == room
    (read,) = records_in(body_of([record(room, whole=whole)]))
    assert (read.rules or PLAIN) == room
    assert rules_from(plain_of(RoomRules())) is PLAIN


def test_a_record_of_before_there_were_rules_is_read() -> None:
    """And one that says nothing of them is written as those were."""
    body = body_of([record(None)])
    assert body == b'[["lobby",0,0,0,0,1,{},{}]]'
    assert records_in(body)[0].rules is None


@pytest.mark.parametrize(
    "value",
    [
        7,
        [],
        [None, 0, None, [], {}, 7],
        [7, 0, None, [], {}],
        ["", 0, None, [], {}],
        [None, "no", None, [], {}],
        [None, 0, "3", [], {}],
        [None, 0, None, {}, {}],
        [None, 0, None, [7], {}],
        [None, 0, None, [], []],
        [None, 0, None, [], {"bob": None}],
        [None, 0, None, [], {"bob": ["bob", 7, None]}],
        [None, 0, None, [], {"bob": ["bob", None, "later"]}],
        [None, 0, None, [], {"bob": [7, None, None]}],
    ],
)
def test_what_is_no_rules_is_never_taken_for_some(value: Any) -> None:
    """The record is set aside then, as any that was damaged."""
    with pytest.raises(ValueError, match="not a"):
        rules_from(value)
    with pytest.raises(BodyInvalid, match="not a"):
        records_in(b"[" + body_of([record(None)])[1:-2] + b"," + json.dumps(value).encode() + b"]]")


@given(st.lists(st.tuples(st.none() | rules, st.booleans()), min_size=1, max_size=5))
def test_records_absorb_each_others_rules(steps: list[tuple[RoomRules | None, bool]]) -> None:
    """The newest that says something of them counts; a whole one always does."""
    kept, wanted = vacant(LOBBY), PLAIN
    for room, whole in steps:
        kept.absorb(record(room, whole=whole))
        if whole or room is not None:
            wanted = room or PLAIN
    assert (kept.rules or PLAIN) == wanted
    assert kept.is_bare is (wanted == PLAIN)
