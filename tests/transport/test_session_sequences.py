"""Numbered requests: copies of every kind, and what each is answered with."""

from collections.abc import Callable

import pytest

from actors import messages as m
from actors.answers import Described, Done, Joined, Left, Permitted, Validated
from actors.errors import BadMessage, Internal, ResumeExpired, RoomFull, Unavailable
from actors.history import Verdict
from tests.transport.stage import EMPTY, Client, Object, Stage, refused


def seated_by(number: int, stage: Stage | None = None) -> Client:
    """A client that sits in the lobby, by a request of this number, at version 1."""
    client = (stage or Stage()).client()
    client.join("lobby", sequenceId=number)
    return client


@pytest.mark.rule("C3.1", "C3.2")
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ready", {}),
        ("updatePlayer", {"displayName": "A"}),
        ("sendRoomMessage", {"event": "e", "data": 1}),
    ],
)
def test_a_copy_of_what_was_done_is_answered_ok_and_done_once(kind: str, fields: Object) -> None:
    """Once for each copy, at the version of then; without a number everything is new."""
    client = seated_by(1)
    room = client.stage.room("lobby")
    client.send(kind, **fields, sequenceId=2)
    (message,) = room.take_all()
    message.outlet.answer(Done(7))  # type: ignore[attr-defined]
    ok = client.heard()
    for _ in range(3):
        assert (
            [client.ask(kind, **fields, sequenceId=2)]
            == ok
            == [{"type": "ok", "version": 7, "replyTo": 2}]
        )
    assert room.messages == []
    client.send(kind, **fields)
    assert len(room.take_all()) == 1


@pytest.mark.rule("C3.2")
def test_a_copy_of_another_type_is_a_copy_all_the_same() -> None:
    """The number is what counts: it has had its effect."""
    client = seated_by(1)
    client.send("ready", sequenceId=2)
    client.complete(Done(7))
    assert client.ask("leaveRoomGameSpace", sequenceId=2)["type"] == "ok"
    assert client.stage.room("lobby").messages == []


@pytest.mark.rule("C3.3")
def test_copies_of_what_is_under_way_wait_and_have_no_effect() -> None:
    """Each is answered, behind the first."""
    client = seated_by(1)
    for _ in range(3):
        client.send("sendRoomMessage", event="e", data=1, sequenceId=2)
    heard = client.complete(Done(4), m.Say)
    assert heard == [{"type": "ok", "version": 4, "replyTo": 2}] * 3
    assert client.stage.room("lobby").messages == []


@pytest.mark.rule("C3.2", "G5.1")
def test_a_copy_of_a_join_shows_the_present_state_and_changes_nothing() -> None:
    """The room is asked by the seat that sits there, as for any join again."""
    client = seated_by(1)
    seat = client.seat
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    (again,) = client.complete(Joined(EMPTY, 9, 2, fresh=False), m.Join)
    assert (again["type"], again["replyTo"]) == ("roomGameSpaceJoined", 1)
    assert client.seat is seat
    assert client.stage.door("lobby").messages == []


@pytest.mark.rule("C3.2")
def test_a_copy_of_a_join_to_a_room_since_left_is_ok_and_does_not_go_back() -> None:
    """By a switch, and by a leave."""
    client = seated_by(1)
    client.join("attic", sequenceId=2)
    client.stage.room("lobby").take(m.Leave)
    ok = {"type": "ok", "version": 1, "replyTo": 1}
    assert client.ask("joinRoomGameSpace", roomId="lobby", sequenceId=1) == ok
    client.leave()
    assert client.ask("joinRoomGameSpace", roomId="attic", sequenceId=2)["type"] == "ok"
    for room in ("lobby", "attic"):
        assert client.stage.door(room).messages == client.stage.room(room).messages == []


@pytest.mark.rule("C3.2")
def test_a_copy_of_a_leave_leaves_nothing_again() -> None:
    """It says left, but not to a session that sits somewhere again: that is not over."""
    client = seated_by(1)
    client.send("leaveRoomGameSpace", sequenceId=2)
    (left,) = client.complete(Left(6), m.Leave)
    assert left == {"type": "roomGameSpaceLeft", "roomId": "lobby", "replyTo": 2}
    assert client.ask("leaveRoomGameSpace", sequenceId=2) == left
    client.join("lobby", sequenceId=3)
    ok = {"type": "ok", "version": 6, "replyTo": 2}
    assert client.ask("leaveRoomGameSpace", sequenceId=2) == ok
    assert client.stage.claims("lobby") == ["AAAA"]
    assert client.stage.room("lobby").messages == []


