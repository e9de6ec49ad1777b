"""What a room is given when a recording of it is played again, in place of the world.

Owns no rule. Each stand-in answers what was read of the real thing, and is otherwise silent.
"""

import heapq
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

from actors import messages as m
from actors.answers import Answer
from actors.encoder import Form
from actors.ids import RoomId, SocketId, UserId
from actors.members import Hearing
from actors.permissions import Grant, Permission
from actors.players import Motion, Player
from actors.ports import Eviction, Found, Outlet, StateReason
from actors.recall import Recall
from actors.records import LONG_KEPT, Record, Stamp
from actors.room import RoomActor
from actors.room_rules import Ban, KickPlayer, RoomRules, SetRoom
from actors.runtime import Mailbox
from actors.settings import Durability

BARRED: Final = "barred"
"""In the place of whoever the room's rules keep out: all others are numbers."""
MODERATES: Final = Grant(frozenset(Permission))
GUEST: Final = Grant(frozenset({Permission.JOIN}))


class Ghost:
    """An outlet: takes all, says nothing, and answers what was read of the real one."""

    def __init__(self, socket_id: SocketId) -> None:
        self.socket_id = socket_id
        self.form = Form.JSON
        self.alive = True
        self.heard = False
        self.grant = GUEST

    def offer(self, frame: bytes) -> bool:
        del frame
        return True

    offer_moves = offer

    def send_state(self, state: bytes, reason: StateReason) -> None: ...
    def answer(self, answer: Answer) -> None: ...
    def evict(self, reason: Eviction, detail: str) -> None: ...


class GhostMailbox:
    """Keeps nothing, and needs no loop: what a room tells itself is in the recording. A tick is
    not, so it is remembered. No child of the real one, which may be compiled.
    """

    def __init__(self) -> None:
        self.ticked = False
        self.paused = False
        self.patient = False
        self.limit = 0

    def __len__(self) -> int:
        return 0

    def tell(self, message: object) -> None:
        self.ticked = self.ticked or isinstance(message, m.Tick)

    def put_back(self, entries: list[Any]) -> None:
        """It comes again where it was handled again."""

    def pause(self) -> None:
        self.paused = True

    def is_paused(self) -> bool:
        return self.paused

    def close(self) -> list[Any]:
        return []


class GhostRoom(RoomActor):
    """A room with a mailbox of its own kind; all else is as it is."""

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return cast(Mailbox, GhostMailbox())

    def on_receive(self, message: Any) -> Any:
        """Who moderates does so for one act: the next one may be asked for with another token."""
        try:
            return super().on_receive(message)
        finally:
            if isinstance(message, m.Moderate) and isinstance(message.outlet, Ghost):
                message.outlet.grant = GUEST

    def _is_quiet(self) -> bool:
        """It is called directly, and not woken before."""
        return False


@dataclass(slots=True)
class _Timer:
    call: Callable[[], object] | None

    def cancel(self) -> None:
        self.call = None


@dataclass(slots=True)
class GhostClock:
    """Stands at the time of the input that is played; wall time goes with it."""

    now_s: float
    start_ms: int
    start_s: float = field(init=False)
    timers: list[tuple[float, int, _Timer]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.start_s = self.now_s

    def now_ms(self) -> int:
        return self.start_ms + round((self.now_s - self.start_s) * 1000)

    def monotonic_s(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], object]) -> _Timer:
        timer = _Timer(call)
        heapq.heappush(self.timers, (self.now_s + delay_s, next(self.order), timer))
        return timer

    def advance(self, now_s: float) -> None:
        """It is `now_s`; what is due by then is called."""
        self.now_s = now_s
        while self.timers and self.timers[0][0] <= now_s:
            _, _, timer = heapq.heappop(self.timers)
            if timer.call is not None:
                timer.call()


