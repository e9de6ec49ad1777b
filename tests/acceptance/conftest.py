"""What the acceptance tests share: one server a module, rooms of one's own, and `async def` tests.

A module says with `SETTINGS = {...}` how its server is started; without it the rates are generous
and everything else is as it is out of the box.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Iterator
from typing import Final

import pytest

from tests.acceptance.server import GENEROUS, Server, running

TEST_S: Final = 120.0
"""Longest time for one test; only a hanging one gets there."""

_rooms = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test on a loop of its own."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    names = inspect.signature(test).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def bounded() -> None:
        async with asyncio.timeout(TEST_S):
            await test(**arguments)

    asyncio.run(bounded())
    return True


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The module's server; at the end it must exit with 0 and have a clean log."""
    with running(**getattr(request.module, "SETTINGS", GENEROUS)) as started:
        yield started


@pytest.fixture
def room() -> str:
    """A room that no other test is in."""
    return f"room-{next(_rooms)}"
