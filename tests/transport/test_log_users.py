"""How users show in the log: by name, by a keyed hash, not at all."""

import re

import pytest

from actors.settings import LogUserIds
from tests.transport.output import PATIENCE_S, Output
from tests.transport.test_log import encode
from transport.log import StructuredLog
from transport.log_users import LogUsers

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def users(how: LogUserIds, key: bytes | None = KEY) -> LogUsers:
    """As a server with this key ring shows them."""
    made = LogUsers(how)
    if key is not None:
        made.use_key(key)
    return made


@pytest.mark.rule("T6.12")
def test_by_default_a_user_shows_by_name() -> None:
    """As rooms see it."""
    assert users(LogUserIds.FULL).shown("ann") == "ann"
    assert users(LogUserIds.FULL, None).shown("ann") == "ann"


@pytest.mark.rule("T6.12")
def test_hashed_a_user_shows_as_the_same_short_word_and_nobody_else_does() -> None:
    """Within the keys of one server; another server's word is another."""
    hashed = users(LogUserIds.HASHED)
    words = {
        name: hashed.shown(name) for name in ("ann", "bob", "Ann", "zoë", "anon-abc", "\ud800")
    }
    assert len(set(words.values())) == len(words)
    for name, word in words.items():
        assert word is not None
        assert re.fullmatch(r"user-[a-z2-7]{16}", word)
        assert users(LogUserIds.HASHED).shown(name) == word
        assert users(LogUserIds.HASHED, OTHER_KEY).shown(name) != word


@pytest.mark.rule("T6.12")
def test_without_a_key_and_with_none_no_user_shows() -> None:
    """Rather nobody than somebody by name."""
    assert users(LogUserIds.HASHED, None).shown("ann") is None
    assert users(LogUserIds.NONE).shown("ann") is None


@pytest.mark.rule("T6.12")
@pytest.mark.parametrize(
    ("how", "shown"),
    [
        (LogUserIds.FULL, "ann"),
        (LogUserIds.HASHED, users(LogUserIds.HASHED).shown("ann")),
        (LogUserIds.NONE, None),
    ],
)
def test_a_line_has_the_user_as_the_setting_says(how: LogUserIds, shown: str | None) -> None:
    """And no empty field where it has none."""
    output = Output()
    log = StructuredLog(encode, lambda: 0, output.write, users=users(how))
    log.info("player_joined", socket_id="AAAA", user_id="ann")
    assert log.close(PATIENCE_S)
    (line,) = output.lines
    assert line.get("userId") == shown
    assert ("userId" in line) == (shown is not None)
    assert line["socketId"] == "AAAA"
