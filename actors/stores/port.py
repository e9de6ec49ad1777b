"""The Store port: what a place that keeps rooms must do. Blocking; one thread calls it.

Owns the promises that every store makes, held by one suite of tests for all of them, and the tree
of what may go wrong. Knows no SQL and no file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from actors.ids import RoomId, SocketId
from actors.records import Record

ROOMS_TOLD_MAX: Final = 10_000
"""With more rooms a store does not tell their names as it opens, which would take too long."""


class StoreFault(Exception):
    """The store did not do as it was asked, and all is as it was before. `code` is for metrics
    and tests, the message is for the operator and names the place.
    """

    code: ClassVar[str] = "store"


class StoreUnusable(StoreFault):
    """No server can start on it: foreign, newer, not readable or not writable."""

    code = "unusable"


class StoreFull(StoreFault):
    """There is no room left where it writes."""

    code = "full"


class StoreReadOnly(StoreFault):
    """It may not write."""

    code = "readOnly"


class StoreDamaged(StoreFault):
    """What is there is not what was written. It was set aside, not overwritten."""

    code = "damaged"


class StoreSealBroken(StoreFault):
    """What is there is not what was sealed there. It was left as it is."""

    code = "sealBroken"


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to be made durable together, or not at all. `mark` rises with each batch."""

    mark: int
    records: Sequence[Record]


EPOCHS_UNTOLD: Final = 2**18
"""So many epochs above the highest that the store knows are taken for given as a run begins: those
of rooms that were opened in the last moments before a crash, and are not in the store."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a store knows when it is opened. `rooms` are the names of all that it keeps, None where
    they are too many to tell. `run` is this one's number, above all before; `mark`
    the newest durable one and `epoch` above that of any room before, whatever became of its record
    and of the clock: this run's rooms have those that follow. `gaps` and `recalled` (with the
    newest run that wrote so of each) are for `Recall`. `remarks` are what the operator should know,
    in sentences.
    """

    run: int
    mark: int
    epoch: int
    gaps: Mapping[int, int] = field(default_factory=dict)
    recalled: Mapping[SocketId, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    rooms: frozenset[RoomId] | None = None


class Store(Protocol):
    """Rooms by name. `open` comes first and `close` last; all may raise StoreFault."""

    def open(self, now_ms: int) -> Opened:
        """Begin a run; takes the same time however many rooms are kept. Flushed when it returns,
        whatever becomes of later writes: no number of a run and no epoch is given twice.

        Raises StoreUnusable where the place belongs to somebody else or cannot be used.
        """
        ...

    def load(self, room_id: RoomId) -> Record | None:
        """The room as of the newest durable record, whole; None where it was never kept."""
        ...

    def write(self, batch: Batch) -> None:
        """Durable when it returns. Raises StoreFault where nothing of it is (or may be) kept."""
        ...

    def settle(self) -> None:
        """The grace since the start is over: gaps and recalled players are forgotten."""
        ...

    def tidy(self) -> bool:
        """Do a little of what may be done at any time; whether there is more of it."""
        ...

    def close(self) -> None:
        """Let go of files. May be repeated."""
        ...
