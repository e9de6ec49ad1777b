"""Frames: bytes to objects, the bounds of a whole frame, and what every request may carry."""

import json
from typing import Any

import pytest

from actors.errors import BadMessage, Refusal, UnsupportedType
from actors.history import Claim
from actors.ids import RoomId, SocketId
from actors.privacy import Privacy
from tests.transport import requests as r
from tests.transport.requests import encoded, taken, taken_bytes
from transport import requests as q
from transport import wire


def refusal_of(raw: bytes) -> BadMessage:
    """Why `raw` is refused."""
    with pytest.raises(BadMessage) as refused:
        taken_bytes(raw)
    return refused.value


def test_of_a_join_that_is_wrong_twice_the_flags_are_told_last() -> None:
    """So a client that is wrong about its room hears of the room first, as ever."""
    join = {**r.JOIN, "privacy": {"hideUserId": 1}}
    assert refusal_of(encoded({**join, "roomId": ""})).field == "roomId"
    assert refusal_of(encoded({**join, "attributes": []})).field == "attributes"
    assert refusal_of(encoded(join)).field == "privacy.hideUserId"
    assert refusal_of(encoded({**r.JOIN, "roomId": "", "privacy": 1})).field == "privacy"


# -- what comes out of a valid request


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (r.AUTHENTICATE, q.Authenticate("t")),
        (r.CHECK, q.CheckPermission(RoomId("lobby"))),
        (
            r.JOIN,
            q.JoinRoom(
                RoomId("lobby"), "ann", "Ann", 1, 2.5, {"colour": "red"}, Privacy(False, True)
            ),
        ),
        (
            {"type": "joinRoomGameSpace", "roomId": "lobby"},
            q.JoinRoom(RoomId("lobby"), None, None, 0.0, 0.0, {}, Privacy(False, False)),
        ),
        (r.READY, q.SetReady()),
        (r.MOVE, q.MoveTo(1, 2.5)),
        (r.UPDATE, q.UpdatePlayer("Ann", {"colour": "red"})),
        (
            {"type": "updatePlayer", "displayName": "Ann"},
            q.UpdatePlayer("Ann", None),
        ),
        ({"type": "updatePlayer", "attributes": {}}, q.UpdatePlayer(None, {})),
        (
            r.VALIDATE,
            q.ValidateRoom(
                RoomId("lobby"),
                Claim(frozenset({SocketId("AAAA"), SocketId("BBBB")}), 3, 7, "6a5028f9"),
            ),
        ),
        (
            {"type": "validateRoomState", "roomId": "lobby", "expectedPlayers": []},
            q.ValidateRoom(RoomId("lobby"), Claim(frozenset())),
        ),
        (r.STATE, q.RequestState()),
        (r.RESUME, q.ResumeRoom(RoomId("lobby"), "t.t", 3, 7)),
        (r.LEAVE, q.LeaveRoom()),
        ({"type": "ping"}, q.Ping(None)),
    ],
)
def test_a_valid_request_is_taken_field_by_field(
    request_: dict[str, Any], expected: q.Request
) -> None:
    """Every type once with all it may have, and where fields may be left out, without them."""
    assert taken(request_) == expected


@pytest.mark.parametrize("data", [None, 0, 1.5, True, "text", [], {}, {"a": [1, {"b": None}]}])
def test_opaque_json_comes_back_as_it_went_in(data: object) -> None:
    """What others get as `data`, or the client as `t`, is the same value."""
    said = taken({**r.SAY, "data": data})
    assert isinstance(said, q.SendMessage)
    assert json.loads(wire.dumps({"data": said.data})) == {"data": data}
    ping = taken({**r.PING, "t": data})
    assert isinstance(ping, q.Ping)
    assert json.loads(wire.dumps({"t": ping.t})) == {"t": data}


# -- what is no request


@pytest.mark.rule("E1.1")
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b'{"type":"ready"',
        b"{'type':'ready'}",
        b"{type:1}",
        b'{"type":"ready",}',
        b'{"type":"ready"} x',
        b'{"type":"ready"}\x00',
        b"\xef\xbb\xbf{}",
        b'{"type":"a\nb"}',
        b'{"type":"\\x"}',
        b"null",
        b"true",
        b"1",
        b'"ready"',
        b"[]",
        b'[{"type":"ready"}]',
        "日本".encode(),
    ],
)
def test_text_that_is_no_json_object_is_refused(raw: bytes) -> None:
    """Not JSON, more than JSON, or JSON of another kind."""
    refusal = refusal_of(raw)
    assert (refusal.field, refusal.message) == (None, "expected a JSON object")
    assert refusal_of(bytes(bytearray(raw))).message == refusal.message


@pytest.mark.rule("C4.3")
@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b'{"type":"\xff"}',
        b'{"type":"\xc0\xaf"}',
        b'{"type":"\xed\xa0\x80"}',
        b'{"type":"ready","a":"\xe2\x82"}',
        b'{"type":"ready"}\xf5',
        b'{"\x80":1}',
    ],
)
def test_what_is_no_utf_8_is_the_fault_of_the_connection(raw: bytes) -> None:
    """A stray byte, an overlong form, a surrogate, a cut character: told apart from bad JSON."""
    with pytest.raises(UnicodeDecodeError):
        wire.decode(raw)
    with pytest.raises(UnicodeDecodeError):
        wire.decode(bytearray(raw))


