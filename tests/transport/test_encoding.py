"""The server's messages, field by field as the protocol page has them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from actors.encoder import Encoder
from actors.ids import RoomId, SocketId, UserId
from actors.players import (
    Change,
    Event,
    EventKind,
    LeaveReason,
    Metadata,
    Motion,
    Player,
    StateView,
)
from actors.ports import Outlet
from tests.transport.stage import Object, objects, payloads
from transport.encoding import WireEncoder, frame, player_info, rfc3339

ROOM: Final = RoomId("lobby")
ANN: Final = Player(
    SocketId("AAAA"),
    UserId("ann"),
    "Ann",
    {"colour": "red", "é": [1, None]},
    1_767_323_045_678,
    Motion(1.5, -2, 1_767_323_046_000),
)
BOB: Final = Player(
    SocketId("BBBB"),
    UserId("zoë"),
    None,
    {},
    1_767_323_045_678,
    Motion(3, 4, 1_767_323_045_999),
    hide_position=True,
    is_ready=True,
    connected=False,
)
METADATA: Final = Metadata(1_767_323_045_000, 1_767_323_046_000, 2, True, 1000)
ENCODER: Final = WireEncoder(tick_ms=50)
SHOWN_ANN: Final[Object] = {
    "socketId": "AAAA",
    "userId": "ann",
    "displayName": "Ann",
    "position": {"x": 1.5, "y": -2},
    "attributes": {"colour": "red", "é": [1, None]},
    "joinedAt": "2026-01-02T03:04:05.678Z",
    "lastSeen": "2026-01-02T03:04:06.000Z",
    "isReady": False,
    "connected": True,
}
SHOWN_BOB: Final[Object] = {
    "socketId": "BBBB",
    "userId": "zoë",
    "position": None,
    "attributes": {},
    "joinedAt": "2026-01-02T03:04:05.678Z",
    "lastSeen": "2026-01-02T03:04:05.999Z",
    "isReady": True,
    "connected": False,
}
SHOWN_METADATA: Final[Object] = {
    "createdAt": "2026-01-02T03:04:05.000Z",
    "lastActivity": "2026-01-02T03:04:06.000Z",
    "playerCount": 2,
    "isActive": True,
    "maxPlayers": 1000,
    "tickMs": 50,
}
VIEW: Final = StateView(ROOM, 3, 7, "d138a372", 1_767_323_045_001, [ANN, BOB], METADATA)
STATE: Final = ENCODER.state(VIEW)
SHOWN_STATE: Final[Object] = {
    "players": [SHOWN_ANN, SHOWN_BOB],
    "metadata": SHOWN_METADATA,
    "consistency": {
        "epoch": 3,
        "version": 7,
        "checksum": "d138a372",
        "lastValidated": "2026-01-02T03:04:05.001Z",
    },
}
SOMEBODY: Final = cast(Outlet, None)


def only(*parts: bytes) -> Object:
    """The one object of a frame."""
    (found,) = objects(b"".join(parts))
    return found


# -- times and frames


@pytest.mark.rule("C2.8")
@pytest.mark.parametrize(
    ("now_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(now_ms: int, text: str) -> None:
    """Whatever zone the server stands in."""
    assert rfc3339(now_ms) == text


@pytest.mark.rule("C2.8")
@given(st.integers(0, 253_402_300_799_999))
def test_a_time_reads_back_as_the_same_millisecond(now_ms: int) -> None:
    """By a reader that is not ours."""
    at = datetime.strptime(rfc3339(now_ms), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) == now_ms


@pytest.mark.rule("C1.3")
@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 127, 65_535, 65_536, 65_537, 300_000])
def test_a_frame_reads_back_as_one_text_message(size: int) -> None:
    """On both sides of each form that a length has (RFC 6455, 5.2)."""
    payload = bytes(97 + n % 26 for n in range(size))
    client = Protocol(CLIENT, max_size=None)
    client.receive_data(frame(payload) + frame(b"next"))
    first, second = client.events_received()
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert (first.opcode, first.fin, bytes(first.data)) == (Opcode.TEXT, True, payload)
    assert bytes(second.data) == b"next"
    assert client.parser_exc is None


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_frame_has_the_shortest_head_that_its_length_allows(size: int, head: int) -> None:
    """A longer one is forbidden (RFC 6455, 5.2), though not every reader looks."""
    assert len(frame(b"x" * size)) == head + size


# -- what rooms publish


def test_the_encoder_is_the_port_that_rooms_are_given() -> None:
    """Held by the type checker; here, that there is one."""
    port: Encoder = ENCODER
    assert port is ENCODER


def test_a_player_is_shown_with_all_fields_and_an_unknown_name_left_out() -> None:
    """`displayName` is there only where there is one; a hidden position is null."""
    assert json.loads(json.dumps(player_info(ANN))) == SHOWN_ANN
    assert json.loads(json.dumps(player_info(BOB))) == SHOWN_BOB


def event(kind: EventKind, *players: Player, reason: LeaveReason | None = None) -> Event:
    """An event of `kind` up to version 7."""
    first = 8 - len(players)
    changes = [Change(kind, player, first + n, reason) for n, player in enumerate(players)]
    return Event(kind, tuple(changes), 7, "d138a372", METADATA)


CONSISTENCY: Final = {"epoch": 3, "version": 7, "checksum": "d138a372"}


@pytest.mark.rule("G3.1", "G1.1")
@pytest.mark.parametrize(
    ("kind", "reason", "name", "shown", "has_metadata"),
    [
        (EventKind.JOINED, None, "playerJoinedRoom", [SHOWN_ANN, SHOWN_BOB], True),
        (EventKind.UPDATED, None, "playerUpdated", [SHOWN_ANN, SHOWN_BOB], False),
        (
            EventKind.READY,
            None,
            "playerReady",
            [{"socketId": "AAAA", "userId": "ann"}, {"socketId": "BBBB", "userId": "zoë"}],
            False,
        ),
        (
            EventKind.CONNECTION,
            None,
            "playerConnectionChanged",
            [
                {"socketId": "AAAA", "userId": "ann", "connected": True},
                {"socketId": "BBBB", "userId": "zoë", "connected": False},
            ],
            False,
        ),
        *(
            (
                EventKind.LEFT,
                reason,
                "playerLeftRoom",
                [
                    {"socketId": "AAAA", "userId": "ann", "reason": text},
                    {"socketId": "BBBB", "userId": "zoë", "reason": text},
                ],
                True,
            )
            for reason, text in [
                (LeaveReason.LEFT, "left"),
                (LeaveReason.SWITCHED, "switched"),
                (LeaveReason.TIMEOUT, "timeout"),
                (LeaveReason.KICKED, "kicked"),
                (LeaveReason.REPLACED, "replaced"),
            ]
        ),
    ],
)
def test_an_event_has_the_fields_of_its_kind_and_no_others(
    kind: EventKind,
    reason: LeaveReason | None,
    name: str,
    shown: list[Object],
    has_metadata: bool,
) -> None:
    """Players in the room's order, and the checksum at the version of the last change."""
    encoded = ENCODER.event(ROOM, 3, event(kind, ANN, BOB, reason=reason))
    expected: Object = {
        "type": name,
        "roomId": "lobby",
        "players": shown,
        "consistency": CONSISTENCY,
    }
    if has_metadata:
        expected["metadata"] = SHOWN_METADATA
    assert json.loads(encoded) == expected


