"""The command `vaultmeet`: from arguments to an exit code.

Owns words and exit codes: 0 done, 1 it could not be done, 2 a mistake in arguments or settings.
Makes its flags from the table in `actors.settings` and knows but one setting by name. The server
itself is imported only when it is to run, so that help, version and mistakes cost none of it.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Final, NoReturn

from actors.setting_rules import Group, Row
from actors.setting_sources import Loaded, load, nearest
from actors.settings import TABLE, SettingsInvalid
from transport import audit_command, cli_person, cli_token

_FAILED: Final = 1
_MISTAKE: Final = 2
_ABOUT: Final = "A room server for WebSocket clients: who is in a room, agreed on by everybody."
_EPILOG: Final = """\
vaultmeet serve                 on 127.0.0.1:8765, nothing configured
vaultmeet serve --port 0        on a free port, which the log names
vaultmeet serve --help          every setting
vaultmeet check-config --config FILE
vaultmeet rotate-keys           sign resume tokens with a new key from now on
vaultmeet token --sub ann       a token for development, where auth is jwt
vaultmeet rotate-key --init --seal-key-file FILE    make a key that seals what is stored
vaultmeet rotate-key --seal-key-file FILE           seal with a new key from now on
vaultmeet audit verify          whether anybody has changed the record of who did what
vaultmeet export-user ann       what is stored about a person, as JSON
vaultmeet erase-user ann        have nothing of a person any more
"""
_SOURCES: Final = """\
Every setting has one name: the flag --room-idle-s is VAULTMEET_ROOM_IDLE_S in the environment and
room_idle_s in the TOML file. The flag wins over the environment, which wins over the file."""
_ROTATION: Final = """\
A running server takes the new key up at once. When all is sealed with it, the log event
store_sealed and the metric vaultmeet_store_sealed say so; then --drop-old drops the others."""
_AUDIT_KEY: Final = "secret of the audit, which has an entry of this"
_METAVARS: Final = {"s": "SECONDS", "ms": "MS", "max": "N", "file": "FILE", "dir": "DIR"}


class _Mistake(Exception):
    """The arguments cannot be understood; the text is one line a mistake."""


class _Parser(argparse.ArgumentParser):
    """Leaves printing and exit codes to `main`."""

    def error(self, message: str) -> NoReturn:
        raise _Mistake(message)


def _shown(value: object) -> str:
    """`value` as TOML has it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(str(value), ensure_ascii=False)
        case tuple():
            return f"[{', '.join(_shown(part) for part in value)}]"
        case _:
            return str(value)


def _metavar(row: Row) -> str:
    if row.choices:
        return "|".join(row.choices)
    if row.type is tuple:
        return "A,B"
    if row.name.endswith("_per_s"):
        return "N"
    return _METAVARS.get(row.name.rpartition("_")[2], "N" if row.bounds else "TEXT")


def _help(row: Row) -> str:
    default = ",".join(row.default) if isinstance(row.default, tuple) else row.default
    facts = [row.bounds] if row.bounds else []
    if isinstance(default, StrEnum | int | float) or default:
        facts.append(f"default {_shown(default) if isinstance(default, bool) else default}")
    text = f"{row.rule.about} ({'; '.join(facts)})" if facts else row.rule.about
    return text.replace("%", "%%")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings")
    headings = {group: parser.add_argument_group(group.value) for group in Group}
    for row in TABLE.values():
        heading = headings[row.rule.group]
        if row.type is bool:
            heading.add_argument(
                row.flag,
                dest=row.name,
                action=argparse.BooleanOptionalAction,
                default=None,
                help=_help(row),
            )
        else:
            heading.add_argument(row.flag, dest=row.name, metavar=_metavar(row), help=_help(row))


def _parser() -> argparse.ArgumentParser:
    # The longest flags are 26 characters: with 34 most rows need no line of their own for the flag.
    raw = partial(argparse.RawDescriptionHelpFormatter, max_help_position=34)
    parser = _Parser(
        "vaultmeet",
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=raw,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for name, about in (
        ("serve", "run the server until SIGTERM or SIGINT"),
        ("check-config", "print the settings that serve would use, and where each came from"),
    ):
        command = commands.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.\n\n{_SOURCES}",
            formatter_class=raw,
            allow_abbrev=False,
            usage=f"vaultmeet {name} [--config FILE] [settings]",
        )
        _add_settings(command)
    token = commands.add_parser(
        "token",
        help=cli_token.ABOUT,
        description=f"{cli_token.ABOUT[0].upper()}{cli_token.ABOUT[1:]}.",
        formatter_class=raw,
        allow_abbrev=False,
    )
    cli_token.add_arguments(token)
    about = "sign resume tokens with a new key; those signed before stay good"
    rotate = commands.add_parser(
        "rotate-keys",
        help=about,
        description=f"{about[0].upper()}{about[1:]}.\n\nA running server takes it up at once.",
        formatter_class=raw,
        allow_abbrev=False,
    )
    rotate.add_argument("--config", metavar="FILE", help="TOML file with settings")
    rotate.add_argument(
        "--data-dir", metavar="DIR", help="folder of the keys; by default one for each user"
    )
    rotate.add_argument(
        "--revoke", action="store_true", help="tokens signed before are void: nobody can resume"
    )
    rotate.add_argument("--audit-key-file", metavar="FILE", help=_AUDIT_KEY)
    about = "seal what is stored with a new key; it is sealed anew while the server runs"
    rotate = commands.add_parser(
        "rotate-key",
        help=about,
        description=f"{about[0].upper()}{about[1:]}.\n\n{_ROTATION}",
        formatter_class=raw,
        allow_abbrev=False,
    )
    rotate.add_argument("--config", metavar="FILE", help="TOML file with settings")
    rotate.add_argument("--seal-key-file", metavar="FILE", help="file of the seal keys")
    rotate.add_argument(
        "--data-dir", metavar="DIR", help="folder of what is stored; by default one for each user"
    )
    rotate.add_argument("--audit-key-file", metavar="FILE", help=_AUDIT_KEY)
    turn = rotate.add_mutually_exclusive_group()
    turn.add_argument("--init", action="store_true", help="make the file, with a first key")
    turn.add_argument(
        "--drop-old",
        action="store_true",
        help="drop the keys before the newest, if nothing uses them",
    )
    audit_command.add_to(commands)
    cli_person.add_to(commands)
    return parser


