"""What the operator is told of rooms that came back, or failed.

Owns the words of these lines of the log. Decides nothing.
"""

from collections.abc import Iterable

from actors.faults import described, explained
from actors.outside import Ports
from actors.players import LeaveReason
from actors.ports import Log
from actors.records import Kept
from actors.recovery import RoomFailed
from actors.room_state import RoomState
from actors.turn import Fact


def report_expired(expired: Iterable[Kept], state: RoomState, ports: Ports) -> None:
    """Tell the operator who did not come back."""
    for one in expired:
        details: dict[str, object] = {"reason": LeaveReason.TIMEOUT}
        fact = Fact(
            "player_left", one.player, len(state.players), state.version, details, one.person
        )
        ports.audit.told(state.room_id, state.epoch, [fact])
        ports.metrics.player_left(LeaveReason.TIMEOUT)
        ports.log.info(
            "player_left",
            room_id=state.room_id,
            socket_id=one.player.socket_id,
            user_id=one.player.user_id,
            playerCount=len(state.players),
            version=state.version,
            reason=LeaveReason.TIMEOUT,
        )


def report_failure(failure: RoomFailed, event: str, log: Log) -> None:
    """Tell the operator what failed, and what it had done lately."""
    wreckage = failure.wreckage
    poisoned = getattr(failure.poison, "outlet", None)
    log.error(
        event,
        room_id=failure.room_id,
        socket_id=poisoned.socket_id if poisoned is not None else None,
        error=explained(failure.error),
        roomState=wreckage.summary,
        poison=None if failure.poison is None else described(failure.poison),
        lastOperations=[f"{kind} {key}" for kind, key in wreckage.operations],
    )
