"""One event as one line: its fields, in JSON or for people.

Owns the order of the fields and what makes a line safe. A line is made on the caller's thread, so
that later changes of a value cannot show. Nothing that is logged can raise, break the line, or
reach a terminal as anything but letters. Knows no room, no client and no level but by its name.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from transport.encoding import rfc3339
from transport.log_users import LogUsers

# Beyond these a value is cut short: a log line is for reading, and its bytes wait in memory.
_TEXT_CHARS_MAX: Final = 2000
_DEPTH_MAX: Final = 16
_LINE_BYTES_MAX: Final = 131_072
_CUT: Final = "…"
_INTEGER_MAX: Final = 2**63

_SECRET_KEYS: Final = frozenset({"token", "resumeToken", "resume_token", "authorization"})
_SPECIAL_KEYS: Final = _SECRET_KEYS | {"port"}
_REDACTED: Final = "[redacted]"

# DEL, C1, and the line and direction marks beyond ASCII: JSON lets them through, but some readers
# end a line at them and some terminals obey them. They can only stand inside strings.
_UNSAFE: Final = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
_DEL: Final = 0x7F
_BARE_WORD: Final = re.compile(r"[\w.:/@+-]+")
_COLOURS: Final = {"debug": "2", "info": "32", "warn": "33", "error": "31"}

Encode = Callable[..., bytes]
"""`encode(value, default)` is compact JSON in UTF-8; raises TypeError or ValueError."""


class LogLines:
    """Makes lines, each with its end. `console`: for people, with colours where `colour`; else
    JSON. `users` says how users show.
    """

    def __init__(
        self,
        encode: Encode,
        now_ms: Callable[[], int],
        users: LogUsers,
        console: bool,
        colour: bool,
    ) -> None:
        self._encode = encode
        self._now_ms = now_ms
        self._users = users
        self._console = console
        self._colour = colour

    def line(
        self,
        level: str,
        event: object,
        room_id: object,
        socket_id: object,
        user_id: str | None,
        details: dict[str, object],
    ) -> bytes:
        """timestamp, level, event, roomId, socketId, userId, details: what is None or empty is left
        out. `details` is the line's from now on.
        """
        # Made at its full size, and what there is not taken out: most lines have it all.
        fields: dict[str, object] = {
            "timestamp": rfc3339(self._now_ms()),
            "level": level,
            "event": event,
            "roomId": room_id,
            "socketId": socket_id,
            "userId": None if user_id is None else self._users.shown(user_id),
            "details": details,
        }
        if room_id is None:
            del fields["roomId"]
        if socket_id is None:
            del fields["socketId"]
        if fields["userId"] is None:
            del fields["userId"]
        if not details:
            del fields["details"]
        elif not _SPECIAL_KEYS.isdisjoint(details):
            _set_apart(details, fields)
        return self._as_console(level, fields, details) if self._console else self._as_json(fields)

    def _as_json(self, fields: dict[str, object]) -> bytes:
        line = self._json(fields)
        if len(line) > _LINE_BYTES_MAX:
            fields["details"] = {"cut": _short(line.decode())}
            line = self._json(fields)
        return line + b"\n"

    def _json(self, value: object) -> bytes:
        """`value` as one safe line of JSON, without the line's end."""
        try:
            line = self._encode(value, _readable)
        except (TypeError, ValueError, RecursionError, OverflowError):
            line = self._encode(_plain(value))
        if line.isascii() and _DEL not in line:
            return line
        return _UNSAFE.sub(_escaped, line)

    def _as_console(
        self, level: str, fields: Mapping[str, object], details: Mapping[str, object]
    ) -> bytes:
        """`time LEVEL event key=value ...`, values in JSON where need be."""
        shown = f"{level:<5}"
        if self._colour:
            shown = f"\x1b[{_COLOURS[level]}m{shown}\x1b[0m"
        words = [str(fields["timestamp"])[11:-1], shown, self._word(fields["event"])]
        named = {key: fields[key] for key in ("roomId", "socketId", "userId") if key in fields}
        named.update(details)
        words += [f"{self._word(key)}={self._word(value)}" for key, value in named.items()]
        return " ".join(words).encode() + b"\n"

    def _word(self, value: object) -> str:
        if isinstance(value, str):
            value = _short(value)
            if _BARE_WORD.fullmatch(value):
                return value
        return _short(self._json(value).decode())


def _set_apart(details: dict[str, object], fields: dict[str, object]) -> None:
    for key in _SECRET_KEYS:
        if key in details:
            details[key] = _REDACTED
    if "port" in details:
        # Beside the details too: scripts that start the server on port 0 look for it here.
        fields["port"] = details["port"]
        fields["details"] = fields.pop("details")  # they come last


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


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
