"""Stand-ins for the ports of actors: a clock that a test turns, outlets and an encoder to be read.

Owns no rule of the rooms. What a room publishes is kept as short lines, so that a test reads as
the story that a member was told: `joined B v2`, `said A: hi`, `ok v2`, `roomState slowConsumer v3:
A B`. In lists of players `*` is ready and `?` is not connected.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from actors.answers import (
    Answer,
    Described,
    Done,
    Joined,
    Left,
    Permitted,
    Refused,
    Resumed,
    Validated,
)
from actors.encoder import Form
from actors.ids import RoomId, SocketId
from actors.permissions import ANONYMOUS_GRANTS
from actors.players import Event, EventKind, Player, StateView
from actors.ports import Eviction, Outlet, StateReason

A = TypeVar("A")


class Broken(Exception):
    """What a fake raises where a test told it to."""


# -- time


@dataclass(slots=True)
class Timer:
    """A call to come."""

    due_s: float
    call: Callable[[], object] | None

    def cancel(self) -> None:
        self.call = None


class FakeClock:
    """Stands still until it is turned. Wall time and monotonic time go together."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self._start_ms = now_ms
        self._now_s = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Timer]] = []

    def now_ms(self) -> int:
        return self._start_ms + round(self._now_s * 1000)

    def monotonic_s(self) -> float:
        return self._now_s

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Timer:
        timer = Timer(self._now_s + delay_s, call)
        heapq.heappush(self._timers, (timer.due_s, next(self._order), timer))
        return timer

    def forget(self) -> None:
        """Let nothing that waits ever happen."""
        self._timers.clear()

    def waiting(self) -> list[float]:
        """When the timers that were not cancelled are due, soonest first."""
        return sorted(due_s for due_s, _, timer in self._timers if timer.call is not None)

    def step(self, until_s: float) -> bool:
        """Go on to the next timer up to `until_s` and fire it; False, at `until_s`, if none is."""
        while self._timers and self._timers[0][0] <= until_s:
            due_s, _, timer = heapq.heappop(self._timers)
            if timer.call is not None:
                self._now_s = max(self._now_s, due_s)
                timer.call()
                return True
        self._now_s = until_s
        return False

    def jump(self, until_s: float) -> None:
        """Fire all that is due by `until_s`; nothing else happens in between."""
        while self.step(until_s):
            pass


# -- what is told to the members


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that reached a member: how it reads, and what it was."""

    line: str
    thing: object


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as it was encoded."""

    epoch: int
    event: Event


@dataclass(frozen=True, slots=True)
class Said:
    """A room message as it was encoded."""

    sender: SocketId
    event: str
    data: object


@dataclass(frozen=True, slots=True)
class Moved:
    """Positions as they were encoded."""

    positions: dict[SocketId, tuple[float, float]]


def player_line(player: Player) -> str:
    """How a list of players shows one of them."""
    return player.socket_id + "*" * player.is_ready + "?" * (not player.connected)


def event_line(event: Event) -> str:
    """How a member's story shows an event."""
    shown = []
    for change in event.changes:
        name: str = change.player.socket_id
        if event.kind is EventKind.CONNECTION:
            name += "+" if change.player.connected else "-"
        if change.reason is not None:
            name += f"({change.reason.value})"
        shown.append(name)
    return f"{event.kind.value} {' '.join(shown)} v{event.version}"


class FakeEncoder:
    """Encodes to the lines of a story, and remembers what each stood for. Can be told to raise."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self._meant: dict[bytes, object] = {}
        self._numbers = itertools.count()
        self._to_break: Counter[str] = Counter()
        self.poison: object = None
        """A room message with this `data` cannot be encoded."""

    def fail(self, method: str, times: int = 1) -> None:
        """Let the next `times` calls of `method` raise Broken."""
        self._to_break[method] = times

    def event(self, room_id: RoomId, epoch: int, event: Event) -> bytes:
        self._called("event")
        return self._keep(event_line(event), Happened(epoch, event))

    def said(self, room_id: RoomId, sender: SocketId, event: str, data: object) -> bytes:
        self._called("said")
        if self.poison is not None and data == self.poison:
            raise Broken("said")
        return self._keep(f"said {sender}: {data}", Said(sender, event, data))

    def room_changed(self, room_id: RoomId, private: bool, players_max: int) -> bytes:
        self._called("room_changed")
        line = f"room {'private' if private else 'open'} {players_max}"
        return self._keep(line, (private, players_max))

    def batch(self, payloads: Sequence[bytes]) -> bytes:
        self._called("batch")
        assert payloads, "a frame holds at least one payload"
        return b"\n".join(payloads)

    def moves(self, room_id: RoomId, epoch: int, players: Iterable[Player]) -> bytes:
        self._called("moves")
        return self._positions("moved ", players)

    def compact_moves(
        self, epoch: int, version: int, player_count: int, moves: Sequence[tuple[int, Player]]
    ) -> bytes:
        self._called("compact_moves")
        numbers = [number for number, _ in moves]
        assert numbers == sorted(set(numbers)), "numbers ascend"
        word = f"moved {numbers} of {player_count} at v{version}: "
        return self._positions(word, [player for _, player in moves])

    def positions(self, players: Iterable[Player]) -> bytes:
        self._called("positions")
        return self._positions("at ", players)

    def state(self, view: StateView) -> bytes:
        self._called("state")
        shown = " ".join(sorted(player_line(player) for player in view.players))
        return self._keep(f"v{view.version}: {shown}", view)

    def consistency(self, view: StateView) -> bytes:
        self._called("consistency")
        return self._keep(f"v{view.version}", view)

    def read(self, frame: bytes) -> list[Told]:
        """What a frame says."""
        return [self.told(part) for part in frame.split(b"\n")]

    def told(self, payload: bytes) -> Told:
        """What one payload says."""
        return Told(payload.partition(b"\x1f")[0].decode(), self._meant[payload])

    def forget(self) -> None:
        """Drop the meaning of all that was encoded so far."""
        self._meant.clear()

    def _positions(self, word: str, players: Iterable[Player]) -> bytes:
        positions = {}
        for player in players:
            assert not player.hide_position, "a hidden position was about to be encoded"
            positions[player.socket_id] = (player.motion.x, player.motion.y)
        shown = ", ".join(f"{key} {x:g} {y:g}" for key, (x, y) in positions.items())
        return self._keep(word + shown, Moved(positions))

    def _called(self, method: str) -> None:
        self.count[method] += 1
        if self._to_break[method] > 0:
            self._to_break[method] -= 1
            raise Broken(method)

    def _keep(self, line: str, meaning: object) -> bytes:
        # Two rooms may say the same: a number tells the payloads apart, and is not shown.
        data = f"{line}\x1f{next(self._numbers)}".encode()
        self._meant[data] = meaning
        return data


class FakeRoster:
    """The sessions' own view of who sits where, kept by the fake outlets."""

    def __init__(self) -> None:
        self.seated: dict[RoomId, list[Outlet]] = {}

    def claims(self, room_id: RoomId) -> Collection[Outlet]:
        return self.seated.get(room_id, [])

    def sit(self, room_id: RoomId, outlet: Outlet) -> None:
        seats = self.seated.setdefault(room_id, [])
        if outlet not in seats:
            seats.append(outlet)

    def rise(self, room_id: RoomId, outlet: Outlet) -> None:
        seats = self.seated.get(room_id, [])
        if outlet in seats:
            seats.remove(outlet)


