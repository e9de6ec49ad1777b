"""A room that raised in its turn: what is left of it, and the fresh state made from that. PURE.

Owns which facts survive a crash (G9): the players as last published, plus the changes of those
messages of the turn that were handled whole. The state object that raised is never read again,
except for its name and numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actors.answers import Refused
from actors.checkpoint import Checkpoint
from actors.errors import Internal
from actors.ids import RoomId, SocketId
from actors.members import Member
from actors.messages import Move, Request
from actors.ports import Outlet, Recording
from actors.room_rules import RoomRules
from actors.room_state import RoomState
from actors.turn import Turn
from actors.values import value

OPERATIONS_MAX: Final = 32
"""How many of a room's last operations are kept for the operator."""


@value
class Grace:
    """A lost player is gone at `deadline_s` (monotonic), unless `outlet` was replaced by then."""

    deadline_s: float
    socket_id: SocketId
    outlet: Outlet


@dataclass(slots=True)
class Wreckage:
    """What a crashed room leaves to its successor."""

    room_id: RoomId
    epoch: int
    created_at_ms: int
    checkpoint: Checkpoint
    turn: Turn
    members: dict[SocketId, Member]
    graces: Sequence[Grace]
    operations: Sequence[tuple[str, str]]
    """Its last operations, oldest first: the message's name and the socketId."""
    counted: int
    """Its part of the census."""
    summary: dict[str, object]
    """Epoch, version, checksum and count of the state that raised."""

    @property
    def rules(self) -> RoomRules:
        """As published, or as a message of the turn that was handled whole has left them."""
        turned = self.turn.rules
        return self.checkpoint.rules if turned is None else turned


@value
class RoomFailed:
    """To the supervisor: the room raised `error` while handling `poison` (None: while publishing
    or recovering). Its mailbox waits for a successor.
    """

    room_id: RoomId
    error: BaseException
    poison: object
    wreckage: Wreckage
    recording: Recording | None = None
    """Its last inputs; None where they are not remembered."""


def answer_poison(poison: object) -> None:
    """Tell whoever sent the message that made the room fail; nothing else of it is kept."""
    outlet: Outlet | None = getattr(poison, "outlet", None)
    if outlet is not None and isinstance(poison, Request):
        internal = Internal("this request made the room fail")
        outlet.answer(Refused(internal, unasked=isinstance(poison, Move)))


def restore(wreckage: Wreckage, epoch: int, players_max: int, now_ms: int) -> RoomState:
    """A fresh state of `epoch`: the published players, then the changes of whole messages."""
    state = RoomState(wreckage.room_id, epoch, wreckage.created_at_ms, players_max)
    state.last_activity_ms = now_ms
    state.rules = wreckage.rules
    checkpoint = wreckage.checkpoint
    state.restore(checkpoint.players.values(), checkpoint.version, wreckage.turn.changes)
    return state


def strangers(state: RoomState, members: dict[SocketId, Member]) -> list[Member]:
    """Remove from `members` those that have no player, and return them."""
    gone = [socket_id for socket_id in members if socket_id not in state.players]
    return [members.pop(socket_id) for socket_id in gone]


def orphans(state: RoomState, members: dict[SocketId, Member]) -> list[SocketId]:
    """The players that have no member: nobody could ever bring them back or remove them."""
    return [socket_id for socket_id in state.players if socket_id not in members]


def summary_of(state: RoomState) -> dict[str, object]:
    """A failed state's numbers for the log; it may be too damaged for a checksum."""
    try:
        checksum = state.checksum()
    except Exception:  # noqa: BLE001  # whatever is wrong with it, its failure must be reported
        checksum = "unknown"
    return {
        "epoch": state.epoch,
        "version": state.version,
        "checksum": checksum,
        "count": len(state.players),
    }
