"""Every field of every request: its JSON types, its bounds, its name in the refusal."""

import math
from typing import Any, Final

import pytest

from actors.errors import BadMessage
from tests.transport import requests as r
from tests.transport.requests import changed, taken, without
from transport import requests as q

SAMPLES: Final[dict[str, Any]] = {
    "null": None,
    "true": True,
    "false": False,
    "integer": 7,
    "fraction": 1.5,
    "string": "text",
    "array": [],
    "object": {},
}
"""One value of every JSON type; both booleans, since `true` passes for 1 in some languages."""

STRING: Final = frozenset({"string"})
INTEGER: Final = frozenset({"integer"})
NUMBER: Final = frozenset({"integer", "fraction"})
BOOLEAN: Final = frozenset({"true", "false"})
OBJECT: Final = frozenset({"object"})
ARRAY: Final = frozenset({"array"})

REQUIRED: Final[list[tuple[dict[str, Any], str, frozenset[str]]]] = [
    (r.AUTHENTICATE, "token", STRING),
    (r.CHECK, "roomId", STRING),
    (r.JOIN, "roomId", STRING),
    (r.JOIN, "position.x", NUMBER),
    (r.JOIN, "position.y", NUMBER),
    (r.MOVE, "x", NUMBER),
    (r.MOVE, "y", NUMBER),
    ({**r.MOVE, "sequenceId": 1}, "x", NUMBER),
    ({**r.MOVE, "sequenceId": 1}, "y", NUMBER),
    (r.SAY, "event", STRING),
    (r.VALIDATE, "roomId", STRING),
    (r.RESUME, "roomId", STRING),
    (r.RESUME, "resumeToken", STRING),
    (r.RESUME, "epoch", INTEGER),
    (r.RESUME, "version", INTEGER),
    (r.KICK, "socketId", STRING),
    (r.BAN, "userId", STRING),
    (r.UNBAN, "userId", STRING),
]
OPTIONAL: Final[list[tuple[dict[str, Any], str, frozenset[str]]]] = [
    (r.JOIN, "userId", STRING),
    (r.JOIN, "displayName", STRING),
    (r.JOIN, "position", OBJECT),
    (r.JOIN, "attributes", OBJECT),
    (r.JOIN, "privacy", OBJECT),
    (r.UPDATE, "displayName", STRING),
    (r.UPDATE, "attributes", OBJECT),
    (r.VALIDATE, "expectedPlayers", ARRAY),
    (r.VALIDATE, "epoch", INTEGER),
    (r.VALIDATE, "version", INTEGER),
    (r.VALIDATE, "checksum", STRING),
    (r.KICK, "reason", STRING),
    (r.BAN, "reason", STRING),
    (r.BAN, "forS", INTEGER),
    (r.SET_ROOM, "private", BOOLEAN),
    (r.SET_ROOM, "playersMax", INTEGER),
    (r.SET_ROOM, "allow", ARRAY),
    (r.SET_ROOM, "owner", STRING),
]
FLAGS: Final[list[tuple[dict[str, Any], str, frozenset[str]]]] = [
    (r.JOIN, "privacy.hideUserId", BOOLEAN),
    (r.JOIN, "privacy.hidePosition", BOOLEAN),
]


def named(request: object, path: str) -> None:
    """`request` must be refused for the field at `path`, by its name."""
    with pytest.raises(BadMessage) as refused:
        taken(request)
    assert refused.value.field == path
    assert refused.value.message.startswith(f"{path}: expected ")


@pytest.mark.rule("E1.2")
@pytest.mark.parametrize(("request_", "path", "types"), [*REQUIRED, *OPTIONAL, *FLAGS])
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_field_of_another_json_type_is_named(
    request_: dict[str, Any], path: str, types: frozenset[str], kind: str
) -> None:
    """And no other: one of the right type is never blamed on its type."""
    optional = (request_, path, types) in OPTIONAL
    wrong = changed(request_, path, SAMPLES[kind])
    if kind not in types and not (kind == "null" and optional):
        named(wrong, path)
    elif kind in NUMBER | BOOLEAN | ARRAY:
        taken(wrong)


