"""Finished lines to a file descriptor, on a thread of their own, so that no caller ever waits.

Owns the queue between the event loop and a slow, blocked or broken output, and its bounds: lines,
bytes, and the time that closing takes. Knows nothing of what a line says.

    IDLE -- a line --> BUSY: write, gather, write ... -- nothing came --> IDLE
                       BUSY -- the output is gone, or closing took too long --> BROKEN
"""

import errno
from collections.abc import Callable
from enum import Enum, auto
from threading import Condition, Event, RLock, Thread
from time import sleep
from typing import Final

_WAITING_BYTES_MAX: Final = 16 * 1_048_576
_WRITE_BYTES_MAX: Final = 262_144
_FULL_RETRY_S: Final = 0.01
# The reader is gone for good. Others, such as a full disk, may pass.
_GONE: Final = frozenset({errno.EPIPE, errno.EBADF, errno.EIO, errno.ECONNRESET, errno.ENXIO})


class _State(Enum):
    IDLE = auto()
    BUSY = auto()
    BROKEN = auto()


class LogWriter:
    """Takes lines from any thread; one daemon thread calls `write(data) -> how many were taken`.

    A first line is written at once; lines that come within `gather_s` of a write share the next
    one. At most `lines_max` lines and 16 MiB wait or are being written. What does not fit, or
    cannot be written, is dropped and counted; `tell_dropped(count)` makes the line that says so,
    which is written when there is room again.
    """

    def __init__(
        self,
        write: Callable[[bytes], int],
        lines_max: int,
        tell_dropped: Callable[[int], bytes],
        gather_s: float = 0.05,
    ) -> None:
        self._write = write
        self._lines_max = lines_max
        self._tell_dropped = tell_dropped
        self._gather_s = gather_s
        # Reentrant: a finalizer that runs here and now may have something to log. Taken by itself
        # where nobody waits, since a Condition's way to it costs more than all the rest of a `put`.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._closing = Event()
        # Under the lock:
        self._state = _State.BUSY
        self._waiting: list[bytes] = []
        self._lines = 0  # waiting or being written, and their bytes
        self._bytes = 0
        self._untold = 0
        self._dropped_total = 0
        self._worker = Thread(target=self._run, name="log-writer", daemon=True)
        self._worker.start()

    @property
    def dropped_total(self) -> int:
        """Lines dropped so far; only rises."""
        return self._dropped_total

    def put(self, line: bytes) -> None:
        """Queue one line with its end, or drop it. O(1), never blocks on the output."""
        with self._lock:
            if (
                self._lines >= self._lines_max
                or self._bytes + len(line) > _WAITING_BYTES_MAX
                or self._state is _State.BROKEN
            ):
                self._untold += 1
                self._dropped_total += 1
                return
            self._waiting.append(line)
            self._lines += 1
            self._bytes += len(line)
            if self._state is _State.IDLE:
                self._state = _State.BUSY
                self._changed.notify()

    def close(self, timeout_s: float) -> bool:
        """Write what waits, `timeout_s` at most. False when that was too short or output broke."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._worker.join(timeout_s)
        with self._changed:
            done = not self._lines and self._state is not _State.BROKEN
            self._state = _State.BROKEN  # nobody writes any more: later lines are dropped
        return done

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._untold and not self._closing.is_set():
                    self._state = _State.IDLE
                    self._changed.wait()
                if self._state is _State.BROKEN:
                    return
                self._state = _State.BUSY
                batch, self._waiting = self._waiting, []
                untold, self._untold = self._untold, 0
            if not batch and not untold:
                return  # closing, and all is written
            self._deliver(batch, untold)
            self._closing.wait(self._gather_s)

    def _deliver(self, batch: list[bytes], untold: int) -> None:
        """Write the batch and then, since what was dropped came after it, what was dropped."""
        data = b"".join(batch)
        told = self._tell_dropped(untold) if untold else b""
        written, error = self._write_all(data + told)
        with self._changed:
            self._lines -= len(batch)
            self._bytes -= len(data)
            if error is None:
                return
            lost = data.count(b"\n", written)
            self._dropped_total += lost
            self._untold += lost + untold
            if error in _GONE or self._closing.is_set():
                self._state = _State.BROKEN

    def _write_all(self, data: bytes) -> tuple[int, int | None]:
        """How many bytes were taken, and the errno that ended it early, if any."""
        done = 0
        while done < len(data):
            try:
                done += self._write(data[done : done + _WRITE_BYTES_MAX])
            except BlockingIOError:  # an output that somebody made non-blocking, and it is full
                sleep(_FULL_RETRY_S)
            except OSError as failure:
                return done, failure.errno or errno.EIO
        return done, None