@pytest.mark.rule("C3.2", "G7.4")
def test_a_copy_of_a_move_moves_nobody_and_is_not_answered() -> None:
    """An old position must not come back."""
    client = seated_by(1)
    client.send("move", x=1, y=1, sequenceId=2)
    client.send("move", x=2, y=2, sequenceId=3)
    client.send("move", x=1, y=1, sequenceId=2)
    moves = client.stage.room("lobby").take_all()
    assert [(move.x, move.y) for move in moves if isinstance(move, m.Move)] == [(1, 1), (2, 2)]
    assert client.heard() == []


@pytest.mark.rule("C3.2")
def test_a_copy_of_what_has_no_effect_is_simply_answered_again() -> None:
    """With what is true by now."""
    client = Stage().client()
    first = client.ask("ping", t=1, sequenceId=1)
    assert client.ask("ping", t=1, sequenceId=1) == first
    for _ in range(2):
        client.send("checkRoomPermission", roomId="a", sequenceId=2)
        asked = client.stage.door("a").take(m.Check).outlet
        asked.answer(Permitted(asked.grant))
        assert client.heard_one()["replyTo"] == 2


@pytest.mark.rule("C3.2")
def test_a_copy_of_a_question_to_the_room_is_asked_again() -> None:
    """The present state is the answer that is wanted."""
    client = seated_by(1)
    for _ in range(2):
        client.send("requestRoomState", sequenceId=2)
        assert client.complete(Described(EMPTY), m.Describe)[0]["replyTo"] == 2
    question = {"roomId": "lobby", "expectedPlayers": []}
    for _ in range(2):
        client.send("validateRoomState", **question, sequenceId=3)
        answer = Validated(Verdict(True), b'"consistency":{}')
        assert client.complete(answer, m.Validate)[0]["replyTo"] == 3


# -- refusals


@pytest.mark.rule("C3.4")
def test_a_copy_of_what_was_refused_for_good_gets_the_same_error() -> None:
    """Whatever has changed since, and whatever the copy itself would be worth."""
    client = Stage().client()
    errors = [
        client.ask("ready", sequenceId=1),
        client.ask("nonsense", sequenceId=2),
        client.ask("joinRoomGameSpace", roomId="", sequenceId=3),
    ]
    assert [each["code"] for each in errors] == ["notInRoom", "unsupportedType", "badMessage"]
    client.join("lobby", sequenceId=4)
    for number, error in enumerate(errors, 1):
        assert client.ask("ready", sequenceId=number) == error
    assert client.stage.room("lobby").messages == []


@pytest.mark.rule("C3.4")
@pytest.mark.parametrize("refusal", [Internal("broke"), BadMessage("x", "y"), ResumeExpired("no")])
def test_a_rooms_final_no_is_remembered(refusal: Exception) -> None:
    """The room is not asked again; it may not survive it twice."""
    client = seated_by(1)
    client.send("ready", sequenceId=2)
    heard = client.complete(refused(refusal))
    assert [client.ask("ready", sequenceId=2)] == heard
    assert client.stage.room("lobby").messages == []


@pytest.mark.rule("C3.10")
@pytest.mark.parametrize("refusal", [RoomFull("full"), Unavailable("busy")])
def test_a_retryable_no_is_not_remembered(refusal: Exception) -> None:
    """The same number is tried again, and this time it counts."""
    stage = Stage()
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    stage.door("lobby").take(m.Join).outlet.answer(refused(refusal))
    assert client.heard_one()["retryable"] is True
    assert client.join("lobby", sequenceId=1)["replyTo"] == 1
    client.send("ready", sequenceId=2)
    client.complete(refused(refusal))
    client.send("ready", sequenceId=2)
    assert client.complete(Done(3)) == [{"type": "ok", "version": 3, "replyTo": 2}]
    assert client.ask("ready", sequenceId=2)["type"] == "ok"


