"""The commands `vaultmeet audit verify` and `vaultmeet audit show`: from arguments to lines.

Owns their words and exit codes: 0 whole, 1 a breach was found or the audit cannot be read; and when
each is told to the audit itself. Imports the rest of the audit only when one of them is to run.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_FORMATTER: Final = argparse.RawDescriptionHelpFormatter
_LINK: Final = re.compile(r"([1-9][0-9]{0,15}):([0-9a-f]{64})")
_ABOUT: Final = "verify or read the record of who did what"
_VERIFY_SHORT: Final = "say whether anybody has changed it, and where"
_VERIFY: Final = """\
Find every edit, deletion, change of order and insertion, and say where: file, line, and what was
expected there. Exit code 0 where all is as it was written, 1 where it is not."""
_SHOW_SHORT: Final = "print its entries, one JSON object a line"
_SHOW: Final = """\
Print the entries that are sound, one JSON object a line, oldest first. That this was done is one
of them, unless it is a copy that is read; where it cannot be written, nothing is printed."""


def add_to(commands: Any) -> None:
    """The parsers of both commands."""
    audit = commands.add_parser(
        "audit",
        help=_ABOUT,
        description=f"{_ABOUT[0].upper()}{_ABOUT[1:]}.",
        allow_abbrev=False,
    )
    acts = audit.add_subparsers(dest="act", metavar="verify|show", required=True)
    verify = _parser(acts, "verify", _VERIFY_SHORT, _VERIFY)
    verify.add_argument(
        "--contains",
        metavar="N:MAC",
        type=_link,
        action="append",
        default=[],
        help="a record that must be in it, as audit_anchored in the log named it",
    )
    show = _parser(acts, "show", _SHOW_SHORT, _SHOW)
    show.add_argument("--user", metavar="ID", help="entries about this user")
    show.add_argument("--room", metavar="ID", help="entries about this room")
    show.add_argument(
        "--since",
        metavar="TIME",
        type=_time,
        help="entries since, such as 2026-11-28T15:00Z",
    )


def run(
    chosen: Any,
    settings: Any,
    audit_of: Callable[[Path], Any],
    say: Callable[[str], object],
    complain: Callable[[str], object],
) -> int:
    """Do what was chosen, a line at a time. `audit_of` a data folder is told of it. Raises OSError
    where the audit cannot be read, and NotRecorded where it cannot be told that it is.
    """
    from transport.audit_place import AuditPlace  # noqa: PLC0415  # not needed to print the help

    folder = Path(chosen.folder or settings.data_dir).expanduser()
    place = AuditPlace.found(folder, chosen.audit_key_file or settings.audit_key_file)
    if not place.folder.path.is_dir():
        raise FileNotFoundError(f"{place.folder.path}: no such folder; has a server run there?")
    audit = audit_of(place.people_path.parent) if place.is_at_home else None
    try:
        if chosen.act == "verify":
            return _verify(place, chosen, audit, say)
        return _show(place, chosen, audit, say)
    finally:
        if audit is not None:
            complain(audit.remark)


def _verify(place: Any, chosen: Any, audit: Any, say: Callable[[str], object]) -> int:
    from actors.audit.chain import Link  # noqa: PLC0415
    from actors.audit.reading import verified  # noqa: PLC0415

    contains = [Link(number, mac) for number, mac in chosen.contains]
    report = verified(place.folder, place.keys(), contains)
    end = f"{report.link.number}:{report.link.mac.hex()}"
    if audit is not None:
        found = {"breaches": len(report.breaches), "through": report.link.number}
        audit.announce("audit verify", found)
        audit.settle()
    for breach in report.breaches:
        say(f"breach: {breach}")
    for remark in report.remarks:
        say(f"remark: {remark}")
    if report.lost:
        say(f"remark: {report.lost} entries were lost and counted: see audit_gap")
    word = f"{len(report.breaches)} breaches" if report.breaches else "whole"
    say(f"{report.files} files, {report.records} sound records up to {end}: {word}")
    return 1 if report.breaches else 0


def _show(place: Any, chosen: Any, audit: Any, say: Callable[[str], object]) -> int:
    from actors.audit.people import SqlitePeople  # noqa: PLC0415
    from actors.audit.reading import entries, opened  # noqa: PLC0415

    keys = place.keys()
    # Whoever only reads makes no table: without one, nothing can be decrypted.
    table = place.people_path if place.people_path.exists() else ":memory:"
    people = SqlitePeople(table, keys.people, _no_bytes)
    try:
        person = None if chosen.user is None else people.known(chosen.user)
        if audit is not None:
            since = {} if chosen.since is None else {"since": chosen.since.isoformat()}
            audit.record(
                "audit show",
                since,
                person=None if person is None else chosen.user,
                room_id=chosen.room,
            )
        if chosen.user is not None and person is None:
            return 0
        ref = None if person is None else person.ref
        for entry in entries(place.folder, keys):
            if _is_wanted(entry, ref, chosen.room, chosen.since):
                say(_shown(opened(entry, people)))
    finally:
        people.close()
    return 0


def _shown(entry: dict[str, Any]) -> str:
    """As JSON in which nothing is left that a terminal would obey."""
    text = json.dumps(entry, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _is_wanted(
    entry: dict[str, Any], ref: str | None, room: str | None, since: datetime | None
) -> bool:
    if room is not None and entry.get("roomId") != room:
        return False
    if ref is not None and ref not in set(_refs(entry)):
        return False
    return since is None or datetime.fromisoformat(entry["at"]) >= since


def _refs(entry: dict[str, Any]) -> Iterator[str]:
    if "person" in entry:
        yield entry["person"]
    for one in entry.get("about", ()):
        yield one["person"]


def _parser(acts: Any, name: str, short: str, about: str) -> Any:
    parser = acts.add_parser(
        name,
        help=short,
        description=about,
        formatter_class=_FORMATTER,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings")
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        help="a data_dir, or a copy of the folder audit in one; by default one for each user",
    )
    parser.add_argument(
        "--audit-key-file", metavar="FILE", help="secret of the audit; by default beside the folder"
    )
    return parser


def _link(text: str) -> tuple[int, bytes]:
    found = _LINK.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("expected a number, a colon and 64 hex digits")
    return int(found[1]), bytes.fromhex(found[2])


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected a time such as 2026-11-28T15:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _no_bytes(size: int) -> bytes:
    raise AssertionError(f"{size} random bytes, and nothing is to be written")