@pytest.mark.rule("E1.2")
@pytest.mark.parametrize(("request_", "path", "types"), REQUIRED)
def test_a_field_that_is_missing_is_named(
    request_: dict[str, Any], path: str, types: frozenset[str]
) -> None:
    """Where the request cannot be understood without it."""
    named(without(request_, path), path)


@pytest.mark.parametrize(("request_", "path", "types"), OPTIONAL)
def test_null_is_as_good_as_left_out(
    request_: dict[str, Any], path: str, types: frozenset[str]
) -> None:
    """Where the field may be left out: clients of many languages send null for nothing."""
    assert taken(changed(request_, path, None)) == taken(without(request_, path))
    assert taken(without(request_, path)) != taken(request_)


@pytest.mark.rule("E1.2")
def test_data_must_be_there_and_may_be_null() -> None:
    """It is the one field whose absence and whose null differ."""
    named(without(r.SAY, "data"), "data")
    assert isinstance(taken({**r.SAY, "data": None}), q.SendMessage)


@pytest.mark.rule("E1.2")
def test_an_update_of_nothing_is_refused() -> None:
    """It would be a version in which nothing changed."""
    named({"type": "updatePlayer"}, "displayName")
    named({"type": "updatePlayer", "displayName": None, "attributes": None}, "displayName")


@pytest.mark.rule("E1.2")
@pytest.mark.parametrize("players", [[1], [None], ["AAAA", True], [["AAAA"]], [{}], ["AAAA", 1.5]])
def test_expected_players_are_strings(players: list[object]) -> None:
    """One that is none spoils them all."""
    named({**r.VALIDATE, "expectedPlayers": players}, "expectedPlayers")


@pytest.mark.rule("G10.6")
def test_expected_players_may_be_left_out_only_beside_epoch_version_and_checksum() -> None:
    """Each of the three is needed, also where the others are there."""
    bare = without(r.VALIDATE, "expectedPlayers")
    taken(bare)
    for name in ("epoch", "version", "checksum"):
        named(without(bare, name), "expectedPlayers")
        taken(without(r.VALIDATE, name))
    named({"type": "validateRoomState", "roomId": "lobby"}, "expectedPlayers")


def sized(key: str, size: int) -> dict[str, str]:
    """An object of exactly `size` bytes of compact JSON."""
    return {key: "x" * (size - len(key) - len('{"":""}'))}


ROOM_IDS: Final = (
    ["a", "r" * 128, "AZaz09._:-", "..", "-", "__proto__", "constructor", "error", "close"],
    ["", "r" * 129, "a b", "a/b", "é", "a\n", "\n", "a\u0000", "a%20", "\uff41", "a+b", "a,b"],
)
NAMES: Final = (
    ["a", "ä" * 128, "😀" * 128, "zoë 日本", "a|b", " ", "__proto__", "constructor", "error",
     "'\"<&"],
    ["", "ä" * 129, "a\u0000b", "\u001f", "a\nb", "a\rb", "a\tb", "a\u007fb", "a\u0080b",
     "a\u0085b", "a\u009fb", "a\u2028b", "a\u2029b", "a\n"],
)  # fmt: skip
COORDINATES: Final = (
    [1e9, -1e9, 10**9, -(10**9), 0, -0.0, 5e-324, 0.1],
    [math.nextafter(1e9, 2e9), -math.nextafter(1e9, 2e9), 10**9 + 1, 1e308, 2**64, -(2**70)],
)
ATTRIBUTES: Final = (
    [{}, sized("a", 1024), {"é": "é" * 507}, {"__proto__": {"a": 1}, "constructor": None}],
    [sized("a", 1025), {"é": "é" * 508}, {"a": list(range(500))}],
)
TOKENS: Final = (["t", "t" * 2048, "😀"], ["", "t" * 2049])
JWTS: Final = (["t", "t" * 8192, "😀"], ["", "t" * 8193])
INTEGERS: Final = ([0, 1, 2**53 - 1], [-1, 2**53, 2**64, 1.0])

