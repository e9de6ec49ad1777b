"""An asyncio event loop without a world: time passes when all is done, sockets are memory.

Owns virtual time and the two doors to the network. Everything else is asyncio's own loop: tasks,
futures, timers and their order. What would reach the machine raises.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from tests.simulation.network import LINK, Conditions, Listening, Network

T = TypeVar("T")

BEGAN_S: Final = 4096.0
"""Time does not begin at zero, so that a zero that should be `None` is seen."""


STANDSTILL_ROUNDS: Final = 100_000
"""After so many rounds without any time passing, somebody is busy with nothing but itself."""


class Deadlock(Exception):
    """Everybody waits, and nothing is to come."""


class _Selector:
    """In the place of the one that waits for files: it lets time pass instead."""

    def __init__(self, loop: "SimulatedLoop") -> None:
        self._loop: Final = loop
        self._rounds = 0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("all wait, and nothing is to come")
        self._rounds = 0 if timeout else self._rounds + 1
        if self._rounds >= STANDSTILL_ROUNDS:
            self._rounds = 0
            self._loop.on_standstill()
        self._loop.now_s += timeout
        return []

    def close(self) -> None:
        """Nothing is open."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """`network` is what `create_server` and `create_connection` reach."""

    def __init__(self, seed: str = "") -> None:
        super().__init__()
        self.now_s = BEGAN_S
        self._selector: Final = _Selector(self)
        self.network: Final = Network(self, seed)
        self.faults: Final[list[str]] = []
        """What callbacks and forgotten tasks raised."""
        self.on_standstill: Callable[[], object] = _stand_still
        """Called where no time passes although there is always something to do."""
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self.now_s

    def timers(self) -> int:
        """How many calls are to come, some day."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return sum(not handle.cancelled() for handle in scheduled)

    def freeze(self, seconds: float) -> None:
        """The process gets no processor for so long: time passes, and everything is late."""
        self.now_s += seconds

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        backlog: int = 100,
        ssl: None = None,
    ) -> Listening:
        del backlog, ssl
        return self.network.listen(protocol_factory, host, port)

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        *,
        local_addr: tuple[str, int] | None = None,
        conditions: Conditions = LINK,
        **others: object,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """As asyncio's, over a link of such `conditions`. Raises ConnectionRefusedError."""
        del others
        await asyncio.sleep(conditions.latency_s)
        address = local_addr[0] if local_addr else "127.0.0.1"
        protocol = protocol_factory()
        transport = self.network.connect(protocol, host, port, address, conditions)
        await asyncio.sleep(conditions.latency_s)
        return transport, protocol

    # -- what BaseEventLoop leaves to its subclasses

    def _process_events(self, event_list: list[Any]) -> None:
        del event_list

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""

    def run_in_executor(self, executor: object, func: object, *args: object) -> Any:
        raise NotImplementedError("a thread would bring real time with it")

    async def getaddrinfo(self, *args: object, **others: object) -> Any:
        raise NotImplementedError("there is no such network")

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        self.faults.append(f"{context.get('message')}: {error!r}")


def _stand_still() -> None:
    raise Deadlock("somebody is busy, and no time passes")


def run(story: Callable[[SimulatedLoop], Coroutine[Any, Any, T]], seed: str = "") -> T:
    """Tell a story on a loop of its own. Raises what it raises, and Deadlock."""
    with asyncio.Runner(loop_factory=lambda: SimulatedLoop(seed)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SimulatedLoop)
        return runner.run(story(loop))
