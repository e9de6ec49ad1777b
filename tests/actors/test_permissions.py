"""Who may do what in which room, as a token says it."""

import re
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ids import RoomId
from actors.permissions import (
    ANONYMOUS_GRANTS,
    NOT_ALLOWED,
    NOTHING,
    PATTERNS_MAX,
    Grant,
    Grants,
    Pattern,
    Permission,
    grant_for,
)

WORDS = ("join", "move", "message", "moderate")
segments = st.sampled_from(["a", "b", "ab", "7", "-", "_x"])
separators = st.sampled_from([":", "."])


@st.composite
def joined(draw: st.DrawFn, parts: st.SearchStrategy[str]) -> str:
    """One to four parts with separators between them."""
    text = draw(parts)
    for _ in range(draw(st.integers(0, 3))):
        text += draw(separators) + draw(parts)
    return text


rooms = joined(segments).map(RoomId)
patterns = joined(segments | st.just("*"))
lists = st.lists(st.sampled_from(WORDS), max_size=4)
claims = st.dictionaries(patterns, lists, max_size=6)


def told(grant: Grant) -> set[str]:
    """In the wire's words."""
    return {permission.value for permission in grant.permissions}


def asked(claim: dict[str, Any], room: str) -> set[str]:
    """What a token with `claim` may do in `room`."""
    return told(grant_for(Grants.of_claim(claim), RoomId(room)))


