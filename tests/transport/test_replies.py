"""Answers as frames, and what is remembered of them for copies."""

from typing import Any, cast

import pytest

from actors.answers import Answer, Described, Done, Joined, Left, Refused, Resumed, Validated
from actors.errors import NotInRoom, RoomFull
from actors.history import Verdict
from actors.ids import RoomId, SocketId, UserId
from actors.permissions import ANONYMOUS_GRANTS
from actors.ports import Outlet
from actors.privacy import Privacy
from actors.runtime import Mailbox
from tests.transport.simulated import SimulatedClock
from tests.transport.stage import EMPTY, Letterbox, WrittenLink, objects
from tests.transport.test_seat import Sitting
from transport import replies
from transport.seat import Seat
from transport.sequences import REPEAT, SILENT, Departed, Failed, Finished, Outcome, Seated

LOBBY = RoomId("lobby")
NO, NEVER = RoomFull("full"), NotInRoom("nowhere")
SEAT = Seat(
    Sitting(),
    WrittenLink(SimulatedClock()),
    LOBBY,
    cast(Mailbox, Letterbox()),
    SocketId("AAAA"),
    "ann",
    UserId("ann"),
    Privacy(),
    ANONYMOUS_GRANTS.elsewhere,
)
RESUMED = Resumed([], b"[]", 3, 7, "00000000", 0, 2, cast(Outlet, SEAT))


@pytest.mark.rule("C3.1")
@pytest.mark.parametrize(
    ("answer", "kind", "is_state", "outcome"),
    [
        (Done(7), "ok", False, Finished(7)),
        (Joined(EMPTY, 7, 1), "roomGameSpaceJoined", True, Seated(LOBBY, 7)),
        (RESUMED, "roomGameSpaceResumed", False, Seated(LOBBY, 7)),
        (Described(EMPTY), "roomState", True, REPEAT),
        (Validated(Verdict(True), b'"a":1'), "roomStateValidated", False, REPEAT),
        (Validated(Verdict(False), EMPTY), "roomStateValidated", True, REPEAT),
        (Left(7), "roomGameSpaceLeft", False, Departed(LOBBY, 7)),
        (Refused(NO), "error", False, REPEAT),
        (Refused(NEVER), "error", False, Failed(NEVER)),
    ],
)
def test_each_answer_has_its_message_and_its_place_in_the_memory(
    answer: Answer, kind: str, is_state: bool, outcome: Outcome
) -> None:
    """Whole states are told apart, since what waits in front of one counts no more."""
    parts, holds_state = replies.frame_of(SEAT, answer, 5, "t.t", 30_000)
    (message,) = objects(b"".join(parts))
    assert (message["type"], message["replyTo"], holds_state) == (kind, 5, is_state)
    assert replies.outcome_of(SEAT, answer) == outcome


@pytest.mark.rule("C3.2", "C3.4")
@pytest.mark.parametrize(
    ("known", "seated", "expected"),
    [
        (Finished(7), True, {"type": "ok", "version": 7}),
        (Seated(LOBBY, 7), True, {"type": "ok", "version": 7}),
        (Departed(LOBBY, 7), False, {"type": "roomGameSpaceLeft", "roomId": "lobby"}),
        (Departed(LOBBY, 7), True, {"type": "ok", "version": 7}),
        (
            Failed(NEVER),
            False,
            {"type": "error", "code": "notInRoom", "message": "nowhere", "retryable": False},
        ),
        (SILENT, True, None),
        (REPEAT, True, None),
    ],
)
def test_a_copy_is_told_what_became_of_the_first(
    known: Outcome, seated: bool, expected: dict[str, Any] | None
) -> None:
    """Where there is nothing to show but that."""
    stream = replies.frame_of_copy(known, 5, seated)
    if expected is None:
        assert stream is None
    else:
        assert stream is not None
        assert objects(stream) == [{**expected, "replyTo": 5}]