class FakeOutlet:
    """One client's end, and as much of a session as a room can see of it."""

    def __init__(
        self, name: str, encoder: FakeEncoder, roster: FakeRoster, room_id: RoomId
    ) -> None:
        self.socket_id = SocketId(name)
        self.room_id = room_id
        self.form = Form.JSON
        self.alive = True
        self.connected = True
        """Its story goes on; when the connection has been cut, nobody is there to read it."""
        self.heard = False
        self.grant = ANONYMOUS_GRANTS.elsewhere
        self.full = False
        """Refuses everything that may be refused."""
        self.skips_moves = False
        """Refuses moves only."""
        self.story: list[Told] = []
        self.frames: list[bytes] = []
        """Frames of events and room messages, as they were offered and taken."""
        self.answers: list[Answer] = []
        self.offers = 0
        """How often the room called to deliver something, taken or not."""
        self._encoder = encoder
        self._roster = roster

    def __repr__(self) -> str:
        return f"<outlet {self.socket_id}>"

    # -- for tests

    def take(self) -> list[str]:
        """The lines since the last call."""
        lines = [told.line for told in self.story]
        self.story.clear()
        self.frames.clear()
        return lines

    def answer_of(self, kind: type[A]) -> A:
        """The newest answer, which is of `kind`."""
        answer = self.answers[-1]
        assert isinstance(answer, kind), answer
        return answer

    def refusal(self) -> str:
        """The code of the newest answer, which is a refusal."""
        return self.answer_of(Refused).refusal.code

    def cut(self) -> None:
        """The connection ends; the room has yet to hear of it."""
        self.connected = False
        self._rise()

    # -- the port

    def offer(self, frame: bytes) -> bool:
        self.offers += 1
        if self.full:
            return False
        if self.connected:
            self.frames.append(frame)
        self._tell(*self._encoder.read(frame))
        return True

    def offer_moves(self, frame: bytes) -> bool:
        self.offers += 1
        if self.full or self.skips_moves:
            return False
        self._tell(*self._encoder.read(frame))
        return True

    def send_state(self, state: bytes, reason: StateReason) -> None:
        self.offers += 1
        told = self._encoder.told(state)
        self._tell(Told(f"roomState {reason.value} {told.line}", told.thing))

    def answer(self, answer: Answer) -> None:
        self.offers += 1
        self.answers.append(answer)
        self._tell(self._told(answer))
        match answer:
            case Joined(succeeds=old) | Resumed(succeeds=old):
                if self.alive:
                    self.heard = False
                    self._roster.sit(self.room_id, self)
                if isinstance(old, FakeOutlet) and old is not self:
                    old.cut()
            case Left():
                self._rise()
            case _:
                pass

    def evict(self, reason: Eviction, detail: str) -> None:
        self.offers += 1
        self._tell(Told(f"evicted {reason.value}", reason))
        self._rise()

    # -- inside

    def _tell(self, *told: Told) -> None:
        if self.connected:
            self.story += told

    def _rise(self) -> None:
        self.alive = False
        self._roster.rise(self.room_id, self)

    def _told(self, answer: Answer) -> Told:
        """How an answer reads; what it is, or the whole state in it."""
        told = self._encoder.told
        match answer:
            case Joined(state=state):
                return Told(f"Joined {told(state).line}", told(state).thing)
            case Resumed(missed=missed, version=version):
                lines = "; ".join(told(payload).line for payload in missed)
                return Told(f"Resumed v{version} [{lines}]", answer)
            case Done(version):
                return Told(f"ok v{version}", answer)
            case Described(state):
                return Told(f"Described {told(state).line}", told(state).thing)
            case Validated(verdict, state):
                word = "valid" if verdict.valid else "invalid"
                return Told(f"{word} {told(state).line}", told(state).thing)
            case Permitted(grant):
                return Told(f"allowed {grant.allowed}", answer)
            case Left():
                return Told("Left", answer)
            case Refused(refusal):
                return Told(f"refused {refusal.code}", answer)
