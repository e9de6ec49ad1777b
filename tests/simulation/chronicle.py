"""What the clients of a world heard, held against each other: one history for everybody.

Written from the protocol page alone. Each client's mirror judges what that client hears; the
chronicle judges what no client can know: that two of them were told different things of one
version, that somebody timed out too early, or came back after it. Raises `Wrong`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.acceptance.frames import VERSIONED
from tests.acceptance.held import Wrong, wrong_if

GRAIN_S: Final = 0.002
"""Times on the wire are whole milliseconds."""


@dataclass(slots=True)
class _Room:
    """What was told of one room."""

    steps: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """(epoch, version) -> what changed then."""
    checksums: dict[tuple[int, int], str] = field(default_factory=dict)
    lost_s: dict[str, float] = field(default_factory=dict)
    """When everybody was told that a player's connection is lost."""
    timed_out_s: dict[str, float] = field(default_factory=dict)
    left_s: dict[str, float] = field(default_factory=dict)
    """When somebody was told that a player is gone, who has not asked to be back since."""
    said: dict[str, set[int]] = field(default_factory=dict)
    """Room messages that were answered `ok`, by sender."""
    unheard: set[tuple[str, int]] = field(default_factory=set)
    """Room messages that somebody, who was there, did not hear."""


class Chronicle:
    """`grace_s` is how long a lost player stays; `told_s()` after a loss at most it was told;
    `outlasts(at_s)` says whether the server knows since a restart what it told at that time.
    """

    def __init__(
        self, grace_s: float, told_s: Callable[[], float], outlasts: Callable[[float], bool]
    ) -> None:
        self._grace_s: Final = grace_s
        self._told_s: Final = told_s
        self._outlasts: Final = outlasts
        self._rooms: Final[dict[str, _Room]] = {}
        self.hidden: Final[dict[str, tuple[str, str]]] = {}
        """Pseudonym -> room and user."""
        self._pseudonyms: Final[dict[tuple[str, str], str]] = {}
        self._comers: Final[dict[tuple[str, str], set[tuple[str, int]]]] = {}
        """Room and user -> who asked to be that user there, by each of its connections: what was
        asked over one that was left behind may be done after what was asked over the next.
        """
        self.seatings: Final[dict[tuple[str, int, int, str, str], float]] = {}
        """Who came and went: room, epoch, version, how it was told, socketId; and when."""
        self.events = 0
        """Versioned events heard, by all clients together."""

    def room(self, room_id: str) -> _Room:
        found = self._rooms.get(room_id)
        if found is None:
            found = self._rooms[room_id] = _Room()
        return found

    def note(self, item: dict[str, Any], sent_s: float, began_s: float) -> None:
        """Take what somebody heard. `began_s` is when the server's present process began."""
        kind = item["type"]
        if kind in VERSIONED:
            self._step(item, sent_s, began_s)
        elif kind == "roomGameSpaceResumed":
            for event in item["missed"]:
                self._step(event, None, began_s)
            self._compare(item)
        elif "consistency" in item:
            self._compare(item)
            self._judge_ghosts(item, sent_s, began_s)

    def _step(self, item: dict[str, Any], sent_s: float | None, began_s: float) -> None:
        """`sent_s` is None where it is told later than it happened."""
        self.events += 1
        room = self.room(item["roomId"])
        said = item["consistency"]
        epoch, version = said["epoch"], said["version"] - len(item["players"])
        for player in item["players"]:
            version += 1
            told = _essence(item["type"], player)
            before = room.steps.setdefault((epoch, version), told)
            wrong_if(before != told, f"version {version} was told otherwise to others: {before!r}")
            if before is told:  # it is news
                if item["type"] in ("playerJoinedRoom", "playerLeftRoom") and sent_s is not None:
                    who = (item["roomId"], epoch, version, item["type"], player["socketId"])
                    self.seatings[who] = sent_s
                self._judge_times(room, item["type"], player, sent_s, began_s)
        self._compare(item)

    def _judge_times(
        self, room: _Room, kind: str, player: dict[str, Any], sent_s: float | None, began_s: float
    ) -> None:
        socket_id = player["socketId"]
        lost_s = room.lost_s.pop(socket_id, None)
        if kind == "playerJoinedRoom":
            room.left_s.pop(socket_id, None)
        if sent_s is None:
            return
        if kind == "playerLeftRoom":
            room.left_s[socket_id] = sent_s
        if kind == "playerConnectionChanged" and not player["connected"]:
            room.lost_s[socket_id] = sent_s
        elif kind == "playerLeftRoom" and player["reason"] == "timeout":
            if sent_s <= began_s:
                return  # from a process that is dead by now
            since_s = max(began_s, began_s if lost_s is None else lost_s)
            early_s = since_s + self._grace_s - sent_s
            wrong_if(
                early_s > self._told_s() + GRAIN_S, f"{socket_id} timed out {early_s:.3f} s early"
            )
            room.timed_out_s[socket_id] = sent_s
        elif kind == "playerJoinedRoom":
            room.timed_out_s.pop(socket_id, None)

    def _judge_ghosts(self, item: dict[str, Any], sent_s: float, began_s: float) -> None:
        """Who left for good before the server's start is not there after it."""
        left_s = self.room(item["roomId"]).left_s
        for player in item.get("players", ()) if sent_s > began_s else ():
            at_s = left_s.get(player["socketId"], sent_s)
            ghost = at_s < began_s and self._outlasts(at_s)
            wrong_if(ghost, f"{player['socketId']} is back, who left {sent_s - at_s:.3f} s ago")

    def _compare(self, item: dict[str, Any]) -> None:
        said = item["consistency"]
        at = (said["epoch"], said["version"])
        before = self.room(item["roomId"]).checksums.setdefault(at, said["checksum"])
        wrong_if(
            before != said["checksum"],
            f"others were told the checksum {before} for version {at[1]} of epoch {at[0]}",
        )

    def hides(self, room_id: str, user_id: str, pseudonym: str) -> None:
        """A user is seen in a room by this name. Raises Wrong where it says more than that."""
        who = (room_id, user_id)
        before = self.hidden.setdefault(pseudonym, who)
        wrong_if(before != who, f"{pseudonym} links {who} with {before}")
        known = self._pseudonyms.setdefault(who, pseudonym)
        wrong_if(known != pseudonym, f"{user_id} is {pseudonym} in {room_id}, and was {known}")

    def comes(
        self, room_id: str, socket_id: str, user_id: str | None, way: tuple[str, int]
    ) -> None:
        """Somebody asks for a place in a room; `user_id`, where it wants to be one."""
        self.room(room_id).left_s.pop(socket_id, None)
        if user_id is not None:
            self._comers.setdefault((room_id, user_id), set()).add(way)

    def may_be_replaced(self, room_id: str, name: str) -> bool:
        """Another session may have come to that room as somebody that this one was there."""
        return any(
            where[0] == room_id and len(ways) > 1 and name in dict(ways)
            for where, ways in self._comers.items()
        )

    # -- room messages

    def said(self, room_id: str, sender: str, number: int) -> None:
        """The sender was told that its message is out. Raises Wrong where somebody missed it."""
        room = self.room(room_id)
        room.said.setdefault(sender, set()).add(number)
        wrong_if((sender, number) in room.unheard, f"message {number} did not reach everybody")

    def unheard(self, room_id: str, sender: str, number: int) -> None:
        """Somebody who was there all the time heard the ones before and after, not this one."""
        room = self.room(room_id)
        room.unheard.add((sender, number))
        if number in room.said.get(sender, ()):
            raise Wrong(f"message {number} of {sender} was said, and is missing here")


def _essence(kind: str, player: dict[str, Any]) -> bytes:
    """What must be the same for everybody."""
    return orjson.dumps([kind, player], option=orjson.OPT_SORT_KEYS)
