"""The command: what it prints where, its exit codes, and that it starts quickly."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from actors.setting_sources import load
from actors.settings import TABLE, Settings
from transport import cli


class FakeApp(ModuleType):
    """Stands in for the server: remembers what it was run with."""

    def __init__(self) -> None:
        super().__init__("transport.app")
        self.runs: list[tuple[Settings, tuple[str, ...]]] = []
        self.seal_keys: list[str] = []

    def run(
        self, settings: Settings, warnings: tuple[str, ...], version: str, seal_key: str
    ) -> int:
        assert version == cli.version()
        self.seal_keys.append(seal_key)
        self.runs.append((settings, warnings))
        return 7


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests, and a terminal of known width."""
    for name in [name for name in os.environ if name.startswith("VAULTMEET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FakeApp:
    """The server that `serve` will find."""
    fake = FakeApp()
    monkeypatch.setitem(sys.modules, "transport.app", fake)
    monkeypatch.setattr("transport.app", fake, raising=False)
    return fake


def test_serve_runs_the_server_with_the_settings_and_returns_its_code(
    app: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags, environment and warnings arrive; the exit code is the server's."""
    monkeypatch.setenv("VAULTMEET_TICK_MS", "20")
    monkeypatch.setenv("VAULTMEET_TICK_M", "30")
    assert cli.main(["serve", "--port", "0", "--one-session-per-user"]) == 7
    ((settings, warnings),) = app.runs
    assert (settings.port, settings.tick_ms, settings.one_session_per_user) == (0, 20, True)
    assert [warning for warning in warnings if "VAULTMEET_TICK_M " in warning]


def test_every_setting_is_a_flag_of_serve(app: FakeApp) -> None:
    """The default of each, given as a flag, is taken as that default."""
    arguments = ["serve", "--data-dir=/d"]  # whose default is made of the environment
    for row in TABLE.values():
        match row.default:
            case _ if row.name == "data_dir":
                pass
            case bool():
                arguments.append(row.flag.replace("--", "--no-", 1))
            case tuple():
                arguments.append(f"{row.flag}={','.join(row.default)}")
            case _:
                arguments.append(f"{row.flag}={row.default}")
    assert cli.main(arguments) == 7
    assert app.runs == [(Settings(data_dir="/d"), ())]


@pytest.mark.rule("O3.2")
def test_a_mistake_in_the_settings_is_told_on_stderr_and_nothing_is_run(
    app: FakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, one a line, exit code 2."""
    assert cli.main(["serve", "--port", "99999", "--heartbeat-s", "nan", "--auth", "ldap"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "vaultmeet: port: given '99999', expected a whole number, 0 to 65535 (flag --port)",
        "vaultmeet: auth: given 'ldap', expected anonymous or jwt (flag --auth)",
        "vaultmeet: heartbeat_s: given 'nan', expected a number, 0.01 to 3600 (flag --heartbeat-s)",
    ]
    assert app.runs == []


def test_anonymous_on_all_addresses_is_refused_unless_allowed(
    app: FakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the flag that would allow it, and the flag does."""
    assert cli.main(["serve", "--host", "0.0.0.0"]) == 2  # noqa: S104
    assert "--allow-anonymous" in capsys.readouterr().err
    assert cli.main(["serve", "--host", "0.0.0.0", "--allow-anonymous"]) == 7  # noqa: S104
    assert len(app.runs) == 1


def test_an_unknown_flag_is_told_with_the_nearest_one(
    app: FakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its value is not told as a second mistake, and abbreviations are not guessed."""
    assert cli.main(["serve", "--room-idel-s", "3", "--por=1"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "vaultmeet: unknown argument '--room-idel-s'; did you mean --room-idle-s?",
        "vaultmeet: unknown argument '--por=1'; did you mean --port?",
        "vaultmeet: see vaultmeet --help",
    ]
    assert app.runs == []


@pytest.mark.parametrize(
    "arguments", [["dance"], ["serve", "--port"], ["serve", "x"], ["check-config", "--config"]]
)
def test_arguments_that_make_no_sense_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback and no exception: every line begins with our name."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert all(line.startswith("vaultmeet: ") for line in err.splitlines())


def test_without_a_command_the_help_is_shown_as_a_mistake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing was asked for, so nothing was done."""
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "vaultmeet serve" in err


def test_check_config_prints_settings_with_sources_that_load_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it prints is a TOML file of the same settings."""
    path = tmp_path / "rooms.toml"
    path.write_text('allowed_origins = ["https://a.example"]\nheartbeat_s = 0.2\n')
    monkeypatch.setenv("VAULTMEET_LOG_LEVEL", "debug")
    assert cli.main(["check-config", "--config", str(path), "--tick-ms", "20"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = {line.partition(" ")[0]: line for line in out.splitlines()}
    assert lines["tick_ms"].split("# ")[1] == "flag --tick-ms"
    assert lines["log_level"].split("# ")[1] == "environment VAULTMEET_LOG_LEVEL"
    assert lines["heartbeat_s"].split("# ")[1] == f"file {path}"
    assert lines["port"].split("# ")[1] == "default"
    assert set(tomllib.loads(out)) == set(TABLE)
    again = load({}, {}, config_text=out).settings
    assert (again.tick_ms, again.heartbeat_s, again.log_level) == (20, 0.2, "debug")
    assert again.allowed_origins == ("https://a.example",)


def test_check_config_warns_of_unknown_variables_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning is no error: the settings are printed and the exit code is 0."""
    monkeypatch.setenv("VAULTMEET_PROT", "1")
    assert cli.main(["check-config"]) == 0
    out, err = capsys.readouterr()
    assert "VAULTMEET_PROT" in err
    assert "did you mean VAULTMEET_PORT?" in err
    assert "port = 8765" in out


def test_check_config_of_a_wrong_file_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And prints no settings that would not be used."""
    path = tmp_path / "rooms.toml"
    path.write_text("playersmax = 3\n")
    assert cli.main(["check-config", "--config", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert (
        err == f"vaultmeet: 'playersmax' is no setting; did you mean players_max? (file {path})\n"
    )


def test_what_a_terminal_would_obey_is_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments may be pasted from anywhere."""
    assert cli.main(["check-config", "--data-dir", "a\u202e\u009bb"]) == 0
    out = capsys.readouterr().out
    assert "\\u202e" in out
    assert "\\x9b" in out
    assert all(line.isprintable() for line in out.splitlines())


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The installed one, for bug reports."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"vaultmeet {cli.version()}\n"


def test_a_folder_that_nobody_installed_has_an_unknown_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Running from a checkout is no error."""
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert cli.version() == "unknown"


def test_help_shows_every_setting_with_its_default_under_a_heading(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For a person: grouped, with bounds, no wider than the terminal."""
    assert cli.main(["serve", "--help"]) == 0
    out = capsys.readouterr().out
    words = " ".join(out.split())
    for row in TABLE.values():
        assert f"{row.flag} " in words or f"{row.flag}, " in words
        assert f"\n{row.rule.group.value}:\n" in out
        assert row.rule.about in words
    assert "(0 to 65535; default 8765)" in words
    assert "(default false)" in words
    assert max(len(line) for line in out.splitlines()) <= 100


def test_the_first_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Where to go from here."""
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "serve" in out
    assert "check-config" in out


def test_help_and_version_load_none_of_the_server() -> None:
    """They answer before the event loop and its libraries are imported."""
    script = (
        "import sys; from transport import cli; cli.main(['--help']); cli.main(['check-config'])\n"
        "heavy = {'asyncio', 'orjson', 'prometheus_client', 'pykka', 'structlog', 'uvloop',"
        " 'websockets', 'transport.app'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_the_module_runs_as_a_program() -> None:
    """`python -m transport.cli` is the command without installing it; its exit code is main's."""
    done = subprocess.run(
        [sys.executable, "-m", "transport.cli", "serve", "--port", "x"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2
    assert done.stderr.startswith("vaultmeet: port: given 'x'")


@pytest.mark.rule("T1.19")
@pytest.mark.parametrize("rooms", ["{", "[1]", '{"a": ["fly"]}', "[" * 100_000])
def test_a_claim_that_is_none_mints_no_token(
    rooms: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, in one line, however deep it is."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"0123456789abcdef" * 2)
    arguments = ["token", "--sub", "ann", "--key-file", str(secret), "--rooms", rooms]
    assert cli.main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("vaultmeet: --rooms: ")
