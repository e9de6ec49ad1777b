"""One request under way, the rest waits: order, the backlog and its bound, late answers."""

import json

import pytest

from actors import messages as m
from actors.answers import Answer, Done, Joined, Left
from actors.errors import RoomFull
from tests.transport.stage import EMPTY, Client, Object, Stage, refused


def types(client: Client) -> list[object]:
    """What is heard: the numbers of answers, else the types."""
    return types_of(client.heard())


def types_of(heard: list[Object]) -> list[object]:
    """The same of what was heard before."""
    return [each.get("replyTo", each["type"]) for each in heard]


@pytest.mark.rule("C2.1")
def test_one_request_is_under_way_and_the_next_waits_for_its_answer() -> None:
    """Also where the session itself could answer it, and where it is no request at all."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready", sequenceId=1)
    client.send("ping", sequenceId=2)
    client.session.receive(b"nonsense")
    client.send("sendRoomMessage", event="e", data=1, sequenceId=3)
    client.send("ping", sequenceId=4)
    ready = stage.room("lobby").take(m.Ready)
    assert client.heard() == []
    ready.outlet.answer(Done(1))
    assert types(client) == [1]
    client.link.run_deferred()
    assert types(client) == [2, "error"]
    said = stage.room("lobby").take(m.Say)
    said.outlet.answer(Done(2))
    client.link.run_deferred()
    assert types(client) == [3, 4]


@pytest.mark.rule("C2.1")
def test_hundreds_are_answered_in_the_order_sent() -> None:
    """Whatever is sent before the first answer, and whatever kinds take turns."""
    stage = Stage(backlog_frames_max=1000)
    client = stage.seated("lobby")
    for number in range(1, 601):
        if number % 3:
            client.send("ready", sequenceId=number)
        else:
            client.send("ping", sequenceId=number)
    heard: list[object] = []
    for _ in range(400):
        stage.room("lobby").take(m.Ready).outlet.answer(Done(1))
        client.link.run_deferred()
        heard += types(client)
    assert heard == list(range(1, 601))


def test_nothing_is_asked_of_a_room_inside_its_own_turn() -> None:
    """The next request goes out when the connection comes round to it."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    client.send("ready")
    stage.room("lobby").take(m.Ready).outlet.answer(Done(1))
    assert stage.room("lobby").messages == []
    client.send("ready")  # what arrives in between is not taken first either
    assert stage.room("lobby").messages == []
    client.link.run_deferred()
    stage.room("lobby").take(m.Ready)


@pytest.mark.rule("G7.4")
def test_moves_wait_for_their_turn_and_hold_up_nothing() -> None:
    """Several go out at once behind an answer, and what follows them too."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    for x in (1, 2, 3):
        client.send("move", x=x, y=0)
    client.send("ready")
    stage.room("lobby").take(m.Ready).outlet.answer(Done(1))
    client.link.run_deferred()
    *moves, last = stage.room("lobby").take_all()
    assert [move.x for move in moves if isinstance(move, m.Move)] == [1, 2, 3]
    assert isinstance(last, m.Ready)


@pytest.mark.rule("C2.2")
def test_reading_stops_when_64_frames_wait_and_goes_on_when_none_does() -> None:
    """At 64, not at 63; what had been read already waits beside them."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    for number in range(1, 64):
        client.send("ping", sequenceId=number)
    assert client.link.holds == 0
    client.send("ping", sequenceId=64)
    assert client.link.holds == 1
    for number in range(65, 81):
        client.send("ping", sequenceId=number)
    stage.room("lobby").take(m.Ready).outlet.answer(Done(1))
    client.link.run_deferred()
    assert not client.link.is_held
    assert types(client) == ["ok", *range(1, 81)]


@pytest.mark.rule("C2.2")
def test_reading_stays_stopped_while_part_of_the_backlog_waits() -> None:
    """And goes on while the last of it is under way."""
    stage = Stage(backlog_frames_max=2)
    client = stage.seated("lobby")
    for _ in range(3):
        client.send("ready")
    held = [client.link.is_held]
    for version in (1, 2):
        client.complete(Done(version))
        held.append(client.link.is_held)
    assert held == [True, True, False]
    client.send("ready")
    assert client.link.holds == 1
    client.complete(Done(3))
    client.complete(Done(4))
    assert (client.link.is_held, stage.room("lobby").messages) == (False, [])


