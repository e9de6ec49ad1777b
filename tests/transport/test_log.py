"""The log: fields and forms, and what no client can do to it."""

import json
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import Log
from actors.settings import LogFormat, LogLevel
from tests.transport.output import PATIENCE_S, Output
from transport.log import StructuredLog

NOON_MS = 1_767_268_800_007  # 2026-01-01T12:00:00.007Z


def encode(value: object, default: Callable[[Any], Any] | None = None) -> bytes:
    """As `transport.wire.dumps`."""
    return orjson.dumps(value, default)


@pytest.fixture
def output() -> Output:
    """Where the log goes."""
    return Output()


def made(
    output: Output,
    *,
    level: LogLevel = LogLevel.INFO,
    form: LogFormat = LogFormat.JSON,
    terminal: bool = False,
    lines_max: int = 10_000,
) -> StructuredLog:
    """A log at noon."""
    return StructuredLog(
        encode,
        lambda: NOON_MS,
        output.write,
        level=level,
        form=form,
        terminal=terminal,
        lines_max=lines_max,
    )


def written(output: Output, event: str = "happened", **details: Any) -> dict[str, Any]:
    """The one line of one event."""
    log = made(output)
    log.info(event, **details)
    assert log.close(PATIENCE_S)
    (line,) = output.lines
    return line


# -- fields


def test_a_line_has_its_fields_in_the_published_order(output: Output) -> None:
    """Timestamp, level, event, who and where, then the details as they were given."""
    log: Log = (concrete := made(output))
    log.info(
        "player_joined",
        user_id="ann",
        socket_id="AAAA",
        room_id="lobby",
        version=3,
        playerCount=2,
        duration_ms=0.25,
    )
    assert concrete.close(PATIENCE_S)
    assert output.text == (
        b'{"timestamp":"2026-01-01T12:00:00.007Z","level":"info","event":"player_joined",'
        b'"roomId":"lobby","socketId":"AAAA","userId":"ann",'
        b'"details":{"version":3,"playerCount":2,"duration_ms":0.25}}\n'
    )


def test_fields_that_do_not_apply_are_left_out(output: Output) -> None:
    """Neither null nor empty."""
    assert list(written(output)) == ["timestamp", "level", "event"]


def test_the_port_stands_beside_the_details_too(output: Output) -> None:
    """Scripts that start the server on port 0 look for it in the event."""
    line = written(output, "server_started", host="127.0.0.1", port=40000)
    assert line["port"] == 40000
    assert line["details"] == {"host": "127.0.0.1", "port": 40000}


@pytest.mark.parametrize("name", ["debug", "info", "warn", "error"])
def test_each_method_writes_its_level(output: Output, name: str) -> None:
    """Four levels, in the wire contract's words."""
    log = made(output, level=LogLevel.DEBUG)
    getattr(log, name)("happened", x=1)
    assert log.close(PATIENCE_S)
    assert [line["level"] for line in output.lines] == [name]


@pytest.mark.parametrize("level", list(LogLevel))
def test_what_is_below_the_level_is_not_written(output: Output, level: LogLevel) -> None:
    """And costs no look at its values."""

    class Costly:
        looked = 0

        def __repr__(self) -> str:
            self.looked += 1
            return "costly"

    log, costly = made(output, level=level), Costly()
    for name in LogLevel:
        getattr(log, name)("happened", costly=costly)
    assert log.close(PATIENCE_S)
    expected = list(LogLevel)[list(LogLevel).index(level) :]
    assert [line["level"] for line in output.lines] == expected
    assert costly.looked == len(expected)


def test_times_are_utc_with_milliseconds_also_across_seconds(output: Output) -> None:
    """Each line has its own, whichever second was last."""
    times = iter([0, 999, 1000, 1_767_268_800_007, 1_767_268_799_990, 253_402_300_799_999])
    log = StructuredLog(encode, lambda: next(times), output.write, form=LogFormat.JSON)
    for _ in range(6):
        log.info("ticked")
    assert log.close(PATIENCE_S)
    assert [line["timestamp"] for line in output.lines] == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.999Z",
        "1970-01-01T00:00:01.000Z",
        "2026-01-01T12:00:00.007Z",
        "2026-01-01T11:59:59.990Z",
        "9999-12-31T23:59:59.999Z",
    ]


def test_a_value_changed_after_the_call_shows_as_it_was(output: Output) -> None:
    """The line is made at once and not on the writer's thread."""
    log = made(output)
    players = ["ann"]
    log.info("happened", players=players)
    players.append("bob")
    assert log.close(PATIENCE_S)
    assert output.lines[0]["details"] == {"players": ["ann"]}


# -- values that are not nice


