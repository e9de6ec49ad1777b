"""Recordings as files: the gate in front of the folder, and the thread that writes there. With
runtime.py, futures.py, stores/keeper.py and audit/writer.py, all that imports pykka.

Owns how many may be written, wait and be kept, and what a file is called. Nothing that the disk
does reaches a room: what cannot be written is counted, and told once. Knows no room's rules.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pykka

from actors.ids import RoomId
from actors.ports import Clock, Log, Recording, RecordingReason
from actors.sealed_recordings import CLEAR_END, SEALED_END, body_in, key_used, sealed_body, tag_of
from actors.sealing import Seal
from actors.settings import Settings
from actors.stores.codec import dumps, loads

FOLDER_NAME: Final = "recordings"
"""In the data folder."""
WAITING_MAX: Final = 16
"""So many recordings wait for the disk; beyond, they are dropped. Half of the places are for rooms
that failed: whoever makes one fail cannot have that dropped by being wrong about many others.
"""
_ROOM_CHARS_MAX: Final = 48
DRAFT: Final = ".new"
_REASONS: Final = "|".join(reason.value for reason in RecordingReason)
NAME: Final = re.compile(rf"\d{{8}}T\d{{9}}Z-[A-Za-z0-9_-]+-({_REASONS})(-\d+)?\.(json|sealed)")


class RecordingMetrics(Protocol):
    """What is counted of recordings."""

    def recording_ended(self, outcome: str) -> None:
        """`written`, `failed` or `dropped`."""
        ...


class FolderRecordings:
    """The Recordings port. The folder and the thread are made when the first one is kept."""

    keeps = True

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        clock: Clock,
        log: Log,
        metrics: RecordingMetrics,
        seal: Callable[[], Seal | None] = lambda: None,
    ) -> None:
        self._folder: Final = folder
        self._files_max: Final = settings.recordings_max
        self._interval_s: Final = settings.recording_interval_s
        self._clock: Final = clock
        self._log: Final = log
        self._metrics: Final = metrics
        self._seal: Final = seal
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
        seal = self._seal()
        self._do(
            lambda: write(self._folder, recording, self._files_max, seal),
            lambda outcome: self._written(recording, outcome),
        )

    def reseal(self) -> None:
        """Have those that there are sealed with the newest key, one after the other."""
        seal = self._seal()
        if seal is None or self._is_closed or not self._folder.is_dir():
            return
        paths: list[Path] = []  # looked for behind those that still wait with the seal before

        def done(outcome: object) -> None:
            if outcome is not None:
                path = str(self._folder)
                self._log.error("recording_not_sealed", path=path, error=str(outcome))
            self._reseal(seal, iter(paths))

        self._do(lambda: paths.extend(without_drafts(self._folder)), done)

    def ask(self, work: Callable[[], object], deliver: Callable[[object], object]) -> None:
        """Do `work` with the folder, behind what waits, and `deliver` what it returned, or a text
        that says what went wrong.
        """
        self._do(work, deliver)

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

    def _do(self, work: Callable[[], object], deliver: Callable[[object], object]) -> None:
        if self._actor is None:
            try:
                self._actor = _Writer.start(self._loop)
            except RuntimeError as error:  # the system grants no thread
                deliver(str(error))
                return
        self._actor.tell(_Write(work, deliver))

    def _reseal(self, seal: Seal, paths: Iterator[Path]) -> None:
        """The next of `paths`; new recordings have their turn in between."""
        path = next((path for path in paths if NAME.fullmatch(path.name)), None)
        if path is None or self._is_closed:
            return

        def done(outcome: object) -> None:
            if outcome is not None and not isinstance(outcome, Path):
                self._log.error("recording_not_sealed", path=str(path), error=str(outcome))
            self._reseal(seal, paths)

        self._do(lambda: reseal(path, seal), done)

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
    """Do `work` on the thread, then `deliver` what it returned, or what went wrong, on the loop."""

    work: Callable[[], object]
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


def write(folder: Path, recording: Recording, files_max: int, seal: Seal | None = None) -> Path:
    """Write one file, readable for its owner alone, and remove what is too many. Raises OSError.

    It has its name when it is whole: what is cut off half-way stays a draft, which the next call
    removes.
    """
    body = dumps(recording.document())
    folder.mkdir(mode=0o700, exist_ok=True)
    path = _free(folder, recording.room_id, recording.made_ms, recording.reason.value, seal)
    _put(path, body, seal)
    with suppress(OSError):  # it is written; what could not be removed is tried again
        prune(folder, files_max, path.name)
    return path


def prune(folder: Path, files_max: int, newest: str) -> None:
    """Remove the oldest beyond `files_max`, but never `newest`: first those that clients caused,
    so that nobody can push out what is known of a crash. Other files are left alone.
    """
    names = [path.name for path in without_drafts(folder)]
    ours = [found for name in names if (found := NAME.fullmatch(name))]
    going = [found for found in ours if found[0] != newest]
    going.sort(key=lambda found: found[1] != RecordingReason.STATE_INVALID.value)
    for found in going[: max(0, len(ours) - files_max)]:
        (folder / found[0]).unlink()


def without_drafts(folder: Path) -> list[Path]:
    """What is there, in order, but for what a death left half-way, which is removed: it says in the
    clear, perhaps, what is to be sealed, and is in the way of the next one of its name.
    """
    paths = []
    for path in sorted(folder.iterdir()):
        name = path.name
        if name.startswith(".") and name.endswith((CLEAR_END + DRAFT, SEALED_END + DRAFT)):
            path.unlink()
        else:
            paths.append(path)
    return paths


def reseal(path: Path, seal: Seal) -> Path | None:
    """Have the recording in the file sealed with the newest key; where it is by now, None where it
    was there or is gone. Killed in between it may be there twice, and is never lost.

    Raises OSError, SealBroken, or what a recording that is none raises.
    """
    if not path.exists() or key_used(path) == seal.newest:
        return None
    body = body_in(path, seal)
    head = loads(body)
    reason = RecordingReason(head["reason"]).value  # what was in the clear may be anybody's
    new = _free(path.parent, RoomId(head["roomId"]), int(head["madeAtMs"]), reason, seal)
    _put(new, body, seal)
    path.unlink()
    return new


def _put(path: Path, body: bytes, seal: Seal | None) -> None:
    if seal is not None:
        body = sealed_body(seal, path.name, body)
    draft = path.with_name(f".{path.name}{DRAFT}")
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


def _free(folder: Path, room_id: RoomId, made_ms: int, reason: str, seal: Seal | None) -> Path:
    """A name that no file has: sorted by name they are sorted by time."""
    at = datetime.fromtimestamp(made_ms / 1000, UTC)
    time = at.strftime("%Y%m%dT%H%M%S") + f"{made_ms % 1000:03}Z"
    room = re.sub(r"[^A-Za-z0-9_-]", "_", room_id)[:_ROOM_CHARS_MAX]
    end = CLEAR_END
    if seal is not None:
        room, end = tag_of(seal, room_id), SEALED_END
    stem = f"{time}-{room}-{reason}"
    path, number = folder / f"{stem}{end}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{end}"
    return path
