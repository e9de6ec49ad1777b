"""The generator's frames and cheap scans, held against a WebSocket library and a JSON parser."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from benchmarks.dialects import (
    FRAME_BYTES_MAX,
    TEXT,
    BrokenStream,
    Dialect,
    FrameReader,
    Moved,
    Plain,
    Present,
    Refused,
    Rooms,
    client_frame,
    unmasked,
)


def server_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """As a server sends it, made by the library."""
    return Frame(Opcode(opcode), payload).serialize(mask=False)


def compact(value: Any) -> bytes:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def parsed_moves(dialect: Dialect, payload: bytes, name: str) -> int:
    """How many new positions of others a full parse finds."""
    facts = [fact for fact in dialect.read(payload) if isinstance(fact, Moved)]
    return sum(who != name for fact in facts for who, _ in fact.moves)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535])
def test_a_client_frame_is_read_by_the_library(size: int) -> None:
    """The masked frame carries its payload through another implementation unchanged."""
    payload = bytes(index * 7 % 251 for index in range(size))
    server = ServerProtocol(state=OPEN, max_size=None)
    server.receive_data(client_frame(Opcode.BINARY, payload))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert bytes(frame.data) == payload
    assert frame.fin


def test_a_client_frame_beyond_the_short_lengths_is_refused() -> None:
    """Nothing in a load is that long, so it is a mistake of the caller."""
    with pytest.raises(ValueError, match="65536"):
        client_frame(TEXT, bytes(65_536))


def test_a_client_frame_is_masked_with_a_key_that_is_not_zero() -> None:
    """A zero key would let a server skip the work of unmasking."""
    frame = client_frame(TEXT, b'{"type":"ping"}')
    assert frame[1] & 0x80
    assert frame[2:6] != bytes(4)
    assert b"ping" not in frame
    assert unmasked(frame) == b'{"type":"ping"}'


@given(
    payloads=st.lists(
        st.one_of(st.binary(max_size=300), st.just(bytes(126)), st.just(b"x" * 70_000)), max_size=8
    ),
    cuts=st.lists(st.integers(min_value=1, max_value=9_000), min_size=1, max_size=9),
)
def test_the_reader_finds_the_same_frames_however_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    """Chunks of any sizes give the frames that were sent, in order, and nothing stays behind."""
    stream = b"".join(map(server_frame, payloads))
    reader = FrameReader()
    found: list[tuple[int, bytes]] = []
    at = turn = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == [(TEXT, payload) for payload in payloads]


def test_the_reader_takes_one_byte_at_a_time() -> None:
    """The header of each length survives any cut within it."""
    stream = server_frame(b"a") + server_frame(b"b" * 126) + server_frame(b"c" * 65_536)
    reader = FrameReader()
    found = [frame for byte in stream for frame in reader.feed(bytes([byte]))]
    assert [payload for _, payload in found] == [b"a", b"b" * 126, b"c" * 65_536]


def test_the_reader_tells_control_frames_from_text() -> None:
    """Pings and closes come out with their own opcodes."""
    stream = server_frame(b"p", Opcode.PING) + server_frame(b"t") + server_frame(b"", Opcode.CLOSE)
    assert [opcode for opcode, _ in FrameReader().feed(stream)] == [0x9, 0x1, 0x8]


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (bytes([0x81, 0x81]) + bytes(5), "masked"),
        (bytes([0x01, 0x01]) + b"a", "fragmented"),
        (bytes([0x81, 127]) + (FRAME_BYTES_MAX + 1).to_bytes(8, "big"), "frame of"),
    ],
)
def test_the_reader_refuses_what_no_server_sends(stream: bytes, why: str) -> None:
    """A broken stream is named as such instead of being counted wrong."""
    with pytest.raises(BrokenStream, match=why):
        FrameReader().feed(stream)


SOCKET_IDS = st.text("ABCXYZabcxyz0189_-", min_size=1, max_size=12)
NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9, allow_nan=False, allow_infinity=False)
)
MOVES = st.lists(st.tuples(SOCKET_IDS, NUMBERS, NUMBERS), unique_by=lambda move: move[0])
ROOM_IDS = st.text("abz.09_:-", min_size=1, max_size=20)


@given(moves=MOVES, room=ROOM_IDS, own=SOCKET_IDS, among=st.booleans())
def test_the_cheap_count_of_our_moves_equals_the_parsed_one(
    moves: list[tuple[str, float, float]], room: str, own: str, among: bool
) -> None:
    """Whoever is in the frame, the receiver itself or not, only others are counted."""
    moves = [move for move in moves if move[0] != own]
    others = len(moves)
    if among:
        moves.insert(others // 2, (own, 1.5, -2))
    payload = compact({"type": "playersMoved", "roomId": room, "epoch": 7, "moves": moves})
    rooms = Rooms()
    assert rooms.moves(payload, rooms.own_mark(1, own)) == others
    assert parsed_moves(rooms, payload, own) == others


@given(
    batch=st.lists(
        st.one_of(
            MOVES.map(lambda m: {"type": "playersMoved", "roomId": "r", "epoch": 1, "moves": m}),
            st.just({"type": "roomMessage", "roomId": "r", "from": "A", "event": "[[", "data": []}),
            st.just({"type": "error", "code": "internal", "message": '["A",', "retryable": True}),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_batch_is_counted_by_parsing_it(batch: list[dict[str, Any]]) -> None:
    """Brackets in the texts of other messages do not pass for moves."""
    rooms = Rooms()
    expected = sum(
        move[0] != "A" for each in batch if each["type"] == "playersMoved" for move in each["moves"]
    )
    assert rooms.moves(compact(batch), rooms.own_mark(0, "A")) == expected


def test_moves_in_another_field_order_are_counted_by_parsing_them() -> None:
    """The cheap count is taken only where its assumption can be seen to hold."""
    rooms = Rooms()
    payload = b'{"moves": [["A", 1, 2], ["B", 3, 4]], "note": "[[", "type": "playersMoved"}'
    assert rooms.moves(payload, rooms.own_mark(0, "A")) == 1


@example(mover=12, own=1, stamp_us=0)
@example(mover=1, own=12, stamp_us=0)
@given(mover=st.integers(0, 999), own=st.integers(0, 999), stamp_us=st.integers(0, 10**9))
def test_the_cheap_count_of_plain_moves_equals_the_parsed_one(
    mover: int, own: int, stamp_us: int
) -> None:
    """User 1 is not mistaken for user 12."""
    plain = Plain()
    payload = compact({"type": "move", "user": f"u{mover}", "x": stamp_us, "y": 3})
    assert plain.moves(payload, plain.own_mark(own, "")) == int(mover != own)
    assert parsed_moves(plain, payload, plain.name_of(own, "")) == int(mover != own)


@given(users=st.frozensets(st.integers(0, 10_000), max_size=20))
def test_the_cheap_count_of_our_users_equals_the_parsed_one(users: frozenset[int]) -> None:
    """A snapshot and an event name the same users to the scan and to the parser."""
    players = [{"socketId": f"S{n}", "userId": f"u{n}", "displayName": "u7"} for n in sorted(users)]
    rooms = Rooms()
    for kind in ("roomGameSpaceJoined", "playerJoinedRoom"):
        payload = compact({"type": kind, "roomId": "r0", "socketId": "S0", "players": players})
        (fact,) = rooms.read(payload)
        assert isinstance(fact, Present)
        assert fact.users == users
        assert rooms.named(payload) == len(users)


@given(users=st.frozensets(st.integers(0, 10_000), min_size=1, max_size=20))
def test_the_cheap_count_of_plain_users_equals_the_parsed_one(users: frozenset[int]) -> None:
    """The list of members and the event of one are read alike."""
    plain = Plain()
    members = [{"user": f"u{n}", "x": 0, "y": 0} for n in sorted(users)]
    payload = compact({"type": "members", "room": "r1", "members": members})
    assert plain.read(payload) == [Present(users, whole=True)]
    assert plain.named(payload) == len(users)
    event = compact({"type": "joined", **members[0]})
    assert plain.named(event) == 1
    assert plain.read(event) == [Present(frozenset({min(users)}), whole=False)]


@pytest.mark.parametrize("dialect", [Rooms(), Plain()], ids=["ours", "plain"])
def test_requests_are_json_that_says_what_was_asked(dialect: Dialect) -> None:
    """A join names room and user, a move carries its time stamp as x."""
    join = json.loads(unmasked(dialect.join(3, 14)))
    move = json.loads(unmasked(dialect.move(123_456, 7)))
    leave = json.loads(unmasked(dialect.leave()))
    assert {"r3", "u14"} <= set(join.values())
    assert move == {"type": "move", "x": 123_456, "y": 7}
    assert set(leave) == {"type"}


def test_a_refusal_is_read_with_its_code() -> None:
    """A load that hits a limit must see it."""
    payload = compact({"type": "error", "code": "rateLimited", "message": "", "retryable": True})
    assert Rooms().read(payload) == [Refused("rateLimited")]
