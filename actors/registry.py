"""The directory of rooms: an actor that spawns, supervises, parks, reaps and closes them.

Owns which room lives under which mailbox, and nothing of what is inside a room. Sessions read
`mailbox_for` directly, since they are on the same loop; all that changes the directory passes
through this actor's mailbox. No operation sweeps over all rooms: what waits is kept in queues
ordered by deadline, with one timer each.

    cold -> loading -> live -> closing -> cold    what arrives while the store is asked, and during
                        |  <----'                 the closing handshake, is parked; busy: somebody
                        v                         joined meanwhile
                      failed -> live | resting -> cold    resting rooms refuse for `room_closed_s`
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final

from actors import messages as m
from actors.answers import Refused
from actors.directory import Directory, Phase, RoomRecord
from actors.errors import Refusal, ResumeExpired, RoomClosed, Unavailable
from actors.faults import described, explained
from actors.ids import RoomId
from actors.outside import Ports
from actors.ports import Cancellable, Eviction, Found, RecordingReason
from actors.questions import look_up
from actors.records import Record, vacant
from actors.recovery import RoomFailed, Wreckage, answer_poison
from actors.reporting import report_failure
from actors.room import RoomActor
from actors.room_rules import PLAIN
from actors.runtime import LoopActor, Mailbox
from actors.turn import OweEviction, OweState
from actors.waiting import wait_s


class RegistryActor(LoopActor):
    """`directory` is that of a predecessor which failed, or an empty one. There is nobody above:
    where a message makes the registry raise, it is dropped and a successor goes on.
    """

    def __init__(self, ports: Ports, directory: Directory) -> None:
        super().__init__()
        self._ports: Final = ports
        self._directory: Final = directory
        self._timer: Cancellable | None = None
        self._timer_due_s = 0.0
        self._failed = False

    # -- the actor

    def on_start(self) -> None:
        for room_id in list(self._directory.loading):  # whose answer a predecessor may have dropped
            found = self._find(room_id)
            if found is not None:
                self._room_found(m.RoomFound(room_id, found))
        self._wait()

    def on_receive(self, message: Any) -> Any:
        handler = _HANDLERS.get(type(message))
        if handler is None:
            return super().on_receive(message)
        try:
            handler(self, message)
        except Refusal as refusal:
            message.outlet.answer(Refused(refusal))
        return None

    def on_turn_end(self) -> None:
        self._wait()

    def on_stop(self) -> None:
        self._stop_waiting()

    def keeps_mailbox_on_failure(self) -> bool:
        return self._failed

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._failed = True
        self._stop_waiting()
        error = None if exception_value is None else explained(exception_value)
        poison = described(self.handling)
        self._ports.log.error("registry_restarted", error=error, poison=poison)
        answer_poison(self.handling)
        RegistryActor.start(self._ports, self._directory, mailbox=self.mailbox)

    # -- joins and resumes that found no live room

    def _enter(self, message: m.Entry) -> None:
        record = self._directory.rooms.get(message.room_id)
        if isinstance(message, m.Check) and (record is None or record.phase is Phase.LOADING):
            look_up(message, self._ports)
        elif record is None:
            assert not isinstance(message, m.Check)
            self._open_for(message)
        elif record.phase is Phase.LIVE:
            self._hand_over(record, message)
        else:
            self._park(record, message)

    def _park(self, record: RoomRecord, message: m.Entry) -> None:
        self._directory.park(record, message, self._ports.settings.parked_joins_max)

    @staticmethod
    def _hand_over(record: RoomRecord, message: m.Entry) -> None:
        if not record.mailbox.offer(message):
            raise Unavailable("the room has too much to do", retry_after_ms=1000)

    def _open_for(self, message: m.Join | m.Resume) -> None:
        """Find out what is kept of the room; `message` waits for that. After the grace since the
        start nobody can resume in a cold room: who was in it has timed out.
        """
        directory = self._directory
        room_id = message.room_id
        until_s = directory.resting.get(room_id)
        now_s = self._ports.clock.monotonic_s()
        if until_s is not None and until_s > now_s:
            wait_ms = round((until_s - now_s) * 1000)
            raise RoomClosed("the room kept failing and rests", retry_after_ms=wait_ms)
        if isinstance(message, m.Resume) and not self._ports.ledger.recall.is_open(now_s):
            raise self._expired()
        if len(directory.rooms) >= self._ports.settings.rooms_max:
            raise Unavailable("the server holds no more rooms", retry_after_ms=5000)
        record = RoomRecord(room_id, Mailbox(self._ports.settings.mailbox_messages_max))
        found = self._find(room_id)
        if found is None:
            directory.rooms[room_id] = record
            directory.loading.add(room_id)  # also where nobody may wait: it is not asked twice
            self._park(record, message)
            return
        if not self._may_enter(message, found):
            raise self._turned_away(found)
        directory.rooms[room_id] = record
        self._spawn(record, found.record)
        self._hand_over(record, message)

    def _find(self, room_id: RoomId) -> Found | None:
        return self._ports.ledger.find(
            room_id, lambda found: self.mailbox.tell(m.RoomFound(room_id, found))
        )

    def _room_found(self, message: m.RoomFound) -> None:
        """Open the room for those who wait, unless none of them can be in it."""
        directory, room_id, found = self._directory, message.room_id, message.found
        record = directory.rooms.get(room_id)
        if record is None or record.phase is not Phase.LOADING:
            return
        spawned, refusal = False, None
        if any(self._may_enter(one, found) for one in record.parked or ()):
            try:
                self._spawn(record, found.record)
                spawned = True
            except Refusal as not_spawned:
                refusal = not_spawned
        directory.loading.discard(room_id)
        waiting = directory.unpark(record)
        if not spawned:
            directory.rooms.pop(room_id, None)
        for one in waiting:
            try:
                if not spawned:
                    raise refusal or self._turned_away(found)
                self._hand_over(record, one)
            except Refusal as no:
                one.outlet.answer(Refused(no))

    def _may_enter(self, message: m.Entry, found: Found) -> bool:
        if not found.known:
            return False
        if isinstance(message, m.Join) or (found.record is not None and found.record.rows):
            return True
        assert isinstance(message, m.Resume)
        now_s = self._ports.clock.monotonic_s()
        return self._ports.ledger.recall.admits(message.stamp, message.socket_id, now_s)

    def _turned_away(self, found: Found) -> Refusal:
        if found.known:  # then it was a resume
            return self._expired()
        return Unavailable("the room cannot be loaded now", retry_after_ms=1000)

    def _expired(self) -> Refusal:
        self._ports.metrics.resume_ended("expired")
        return ResumeExpired("the room is gone, and its players with it")

    # -- spawning and reaping

    def _next_epoch(self) -> int:
        """Rises at every load of any room. Where nothing is stored the clock sees to that (G4);
        a store begins far enough above all of them, and the clock might go back.
        """
        directory = self._directory
        directory.epoch += 1
        if not self._ports.ledger.keeps:
            directory.epoch = max(directory.epoch, self._ports.clock.now_ms())
        return directory.epoch

    def _spawn(self, record: RoomRecord, stored: Record | None) -> None:
        """Raises Unavailable where no room can be made of what is kept; there is then none."""
        room_id, epoch = record.room_id, self._next_epoch()
        try:
            RoomActor.start(
                room_id, epoch, self._ports, self.mailbox, stored=stored, mailbox=record.mailbox
            )
        except Exception as error:  # noqa: BLE001  # nobody knows what is in there
            self._ports.log.error("room_not_loaded", room_id=room_id, error=explained(error))
            self._directory.rooms.pop(room_id, None)
            raise Unavailable("the room cannot be loaded", retry_after_ms=5000) from None
        record.phase = Phase.LIVE
        self._ports.log.debug("room_opened", room_id=room_id, epoch=epoch)

    def _room_emptied(self, message: m.RoomEmptied) -> None:
        if message.room_id in self._directory.rooms:
            due_s = self._ports.clock.monotonic_s() + self._ports.settings.room_idle_s
            self._directory.idle[message.room_id] = due_s
            self._directory.idle.move_to_end(message.room_id)

    def _reap(self, message: "ReapDue") -> None:
        """Ask the rooms that were empty for long enough to end."""
        directory = self._directory
        self._timer = None
        now_s = self._ports.clock.monotonic_s()
        while directory.idle:
            room_id, due_s = next(iter(directory.idle.items()))
            if due_s > now_s:
                break
            del directory.idle[room_id]
            record = directory.rooms.get(room_id)
            if record is not None and record.phase is Phase.LIVE:
                record.phase = Phase.CLOSING
                record.mailbox.tell(m.Close())
        while directory.resting and next(iter(directory.resting.values())) <= now_s:
            directory.resting.popitem(last=False)
        self._expire_parked(now_s)

    def _expire_parked(self, now_s: float) -> None:
        directory = self._directory
        while directory.parked and directory.parked[0][0] <= now_s:
            _, message = directory.parked.popleft()
            record = directory.rooms.get(message.room_id)
            if record is None or not record.parked or message not in record.parked:
                continue
            record.parked.remove(message)
            directory.parked_count -= 1
            refusal = Unavailable("the room took too long", retry_after_ms=1000)
            message.outlet.answer(Refused(refusal))

    def _room_ended(self, message: m.RoomEnded) -> None:
        record = self._directory.rooms.pop(message.room_id, None)
        if record is None:
            return
        self._directory.idle.pop(message.room_id, None)
        self._ports.log.debug("room_reaped", room_id=message.room_id)
        for waiting in self._directory.unpark(record):
            self.mailbox.tell(waiting)

    def _room_busy(self, message: m.RoomBusy) -> None:
        record = self._directory.rooms.get(message.room_id)
        if record is None:
            return
        record.phase = Phase.LIVE
        for waiting in self._directory.unpark(record):
            self.mailbox.tell(waiting)

    # -- supervision

    def _room_failed(self, message: RoomFailed) -> None:
        record = self._directory.rooms.get(message.room_id)
        if record is None:
            self._record(message, RecordingReason.ROOM_LOST)
            return
        settings = self._ports.settings
        now_s = self._ports.clock.monotonic_s()
        since_s = now_s - settings.room_restarts_window_s
        restarts_s = [at_s for at_s in record.restarts_s or () if at_s > since_s]
        restarts_s.append(now_s)
        record.restarts_s = restarts_s
        if len(restarts_s) > settings.room_restarts_max:
            report_failure(message, "room_closed", self._ports.log)
            self._record(message, RecordingReason.ROOM_CLOSED)
            self._rest(record, message, now_s)
            return
        report_failure(message, "room_restarted", self._ports.log)
        self._ports.metrics.room_restarted()
        try:
            RoomActor.start(
                record.room_id,
                self._next_epoch(),
                self._ports,
                self.mailbox,
                message.wreckage,
                message.poison,
                mailbox=record.mailbox,
            )
        except Exception as error:  # noqa: BLE001  # what is left cannot be made a room of
            self._ports.log.error("room_lost", room_id=record.room_id, error=explained(error))
            self._record(message, RecordingReason.ROOM_LOST)
            self._rest(record, message, now_s)
            return
        self._record(message, RecordingReason.ROOM_RESTARTED)
        if isinstance(message.poison, m.Close):  # else it is still to be answered
            self._room_busy(m.RoomBusy(record.room_id))

    def _rest(self, record: RoomRecord, failure: RoomFailed, now_s: float) -> None:
        """Close a room that keeps failing: everybody is told, everything that waits answered."""
        self._ports.audit.note("room_closed", room_id=record.room_id)
        wreckage = failure.wreckage
        directory = self._directory
        del directory.rooms[record.room_id]
        directory.idle.pop(record.room_id, None)
        wait_s = self._ports.settings.room_closed_s
        directory.resting[record.room_id] = now_s + wait_s
        self._ports.census.players -= wreckage.counted
        self._forget(wreckage)
        answer_poison(failure.poison)
        refused = Refused(RoomClosed("the room keeps failing", retry_after_ms=round(wait_s * 1000)))
        for owed in wreckage.turn.owed:
            if isinstance(owed, OweEviction):
                owed.outlet.evict(owed.reason, owed.detail)
            elif not (isinstance(owed, OweState) and owed.reason is not None):  # nobody asked
                owed.outlet.answer(refused)
        for message in [*record.mailbox.close(), *self._directory.unpark(record)]:
            if isinstance(message, m.Request) and not isinstance(message, m.Move):
                message.outlet.answer(refused)
        for member in wreckage.members.values():
            member.outlet.evict(Eviction.CLOSED, "the room kept failing")

    def _forget(self, wreckage: Wreckage) -> None:
        """Nobody sits in a room that is closed, also after a restart."""
        if self._ports.ledger.keeps:
            empty = vacant(wreckage.room_id)
            empty.epoch, empty.version = wreckage.epoch, wreckage.checkpoint.version
            empty.created_at_ms = wreckage.created_at_ms
            empty.last_activity_ms = self._ports.clock.now_ms()
            empty.rules = None if wreckage.rules is PLAIN else wreckage.rules
            self._ports.ledger.note(empty)

    def _record(self, failure: RoomFailed, reason: RecordingReason) -> None:
        """Have the failed room's last inputs written out."""
        if failure.recording is not None:
            self._ports.recordings.keep(replace(failure.recording, reason=reason))

    # -- waiting

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        """One timer for the head of all queues."""
        heads_s = []
        directory = self._directory
        if directory.idle:
            heads_s.append(next(iter(directory.idle.values())))
        if directory.resting:
            heads_s.append(next(iter(directory.resting.values())))
        if directory.parked:
            heads_s.append(directory.parked[0][0])
        if not heads_s:
            return
        due_s = min(heads_s)
        if self._timer is not None:
            if self._timer_due_s <= due_s:
                return
            self._timer.cancel()
        self._timer_due_s = due_s
        delay_s = wait_s(due_s, self._ports.clock.monotonic_s())
        self._timer = self._ports.clock.call_later(delay_s, lambda: self.mailbox.tell(ReapDue()))


@dataclass(frozen=True, slots=True)
class ReapDue:
    """Something that waits in the registry is due."""


_HANDLERS: Final[dict[type, Callable[[RegistryActor, Any], None]]] = {
    m.Join: RegistryActor._enter,
    m.Resume: RegistryActor._enter,
    m.Check: RegistryActor._enter,
    m.RoomFound: RegistryActor._room_found,
    m.RoomEmptied: RegistryActor._room_emptied,
    m.RoomEnded: RegistryActor._room_ended,
    m.RoomBusy: RegistryActor._room_busy,
    RoomFailed: RegistryActor._room_failed,
    ReapDue: RegistryActor._reap,
}