class Rude:
    """Cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\x00\x1b[31m", "a\nb\x00\x1b[31m"),
        ("lone \ud800", "lone \\ud800"),
        (ValueError("x"), "ValueError('x')"),
        (b"\xff", "b'\\xff'"),
        (2**80, "0x100000000000000000000"),
        (Rude(), "<Rude, whose repr raised RuntimeError>"),
        ({1: "a", "b": {"\udfff"}}, {"1": "a", "b": ["\\udfff"]}),
        (frozenset({1}), "frozenset({1})"),
        ((1, None, True, 0.5), [1, None, True, 0.5]),
        ("zoë ☃ 🎲", "zoë ☃ 🎲"),
    ],
    ids=[
        "controls",
        "surrogate",
        "error",
        "bytes",
        "huge",
        "rude",
        "nested",
        "set",
        "tuple",
        "unicode",
    ],
)
def test_any_value_is_shown_somehow(output: Output, value: object, shown: object) -> None:
    """As JSON where it can be, else in words."""
    assert written(output, value=value)["details"] == {"value": shown}


def test_a_key_is_escaped_like_a_value(output: Output) -> None:
    """Keys may come from clients too, inside attributes."""
    details: dict[str, Any] = {"a\n\ud800": 1}
    line = written(output, **details)
    assert line["details"] == {"a\n\\ud800": 1}


def test_a_value_without_end_is_cut_and_the_rest_of_the_line_stays(output: Output) -> None:
    """Whatever a client managed to get into a field."""
    log = made(output)
    log.warn("happened", room_id="lobby", big="x" * 1_000_000)
    log.warn("happened", big=Exception("x" * 1_000_000))
    log.warn("happened", big="\ud800" * 1_000_000)
    assert log.close(PATIENCE_S)
    assert max(len(line) for line in output.text.split(b"\n")) < 20_000
    assert output.lines[0]["roomId"] == "lobby"
    assert output.lines[0]["details"]["cut"].startswith('{"timestamp":')
    assert output.lines[1]["details"]["big"].startswith("Exception('xxx")


def test_a_value_that_holds_itself_is_shown(output: Output) -> None:
    """And one that is nested beyond any reason."""
    loop: list[object] = []
    loop.append(loop)
    deep: object = "bottom"
    for _ in range(5000):
        deep = [deep]
    log = made(output)
    log.error("happened", loop=loop)
    log.error("happened", deep=deep)
    assert log.close(PATIENCE_S)
    assert len(output.lines) == 2


def test_secrets_are_redacted_by_their_names(output: Output) -> None:
    """The last line of defence: callers do not log them in the first place."""
    line = written(output, resumeToken="canary", token="canary", tokens=2)
    assert line["details"] == {"resumeToken": "[redacted]", "token": "[redacted]", "tokens": 2}
    assert b"canary" not in output.text


@pytest.mark.rule("O1.3")
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.floats() | st.integers()))
def test_one_event_is_one_line_whatever_its_values(
    user_id: str, event: str, value: dict[str, object]
) -> None:
    """For every reader: no way of splitting lines sees two, and nothing invisible comes through."""
    output = Output()
    for form in (LogFormat.JSON, LogFormat.CONSOLE):
        output.writes.clear()
        log = made(output, form=form)
        log.info(event, user_id=user_id, value=value)
        assert log.close(PATIENCE_S)
        text = output.text.decode()
        assert text.endswith("\n")
        assert len(text.splitlines()) == 1
        assert not re.search(
            "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text[:-1]
        )
        if form is LogFormat.JSON:
            assert set(json.loads(text)) >= {"timestamp", "level", "event", "details"}


# -- the console form


def test_on_a_terminal_the_line_is_for_people(output: Output) -> None:
    """Time of day, level, event, then words."""
    log = made(output, form=LogFormat.CONSOLE)
    log.warn("player_left", room_id="lobby", user_id="zoë b", version=3, why={"a": [1]})
    assert log.close(PATIENCE_S)
    assert output.text.decode() == (
        '12:00:00.007 warn  player_left roomId=lobby userId="zoë b" version=3 why={"a":[1]}\n'
    )


@pytest.mark.parametrize(
    ("form", "terminal", "console"),
    [
        (LogFormat.AUTO, True, True),
        (LogFormat.AUTO, False, False),
        (LogFormat.JSON, True, False),
        (LogFormat.CONSOLE, False, True),
    ],
)
def test_auto_goes_by_the_terminal_and_the_others_by_themselves(
    output: Output, form: LogFormat, terminal: bool, console: bool
) -> None:
    """Colours only where there is a terminal to show them."""
    log = made(output, form=form, terminal=terminal)
    log.info("happened")
    assert log.close(PATIENCE_S)
    assert output.text.startswith(b"{") is not console
    assert (b"\x1b[" in output.text) is (console and terminal)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\u009b2J", "a\nb", "\u202eevil", "\x7f", "\ud800"])
def test_a_client_cannot_send_escapes_to_the_terminal(output: Output, hostile: str) -> None:
    """Neither as a value, nor as a key, nor as an event."""
    log = made(output, form=LogFormat.CONSOLE)
    details: dict[str, Any] = {hostile: 1}
    log.info(hostile, user_id=hostile, attributes={hostile: hostile}, **details)
    assert log.close(PATIENCE_S)
    assert output.text.decode()[:-1].isprintable()


# -- lines lost


def test_dropped_lines_are_told_of_in_a_line_of_their_own(output: Output) -> None:
    """A warning, for somebody should look."""
    output.gate.clear()
    log = made(output, lines_max=1)
    log.info("happened")
    assert output.entered.wait(PATIENCE_S)
    log.info("happened")
    log.info("happened")
    assert log.dropped_total == 2
    output.gate.set()
    assert log.close(PATIENCE_S)
    assert [line["event"] for line in output.lines] == ["happened", "log_lines_dropped"]
    assert (output.lines[1]["level"], output.lines[1]["details"]) == ("warn", {"lines": 2})


def test_dropped_lines_are_told_of_at_any_level_and_in_either_form(output: Output) -> None:
    """Who asked for errors only has lost errors."""
    output.gate.clear()
    log = made(output, level=LogLevel.ERROR, form=LogFormat.CONSOLE, lines_max=1)
    log.error("happened")
    assert output.entered.wait(PATIENCE_S)
    log.error("happened")
    output.gate.set()
    assert log.close(PATIENCE_S)
    assert output.text.decode().splitlines()[1] == "12:00:00.007 warn  log_lines_dropped lines=1"
