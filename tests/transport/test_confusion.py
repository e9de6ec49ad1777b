"""Names that look like others, or like something else: what is not the same is not taken for it."""

from typing import Any, Final

import pytest

from actors import messages as m
from actors.ids import RoomId
from actors.privacy import Privacy, shown_user_id
from tests.transport.stage import KEYS, Stage

ALIKE: Final = (
    "ann",
    "Ann",
    "ANN",
    " ann",
    "ann ",
    "\u0430nn",  # Cyrillic a
    "a\u0144",
    "an\u0301n",
    "\uff41nn",  # full width
    "ann\u200d",
    "ann\u00ad",
    "\u202eann",
    "an\u200bn",
    "guest-ann",
    "anon-ann",
    "ann/../bob",
    "__proto__",
    "constructor",
    "toString",
    "null",
    "None",
    "0",
    "\u0660",
    "%61nn",
    "&#97;nn",
    "ann\\u0000",
)


STRANGE: Final = ("..", ".", "__proto__", "constructor", "-", ":", "lobby", "LOBBY")


@pytest.mark.rule("E1.6", "G11.2")
def test_users_who_look_alike_are_as_many_users() -> None:
    """Nothing is folded, trimmed or decoded: seats, pseudonyms and shares are of the very text."""
    stage = Stage(user_connections_max=1)
    hidden = Privacy(hide_user_id=True)
    for number, name in enumerate(ALIKE):
        client = stage.client(f"S{number}")
        client.send("joinRoomGameSpace", roomId="lobby", userId=name)
        assert stage.door("lobby").take(m.Join).profile.person == name
    assert len(stage.host.shares) == len(ALIKE)
    room = RoomId("lobby")
    shown = {shown_user_id(KEYS.pseudonym, room, name, hidden) for name in ALIKE}
    assert len(shown) == len(ALIKE)


@pytest.mark.rule("E1.3")
@pytest.mark.parametrize(
    "name", ["ann\x00", "\x00", "ann\x7f", "ann\x85", "ann\u2028", "ann\nbob", "", "x" * 129]
)
@pytest.mark.parametrize("field", ["userId", "displayName"])
def test_what_cuts_a_text_short_somewhere_is_no_name(field: str, name: str) -> None:
    """NUL, line ends, controls."""
    stage = Stage()
    client = stage.client()
    error = client.ask("joinRoomGameSpace", roomId="lobby", **{field: name})
    assert error["code"] == "badMessage"
    assert error["message"].startswith(f"{field}: expected")


@pytest.mark.rule("C4.3")
@pytest.mark.parametrize(
    "raw",
    [
        b"\xc0\xaf",  # "/" in two bytes
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc0\x80",  # NUL in two bytes
        b"\xc1\xa1",
        b"\xed\xa0\x80",  # half of a pair
        b"\xf4\x90\x80\x80",  # beyond Unicode
        b"\xff",
        b"\xe2\x82",
    ],
)
def test_a_second_spelling_of_a_character_is_no_text(raw: bytes) -> None:
    """Overlong forms, halves of pairs, what is cut: refused as bytes, before anybody reads them."""
    stage = Stage()
    client = stage.client()
    with pytest.raises(UnicodeDecodeError):
        client.session.receive(b'{"type":"joinRoomGameSpace","roomId":"' + raw + b'"}')
    assert stage.door("lobby").messages == []


@pytest.mark.rule("E1.3")
@pytest.mark.parametrize(
    "room",
    [
        "../lobby",
        "lobby/..",
        "lobby/x",
        "lobby\\x",
        "lobby%2fx",
        "lobby\x00",
        "lobby ",
        "l\u043ebby",
        "\uff4cobby",
        "lobby?x",
        "lobby#x",
        "lobby*",
        "lobby>",
    ],
)
def test_what_a_path_or_a_key_could_take_for_another_room_is_no_room(room: str) -> None:
    """Separators, wildcards, escapes and letters of other scripts."""
    error = Stage().client().ask("joinRoomGameSpace", roomId=room)
    assert error["code"] == "badMessage"
    assert error["message"].startswith("roomId: expected")


@pytest.mark.rule("E1.6")
@pytest.mark.parametrize(
    "room", ["..", ".", "__proto__", "constructor", "-", ":", "lobby", "LOBBY"]
)
def test_a_room_of_a_strange_name_is_that_room_alone(room: str) -> None:
    """Names are keys and nothing else."""
    stage = Stage()
    stage.seated(room)
    assert stage.claims(room) == ["AAAA"]
    assert not any(stage.claims(other) for other in STRANGE if other != room)


@pytest.mark.rule("E1.4", "E1.6")
@pytest.mark.parametrize(
    "kind",
    ["__proto__", "constructor", "error", "close", "__class__", "_dispatch", "receive", "Move", ""],
)
def test_a_type_is_looked_up_among_requests_and_nowhere_else(kind: str) -> None:
    """No attribute of anything is a request."""
    fields: dict[str, Any] = {"x": 1, "y": 1}
    assert Stage().seated("lobby").ask(kind, **fields)["code"] == "unsupportedType"
