"""The last inputs of one room, in a form that can be played again. PURE: no clock, no I/O.

Owns how many inputs are kept, and from where on; reducing.py says what is kept of each, story.py
what is made of them. Called by room.py and turning.py at each step of a turn.

    base, inputs, … | base, inputs, …      a base is the room between two turns

There are two such chunks. When the newer has half of `recorder_inputs_max` inputs, the older is
forgotten, so that from half of them on all can be played again from a base. A turn is never cut in
two: one that is longer than that is kept whole. What it costs: O(1) an input, O(players) a base.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors import messages as m
from actors.history import Claim, Verdict
from actors.ids import SocketId
from actors.members import Member
from actors.outside import Ports
from actors.ports import Clock, Outlet, Recording, RecordingReason
from actors.recall import Recall
from actors.reducing import REDUCED, Reducer
from actors.room_state import RoomState
from actors.settings import Settings
from actors.story import Base, Chunk, Entry, Input, Place, Present, Row, Story, fault_of
from actors.timers import Graces


class Recorder(Reducer):
    """`movers` is where a room notes who moves, None where nothing is recorded (`inputs_max` 0)."""

    __slots__ = (
        "_at_s", "_base", "_commits", "_count", "_earlier", "_graces", "_half", "_inputs",
        "_is_marked", "_is_open", "_moves", "movers",
    )  # fmt: skip

    def __init__(
        self,
        inputs_max: int,
        settings: Settings,
        state: RoomState,
        members: Mapping[SocketId, Member],
        graces: Graces,
        recall: Recall,
        clock: Clock,
    ) -> None:
        super().__init__(state, members, recall, settings, clock)
        self._half: Final = (inputs_max + 1) // 2
        self._graces: Final = graces
        self._base: Base | None = None
        self._inputs: list[Entry] = []
        self._moves: dict[SocketId, int] | None = None
        """Where among the inputs of the chunk somebody moved last."""
        self._count = 0
        self._earlier: Chunk | None = None
        self._is_open = False  # something was handled since the turn before ended
        self._is_marked = False  # the turn that ends, or ended last, left a trace
        self._commits = False  # what the last turn's end asked of the disk is under way
        self._at_s = 0.0
        self.movers: Final[dict[SocketId, None] | None] = {} if inputs_max else None

    # -- bases

    def is_full(self) -> bool:
        """It is time for a new base."""
        return self._half > 0 and (self._base is None or self._count >= self._half)

    def forget(self) -> None:
        """Everybody has left: what comes begins anew, and what was before is not kept for it."""
        if self._count or self._earlier is not None:
            self._base = self._earlier = None

    def drop(self) -> None:
        """Forget all of it, between two turns, until the next `begin`."""
        self._base = self._earlier = self._moves = None
        self._inputs, self._count = [], 0
        self._is_open = self._is_marked = False
        if self.movers:
            self.movers.clear()

    def begin(self, checks: tuple[int, bool, bool], clock: Clock) -> None:
        """Take the room as it is now, between two turns, as the base of what follows. `checks` are
        the number of the self-check asked for last, whether one is due, and whether the last commit
        was undone.
        """
        if not self._half:
            return
        self._place_moves()
        if self._base is not None:
            self._earlier = Chunk(self._base, self._inputs, self._moves or {}, self._count)
        state, members = self._state, self._members
        self.forget_persons()
        rows: dict[Row, Row] = {}  # most are alike
        seats = []
        for member in members.values():
            row = self.row(member)
            seats.append(rows.setdefault(row, row))
        self._base = Base(
            state.epoch,
            state.version,
            state.created_at_ms,
            clock.monotonic_s(),
            clock.now_ms(),
            tuple(state.players.values()),
            tuple(members),
            tuple(seats),
            tuple(
                (grace.deadline_s, grace.socket_id, self.is_present(grace.socket_id, grace.outlet))
                for grace in self._graces.all()
            ),
            checks,
            state.rules.players_max,
        )
        self._inputs, self._moves, self._count = [], None, 0

    # -- inputs

    def note(self, message: Any, now_s: float) -> None:
        """`message` is about to be handled, at `now_s`: what it says is done by its handler."""
        if self._base is None:
            return
        if now_s != self._at_s:  # one object for all that has the same time
            self._at_s = now_s
        if self.movers:
            self._place_moves()
        self._inputs.append(REDUCED[type(message)](self, message, self._at_s))
        self._count += 1
        self._is_open = True

    def check(self, message: m.SelfCheck, now_s: float) -> None:
        """A self-check is due. One after the other, with nothing in between, are as one: a room in
        which nothing happens remembers no more each time.
        """
        if self._base is None:
            return
        inputs = self._inputs
        if len(inputs) > 1 and inputs[-1] is Place.END:
            before = inputs[-2]
            alone = len(inputs) == 2 or isinstance(inputs[-3], Place)
            # Only those that time brings: the others answer what was found before.
            if isinstance(before, tuple) and before[0] == "selfCheck" and not before[2] and alone:
                del inputs[-2:]
                self._count -= 1
        self._add(("selfCheck", now_s, message.again))

    def found(self, breaches: list[str]) -> None:
        """What the self-check of this turn's end has found."""
        if self._base is not None and breaches:
            self._inputs.append(("found", tuple(breaches)))

    def close(self, now_s: float) -> None:
        """The registry asks whether it may end."""
        if self._base is not None:
            self._add(("close", now_s))

    def end(self, commits: bool) -> None:
        """The turn ends; `commits`: it is told when it is durable. One in which nothing happened
        but moves leaves no trace.
        """
        self._is_marked = self._is_open
        if self._is_open:
            self._place_moves()
            self._inputs.append(Place.PENDING if commits else Place.END)
            self._is_open, self._commits = False, commits

    def committed(self, done: bool, now_s: float) -> None:
        """What became of that."""
        if self._commits:
            self._commits = False
            self._inputs[-1] = Place.DURABLE if done else ("undone", now_s)

    def gone(self, outlets: Sequence[Outlet]) -> None:
        """Whose answers found nobody, as the turn that has ended was told. One that its member had
        left for another outlet by then made no difference.
        """
        if outlets and self._is_marked and self._base is not None:
            names = tuple(
                outlet.socket_id for outlet in outlets if self.is_present(outlet.socket_id, outlet)
            )
            if names:
                self._inputs.insert(-1, ("gone", names))  # they were gone before its end

    # -- what is written out

    def cut(self, reason: RecordingReason, now_s: float, now_ms: int) -> Recording | None:
        """The room's story up to now; None where nothing is recorded. O(inputs + players)."""
        return self._cut(reason, now_s, now_ms) if self._half else None

    def tell_mistaken(self, mistaken: tuple[SocketId, Claim, Verdict], ports: Ports) -> None:
        """Have it written out since somebody is wrong about the room."""
        if not self._half:
            return
        socket_id, claim, verdict = mistaken
        told = {
            "socketId": socket_id,
            "epoch": claim.epoch,
            "version": claim.version,
            "checksum": _checksum(claim.checksum),
            "missing": len(verdict.missing),
            "unexpected": len(verdict.unexpected),
        }
        now_s, now_ms = ports.clock.monotonic_s(), ports.clock.now_ms()
        reason = RecordingReason.STATE_INVALID
        ports.recordings.keep(self._cut(reason, now_s, now_ms, claim=told))

    def cut_failed(self, error: BaseException, poison: object, ports: Ports) -> Recording | None:
        """The story of a room that raised `error` while it handled `poison`, None: as its turn
        ended, or as it recovered. Cannot raise.
        """
        if not self._half:
            return None
        now_s, now_ms = ports.clock.monotonic_s(), ports.clock.now_ms()
        try:
            return self._cut(
                RecordingReason.ROOM_RESTARTED, now_s, now_ms, error=error, poison=poison
            )
        except Exception:  # noqa: BLE001  # whatever is wrong with it, its failure must be reported
            return None

    def _cut(
        self,
        reason: RecordingReason,
        now_s: float,
        now_ms: int,
        *,
        claim: Mapping[str, object] | None = None,
        error: BaseException | None = None,
        poison: object = None,
    ) -> Recording:
        state = self._state
        chunk = Chunk(self._base, list(self._inputs), self._moves_so_far(), self._count)
        raised = error is not None and self._base is not None
        if raised:
            self._add_poison(chunk, poison, now_s)
        story = Story(
            state.room_id,
            self._settings,
            (chunk,) if self._earlier is None else (self._earlier, chunk),
            raised,
            Present.of(state, now_s),
            None if error is None else fault_of(error),
            claim,
        )
        return Recording(state.room_id, reason, now_ms, story.count, story.document)

    def _add_poison(self, chunk: Chunk, poison: object, now_s: float) -> None:
        """Have `chunk` end with what it raised at."""
        inputs = chunk.inputs
        if isinstance(poison, m.Move):
            socket_id = poison.outlet.socket_id
            chunk.moves.pop(socket_id, None)  # this is where it moved last
            inputs.append(("move", now_s, socket_id, self.presence(socket_id, poison.outlet)))
            chunk.count += 1
        elif type(poison) not in _NOTED and not self._is_marked:
            inputs.append(Place.END)  # of a turn in which nothing happened but moves

    # -- inside

    def _add(self, entry: Input) -> None:
        self._place_moves()
        self._inputs.append(entry)
        self._count += 1
        self._is_open = True

    def _place_moves(self) -> None:
        """Who moved since the input before did so here."""
        movers = self.movers
        if movers:
            if self._moves is None:
                self._moves = {}
            self._moves.update(dict.fromkeys(movers, len(self._inputs)))
            movers.clear()

    def _moves_so_far(self) -> dict[SocketId, int]:
        return (self._moves or {}) | dict.fromkeys(self.movers or (), len(self._inputs))


def _checksum(text: str | None) -> str | None:
    """What a client took for one, where it looks like one."""
    return text if text and len(text) == 8 and not text.strip("0123456789abcdef") else None


def recorder_of(
    ports: Ports, state: RoomState, members: Mapping[SocketId, Member], graces: Graces
) -> Recorder:
    """A room's recorder; one that does nothing, where nothing is ever written out."""
    settings = ports.settings
    inputs_max = settings.recorder_inputs_max if ports.recordings.keeps else 0
    recall, clock = ports.ledger.recall, ports.clock
    return Recorder(inputs_max, settings, state, members, graces, recall, clock)


_NOTED: Final = frozenset({*REDUCED, m.SelfCheck, m.Close})
"""What leaves an input as it is handled."""
