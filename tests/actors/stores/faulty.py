"""A store with bad days: errors, delays, stalls and crashes, at the calls that a test names.

Owns no rooms: everything goes to the store that it wraps, unless the test says otherwise. A call is
named by its method and its number, counted from 1 for each method.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from actors.ids import RoomId
from actors.records import Record
from actors.stores.port import Batch, Opened, Store

PATIENCE_S: Final = 60
"""Longest wait of a stalled call; only a hanging test gets there."""

Call: TypeAlias = tuple[str, int]


class Crashed(Exception):
    """The process is gone: no call of it reaches the store any more."""


class FaultyStore:
    """`store`, but: a call in `errors` raises instead of being done, one in `stalls` waits for its
    event first, and `delay` is called before each with its method. After `crash_after_writes` whole
    writes nothing is done any more, not even `close`.
    """

    def __init__(
        self,
        store: Store,
        *,
        errors: Mapping[Call, Exception] | None = None,
        stalls: Mapping[Call, threading.Event] | None = None,
        delay: Callable[[str], object] | None = None,
        crash_after_writes: int | None = None,
    ) -> None:
        self.inner: Final = store
        self.calls: Final[list[str]] = []
        self.threads: Final[set[threading.Thread]] = set()
        self._errors: Final = dict(errors or {})
        self._stalls: Final = dict(stalls or {})
        self._delay: Final = delay
        self._writes_left = crash_after_writes
        self._counts: Final[Counter[str]] = Counter()

    def open(self, now_ms: int) -> Opened:
        self._begin("open")
        return self.inner.open(now_ms)

    def load(self, room_id: RoomId) -> Record | None:
        self._begin("load")
        return self.inner.load(room_id)

    def write(self, batch: Batch) -> None:
        self._begin("write")
        self.inner.write(batch)
        if self._writes_left is not None:
            self._writes_left -= 1

    def settle(self) -> None:
        self._begin("settle")
        self.inner.settle()

    def tidy(self) -> bool:
        self._begin("tidy")
        return self.inner.tidy()

    def close(self) -> None:
        self._begin("close")
        self.inner.close()

    def _begin(self, method: str) -> None:
        self.calls.append(method)
        self.threads.add(threading.current_thread())
        self._counts[method] += 1
        if self._delay is not None:
            self._delay(method)
        call = (method, self._counts[method])
        if call in self._stalls:
            assert self._stalls[call].wait(PATIENCE_S)
        if self._writes_left == 0:
            raise Crashed(method)
        if call in self._errors:
            raise self._errors[call]
