"""Who imports whom: floors, homes, purity, and where time and chance come from.

Owns the checks; the tables are in `layers.py`. Each check is a function of modules and their
source, so that each is also shown to fail on a planted violation.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house.layers import EDGE, HOMES, LAYERS, PURE, WORLD
from tests.house.sources import PRODUCT, PYTHON, imports, module_name, python_files

FLOOR = {module: floor for floor, modules in enumerate(LAYERS) for module in modules}

Check = Callable[[dict[str, str]], Iterator[str]]


def own_module(name: str, modules: dict[str, str]) -> str | None:
    """The module of ours that the imported `name` stands for, or None when it is not ours.

    `actors.ids.RoomId` stands for `actors.ids`, `actors.ids` for itself.
    """
    while name and name not in modules and name not in FLOOR:
        name = name.rpartition(".")[0]
    return name or None


def unlisted(modules: dict[str, str]) -> Iterator[str]:
    """Modules without a floor."""
    for module in modules:
        if module not in FLOOR:
            yield f"{module} has no floor: add it to LAYERS in tests/house/layers.py"


def stale(modules: dict[str, str]) -> Iterator[str]:
    """Names in the tables that no module has."""
    named = {*FLOOR, *PURE, *EDGE, *(home for homes in HOMES.values() for home in homes)}
    for module in sorted(named - set(modules)):
        yield f"{module} is in tests/house/layers.py, but there is no such file"


def upward(modules: dict[str, str]) -> Iterator[str]:
    """Imports that go up, and those that could hide from this check."""
    for module, source in modules.items():
        for line, name in imports(source):
            if name.startswith("."):
                yield f"{module}:{line} imports {name}: name the module in full"
                continue
            target = own_module(name, modules)
            if target is None or module not in FLOOR or target not in FLOOR:
                continue
            if FLOOR[target] > FLOOR[module]:
                yield f"{module}:{line} imports {target}, which stands above it"


def from_transport(modules: dict[str, str]) -> Iterator[str]:
    """Imports of the wire by those who do not know it."""
    for module, source in modules.items():
        if module.partition(".")[0] != "actors":
            continue
        for line, name in imports(source):
            if name.partition(".")[0] != "actors" and name.partition(".")[0] in PYTHON:
                yield f"{module}:{line} imports {name}, and actors know nothing outside actors"


def circles(modules: dict[str, str]) -> Iterator[str]:
    """Modules that import each other, over however many steps."""
    graph = {
        module: {own_module(name, modules) for _, name in imports(source)} - {None, module}
        for module, source in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield " -> ".join(map(str, error.args[1]))


def homeless(modules: dict[str, str]) -> Iterator[str]:
    """Third-party libraries outside their home, or without one."""
    for module, source in modules.items():
        for line, name in imports(source):
            library = name.partition(".")[0]
            if name.startswith(".") or library in sys.stdlib_module_names or library in PYTHON:
                continue
            if library not in HOMES:
                yield f"{module}:{line} imports {library}: give it a home in tests/house/layers.py"
            elif module not in HOMES[library]:
                yield f"{module}:{line} imports {library}, whose home is {sorted(HOMES[library])}"


def impure(modules: dict[str, str]) -> Iterator[str]:
    """Imports of the world, or of any library, by PURE files."""
    for module, allowed in PURE.items():
        for line, name in imports(modules.get(module, "")):
            library = name.partition(".")[0]
            ours = library in PRODUCT
            if library in WORLD - allowed or (not ours and library not in sys.stdlib_module_names):
                yield f"{module}:{line} is PURE and imports {library}"


SOURCES_OF_CHANCE = frozenset({"time", "random", "secrets", "uuid"})
HARMLESS = frozenset({"time.sleep"})  # waiting, on a thread of one's own, reads no clock
CALLS_OF_CHANCE = frozenset(
    {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "os.urandom",
        "os.getrandom",
    }
)


def chance(modules: dict[str, str]) -> Iterator[str]:
    """Clocks, randomness and new identities outside the edge: they would escape a simulation."""
    for module, source in modules.items():
        if module in EDGE:
            continue
        for line, name in imports(source):
            if name.partition(".")[0] in SOURCES_OF_CHANCE and name not in HARMLESS:
                yield f"{module}:{line} imports {name}: take it as an argument"
            elif name in CALLS_OF_CHANCE:
                yield f"{module}:{line} imports {name}: take its value as an argument"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute):
                called = ".".join(ast.unparse(node).split(".")[-2:])
                if called in CALLS_OF_CHANCE:
                    yield f"{module}:{node.lineno} has {called}: take its value as an argument"


UNPICKLERS = frozenset(
    {"cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve"}
)


def pickles(modules: dict[str, str]) -> Iterator[str]:
    """Anything that runs what it reads."""
    for module, source in modules.items():
        for line, name in imports(source):
            if name.partition(".")[0].lstrip("_") in UNPICKLERS:
                yield f"{module}:{line} imports {name}, which runs what it reads"


def read(*folders: str) -> dict[str, str]:
    """The project's modules below `folders`, by name."""
    return {module_name(path): path.read_text("utf-8") for path in python_files(*folders)}