@pytest.mark.rule("E1.5")
@pytest.mark.parametrize(
    "number",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "1" * 100_000,
        "-" + "9" * 100_000,
        "01",
        "+1",
        ".5",
        "5.",
        "0x10",
    ],
)
def test_numbers_that_are_not_finite_or_no_json_are_refused(number: str) -> None:
    """Wherever they stand: a number of 10⁵ digits has no finite value either."""
    for raw in (
        f'{{"type":"move","x":{number},"y":0}}',
        f'{{"type":"ping","t":[{number}]}}',
        f'{{"type":"ready","unknown":{{"a":{number}}}}}',
    ):
        assert refusal_of(raw.encode()).message == "expected a JSON object"


@pytest.mark.rule("E1.5")
def test_numbers_of_many_digits_are_taken_where_their_value_is_finite() -> None:
    """10⁵ digits behind the point are read once, and round to a finite number."""
    for number in ("0." + "1" * 100_000, "1e-999", "0." + "0" * 100_000 + "1"):
        move = taken_bytes(f'{{"type":"move","x":{number},"y":-0.0}}'.encode())
        assert isinstance(move, q.MoveTo)
        assert 0 <= move.x < 1


@pytest.mark.rule("E1.5")
@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udfff\\ud800"])
def test_lone_surrogates_are_refused(escape: str) -> None:
    """As a value, as a key, in what is opaque to the server."""
    for raw in (
        f'{{"type":"{escape}"}}',
        f'{{"type":"ready","{escape}":1}}',
        f'{{"type":"sendRoomMessage","event":"e","data":"{escape}"}}',
        f'{{"type":"joinRoomGameSpace","roomId":"a","userId":"{escape}"}}',
    ):
        refusal_of(raw.encode())


# -- depth and keys of a whole frame


def nested(depth: int, *, arrays: bool) -> bytes:
    """A frame whose deepest container is `depth` levels down, the frame itself the first."""
    inner = "1"
    for _ in range(depth - 1):
        inner = f"[{inner}]" if arrays else f'{{"a":{inner}}}'
    return f'{{"type":"ping","t":{inner}}}'.encode()


@pytest.mark.rule("E1.5")
@pytest.mark.parametrize("arrays", [True, False])
def test_sixteen_levels_are_taken_and_seventeen_are_not(arrays: bool) -> None:
    """Objects and arrays count alike, also in what nobody looks at."""
    taken_bytes(nested(16, arrays=arrays))
    for depth in (17, 18, 1000, 5000):
        refusal = refusal_of(nested(depth, arrays=arrays))
        assert "levels deep" in refusal.message or refusal.message == "expected a JSON object"
    assert "16 levels deep" in refusal_of(nested(17, arrays=arrays)).message


@pytest.mark.rule("E1.5")
def test_depth_is_bounded_wherever_it_is_hidden() -> None:
    """In a field that nobody knows, and beside shallow ones."""
    for wrapped in (
        {"type": "ready", "unknown": json.loads("[" * 16 + "]" * 16)},
        {"type": "nonsense", "unknown": json.loads("[" * 16 + "]" * 16)},
        {**r.SAY, "data": [1, {"a": 2}, json.loads("[" * 15 + "]" * 15)]},
        {**r.JOIN, "attributes": {"a": json.loads("[" * 15 + "]" * 15)}},
    ):
        assert "levels deep" in refusal_of(encoded(wrapped)).message


@pytest.mark.rule("E1.5")
def test_a_frame_of_256_keys_is_taken_and_one_of_257_is_not() -> None:
    """All objects of the frame count together, the frame's own keys among them."""
    flat = {f"k{n}": n for n in range(254)}
    spread = [{f"k{n}": n for n in range(127)}, [{f"k{n}": n for n in range(127)}]]
    for data in (flat, spread):
        frame = {"type": "ping", "t": data}
        taken(frame)
        refusal = refusal_of(encoded({**frame, "one": "more"}))
        assert refusal.message == "expected at most 256 keys"


def test_the_same_key_twice_has_its_last_value() -> None:
    """As in every browser; nothing is counted or merged."""
    assert taken_bytes(b'{"type":"error","type":"ready"}') == q.SetReady()


# -- what every request may carry


@pytest.mark.rule("C2.3")
@pytest.mark.parametrize("request_", r.ALL, ids=lambda request: request["type"])
def test_unknown_fields_are_ignored(request_: dict[str, Any]) -> None:
    """Whatever they hold, and also where their name is special in some language."""
    plain = taken(request_)
    extra = {"later": {"a": [1]}, "__proto__": {}, "constructor": 1, "": None, "token2": "x"}
    with_extra = taken({**request_, **extra})
    if isinstance(plain, q.SendMessage | q.Ping):  # an encoded part is never equal
        assert type(with_extra) is type(plain)
    else:
        assert with_extra == plain


