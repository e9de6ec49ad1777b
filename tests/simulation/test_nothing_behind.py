"""Nothing in the product reads the time, chance or new names behind the simulation's back.

Owns a trap in front of the machine's own sources of them, while stories are told. What the source
says of it is held by tests/house/test_imports.py; this holds what really happens, in libraries,
too.
"""

import os
import random
import secrets
import sys
import time
import uuid
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, Final

import pytest

from tests.house.layers import EDGE
from tests.house.sources import ROOT
from tests.simulation.play import play
from tests.simulation.story import make

SOURCES: Final[dict[ModuleType, tuple[str, ...]]] = {
    time: ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "gmtime", "localtime"),
    os: ("urandom", "getpid"),
    random: ("random", "uniform", "randrange", "getrandbits", "choice", "shuffle"),
    secrets: ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice"),
    uuid: ("uuid1", "uuid4"),
}
OURS: Final = (f"{ROOT}{os.sep}actors{os.sep}", f"{ROOT}{os.sep}transport{os.sep}")
AT_THE_EDGE: Final = tuple(f"{ROOT}{os.sep}{name.replace('.', os.sep)}.py" for name in EDGE)
OVERWRITTEN: Final = {"accept", "reject"}
"""Functions of websockets whose Date header is replaced before it is sent."""


def reader() -> str | None:
    """The place in the product from which this was called, however deep; None: from elsewhere."""
    frame: FrameType | None = sys._getframe(2)
    through_library = False
    while frame is not None:
        code = frame.f_code
        if code.co_name in OVERWRITTEN and code.co_filename.endswith("websockets/server.py"):
            through_library = True
        if code.co_filename.startswith(OURS) and code.co_filename not in AT_THE_EDGE:
            return None if through_library else f"{code.co_filename}:{frame.f_lineno}"
        if code.co_filename.startswith(str(ROOT)):
            return None  # the world's own, called back by nobody of ours
        frame = frame.f_back
    return None


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read, and from where."""
    found: list[str] = []

    def trapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def trap(*args: Any, **kwargs: Any) -> Any:
            place = reader()
            if place is not None:
                found.append(f"{name} at {place}")
            return real(*args, **kwargs)

        return trap

    for module, names in SOURCES.items():
        for name in names:
            real = getattr(module, name)
            monkeypatch.setattr(module, name, trapped(f"{module.__name__}.{name}", real))
    return found


def test_no_story_needs_a_clock_or_chance_of_the_machine(read: list[str]) -> None:
    """With deaths, crashes, drains and everything else that happens in them."""
    for seed in range(30):
        play(make(str(seed)))
    assert not read, "\n".join(sorted(set(read))[:10])


def test_the_trap_sees_what_the_product_reads(read: list[str]) -> None:
    """Directly, and by way of a library."""
    source = "import time, uuid\ntime.time()\nuuid.uuid4()"
    exec(compile(source, f"{ROOT}{os.sep}actors{os.sep}room.py", "exec"))  # noqa: S102
    assert [each.partition(" at ")[0] for each in read] == ["time.time", "uuid.uuid4"]
    assert read[0].endswith("room.py:2")
