"""Settings: the table itself, where values come from, and what is refused in which words."""

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.setting_agreements import is_loopback
from actors.setting_sources import Loaded, load
from actors.settings import TABLE, Settings, SettingsInvalid

HOME = {"HOME": "/h/ann"}


def from_flags(**flags: str | bool) -> Settings:
    """Settings from flags alone."""
    return load(flags, {}).settings


def problems(
    flags: dict[str, str | bool | None] | None = None,
    environ: dict[str, str] | None = None,
    text: str | None = None,
) -> list[str]:
    """Why these are refused."""
    with pytest.raises(SettingsInvalid) as refused:
        load(flags or {}, environ or {}, config_text=text)
    return list(refused.value.problems)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("host", "127.0.0.1"),
        ("port", 8765),
        ("auth", "anonymous"),
        ("jwt_leeway_s", 0),
        ("auth_timeout_s", 5),
        ("allow_anonymous", False),
        ("allowed_origins", ()),
        ("allowed_hosts", ()),
        ("heartbeat_s", 10),
        ("heartbeat_timeout_s", 10),
        ("room_idle_s", 300),
        ("resume_grace_s", 30),
        ("tick_ms", 50),
        ("players_max", 1000),
        ("one_session_per_user", False),
        ("message_bytes_max", 16384),
        ("messages_per_s", 60),
        ("messages_burst", 120),
        ("joins_per_s", 5),
        ("joins_burst", 20),
        ("connections_per_ip_max", 0),
        ("connections_max", 0),
        ("outbox_bytes_max", 262144),
        ("slow_reader_s", 15),
        ("drain_s", 5),
        ("self_check_s", 60),
        ("log_format", "auto"),
        ("log_level", "info"),
    ],
)
def test_with_nothing_configured_a_setting_has_its_published_default(
    name: str, default: object
) -> None:
    """The defaults are part of the contract."""
    assert getattr(load({}, {}).settings, name) == default


def test_the_table_names_exactly_the_fields_of_settings() -> None:
    """Flags, environment and TOML can reach every field and nothing else."""
    assert list(TABLE) == [item.name for item in dataclasses.fields(Settings)]


def test_every_setting_says_what_it_means() -> None:
    """Help that is empty, or that repeats another setting's, helps nobody."""
    abouts = [row.rule.about for row in TABLE.values()]
    assert all(abouts)
    assert len(set(abouts)) == len(abouts)


@pytest.mark.rule("O3.1")
def test_the_flag_wins_over_the_environment_and_that_over_the_file() -> None:
    """Each source is told beside the value that it gave."""
    text = "tick_ms = 1\nplayers_max = 1\nheartbeat_s = 1\n"
    environ = {"VAULTMEET_TICK_MS": "2", "VAULTMEET_PLAYERS_MAX": "2"}
    loaded = load({"tick_ms": "3"}, environ, config_file="rooms.toml", config_text=text)
    assert (loaded.settings.tick_ms, loaded.sources["tick_ms"]) == (3, "flag --tick-ms")
    assert loaded.settings.players_max == 2
    assert loaded.sources["players_max"] == "environment VAULTMEET_PLAYERS_MAX"
    assert (loaded.settings.heartbeat_s, loaded.sources["heartbeat_s"]) == (1, "file rooms.toml")
    assert loaded.sources["drain_s"] == "default"


def test_an_empty_environment_variable_counts_as_not_set() -> None:
    """Composed environments hold empty variables where nothing was meant."""
    assert load({}, {"VAULTMEET_PORT": ""}).settings.port == 8765


def test_a_switch_from_a_flag_is_taken_as_it_is() -> None:
    """`--no-one-session-per-user` overrides the environment."""
    environ = {"VAULTMEET_ONE_SESSION_PER_USER": "true"}
    assert load({"one_session_per_user": False}, environ).settings.one_session_per_user is False


def test_every_problem_of_every_source_is_told_at_once() -> None:
    """Nobody has to start five times to learn of five mistakes."""
    found = problems(
        {"port": "99999", "messages_burst": "1"},
        {"VAULTMEET_TICK_MS": "-1", "VAULTMEET_TLS_CERT_FILE": "/none/cert.pem"},
        "players_max = 0\nroom_idel_s = 3\n",
    )
    starts = [problem.partition(":")[0] for problem in found]
    assert sorted(starts) == sorted(
        [
            "port",
            "tick_ms",
            "players_max",
            "messages_burst",
            "tls_key_file",
            "tls_cert_file",
            "'room_idel_s' is no setting; did you mean room_idle_s? (file given as text)",
        ]
    )


