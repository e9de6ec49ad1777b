"""Every field of every request: its JSON types, its bounds, and the name in the refusal (E1)."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.acceptance.client import Client, connected, refused, seated
from tests.acceptance.server import Server

SAMPLES: Final[dict[str, Any]] = {
    "string": "text",
    "integer": 7,
    "fraction": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}
"""One value of every JSON type; null is left to the required fields."""


STRING: Final = frozenset({"string"})


INTEGER: Final = frozenset({"integer"})


NUMBER: Final = frozenset({"integer", "fraction"})


OBJECT: Final = frozenset({"object"})


ARRAY: Final = frozenset({"array"})


JOIN: Final = {"type": "joinRoomGameSpace", "roomId": "typed"}


VALIDATE: Final = {
    "type": "validateRoomState",
    "roomId": "typed",
    "expectedPlayers": [],
    "epoch": 1,
    "version": 1,
    "checksum": "00000000",
}


RESUME: Final = {
    "type": "resumeRoomGameSpace",
    "roomId": "typed",
    "resumeToken": "t",
    "epoch": 1,
    "version": 1,
}


FIELDS: Final[list[tuple[dict[str, Any], str, frozenset[str], bool]]] = [
    ({"type": "authenticate", "token": "t"}, "token", STRING, True),
    ({"type": "checkRoomPermission", "roomId": "typed"}, "roomId", STRING, True),
    (JOIN, "roomId", STRING, True),
    (JOIN, "userId", STRING, False),
    (JOIN, "displayName", STRING, False),
    (JOIN, "position", OBJECT, False),
    (JOIN, "attributes", OBJECT, False),
    (JOIN, "privacy", OBJECT, False),
    (JOIN | {"position": {"x": 0, "y": 0}}, "position.x", NUMBER, True),
    (JOIN | {"position": {"x": 0, "y": 0}}, "position.y", NUMBER, True),
    (JOIN | {"privacy": {}}, "privacy.hideUserId", frozenset({"boolean"}), False),
    (JOIN | {"privacy": {}}, "privacy.hidePosition", frozenset({"boolean"}), False),
    ({"type": "move", "x": 1, "y": 1}, "x", NUMBER, True),
    ({"type": "move", "x": 1, "y": 1}, "y", NUMBER, True),
    ({"type": "updatePlayer"}, "displayName", STRING, False),
    ({"type": "updatePlayer"}, "attributes", OBJECT, False),
    ({"type": "sendRoomMessage", "event": "e", "data": 1}, "event", STRING, True),
    (VALIDATE, "roomId", STRING, True),
    (VALIDATE, "expectedPlayers", ARRAY, False),
    (VALIDATE, "epoch", INTEGER, False),
    (VALIDATE, "version", INTEGER, False),
    (VALIDATE, "checksum", STRING, False),
    (RESUME, "roomId", STRING, True),
    (RESUME, "resumeToken", STRING, True),
    (RESUME, "epoch", INTEGER, True),
    (RESUME, "version", INTEGER, True),
]
"""Request, field, the JSON types it may have, and whether it must be there."""


def with_field(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of `request` whose field at `path` has this value."""
    changed: dict[str, Any] = json.loads(json.dumps(request))
    *outer, last = path.split(".")
    inner = changed
    for name in outer:
        inner = inner[name]
    inner[last] = value
    return changed


