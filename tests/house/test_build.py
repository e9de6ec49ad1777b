"""What is compiled: named rightly in setup.cfg, of a kind that may be, and so installed.

Owns the checks of the list. That what is compiled does what its source says is shown by the
simulated stories and strangers of tests/simulation/test_compiled.py, and by every acceptance test.
"""

import ast
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.house.sources import ROOT, python_files

CONFIG = ConfigParser()
CONFIG.read(ROOT / "setup.cfg", "utf-8")
COMPILED = {package: modules.split() for package, modules in CONFIG["compiled"].items()}
SOURCES = tuple(
    ROOT / package / f"{module}.py" for package, modules in COMPILED.items() for module in modules
)
OF_THE_LANGUAGE = frozenset(
    {"Enum", "Exception", "Generic", "IntEnum", "NamedTuple", "Protocol", "StrEnum"}
)
NOT_REFERRED_TO = frozenset({"asyncio.Protocol"})
"""Of others, and nobody refers to their instances weakly, neither they nor any event loop. It could
be done, as with closures and with classes that are generic: so nobody of ours may, either.
"""
AS_INSTALLED = """
import actors.room_state, transport.connection
print(actors.room_state.__file__)
print(transport.connection.__file__)
"""


def classes(path: Path) -> Iterator[ast.ClassDef]:
    """Every class of the file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            yield node


def bases(node: ast.ClassDef) -> Iterator[str]:
    """Their names, without what stands in brackets."""
    for base in node.bases:
        yield ast.unparse(base.value if isinstance(base, ast.Subscript) else base)


def foreign_bases(paths: tuple[Path, ...]) -> list[str]:
    """Each class that derives from one that is neither compiled nor of the language."""
    ours = {node.name for path in paths for node in classes(path)}
    may = ours | OF_THE_LANGUAGE | NOT_REFERRED_TO
    return [
        f"{path.name}: {node.name}({base})"
        for path in paths
        for node in classes(path)
        for base in bases(node)
        if base not in may and not base.endswith("Error")
    ]


def test_every_module_that_is_to_be_compiled_exists() -> None:
    """A module that was renamed would be compiled no more, which only the CPU would tell."""
    assert [path.name for path in SOURCES if not path.is_file()] == []
    assert len(set(SOURCES)) == len(SOURCES) > 40


def interpreted_children(interpreted: tuple[Path, ...]) -> list[str]:
    """Each class that derives from a compiled one, and is none."""
    compiled = {node.name for path in SOURCES for node in classes(path)}
    return [
        f"{path.name}: {node.name}({base})"
        for path in interpreted
        for node in classes(path)
        for base in bases(node)
        if base in compiled
    ]


def test_nothing_that_is_not_compiled_derives_from_what_is() -> None:
    """No instance of it could be made."""
    others = tuple(path for path in python_files(*COMPILED) if path not in SOURCES)
    assert interpreted_children(others) == []
    assert interpreted_children((ROOT / "actors" / "recorder.py",)) == [
        "recorder.py: Recorder(Reducer)"
    ]


def test_what_is_compiled_derives_from_nothing_that_refers_weakly() -> None:
    """Weak references to an instance would outlive it: the next collection of garbage crashes."""
    assert foreign_bases(SOURCES) == []


def test_a_class_that_derives_from_an_actor_would_be_found() -> None:
    """The check sees what it is for."""
    found = foreign_bases((*SOURCES, ROOT / "actors" / "runtime.py"))
    assert "runtime.py: LoopActor(pykka.Actor)" in found


def test_only_actors_are_referred_to_weakly() -> None:
    """These are never compiled."""
    using = [
        path.relative_to(ROOT).as_posix()
        for path in python_files(*COMPILED)
        if re.search(r"^\s*(import|from) weakref\b", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert using == ["actors/runtime.py"]


def is_editable() -> bool:
    """What is installed is the source itself, as developers have it."""
    # Not anywhere on the path: what a build leaves beside the source has the same name.
    (installed,) = distributions(name="vaultmeet-rooms", path=[sysconfig.get_path("purelib")])
    about = installed.read_text("direct_url.json")
    return bool(json.loads(about or "{}").get("dir_info", {}).get("editable"))


@pytest.mark.parametrize("number", [0, 1], ids=list(COMPILED))
def test_what_is_installed_is_compiled(number: int) -> None:
    """A copy is; nobody is left to believe that it were."""
    said = subprocess.run(
        [sys.executable, "-P", "-c", AS_INSTALLED], capture_output=True, text=True, check=True
    )
    path = Path(said.stdout.splitlines()[number])
    assert path.suffix == (".py" if is_editable() else ".so")
    assert path.is_relative_to(ROOT / tuple(COMPILED)[number]) == is_editable()
