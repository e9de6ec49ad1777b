"""Planted bugs: that the simulation finds each of them is the proof that its checks can fail.

Owns what a planted bug is, how it gets into the product and out again, and the hunt for it. A bug
is a replacement in the source of one function, which is compiled and put in the place of that
function's code, so that whoever holds the function (a table of handlers, a bound method) has the
bug as well. The bugs themselves are in `catalogue.py`.
"""

import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, Final

from tests.simulation.play import Outcome, play
from tests.simulation.story import Story, make

STORIES_MAX: Final = 40
"""A hunt that needs more stories needs better ones."""


class Rotten(Exception):
    """A planted bug does not fit the source any more: write it anew, or drop it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in the body of the function `where` (`module:Qualified.name`), and is
    replaced by `new`: what it `breaks` is a promise of the protocol page. Hunted from the seed
    `first` on, it is found within `steps_max` steps, by a violation that `violation` (a regular
    expression) is found in.
    """

    name: str
    breaks: str
    where: str
    old: str
    new: str
    violation: str
    first: int
    steps_max: int


@dataclass(frozen=True, slots=True)
class Found:
    """After how many steps, in which stories, and by what."""

    steps: int
    seeds: tuple[str, ...]
    violation: str


def function_of(where: str) -> FunctionType:
    """What stands there in the source: not what was wrapped around it meanwhile. Raises Rotten."""
    module_name, _, qualified = where.partition(":")
    found: Any = importlib.import_module(module_name)
    try:
        for name in qualified.split("."):
            found = inspect.getattr_static(found, name)
    except AttributeError:
        raise Rotten(f"there is no {where}") from None
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    elif isinstance(found, property):
        found = found.fget
    named = isinstance(found, FunctionType) and found.__qualname__ == qualified
    if not named or found.__module__ != module_name:
        raise Rotten(f"{where} is not the function of that name, but {found!r}")
    assert isinstance(found, FunctionType)
    return found


def mutated(mutant: Mutant) -> CodeType:
    """The code of its function with the replacement. Raises Rotten."""
    function = function_of(mutant.where)
    source = textwrap.dedent(inspect.getsource(function))
    times = source.count(mutant.old)
    if times != 1:
        raise Rotten(f"{mutant.name}: {mutant.old!r} stands {times} times in {mutant.where}")
    return _compiled(function, source.replace(mutant.old, mutant.new), mutant.name)


def _compiled(function: FunctionType, source: str, name: str) -> CodeType:
    """In the nesting that it came from: a class lends its name to what is private there, and the
    cell that `super()` needs. Raises Rotten.
    """
    path = function.__qualname__.split(".")
    for owner in reversed(path[:-1]):
        source = f"class {owner}:\n{textwrap.indent(source, '    ')}"
    try:
        code = compile(source, f"<mutant {name}>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Rotten(f"{name}: {error}") from error
    for part in path:
        code = next(
            each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == part
        )
    if code.co_freevars != function.__code__.co_freevars:
        raise Rotten(f"{name}: needs {code.co_freevars} from around it")
    return code


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """While this lasts, the product has the bug. Not within `faults.flammable`, whose wrappers
    stand where the functions did: that raises Rotten.
    """
    function = function_of(mutant.where)
    healthy = function.__code__
    function.__code__ = mutated(mutant)
    try:
        yield
    finally:
        function.__code__ = healthy


def hunt(mutant: Mutant, told: Callable[[Story], Outcome] = play) -> Found | None:
    """Tell stories to the product with the bug, from its first seed on, until one is broken or
    `steps_max` steps were told.
    """
    steps = 0
    seeds: list[str] = []
    while steps < mutant.steps_max and len(seeds) < STORIES_MAX:
        seeds.append(str(mutant.first + len(seeds)))
        with planted(mutant):
            outcome = told(make(seeds[-1]))
        steps += outcome.steps
        if outcome.violation is not None:
            return (
                Found(steps, tuple(seeds), outcome.violation) if steps <= mutant.steps_max else None
            )
    return None
