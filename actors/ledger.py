"""Where rooms are kept beyond their actors, from the loop's side: what waits, flies and failed.

Owns the queue in front of the store. Records of one room merge while they wait, so there is at most
one a room, whatever the disk does; one batch is under way at a time, and what comes meanwhile is
the next one, which makes commits as large as the disk is slow. Knows no room's rules and no SQL.

    waiting --(flush_ms, or at once for a commit)--> under way --> durable
       ^                                                 |
       `---- a fault: what nobody waits for waits again, after store_retry_s; commits are undone
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from actors.ids import RoomId, SocketId
from actors.ports import Cancellable, Clock, Found, Log
from actors.recall import NOBODY, Recall
from actors.records import LONG_KEPT, Record, Stamp
from actors.settings import Durability, Settings
from actors.stores.port import Batch, Opened, StoreFault
from actors.waiting import wait_s


class Forgetful:
    """The ledger of a server that keeps nothing beyond its memory."""

    keeps = False
    commits_first = False
    recall = NOBODY
    trouble: str | None = None

    def find(self, room_id: RoomId, deliver: Callable[[Found], object]) -> Found | None:
        del room_id, deliver
        return _NOTHING

    def note(self, record: Record) -> Stamp:
        del record
        return LONG_KEPT

    def commit(self, record: Record, deliver: Callable[[bool], object]) -> Stamp:
        del record
        deliver(True)
        return LONG_KEPT

    def rows_waiting(self, room_id: RoomId) -> int:
        del room_id
        return 0

    def moved(self, room_id: RoomId, save: Callable[[], object]) -> None:
        """Positions go with the rest."""


_NOTHING: Final = Found()
_ROOMS_KNOWN_MAX: Final = 100_000
"""Of so many rooms it is remembered that there is something to load, some 10 MB of names."""
_ROOMS_AT_ONCE: Final = 500
"""Of so many rooms the positions are taken before the loop goes on: some 2 ms."""


class StoreThread(Protocol):
    """The store behind its thread, as `actors.stores.keeper.Keeper` has it."""

    def load(
        self, room_id: RoomId, deliver: Callable[[Record | StoreFault | None], object]
    ) -> None: ...
    def write(
        self,
        batch: Batch,
        deliver: Callable[[StoreFault | None], object],
        untidy: Callable[[StoreFault], object],
    ) -> None: ...
    def settle(self, deliver: Callable[[StoreFault | None], object]) -> None: ...


class StoreMetrics(Protocol):
    """What is counted of the store."""

    def store_committed(self, records: int, seconds: float) -> None: ...
    def store_failed(self, code: str) -> None: ...


@dataclass(slots=True)
class _Commit:
    """Somebody waits for a record to be durable. `mark` is that of its batch."""

    room_id: RoomId
    mark: int
    deadline_s: float
    deliver: Callable[[bool], object] | None
    """None once it was told."""


class StoreLedger:
    """The ledger in front of a store. `opened` is what the store knew at the start."""

    keeps = True

    def __init__(
        self,
        store: StoreThread,
        opened: Opened,
        clock: Clock,
        settings: Settings,
        log: Log,
        metrics: StoreMetrics,
    ) -> None:
        self.commits_first: Final = settings.durability is Durability.JOURNAL
        now_s = clock.monotonic_s()
        self.recall: Final = Recall(
            opened.gaps, opened.recalled, opened.run, now_s + settings.resume_grace_s
        )
        self._store: Final = store
        self._clock: Final = clock
        self._settings: Final = settings
        self._log: Final = log
        self._metrics: Final = metrics
        self._run: Final = opened.run
        self._mark = opened.mark + 1
        self._known = None if opened.rooms is None else set(opened.rooms)
        """All rooms that the store may have; None where they are too many to remember."""
        self._waiting: dict[RoomId, Record] = {}
        self._flying: dict[RoomId, Record] | None = None
        self._flying_since_s = 0.0
        self._commits: deque[_Commit] = deque()
        self._spent: dict[RoomId, tuple[SocketId, ...]] = {}
        """Tokens that stay spent though the record that said so was dropped."""
        self._movers: dict[RoomId, Callable[[], object]] = {}
        self._flush_timer: Cancellable | None = None
        self._stall_timer: Cancellable | None = None
        self._commit_timer: Cancellable | None = None
        self._save_timer: Cancellable | None = None
        self._settle_timer: Cancellable | None = clock.call_later(
            settings.resume_grace_s, self._settle
        )
        self._trouble: str | None = None
        self._trouble_since_s = 0.0
        self._held_back = False
        self._on_idle: Callable[[], object] | None = None

    @property
    def trouble(self) -> str | None:
        """`stalled` or `failing` while writes do not get through, else None."""
        return self._trouble

    @property
    def rooms_waiting(self) -> int:
        """Rooms with changes that are not durable yet."""
        return len(self._waiting) + len(self._flying or ())

    # -- the Ledger port

    def find(self, room_id: RoomId, deliver: Callable[[Found], object]) -> Found | None:
        # What waits of a cold room is whole: it ended with that.
        for records in (self._waiting, self._flying):
            record = records.get(room_id) if records else None
            if record is not None and record.whole:
                return Found(record)
        if self._trouble is not None and len(self._waiting) >= self._settings.rooms_max:
            return Found(known=False)
        if self._known is not None and room_id not in self._known:
            return _NOTHING
        self._store.load(room_id, lambda outcome: deliver(self._found(room_id, outcome)))
        return None

    def note(self, record: Record) -> Stamp:
        if self._spent:
            spent = self._spent.pop(record.room_id, ())
            record.recalled += tuple(filter(self.recall.seated, spent))  # others were undone
        if self._known is not None:
            self._known.add(record.room_id)
            if len(self._known) > _ROOMS_KNOWN_MAX:
                self._known = None
        waiting = self._waiting.setdefault(record.room_id, record)
        if waiting is not record:
            waiting.absorb(record)
        if self._flush_timer is None and self._flying is None and not self._held_back:
            self._flush_later()
        return Stamp(self._run, self._mark)

    def commit(self, record: Record, deliver: Callable[[bool], object]) -> Stamp:
        stamp = self.note(record)
        deadline_s = self._clock.monotonic_s() + self._settings.commit_timeout_s
        self._commits.append(_Commit(record.room_id, stamp.mark, deadline_s, deliver))
        if self._commit_timer is None:
            self._commit_timer = self._clock.call_later(
                self._settings.commit_timeout_s, self._give_up
            )
        if not self._held_back:
            self.flush()
        return stamp

    def rows_waiting(self, room_id: RoomId) -> int:
        record = self._waiting.get(room_id)
        return len(record.rows) if record is not None else 0

    def moved(self, room_id: RoomId, save: Callable[[], object]) -> None:
        self._movers[room_id] = save
        if self._save_timer is None:
            self._save_timer = self._clock.call_later(
                self._settings.position_save_s, self._save_positions
            )

    def unwritten(self) -> Iterable[Record]:
        """What was not handed to the store yet. It may be changed."""
        return self._waiting.values()

    # -- the end

    def drain(self, on_idle: Callable[[], object]) -> None:
        """Write all that there is; `on_idle` is called once, when nothing waits any more."""
        while self._movers:
            self._save_positions()
        self._on_idle = on_idle
        self._held_back = False
        self.flush()
        self._look_idle()

    def stop(self) -> None:
        """Nothing is written any more."""
        for timer in (
            self._flush_timer,
            self._stall_timer,
            self._commit_timer,
            self._save_timer,
            self._settle_timer,
        ):
            if timer is not None:
                timer.cancel()

    # -- writing

    def flush(self) -> None:
        """Begin to write what waits, unless a batch is under way: it then follows that."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._flying is not None or not self._waiting:
            return
        self._flying, self._waiting = self._waiting, {}
        batch = Batch(self._mark, list(self._flying.values()))
        self._mark += 1
        self._flying_since_s = self._clock.monotonic_s()
        self._stall_timer = self._clock.call_later(self._settings.store_stall_s, self._stalled)
        self._store.write(batch, lambda fault: self._written(batch, fault), self._untidy)

    def _written(self, batch: Batch, fault: StoreFault | None) -> None:
        flying, self._flying = self._flying, None
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        assert flying is not None
        if fault is None:
            seconds = self._clock.monotonic_s() - self._flying_since_s
            self._metrics.store_committed(len(batch.records), seconds)
            self._recovered()
        else:
            undone = {commit.room_id for commit in self._commits if commit.mark == batch.mark}
            for room_id, record in flying.items():
                if room_id not in undone:
                    self._wait_again(record)
                else:
                    self._keep_spent(record)
            self._failed(fault)
            self._held_back = True
            self._flush_later(self._settings.store_retry_s)
        self._tell(batch.mark, fault is None)
        if fault is None and self._waiting:
            if self._commits or self._on_idle is not None:
                self.flush()
            elif self._flush_timer is None:
                self._flush_later()
        self._look_idle()

    def _wait_again(self, record: Record) -> None:
        newer = self._waiting.get(record.room_id)
        if newer is not None:
            record.absorb(newer)
        self._waiting[record.room_id] = record

    def _flush_later(self, delay_s: float | None = None) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        if delay_s is None:
            delay_s = self._settings.flush_ms / 1000
        self._flush_timer = self._clock.call_later(delay_s, self._flush_due)

    def _flush_due(self) -> None:
        self._flush_timer = None
        self._held_back = False
        self.flush()

    def _save_positions(self) -> None:
        if self._save_timer is not None:
            self._save_timer.cancel()
            self._save_timer = None
        for room_id in list(islice(self._movers, _ROOMS_AT_ONCE)):
            self._movers.pop(room_id)()
        if self._movers:  # others have their turn in between
            self._save_timer = self._clock.call_later(0, self._save_positions)

    def _look_idle(self) -> None:
        if self._on_idle is not None and self._flying is None and not self._waiting:
            on_idle, self._on_idle = self._on_idle, None
            on_idle()

    # -- those who wait

    def _tell(self, mark: int, done: bool) -> None:
        """Tell those who wait for the batch `mark`; they stand first, since marks rise."""
        commits = self._commits
        while commits and commits[0].mark <= mark:
            deliver = commits.popleft().deliver
            if deliver is not None:
                deliver(done)

    def _give_up(self) -> None:
        """Whoever waited for too long undoes; the batch may be durable all the same, until the
        room's next record, which is whole.
        """
        self._commit_timer = None
        now_s = self._clock.monotonic_s()
        late = [commit for commit in self._commits if commit.deadline_s <= now_s and commit.deliver]
        grounded = {commit.room_id for commit in late if commit.mark == self._mark}
        for room_id in grounded:  # not even under way: it never is, and what is noted next may be
            dropped = self._waiting.pop(room_id, None)
            if dropped is not None:
                self._keep_spent(dropped)
        self._commits = deque(
            commit
            for commit in self._commits
            if not (commit.mark == self._mark and commit.room_id in grounded)
        )
        for commit in late:
            deliver, commit.deliver = commit.deliver, None
            assert deliver is not None
            deliver(False)
        waiting_s = [commit.deadline_s for commit in self._commits if commit.deliver]
        if waiting_s and self._commit_timer is None:
            self._commit_timer = self._clock.call_later(wait_s(waiting_s[0], now_s), self._give_up)

    def _keep_spent(self, dropped: Record) -> None:
        if dropped.recalled:
            self._spent[dropped.room_id] = self._spent.get(dropped.room_id, ()) + dropped.recalled

    # -- trouble

    def _stalled(self) -> None:
        self._stall_timer = None
        if self._trouble is not None:  # it is known that writes do not get through
            return
        self._in_trouble("stalled")
        self._log.warn(
            "store_stalled",
            duration_ms=round((self._clock.monotonic_s() - self._flying_since_s) * 1000),
            roomsWaiting=self.rooms_waiting,
        )

    def _failed(self, fault: StoreFault) -> None:
        self._metrics.store_failed(fault.code)
        if self._trouble != "failing":
            self._log.error("store_failed", error=str(fault), roomsWaiting=self.rooms_waiting)
        self._in_trouble("failing")

    def _untidy(self, fault: StoreFault) -> None:
        """What was not folded stays in the journal, and is tried again."""
        self._metrics.store_failed(fault.code)
        self._log.error("store_not_tidied", error=str(fault))

    def _in_trouble(self, trouble: str) -> None:
        if self._trouble is None:
            self._trouble_since_s = self._clock.monotonic_s()
        self._trouble = trouble

    def _recovered(self) -> None:
        if self._trouble is not None:
            lasted_s = self._clock.monotonic_s() - self._trouble_since_s
            self._trouble = None
            self._log.info("store_recovered", duration_ms=round(lasted_s * 1000))

    # -- the other calls

    def _found(self, room_id: RoomId, outcome: Record | StoreFault | None) -> Found:
        if isinstance(outcome, StoreFault):
            self._metrics.store_failed(outcome.code)
            self._log.error("room_not_loaded", room_id=room_id, error=str(outcome))
            return Found(known=False)
        return Found(outcome)

    def _settle(self) -> None:
        self._settle_timer = None
        self._store.settle(self._settled)

    def _settled(self, fault: StoreFault | None) -> None:
        if fault is not None:  # until then a start remembers more than it needs to, and no less
            self._untidy(fault)
            self._settle_timer = self._clock.call_later(self._settings.store_retry_s, self._settle)