@pytest.mark.parametrize(
    ("flags", "blamed", "told"),
    [
        ({"host": "0.0.0.0"}, "host", "unless --allow-anonymous"),  # noqa: S104
        ({"host": "rooms.example"}, "host", "unless --allow-anonymous"),
        ({"messages_per_s": "500"}, "messages_burst", "at least messages_per_s, which is 500"),
        ({"joins_burst": "4"}, "joins_burst", "at least joins_per_s, which is 5"),
        (
            {"message_bytes_max": "262144"},
            "outbox_bytes_max",
            "more than message_bytes_max, which is 262144",
        ),
        (
            {"mailbox_messages_max": "100"},
            "mailbox_messages_max",
            "at least turn_messages_max, which is 512",
        ),
        (
            {"connections_max": "5", "connections_per_ip_max": "6"},
            "connections_per_ip_max",
            "at most connections_max, which is 5",
        ),
        (
            {"tls_cert_file": __file__},
            "tls_key_file",
            f"a file too, as tls_cert_file is {__file__!r}",
        ),
        (
            {"tls_key_file": __file__},
            "tls_cert_file",
            f"a file too, as tls_key_file is {__file__!r}",
        ),
    ],
)
def test_settings_that_do_not_agree_are_refused_naming_both(
    flags: dict[str, str | bool | None], blamed: str, told: str
) -> None:
    """The one to blame comes first, then what the other one is and where both came from."""
    (problem,) = problems(flags)
    assert problem.startswith(f"{blamed}: given ")
    assert told in problem
    for name in flags:
        assert f"{name}: flag {TABLE[name].flag}" in problem


@pytest.mark.parametrize(
    "flags",
    [
        {"host": "0.0.0.0", "allow_anonymous": True},  # noqa: S104
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "127.8.9.10"},
        {"messages_per_s": "120"},
        {"messages_per_s": "0.5", "messages_burst": "1"},
        {"connections_per_ip_max": "6"},
        {"connections_max": "6"},
        {"outbox_bytes_max": "16385"},
        {"tls_cert_file": __file__, "tls_key_file": __file__},
    ],
)
def test_settings_that_just_agree_are_taken(flags: dict[str, str | bool]) -> None:
    """The edge of each agreement is allowed."""
    assert isinstance(from_flags(**flags), Settings)


@pytest.mark.parametrize("host", ["localhost.evil", "127.0.0.1.evil", "0", "::", "10.0.0.1", "*"])
def test_a_host_that_others_may_reach_is_not_loopback(host: str) -> None:
    """In doubt it is not: a name may resolve to anything."""
    assert not is_loopback(host)


@pytest.mark.rule("T1.18")
@pytest.mark.parametrize(
    ("flags", "blamed", "expected"),
    [
        ({"auth": "jwt"}, "auth", "expected either jwt_secret_file or jwt_public_key_file"),
        (
            {"auth": "jwt", "jwt_secret_file": __file__, "jwt_public_key_file": __file__},
            "auth",
            "expected either jwt_secret_file or jwt_public_key_file",
        ),
        ({"jwt_secret_file": __file__}, "auth", "expected jwt, as there is a jwt_secret_file"),
        ({"jwt_public_key_file": __file__}, "auth", "expected jwt, as there is a jwt_secret_file"),
        (
            {"auth": "jwt", "jwt_secret_file": __file__, "jwt_algorithms": "HS256,RS256"},
            "jwt_algorithms",
            "expected hs256 with jwt_secret_file",
        ),
        (
            {"auth": "jwt", "jwt_public_key_file": __file__, "jwt_algorithms": "HS256"},
            "jwt_algorithms",
            "some of rs256, es256, eddsa with jwt_public_key_file",
        ),
    ],
)
def test_jwt_needs_one_kind_of_key_and_its_algorithms(
    flags: dict[str, str | bool | None], blamed: str, expected: str
) -> None:
    """It must not fall back to letting everybody in, nor to another kind of key."""
    (problem,) = problems(flags)
    assert problem.startswith(f"{blamed}: given ")
    assert expected in problem


@pytest.mark.rule("T1.18")
@pytest.mark.parametrize("name", ["none", "None", "NONE", "HS512", "RS512", "PS256", "ES256K", "*"])
def test_an_algorithm_that_is_none_of_ours_cannot_be_asked_for(name: str) -> None:
    """`none` above all."""
    (problem,) = problems({"auth": "jwt", "jwt_secret_file": __file__, "jwt_algorithms": name})
    assert "expected a list of HS256, RS256, ES256, EdDSA" in problem


def test_in_jwt_mode_a_server_may_listen_anywhere() -> None:
    """Whoever comes must say who he is."""
    flags = {"auth": "jwt", "jwt_secret_file": __file__, "host": "10.0.0.1"}
    assert from_flags(**flags).host == "10.0.0.1"


