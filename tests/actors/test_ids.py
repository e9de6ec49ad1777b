"""Names: what is one, and what is none."""

import pytest

from actors.ids import NAME_CHARS_MAX, SOCKET_ID_CHARS_MAX, parse_name, parse_room_id


@pytest.mark.parametrize("name", ["a", "Room-1", "a.b_c:d-e", "0", "x" * 128, ".."])
def test_a_room_may_be_named_so(name: str) -> None:
    """1 to 128 characters of A-Z a-z 0-9 . _ : - are a room's name."""
    assert parse_room_id(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "x" * 129, "a b", "a/b", "ä", "a\n", "\n", "a\x00", "room?", None, 1, True, b"a", ["a"]],
)
def test_a_room_may_not_be_named_so(name: object) -> None:
    """Anything else is none, also what merely ends in a line break."""
    assert parse_room_id(name) is None


@pytest.mark.parametrize(
    "name",
    ["a", " ", "zoë", "x" * 128, "語", "__proto__", "a|b", "e\u0301", "\u202e", "\U0001f600"],
)
def test_a_person_may_be_named_so(name: str) -> None:
    """1 to 128 characters of any script."""
    assert parse_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * (NAME_CHARS_MAX + 1),
        "a\nb",
        "a\rb",
        "\x00",
        "\x1f",
        "\x7f",
        "\x80",
        "\x9f",
        "\u2028",
        "\u2029",
        None,
        7,
        b"a",
        {"a": 1},
    ],
)
def test_a_person_may_not_be_named_so(name: object) -> None:
    """Neither control characters nor line breaks of any kind: a name stays on its line."""
    assert parse_name(name) is None


def test_a_socket_id_has_at_most_twelve_characters() -> None:
    """The bound that the wire promises."""
    assert SOCKET_ID_CHARS_MAX == 12
