"""A session and its rooms: switching, events through seats, evictions, losses, drains."""

import pytest

from actors import messages as m
from actors.answers import Done, Joined, Left, Refused
from actors.errors import Internal, RoomFull
from actors.ids import RoomId
from actors.players import LeaveReason
from actors.ports import Eviction, StateReason
from actors.privacy import Privacy
from tests.transport.stage import EMPTY, Client, Stage, objects, refused
from transport import encoding

EVENT = encoding.frame(b'{"type":"playerReady"}')
MOVES = encoding.frame(b'{"type":"playersMoved"}')


# -- joining again


@pytest.mark.rule("G5.1")
def test_joining_the_same_room_again_gives_a_new_token_and_moves_nobody() -> None:
    """Through the same seat, as the person that sits there, whoever the request names."""
    stage = Stage()
    client = stage.client()
    first = client.join("lobby", userId="ann")
    seat = client.seat
    client.send("joinRoomGameSpace", roomId="lobby", userId="somebody else")
    join = stage.room("lobby").take(m.Join)
    assert (join.outlet, join.profile.person, join.profile.user_id) == (seat, "ann", "ann")
    join.outlet.answer(Joined(EMPTY, 1, 2, fresh=False))
    again = client.heard_one()
    assert again["type"] == "roomGameSpaceJoined"
    assert again["resumeToken"] != first["resumeToken"]
    assert (client.seat, stage.claims("lobby")) == (seat, ["AAAA"])
    assert stage.door("lobby").messages == stage.room("lobby").messages == []


# -- switching


@pytest.mark.rule("G5.2", "G5.4")
def test_joining_another_room_leaves_the_old_one_when_the_new_one_has_said_yes() -> None:
    """Not before: until then the old one is still the room of the session."""
    stage = Stage()
    client = stage.seated("lobby")
    old = client.seat
    client.send("joinRoomGameSpace", roomId="attic")
    join = stage.door("attic").take(m.Join)
    assert stage.room("lobby").messages == []
    assert old.offer(EVENT)
    assert client.heard_one()["type"] == "playerReady"
    join.outlet.answer(Joined(EMPTY, 1, 1))
    assert client.heard_one()["roomId"] == "attic"
    assert stage.room("lobby").take(m.Leave) == m.Leave(old, LeaveReason.SWITCHED)
    assert (stage.claims("lobby"), stage.claims("attic")) == ([], ["AAAA"])


@pytest.mark.rule("G5.4")
def test_nothing_of_the_old_room_comes_after_the_switch() -> None:
    """Events, moves, states, evictions, answers: its seat is dead, and takes them all."""
    stage = Stage()
    client = stage.seated("lobby")
    old = client.seat
    client.join("attic")
    assert not old.alive
    assert old.offer(EVENT)
    assert old.offer_moves(MOVES)
    old.send_state(EMPTY, StateReason.ROOM_RECOVERED)
    old.evict(Eviction.CLOSED, "gone")
    old.evict(Eviction.KICKED, "out")
    old.answer(Left(1))
    old.answer(Done(1))
    old.answer(refused(RoomFull("full")))
    assert (client.heard(), client.link.closed, stage.claims("attic")) == ([], [], ["AAAA"])


