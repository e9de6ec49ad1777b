"""The audit from the loop's side: what waits for the disk, and what happens when that is too much.

Owns the AuditLog port. The loop does nothing but note; entries are made into lines, chained and
flushed by a writer on its thread, a batch at a time. Nobody waits for it and nothing is lost
without a word: beyond `audit_waiting_max` entries are counted, and where they would have stood the
audit says how many.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from actors.audit.book import AuditFault
from actors.audit.chain import Link
from actors.audit.port import Entry, Gap, Happening, Item, Told
from actors.audit.refusals import AUDITED, WINDOW_S, Refusals
from actors.ids import RoomId, SocketId
from actors.ports import Cancellable, Clock, Log
from actors.settings import Settings

BATCH_MAX: Final = 1_000
"""So many entries are written together at most, and not later than when there are so many."""
ANCHOR_S: Final = 3600.0
"""The log is told so often where the chain ends."""
UNAUDITED_FACTS: Final = frozenset({"player_readied"})
"""No access, and no change of it."""


class AuditWriter(Protocol):
    """The thread that has the book. `deliver` is called on the loop, in the order asked, with the
    outcome or the fault.
    """

    def write(
        self, items: Sequence[Item], now_ms: int, deliver: Callable[[Link | AuditFault], object]
    ) -> None: ...

    def forget(
        self, user_id: str, now_ms: int, deliver: Callable[[bool | AuditFault], object]
    ) -> None: ...


class AuditMetrics(Protocol):
    """What is counted of an audit."""

    def audit_entries(self, outcome: str, count: int) -> None:
        """`written` or `dropped`."""
        ...


class AuditTrail:
    """`drain` it before the end."""

    def __init__(
        self,
        writer: AuditWriter,
        clock: Clock,
        settings: Settings,
        log: Log,
        metrics: AuditMetrics,
    ) -> None:
        self._writer: Final = writer
        self._clock: Final = clock
        self._log: Final = log
        self._metrics: Final = metrics
        self._flush_s: Final = settings.audit_flush_ms / 1000
        self._retry_s: Final = settings.store_retry_s
        self._stall_s: Final = settings.store_stall_s
        self._waiting_max: Final = settings.audit_waiting_max
        self._waiting: deque[Item] = deque()
        self._batch: Sequence[Item] = ()
        """What is being written, or could not be and will be again."""
        self._timer: Cancellable | None = None
        self._is_writing = False
        self._gap: Gap | None = None
        """The one that is still growing, at the end of what waits."""
        self._refusals: Final = Refusals()
        self._window: Cancellable | None = None
        self._put_total = self._done_total = 0
        self._awaited: deque[tuple[int, Callable[[], object]]] = deque()
        """Who waits until so many are on the disk."""
        self._stall: Cancellable | None = None
        self._has_failed = False
        self._link: Link | None = None
        self._anchor_s = float("-inf")
        self.trouble: str | None = None
        """What keeps entries from the disk, while something does."""

    @property
    def waiting(self) -> int:
        """Entries that are not on the disk yet."""
        return len(self._waiting) + len(self._batch)

    # -- the port

    def told(self, room_id: RoomId, epoch: int, facts: Sequence[Happening]) -> None:
        now_ms = self._clock.now_ms()
        for fact in facts:
            if fact.event not in UNAUDITED_FACTS:
                self._put(Told(now_ms, room_id, epoch, fact))

    def note(
        self,
        event: str,
        *,
        room_id: RoomId | None = None,
        socket_id: SocketId | None = None,
        person: str | None = None,
        personal: Mapping[str, object] | None = None,
        **details: object,
    ) -> None:
        now_ms = self._clock.now_ms()
        self._put(Entry(now_ms, event, room_id, socket_id, person, personal or {}, details))

    def refused(
        self, code: str, room_id: RoomId | None, socket_id: SocketId, person: str | None
    ) -> None:
        if code not in AUDITED:
            return
        entry = self._refusals.note(self._clock.now_ms(), code, room_id, socket_id, person)
        if entry is not None:
            self._put(entry)
            if self._window is None:
                self._window = self._clock.call_later(WINDOW_S, self._end_window)

    # -- for its owner

    def forget(self, user_id: str, deliver: Callable[[bool | AuditFault], object]) -> None:
        """Make unreadable what the audit tells of a person, what waits now included; `deliver`
        whether there was anything, or the fault that left all as it was.
        """
        self.drain(lambda: self._writer.forget(user_id, self._clock.now_ms(), deliver))

    def keep(self, entries: Sequence[Entry], done: Callable[[], object]) -> None:
        """Write `entries` now, and call `done` when they are on the disk. None of them is ever
        counted in place of being written: they are kept elsewhere until then, and whoever keeps
        them bounds their number.
        """
        for entry in entries:
            self._gap = None
            self._append(entry)
        self.drain(done)

    def anchor(self) -> None:
        """Tell the log where the chain ends. Whoever has both the files and the key can write
        another chain, but not one that ends so, once the log is elsewhere.
        """
        if self._link is not None:
            self._anchor_s = self._clock.monotonic_s() + ANCHOR_S
            self._log.info("audit_anchored", record=f"{self._link.number}:{self._link.mac.hex()}")

    def drain(self, done: Callable[[], object]) -> None:
        """Write what waits, now, and call `done` when that is on the disk, whatever comes after."""
        self._end_window()
        if self._put_total == self._done_total:
            done()
            return
        self._awaited.append((self._put_total, done))
        if not self._is_writing:
            self._hand_over()

    def stop(self, cut_off: int) -> None:
        """The last entry: the server stops, and so many connections were cut off."""
        self._end_window()
        self.note("server_stopped", cutOff=cut_off)

    async def settle(self, timeout_s: float) -> bool:
        """Drain, within `timeout_s`; whether all is on the disk."""
        done = asyncio.Event()
        self.drain(done.set)
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), timeout_s)
        return done.is_set()

    # -- inside

    def _put(self, item: Item) -> None:
        if self.waiting >= self._waiting_max:
            self._lose(item.at_ms if not isinstance(item, Gap) else item.until_ms)
            return
        self._gap = None
        self._append(item)

    def _append(self, item: Item) -> None:
        self._put_total += 1
        self._waiting.append(item)
        if self._is_writing or self._batch:  # the end of that, or of the pause after it, is near
            return
        if len(self._waiting) == BATCH_MAX:
            # Not at once: a room's turn is to know nothing of a writer that has ended.
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._clock.call_later(0, self._hand_over)
        elif self._timer is None:
            self._timer = self._clock.call_later(self._flush_s, self._hand_over)

    def _lose(self, at_ms: int) -> None:
        self._metrics.audit_entries("dropped", 1)
        if self._gap is None:
            self._gap = Gap(1, at_ms, at_ms)
            self._append(self._gap)
            self._log.warn("audit_entries_dropped", waiting=self.waiting)
        else:
            self._gap.count += 1
            self._gap.until_ms = at_ms

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._batch:
            waiting = self._waiting
            self._batch = [waiting.popleft() for _ in range(min(len(waiting), BATCH_MAX))]
            if not waiting:
                self._gap = None
        if self._batch:
            self._is_writing = True
            self._stall = self._clock.call_later(self._stall_s, self._stalled)
            self._writer.write(self._batch, self._clock.now_ms(), self._written)

    def _written(self, outcome: Link | AuditFault) -> None:
        self._is_writing = False
        if self._stall is not None:
            self._stall.cancel()
        if isinstance(outcome, AuditFault):
            if not self._has_failed:
                self._log.error("audit_failed", error=str(outcome), waiting=self.waiting)
            self._has_failed = True
            self.trouble = str(outcome)
            self._timer = self._clock.call_later(self._retry_s, self._hand_over)
            return
        if self.trouble is not None:
            self.trouble, self._has_failed = None, False
            self._log.info("audit_recovered", waiting=len(self._waiting))
        self._metrics.audit_entries("written", len(self._batch))
        self._done_total += len(self._batch)
        self._batch = ()
        self._link = outcome
        if self._clock.monotonic_s() >= self._anchor_s:
            self.anchor()
        while self._awaited and self._awaited[0][0] <= self._done_total:
            self._awaited.popleft()[1]()
        if self._is_writing:  # somebody who had waited asked for more
            return
        if self._awaited or len(self._waiting) >= BATCH_MAX:
            self._hand_over()
        elif self._waiting and self._timer is None:
            self._timer = self._clock.call_later(self._flush_s, self._hand_over)

    def _stalled(self) -> None:
        if self.trouble is None:
            self.trouble = f"a write takes longer than {self._stall_s:g} s"
            self._log.warn("audit_stalled", waiting=self.waiting)

    def _end_window(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._window = None
        for entry in self._refusals.close():
            self._put(entry)
