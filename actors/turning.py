"""A turn of a room whose parts are all there: each message handled whole or not at all, and what
the turn holds told at its end.

Owns the order within a turn. Called by the actor (room.py), which owns when a turn begins and ends,
what comes before its members hear of it (a commit), and all that is not asked for by a session.
"""

from collections.abc import Callable
from typing import Any, Final

from actors import messages as m
from actors.answers import Refused
from actors.checkpoint import Checkpoint
from actors.errors import Refusal
from actors.ids import SocketId
from actors.keeping import UNAWAITED, Keeping
from actors.members import Member
from actors.motion import Motions
from actors.outside import Ports
from actors.publication import Publication
from actors.recorder import Recorder
from actors.room_state import RoomState
from actors.seating import HANDLERS, Seating
from actors.self_check import Suspicion
from actors.turn import OweAnswer, Turn


class Turning:
    """`post` takes what the room tells itself; `counted` is its part of the census."""

    __slots__ = (
        "_clock", "_keeping", "_ledger", "_members", "_motions", "_movers", "_ports", "_post",
        "_publication", "_recorder", "_seating", "_state", "_suspicion", "_ticker", "_turn",
        "checkpoint", "counted", "handled", "mark", "moved",
    )  # fmt: skip

    def __init__(
        self,
        state: RoomState,
        members: dict[SocketId, Member],
        turn: Turn,
        ports: Ports,
        publication: Publication,
        motions: Motions,
        seating: Seating,
        keeping: Keeping,
        recorder: Recorder,
        suspicion: Suspicion,
        counted: int,
        post: Callable[[object], None],
    ) -> None:
        self._state: Final = state
        self._members: Final = members
        self._turn: Final = turn
        self._ports: Final = ports
        self._clock: Final = ports.clock
        self._ledger: Final = ports.ledger
        self._publication: Final = publication
        self._motions: Final = motions
        self._ticker: Final = motions.ticker
        self._seating: Final = seating
        self._keeping: Final = keeping
        self._recorder: Final = recorder
        self._movers: Final = recorder.movers
        self._suspicion: Final = suspicion
        self._post: Final = post
        self.counted = counted
        self.mark = turn.mark()
        self.checkpoint = Checkpoint.of(state)
        self.moved: list[SocketId] = []
        """Of a turn that is being committed."""
        self.handled: list[Any] = []
        """What has to happen also where the turn is undone."""

    def handle(self, message: Any) -> bool | None:
        """What a session says, or a timer. None where it is no such message; False where it must
        wait for what the turn holds. What it raises is a fault, and leaves no trace in the turn.
        """
        seating, kind = self._seating, type(message)
        if kind is m.Move:  # by far the most frequent, and owes nobody anything
            if self._movers is not None:
                self._movers[message.outlet.socket_id] = None
            seating.move(message)
            return True
        handler = HANDLERS.get(kind)
        if handler is None:
            return None
        turn = self._turn
        if not turn.is_empty() and seating.must_wait(message):
            return False
        self.mark = turn.mark()
        seating.now_s = now_s = self._clock.monotonic_s()
        self._recorder.note(message, now_s)
        try:
            handler(seating, message)
        except Refusal as refusal:
            turn.owed.append(OweAnswer(message.outlet, Refused(refusal)))
        except Exception:
            turn.rewind(self.mark, self._members)
            raise
        if kind in UNAWAITED and self._ledger.keeps:
            self.handled.append(message)
        return True

    def end(self) -> list[SocketId] | None:
        """Nothing more is handled. Who moved and is to be shown, None where what the turn holds has
        to be durable first: they are in `moved` then.
        """
        seating, ticker, keeping = self._seating, self._ticker, self._keeping
        seating.turn_ms = 0
        moved = ticker.take_due()
        if moved and keeping.holds_moves_back():
            ticker.put_off(moved)
            moved = []
        commits = keeping.must_commit(bool(moved), ticker.has_waiting(), bool(seating.laggards))
        self._recorder.end(commits)
        if not commits:
            return moved
        self.moved = moved
        return None

    def tell(self, moved: list[SocketId]) -> None:
        """Say what the turn holds, and where those are who `moved`."""
        self.handled.clear()
        if not self._turn.is_empty():
            self._publish()
        self._motions.publish(moved)
        if moved and not self._ledger.commits_first:
            self._keeping.moved()
        laggards = self._seating.laggards
        while laggards:
            self._motions.catch_up(laggards.pop())

    def record(self) -> bool:
        """All is told: write out what somebody is wrong about. True where the flight recorder is to
        begin anew.
        """
        publication, recorder = self._publication, self._recorder
        mistaken = publication.mistaken
        if mistaken is not None:
            publication.mistaken = None
            recorder.tell_mistaken(mistaken, self._ports)
        is_looking = self._suspicion.is_looking()
        if not (is_looking or self._state.players):
            recorder.forget()
        return recorder.is_full() and not is_looking

    def lose_departed(self) -> None:
        """Those whose answer came too late for them are lost."""
        departed = self._publication.departed
        self._recorder.gone(departed)
        while departed:
            self._post(m.Lost(departed.pop()))

    def count(self) -> None:
        """Bring the census up to date."""
        before, self.counted = self.counted, len(self._state.players)
        if self.counted != before:
            self._ports.census.players += self.counted - before

    def _publish(self) -> None:
        turn, ledger = self._turn, self._ledger
        if ledger.keeps and turn.is_kept() and not (ledger.commits_first or turn.urgent):
            self._publication.stamp = self._keeping.note()
        self.checkpoint.advance(turn.changes, turn.rules)
        self._motions.follow(turn.changes)
        turn.changes.clear()
        turn.before.clear()
        self._publication.publish(turn)
        self.lose_departed()
        turn.told()
        self.mark = turn.mark()
        self.count()
