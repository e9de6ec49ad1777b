"""What one client holds of its room, and the checks that a correct server never fails.

Written from the protocol page alone: it knows the frames and the eleven guarantees, and may know
nothing of the server, of sockets or of time. `Mirror.feed` takes every frame in the order received
and raises `Violation`, with the story that led to it, at the first one that breaks a promise.

The seat of a client, as far as its frames tell it:

    OUT ──joined──▶ SEATED ──left, closed──▶ OUT
                    SEATED ──opened (a new connection)──▶ AWAY ──resumed, joined──▶ SEATED
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Final

from tests.acceptance.compact import read_moves
from tests.acceptance.frames import (
    STATE_REASONS,
    VERSIONED,
    Object,
    Point,
    fault_of_consistency,
    fault_of_error,
    is_integer,
    is_socket_id,
    is_time,
    short,
)
from tests.acceptance.held import Held, Wrong, wrong_if


class Violation(AssertionError):
    """The server broke a promise of the protocol page; the text tells which one and how."""


class Seat(enum.Enum):
    """Whether events of a room may come."""

    OUT = "out"
    SEATED = "seated"
    AWAY = "away"


class Mirror:
    """The room as one client knows it. Not a copy of the server: only what its frames said.

    `may_fall_behind` is for readers that are slow on purpose: their answers may come before events.
    """

    def __init__(self, name: str = "client", *, may_fall_behind: bool = False) -> None:
        self.name = name
        self.seat = Seat.OUT
        self.socket_id = ""
        self.events_seen = 0
        self.held = Held()
        self._ids_possible: set[str] = set()
        self._claimed: set[str] = set()
        self._welcomed = False
        self.may_fall_behind = may_fall_behind
        self.copied: set[int | None] = set()
        """Numbers of requests that it sent more than once."""
        self._recent: deque[object] = deque(maxlen=8)

    # what a test asks of it

    @property
    def room_id(self) -> str:
        """The room of which something is held, empty without one."""
        return self.held.room_id

    @property
    def epoch(self) -> int:
        """The epoch of what is held."""
        return self.held.epoch

    @property
    def version(self) -> int:
        """The version of what is held."""
        return self.held.version

    @property
    def players(self) -> dict[str, Object]:
        """The players by socketId."""
        return self.held.players

    @property
    def metadata(self) -> Object:
        """The newest metadata of the room."""
        return self.held.metadata

    @property
    def checksum(self) -> str:
        """Computed from this mirror's own list."""
        return self.held.checksum

    @property
    def own(self) -> Object:
        """This client's own player."""
        return self.players[self.socket_id]

    def position(self, socket_id: str) -> Point | None:
        """Where a player is, None when hidden. Raises KeyError for an unknown player."""
        return self.held.position(socket_id)

    def view(self) -> dict[str, tuple[object, ...]]:
        """Everything that must be equal between two members of one room at one version."""
        return self.held.view()

    # what the connection tells it

    def opened(self) -> None:
        """A new connection of this client: nothing of a room comes until it is seated again."""
        self._welcomed = False
        self._claimed = set()
        if self.seat is Seat.SEATED:
            self.seat = Seat.AWAY

    def claim(self, socket_id: str) -> None:
        """It shows the token of an earlier session of its own, and may become that one again."""
        self._claimed.add(socket_id)

    def feed(self, frame: object) -> None:
        """Take one frame, an object or an array of objects, in order. Raises Violation."""
        for item in frame if isinstance(frame, list) and frame else [frame]:
            try:
                self._take(item)
            except Wrong as wrong:
                raise Violation(self._story(str(wrong), item)) from None
            self._recent.append(item)

    def read_compact(self, data: bytes) -> Object:
        """One binary frame, which is moves, as an object of the JSON form, to be fed: its numbers
        are of what is held now. Raises Violation.
        """
        item: Object = {"type": "playersMoved", "bytes": data.hex()}
        try:
            item = read_moves(data, sorted(self.players))
            version = item.pop("version")
            wrong_if(version != self.version, f"compact moves as of version {version}")
        except Wrong as wrong:
            raise Violation(self._story(str(wrong), item)) from None
        return item | {"roomId": self.room_id}

    def _take(self, item: object) -> None:
        wrong_if(not isinstance(item, dict), "a frame is not an object or an array of objects")
        assert isinstance(item, dict)
        kind = item.get("type")
        wrong_if(not isinstance(kind, str), "an object without a string `type`")
        wrong_if(not self._welcomed and kind != "welcome", "something came before `welcome`")
        if kind in VERSIONED:
            self._expect_own_room(item)
            self._event(item)
            return
        handler = _HANDLERS.get(str(kind))
        if handler is None:
            raise Wrong("a type that the protocol does not know")
        handler(self, item)

    def _event(self, item: Object) -> None:
        self.held.step(item, self.socket_id)
        self.events_seen += 1

    # frames that concern no room

    def _welcome(self, item: Object) -> None:
        wrong_if(self._welcomed, "a second `welcome`")
        right = is_socket_id(item.get("socketId")) and is_time(item.get("serverTime"))
        wrong_if(not right, "`welcome` without a right `socketId` or `serverTime`")
        self._welcomed = True
        self._ids_possible = {item["socketId"]}
        if self.seat is Seat.AWAY:
            self._ids_possible.add(self.socket_id)

    def _error(self, item: Object) -> None:
        wrong_if(fault_of_error(item))

    def _ok(self, item: Object) -> None:
        version = item.get("version")
        wrong_if(not is_integer(version) or version < 0, "`ok` without a version")
        ahead = self.seat is Seat.SEATED and item["version"] > self.version
        is_copy = item.get("replyTo") in self.copied  # its version may be of another room
        wrong_if(
            ahead and not (self.may_fall_behind or is_copy),
            "`ok` came before the event that it answers",
        )

    def _pong(self, item: Object) -> None:
        wrong_if(not is_time(item.get("serverTime")), "`pong` without `serverTime`")

    def _unconcerned(self, item: Object) -> None:
        """Nothing of the room is in it."""

    # whole states

    def _joined(self, item: Object) -> None:
        named = item.get("socketId")
        wrong_if(
            named not in self._ids_possible | self._claimed,
            f"joined as somebody else than {sorted(self._ids_possible)}",
        )
        _check_token(item)
        grace = item.get("resumeGraceMs")
        wrong_if(not is_integer(grace) or grace <= 0, "joined without `resumeGraceMs`")
        same_room = self.seat is not Seat.OUT and self.room_id == item.get("roomId")
        self._seat_as(item["socketId"])
        self.held.replace(item, self.socket_id, same_room=same_room, with_metadata=True)

    def _room_state(self, item: Object) -> None:
        self._expect_own_room(item)
        reason = item.get("reason")
        wrong_if(reason not in STATE_REASONS, "a whole state for no known reason")
        wrong_if(item.get("socketId") != self.socket_id, "a whole state of somebody else")
        wrong_if("resumeToken" in item, "a resume token in `roomState`")
        epoch = self.epoch
        self.held.replace(item, self.socket_id, same_room=True, with_metadata=True)
        risen = self.epoch > epoch
        wrong_if(reason == "roomRecovered" and not risen, "recovered without a higher epoch")

    def _validated(self, item: Object) -> None:
        self._expect_own_room(item)
        for name in ("missingPlayers", "unexpectedPlayers"):
            wrong_if(not isinstance(item.get(name), list), f"validated without `{name}`")
        valid = item.get("valid")
        wrong_if(
            not isinstance(valid, bool) or valid == ("players" in item),
            "`players` belongs in exactly the answers that are not valid",
        )
        if valid:
            wrong_if(fault_of_consistency(item.get("consistency"), whole=False))
        else:
            self.held.replace(item, self.socket_id, same_room=True, with_metadata=False)

    # what members do

    def _changed(self, item: Object) -> None:
        """The room's rules, as far as everybody may know them: no version comes with it."""
        self._expect_own_room(item)
        right = isinstance(item.get("private"), bool) and is_integer(item.get("maxPlayers"))
        wrong_if(not right, "`roomChanged` without `private` or `maxPlayers`")

    def _moved(self, item: Object) -> None:
        self._expect_own_room(item)
        wrong_if(item.get("epoch") != self.epoch, f"moves of another epoch than {self.epoch}")
        moves = item.get("moves")
        wrong_if(not isinstance(moves, list) or not moves, "moves of nobody")
        self.held.move(item["moves"])

    def _message(self, item: Object) -> None:
        self._expect_own_room(item)
        wrong_if(item.get("from") not in self.players, "a message from somebody unknown")
        right = isinstance(item.get("event"), str) and "data" in item
        wrong_if(not right, "a message without `event` or `data`")

    # coming and going of this client itself

    def _resumed(self, item: Object) -> None:
        away = self.seat is Seat.AWAY and item.get("roomId") == self.room_id
        wrong_if(not away, "resumed what was not lost")
        named = item.get("socketId")
        wrong_if(named != self.socket_id, f"resumed as somebody else than {self.socket_id}")
        _check_token(item)
        wrong_if(fault_of_consistency(item.get("consistency"), whole=False))
        missed, positions = item.get("missed"), item.get("positions")
        listed = isinstance(missed, list) and isinstance(positions, list)
        wrong_if(not listed, "resumed without `missed` or `positions`")
        self._seat_as(self.socket_id)
        for event in item["missed"]:
            versioned = isinstance(event, dict) and event.get("type") in VERSIONED
            wrong_if(not versioned, "something else than a versioned event was missed")
            self._expect_own_room(event)
            self._event(event)
        said = item["consistency"]
        reached = (said["epoch"], said["version"], said["checksum"])
        held = (self.epoch, self.version, self.checksum)
        wrong_if(reached != held, f"what was missed leads to {held}, not to {reached}")
        wrong_if(not self.own["connected"], "resumed, and still shown as lost")
        self.held.move(item["positions"])

    def _left(self, item: Object) -> None:
        """A copy of a leave may be answered like the first, as long as it is true."""
        copy = self.seat is Seat.OUT and "replyTo" in item
        if not copy:
            self._gone(item)

    def _gone(self, item: Object) -> None:
        self._expect_own_room(item)
        self.seat = Seat.OUT
        self.held = Held()

    def _seat_as(self, socket_id: str) -> None:
        self.seat = Seat.SEATED
        self.socket_id = socket_id
        self._ids_possible = {socket_id}

    def _expect_own_room(self, item: Object) -> None:
        seat = self.seat
        wrong_if(seat is not Seat.SEATED, f"an event of a room for a client that is {seat.value}")
        wrong_if(item.get("roomId") != self.room_id, f"an event outside of {self.room_id!r}")

    def _story(self, what: str, item: object) -> str:
        held = f"{self.room_id!r} epoch {self.epoch} version {self.version}"
        return "\n".join(
            [
                f"{self.name} ({self.socket_id}, {self.seat.value}): {what}",
                f"  at: {short(item)}",
                f"  held: {held}, {len(self.players)} players, checksum {self.checksum}",
                *(f"  before: {short(earlier)}" for earlier in self._recent),
            ]
        )


def _check_token(item: Object) -> None:
    token = item.get("resumeToken")
    wrong_if(not isinstance(token, str) or not token, "seated without a resume token")


_HANDLERS: Final[dict[str, Callable[[Mirror, Object], None]]] = {
    "welcome": Mirror._welcome,
    "error": Mirror._error,
    "ok": Mirror._ok,
    "pong": Mirror._pong,
    "authenticated": Mirror._unconcerned,
    "tokenExpiring": Mirror._unconcerned,
    "roomPermission": Mirror._unconcerned,
    "serverDraining": Mirror._unconcerned,
    "roomGameSpaceJoined": Mirror._joined,
    "roomGameSpaceResumed": Mirror._resumed,
    "roomGameSpaceLeft": Mirror._left,
    "roomClosed": Mirror._gone,
    "roomState": Mirror._room_state,
    "roomStateValidated": Mirror._validated,
    "roomMessage": Mirror._message,
    "roomChanged": Mirror._changed,
    "playersMoved": Mirror._moved,
}
