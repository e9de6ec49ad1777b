"""Members: which tokens are good, and how a token's number grows."""

import pytest

from actors.ids import RoomId
from actors.members import Hearing, Member
from tests.actors.fakes import FakeEncoder, FakeOutlet, FakeRoster


def member() -> tuple[Member, FakeOutlet]:
    """Somebody who joined and was sent token 1."""
    outlet = FakeOutlet("A", FakeEncoder(), FakeRoster(), RoomId("room"))
    return Member(outlet, "ann", owes_token=False), outlet


def good(someone: Member) -> list[int]:
    """The numbers of the tokens that would seat `someone` now."""
    return list(range(someone.oldest_good_serial(), someone.serial + 1))


def resume(someone: Member, serial: int) -> FakeOutlet:
    """Bring `someone` back with token `serial`, on a new connection that has sent nothing more."""
    assert serial in good(someone)
    someone.issue_token(serial)
    someone.owes_token = False
    outlet = FakeOutlet("A", FakeEncoder(), FakeRoster(), RoomId("room"))
    someone.outlet = outlet
    return outlet


def test_a_member_begins_with_token_one_and_gets_only_its_answer() -> None:
    """FRESH until its snapshot is out."""
    _, outlet = member()
    someone = Member(outlet, "ann")
    assert (someone.serial, someone.hearing, someone.missed_moves) == (1, Hearing.FRESH, False)
    assert good(someone) == [1]


@pytest.mark.rule("G6.7")
def test_a_frame_proves_no_token_that_is_still_to_be_sent() -> None:
    """The request itself was heard on the connection whose answer is owed."""
    someone, _ = member()
    second = resume(someone, 1)
    someone.owes_token = True
    second.heard = True
    assert good(someone) == [1, 2]
    someone.owes_token = False
    assert good(someone) == [2]


@pytest.mark.rule("G6.7")
def test_the_token_before_stays_good_until_a_frame_arrives_where_the_new_one_went() -> None:
    """Its answer may have been lost."""
    someone, _ = member()
    second = resume(someone, 1)
    assert good(someone) == [1, 2]
    second.heard = True
    assert good(someone) == [2]


@pytest.mark.rule("G6.4", "G6.8")
def test_a_token_that_was_shown_ends_all_before_it() -> None:
    """Whoever shows token 2 has it, and needs token 1 no more."""
    someone, _ = member()
    resume(someone, 1)
    resume(someone, 2)
    assert good(someone) == [2, 3]
    third = resume(someone, 3)
    assert good(someone) == [3, 4]
    third.heard = True
    assert good(someone) == [4]


@pytest.mark.rule("G6.7")
def test_a_token_whose_answers_keep_getting_lost_stays_good() -> None:
    """The client can show nothing newer."""
    someone, _ = member()
    resume(someone, 1)
    resume(someone, 1)
    assert 1 in good(someone)
    assert 3 in good(someone)


@pytest.mark.rule("G5.1", "G6.7")
def test_a_second_join_gives_a_new_token_and_keeps_the_one_before() -> None:
    """The request itself proves that the one before that arrived."""
    someone, outlet = member()
    outlet.heard = True
    assert someone.issue_token() == 2
    someone.owes_token = False
    outlet.heard = False
    assert good(someone) == [1, 2]
    outlet.heard = True
    assert someone.issue_token() == 3
    outlet.heard = False
    assert good(someone) == [2, 3]


def test_tokens_are_numbered_without_gaps() -> None:
    """Each join or resume takes the next number."""
    someone, _ = member()
    assert [someone.issue_token(), someone.issue_token(2), someone.issue_token()] == [2, 3, 4]
