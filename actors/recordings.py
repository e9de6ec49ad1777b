"""Recordings as files: the gate in front of the folder, and the thread that writes there. With
runtime.py, futures.py and stores/keeper.py, all that imports pykka.

Owns how many may be written, wait and be kept, and what a file is called. Nothing that the disk
does reaches a room: what cannot be written is counted, and told once. Knows no room's rules.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pykka

from actors.ids import RoomId
from actors.ports import Clock, Log, Recording, RecordingReason
from actors.settings import Settings
from actors.stores.codec import dumps

FOLDER_NAME: Final = "recordings"
"""In the data folder."""
WAITING_MAX: Final = 16
"""So many recordings wait for the disk; beyond, they are dropped. Half of the places are for rooms
that failed: whoever makes one fail cannot have that dropped by being wrong about many others.
"""
_ROOM_CHARS_MAX: Final = 48
_DRAFT: Final = ".new"
_REASONS: Final = "|".join(reason.value for reason in RecordingReason)
_NAME: Final = re.compile(rf"\d{{8}}T\d{{9}}Z-[A-Za-z0-9_-]+-({_REASONS})(-\d+)?\.json")


class RecordingMetrics(Protocol):
    """What is counted of recordings."""

    def recording_ended(self, outcome: str) -> None:
        """`written`, `failed` or `dropped`."""
        ...


class FolderRecordings:
    """The Recordings port. The folder and the thread are made when the first one is kept."""

    keeps = True

    def __init__(
        self, folder: Path, settings: Settings, clock: Clock, log: Log, metrics: RecordingMetrics
    ) -> None:
        self._folder: Final = folder
        self._files_max: Final = settings.recordings_max
        self._interval_s: Final = settings.recording_interval_s
        self._clock: Final = clock
        self._log: Final = log
        self._metrics: Final = metrics
        self._loop: Final = asyncio.get_running_loop()
        self._actor: pykka.ActorRef[_Writer] | None = None
        self._is_closed = False
        self._waiting = 0
        self._failures: deque[float] = deque()
        """When rooms that failed were written lately."""
        self._mistaken: dict[RoomId, float] = {}
        """The same of those that somebody was wrong about, by room, oldest first."""
        self._dropped_s = float("-inf")

    def keep(self, recording: Recording) -> None:
        if not self._admits(recording):
            self._drop(recording)
            return
        self._waiting += 1
        if self._actor is None:
            try:
                self._actor = _Writer.start(self._loop)
            except RuntimeError as error:  # the system grants no thread
                self._written(recording, error)
                return
        self._actor.tell(
            _Write(
                lambda: write(self._folder, recording, self._files_max),
                lambda outcome: self._written(recording, outcome),
            )
        )

    async def close(self, timeout_s: float) -> bool:
        """Write what waits, within `timeout_s`, and nothing more; whether all of it was."""
        self._is_closed = True
        if self._actor is None:
            return True
        ended: asyncio.Future[object] = self._loop.create_future()

        def deliver(outcome: object) -> None:
            if not ended.done():
                ended.set_result(outcome)

        self._actor.tell(_End(deliver))
        with suppress(TimeoutError):
            await asyncio.wait_for(ended, timeout_s)
        return self._waiting == 0

    # -- inside

    def _admits(self, recording: Recording) -> bool:
        """Whether it may be written now. For each of the two kinds of reason, a folder full in an
        interval; of one room that somebody was wrong about, one.
        """
        now_s = self._clock.monotonic_s()
        since_s = now_s - self._interval_s
        is_failure = recording.reason is not RecordingReason.STATE_INVALID
        if self._is_closed or self._waiting >= (WAITING_MAX if is_failure else WAITING_MAX // 2):
            return False
        if is_failure:
            failures = self._failures
            while failures and failures[0] <= since_s:
                failures.popleft()
            if len(failures) >= self._files_max:
                return False
            failures.append(now_s)
            return True
        mistaken = self._mistaken
        while mistaken and (oldest := next(iter(mistaken)), mistaken[oldest])[1] <= since_s:
            del mistaken[oldest]
        if recording.room_id in mistaken or len(mistaken) >= self._files_max:
            return False
        mistaken[recording.room_id] = now_s
        return True

    def _drop(self, recording: Recording) -> None:
        """Count it, and tell of it if it is the first for a while."""
        self._metrics.recording_ended("dropped")
        now_s, before_s = self._clock.monotonic_s(), self._dropped_s
        self._dropped_s = now_s
        if now_s - before_s >= self._interval_s:
            self._log.warn(
                "recordings_dropped", room_id=recording.room_id, reason=recording.reason.value
            )

    def _written(self, recording: Recording, outcome: object) -> None:
        self._waiting -= 1
        if isinstance(outcome, Path):
            self._metrics.recording_ended("written")
            self._log.info(
                "recording_written",
                room_id=recording.room_id,
                reason=recording.reason.value,
                path=str(outcome),
                inputs=recording.inputs,
            )
        else:
            self._metrics.recording_ended("failed")
            self._log.error(
                "recording_not_written",
                room_id=recording.room_id,
                reason=recording.reason.value,
                error=str(outcome),
            )


# -- on the thread


@dataclass(frozen=True, slots=True)
class _Write:
    """Do `work` on the thread, then `deliver` the path or what went wrong on the loop."""

    work: Callable[[], Path]
    deliver: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class _End:
    """All that was asked is done: end the thread."""

    deliver: Callable[[object], object]


class _Writer(pykka.ThreadingActor):
    """One file after the other."""

    use_daemon_thread = True  # a stalled disk does not keep the process from ending

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def on_receive(self, message: Any) -> Any:
        outcome: object = None
        if isinstance(message, _Write):
            try:
                outcome = message.work()
            except Exception as error:  # noqa: BLE001  # the thread outlives any disk, and any bug
                outcome = f"{type(error).__name__}: {error}"
        else:
            self.stop()
        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            self._loop.call_soon_threadsafe(message.deliver, outcome)


def write(folder: Path, recording: Recording, files_max: int) -> Path:
    """Write one file, readable for its owner alone, and remove what is too many. Raises OSError.

    It has its name when it is whole: what is cut off half-way stays a draft, which the next call
    removes.
    """
    body = dumps(recording.document())
    folder.mkdir(mode=0o700, exist_ok=True)
    path = _free(folder, recording)
    draft = folder / f".{path.name}{_DRAFT}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    with suppress(OSError):  # it is written; what could not be removed is tried again
        prune(folder, files_max, path.name)
    return path


def prune(folder: Path, files_max: int, newest: str) -> None:
    """Remove the oldest beyond `files_max`, but never `newest`: first those that clients caused,
    so that nobody can push out what is known of a crash. Other files are left alone.
    """
    names = sorted(entry.name for entry in folder.iterdir())
    for name in names:
        if name.startswith(".") and name.endswith(f".json{_DRAFT}"):
            (folder / name).unlink()
    ours = [found for name in names if (found := _NAME.fullmatch(name))]
    going = [found for found in ours if found[0] != newest]
    going.sort(key=lambda found: found[1] != RecordingReason.STATE_INVALID.value)
    for found in going[: max(0, len(ours) - files_max)]:
        (folder / found[0]).unlink()


def _free(folder: Path, recording: Recording) -> Path:
    """A name that no file has: sorted by name they are sorted by time."""
    at = datetime.fromtimestamp(recording.made_ms / 1000, UTC)
    time = at.strftime("%Y%m%dT%H%M%S") + f"{recording.made_ms % 1000:03}Z"
    room = re.sub(r"[^A-Za-z0-9_-]", "_", recording.room_id)[:_ROOM_CHARS_MAX]
    stem = f"{time}-{room}-{recording.reason.value}"
    path, number = folder / f"{stem}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.json"
    return path
