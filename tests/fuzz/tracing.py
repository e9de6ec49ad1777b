"""Which lines of the product an input reaches, as one more kind of behaviour.

Several times slower, so it is for building a corpus and not for every run.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any, Final

import websockets

from tests.fuzz.engine import STEERING, Behaviours, Target

_WATCHED: Final = (
    str(Path(__file__).resolve().parents[2] / "transport"),
    str(Path(websockets.__file__).resolve().parent),
)


class Traced:
    """`target`, whose behaviours are also the lines that it reaches."""

    def __init__(self, target: Target) -> None:
        self._target: Final = target
        self._watched: Final[dict[CodeType, bool]] = {}
        self._lines: set[str] = set()

    @property
    def name(self) -> str:
        return self._target.name

    def seeds(self) -> Iterable[bytes]:
        return self._target.seeds()

    def mutate(self, rng: Random, data: bytes, other: bytes) -> bytes:
        return self._target.mutate(rng, data, other)

    def fixed(self, data: bytes) -> int:
        return self._target.fixed(data)

    def run(self, data: bytes) -> Behaviours:
        self._lines = set()
        sys.settrace(self._called)
        try:
            shown = self._target.run(data)
        finally:
            sys.settrace(None)
        return shown | self._lines

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        watched = self._watched.get(code)
        if watched is None:
            watched = self._watched[code] = code.co_filename.startswith(_WATCHED)
        return self._stepped if watched else None

    def _stepped(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self._lines.add(f"{STEERING}{frame.f_code.co_filename}:{frame.f_lineno}")
        return self._stepped