@pytest.mark.rule("G5.4")
def test_a_move_that_breaks_the_old_room_is_not_told_after_the_switch() -> None:
    """Nothing of the old room reaches the member, its failures neither."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("move", x=1, y=1)
    move = stage.room("lobby").take(m.Move)
    client.join("attic")
    move.outlet.answer(Refused(Internal("broke"), unasked=True))
    assert client.heard() == []


@pytest.mark.rule("G5.3")
def test_a_member_whose_switch_is_refused_stays_where_it_was() -> None:
    """Its seat is the same, and hears the room on; the other seat is dead."""
    stage = Stage()
    client = stage.seated("lobby")
    seat = client.seat
    client.send("joinRoomGameSpace", roomId="attic", sequenceId=1)
    other = stage.door("attic").take(m.Join).outlet
    other.answer(refused(RoomFull("full")))
    assert client.error() == "roomFull"
    assert not other.alive
    assert (client.seat, seat.alive) == (seat, True)
    assert (stage.claims("lobby"), stage.claims("attic")) == (["AAAA"], [])
    assert stage.room("lobby").messages == []
    seat.offer(EVENT)
    assert client.heard_one()["type"] == "playerReady"
    client.send("ready")
    stage.room("lobby").take(m.Ready)


@pytest.mark.rule("G5.3")
def test_a_refused_request_does_not_cost_a_member_its_seat() -> None:
    """It hears the room on."""
    client = Stage().seated("lobby")
    client.send("ready")
    client.complete(refused(RoomFull("no")))
    client.seat.offer(EVENT)
    assert client.heard_one()["type"] == "playerReady"


@pytest.mark.rule("G5.2")
def test_in_another_room_somebody_may_be_somebody_else() -> None:
    """Name and privacy are those of the request, since the session has no name of its own."""
    stage = Stage()
    client = stage.client()
    client.join("lobby", userId="ann", privacy={"hideUserId": True})
    client.join("attic", userId="bob")
    assert (client.seat.person, client.seat.user_id) == ("bob", "bob")
    assert client.seat.privacy == Privacy()


@pytest.mark.rule("G5.2")
def test_after_the_join_requests_go_to_the_rooms_own_mailbox() -> None:
    """The join may have gone to the registry's, where a cold room is waited for."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    assert stage.door("lobby").messages == []
    stage.room("lobby").take(m.Ready)
    assert client.seat.room_id == RoomId("lobby")


# -- what rooms send


@pytest.mark.rule("G1.2")
def test_what_a_room_offers_is_sent_as_it_is() -> None:
    """The same bytes for every member; whether they are taken is the link's to say."""
    client = Stage().seated("lobby")
    assert client.seat.offer(EVENT)
    assert client.seat.offer_moves(MOVES)
    assert client.link.sent == EVENT + MOVES
    client.link.takes_events = client.link.takes_moves = False
    assert not client.seat.offer(EVENT)
    assert not client.seat.offer_moves(MOVES)


@pytest.mark.rule("G8.2", "G9.2")
@pytest.mark.parametrize("reason", [StateReason.SLOW_CONSUMER, StateReason.ROOM_RECOVERED])
def test_a_state_that_nobody_asked_for_comes_with_its_reason(reason: StateReason) -> None:
    """It answers nothing, also while a request is under way."""
    client = Stage().seated("lobby")
    client.send("ready", sequenceId=2)
    client.seat.send_state(EMPTY, reason)
    state = client.heard_one()
    assert (state["type"], state["reason"]) == ("roomState", reason.value)
    assert "replyTo" not in state
    assert client.link.states == 2
    assert client.complete(Done(1))[0]["replyTo"] == 2


@pytest.mark.rule("G8.2")
def test_a_drained_link_is_told_to_the_room_that_one_sits_in() -> None:
    """And to nobody where there is none."""
    stage = Stage()
    client = stage.client()
    client.session.drained()
    client.join("lobby")
    client.session.drained()
    assert stage.room("lobby").take(m.Drained).outlet is client.seat
    client.leave()
    client.session.drained()
    assert stage.room("lobby").messages == []


# -- evictions


@pytest.mark.rule("G9.4")
def test_a_closed_room_is_told_and_the_connection_lives_on() -> None:
    """The session sits nowhere, and may sit down elsewhere."""
    stage = Stage()
    client = stage.seated("lobby")
    client.seat.evict(Eviction.CLOSED, "it kept failing")
    assert client.heard() == [
        {"type": "roomClosed", "roomId": "lobby", "reason": "it kept failing"}
    ]
    assert (client.link.closed, stage.claims("lobby")) == ([], [])
    client.send("ready")
    assert client.error() == "notInRoom"
    client.session.lost()
    assert stage.room("lobby").messages == []