def slowly_matches(pattern: str, room: str) -> bool:
    """The same by a regular expression, which the product has none of."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^.:]+"), room) is not None


@pytest.mark.rule("E2.6")
def test_an_anonymous_session_may_join_move_and_talk_and_not_moderate() -> None:
    """In every room alike."""
    for room_id in (RoomId("a"), RoomId("b")):
        grant = grant_for(ANONYMOUS_GRANTS, room_id)
        assert grant.allowed
        assert not grant.moderates
        assert told(grant) == {"join", "move", "message"}
        assert grant.reason is None


def test_who_may_not_join_is_not_allowed_whatever_else_is_granted() -> None:
    """`allowed` is about joining."""
    grant = Grant(frozenset(Permission) - {Permission.JOIN}, "banned")
    assert not grant.allowed
    assert grant.reason == "banned"


def test_nobody_moderates_by_a_name_that_nobody_vouches_for() -> None:
    """Whatever the grant has."""
    assert Grant(frozenset(Permission)).moderates
    assert not Grant(frozenset(Permission), vouched=False).moderates


# -- the claim


@pytest.mark.rule("T2.1")
@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        (None, "an object"),
        ([], "an object"),
        ("*", "an object"),
        ({"": ["join"]}, "rooms['']"),
        ({"a b": ["join"]}, "rooms['a b']"),
        ({"a/b": ["join"]}, "rooms['a/b']"),
        ({"a\n": ["join"]}, "rooms['a\\n']"),
        ({"x" * 129: ["join"]}, "1-128 characters"),
        ({"ga*": ["join"]}, "rooms['ga*']"),
        ({"a:**": ["join"]}, "rooms['a:**']"),
        ({"a:*b": ["join"]}, "rooms['a:*b']"),
        ({7: ["join"]}, "rooms['7']"),
        ({"a": "join"}, "rooms['a']: expected a list"),
        ({"a": ["jump"]}, "rooms['a']: expected a list"),
        ({"a": ["JOIN"]}, "rooms['a']: expected a list"),
        ({"a": [["join"]]}, "rooms['a']: expected a list"),
        ({"a": None}, "rooms['a']: expected a list"),
        ({"a": ["join"] * 5}, "rooms['a']: expected a list"),
        ({f"r{n}": [] for n in range(PATTERNS_MAX + 1)}, f"at most {PATTERNS_MAX} patterns"),
    ],
)
def test_a_claim_that_is_none_is_refused_and_what_is_wrong_named(claim: object, wrong: str) -> None:
    """It is never taken for less than it says."""
    with pytest.raises(ValueError, match=re.escape(wrong)):
        Grants.of_claim(claim)


def test_a_claim_may_have_as_many_patterns_as_the_bound_says() -> None:
    """The last of them counts, too."""
    claim = {f"r{n}": ["join"] for n in range(PATTERNS_MAX)}
    assert asked(claim, f"r{PATTERNS_MAX - 1}") == {"join"}


@pytest.mark.rule("T2.2")
@pytest.mark.parametrize(
    ("pattern", "room", "matches"),
    [
        ("lobby", "lobby", True),
        ("lobby", "Lobby", False),
        ("*", "lobby", True),
        ("*", "game:7", False),
        ("game:*", "game:7", True),
        ("game:*", "game:7:red", False),
        ("game:*", "game.7", False),
        ("game:*", "game:", False),
        ("game:*", "game:7.1", False),
        ("game:*:red", "game:7:red", True),
        ("game:*:red", "game:7:8:red", False),
        ("*.*", "a.b", True),
        ("*:*", "a.b", False),
        ("a:*", "a:b-c_d", True),
    ],
)
def test_a_star_is_one_whole_segment(pattern: str, room: str, matches: bool) -> None:
    """Of one character or more, and never across a separator."""
    assert asked({pattern: ["join"]}, room) == ({"join"} if matches else set())


@pytest.mark.rule("T2.2")
@given(patterns, rooms)
def test_a_pattern_matches_what_the_sentence_says(pattern: str, room: RoomId) -> None:
    """Held against a regular expression."""
    matches = asked({pattern: ["join"]}, room) == {"join"}
    assert matches is slowly_matches(pattern, room)


@pytest.mark.rule("T2.3")
def test_the_most_specific_pattern_alone_counts() -> None:
    """Fewest stars, then most other characters; there is no union, and it may say nothing."""
    claim = {
        "*:*": ["join"],
        "game:*": ["join", "move"],
        "*:lobby": ["message"],
        "game:lobby": [],
    }
    assert asked(claim, "shop:7") == {"join"}
    assert asked(claim, "game:7") == {"join", "move"}
    assert asked(claim, "shop:lobby") == {"message"}
    assert asked(claim, "game:lobby") == set()


@pytest.mark.rule("T2.3")
@given(claims, rooms)
def test_precedence_is_the_same_however_the_claim_is_written(
    claim: dict[str, list[str]], room: RoomId
) -> None:
    """No two patterns are alike, so the order of the object's fields makes no difference."""
    keys = {text: Pattern.of(text).precedence() for text in claim}
    assert len(set(keys.values())) == len(keys)
    best = min((text for text in claim if slowly_matches(text, room)), key=keys.get, default=None)  # type: ignore[arg-type]
    wanted = set() if best is None else set(claim[best])
    for order in list(permutations(claim))[:24]:
        assert asked({text: claim[text] for text in order}, room) == wanted


@pytest.mark.rule("T2.4")
def test_a_token_without_the_claim_has_the_default_everywhere() -> None:
    """And one with it nothing where no pattern matches."""
    default = grant_for(Grants.everywhere(("join", "message")), RoomId("a:b"))
    assert told(default) == {"join", "message"}
    assert default.vouched
    assert grant_for(Grants.of_claim({"a": ["join"]}), RoomId("b")) == NOTHING
    assert grant_for(Grants.of_claim({}), RoomId("b")) == NOTHING
    assert NOTHING.reason == NOT_ALLOWED


def test_matching_takes_no_more_steps_than_there_are_segments() -> None:
    """Whatever the pattern: the worst for a backtracking matcher is nothing special here."""
    room = RoomId(":".join("a" * 64))
    pattern = Pattern.of(":".join(["*"] * 63 + ["b"]))
    assert not pattern.matches(tuple(re.split(r"([.:])", room)))
