"""What one connection has asked and what it is owed: every request is answered once, in order.

Written from the protocol page alone. Requests of one connection are taken up in the order sent,
each when the one before is answered, so answers come in that order; moves have no answer, but may
be refused. Raises `Wrong` at the first answer that was not due.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from tests.acceptance.held import Wrong

ACTS: Final = ("kickPlayer", "banUser", "unbanUser", "setRoom")
"""What moderators ask for."""
ANSWERS: Final = {
    "authenticate": "authenticated",
    "checkRoomPermission": "roomPermission",
    "joinRoomGameSpace": "roomGameSpaceJoined",
    "ready": "ok",
    "updatePlayer": "ok",
    "sendRoomMessage": "ok",
    "validateRoomState": "roomStateValidated",
    "requestRoomState": "roomState",
    "resumeRoomGameSpace": "roomGameSpaceResumed",
    "leaveRoomGameSpace": "roomGameSpaceLeft",
    "ping": "pong",
    **dict.fromkeys(ACTS, "ok"),
}
"""Each request, and what it is answered with when it is not refused."""
_KINDS: Final = frozenset({*ANSWERS.values(), "error"})
_COPIES: Final = frozenset({"ok", "roomGameSpaceJoined"})
"""What a copy may be answered with, beside the answer itself: done, or the present state."""
GARBAGE: Final = "garbage"
_FAULTS_OF_GARBAGE: Final = frozenset({"badMessage", "unsupportedType", "rateLimited"})


@dataclass(slots=True)
class Asked:
    """One request that was sent. `number` is its sequenceId, if it has one."""

    kind: str
    number: int | None
    fields: dict[str, Any]
    is_copy: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    """What its sender wants to remember until the answer."""


def is_answer(item: dict[str, Any]) -> bool:
    """Whether it is owed to a request, and not news of the room."""
    kind = item["type"]
    if kind == "roomState":
        return bool(item["reason"] == "requested")
    return kind in _KINDS


class Replies:
    """What is still to come on one connection."""

    def __init__(self) -> None:
        self._asked: Final[deque[Asked]] = deque()

    def ask(self, asked: Asked) -> None:
        self._asked.append(asked)

    def due(self) -> list[Asked]:
        """What was not answered yet, moves aside."""
        return [asked for asked in self._asked if asked.kind != "move"]

    def under_way(self, *kinds: str) -> bool:
        """Whether one of these was asked and not answered."""
        return any(asked.kind in kinds for asked in self._asked)

    def leads_away(self, room_id: str) -> bool:
        """A leave, or a join of another room than this, was asked for and not answered."""
        return any(
            asked.kind == "leaveRoomGameSpace"
            or (asked.kind == "joinRoomGameSpace" and asked.fields["roomId"] != room_id)
            for asked in self._asked
        )

    def may_have_proved(self) -> bool:
        """Something was asked for that brings a token, and something was sent after it."""
        kinds = [asked.kind for asked in self._asked][:-1]
        return "joinRoomGameSpace" in kinds or "resumeRoomGameSpace" in kinds

    def settle(self, item: dict[str, Any]) -> Asked | None:
        """The request that `item` answers; None where it may be any move. Raises Wrong."""
        number = item.get("replyTo")
        queue = self._asked
        if item["type"] == "error" and item["code"] == "internal" and number is None:
            return (
                None  # of some move, answered out of turn and without its number, as a room fails
            )
        while queue and queue[0].kind == "move":
            move = queue.popleft()
            refused = item["type"] == "error" and number == move.number
            if refused and (number is not None or not self._is_for_garbage(item)):
                return move
        if not queue:
            raise Wrong("an answer that nobody waits for: the request was answered before")
        asked = queue.popleft()
        if asked.number != number:
            raise Wrong(
                f"an answer to request {number}, where {asked.kind} number {asked.number} is next"
            )
        kind = item["type"]
        allowed = kind in (ANSWERS.get(asked.kind), "error")
        if asked.kind == "resumeRoomGameSpace":
            allowed |= kind == "roomGameSpaceJoined"
        if asked.is_copy:
            allowed |= kind in _COPIES
        if not allowed:
            raise Wrong(f"{asked.kind} was answered with {kind}")
        return asked

    def _is_for_garbage(self, item: dict[str, Any]) -> bool:
        """An error without a number: whether the next request that is owed one is garbage."""
        owed = next((asked for asked in self._asked if asked.kind != "move"), None)
        return (
            owed is not None
            and owed.number is None
            and owed.kind == GARBAGE
            and item["code"] in _FAULTS_OF_GARBAGE
        )
