"""The tree of refusals: each code once, with its advice."""

import pytest

from actors.errors import REFUSALS, BadMessage, RateLimited, Refusal, RoomFull

RETRYABLE = {"unauthenticated", "roomFull", "roomClosed", "rateLimited", "unavailable"}
FOR_GOOD = {
    "badMessage",
    "unsupportedType",
    "forbidden",
    "notInRoom",
    "staleSequence",
    "resumeExpired",
    "internal",
}


def test_the_tree_holds_every_code_of_the_contract_once() -> None:
    """And no other: clients know these."""
    codes = [refusal.code for refusal in REFUSALS]
    assert len(codes) == len(set(codes))
    assert set(codes) == RETRYABLE | FOR_GOOD


def test_the_list_is_the_tree() -> None:
    """A refusal that is not listed would be missing from metrics."""
    assert set(Refusal.__subclasses__()) == set(REFUSALS)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_says_whether_the_same_request_may_succeed_later(refusal: type[Refusal]) -> None:
    """What depends on others or on time is worth another try."""
    assert refusal.retryable is (refusal.code in RETRYABLE)


def test_a_refusal_carries_its_message_and_when_to_try_again() -> None:
    """The hint is milliseconds, and None where none was given."""
    refusal = RateLimited("too many", retry_after_ms=250)
    assert (refusal.message, str(refusal), refusal.retry_after_ms) == ("too many", "too many", 250)
    assert RoomFull("full").retry_after_ms is None


def test_a_bad_message_names_the_field() -> None:
    """Or says what was expected of the whole where no field is to blame."""
    assert BadMessage("position.x", "a number").message == "position.x: expected a number"
    assert BadMessage(None, "an object").message == "expected an object"