@pytest.mark.parametrize(
    "name", ["tls_cert_file", "tls_key_file", "jwt_secret_file", "jwt_public_key_file"]
)
@pytest.mark.parametrize("path", ["/none/such.pem", "/", "x" * 4000])
def test_a_tls_file_that_is_not_there_is_refused(name: str, path: str) -> None:
    """At start, and not at the first handshake."""
    both = {"tls_cert_file": __file__, "tls_key_file": __file__} if name.startswith("tls") else {}
    jwt = {"auth": "jwt"} if name.startswith("jwt") else {}
    (problem,) = problems({**both, **jwt, name: path})
    assert problem.startswith(f"{name}: given ")
    assert "a file that exists" in problem


def test_an_unknown_variable_of_ours_is_a_warning_with_the_nearest_name() -> None:
    """Others may set variables with our prefix, so it is no reason not to start."""
    loaded = load({}, {"VAULTMEET_ROOM_IDEL_S": "3", "ROOM_IDLE_S": "4", "VAULTMEET_XYZ": "1"})
    assert loaded.settings.room_idle_s == 300
    assert loaded.warnings == (
        (
            "environment variable VAULTMEET_ROOM_IDEL_S is no setting and is ignored; "
            "did you mean VAULTMEET_ROOM_IDLE_S?"
        ),
        "environment variable VAULTMEET_XYZ is no setting and is ignored",
    )


def test_known_variables_make_no_warning() -> None:
    """A warning means that someone should look."""
    assert load({}, {"VAULTMEET_PORT": "0", "PATH": "/bin"}).warnings == ()


def test_the_configuration_file_is_read(tmp_path: Path) -> None:
    """Also with the mark that some editors put in front."""
    path = tmp_path / "rooms.toml"
    path.write_text("\ufefftick_ms = 20\n", encoding="utf-8")
    loaded = load({}, {}, config_file=str(path))
    assert loaded.settings.tick_ms == 20
    assert loaded.sources["tick_ms"] == f"file {path}"


@pytest.mark.parametrize("content", [b"tick_ms 20", b"\xff\xfe", b"tick_ms = 1\ntick_ms = 2"])
def test_a_file_that_is_not_toml_is_refused_together_with_other_problems(
    tmp_path: Path, content: bytes
) -> None:
    """A broken file does not hide a broken flag."""
    path = tmp_path / "rooms.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsInvalid) as refused:
        load({"port": "-1"}, {}, config_file=str(path))
    first, second = refused.value.problems
    assert first.startswith("the configuration is not TOML: ")
    assert str(path) in first
    assert second.startswith("port: given '-1', expected ")


@pytest.mark.parametrize("name", ["none.toml", ""])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    """Missing, or a folder: never the defaults instead."""
    with pytest.raises(SettingsInvalid, match="the configuration cannot be read"):
        load({}, {}, config_file=str(tmp_path / name))


def test_the_data_directory_is_one_for_each_user_unless_given() -> None:
    """XDG's variable, else its default below the home folder."""
    assert load({}, HOME).settings.data_dir == "/h/ann/.local/share/vaultmeet"
    assert load({}, HOME | {"XDG_DATA_HOME": "/data"}).settings.data_dir == "/data/vaultmeet"
    assert load({"data_dir": "/d"}, HOME).settings.data_dir == "/d"


@pytest.mark.rule("O3.2")
@pytest.mark.parametrize(
    ("flags", "text", "source"),
    [({"data_dir": ""}, None, "flag --data-dir"), ({}, 'data_dir = ""', "file given as text")],
)
def test_an_empty_data_directory_is_refused(
    flags: dict[str, str | bool | None], text: str | None, source: str
) -> None:
    """It would be whatever folder the server is started in; an empty variable is none."""
    with pytest.raises(SettingsInvalid, match=rf"data_dir: given '', expected a folder \({source}"):
        load(flags, HOME, config_text=text)
    home = load({}, HOME).settings.data_dir
    assert load({}, HOME | {"VAULTMEET_DATA_DIR": ""}).settings.data_dir == home


def test_an_invalid_settings_object_cannot_exist() -> None:
    """Whoever makes one by hand is held to the same bounds and agreements."""
    with pytest.raises(SettingsInvalid) as refused:
        Settings(tick_ms=-1, messages_burst=1.5, heartbeat_s=math.nan)
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "tick_ms",
        "heartbeat_s",
        "messages_burst",
    ]


def test_settings_cannot_be_changed() -> None:
    """A server's settings hold for its life."""
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]  # that it cannot is the point


@given(st.dictionaries(st.sampled_from([row.env for row in TABLE.values()]), st.text(), max_size=9))
def test_whatever_the_environment_holds_there_are_settings_or_problems(
    environ: dict[str, str],
) -> None:
    """No value makes loading raise anything but the refusal."""
    try:
        outcome: Loaded | SettingsInvalid = load({}, environ)
    except SettingsInvalid as refused:
        outcome = refused
    match outcome:
        case Loaded(settings=settings):
            assert all(row.accepts(getattr(settings, name)) for name, row in TABLE.items())
        case SettingsInvalid(problems=found):
            assert found
