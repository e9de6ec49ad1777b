"""A recording of a room as plain values, and what it looks like when it is written out. PURE.

Owns the shape of a recording (format 1) and its last reduction: players become their lines of the
checksum and the sizes of the rest. Made on the loop by recorder.py, by reference; turned into the
document on whatever thread writes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from actors.faults import places_of, text_of
from actors.ids import RoomId, SocketId
from actors.members import Hearing
from actors.players import Player
from actors.records import Stamp
from actors.recovery import summary_of
from actors.room_state import RoomState
from actors.settings import Settings

_SETTINGS: Final = (
    "durability",
    "history_bytes_max",
    "history_events_max",
    "interest_far_ms",
    "interest_radius",
    "one_session_per_user",
    "players_max",
    "recorder_inputs_max",
    "resume_grace_s",
    "self_check_s",
    "tick_ms",
    "turn_messages_max",
)
"""What a room is made with that the same inputs may end differently by."""


class Place(Enum):
    """The end of a turn, and what it waited for."""

    END = None
    """It was told at once."""
    PENDING = "pending"
    """It was to be durable first, and was not yet."""
    DURABLE = "durable"
    """It was durable first, and told then."""


class Flag:
    """What was read of the world as an input was handled. Plain ints: it is done for each."""

    PRESENT: Final = 1
    """Its outlet was the member's present one."""
    ALIVE: Final = 2
    """The connection lived."""
    HEARD: Final = 4
    """Something had been heard since the newest token."""
    LATE: Final = 8
    """Its deadline was over."""
    HIDES: Final = 16
    """The player hides its position."""
    BEHIND: Final = 32
    """The member had fallen behind."""
    ADMITTED: Final = 64
    """The token was one to seat a player that the store lacks."""
    NEWEST: Final = 128
    """It was of the newest run before."""
    BARRED: Final = 256
    """The room's rules, or who ranks there, forbade it."""


FLAGS: Final[dict[str, int]] = {
    name.lower(): value for name, value in vars(Flag).items() if name.isupper()
}
"""Each flag by the word for it in a document. Python adds names of its own to a class."""

Input: TypeAlias = tuple[Any, ...]
"""Its kind, its time (monotonic), and by kind what `_FIELDS` says."""
Entry: TypeAlias = Input | Place
"""An input or a turn's end."""

_WHO: Final = ("at", "socketId", "flags")
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "join": (*_WHO, "userId", "displayName", "attributes", "serial", "person"),
    "resume": (*_WHO, "userId", "serial", "epoch", "version", "person"),
    "ready": _WHO,
    "update": (*_WHO, "displayName", "attributes"),
    "say": _WHO,
    "validate": (*_WHO, "epoch", "version"),
    "describe": _WHO,
    "leave": (*_WHO, "reason"),
    "lost": _WHO,
    "heard": (*_WHO, "serial"),
    "drained": _WHO,
    "move": _WHO,
    "kick": ("at", "socketId"),
    "moderate": (*_WHO, "out", "playersMax"),
    "check": ("at",),
    "graceEnded": ("at",),
    "selfCheck": ("at", "again"),
    "close": ("at",),
    "found": ("breaches",),
    "gone": ("socketIds",),
}

Row: TypeAlias = tuple[Hearing, int, int, bool, bool, Stamp | None, bool, int]
"""A member without its outlet: hearing, serial, confirmed, whether it missed moves, whether it
owes a token, stamp, whether the store gave it back and nobody came, and the person's number."""