@pytest.mark.parametrize(
    "check", [unlisted, stale, upward, from_transport, circles, homeless, impure, chance]
)
def test_the_product_keeps_to_its_floors(check: Check) -> None:
    """No file of actors or transport breaks the check."""
    found = list(check(read(*PRODUCT)))
    assert not found, "\n".join(found)


def test_nothing_is_ever_unpickled() -> None:
    """No file at all imports what runs the bytes it reads."""
    found = list(pickles(read(*PYTHON)))
    assert not found, "\n".join(found)


def test_every_file_is_seen() -> None:
    """The checks read the packages themselves, not an empty folder."""
    assert {"actors", "transport"} <= set(read(*PRODUCT))
    assert __name__ in read(*PYTHON)


@pytest.mark.parametrize(
    ("check", "module", "source", "message"),
    [
        (unlisted, "actors.newcomer", "", "actors.newcomer has no floor"),
        (stale, "actors.ids", "", "actors.room is in tests/house/layers.py, but"),
        (upward, "actors.ids", "from actors.room import Room", "actors.ids:1 imports actors.room,"),
        (upward, "actors.ids", "from actors import room", "actors.ids:1 imports actors.room,"),
        (
            upward,
            "transport.wire",
            "import transport.app",
            "transport.wire:1 imports transport.app",
        ),
        (upward, "actors.room", "def f():\n    import transport.wire", "actors.room:2 imports"),
        (upward, "actors.room", "from . import ids", "actors.room:1 imports .ids: name"),
        (
            upward,
            "actors.room",
            "from .ids import RoomId",
            "actors.room:1 imports .ids.RoomId: name",
        ),
        (from_transport, "actors.room", "import transport", "actors.room:1 imports transport,"),
        (
            from_transport,
            "actors.room",
            "from tests.x import y",
            "actors.room:1 imports tests.x.y,",
        ),
        (
            homeless,
            "actors.room",
            "import pykka.messages",
            "whose home is ['actors.audit.writer', 'actors.futures', 'actors.mailbox'",
        ),
        (homeless, "transport.wire", "from requests import get", "give it a home"),
        (impure, "actors.room_state", "import asyncio", "actors.room_state:1 is PURE and imports"),
        (
            impure,
            "actors.settings",
            "import socket",
            "actors.settings:1 is PURE and imports socket",
        ),
        (impure, "actors.tokens", "from orjson import loads", "is PURE and imports orjson"),
        (
            chance,
            "actors.room",
            "from time import monotonic",
            "actors.room:1 imports time.monotonic",
        ),
        (chance, "actors.room", "import time\ntime.sleep(1)", "actors.room:1 imports time"),
        (chance, "transport.session", "import uuid", "transport.session:1 imports uuid"),
        (chance, "transport.log", "x = datetime.now(UTC)", "transport.log:1 has datetime.now"),
        (
            chance,
            "transport.log",
            "x = datetime.datetime.now()",
            "transport.log:1 has datetime.now",
        ),
        (chance, "transport.session", "x = os.urandom(8)", "transport.session:1 has os.urandom"),
        (chance, "transport.session", "from os import urandom", "imports os.urandom"),
        (pickles, "benchmarks.storm", "import _pickle", "benchmarks.storm:1 imports _pickle"),
    ],
)
def test_a_planted_import_is_found(check: Check, module: str, source: str, message: str) -> None:
    """Each check names the file, the line and what is wrong with it."""
    assert message in "\n".join(check({module: source}))


def test_a_planted_circle_is_found() -> None:
    """Two files of one floor that import each other are named."""
    modules = {
        "actors.room": "from actors.registry import Registry",
        "actors.registry": "from actors import room",
    }
    assert len(list(circles(modules))) == 1
    assert list(upward(modules)) == []


def test_what_is_allowed_is_left_alone() -> None:
    """Downward imports, libraries at home and the edge's clocks are no offence."""
    modules = {
        "actors": "",
        "actors.ids": "import re\nfrom dataclasses import dataclass",
        "actors.settings": "import os\nfrom actors.ids import RoomId",
        "actors.runtime": "import asyncio\nimport pykka",
        "actors.room": "from actors import ids, runtime\nfrom actors.settings import Settings",
        "transport.clock": "import time\nfrom datetime import datetime\ndatetime.now()",
        "transport.wire": "import orjson\nfrom actors.room import Room",
    }
    for check in (unlisted, upward, from_transport, circles, homeless, impure, chance, pickles):
        assert list(check(modules)) == []
