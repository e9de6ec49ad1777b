"""One room: the actor around its players.

Owns the turn: handle all that waits, one message at a time, then publish once. May not know the
wire, sockets or disks; it is given outlets, an encoder, a ledger and a clock. What a request does
is in seating.py, the order within a turn in turning.py, what is kept of it in keeping.py. What
raises there beyond a refusal is a fault: the actor fails, and its supervisor starts a successor on
the same mailbox (recovery.py).
"""

from types import TracebackType
from typing import Any, cast

from actors import messages as m
from actors.checkpoint import Checkpoint
from actors.ids import SocketId
from actors.reconciling import reconcile
from actors.recovery import RoomFailed, Wreckage, answer_poison, summary_of
from actors.reporting import report_expired
from actors.room_parts import RoomParts
from actors.self_check import breaches


class RoomActor(RoomParts):
    """`registry` is the mailbox of the supervisor: it hears of emptiness, ends and failures.

    With `wreckage` this is the successor of a room that failed, on the message `poison`; with
    `stored` it comes back from the store.
    """

    __slots__ = ()

    # -- the actor

    def on_start(self) -> None:
        if self._wreckage is not None:
            try:
                self._recover()
            except Exception as error:
                self._report(error, None)
                raise
            return
        self._turning.count()
        self._begin_recording()
        expired, self._expired = self._expired, ()
        if expired:
            report_expired(expired, self.state, self._ports)
            self._keeping.note()

    def on_receive(self, message: Any) -> Any:
        done = self._turning.handle(message)
        if done is None:
            return self._on_own(message)
        if not done:
            self.postpone()
        return None

    def on_turn_end(self) -> None:
        moved = self._turning.end()
        if moved is None:
            self._commit()
            return
        self._tell(moved)
        if not self.state.players and self._is_quiet():
            self._fold()

    def _tell(self, moved: list[SocketId]) -> None:
        """Say what the turn holds, and where those are who `moved`."""
        turning = self._turning
        turning.tell(moved)
        self.mailbox.patient = self._ticker.is_waiting
        if self._check_due:
            self._self_check()
        if self.state.players:
            self._reported_empty = False
            if self._check_timer is None:
                self._check_timer = self._ports.clock.call_later(
                    self._ports.settings.self_check_s, self._ask_check
                )
        elif not self._reported_empty:
            self._reported_empty = True
            self._registry.tell(m.RoomEmptied(self.room_id))
        # What the flight recorder has is begun anew in good time.
        if turning.record():
            self._begin_recording()

    def on_stop(self) -> None:
        self._stop_timers()
        self._drop_parts()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._report(cast(BaseException, exception_value), self.handling)

    def keeps_mailbox_on_failure(self) -> bool:
        return self._failed

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Told to the log by the supervisor, with the room's state.
        self.actor_stopped.set()

    # -- the room itself

    def _on_own(self, message: Any) -> Any:
        match message:
            case m.Tick() | m.FarTick():
                self._motions.ticked(message)
            case m.SelfCheck(again):
                self._recorder.check(message, self._ports.clock.monotonic_s())
                # At the turn's end, when nobody is owed an answer.
                self._check_due = self._check_due or self._suspicion.wants(again)
                if not again:
                    self._check_timer = None
            case m.Close():
                self._close()
            case m.Erase():
                self._erase(message)
            case m.Committed(done):
                self._committed(done)
            case _:
                return super().on_receive(message)
        return None

    def _self_check(self) -> None:
        """Raises Inconsistent."""
        self._check_due = False
        if self._was_undone:
            self._suspicion.drop()
            return
        claims = self._ports.roster.claims(self.room_id)
        found = breaches(self.state, self.members, claims, self._graces.all())
        self._recorder.found(found)
        if self._suspicion.look(found, self.members):
            self._look_again()
        else:
            self._publication.last_validated_ms = self._ports.clock.now_ms()

    def _look_again(self) -> None:
        self.mailbox.tell(m.SelfCheck(again=self._suspicion.ask()))

    def _close(self) -> None:
        if not self._turn.is_empty():
            self.postpone()  # whoever left in this very turn is owed an answer before the end
            return
        self._recorder.close(self._ports.clock.monotonic_s())
        if self.state.players or self._keeping.must_remember():
            self._reported_empty = False
            self._registry.tell(m.RoomBusy(self.room_id))
        else:
            self._keeping.note_end()
            self._stop()
            self._registry.tell(m.RoomEnded(self.room_id))

    def _erase(self, message: m.Erase) -> None:
        if not self._turn.is_empty():
            self.postpone()
            return
        self._turning.mark = self._turn.mark()
        self._recorder.drop()  # whoever came and went is in it, too
        self._seating.erase(message)

    # -- failing and coming back

    def _report(self, error: BaseException, poison: object) -> None:
        """Hand what is left to the supervisor. Reads the failed state for its numbers only."""
        self._failed = True
        self._stop_timers()
        state = self.state
        self._registry.tell(
            RoomFailed(
                self.room_id,
                error,
                poison,
                Wreckage(
                    self.room_id,
                    state.epoch,
                    state.created_at_ms,
                    self._turning.checkpoint,
                    self._turn,
                    self.members,
                    self._graces.all(),
                    self._seating.operations,
                    self._turning.counted,
                    summary_of(state),
                ),
                self._recorder.cut_failed(error, poison, self._ports),
            )
        )

    def _recover(self) -> None:
        """Begin anew with what is left."""
        self._reconcile()
        answer_poison(self._poison)
        self._poison = None
        ledger = self._ports.ledger
        if ledger.commits_first or (ledger.keeps and self._turn.urgent):
            self._commit()
            return
        if ledger.keeps:
            self._publication.stamp = self._keeping.note()
        self._recovered()

    def _reconcile(self) -> None:
        clock = self._ports.clock
        self._seating.now_s = clock.monotonic_s()
        claims = self._ports.roster.claims(self.room_id)
        reconcile(self.state, self.members, self._turn, self._seating, claims, clock.now_ms())
        self._turning.checkpoint = Checkpoint.of(self.state)
        self._turning.count()

    def _recovered(self) -> None:
        self._wreckage = None
        self._publication.recover(self._turn)
        self._turning.lose_departed()
        self._turn.told()
        self._turning.handled.clear()
        self._look_again()
        self._begin_recording()

    # -- commit first, publish after

    def _commit(self) -> None:  # nothing is handled until the outcome is known
        self.mailbox.pause()
        self._publication.stamp = self._keeping.commit(
            [*self._turning.moved, *self._ticker.waiting()],
            lambda done: self.mailbox.go_on(m.Committed(done)),
        )

    def _committed(self, done: bool) -> None:
        turning = self._turning
        moved, turning.moved = turning.moved, []
        self._was_undone = not done
        wreckage, now_s = self._wreckage, self._ports.clock.monotonic_s()
        self._recorder.committed(done, now_s)
        if done and wreckage is not None:
            self._recovered()
        elif done:
            self._tell(moved)
        elif wreckage is not None:  # the members wait for the disk; who asked for something, not
            self._keeping.undo(wreckage.checkpoint, self._graces, (), now_s)
            self._reconcile()
            self.end_turn()
            self._commit()
        else:
            for socket_id in moved:
                self._ticker.note(socket_id)
            again = self._keeping.undo(turning.checkpoint, self._graces, turning.handled, now_s)
            self._turning.handled.clear()
            self._suspicion.drop()
            if turning.record():
                self._begin_recording()
            # In the turn after this one: what else came meanwhile, and may need no disk at all,
            # does not share its fate.
            self.mailbox.put_back(again)