@pytest.mark.rule("C4.7")
@pytest.mark.parametrize(("reason", "code"), [(Eviction.REPLACED, 4509), (Eviction.KICKED, 4503)])
def test_who_is_replaced_or_kicked_is_closed_for_good(reason: Eviction, code: int) -> None:
    """The room has removed the player already, so no loss is told."""
    stage = Stage()
    client = stage.seated("lobby")
    seat = client.seat
    seat.evict(reason, "why")
    assert client.link.closed == [(code, "why")]
    seat.evict(reason, "again")
    client.session.lost()
    assert len(client.link.closed) == 1
    assert (stage.room("lobby").messages, stage.claims("lobby")) == ([], [])


@pytest.mark.rule("C4.7")
def test_who_is_replaced_while_switching_is_closed_and_seated_nowhere() -> None:
    """The join under way dies with the session."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("joinRoomGameSpace", roomId="attic")
    join = stage.door("attic").take(m.Join)
    client.seat.evict(Eviction.REPLACED, "why")
    assert not join.outlet.alive
    join.outlet.answer(Joined(EMPTY, 1, 1))
    assert stage.claims("attic") == []


@pytest.mark.rule("G5.3")
def test_a_room_that_one_has_not_entered_cannot_end_anything() -> None:
    """What it says through the seat of a join under way is not about the present room."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("joinRoomGameSpace", roomId="attic")
    other = stage.door("attic").take(m.Join).outlet
    other.evict(Eviction.CLOSED, "gone")
    assert (client.heard(), client.seat.alive, stage.claims("lobby")) == ([], True, ["AAAA"])
    other.answer(refused(RoomFull("full")))
    assert client.error() == "roomFull"


# -- losses


@pytest.mark.rule("G6.1")
def test_a_lost_connection_is_told_to_its_room_once() -> None:
    """The seat is dead, the roster forgets it, and nothing more is sent."""
    stage = Stage()
    client = stage.seated("lobby")
    seat = client.seat
    client.session.lost()
    client.session.lost()
    assert stage.room("lobby").take(m.Lost).outlet is seat
    assert (seat.alive, stage.claims("lobby")) == (False, [])
    assert seat.offer(EVENT)
    seat.send_state(EMPTY, StateReason.ROOM_RECOVERED)
    assert client.heard() == []


def test_a_connection_that_is_lost_without_a_room_is_told_to_nobody() -> None:
    """Also after a leave."""
    stage = Stage()
    stage.client().session.lost()
    client = stage.seated("lobby")
    client.leave()
    client.session.lost()
    assert stage.room("lobby").messages == []


@pytest.mark.rule("G6.1", "G5.3")
def test_a_loss_while_switching_is_a_loss_of_the_old_room() -> None:
    """The new one is not entered."""
    stage = Stage()
    client = stage.seated("lobby")
    seat = client.seat
    client.send("joinRoomGameSpace", roomId="attic")
    join = stage.door("attic").take(m.Join)
    client.session.lost()
    assert stage.room("lobby").take(m.Lost).outlet is seat
    assert not join.outlet.alive
    join.outlet.answer(Joined(EMPTY, 1, 1))
    assert (stage.claims("attic"), stage.room("attic").messages) == ([], [])


# -- the drain


@pytest.mark.rule("O2.1", "O2.2")
def test_a_drained_session_is_told_when_to_come_back_and_no_room_of_a_loss() -> None:
    """The player stays as it is; whatever the connection does later is no loss either."""
    stage = Stage()
    client = stage.seated("lobby")
    client.send("ready")
    ready = stage.room("lobby").take(m.Ready)
    client.session.drain(12_345)
    assert client.heard() == [{"type": "serverDraining", "reconnectAfterMs": 12_345}]
    client.session.lost()
    ready.outlet.answer(Done(1))
    assert (client.heard(), stage.room("lobby").messages) == ([], [])
    assert stage.roster.claims(RoomId("lobby")) is None, "no self-check may ask"


def test_a_session_that_is_gone_is_not_drained() -> None:
    """It has no connection to say it on."""
    client: Client = Stage().seated("lobby")
    client.session.lost()
    client.session.drain(1)
    assert objects(client.link.sent) == []
