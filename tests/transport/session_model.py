"""What a session owes its client, written from the protocol page and not from the product.

A `Model` is one connection and the session on it: it is told what the session is told, and writes
down what the client must hear (`said`) and what rooms must be asked (`posted`). Numbers, tokens of
the limits and offences are counted here once more. Knows no bytes and no outlet.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from tests.transport.model_bucket import Bucket

FULL_WAIT_S = 0.1
"""After this a move that found a full mailbox is tried again."""
REMEMBERED: Final = 256
WAITING_MAX: Final = 64
PAUSE_S_MAX: Final = 0.5
OFFENCES_MAX: Final = 100
OFFENCES_S: Final = 10.0
REPEAT: Final = "repeat"
SILENT: Final = "silent"
LIMITED: Final = frozenset({"join", "state", "leave"})
IN_ROOM: Final = frozenset({"ready", "say", "update", "state", "leave", "validate"})

Said = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One frame of a client. `kind` is a request's, or says what is wrong with it."""

    kind: str
    number: int | None = None
    room: str = ""
    x: int = 0
    token: "Token | None" = None
    """Of a resume: what the room is told; None where it is none of that room."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a client was given with a seat."""

    text: str
    room: str
    name: str
    serial: int


@dataclass(eq=False, slots=True)
class Place:
    """One seat. `name` is the session's that it was made for."""

    model: "Model"
    room: str
    name: str
    alive: bool = True


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that a room must get, through `place`; `at_door`: the room may be cold."""

    kind: str
    place: Place
    at_door: bool = False
    detail: object = None


class Memory:
    """What became of numbered requests: REPEAT, SILENT, or a tuple that begins with what it was."""

    def __init__(self) -> None:
        self.newest = 0
        self.outcomes: dict[int, Any] = {}

    def settle(self, number: int | None, outcome: Any) -> None:
        """What had its effect, or was refused for good, stays what it was."""
        if number is None or (number <= self.newest and self.outcomes.get(number) != REPEAT):
            return
        self.outcomes[number] = outcome
        self.newest = max(self.newest, number)
        if len(self.outcomes) > REMEMBERED:
            del self.outcomes[min(self.outcomes)]


@dataclass(slots=True)
class World:
    """What all sessions share."""

    now_s: float
    limits: dict[str, float]
    full: set[tuple[bool, str]] = field(default_factory=set)
    """Mailboxes that take nothing now: (at the door, room)."""


class Model:
    """One connection and the session on it."""

    def __init__(self, world: World, name: str) -> None:
        self.world: Final = world
        self.name = name
        self.memory = Memory()
        self.place: Place | None = None
        self.open = True
        self.closed: int | None = None
        self.waiting: deque[Ask] = deque()
        self.pending: tuple[Place, int | None] | None = None
        self.congested = self.held = self.heard = self.owes_proof = False
        self.serial = 0
        self.late: int | None = None
        """The newest move that waits for a token; looked at again when one of `dues` comes."""
        self.dues: list[tuple[float, Place | None]] = []
        self.outdated = 0
        """Moves that only replaced one, since that began to wait or a pause ended."""
        limits = world.limits
        self.messages = Bucket(limits["messages_per_s"], limits["messages_burst"], world.now_s)
        self.joins: Bucket | None = None
        self.offences, self.offences_since_s = 0, 0.0
        self.said: list[Said] = []
        self.posted: list[Posted] = []

    # -- what comes from the client

    def receive(self, ask: Ask) -> None:
        if not self.heard:
            self.heard = True
            if self.owes_proof and self.place is not None:
                self.owes_proof = False
                self.posted.append(Posted("Heard", self.place))
        if self.pending is None and not self.waiting and not self.congested:
            self._take(ask)
            return
        self.waiting.append(ask)
        self.held = self.held or len(self.waiting) >= WAITING_MAX

    def go_on(self) -> None:
        """What waits is taken up, until a request is under way."""
        if not self.waiting:
            return
        while self.open and self.waiting and not self.pending and not self.congested:
            self._take(self.waiting.popleft())
        if self.open and not self.waiting:
            self.held = False

    def charge(self) -> None:
        if not self.messages.take(self.world.now_s):
            self._offend()

    # -- one request

    def _take(self, ask: Ask) -> None:
        allowed = self.messages.take(self.world.now_s)
        number, known = ask.number, self.memory.outcomes
        is_stale = number is not None and number <= self.memory.newest and number not in known
        is_move = ask.kind in {"move", "wrong move"}
        is_coalesced = is_move and self.place is not None and not is_stale
        if is_coalesced and not allowed and number in known:
            self._slow_down()
        if ask.kind in {"nonsense", "wrong number"}:
            self._refuse("badMessage", None)
        elif ask.kind == "move" and number is None and allowed and self.place is not None:
            self._move(ask.x)
        elif not (allowed or is_coalesced):
            self._refuse("rateLimited", number, retryable=True)
        elif is_stale:
            self._refuse("staleSequence", number)
        elif number is not None and known.get(number, REPEAT) != REPEAT:
            self._repeat(known[number], number)
        elif ask.kind in {"wrong field", "wrong move"}:
            self._refuse("badMessage", number)
        elif ask.kind == "unknown":
            self._refuse("unsupportedType", number)
        elif is_move:
            self._take_move(ask, allowed)
        else:
            self.memory.settle(number, REPEAT)
            self._dispatch(ask, number)

    def _take_move(self, ask: Ask, allowed: bool) -> None:
        if self.place is None:
            self._refuse("notInRoom", ask.number)
            return
        if allowed:
            self._move(ask.x)
        else:
            self.coalesce(self.place, ask.x)
        self.memory.settle(ask.number, SILENT)

    def coalesce(self, place: Place, x: int) -> None:
        """A move waits for a token, in the place of one that waits already."""
        waiting, self.late = self.late is not None, x
        wait_s = self.messages.wait_s()
        if not waiting:
            self.outdated = 0
            self.dues.append((self.world.now_s + wait_s, place))
            return
        self._slow_down()

    def _slow_down(self) -> None:
        self.outdated += 1
        self.held = self.held or self.outdated >= WAITING_MAX
        if self.outdated == WAITING_MAX:
            self.dues.append((self.world.now_s + min(self.messages.wait_s(), PAUSE_S_MAX), None))

    def _move(self, x: int) -> None:
        waiting, self.late = self.late is not None, None
        assert self.place is not None
        if (False, self.place.room) not in self.world.full:
            self.posted.append(Posted("Move", self.place, detail=x))
        else:
            self.late = x
            if not waiting:
                self.dues.append((self.world.now_s + FULL_WAIT_S, self.place))

    def look_at_late_moves(self, until_s: float) -> None:
        """Time passes: what waits for a token takes the first there is."""
        while self.dues and (due := min(self.dues, key=lambda each: each[0]))[0] <= until_s:
            self.dues.remove(due)
            due_s, place = due
            if place is None:  # the pause of a flood ends
                self.outdated, self.held = 0, False
                continue
            if self.late is None or not place.alive:
                continue
            at_s = max(due_s, self.world.now_s)  # later than due where the loop was busy
            if self.messages.take(at_s):
                late, self.late = self.late, None
                self._move(late)
            else:
                self.dues.append((at_s + self.messages.wait_s(), place))

    def _dispatch(self, ask: Ask, number: int | None) -> None:
        if ask.kind in LIMITED and not self._is_in_time(number):
            return
        match ask.kind:
            case "ping":
                self._say("pong", number, t=ask.x)
            case "check":
                self._post("Check", Place(self, ask.room, self.name), number, True)
            case "authenticate":
                self._say("authenticated", number)
            case "join":
                again = self.place is not None and self.place.room == ask.room
                place = self.place if again else None
                place = place or Place(self, ask.room, self.name)
                self._post("Join", place, number, not again, self.serial + 1)
            case "resume" if self.place is not None:
                self._refuse("badMessage", number)
            case "resume" if ask.token is None:
                self._refuse("resumeExpired", number)
            case "resume":
                assert ask.token is not None
                place = Place(self, ask.room, ask.token.name)
                self._post("Resume", place, number, True, ask.token.serial)
            case kind:
                assert kind in IN_ROOM, kind
                if self.place is None or (kind == "validate" and ask.room != self.place.room):
                    self._refuse("notInRoom", number)
                else:
                    self._post(kind, self.place, number)

    def _post(
        self,
        kind: str,
        place: Place,
        number: int | None,
        at_door: bool = False,
        detail: object = None,
    ) -> None:
        if (at_door, place.room) in self.world.full:
            self._refuse("unavailable", number, retryable=True)
            return
        self.pending = place, number
        self.posted.append(Posted(kind, place, at_door, detail))

    def _is_in_time(self, number: int | None) -> bool:
        limits, now_s = self.world.limits, self.world.now_s
        self.joins = self.joins or Bucket(limits["joins_per_s"], limits["joins_burst"], now_s)
        in_time = self.joins.take(now_s)
        if not in_time:
            self._refuse("rateLimited", number, retryable=True)
        return in_time

    def _repeat(self, known: Any, number: int) -> None:
        """A copy: answered, without an effect."""
        if known == SILENT:
            return
        what, *rest = known
        if what == "failed":
            self._refuse(rest[0], number)
            return
        room, version = rest
        if what == "seated" and self.place is not None and self.place.room == room:
            if self._is_in_time(number):
                self._post("Join", self.place, number)
        elif what == "left" and self.place is None:
            self._say("roomGameSpaceLeft", number, roomId=room)
        else:
            self._say("ok", number, version=version)

    # -- what comes from rooms

    def answer(self, place: Place, outcome: Any, refused: tuple[str, bool] | None) -> int | None:
        """The room answers what is under way: with `outcome` for the memory, or a refusal (code,
        retryable). Returns its number. What the client hears of a yes is the caller's to say.
        """
        assert self.pending is not None
        assert self.pending[0] is place
        (_, number), self.pending = self.pending, None
        if refused is not None:
            code, retryable = refused
            self.memory.settle(number, REPEAT if retryable else ("failed", code))
            if place is not self.place:
                place.alive = False
            if self.open:
                self._refuse(code, number, retryable=retryable)
        else:
            self.memory.settle(number, outcome)
        return number

    def sit(self, place: Place, serial: int, is_first: bool) -> None:
        """A join or resume succeeded, and the client is told."""
        if self.place is not place:
            self.rise("Leave switched")
            self.place = place
        self.heard, self.owes_proof = False, not is_first
        self.serial = max(self.serial, serial)

    def rise(self, tell: str | None = None) -> None:
        """Sit nowhere; `tell` the room so."""
        place, self.place = self.place, None
        self.late = None
        if place is not None:
            place.alive = False
            if tell is not None:
                self.posted.append(Posted(tell, place))

    def superseded(self, place: Place) -> Memory:
        """Another connection goes on with this session."""
        place.alive = False
        if self.place is place:
            self.place = None
        else:
            self.rise("Leave left")
        self.close(4509)
        memory, self.memory = self.memory, Memory()
        return memory

    # -- ends

    def end(self) -> bool:
        """Nothing more is said; what is under way may still be answered. False when it was over."""
        if not self.open:
            return False
        self.open = False
        self.waiting.clear()
        if self.place is not None and self.late is not None:
            if (False, self.place.room) not in self.world.full:
                self.posted.append(Posted("Move", self.place, detail=self.late))
            self.late = None
        for place in (self.place, self.pending[0] if self.pending is not None else None):
            if place is not None:
                place.alive = False
        return True

    def lose(self) -> None:
        place = self.place
        if self.end() and place is not None:
            self.posted.append(Posted("Lost", place))

    def close(self, code: int) -> None:
        if self.open:
            self.closed = code
        self.end()

    # -- saying

    def _say(self, kind: str, number: int | None, **fields: Any) -> None:
        self.say({"type": kind, **fields}, number)

    def say(self, said: Said, number: int | None) -> None:
        """Where there is still somebody to say it to."""
        if self.open:
            self.said.append(said if number is None else {**said, "replyTo": number})

    def _refuse(self, code: str, number: int | None, *, retryable: bool = False) -> None:
        self.memory.settle(number, REPEAT if retryable else ("failed", code))
        self._say("error", number, code=code, retryable=retryable)
        if code in {"badMessage", "rateLimited"}:
            self._offend()

    def _offend(self) -> None:
        if self.world.now_s - self.offences_since_s > OFFENCES_S:
            self.offences_since_s, self.offences = self.world.now_s, 0
        self.offences += 1
        if self.offences > OFFENCES_MAX and self.open:
            self.closed = 1008
            self.lose()
