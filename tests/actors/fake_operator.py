"""Stand-ins for what is told to the operator: a log that can be read, and counters.

Owns no rule; the logs of rooms and registry are held in their own tests.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from actors.ports import Recording
from actors.stores.codec import dumps, loads


class LogBroken(Exception):
    """What the log raises where a test told it to."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    level: str
    event: str
    room_id: str | None
    socket_id: str | None
    user_id: str | None
    details: dict[str, object]


class FakeLog:
    """Keeps its lines. An event named in `broken` cannot be logged."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.broken: set[str] = set()
        self.debug = _Writer(self, "debug")
        self.info = _Writer(self, "info")
        self.warn = _Writer(self, "warn")
        self.error = _Writer(self, "error")

    def of(self, event: str) -> list[Line]:
        """The lines about `event`."""
        return [line for line in self.lines if line.event == event]


class _Writer:
    """One level of the log."""

    def __init__(self, log: FakeLog, level: str) -> None:
        self._log = log
        self._level = level

    def __call__(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        if event in self._log.broken:
            raise LogBroken(event)
        self._log.lines.append(Line(self._level, event, room_id, socket_id, user_id, details))


class FakeRecordings:
    """Keeps what it is given, and what it reads as when it is read back."""

    keeps = True

    def __init__(self) -> None:
        self.kept: list[Recording] = []

    def keep(self, recording: Recording) -> None:
        self.kept.append(recording)

    def documents(self) -> list[dict[str, Any]]:
        """Each as it would be written, and read back."""
        return [read_back(recording) for recording in self.kept]


def read_back(recording: Recording) -> dict[str, Any]:
    """What is in the file that it would be written to."""
    document = loads(dumps(recording.document()))
    assert isinstance(document, dict)
    return document


@dataclass(slots=True)
class FakeMetrics:
    """Counts by name, with its label where it has one: `player_left timeout`."""

    count: Counter[str] = field(default_factory=Counter)
    join_seconds: list[float] = field(default_factory=list)

    def player_joined(self) -> None:
        self.count["player_joined"] += 1

    def player_left(self, reason: str) -> None:
        self.count[f"player_left {reason}"] += 1

    def resume_ended(self, outcome: str) -> None:
        self.count[f"resume_ended {outcome}"] += 1

    def state_validated(self, valid: bool) -> None:
        self.count[f"state_validated {valid}"] += 1

    def room_restarted(self) -> None:
        self.count["room_restarted"] += 1

    def error_sent(self, code: str) -> None:
        self.count[f"error_sent {code}"] += 1

    def slow_reader(self) -> None:
        self.count["slow_reader"] += 1

    def join_answered(self, seconds: float) -> None:
        self.join_seconds.append(seconds)

    def store_committed(self, records: int, seconds: float) -> None:
        del seconds
        self.count["store_commits"] += 1
        self.count["store_records"] += records

    def recording_ended(self, outcome: str) -> None:
        self.count[f"recording_ended {outcome}"] += 1

    def store_failed(self, code: str) -> None:
        self.count[f"store_failed {code}"] += 1
