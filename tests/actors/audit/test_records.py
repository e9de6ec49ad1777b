"""One entry, one line: whatever is in it."""

import json
from contextlib import closing
from random import randbytes
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.audit.chain import ORIGIN
from actors.audit.people import SqlitePeople
from actors.audit.port import Entry, Told
from actors.audit.records import BODY_BYTES_MAX, Scribe, time_of
from actors.ids import RoomId
from actors.players import LeaveReason, Motion, Player
from actors.turn import Fact
from tests.actors.audit.stage import KEYS, NOW_MS, Office, fact

NASTY = (
    "a\nb",
    'x"}\n{"n":99,"event":"forged"}',
    "\r\n\x00\x1b[2J\x1b]0;owned\x07",
    "\u2028\u2029\x85\u202e",
    "__proto__",
    '","mac":"' + "0" * 64 + '"}',
    "\ud800",
    "é" * 128,
    "😀\\u0000\\n",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.rule("T4.5")
@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_anybody_writes_ends_a_line(text: str) -> None:
    """In every field that others fill."""
    office = Office()
    book = office.life()
    entry = Entry(
        NOW_MS, "x", text, text, text, {"displayName": text}, {text: text}, [(text, {"why": text})]
    )
    book.write([entry, entry], NOW_MS)
    assert len(office.lines()) == 3
    assert office.breaches() == []
    shown = office.shown()
    assert [each["event"] for each in shown] == ["x", "x"]
    said = text.encode("utf-8", "backslashreplace").decode()
    assert (shown[0]["roomId"], shown[0]["userId"], shown[0]["displayName"]) == (said, said, said)
    assert shown[0]["details"] == {said: said}


@pytest.mark.rule("T4.5")
@given(details=st.dictionaries(st.text(), JSON, max_size=4), person=st.text(min_size=1))
def test_any_details_come_back_from_one_line(details: dict[str, Any], person: str) -> None:
    """As JSON has them: what is no number there is nothing."""
    office = Office()
    office.life().write([Entry(NOW_MS, "x", person=person, details=details)], NOW_MS)
    assert office.breaches() == []
    (shown,) = office.shown()
    assert shown["userId"] == person
    json.dumps(shown)


def test_what_json_does_not_know_is_told_in_words() -> None:
    """An entry is never lost for that."""
    office = Office()
    details = {"set": {1}, "bytes": b"x", 7: object, "deep": [{"a": (1, 2)}]}
    office.life().write([Entry(NOW_MS, "x", details=details)], NOW_MS)  # type: ignore[arg-type]  # on purpose
    (shown,) = office.shown()
    assert shown["details"] == {
        "set": [1],
        "bytes": "b'x'",
        "7": "<class 'object'>",
        "deep": [{"a": [1, 2]}],
    }


def test_details_without_a_bound_are_left_out_and_said_to_be() -> None:
    """The entry itself stays."""
    office = Office()
    office.life().write([Entry(NOW_MS, "x", details={"long": "y" * BODY_BYTES_MAX})], NOW_MS)
    (shown,) = office.shown()
    details = shown["details"]
    assert isinstance(details, dict)
    assert details["omittedBytes"] > BODY_BYTES_MAX
    assert office.breaches() == []


names = st.sampled_from(["ann", "guest-AAAA", *NASTY])


@pytest.mark.rule("T4.5")
@given(
    facts=st.lists(
        st.builds(
            Fact,
            st.sampled_from(["player_joined", "player_left", "no name", *NASTY]),
            st.builds(
                Player,
                st.sampled_from(["AAAA", *NASTY]),
                names,
                st.none() | names,
                st.just({}),
                st.just(0),
                st.just(Motion(0, 0, 0)),
            ),
            st.just(1),
            st.integers(0, 2**53),
            st.dictionaries(st.sampled_from(["reason", "epoch", "version", "why"]), JSON),
            names,
            st.lists(names, max_size=2).map(tuple),
        ),
        max_size=6,
    )
)
@example([fact(), fact("player_left", reason=LeaveReason.LEFT), fact("player_left")])
@example([fact("player_left", reason={1}), fact("player_left", long="y" * BODY_BYTES_MAX)])
@example([fact(person="y" * BODY_BYTES_MAX)])
def test_what_rooms_tell_is_written_as_any_other_entry(facts: list[Fact]) -> None:
    """Byte for byte, however it is put together."""
    told = [Told(NOW_MS + at, RoomId("lobby"), 9, each) for at, each in enumerate(facts)]
    with closing(SqlitePeople(":memory:", KEYS.people, randbytes)) as people:
        scribe = Scribe(people, KEYS, randbytes)
        written = scribe.lines(told, ORIGIN, 1)
        assert written == scribe.lines([each.entry() for each in told], ORIGIN, 1)
    assert written[0].count(b"\n") == written[1].number == len(told)


def test_times_are_rfc_3339() -> None:
    """To the millisecond."""
    assert time_of(NOW_MS) == "2026-11-28T15:11:07.296Z"
    assert time_of(0) == "1970-01-01T00:00:00.000Z"
