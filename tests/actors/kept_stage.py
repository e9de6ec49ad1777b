"""A stage whose rooms are kept, on a disk that a test holds in its hands.

Owns a store whose work is done when the test says so, or at once, and the restart: a new stage on
the same disk. Time goes on over a restart.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from actors.directory import Directory
from actors.ids import RoomId, SocketId
from actors.ledger import StoreLedger
from actors.ports import Ledger
from actors.records import Kept, Record, kept_in
from actors.runtime import Mailbox
from actors.settings import Durability
from actors.stores.memory import MemoryDisk, MemoryStore
from actors.stores.port import Batch, Opened, StoreFault, StoreFull
from tests.actors.fakes import FakeClock
from tests.actors.stage import ROOM, Stage, settle


class HandStore:
    """The store's thread. With `at_once` everything is done as it is asked; otherwise it waits for
    `do` or `fail`.
    """

    def __init__(self, disk: MemoryDisk) -> None:
        self._store: Final = MemoryStore(disk)
        self.at_once = True
        self.asked: deque[tuple[str, Callable[[], object], Callable[..., object]]] = deque()
        self.batches: list[Batch] = []
        self._untidy: Callable[[StoreFault], object] = lambda _: None

    def open(self, now_ms: int) -> Opened:
        return self._store.open(now_ms)

    def load(
        self, room_id: RoomId, deliver: Callable[[Record | StoreFault | None], object]
    ) -> None:
        self._ask("load", lambda: self._store.load(room_id), deliver)

    def write(
        self,
        batch: Batch,
        deliver: Callable[[StoreFault | None], object],
        untidy: Callable[[StoreFault], object],
    ) -> None:
        self._untidy = untidy
        self.batches.append(batch)
        self._ask("write", lambda: self._store.write(batch), deliver)

    def settle(self, deliver: Callable[[StoreFault | None], object]) -> None:
        self._ask("settle", self._store.settle, deliver)

    def do(self) -> str:
        """Do the oldest thing that waits; what it was."""
        kind, work, deliver = self.asked.popleft()
        deliver(work())
        return kind

    def fail(self, fault: StoreFault | None = None) -> str:
        """Let the oldest thing that waits fail; what it was."""
        kind, _, deliver = self.asked.popleft()
        deliver(fault or StoreFull("the disk is full"))
        return kind

    def fail_to_tidy(self) -> None:
        """As the store does after a write whose tidying failed."""
        self._untidy(StoreFull("the disk is full"))

    @property
    def waits(self) -> list[str]:
        """What is to be done, oldest first."""
        return [kind for kind, _, _ in self.asked]

    def _ask(self, kind: str, work: Callable[[], object], deliver: Callable[..., object]) -> None:
        if self.at_once:
            deliver(work())
        else:
            self.asked.append((kind, work, deliver))


class KeptStage(Stage):
    """A stage on `disk`; `durability` is `journal` unless given otherwise."""

    def __init__(
        self, disk: MemoryDisk | None = None, clock: FakeClock | None = None, **settings: Any
    ) -> None:
        self.disk: Final = disk or MemoryDisk()
        self.store: Final = HandStore(self.disk)
        self._given: Final = {"durability": Durability.JOURNAL} | settings
        self._earlier: Final = clock
        super().__init__(**self._given)

    def _clock(self) -> FakeClock:
        return self._earlier or FakeClock()

    def _ledger(self) -> Ledger:
        opened = self.store.open(self.clock.now_ms())
        self._epoch = opened.epoch
        self.ledger = StoreLedger(
            self.store, opened, self.clock, self.settings, self.log, self.metrics
        )
        return self.ledger

    def _directory(self) -> Directory:
        return Directory(Mailbox(), epoch=self._epoch)

    async def restart(self, **settings: Any) -> "KeptStage":
        """kill -9: nothing that waited happens any more. A new server on the same disk."""
        await settle()
        self.clock.forget()
        self.store.asked.clear()
        self.store.at_once = False
        for record in self.directory.rooms.values():
            record.mailbox.close()
        return KeptStage(self.disk, self.clock, **(self._given | settings))

    def kept(self, room_id: RoomId = ROOM) -> dict[SocketId, Kept]:
        """The players that the disk has."""
        record = MemoryStore(self.disk).load(room_id)
        assert record is not None
        return {kept.player.socket_id: kept for kept in kept_in(record)}