def test_an_event_of_every_kind_has_a_name() -> None:
    """A kind that is added is not forgotten here."""
    for kind in EventKind:
        assert ENCODER.event(ROOM, 1, event(kind, ANN, reason=LeaveReason.LEFT))


@pytest.mark.parametrize("data", [None, 1, "text", [], {"a": [None]}])
def test_a_room_message_carries_its_data_untouched(data: object) -> None:
    """And who said it."""
    assert json.loads(ENCODER.said(ROOM, SocketId("AAAA"), "chat", data)) == {
        "type": "roomMessage",
        "roomId": "lobby",
        "from": "AAAA",
        "event": "chat",
        "data": data,
    }


@pytest.mark.rule("C1.3")
def test_one_payload_is_an_object_and_several_are_an_array() -> None:
    """In the order given, in one frame."""
    assert payloads(ENCODER.batch([b'{"type":"a"}'])) == [b'{"type":"a"}']
    several = ENCODER.batch([b'{"type":"a"}', b'{"type":"b"}', b'{"type":"c"}'])
    (payload,) = payloads(several)
    assert [each["type"] for each in json.loads(payload)] == ["a", "b", "c"]


@pytest.mark.rule("G7.2")
def test_moves_are_one_message_with_a_triple_for_each_player() -> None:
    """The epoch says which incarnation of the room they belong to."""
    assert only(ENCODER.moves(ROOM, 3, [ANN, replace(ANN, socket_id=SocketId("CCCC"))])) == {
        "type": "playersMoved",
        "roomId": "lobby",
        "epoch": 3,
        "moves": [["AAAA", 1.5, -2], ["CCCC", 1.5, -2]],
    }
    assert json.loads(ENCODER.positions([ANN])) == [["AAAA", 1.5, -2]]
    assert json.loads(ENCODER.positions([])) == []