@pytest.mark.rule("G8.5", "C2.2")
def test_nothing_is_taken_up_while_answers_have_no_room() -> None:
    """Neither what comes nor what waits; then all of it, in its order."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready", sequenceId=1)
    client.send("ping", sequenceId=2)
    client.session.congested = True
    assert types_of(client.complete(Done(1))) == [1]
    for number in range(3, 67):
        client.send("ping", sequenceId=number)
    assert (client.heard(), client.link.is_held) == ([], True)
    client.session.relieve()
    client.link.run_deferred()
    assert types(client) == list(range(2, 67))
    assert not client.link.is_held
    client.send("ping", sequenceId=67)
    assert types(client) == [67]


@pytest.mark.rule("G8.5")
def test_nothing_is_taken_up_while_answers_have_no_room_also_when_nothing_waited() -> None:
    """Not even what the session answers itself."""
    client = Stage().client()
    client.session.congested = True
    client.send("ping", sequenceId=1)
    assert client.heard() == []
    client.session.relieve()
    client.link.run_deferred()
    assert types(client) == [1]


def test_a_refused_request_lets_the_next_go_on() -> None:
    """Whether the room refuses it or the session, in its turn."""
    stage = Stage()
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    client.send("ready", sequenceId=2)
    client.send("joinRoomGameSpace", roomId="attic", sequenceId=3)
    stage.door("lobby").take(m.Join).outlet.answer(refused(RoomFull("full")))
    client.link.run_deferred()
    assert [(each["replyTo"], each["code"]) for each in client.heard()] == [
        (1, "roomFull"),
        (2, "notInRoom"),
    ]
    stage.door("attic").take(m.Join)


@pytest.mark.parametrize("answer", [Done(1), Left(1), refused(RoomFull("no")), Joined(EMPTY, 1, 1)])
def test_an_answer_that_nobody_waits_for_has_no_effect(answer: Answer) -> None:
    """It comes late, or twice."""
    stage = Stage()
    client = stage.seated("lobby")
    client.seat.answer(answer)
    client.send("ready")
    outlet = stage.room("lobby").take(m.Ready).outlet
    outlet.answer(Done(1))
    client.heard()
    outlet.answer(answer)
    assert client.heard() == []
    assert stage.claims("lobby") == ["AAAA"]


def test_an_answer_through_another_seat_is_not_taken_for_the_one_awaited() -> None:
    """The room that was left still says something while the new one is asked."""
    stage = Stage()
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="lobby", sequenceId=1)
    old = stage.door("lobby").take(m.Join).outlet
    old.answer(refused(RoomFull("full")))
    client.heard()
    client.send("joinRoomGameSpace", roomId="attic", sequenceId=2)
    old.answer(Joined(EMPTY, 1, 1))
    assert (client.heard(), stage.claims("lobby")) == ([], [])
    stage.door("attic").take(m.Join).outlet.answer(Joined(EMPTY, 5, 1))
    assert client.heard_one()["replyTo"] == 2


def test_what_waits_when_the_connection_ends_is_dropped() -> None:
    """It was never taken up, also where the answer before it still comes."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    client.send("sendRoomMessage", event="e", data=1)
    ready = stage.room("lobby").take(m.Ready)
    client.session.lost()
    ready.outlet.answer(Done(1))
    client.link.run_deferred()
    stage.room("lobby").take(m.Lost)
    assert client.heard() == []


@pytest.mark.rule("G5.7")
def test_a_join_under_way_when_the_connection_ends_is_dropped() -> None:
    """Its outlet is dead, and an answer that comes all the same seats nobody."""
    stage = Stage()
    client = stage.client()
    client.send("joinRoomGameSpace", roomId="attic")
    join = stage.door("attic").take(m.Join)
    client.send("joinRoomGameSpace", roomId="cellar")
    client.session.lost()
    assert not join.outlet.alive
    join.outlet.answer(Joined(EMPTY, 1, 1))
    client.link.run_deferred()
    assert stage.claims("attic") == []
    assert stage.door("cellar").messages == stage.room("attic").messages == []


def test_a_loss_in_the_middle_of_the_backlog_stops_it() -> None:
    """Nothing behind the offence that ended the connection is taken up."""
    stage = Stage(backlog_frames_max=1000)
    client = stage.seated("lobby")
    client.send("ready")
    for _ in range(101):
        client.session.receive(b"{")
    client.send("ready")
    stage.room("lobby").take(m.Ready).outlet.answer(Done(1))
    client.link.run_deferred()
    assert [code for code, _ in client.link.closed] == [1008]
    assert isinstance(stage.room("lobby").take(m.Lost), m.Lost)


@pytest.mark.rule("C4.3")
def test_what_is_no_utf_8_is_noticed_before_it_waits() -> None:
    """The connection must hear of it while it can still say so."""
    client = Stage().seated("lobby")
    with pytest.raises(UnicodeDecodeError):
        client.session.receive(b"\xff")
    client.send("ready")
    with pytest.raises(UnicodeDecodeError):
        client.session.receive(bytearray(json.dumps({"type": "ping"}).encode() + b"\xff"))


def test_a_frame_that_waits_is_a_copy_or_nobody_elses() -> None:
    """A message of fragments comes as a bytearray of its own, and is taken as it was."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    client.session.receive(bytearray(b'{"type":"ping","t":1}'))
    client.complete(Done(1))
    client.session.receive(bytearray(b'{"type":"ping","t":2}'))
    assert client.heard_one()["t"] == 2
