"""The table of threats in the README, against the tests that it names.

Owns the reading of the table. A row without a test, or with one that is not there any more, is a
threat that nobody replays.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.sources import ROOT

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS_MIN = 25


def rows(page: str) -> list[list[str]]:
    """The cells of each row below the heading `Threats`, without the table's head."""
    section = page.partition("\n## Threats\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(path: str) -> set[str]:
    """The names of the tests in a file; none where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text("utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def breaches(page: str) -> Iterator[str]:
    """What is wrong with the table."""
    found = rows(page)
    threats = [cells for cells in found if not cells[0].startswith("**")]
    if len(threats) < ROWS_MIN:
        yield f"only {len(threats)} threats were found"
    for cells in threats:
        threat = cells[0][:40]
        if len(cells) != 3 or not all(cells):
            yield f"{threat}: expected threat, answer and tests"
            continue
        named = _TEST.findall(cells[2])
        if not named or _TEST.sub("", cells[2]).strip():
            yield f"{threat}: expected tests, each as `tests/file.py::test_name`"
        for path, name in named:
            if name not in names_in(path):
                yield f"{threat}: there is no {path}::{name}"


def test_every_threat_names_tests_that_are_there() -> None:
    """The table and the tests say the same."""
    found = list(breaches((ROOT / "README.md").read_text("utf-8")))
    assert not found, "\n".join(found)


GOOD = "| Flood | Refused | `tests/house/test_threats.py::test_a_planted_breach_is_found` |\n"
HEAD = "# Page\n\n## Threats\n\n| threat | answer | tests |\n| --- | --- | --- |\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("", "only 24 threats were found"),
        ("| Flood | Refused | |\n", "Flood: expected threat, answer and tests"),
        ("| Flood | Refused |\n", "Flood: expected threat, answer and tests"),
        ("| Flood | Refused | by hand |\n", "Flood: expected tests, each as"),
        (GOOD.replace("` |", "` and others |"), "Flood: expected tests, each as"),
        (
            GOOD.replace("_found`", "_lost`"),
            "there is no tests/house/test_threats.py::test_a_plant",
        ),
        (GOOD.replace("threats.py", "gone.py"), "there is no tests/house/test_gone.py::"),
    ],
)
def test_a_planted_breach_is_found(row: str, message: str) -> None:
    """Each way in which the table may rot is named."""
    assert list(breaches(HEAD + GOOD * ROWS_MIN + "\n## Next\n| a | b |\n")) == []
    assert message in "\n".join(breaches(HEAD + GOOD * (ROWS_MIN - 1) + row))
