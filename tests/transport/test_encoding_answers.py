"""What one client gets, field by field as the protocol page has it."""

import json
from typing import Any

import pytest

from actors.answers import Joined, Resumed, Validated
from actors.errors import REFUSALS, BadMessage, RateLimited, Refusal
from actors.history import Verdict
from actors.ids import SocketId
from actors.players import EventKind
from actors.ports import StateReason
from tests.transport.stage import Object
from tests.transport.test_encoding import (
    ANN,
    BOB,
    ENCODER,
    ROOM,
    SHOWN_STATE,
    SOMEBODY,
    STATE,
    VIEW,
    event,
    only,
)
from transport import encoding


@pytest.mark.rule("G2.1", "C3.1")
@pytest.mark.parametrize("number", [None, 1, 2**53 - 1])
def test_a_join_is_answered_with_the_whole_state_and_the_token(number: int | None) -> None:
    """The shared part is spliced in, and the whole is the object of the protocol page."""
    answer = Joined(STATE, 7, 1)
    joined = only(*encoding.joined(ROOM, SocketId("AAAA"), answer, "t.t", 30_000, number))
    assert joined == {
        "type": "roomGameSpaceJoined",
        "roomId": "lobby",
        "socketId": "AAAA",
        **SHOWN_STATE,
        "resumeToken": "t.t",
        "resumeGraceMs": 30_000,
        **replied(number),
    }


@pytest.mark.rule("G2.1")
@pytest.mark.parametrize("size", [10_000, 16_383, 16_384, 65_500, 70_000])
def test_a_large_state_is_the_same_object_for_all_who_get_it(size: int) -> None:
    """So that a thousand who wait for it do not hold a thousand copies; on the wire it is one
    frame all the same, whatever the length of its head.
    """
    shared = b'"players":["' + b"x" * (size - 14) + b'"]'
    assert len(shared) == size
    parts = encoding.joined(ROOM, SocketId("AAAA"), Joined(shared, 7, 1), "t.t", 30_000, 1)
    assert any(part is shared for part in parts) == (size >= 16_384)
    assert only(*parts)["players"] == ["x" * (size - 14)]


@pytest.mark.rule("G2.5", "G9.2", "G8.2")
@pytest.mark.parametrize("reason", ["requested", "slowConsumer", "roomRecovered"])
@pytest.mark.parametrize("number", [None, 5])
def test_a_room_state_is_a_joined_without_the_token(reason: str, number: int | None) -> None:
    """With the reason why it was sent, in the wire's words."""
    state = encoding.room_state(ROOM, SocketId("AAAA"), STATE, StateReason(reason), 30_000, number)
    assert only(*state) == {
        "type": "roomState",
        "roomId": "lobby",
        "socketId": "AAAA",
        "reason": reason,
        **SHOWN_STATE,
        "resumeGraceMs": 30_000,
        **replied(number),
    }


@pytest.mark.rule("G10.3", "G10.4")
@pytest.mark.parametrize("number", [None, 5])
def test_a_validation_says_what_is_wrong_and_then_shows_the_players(number: int | None) -> None:
    """A valid one has the consistency alone."""
    wrong = Verdict(False, (SocketId("CCCC"),), (SocketId("DDDD"), SocketId("EEEE")))
    invalid = only(*encoding.validated(ROOM, Validated(wrong, STATE), number))
    assert invalid == {
        "type": "roomStateValidated",
        "roomId": "lobby",
        "valid": False,
        "missingPlayers": ["CCCC"],
        "unexpectedPlayers": ["DDDD", "EEEE"],
        **SHOWN_STATE,
        **replied(number),
    }
    right = Validated(Verdict(True), ENCODER.consistency(VIEW))
    assert only(*encoding.validated(ROOM, right, number)) == {
        "type": "roomStateValidated",
        "roomId": "lobby",
        "valid": True,
        "missingPlayers": [],
        "unexpectedPlayers": [],
        "consistency": SHOWN_STATE["consistency"],
        **replied(number),
    }


@pytest.mark.rule("G6.2", "G6.11")
@pytest.mark.parametrize("missed", [0, 1, 3])
@pytest.mark.parametrize("number", [None, 5])
def test_a_resume_is_answered_with_what_was_missed(missed: int, number: int | None) -> None:
    """Events in order, as they were published, and the positions beside them."""
    events = [
        ENCODER.event(ROOM, 3, event(EventKind.READY, ANN)),
        ENCODER.event(ROOM, 3, event(EventKind.CONNECTION, BOB)),
        ENCODER.event(ROOM, 3, event(EventKind.JOINED, ANN)),
    ][:missed]
    answer = Resumed(
        events, ENCODER.positions([ANN]), 3, 7, "d138a372", 1_767_323_045_001, 2, SOMEBODY
    )
    assert only(encoding.resumed(ROOM, SocketId("AAAA"), answer, "t.t", number)) == {
        "type": "roomGameSpaceResumed",
        "roomId": "lobby",
        "socketId": "AAAA",
        "consistency": SHOWN_STATE["consistency"],
        "missed": [json.loads(each) for each in events],
        "positions": [["AAAA", 1.5, -2]],
        "resumeToken": "t.t",
        **replied(number),
    }


@pytest.mark.rule("E1.7")
@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("number", [None, 5])
def test_an_error_says_what_whether_and_when(kind: type[Refusal], number: int | None) -> None:
    """`retryAfterMs` only where there is a hint, also where that is no time at all."""
    refusal = kind("x", "y") if kind is BadMessage else kind("why")
    shown: dict[str, Any] = {
        "type": "error",
        "code": kind.code,
        "message": refusal.message,
        "retryable": kind.retryable,
        **replied(number),
    }
    assert only(encoding.error(refusal, number)) == shown
    for hint in (0, 1500):
        hinted = RateLimited("why", retry_after_ms=hint)
        assert only(encoding.error(hinted, None))["retryAfterMs"] == hint


def test_a_small_message_has_its_fields_and_no_reply_where_there_was_no_number() -> None:
    """A number is never 0, but a field's value may be null."""
    assert only(encoding.message("pong", None, t=None)) == {"type": "pong", "t": None}
    assert only(encoding.message("ok", 3, version=0)) == {
        "type": "ok",
        "version": 0,
        "replyTo": 3,
    }


def replied(number: int | None) -> Object:
    """The part of an answer that says what it replies to."""
    return {} if number is None else {"replyTo": number}
