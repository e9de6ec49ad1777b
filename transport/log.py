"""The log's fields, levels and two forms.

Owns the structlog set-up. A line is made on the caller's thread, so that later changes of a value
cannot show, and `log_writer` gets the finished bytes. Nothing that is logged can raise, break the
line, or reach a terminal as anything but letters. Knows no room and no client; level and form are
arguments, and so are clock, encoder and output.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from actors.settings import LogFormat, LogLevel
from transport.encoding import rfc3339
from transport.log_users import LogUsers
from transport.log_writer import LogWriter

_STRUCTLOG_LEVEL: Final = {LogLevel.WARN: "warning"}
_LEVEL_OF_METHOD: Final = {"debug": "debug", "info": "info", "warning": "warn", "error": "error"}

# Beyond these a value is cut short: a log line is for reading, and its bytes wait in memory.
_TEXT_CHARS_MAX: Final = 2000
_DEPTH_MAX: Final = 16
_LINE_BYTES_MAX: Final = 131_072
_CUT: Final = "…"
_INTEGER_MAX: Final = 2**63

_SECRET_KEYS: Final = frozenset({"token", "resumeToken", "resume_token", "authorization"})
_REDACTED: Final = "[redacted]"

# DEL, C1, and the line and direction marks beyond ASCII: JSON lets them through, but some readers
# end a line at them and some terminals obey them. They can only stand inside strings.
_UNSAFE: Final = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
_BARE_WORD: Final = re.compile(r"[\w.:/@+-]+")
_COLOURS: Final = {"debug": "2", "info": "32", "warn": "33", "error": "31"}

Encode = Callable[..., bytes]
"""`encode(value, default=...)` is compact JSON in UTF-8; raises TypeError or ValueError."""


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
        self._encode = encode
        self._now_ms = now_ms
        self.users = users or LogUsers()
        self._second = (-1, "")
        self._colour = terminal
        self._console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and terminal)
        self._writer = LogWriter(write, lines_max, self._lines_dropped)
        renderer: Any = (
            self._as_console
            if self._console
            else structlog.processors.JSONRenderer(self._as_json, default=_readable)
        )
        # structlog types this as the protocol of its instances, which cannot be called.
        bound: Any = structlog.make_filtering_bound_logger(_STRUCTLOG_LEVEL.get(level, level))
        self._bound = bound(self._writer, [self._fields, renderer], {})

    @property
    def dropped_total(self) -> int:
        """Lines that were never written."""
        return self._writer.dropped_total

    def debug(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._bound.debug(event, room=room_id, socket=socket_id, user=user_id, details=details)

    def info(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._bound.info(event, room=room_id, socket=socket_id, user=user_id, details=details)

    def warn(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._bound.warning(event, room=room_id, socket=socket_id, user=user_id, details=details)

    def error(
        self,
        event: str,
        *,
        room_id: str | None = None,
        socket_id: str | None = None,
        user_id: str | None = None,
        **details: object,
    ) -> None:
        self._bound.error(event, room=room_id, socket=socket_id, user=user_id, details=details)

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what waits, for `timeout_s` at most; whether all was written. Later lines drop."""
        return self._writer.close(timeout_s)

    def _fields(self, _logger: object, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """A structlog processor: the fields of a line in their order."""
        fields: dict[str, Any] = {
            "timestamp": self._timestamp(),
            "level": _LEVEL_OF_METHOD[method],
            "event": given["event"],
        }
        if (room := given["room"]) is not None:
            fields["roomId"] = room
        if (socket := given["socket"]) is not None:
            fields["socketId"] = socket
        user = given["user"]
        if user is not None and (shown := self.users.shown(user)) is not None:
            fields["userId"] = shown
        if details := given["details"]:
            if not _SECRET_KEYS.isdisjoint(details):
                for key in _SECRET_KEYS & details.keys():
                    details[key] = _REDACTED
            if "port" in details:
                # Beside the details too: scripts that start the server on port 0 look for it here.
                fields["port"] = details["port"]
            fields["details"] = details
        return fields

    def _timestamp(self) -> str:
        """RFC 3339 in UTC with milliseconds; the part up to them is made once a second."""
        second, millis = divmod(self._now_ms(), 1000)
        known, text = self._second
        if known != second:
            text = rfc3339(second * 1000).removesuffix("000Z")
            self._second = (second, text)
        return f"{text}{millis:03}Z"

    def _as_json(self, fields: dict[str, Any], default: Callable[[object], str]) -> bytes:
        """The serializer of structlog's JSONRenderer."""
        line = self._json(fields, default)
        if len(line) > _LINE_BYTES_MAX:
            fields["details"] = {"cut": _short(line.decode())}
            line = self._json(fields, default)
        return line + b"\n"

    def _json(self, value: object, default: Callable[[object], str]) -> bytes:
        """`value` as one safe line of JSON, without the line's end."""
        try:
            line = self._encode(value, default)
        except (TypeError, ValueError, RecursionError, OverflowError):
            line = self._encode(_plain(value))
        if line.isascii() and b"\x7f" not in line:
            return line
        return _UNSAFE.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), line)

    def _as_console(self, _logger: object, _method: str, fields: Mapping[str, Any]) -> bytes:
        """A structlog processor: `time LEVEL event key=value ...`, values in JSON where need be."""
        level = fields["level"]
        shown = f"{level:<5}"
        if self._colour:
            shown = f"\x1b[{_COLOURS[level]}m{shown}\x1b[0m"
        words = [fields["timestamp"][11:-1], shown, self._word(fields["event"])]
        named = {key: fields[key] for key in ("roomId", "socketId", "userId") if key in fields}
        named |= fields.get("details", {})
        words += [f"{self._word(key)}={self._word(value)}" for key, value in named.items()]
        return " ".join(words).encode() + b"\n"

    def _word(self, value: object) -> str:
        if isinstance(value, str):
            value = _short(value)
            if _BARE_WORD.fullmatch(value):
                return value
        return _short(self._json(value, _readable).decode())

    def _lines_dropped(self, count: int) -> bytes:
        """Told at any level: somebody should look. Called on the writer's thread."""
        given = {"event": "log_lines_dropped", "room": None, "socket": None, "user": None}
        fields = self._fields(None, "warning", given | {"details": {"lines": count}})
        if self._console:
            return self._as_console(None, "warning", fields)
        return self._as_json(fields, _readable)


def _readable(value: object) -> str:
    """What the encoder cannot write, as its repr, cut short."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  # a foreign __repr__ may raise anything at all
        text = f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return _short(text)


def _short(text: str) -> str:
    """`text` without what UTF-8 cannot say, cut short."""
    text = text if len(text) <= _TEXT_CHARS_MAX else text[:_TEXT_CHARS_MAX] + _CUT
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: object, depth: int = 0) -> object:
    """A copy of `value` that every JSON encoder takes, bounded in depth and length of texts."""
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if -_INTEGER_MAX <= value < _INTEGER_MAX else _short(hex(value))
        case str():
            return _short(value)
        case dict() if depth < _DEPTH_MAX:
            return {
                _short(key) if isinstance(key, str) else _readable(key): _plain(item, depth + 1)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth < _DEPTH_MAX:
            return [_plain(item, depth + 1) for item in value]
        case _:
            return _readable(value)