BOUNDS: Final[list[tuple[dict[str, Any], str, list[Any], list[Any]]]] = [
    (r.CHECK, "roomId", *ROOM_IDS),
    (r.JOIN, "roomId", *ROOM_IDS),
    (r.VALIDATE, "roomId", *ROOM_IDS),
    (r.RESUME, "roomId", *ROOM_IDS),
    (r.JOIN, "userId", *NAMES),
    (r.JOIN, "displayName", *NAMES),
    (r.UPDATE, "displayName", *NAMES),
    (r.JOIN, "position.x", *COORDINATES),
    (r.JOIN, "position.y", *COORDINATES),
    (r.MOVE, "x", *COORDINATES),
    (r.MOVE, "y", *COORDINATES),
    ({**r.MOVE, "sequenceId": 1}, "x", *COORDINATES),
    (r.JOIN, "attributes", *ATTRIBUTES),
    (r.UPDATE, "attributes", *ATTRIBUTES),
    (r.SAY, "event", ["e", "e" * 64, "é" * 64, "__proto__", "error", "a b"], ["", "e" * 65]),
    (r.SAY, "data", ["x" * 8190, sized("a", 8192), ["é"] * 1638], ["x" * 8191, sized("a", 8193)]),
    (r.PING, "t", ["x" * 8190, sized("a", 8192)], ["x" * 8191, sized("a", 8193)]),
    (r.AUTHENTICATE, "token", *JWTS),
    (r.RESUME, "resumeToken", *TOKENS),
    (r.RESUME, "epoch", *INTEGERS),
    (r.RESUME, "version", *INTEGERS),
    (r.VALIDATE, "epoch", *INTEGERS),
    (r.VALIDATE, "version", *INTEGERS),
    (r.VALIDATE, "checksum", ["00000000", "d138a372"], ["", "0000000", "000000000", "é" * 7]),
    (
        r.VALIDATE,
        "expectedPlayers",
        [[], ["AAAA"] * 16_384, ["__proto__"], [""]],
        [["A"] * 16_385],
    ),
]


@pytest.mark.rule("E1.3", "E1.6")
@pytest.mark.parametrize(
    ("request_", "path", "right", "wrong"),
    BOUNDS,
    ids=[f"{request['type']}.{path}.{len(request)}" for request, path, _, _ in BOUNDS],
)
def test_a_field_at_its_bound_is_taken_and_one_beyond_it_is_named(
    request_: dict[str, Any], path: str, right: list[Any], wrong: list[Any]
) -> None:
    """The most that is allowed, and the least that is not; names that mean something elsewhere."""
    for value in right:
        taken(changed(request_, path, value))
    for value in wrong:
        named(changed(request_, path, value), path)


@pytest.mark.rule("E1.6")
def test_attributes_with_special_names_are_kept_as_they_are() -> None:
    """They are keys of plain data, and nothing is looked up by them."""
    attributes = {"__proto__": {"isAdmin": True}, "constructor": 1, "": [], "toString": None}
    join = taken({**r.JOIN, "attributes": attributes})
    assert isinstance(join, q.JoinRoom)
    assert join.attributes == attributes


def test_every_request_of_the_protocol_is_in_the_tables() -> None:
    """A type that is added to the tables of fields is not forgotten here."""
    with_fields = {request["type"] for request, *_ in [*REQUIRED, *OPTIONAL, *FLAGS]}
    without_fields = {"ready", "requestRoomState", "leaveRoomGameSpace", "ping"}
    assert with_fields | without_fields == {request["type"] for request in r.ALL}
    for request in r.ALL:
        taken(request)
