"""Pseudonyms: the same where they must be, and nothing to be read from them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ids import RoomId
from actors.privacy import Privacy, pseudonym, shown_user_id

KEY = b"k" * 32
ROOM = RoomId("lobby")

people = st.text(min_size=1, max_size=20)


@pytest.mark.rule("G11.1")
@given(people)
def test_a_pseudonym_is_anon_and_twelve_characters(person: str) -> None:
    """Of a alphabet that can stand in any log and any URL."""
    assert re.fullmatch(r"anon-[a-z2-7]{12}", pseudonym(KEY, ROOM, person))


@pytest.mark.rule("G11.2")
def test_a_pseudonym_is_one_for_a_person_in_a_room() -> None:
    """The same again, another for another person, room or server."""
    ann = pseudonym(KEY, ROOM, "ann")
    assert pseudonym(KEY, ROOM, "ann") == ann
    assert pseudonym(KEY, ROOM, "bob") != ann
    assert pseudonym(KEY, RoomId("hall"), "ann") != ann
    assert pseudonym(b"another key", ROOM, "ann") != ann


def test_room_and_person_cannot_be_read_in_two_ways() -> None:
    """`ab` in `c` is not `b` in `ca`."""
    assert pseudonym(KEY, RoomId("a"), "bc") != pseudonym(KEY, RoomId("ab"), "c")


@pytest.mark.rule("G11.1")
def test_only_who_hides_is_shown_by_a_pseudonym() -> None:
    """Hiding the position does not hide the name."""
    assert shown_user_id(KEY, ROOM, "ann", Privacy()) == "ann"
    assert shown_user_id(KEY, ROOM, "ann", Privacy(hide_position=True)) == "ann"
    hidden = shown_user_id(KEY, ROOM, "ann", Privacy(hide_user_id=True))
    assert hidden == pseudonym(KEY, ROOM, "ann")
