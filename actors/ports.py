"""What actors need from outside, as Protocols, and the values that pass through them.

Owns the seam between the rooms and the rest of the world: a fake of each makes a room run
without sockets, clocks or disks. Nothing here knows JSON or WebSocket.
"""

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Final, Protocol

from actors.answers import Answer
from actors.encoder import Form
from actors.ids import RoomId, SocketId
from actors.permissions import Grant
from actors.recall import Recall
from actors.records import Record, Stamp
from actors.values import value


class Cancellable(Protocol):
    """A call to come."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time. Wall time is for people and may jump; monotonic time is for waiting."""

    def now_ms(self) -> int:
        """Unix milliseconds."""
        ...

    def monotonic_s(self) -> float: ...

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Cancellable: ...


# -- frames and answers


class StateReason(Enum):
    """Why a whole state was sent, in the wire's words."""

    REQUESTED = "requested"
    SLOW_CONSUMER = "slowConsumer"
    ROOM_RECOVERED = "roomRecovered"


class Eviction(Enum):
    """Why a room lets go of a session that did not leave."""

    REPLACED = "replaced"
    KICKED = "kicked"
    CLOSED = "closed"
    """The room is closed; the connection lives on."""


class Outlet(Protocol):
    """The way from a room to one client. No method raises; none calls back into the room.

    `offer` takes the same bytes for every member, `offer_moves` for all of one `form`. False means:
    not taken, the outlet is full. It then reports `Drained` to the room once it takes frames again.
    """

    socket_id: SocketId

    @property
    def form(self) -> Form:
        """How it is told of moves."""
        ...

    @property
    def grant(self) -> Grant:
        """What its client's token says of the room, at this moment."""
        ...

    @property
    def alive(self) -> bool:
        """The connection behind it is open and this outlet is its session's present one."""
        ...

    @property
    def heard(self) -> bool:
        """A frame arrived on the connection since the newest token was sent there."""
        ...

    def offer(self, frame: bytes) -> bool:
        """Events and room messages, in order."""
        ...

    def offer_moves(self, frame: bytes) -> bool:
        """Volatile: may be skipped."""
        ...

    def send_state(self, state: bytes, reason: StateReason) -> None:
        """A whole state that nobody asked for; taken whatever its size."""
        ...

    def answer(self, answer: Answer) -> None:
        """The answer to the one request under way; taken whatever its size."""
        ...

    def evict(self, reason: Eviction, detail: str) -> None:
        """The session is no longer in the room."""
        ...


class Roster(Protocol):
    """The sessions' own view of who sits where, kept by them and not by the rooms."""

    def claims(self, room_id: RoomId) -> Collection[Outlet] | None:
        """The outlets that believe themselves in the room; None while the server drains, when
        sessions end of which no room is told.
        """
        ...


class Log(Protocol):
    """One event name per fact, past tense. `details` are fields, not sentences."""

    def debug(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None: ...

    def info(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None: ...

    def warn(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None: ...

    def error(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None: ...


class Metrics(Protocol):
    """What is counted."""

    def player_joined(self) -> None: ...
    def player_left(self, reason: str) -> None: ...
    def resume_ended(self, outcome: str) -> None: ...
    def state_validated(self, valid: bool) -> None: ...
    def room_restarted(self) -> None: ...
    def error_sent(self, code: str) -> None: ...
    def slow_reader(self) -> None: ...
    def join_answered(self, seconds: float) -> None: ...


@value
class Found:
    """What is kept of a room (`record`, whole; None: nothing). Not `known`: the store cannot say
    now.
    """

    record: Record | None = None
    known: bool = True


class Ledger(Protocol):
    """Where rooms are kept beyond their actors. All on the loop's thread; nothing here raises.

    `keeps`: False where nothing is kept, and nothing need be noted. `commits_first`: what a room
    tells its members must be durable before they are told.
    """

    @property
    def keeps(self) -> bool: ...

    @property
    def commits_first(self) -> bool: ...

    @property
    def recall(self) -> Recall: ...

    @property
    def trouble(self) -> str | None:
        """What keeps writes from getting through, while something does."""
        ...

    def find(self, room_id: RoomId, deliver: Callable[[Found], object]) -> Found | None:
        """What is kept of a cold room: at once where that is known, else None and by `deliver`."""
        ...

    def note(self, record: Record) -> Stamp:
        """Keep `record`, which is the ledger's from now on; durable a little later."""
        ...

    def commit(self, record: Record, deliver: Callable[[bool], object]) -> Stamp:
        """As `note`, at once, and `deliver` whether it is durable. False: it is not to be kept,
        what it says is undone, and the room's next record is whole.
        """
        ...

    def rows_waiting(self, room_id: RoomId) -> int:
        """How many rows of the room are not durable yet: with too many, note it whole."""
        ...

    def moved(self, room_id: RoomId, save: Callable[[], object]) -> None:
        """Positions of the room changed: call `save` some time soon, once."""
        ...


class RecordingReason(Enum):
    """Why a room's last inputs are written out, in the words of the log."""

    ROOM_RESTARTED = "room_restarted"
    ROOM_CLOSED = "room_closed"
    ROOM_LOST = "room_lost"
    STATE_INVALID = "client_state_invalid"


@value
class Recording:
    """What a room did lately: so many `inputs`. `story` makes plain values of it, reduced, in
    O(inputs + players) and on any thread.
    """

    room_id: RoomId
    reason: RecordingReason
    made_ms: int
    inputs: int
    story: Callable[[], Mapping[str, object]]

    def document(self) -> dict[str, object]:
        """What is written out."""
        head = {"format": 1, "reason": self.reason.value, "madeAtMs": self.made_ms}
        return {**head, **self.story()}


class Recordings(Protocol):
    """Where recordings are written out. On the loop's thread."""

    @property
    def keeps(self) -> bool:
        """False where none is ever written, and none need be made."""
        ...

    def keep(self, recording: Recording) -> None:
        """Have it written, some time soon. Never raises and never waits; what is too much is
        dropped and counted.
        """
        ...


class Unrecorded:
    """Where nothing is written out."""

    keeps = False

    def keep(self, recording: Recording) -> None:
        del recording


UNRECORDED: Final = Unrecorded()
