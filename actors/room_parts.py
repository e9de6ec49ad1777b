"""What a room is made of, and what is left of it while nobody is there.

Owns the making of a room's parts, and letting go of them. A room in which nobody is, nothing is
under way and nothing is wrong is folded to what must outlast that: its state without players (name,
epoch, version, times), what the store knows of it, and when it was found right last. Its history,
its recorder and all else are made afresh before the next message is handled. What happens in a room
is in room.py.

    whole --(a turn ends, and all is quiet)--> folded --(a message)--> whole
"""

from collections.abc import Iterable
from typing import Final

from actors import messages as m
from actors.ids import RoomId
from actors.keeping import Keeping, beginning
from actors.motion import Motions
from actors.outside import Ports
from actors.ports import Cancellable
from actors.publication import Publication
from actors.recorder import recorder_of
from actors.records import Record
from actors.recovery import Grace, Wreckage
from actors.runtime import LoopActor, Mailbox
from actors.seating import Seating
from actors.self_check import Suspicion, breaches
from actors.timers import Graces
from actors.turn import Turn
from actors.turning import Turning


class RoomParts(LoopActor):
    """The actor of a room, without what it does. The arguments are those of RoomActor."""

    __slots__ = (
        "_check_due", "_check_timer", "_expired", "_failed", "_graces", "_keeping", "_motions",
        "_poison", "_ports", "_publication", "_recorder", "_registry", "_reported_empty",
        "_seating", "_suspicion", "_tick_due_s", "_ticker", "_turn", "_turning", "_validated_ms",
        "_was_undone", "_whole_due", "_wreckage", "members", "room_id", "state",
        "turn_messages_max",
    )  # fmt: skip

    def __init__(
        self,
        room_id: RoomId,
        epoch: int,
        ports: Ports,
        registry: Mailbox,
        wreckage: Wreckage | None = None,
        poison: object = None,
        stored: Record | None = None,
    ) -> None:
        super().__init__()
        self.turn_messages_max = ports.settings.turn_messages_max
        self.room_id: Final = room_id
        self._ports: Final = ports
        self._registry: Final = registry
        self._wreckage = wreckage
        self._poison = poison
        begun = beginning(room_id, epoch, ports, wreckage, stored)
        self.state: Final = begun.state
        self.members: Final = begun.members
        self._expired = begun.expired
        self._was_undone = False  # the last commit failed: losses may wait for the next one
        self._check_timer: Cancellable | None = None
        self._check_due = False
        self._reported_empty = False
        self._failed = False
        # What the parts hand on from one time to the next.
        self._validated_ms = ports.clock.now_ms()
        self._whole_due = True
        self._tick_due_s = 0.0
        self._make_parts(
            wreckage.turn if wreckage else Turn(),
            begun.graces,
            wreckage.operations if wreckage else (),
            wreckage.counted if wreckage else 0,
        )

    def _make_parts(
        self,
        turn: Turn,
        graces: Iterable[Grace],
        operations: Iterable[tuple[str, str]],
        counted: int,
    ) -> None:
        state, members, ports = self.state, self.members, self._ports
        settings, clock = ports.settings, ports.clock
        self._turn = turn
        self._publication = Publication(state, members, ports, self._validated_ms)
        self._motions = Motions(state, members, ports, self._post, self._tick_due_s)
        self._ticker = self._motions.ticker
        self._graces = Graces(clock, settings.resume_grace_s, self._end_graces, graces)
        self._seating = Seating(
            state, members, turn, ports, self._graces, self._ticker, list(operations)
        )
        self._keeping = Keeping(
            state, members, turn, ports, self._save_positions, whole_due=self._whole_due
        )
        self._suspicion = Suspicion()
        self._recorder = recorder_of(ports, state, members, self._graces)
        self._turning = Turning(
            state,
            members,
            turn,
            ports,
            self._publication,
            self._motions,
            self._seating,
            self._keeping,
            self._recorder,
            self._suspicion,
            counted,
            self._post,
        )

    def _drop_parts(self) -> None:
        # Some of them point back here: what is left would wait for the garbage collector.
        del self._turn, self._publication, self._motions, self._ticker, self._graces, self._seating
        del self._keeping, self._suspicion, self._recorder, self._turning

    # -- folding

    def is_folded(self) -> bool:
        """Its parts are gone, until the next message."""
        return self.is_resting()

    def _is_quiet(self) -> bool:
        """Nobody is here, nobody is waited for, nothing is under way, and a check finds no breach.
        To be asked as a turn ends. O(1).
        """
        return not (
            self.state.players
            or len(self.mailbox)
            or self._was_undone
            or self._check_due
            or not self._reported_empty
            or not self._turn.is_empty()
            or self._ticker.has_waiting()
            or self._ticker.is_waiting
            or self._graces.all()
            or self._suspicion.is_looking()
            or breaches(self.state, self.members, self._ports.roster.claims(self.room_id))
        )

    def _fold(self) -> None:
        """Let go of the parts. To be called as a turn ends, and where all is quiet."""
        self._stop_timers()
        self._validated_ms = self._ports.clock.now_ms()
        self._whole_due = self._keeping.whole_due
        self._tick_due_s = self._ticker.due_s
        self._drop_parts()
        self.state.shrink()
        self.members.clear()  # what is empty already still has the space of those who were there
        self.rest()

    def on_wake(self) -> None:
        self._make_parts(Turn(), (), (), 0)
        self._begin_recording()

    def _begin_recording(self) -> None:
        checks = self._suspicion.asked(), self._check_due, self._was_undone
        self._recorder.begin(checks, self._ports.clock)

    # -- what the parts call

    def _post(self, message: object) -> None:
        self.mailbox.tell(message)

    def _end_graces(self) -> None:
        self.mailbox.tell(m.GraceEnded())

    def _ask_check(self) -> None:
        self.mailbox.tell(m.SelfCheck())

    def _save_positions(self) -> None:  # by the ledger, between turns
        if not (self.actor_stopped.is_set() or self.is_folded()):
            self._keeping.note_positions()

    def _stop_timers(self) -> None:
        self.mailbox.patient = False
        self._motions.stop()
        self._graces.stop()
        if self._check_timer is not None:
            self._check_timer.cancel()
            self._check_timer = None
