"""What the tests of actors share: an `async def` test runs on a loop of its own.

What a callback of the loop raises fails the test; asyncio alone would only log it.
"""

import asyncio
import inspect
from typing import Any, Final

import pytest

from actors.players import Player
from actors.seating import Seating
from tests.actors.fake_operator import FakeLog, LogBroken

TEST_S: Final = 120.0
"""Longest time for one test; only a hanging one gets there."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test to its end, and hold the loop to it that nothing was raised."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    names = inspect.signature(test).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    raised: list[BaseException | str] = []

    def note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        raised.append(context.get("exception") or context["message"])

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(note)
        async with asyncio.timeout(TEST_S):
            await test(**arguments)

    asyncio.run(bounded())
    assert not raised, f"a callback raised: {raised!r}"
    return True


@pytest.fixture(autouse=True)
def facts_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fact that the stage's log has as `broken` raises where it is noted: a message that fails
    when all else of it is done.
    """
    note = Seating._fact

    def noted(self: Seating, event: str, player: Player, *rest: Any, **details: Any) -> None:
        log = self._ports.log
        if isinstance(log, FakeLog) and event in log.broken:
            raise LogBroken(event)
        note(self, event, player, *rest, **details)

    monkeypatch.setattr(Seating, "_fact", noted)