def without_field(request: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy of `request` that lacks the field at `path`."""
    changed = with_field(request, path, None)
    *outer, last = path.split(".")
    inner = changed
    for name in outer:
        inner = inner[name]
    del inner[last]
    return changed


async def send(client: Client, request: dict[str, Any]) -> dict[str, Any]:
    """Send a whole request under a fresh number; its answer."""
    return await client.ask(request["type"], **{k: v for k, v in request.items() if k != "type"})


async def names(client: Client, request: dict[str, Any], path: str) -> None:
    """The request must be refused with a message that names the field at `path`."""
    error = refused(await send(client, request), "badMessage")
    assert path.rsplit(".", maxsplit=1)[-1] in error["message"], (request, error)
    assert error["retryable"] is False


@pytest.mark.rule("E1.2", "E1.7")
@pytest.mark.parametrize(
    ("request_", "path", "types", "required"),
    FIELDS,
    ids=[f"{request['type']}.{path}" for request, path, _, _ in FIELDS],
)
async def test_a_field_of_another_type_is_named(
    server: Server, request_: dict[str, Any], path: str, types: frozenset[str], required: bool
) -> None:
    """Every other JSON type in its place, and nothing in its place: refused by name, alive."""
    async with connected(server) as ann:
        if request_["type"] in ("move", "updatePlayer", "sendRoomMessage"):
            await ann.join("typed")
        for name, value in SAMPLES.items():
            if name not in types:
                await names(ann, with_field(request_, path, value), path)
        if required:
            await names(ann, with_field(request_, path, None), path)
            await names(ann, without_field(request_, path), path)
        await ann.ping()


@pytest.mark.rule("E1.2")
async def test_data_must_be_there_and_may_be_anything(server: Server, room: str) -> None:
    """A message without `data` is refused; null is data."""
    async with seated(server, room, 1) as (ann,):
        await names(ann, {"type": "sendRoomMessage", "event": "e"}, "data")
        await ann.do("sendRoomMessage", event="e", data=None)


@pytest.mark.rule("E1.2")
async def test_the_players_of_a_validation_are_names(server: Server, room: str) -> None:
    """An array of something else than text is refused by name."""
    async with seated(server, room, 1) as (ann,):
        wrongs: list[Any] = [[1], [None], [["a"]], [{}], ["a", True]]
        for wrong in wrongs:
            request = {"type": "validateRoomState", "roomId": room, "expectedPlayers": wrong}
            await names(ann, request, "expectedPlayers")


TEXT_128: Final = "ä" * 128


BOUNDS: Final[list[tuple[dict[str, Any], str, Any, Any]]] = [
    (JOIN, "roomId", "r" * 128, "r" * 129),
    (JOIN, "roomId", "Az09._:-", "a b"),
    (JOIN, "roomId", "z", ""),
    (JOIN, "roomId", "z", "é"),
    (JOIN, "roomId", "z", "a/b"),
    (JOIN, "roomId", "z", "a\n"),
    (JOIN, "userId", TEXT_128, TEXT_128 + "a"),
    (JOIN, "userId", "zoë 日本 😀", "a\u0000b"),
    (JOIN, "userId", "z", ""),
    (JOIN, "userId", "a|b", "a\nb"),
    (JOIN, "userId", "z", "a\u2028b"),
    (JOIN, "userId", "z", "a\u0085b"),
    (JOIN, "userId", "z", "a\u007fb"),
    (JOIN, "displayName", TEXT_128, TEXT_128 + "a"),
    (JOIN, "displayName", "Zoë", "a\tb"),
    (JOIN, "displayName", "z", ""),
    (JOIN, "position", {"x": 1e9, "y": -1e9}, {"x": 1e9 + 1, "y": 0}),
    (JOIN, "attributes", {"a": "b" * 1000}, {"a": "b" * 1100}),
    ({"type": "updatePlayer"}, "displayName", TEXT_128, TEXT_128 + "a"),
    ({"type": "updatePlayer"}, "displayName", "Zoë", "a\rb"),
    ({"type": "updatePlayer"}, "attributes", {"a": "b" * 1000}, {"a": "b" * 1100}),
    ({"type": "sendRoomMessage", "data": 1}, "event", "e" * 64, "e" * 65),
    ({"type": "sendRoomMessage", "event": "e"}, "data", "d" * 8000, "d" * 9000),
    ({"type": "checkRoomPermission"}, "roomId", "r" * 128, "r" * 129),
]


@pytest.mark.rule("E1.3", "E1.7")
@pytest.mark.parametrize(("request_", "path", "right", "wrong"), BOUNDS)
async def test_a_field_at_its_bound_is_taken_and_beyond_it_named(
    server: Server, request_: dict[str, Any], path: str, right: Any, wrong: Any
) -> None:
    """The longest that is allowed passes, the shortest that is not is refused by name."""
    async with connected(server) as ann:
        if request_["type"] in ("updatePlayer", "sendRoomMessage"):
            await ann.join("bounds")
        await names(ann, with_field(request_, path, wrong), path)
        answer = await send(ann, with_field(request_, path, right))
        assert answer["type"] != "error", answer
