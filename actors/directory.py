"""Which room lives where, and what waits for rooms: the registry's memory.

Owns the data that outlives a registry which failed, and the parking of joins. Decides nothing;
sessions read it directly, since they are on the same loop.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum

from actors import messages as m
from actors.errors import Unavailable
from actors.ids import RoomId
from actors.runtime import Mailbox


class Phase(Enum):
    """A room's life, as the registry sees it; cold rooms have no record."""

    LOADING = "loading"
    LIVE = "live"
    CLOSING = "closing"


@dataclass(slots=True)
class RoomRecord:
    """One room that is not cold."""

    room_id: RoomId
    mailbox: Mailbox
    phase: Phase = Phase.LOADING
    parked: list[m.Entry] | None = None
    restarts_s: list[float] | None = None
    """When it was restarted lately, monotonic; at most `room_restarts_max` + 1 entries."""


@dataclass(slots=True)
class Directory:
    """The registry's memory; it outlives a registry that failed. Sessions read it directly."""

    registry: Mailbox
    rooms: dict[RoomId, RoomRecord] = field(default_factory=dict)
    idle: OrderedDict[RoomId, float] = field(default_factory=OrderedDict)
    """Empty rooms and when they are reaped, soonest first."""
    resting: OrderedDict[RoomId, float] = field(default_factory=OrderedDict)
    """Rooms that kept crashing and until when they refuse, soonest first."""
    parked: deque[tuple[float, m.Entry]] = field(default_factory=deque)
    """All that is parked anywhere, by deadline; what was forwarded meanwhile is skipped."""
    parked_count: int = 0
    epoch: int = 0
    """No room had a higher one."""
    loading: set[RoomId] = field(default_factory=set)

    def mailbox_for(self, room_id: RoomId) -> Mailbox:
        """Where a join goes: to the room, or to the registry while it is cold or closing. O(1)."""
        record = self.rooms.get(room_id)
        if record is not None and record.phase is Phase.LIVE:
            return record.mailbox
        return self.registry

    def mailbox_of(self, room_id: RoomId) -> Mailbox:
        """The room's own mailbox, also while it is asked whether to close. O(1).

        Raises KeyError where there is no such room: only for who was just seated in it.
        """
        return self.rooms[room_id].mailbox

    def park(self, record: RoomRecord, message: m.Entry, parked_joins_max: int) -> None:
        """Let `message` wait for its room. Raises Unavailable when too many wait already."""
        if self.parked_count >= parked_joins_max:
            raise Unavailable("too many joins wait for their rooms", retry_after_ms=1000)
        if record.parked is None:
            record.parked = []
        record.parked.append(message)
        self.parked_count += 1
        self.parked.append((message.deadline_s, message))

    def unpark(self, record: RoomRecord) -> list[m.Entry]:
        """What waits for the room, in order, and waits no more."""
        parked, record.parked = record.parked or [], None
        self.parked_count -= len(parked)
        if not self.parked_count:
            self.parked.clear()
        return parked