@pytest.mark.rule("E1.4", "E1.6")
@pytest.mark.parametrize(
    "kind",
    ["", "Ready", "ready ", "welcome", "error", "close", "__proto__", "constructor", "__class__",
     "toString", "hasOwnProperty", "message", "move\u0000", "🏠", "x" * 5000],
)  # fmt: skip
def test_an_unknown_type_is_unsupported(kind: str) -> None:
    """Also one of the server's own types, and words that mean something elsewhere."""
    with pytest.raises(UnsupportedType) as refused:
        taken({"type": kind})
    assert len(refused.value.message) < 400
    assert not refused.value.retryable


@pytest.mark.rule("E1.2")
@pytest.mark.parametrize("kind", [None, 1, 1.5, True, [], ["ready"], {}, {"type": "ready"}])
def test_a_type_that_is_no_string_is_named(kind: object) -> None:
    """And so is one that is missing."""
    assert refusal_of(encoded({"type": kind})).field == "type"
    assert refusal_of(b"{}").field == "type"
    assert refusal_of(b'{"Type":"ready"}').field == "type"


@pytest.mark.rule("C3.7", "C3.11")
def test_a_sequence_id_is_an_integer_from_1_to_2_53_minus_1() -> None:
    """Booleans are no numbers, 1.0 is no integer, null is not left out."""
    assert wire.sequence_of({}) is None
    for right in (1, 2, 1_000_000, 2**53 - 1):
        assert wire.sequence_of({"sequenceId": right}) == right
    numbers: list[Any] = [0, -1, 2**53, 2**64, 1.0, 1.5]
    for wrong in [*numbers, True, False, None, "1", "", [], [1], {}]:
        with pytest.raises(BadMessage) as refused:
            wire.sequence_of(wire.decode(encoded({"sequenceId": wrong})))
        assert refused.value.field == "sequenceId"
        assert "sequenceId" in refused.value.message


@pytest.mark.rule("C3.12")
@pytest.mark.parametrize("request_", r.ALL, ids=lambda request: request["type"])
def test_a_timestamp_may_accompany_any_request(request_: dict[str, Any]) -> None:
    """It is validated, and named where it is no time; a move has no exception."""
    taken({**request_, "timestamp": "2026-01-02T03:04:05.678Z"})
    wrongs: list[Any] = [1, None, True, [], {}, 1.5, "yesterday", ""]
    for wrong in wrongs:
        assert refusal_of(encoded({**request_, "timestamp": wrong})).field == "timestamp"


@pytest.mark.rule("C3.12")
def test_a_timestamp_is_an_rfc_3339_time() -> None:
    """RFC 3339, section 5.6: the whole of it, in ASCII digits."""
    for right in (
        "2026-01-02T03:04:05Z",
        "2026-12-31t23:59:60z",
        "2026-01-02T03:04:05.1+05:30",
        "2026-01-02T03:04:05.123456789-23:59",
        "0000-01-01T00:00:00Z",
    ):
        taken({**r.READY, "timestamp": right})
    for wrong in (
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-01-32T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+05:60",
        "2026-01-02T03:04:05+0530",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05Z\n",
        " 2026-01-02T03:04:05Z",
        "26-01-02T03:04:05Z",
        "\uff12026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.1" + "0" * 100 + "Z",
    ):
        assert refusal_of(encoded({**r.READY, "timestamp": wrong})).field == "timestamp"


@pytest.mark.rule("G7.4")
def test_the_shortcut_for_moves_takes_what_the_long_way_takes() -> None:
    """And leaves to it whatever has more to say, or is wrong."""
    assert wire.plain_move(r.MOVE) == (1, 2.5)
    assert wire.plain_move({"type": "move", "x": 1e9, "y": -1e9}) == (1e9, -1e9)
    for other in (
        {},
        {**r.MOVE, "sequenceId": 1},
        {**r.MOVE, "timestamp": "never"},
        {**r.MOVE, "type": "ready"},
        {"type": "move", "x": 1},
        {"type": "move", "x": 1, "z": 1},
        {"type": "move", "x": 1, "y": "1"},
        {"type": "move", "x": None, "y": 1},
        {"type": "move", "x": 1, "y": True},
        {"type": "move", "x": 1, "y": 1e9 + 1},
        {"type": "move", "x": -(2**64), "y": 1},
        {"type": "move", "x": [], "y": {}},
    ):
        assert wire.plain_move(other) is None


def test_only_a_move_is_a_move() -> None:
    """It decides what is coalesced instead of refused, before anything else is looked at."""
    assert wire.is_move({"type": "move"})
    for other in ({}, {"type": "moves"}, {"type": ["move"]}, {"type": None}, {"move": 1}):
        assert not wire.is_move(other)


def test_json_that_cannot_be_said_is_a_fault_of_ours() -> None:
    """It raises no refusal: no client can cause it."""
    with pytest.raises(TypeError, match="not JSON serializable") as fault:
        wire.dumps({"a": object()})
    assert not isinstance(fault.value, Refusal)
    assert wire.dumps({"a": "é"}) == '{"a":"é"}'.encode()
    assert wire.dumps({"a": object()}, lambda value: type(value).__name__) == b'{"a":"object"}'
