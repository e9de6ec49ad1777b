"""What the README says of the product, against the product: settings, log events, files, links.

Owns the reading of these parts of the page. What it cannot read it would pass over, so each check
is also shown to fail on a planted mistake.
"""

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from actors.setting_rules import Row
from actors.settings import TABLE
from tests.house.sources import PRODUCT, ROOT, python_files, shown

Check = Callable[[str], Iterator[str]]

LEVELS = ("error", "warn", "info", "debug")
_ROW = re.compile(r"\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|")
_EVENT = re.compile(r"[a-z]+(_[a-z]+)+")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def page() -> str:
    """The README."""
    return (ROOT / "README.md").read_text("utf-8")


def section(text: str, heading: str) -> str:
    """What stands below `heading`, up to the next one of its rank or a higher one."""
    rest = text.partition(f"\n{heading}\n")[2]
    return re.split(rf"\n#{{2,{heading.count('#')}}} ", rest)[0]  # one alone is a comment in TOML


# -- settings


def row_of(name: str, row: Row) -> tuple[str, str, str, str]:
    """What the table has to say of a setting."""
    default = row.default
    if isinstance(default, bool):
        default = str(default).lower()
    text = ", ".join(default) if isinstance(default, tuple) else f"{default}"
    bounds = row.bounds or ", ".join(row.choices)
    return name, f"`{text}`" if text else "", bounds, row.rule.about


def wrong_settings(text: str) -> Iterator[str]:
    """Rows that are missing, too many, in another order, or say something else than the help."""
    found = [match.groups() for match in _ROW.finditer(section(text, "## Settings"))]
    expected = [row_of(name, row) for name, row in TABLE.items()]
    yield from (f"expected {row}" for row in expected if row not in found)
    yield from (f"found {row}" for row in found if row not in expected)
    if sorted(found) == sorted(expected) and found != expected:
        yield "another order than that of the help"


# -- events of the log


def logged() -> tuple[set[tuple[str, str]], set[str]]:
    """Level and event of each line whose event stands in its call; all texts that might be one."""
    calls, texts = set(), set()
    for path in python_files(*PRODUCT):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(ast.Attribute(attr=level), [ast.Constant(str(event)), *_]) if (
                    level in LEVELS and _EVENT.fullmatch(event)
                ):
                    calls.add((level, event))
                case ast.Constant(str(text)):
                    texts.add(text)
    return calls, texts


def wrong_events(text: str) -> Iterator[str]:
    """Events that the table lacks, has at another level, or made up."""
    calls, texts = logged()
    told = {
        (level, event)
        for level in LEVELS
        for line in section(text, "### Logs").splitlines()
        if line.startswith(f"| `{level}` |")
        for event in re.findall(r"`(\w+)`", line)[1:]
    }
    yield from (f"expected {event} at {level}" for level, event in sorted(calls - told))
    yield from (f"no line is called {event}" for _, event in sorted(told) if event not in texts)


# -- files


def listed(text: str) -> list[str]:
    """The paths in the drawing of the repository."""
    drawing = section(text, "## How the repository is cut").partition("```\n")[2]
    paths: list[str] = []
    folders: list[str] = []
    for line in drawing.partition("```")[0].splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split(", ")
        folders = folders[: (len(line) - len(line.lstrip())) // 2]
        paths += ["".join([*folders, name]) for name in names]
        if names[0].endswith("/"):
            folders.append(names[0])
    return paths


def wrong_files(text: str) -> Iterator[str]:
    """Paths that are drawn and not there, drawn twice, or files of the product that are not."""
    paths = listed(text)
    yield from (f"there is no {path}" for path in paths if not (ROOT / path).exists())
    yield from (f"{path} is there twice" for path in sorted({*paths}) if paths.count(path) > 1)
    for path in python_files(*PRODUCT):
        if path.name != "__init__.py" and shown(path) not in paths:
            yield f"{shown(path)} is missing"


# -- links


def wrong_links(text: str) -> Iterator[str]:
    """Links to headings and files that are not there."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in headings}
    for target in _LINK.findall(prose):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        if (path and not (ROOT / path).exists()) or (not path and anchor not in anchors):
            yield f"nothing is at {target}"


CHECKS: list[Check] = [wrong_settings, wrong_events, wrong_files, wrong_links]


@pytest.mark.parametrize("check", CHECKS)
def test_the_readme_says_what_is_there(check: Check) -> None:
    """Settings as in the help, events as in the log, files and headings that exist."""
    found = list(check(page()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (wrong_settings, "| `tick_ms` | `50` |", "| `tick_ms` | `51` |"),
        (wrong_settings, "| `tick_ms` |", "| `tick_s` |"),
        (wrong_events, "`reader_fell_behind`, `client_", "`client_"),
        (wrong_events, "`room_reaped`, ", "`room_reaped`, `room_painted`, "),
        (wrong_files, "  turn.py  ", "  turns.py "),
        (wrong_files, "  turn.py  ", "  room.py  "),
        (wrong_links, "](#the-audit)", "](#an-audit)"),
        (wrong_links, "](benchmarks/README.md)", "](benchmarks/READ.md)"),
    ],
)
def test_a_planted_mistake_is_found(check: Check, old: str, new: str) -> None:
    """Each check finds what it is for."""
    assert old in page()
    assert list(check(page().replace(old, new)))
