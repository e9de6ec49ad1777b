"""A store without a disk: the port's promises in a few dictionaries.

The model that other stores are held against, and the disk of simulations: what was written lives in
`MemoryDisk`, and a run of a server is a `MemoryStore` on it.
"""

from dataclasses import dataclass, field
from typing import Final

from actors.ids import RoomId, SocketId
from actors.recall import GAPS_MAX
from actors.records import Record, vacant
from actors.stores.codec import body_of, records_in
from actors.stores.port import EPOCHS_UNTOLD, ROOMS_TOLD_MAX, Batch, Opened


@dataclass(slots=True)
class MemoryDisk:
    """What outlives a run. Rooms are kept encoded: what is read is never what was written."""

    rooms: dict[RoomId, bytes] = field(default_factory=dict)
    run: int = 0
    mark: int = 0
    epoch: int = 0
    gaps: dict[int, int] = field(default_factory=dict)
    recalled: dict[SocketId, int] = field(default_factory=dict)


class MemoryStore:
    """One run on `disk`."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk: Final = disk or MemoryDisk()

    def open(self, now_ms: int) -> Opened:
        disk = self.disk
        if disk.run:
            disk.gaps[disk.run] = disk.mark
        while len(disk.gaps) > GAPS_MAX:
            del disk.gaps[min(disk.gaps)]
        disk.run = max(disk.run + 1, now_ms // 1000)
        disk.epoch = max(disk.epoch + EPOCHS_UNTOLD, now_ms)
        return Opened(
            disk.run,
            disk.mark,
            disk.epoch,
            dict(disk.gaps),
            dict(disk.recalled),
            rooms=frozenset(disk.rooms) if len(disk.rooms) <= ROOMS_TOLD_MAX else None,
        )

    def load(self, room_id: RoomId) -> Record | None:
        body = self.disk.rooms.get(room_id)
        return records_in(body)[0] if body is not None else None

    def write(self, batch: Batch) -> None:
        disk = self.disk
        after: dict[RoomId, Record] = {}
        for record in batch.records:
            kept = after.get(record.room_id) or self.load(record.room_id)
            after[record.room_id] = kept = kept or vacant(record.room_id)
            kept.absorb(record)
        bodies = {room_id: body_of([kept]) for room_id, kept in after.items()}
        # Nothing is changed before all of it is known to work.
        disk.rooms.update(bodies)
        for record in batch.records:
            disk.epoch = max(disk.epoch, record.epoch)
            disk.recalled |= dict.fromkeys(record.recalled, disk.run)
        disk.mark = batch.mark

    def settle(self) -> None:
        self.disk.gaps.clear()
        self.disk.recalled.clear()

    def tidy(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is held open."""
