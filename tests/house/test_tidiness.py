"""What every file looks like: short, introduced, finished, without a trace of where it was made.

Owns the checks of single files. Each check is a function of one file's text, so that each is also
shown to fail on a planted violation. What ruff can hold, ruff holds.
"""

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.house.sources import PRODUCT, PYTHON, ROOT, python_files, shown, text_files

Check = Callable[[str], Iterator[str]]

LINES_MAX = 400
_UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b")
_MACHINE = re.compile(r"/wor[k]/|/tmp/[w]\b|/roo[t]/|/hom[e]/\w|/User[s]/\w")
_SKIPS = frozenset({"pytest.skip", "pytest.xfail", "pytest.importorskip"}) | frozenset(
    f"pytest.mark.{mark}" for mark in ("skip", "skipif", "xfail")
)


def too_long(text: str) -> Iterator[str]:
    """A file that has outgrown one job."""
    lines = len(text.splitlines())
    if lines > LINES_MAX:
        yield f"has {lines} lines, more than {LINES_MAX}"


def not_introduced(text: str) -> Iterator[str]:
    """A module that does not say what it is for."""
    if not (ast.get_docstring(ast.parse(text)) or "").strip():
        yield "has no docstring"


def unfinished(text: str) -> Iterator[str]:
    """A note to come back."""
    for line, content in enumerate(text.splitlines(), 1):
        if found := _UNFINISHED.search(content):
            yield f"line {line}: {found[0]}"


def of_this_machine(text: str) -> Iterator[str]:
    """A path that exists only where the file was made."""
    for line, content in enumerate(text.splitlines(), 1):
        if found := _MACHINE.search(content):
            yield f"line {line}: {found[0]}"


def untidy(text: str) -> Iterator[str]:
    """White space that nobody sees."""
    for line, content in enumerate(text.split("\n"), 1):
        if content != content.rstrip():
            yield f"line {line}: white space at its end"
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        yield "does not end in exactly one newline"


def prints(text: str) -> Iterator[str]:
    """Output past the log."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"line {node.lineno}: print"


def skips(text: str) -> Iterator[str]:
    """A test that may not run, or may fail."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in _SKIPS:
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("check", [too_long, not_introduced])
def test_every_module_is_short_and_introduced(check: Check) -> None:
    """At most 400 lines each, and a docstring on top."""
    found = _offences(check, *PYTHON)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("check", [unfinished, of_this_machine, untidy])
def test_every_text_file_is_finished_and_at_home_anywhere(check: Check) -> None:
    """No notes to come back, no paths of one machine, no invisible white space."""
    offences = [
        f"{shown(path)} {offence}"
        for path in text_files()
        for offence in check(path.read_text("utf-8"))
    ]
    assert not offences, "\n".join(offences)


def test_only_the_command_line_prints() -> None:
    """Everything else tells the log."""
    said = [offence for offence in _offences(prints, *PRODUCT) if "transport/cli.py" not in offence]
    assert not said, "\n".join(said)


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """A test that cannot run here is no test."""
    found = _offences(skips, "tests")
    assert not found, "\n".join(found)


def test_the_walk_sees_code_pages_and_settings() -> None:
    """The checks read the tree, not an empty list."""
    seen = {shown(path) for path in text_files()}
    assert {"setup.cfg", "CHANGELOG.md", "LICENSE", ".ci/run", "tests/run"} <= seen
    assert {shown(path) for path in python_files(*PYTHON)} <= seen
    assert not any(path.startswith((".git/", ".venv/")) for path in seen)


@pytest.mark.parametrize(
    ("check", "planted"),
    [
        (too_long, "x\n" * (LINES_MAX + 1)),
        (not_introduced, "import re\n"),
        (not_introduced, '"""  """\n'),
        (unfinished, "# TO" + "DO: later\n"),
        (unfinished, "a FIX" + "ME here\n"),
        (of_this_machine, "see /wor" + "k/main/README.md\n"),
        (of_this_machine, "log in /tmp/" + "w/log\n"),
        (of_this_machine, "/hom" + "e/ann/rooms\n"),
        (untidy, "a line \nanother\n"),
        (untidy, "no newline"),
        (untidy, "one too many\n\n"),
        (untidy, "from Windows\r\n"),
        (prints, "def f():\n    print('here')\n"),
        (skips, "@pytest.mark.skip\ndef test_x(): ...\n"),
        (skips, "def test_x():\n    pytest.skip('not today')\n"),
    ],
)
def test_a_planted_offence_is_found(check: Check, planted: str) -> None:
    """Each check finds what it is for."""
    assert len(list(check(planted))) == 1


@pytest.mark.parametrize(
    "check", [too_long, not_introduced, unfinished, of_this_machine, untidy, prints, skips]
)
def test_a_tidy_file_is_left_alone(check: Check) -> None:
    """Words that merely resemble an offence are none."""
    tidy = (
        '"""Sends the blueprint home: networks, skips and footprints."""\n\nhome = "/tmp/words"\n'
    )
    assert list(check(tidy)) == []


def _offences(check: Check, *folders: str) -> list[str]:
    return [
        f"{shown(path, ROOT)} {offence}"
        for path in python_files(*folders)
        for offence in check(path.read_text("utf-8"))
    ]
