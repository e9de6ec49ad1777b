"""The log: one method a level, lines to a thread of their own.

Owns the structlog set-up: a wrapper class whose methods hand the line that `log_lines` makes of
the event to `log_writer`. Knows no room and no client; level and form are arguments, and so are
clock, encoder and output.
"""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from actors.settings import LogFormat, LogLevel
from transport.log_lines import Encode, LogLines
from transport.log_users import LogUsers
from transport.log_writer import LogWriter


class Say(Protocol):
    """One event, as the port has it."""

    def __call__(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None: ...


class StructuredLog:
    """One line an event: timestamp, level, event, roomId, socketId, userId, details.

    `write(data)` takes bytes and returns how many it took, as `os.write` does; it may block and is
    called by one daemon thread only. `lines_max` lines wait at most; the ones beyond are dropped,
    counted in `dropped_total`, and told of in one `log_lines_dropped` line. `terminal` is what
    AUTO goes by, and whether the console form has colours. `users` says how users show.
    """

    def __init__(
        self,
        encode: Encode,
        now_ms: Callable[[], int],
        write: Callable[[bytes], int],
        *,
        level: LogLevel = LogLevel.INFO,
        form: LogFormat = LogFormat.AUTO,
        terminal: bool = False,
        lines_max: int = 10_000,
        users: LogUsers | None = None,
    ) -> None:
        self.users = users or LogUsers()
        console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and terminal)
        self._lines = LogLines(encode, now_ms, self.users, console, terminal)
        self._writer = LogWriter(write, lines_max, self._lines_dropped)
        bound = _Bound(self._writer, self._lines)
        levels = list(LogLevel)
        silent = levels[: levels.index(level)]
        # The wrapper's own methods, looked up once: another call around each would cost a fifth.
        self.debug: Final[Say] = _nothing if LogLevel.DEBUG in silent else bound.debug
        self.info: Final[Say] = _nothing if LogLevel.INFO in silent else bound.info
        self.warn: Final[Say] = _nothing if LogLevel.WARN in silent else bound.warn
        self.error: Final[Say] = bound.error

    @property
    def dropped_total(self) -> int:
        """Lines that were never written."""
        return self._writer.dropped_total

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what waits, for `timeout_s` at most; whether all was written. Later lines drop."""
        return self._writer.close(timeout_s)

    def _lines_dropped(self, count: int) -> bytes:
        """Told at any level: somebody should look. Called on the writer's thread."""
        return self._lines.line("warn", "log_lines_dropped", None, None, None, {"lines": count})


class _Bound(structlog.BoundLoggerBase):
    """structlog's wrapper around the writer, with `lines` in place of a chain of processors."""

    def __init__(self, logger: LogWriter, lines: LogLines) -> None:
        super().__init__(logger, (), {})
        self._line = lines.line
        self._put = logger.put

    def debug(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._put(self._line("debug", event, room_id, socket_id, user_id, details))

    def info(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._put(self._line("info", event, room_id, socket_id, user_id, details))

    def warn(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._put(self._line("warn", event, room_id, socket_id, user_id, details))

    def error(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._put(self._line("error", event, room_id, socket_id, user_id, details))


def _nothing(event: str, **details: object) -> None:
    """What is below the level costs no look at its values."""