class GhostRoster:
    """The sessions' view, made of the room's own and of what a self-check found wrong with it."""

    def __init__(self) -> None:
        self._claims: list[Outlet] = []

    def claims(self, room_id: RoomId) -> Collection[Outlet]:
        del room_id
        return self._claims

    def look(self, room: RoomActor, breaches: Iterable[str]) -> None:
        """From now on a self-check of `room` finds `breaches`, as far as sessions are concerned."""
        claims = {
            socket_id: member.outlet
            for socket_id, member in room.members.items()
            if member.hearing is not Hearing.LOST
        }
        for breach in breaches:
            what, _, name = breach.rpartition(": ")
            socket_id = SocketId(name)
            if what == "player without session":
                claims.pop(socket_id, None)
            elif what in {"session without player", "session has another outlet"}:
                claims[socket_id] = Ghost(socket_id)
        self._claims = list(claims.values())


class GhostRecall(Recall):
    """Answers what was answered for the resume that is played."""

    def __init__(self) -> None:
        super().__init__({}, {}, 0, float("-inf"))
        self.answers = (False, False)

    def admits(
        self, stamp: Stamp, socket_id: SocketId, now_s: float, person: str | None = None
    ) -> bool:
        del stamp, socket_id, now_s, person
        return self.answers[0]

    def is_newest(self, stamp: Stamp) -> bool:
        del stamp
        return self.answers[1]


class GhostLedger:
    """Takes all and says nothing: what became of a commit is in the recording."""

    def __init__(self, durability: Durability, recall: Recall) -> None:
        self.keeps: Final = durability is not Durability.MEMORY
        self.commits_first: Final = durability is Durability.JOURNAL
        self.recall: Final = recall
        self.trouble = None
        self._stamp: Final = Stamp(1, 1) if self.keeps else LONG_KEPT

    def find(self, room_id: RoomId, deliver: Callable[[Found], object]) -> Found | None:
        del room_id, deliver
        return Found()

    def note(self, record: Record) -> Stamp:
        del record
        return self._stamp

    def commit(self, record: Record, deliver: Callable[[bool], object]) -> Stamp:
        del record, deliver
        return self._stamp

    def rows_waiting(self, room_id: RoomId) -> int:
        del room_id
        return 0

    def moved(self, room_id: RoomId, save: Callable[[], object]) -> None: ...


class Silent:
    """The log, the metrics and the registry: nobody listens."""

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


def player_of(one: Mapping[str, Any], now_ms: int) -> Player:
    """A player of a base."""
    return Player(
        SocketId(one["socketId"]),
        UserId(one["userId"]),
        text_of(one["displayName"]),
        attributes_of(one["attributes"]),
        now_ms,
        Motion(0.0, 0.0, now_ms),
        one["hidesPosition"],
        one["isReady"],
        one["connected"],
    )


def text_of(size: int | None) -> str | None:
    """A name of this size."""
    return None if size is None else "x" * size


def attributes_of(size: int) -> dict[str, object]:
    """So many attributes."""
    return {f"attribute {number}": None for number in range(size)}


def rules_of(base: Mapping[str, Any]) -> RoomRules:
    """The room's own, as far as they make a difference."""
    return RoomRules(players_max=base.get("playersMax"), bans={BARRED: Ban(BARRED)})


def person_of(one: Mapping[str, Any], flags: frozenset[str] = frozenset()) -> str:
    """Whose session it is: nobody else's, where the room did not ask."""
    return BARRED if "barred" in flags else str(one["person"] or one["socketId"])


class Several(str):
    """In the place of one session's name: those of several."""

    __slots__ = ("_names",)
    _names: Sequence[str]
    __hash__ = None  # type: ignore[assignment]

    def __new__(cls, names: Sequence[str]) -> Self:
        several = super().__new__(cls, " ".join(names))
        several._names = names
        return several

    def __eq__(self, other: object) -> bool:
        return other in self._names


def moderation_of(step: Mapping[str, Any], outlet: Outlet, flags: frozenset[str]) -> m.Moderate:
    """An act that has the same end: all who are out by it are kicked in one."""
    if isinstance(outlet, Ghost):
        outlet.grant = GUEST if "barred" in flags else MODERATES
    if step["out"]:
        return m.Moderate(outlet, KickPlayer(SocketId(Several(step["out"])), None))
    return m.Moderate(outlet, SetRoom(players_max=step["playersMax"]))
