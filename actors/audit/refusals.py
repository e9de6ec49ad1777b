"""Refusals for the audit: the first of a kind at once, the others counted. PURE: time is an
argument.

Whoever is refused over and over makes two entries in `WINDOW_S`, not thousands; whoever tries it
under ever new names is counted with the others, from `KINDS_MAX` kinds on.
"""

from dataclasses import dataclass
from typing import Final

from actors.audit.port import Entry

WINDOW_S: Final = 10.0
KINDS_MAX: Final = 4096
AUDITED: Final = frozenset(
    {"unauthenticated", "forbidden", "resumeExpired", "roomFull", "roomClosed", "rateLimited"}
)
"""The wire's codes of those that are about access. The others are mistakes of a client, or of
ours, and are in the metrics.
"""
REFUSED: Final = "request_refused"


@dataclass(slots=True)
class _More:
    """So many like `first` followed it, the last one then."""

    first: Entry
    count: int
    until_ms: int


class Refusals:
    """Of one server. `close` is due in `WINDOW_S` after the first that `note` gave."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str | None], _More] = {}

    def note(
        self,
        now_ms: int,
        code: str,
        room_id: str | None,
        socket_id: str | None,
        person: str | None,
    ) -> Entry | None:
        """What is to be kept at once. O(1)."""
        kind = (code, socket_id)
        if kind not in self._kinds and len(self._kinds) >= KINDS_MAX:
            kind, room_id, socket_id, person = (code, None), None, None, None
        more = self._kinds.get(kind)
        if more is not None:
            more.count += 1
            more.until_ms = now_ms
            return None
        entry = Entry(now_ms, REFUSED, room_id, socket_id, person, details={"code": code})
        self._kinds[kind] = _More(entry, 0, now_ms)
        return entry

    def close(self) -> list[Entry]:
        """The window's end: what was counted since its beginning."""
        ended, self._kinds = self._kinds, {}
        return [
            more.first._replace(
                at_ms=more.until_ms,
                details={**more.first.details, "more": more.count, "fromMs": more.first.at_ms},
            )
            for more in ended.values()
            if more.count
        ]
