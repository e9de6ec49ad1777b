"""The rules of transport/RULES.md and the tests that hold them, against each other.

Owns the reading of both. A rule is a line `- **G1.1** text`; a test holds it by the decorator
`@pytest.mark.rule("G1.1")`. Tests are read, not run.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from tests.house.sources import ROOT, python_files, shown

PAGE = ROOT / "transport" / "RULES.md"

_RULE = re.compile(r"^- \*\*([A-Z]+[0-9]+(?:\.[0-9]+)?)\*\* +\S")
_LOOKS_LIKE_A_RULE = re.compile(r"^\s*[-*+] *\*\*[A-Za-z]+[0-9][^*]*\*\*")
_MARK = "pytest.mark.rule"


def rules(page: str) -> list[str]:
    """The ids of all rules of the page, in its order."""
    return [found[1] for line in page.splitlines() if (found := _RULE.match(line))]


def misspelt(page: str) -> Iterator[str]:
    """Lines that look like a rule and would not be read as one."""
    for number, line in enumerate(page.splitlines(), 1):
        if _LOOKS_LIKE_A_RULE.match(line) and not _RULE.match(line):
            yield f"line {number} of the page is no rule: {line.strip()[:40]}"


def marks(source: str) -> list[tuple[int, list[ast.expr], bool]]:
    """Every rule mark of a test file: line, arguments, and whether it decorates a test."""
    tree = ast.parse(source)
    on_tests = {
        id(part)
        for node in ast.walk(tree)
        for decorator in _decorators_of_test(node)
        for part in ast.walk(decorator)
    }
    return [
        (node.lineno, node.args, id(node) in on_tests)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == _MARK
    ]


def breaches(page: str, tests: Iterable[tuple[str, str]]) -> Iterator[str]:
    """All that is wrong between the page and `tests`, given as pairs of path and source."""
    counted = Counter(rules(page))
    held: set[str] = set()
    if not counted:
        yield "the page has no rule"
    yield from misspelt(page)
    for rule, times in counted.items():
        if times > 1:
            yield f"{rule} stands on the page {times} times"
    for path, source in tests:
        collected = path.rpartition("/")[2].startswith("test_")
        for line, arguments, on_a_test in marks(source):
            where = f"{path}:{line}"
            if not collected or not on_a_test:
                yield f"{where} marks something that pytest does not run as a test"
                continue
            if not arguments:
                yield f"{where} names no rule"
            for argument in arguments:
                match argument:
                    case ast.Constant(value=str(rule)) if rule in counted:
                        held.add(rule)
                    case ast.Constant(value=str(unknown)):
                        yield f"{where} names {unknown}, which is not on the page"
                    case _:
                        yield f"{where} does not name its rule in plain letters"
    for rule in counted:
        if rule not in held:
            yield f"{rule} has no test"


def _decorators_of_test(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name.startswith("test_"):
            return node.decorator_list
        case ast.ClassDef() if node.name.startswith("Test"):
            return node.decorator_list
        case _:
            return []


def test_every_rule_has_a_test_and_every_mark_a_rule() -> None:
    """The page and the tests say the same."""
    tests = [(shown(path), path.read_text("utf-8")) for path in python_files("tests")]
    found = list(breaches(PAGE.read_text("utf-8"), tests))
    assert not found, "\n".join(found)


HELD = '@pytest.mark.rule("G1", "G1.2")\ndef test_a() -> None: ...\n'
HELD_IN_OTHER_WAYS = """
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.rule("G1")), 2])
async def test_a(x): ...

@pytest.mark.rule("G1.2")
class TestB:
    def test_b(self): ...
"""
RULES = "# Rules\n\n- **G1** One order.\n- **G1.2** No gap.\n- **Words** are no rule.\n"


@pytest.mark.parametrize("source", [HELD, HELD_IN_OTHER_WAYS])
def test_a_page_whose_rules_are_all_held_has_no_breach(source: str) -> None:
    """Marks on functions, on classes and on single parameters count."""
    assert list(breaches(RULES, [("tests/test_x.py", source)])) == []


@pytest.mark.parametrize(
    ("page", "path", "source", "message"),
    [
        ("# Rules\n", "tests/test_x.py", "", "the page has no rule"),
        (RULES, "tests/test_x.py", "", "G1.2 has no test"),
        (
            RULES,
            "tests/test_x.py",
            HELD.replace("G1.2", "G9"),
            "names G9, which is not on the page",
        ),
        (
            RULES,
            "tests/test_x.py",
            HELD.replace('"G1.2"', "NAME"),
            "tests/test_x.py:1 does not name",
        ),
        (RULES, "tests/test_x.py", HELD.replace('"G1", "G1.2"', ""), "test_x.py:1 names no rule"),
        (RULES, "tests/test_x.py", HELD.replace("test_a", "a"), "does not run as a test"),
        (RULES, "tests/story.py", HELD, "tests/story.py:1 marks something"),
        (RULES, "tests/test_x.py", 'pytestmark = pytest.mark.rule("G1")', "does not run as a test"),
        (RULES + "- **G1** Again.\n", "tests/test_x.py", HELD, "G1 stands on the page 2 times"),
        (RULES + "- **G1.2.3** Deep.\n", "tests/test_x.py", HELD, "line 6 of the page is no rule"),
        (RULES + "* **G3** Starred.\n", "tests/test_x.py", HELD, "line 6 of the page is no rule"),
        (RULES + "- **G3**\n", "tests/test_x.py", HELD, "line 6 of the page is no rule"),
    ],
)
def test_a_planted_breach_is_found(page: str, path: str, source: str, message: str) -> None:
    """Each way to break the bond between page and tests is named."""
    assert message in "\n".join(breaches(page, [(path, source)]))
