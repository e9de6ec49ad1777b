"""Where settings come from: flags, environment and TOML, the first winning over the next.

Owns the reading, and that all problems are told at once. Decides no default and no bound
(settings.py).
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from actors.setting_rules import DEFAULT, ENV_PREFIX, Problem, Row
from actors.settings import TABLE, Settings, SettingsInvalid, check

SEAL_KEY_ENV: Final = ENV_PREFIX + "SEAL_KEY"
"""A secret of the environment alone: a flag is seen by all users of the machine, a file of settings
is copied about, and neither it nor its value is in any table that is printed.
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings; where each came from, in words (`DEFAULT` when nobody gave it); warnings.
    `seal_key` is what `SEAL_KEY_ENV` holds, as it is; never to be shown.
    """

    settings: Settings
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    seal_key: str = field(default="", repr=False)


def load(
    flags: Mapping[str, str | bool | None],
    environ: Mapping[str, str],
    *,
    config_file: str | None = None,
    config_text: str | None = None,
) -> Loaded:
    """Each setting from its flag, else the environment, else TOML, else its default.

    `flags` are by setting name, None where not given. An empty variable counts as not set.
    `config_text` stands in for what `config_file` holds. A variable with our prefix that is no
    setting is a warning; a TOML key that is none is an error. Raises SettingsInvalid with the
    problems of all sources at once. Looks whether the TLS files and those of
    token keys are there.
    """
    problems: list[Problem | str] = []
    file = f"file {config_file or 'given as text'}"
    document = _document(config_file, config_text, file, problems)
    given: dict[str, tuple[object, str]] = {}
    for name, row in TABLE.items():
        candidates: tuple[tuple[object, str], ...] = (
            (flags.get(name), f"flag {row.flag}"),
            (environ.get(row.env) or None, f"environment {row.env}"),
            (document.get(name), file),
            (_data_dir(environ) if name == "data_dir" else row.default, DEFAULT),
        )
        given[name] = next(pair for pair in candidates if pair[0] is not None)
    values: dict[str, Any] = {name: row.read(given[name][0]) for name, row in TABLE.items()}
    problems += check(values, given)
    for name in ("tls_cert_file", "tls_key_file", "jwt_secret_file", "jwt_public_key_file"):
        path = values[name]
        if TABLE[name].accepts(path) and path and not _is_file(path):
            problems.append(Problem(name, *given[name], "a file that exists"))
    if values["data_dir"] == "":  # it would be wherever the server was started
        problems.append(Problem("data_dir", *given["data_dir"], "a folder"))
    for key in document:
        if key not in TABLE:
            hint = f"; did you mean {near.name}?" if (near := nearest(key)) else ""
            problems.append(f"{key!r} is no setting{hint} ({file})")
    if problems:
        raise SettingsInvalid(problems)
    sources = {name: source for name, (_, source) in given.items()}
    warnings = tuple(_strangers(environ))
    return Loaded(Settings(**values), sources, warnings, environ.get(SEAL_KEY_ENV, ""))


def _strangers(environ: Mapping[str, str]) -> Iterator[str]:
    """A warning for each variable that has our prefix and is no setting."""
    known = {SEAL_KEY_ENV, *(row.env for row in TABLE.values())}
    for variable in sorted(environ):
        if variable.startswith(ENV_PREFIX) and variable not in known:
            near = nearest(variable.removeprefix(ENV_PREFIX))
            hint = f"; did you mean {near.env}?" if near else ""
            yield f"environment variable {variable} is no setting and is ignored{hint}"


def _document(
    config_file: str | None, config_text: str | None, file: str, problems: list[Problem | str]
) -> Mapping[str, object]:
    """What the TOML says, by key; nothing where there is none, or where it joins the problems."""
    try:
        if config_text is None:
            if config_file is None:
                return {}
            config_text = Path(config_file).read_text(encoding="utf-8-sig")
        return tomllib.loads(config_text)
    except OSError as error:
        problems.append(f"the configuration cannot be read: {error.strerror} ({file})")
    except ValueError as error:  # not UTF-8, or not TOML: then it names line and column
        problems.append(f"the configuration is not TOML: {error} ({file})")
    return {}


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name too long, or a folder that we may not look into
        return False


def _data_dir(environ: Mapping[str, str]) -> str:
    """The per-user data directory, after the XDG base directory specification, which says that a
    relative one is to be ignored.
    """
    given = Path(environ.get("XDG_DATA_HOME", ""))
    home = Path(environ.get("HOME") or Path("~").expanduser())
    base = given if given.is_absolute() else home / ".local" / "share"
    return str(base / "vaultmeet")


def nearest(name: str) -> Row | None:
    """The setting that whoever wrote `name`, in any of the spellings, may have meant."""
    from difflib import get_close_matches  # noqa: PLC0415  # only a typing error pays for it

    plain = name.lower().lstrip("-").replace("-", "_")
    return next((TABLE[close] for close in get_close_matches(plain, TABLE, n=1)), None)