def _unknown(arguments: Sequence[str]) -> str:
    """One line for each flag that nobody knows, else for each word that is out of place."""
    lines = []
    # A word beside an unknown flag is most likely its value.
    for argument in [word for word in arguments if word.startswith("-")] or arguments:
        near = nearest(argument.partition("=")[0])
        hint = f"; did you mean {near.flag}?" if near else ""
        lines.append(f"unknown argument {argument!r}{hint}")
    return "\n".join(lines)


def version() -> str:
    """The installed version, or `unknown` when run from a folder that nobody installed."""
    from importlib import metadata  # noqa: PLC0415  # 10 ms that serving does not need

    try:
        return metadata.version("vaultmeet-rooms")
    except metadata.PackageNotFoundError:
        return "unknown"


def _table(loaded: Loaded) -> str:
    """The resolved settings, as a TOML file whose comments name the sources."""
    lines: list[str] = []
    heading: Group | None = None
    for name, row in TABLE.items():
        if row.rule.group is not heading:
            heading = row.rule.group
            lines += ["", f"# {heading.value}"] if lines else [f"# {heading.value}"]
        lines.append(
            f"{f'{name} = {_shown(getattr(loaded.settings, name))}':<40}  # {loaded.sources[name]}"
        )
    return "".join(f"{_plain(line)}\n" for line in lines)


def _plain(line: str) -> str:
    """`line` with whatever a terminal would obey, or an encoding would refuse, spelled out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def _say(line: str) -> None:
    sys.stdout.write(f"{_plain(line)}\n")


def _complain(text: str) -> None:
    """Each line of `text` on standard error."""
    for line in text.splitlines():
        sys.stderr.write(f"vaultmeet: {_plain(line)}\n")


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names (the process's own arguments when None)."""
    parser = _parser()
    try:
        chosen, unknown = parser.parse_known_args(argv)
        if unknown:
            raise _Mistake(_unknown(unknown))
    except _Mistake as mistake:
        _complain(f"{mistake}\nsee vaultmeet --help")
        return _MISTAKE
    except SystemExit as done:  # argparse ends this way after --help
        return done.code if isinstance(done.code, int) else 0
    if chosen.version:
        sys.stdout.write(f"vaultmeet {version()}\n")
        return 0
    if chosen.command is None:
        parser.print_help(sys.stderr)
        return _MISTAKE
    try:
        loaded = load(
            {name: getattr(chosen, name, None) for name in TABLE},
            os.environ,
            config_file=chosen.config,
        )
    except SettingsInvalid as invalid:
        _complain(str(invalid))
        return _MISTAKE
    if chosen.command == "check-config":
        _complain("\n".join(loaded.warnings))
        sys.stdout.write(_table(loaded))
        return 0
    if chosen.command == "serve":
        from transport import app  # noqa: PLC0415  # the server and all its libraries

        return app.run(loaded.settings, loaded.warnings, version(), loaded.seal_key)
    return _run(chosen, loaded)


def _run(chosen: argparse.Namespace, loaded: Loaded) -> int:
    """Do what is no server's work; the exit code."""
    from transport import commands  # noqa: PLC0415  # the store and the audit with it
    from transport.command_audit import NotRecorded  # noqa: PLC0415

    settings, seal_key = loaded.settings, loaded.seal_key
    try:
        match chosen.command:
            case "token":
                return _ended(*commands.token(chosen, settings))
            case "audit":
                return commands.audit(chosen, settings, _say, _complain)
            case cli_person.EXPORT:
                return _ended(*commands.export(settings, seal_key, chosen.user_id))
            case cli_person.ERASE:
                return _ended(*commands.erase_user(settings, seal_key, chosen.user_id))
            case "rotate-key":
                turn = "init" if chosen.init else "drop-old" if chosen.drop_old else "add"
                return _ended(*commands.rotate_key(settings, seal_key, turn))
            case _:
                return _ended(*commands.rotate_keys(settings, revoke=chosen.revoke))
    except (NotRecorded, OSError, cli_token.TokenRefused) as refused:
        _complain(str(refused))
        return _FAILED


def _ended(done: bool, told: str, remark: str) -> int:  # of what says all three
    """Say what was done, or why not, in one line or more, and what else is to be known; the exit
    code.
    """
    _complain(remark)
    if done:
        for line in told.splitlines():
            _say(line)
        return 0
    _complain(told)
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
