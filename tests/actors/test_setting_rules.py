"""What one setting may be: how each type is read, its bounds, and the words of a refusal."""

import math

import pytest

from actors.setting_rules import Row
from actors.setting_sources import load
from actors.settings import TABLE
from tests.actors.test_settings import from_flags, problems

NUMBERS = [row for row in TABLE.values() if row.bounds]


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_a_setting_accepts_its_own_default(row: Row) -> None:
    """A default outside its own bounds would be refused at every start."""
    assert row.accepts(row.default)


def test_flag_and_environment_name_follow_from_the_name() -> None:
    """One name, three spellings."""
    row = TABLE["room_idle_s"]
    assert (row.flag, row.env) == ("--room-idle-s", "VAULTMEET_ROOM_IDLE_S")


@pytest.mark.parametrize("text", ["true", "1", "yes", "TRUE", "Yes"])
def test_a_switch_is_on_for_every_spelling_of_true(text: str) -> None:
    """In the environment a switch is a word."""
    assert load({}, {"VAULTMEET_ONE_SESSION_PER_USER": text}).settings.one_session_per_user is True


@pytest.mark.parametrize("text", ["false", "0", "no", "No"])
def test_a_switch_is_off_for_every_spelling_of_false(text: str) -> None:
    """The environment can turn off what the file turned on."""
    environ = {"VAULTMEET_ONE_SESSION_PER_USER": text}
    loaded = load({}, environ, config_text="one_session_per_user = true")
    assert loaded.settings.one_session_per_user is False


def test_a_list_is_separated_by_commas_and_in_lower_case() -> None:
    """Browsers send schemes and hosts in lower case, so exact comparison needs it."""
    settings = from_flags(allowed_origins=" https://A.example , http://b:8080,")
    assert settings.allowed_origins == ("https://a.example", "http://b:8080")


def test_a_list_of_the_file_is_a_list() -> None:
    """TOML has lists of its own."""
    loaded = load({}, {}, config_text='allowed_hosts = ["Rooms.example", "b:8080"]')
    assert loaded.settings.allowed_hosts == ("rooms.example", "b:8080")


def test_seconds_may_be_fractions_and_whole_ones_stay_whole() -> None:
    """A whole number is shown to clients and people without a fraction."""
    settings = from_flags(heartbeat_s="0.2", room_idle_s="0.01", drain_s="3.0", slow_reader_s="1e1")
    assert (settings.heartbeat_s, settings.room_idle_s) == (0.2, 0.01)
    assert [type(settings.drain_s), type(settings.slow_reader_s)] == [int, int]


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
def test_a_number_may_be_its_bounds_and_nothing_beyond(row: Row) -> None:
    """Both bounds are allowed; a little more is not."""
    low, high = row.rule.low, row.rule.high
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert row.accepts(low)
    assert row.accepts(high)
    step = 1 if row.type is int else 0.0001
    assert not row.accepts(low - step)
    assert not row.accepts(high + step)


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
@pytest.mark.parametrize(
    "text", ["", " ", "abc", "0x10", "nan", "inf", "-inf", "1" * 5000, "1e999"]
)
def test_a_number_that_is_none_is_refused_by_name(row: Row, text: str) -> None:
    """Also the ones that Python would read, but that no clock can wait for."""
    (problem,) = problems({row.name: text})
    assert problem.startswith(f"{row.name}: given '{text[:150]}")
    assert "expected a" in problem
    assert row.bounds in problem
    assert problem.endswith(f"(flag {row.flag})")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_of_the_file_that_is_not_finite_is_refused(value: str) -> None:
    """TOML spells them without quotes."""
    (problem,) = problems(text=f"heartbeat_s = {value}")
    assert problem.startswith(f"heartbeat_s: given {value}, expected a number, 0.01 to 3600")


@pytest.mark.parametrize(
    "line",
    [
        "port = true",
        "port = 1.5",
        "port = [1]",
        "port = 2020-01-01",
        "heartbeat_s = false",
        "one_session_per_user = 1",
        'one_session_per_user = "maybe"',
        "host = 1",
        "host = ''",
        "allowed_origins = 1",
        "allowed_origins = [1]",
        'allowed_origins = ["https://a.example/"]',
        'allowed_origins = ["a.example"]',
        'allowed_hosts = ["http://a.example"]',
        'log_level = "loud"',
        "log_format = {}",
        "data_dir = 1",
        'tls_cert_file = "a\\u0000b"',
    ],
)
def test_a_value_of_another_type_or_form_is_refused_by_name(line: str) -> None:
    """The file's types are not bent into others."""
    (problem,) = problems(text=line)
    assert problem.startswith(line.partition(" ")[0] + ": given ")
    assert problem.endswith("(file given as text)")


@pytest.mark.parametrize("hostile", ["\x1b[31mred\nline", "\ud800", "x" * 100_000])
def test_a_hostile_value_is_told_on_one_short_line(hostile: str) -> None:
    """What was given may come from anywhere; the terminal must not obey it."""
    (problem,) = problems({"port": hostile})
    assert problem.isprintable()
    assert len(problem) < 400