@dataclass(frozen=True, slots=True)
class Base:
    """A room between two turns. `seats` are the members' rows, in the order of `members`."""

    epoch: int
    version: int
    created_at_ms: int
    now_s: float
    now_ms: int
    players: tuple[Player, ...]
    members: tuple[SocketId, ...]
    seats: tuple[Row, ...]
    graces: tuple[tuple[float, SocketId, bool], ...]
    """Deadline, whose, and whether it is of the present outlet."""
    checks: tuple[int, bool, bool]
    players_max: int | None
    """By the room's own rules."""

    def document(self) -> dict[str, object]:
        return {
            "epoch": self.epoch,
            "version": self.version,
            "createdAtMs": self.created_at_ms,
            "at": self.now_s,
            "nowMs": self.now_ms,
            "players": [
                {
                    "socketId": player.socket_id,
                    "userId": player.user_id,
                    "displayName": None
                    if player.display_name is None
                    else len(player.display_name),
                    "attributes": len(player.attributes),
                    "hidesPosition": player.hide_position,
                    "isReady": player.is_ready,
                    "connected": player.connected,
                }
                for player in self.players
            ],
            "members": [
                {
                    "socketId": socket_id,
                    "hearing": row[0].value,
                    "serial": row[1],
                    "confirmed": row[2],
                    "missedMoves": row[3],
                    "owesToken": row[4],
                    "stamp": None if row[5] is None else [*row[5]],
                    "absent": row[6],
                    "person": row[7],
                }
                for socket_id, row in zip(self.members, self.seats, strict=True)
            ],
            "graces": self.graces,
            "checks": self.checks,
            "playersMax": self.players_max,
        }


@dataclass(slots=True)
class Chunk:
    """What happened from `base` on; `moves` says before which input somebody moved last. `count`
    is that of the inputs, without the ends of turns.
    """

    base: Base | None
    inputs: list[Entry]
    moves: dict[SocketId, int]
    count: int

    def documents(self) -> Iterator[dict[str, object]]:
        """The inputs, each as an object."""
        moved: dict[int, list[SocketId]] = {}
        for socket_id, index in self.moves.items():
            moved.setdefault(min(index, len(self.inputs)), []).append(socket_id)
        for index, entry in enumerate(self.inputs):
            if index in moved:
                yield {"do": "moves", "socketIds": moved[index]}
            yield _document(entry)
        if len(self.inputs) in moved:
            yield {"do": "moves", "socketIds": moved[len(self.inputs)]}


def _document(entry: Entry) -> dict[str, object]:
    if isinstance(entry, Place):
        return {"do": "end"} if entry is Place.END else {"do": "end", "commit": entry.value}
    kind, *values = entry
    if kind == "undone":
        return {"do": "end", "commit": kind, "at": values[0]}
    fields = dict(zip(_FIELDS[kind], values, strict=True))
    if "flags" in fields:
        bits = fields["flags"]
        fields["flags"] = [word for word, bit in FLAGS.items() if bits & bit]
    return {"do": kind, **fields}


@dataclass(frozen=True, slots=True)
class Present:
    """What the room was when its story was cut, damaged or not."""

    at_s: float
    summary: Mapping[str, object]
    players: tuple[Player, ...]

    @staticmethod
    def of(state: RoomState, now_s: float) -> "Present":
        return Present(now_s, summary_of(state), tuple(state.players.values()))

    def document(self) -> dict[str, object]:
        players = [
            [player.socket_id, player.user_id, player.is_ready, player.connected]
            for player in self.players
        ]
        return {"at": self.at_s, **self.summary, "players": players}


@dataclass(frozen=True, slots=True)
class Story:
    """All of a recording but why it was made. The last input is the one that `raised`."""

    room_id: RoomId
    settings: Settings
    chunks: Sequence[Chunk]
    raised: bool
    then: Present
    error: Mapping[str, object] | None
    claim: Mapping[str, object] | None

    @property
    def count(self) -> int:
        """The inputs in it."""
        return sum(chunk.count for chunk in self.chunks)

    def document(self) -> dict[str, object]:
        """Plain values, without anything personal. O(inputs + players)."""
        base = self.chunks[0].base
        inputs = [one for chunk in self.chunks for one in chunk.documents()]
        if self.raised:
            inputs[-1]["raised"] = True
        return {
            "roomId": self.room_id,
            "settings": {name: getattr(self.settings, name) for name in _SETTINGS},
            "base": None if base is None else base.document(),
            "inputs": inputs,
            "then": self.then.document(),
            "error": self.error,
            "claim": self.claim,
        }


def fault_of(error: BaseException) -> dict[str, object]:
    """What was raised and where. Its text only where that quotes nobody."""
    return {
        "type": type(error).__qualname__,
        "places": places_of(error),
        "text": text_of(error),
    }