@pytest.mark.rule("C3.2", "C3.10", "E2.3")
def test_a_copy_that_is_refused_for_its_haste_does_not_undo_what_was_done() -> None:
    """The copy may be sent again later, and still has no effect."""
    stage = Stage(messages_per_s=10, messages_burst=10)
    client = seated_by(1, stage)
    client.send("sendRoomMessage", event="e", data=1, sequenceId=2)
    client.complete(Done(5), m.Say)
    for _ in range(8):
        client.ask("ping")
    hasty = client.ask("sendRoomMessage", event="e", data=1, sequenceId=2)
    assert (hasty["code"], hasty["replyTo"]) == ("rateLimited", 2)
    stage.clock.advance(1)
    assert client.ask("sendRoomMessage", event="e", data=1, sequenceId=2)["type"] == "ok"
    assert stage.room("lobby").messages == []


def busy(client: Client) -> None:
    """The room takes nothing at this moment."""
    client.stage.room("lobby").is_full = True
    assert client.ask("joinRoomGameSpace", roomId="lobby", sequenceId=1)["code"] == "unavailable"
    client.stage.room("lobby").is_full = False


def slow(client: Client) -> None:
    """The room takes too long over it."""
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    heard = client.complete(refused(Unavailable("too long")), m.Join)
    assert heard[0]["code"] == "unavailable"


@pytest.mark.rule("C3.2", "C3.10")
@pytest.mark.parametrize("trouble", [busy, slow])
def test_a_copy_of_a_join_that_could_not_be_answered_does_not_undo_the_join(
    trouble: Callable[[Client], None],
) -> None:
    """Sent again after a switch, it does not switch back."""
    client = seated_by(1)
    trouble(client)
    client.join("attic", sequenceId=2)
    assert client.ask("joinRoomGameSpace", roomId="lobby", sequenceId=1)["type"] == "ok"
    assert client.seat.room_id == "attic"
    assert client.stage.door("lobby").messages == []


# -- which numbers are remembered


@pytest.mark.rule("C3.6")
def test_a_lower_number_that_is_not_remembered_is_stale() -> None:
    """It has no effect, is not retryable, and stays stale."""
    client = seated_by(100)
    for _ in range(2):
        stale = client.ask("ready", sequenceId=99)
        assert (stale["code"], stale["retryable"], stale["replyTo"]) == ("staleSequence", False, 99)
    assert client.stage.room("lobby").messages == []


@pytest.mark.rule("C3.5", "C3.6", "C3.7")
def test_the_last_256_numbers_are_remembered_and_no_more() -> None:
    """Moves and refusals among them, by whatever step they rise."""
    client = seated_by(1)
    client.send("ready", sequenceId=2)
    client.complete(Done(7))
    for number in range(10, 10 + 10 * 254, 10):
        if number % 20:
            client.send("move", x=1, y=1, sequenceId=number)
        else:
            client.ask("nonsense", sequenceId=number)
    client.stage.room("lobby").take_all()
    assert client.ask("ready", sequenceId=2) == {"type": "ok", "version": 7, "replyTo": 2}
    assert client.ask("joinRoomGameSpace", roomId="lobby", sequenceId=3)["code"] == "staleSequence"
    client.ask("ping", sequenceId=2**53 - 1)
    assert client.ask("ready", sequenceId=1)["code"] == "staleSequence"
    assert client.ask("ready", sequenceId=2)["type"] == "ok"
    assert client.ask("nonsense", sequenceId=20)["code"] == "unsupportedType"


@pytest.mark.rule("C3.11")
def test_a_number_that_is_none_is_refused_and_counts_for_nothing() -> None:
    """The request has no effect either; there is nothing that the refusal could reply to."""
    client = seated_by(5)
    for wrong in (0, -1, 1.5, True, None, "6", 2**53):
        error = client.ask("ready", sequenceId=wrong)
        assert (error["code"], "replyTo" in error) == ("badMessage", False)
        assert "sequenceId" in error["message"]
    client.send("ready", sequenceId=6)
    assert client.complete(Done(2)) == [{"type": "ok", "version": 2, "replyTo": 6}]
