"""The last events of one room, to catch a client up or to judge it at its own version. PURE.

Owns what a room remembers of its past and the bound of that. Each entry is an event with its
encoded form, which is opaque here. Oldest entries are dropped first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from actors.ids import SocketId
from actors.players import Event, EventKind
from actors.values import value


@dataclass(init=False, slots=True, unsafe_hash=True)
class Entry:
    """An event as it was published."""

    event: Final[Event]
    payload: Final[bytes]

    def __init__(self, event: Event, payload: bytes) -> None:
        self.event = event
        self.payload = payload


@value
class Verdict:
    """How a client's list compares with the room's, at the version that the client named (G10)."""

    valid: bool
    missing: tuple[SocketId, ...] = ()
    unexpected: tuple[SocketId, ...] = ()


@value
class Claim:
    """What a client believes. None where it does not say; without a version: the present one."""

    players: frozenset[SocketId] | None = None
    epoch: int | None = None
    version: int | None = None
    checksum: str | None = None


@value
class Present:
    """The room as it is now."""

    epoch: int
    version: int
    checksum: str
    players: frozenset[SocketId]


class History:
    """At most `events_max` events and `bytes_max` of their payloads. `append` is O(1) until it
    forgets, and then moves up what stays: 0.3 µs for 1,000 events, 0.1 ms for a million. The rest
    is O(k) in the events looked back at.
    """

    __slots__ = ("_base_checksum", "_bytes", "_bytes_max", "_entries", "_events_max")

    def __init__(self, events_max: int, bytes_max: int, base_checksum: str = "00000000") -> None:
        """`base_checksum` is the room's before the first event to come."""
        self._events_max: Final = events_max
        self._bytes_max: Final = bytes_max
        self._base_checksum = base_checksum
        # None while empty: an idle room should cost little.
        self._entries: list[Entry] | None = None
        self._bytes = 0

    def begin(self, checksum: str) -> None:
        """Nothing is remembered before this: the room's `checksum` is that before what comes."""
        self._base_checksum = checksum
        self._entries, self._bytes = None, 0

    def append(self, event: Event, payload: bytes) -> None:
        """Remember the newest event; forget the oldest beyond the bounds."""
        entries = self._entries
        if entries is None:
            entries = self._entries = []  # a deque is 700 bytes larger, and there are few entries
        entries.append(Entry(event, payload))
        self._bytes += len(payload)
        forgotten, count = 0, len(entries)
        while count > forgotten and (
            count - forgotten > self._events_max or self._bytes > self._bytes_max
        ):
            oldest = entries[forgotten]
            forgotten += 1
            self._bytes -= len(oldest.payload)
            self._base_checksum = oldest.event.checksum
        if forgotten:
            del entries[:forgotten]  # at once: what stays moves up but one time

    def since(self, version: int, present_version: int) -> list[Entry] | None:
        """The events after `version`, in order. None when they are forgotten, or when no client
        can have been at that version (it lies ahead, or inside an event).
        """
        if version == present_version:
            return []
        entries = self._entries
        if entries is None or version > present_version:
            return None
        for count, entry in enumerate(reversed(entries), 1):
            if entry.event.base_version == version:
                return entries[len(entries) - count :]
            if entry.event.base_version < version:
                return None
        return None

    def judge(self, claim: Claim, present: Present) -> Verdict:
        """Compare a client with the room at the version it names (G10).

        Another epoch, or a version that is forgotten, is not valid; the lists are then compared
        with the present one, so that the answer still says what is wrong.
        """
        version = present.version if claim.version is None else claim.version
        same_epoch = claim.epoch is None or claim.epoch == present.epoch
        later = self.since(version, present.version) if same_epoch else None
        if later is None:
            return Verdict(False, *_compare(claim.players, present.players))
        players = _undo(present.players, later)
        missing, unexpected = _compare(claim.players, players)
        checksum = self._checksum_before(later, present)
        wrong_sum = claim.checksum is not None and claim.checksum != checksum
        return Verdict(not (missing or unexpected or wrong_sum), missing, unexpected)

    def _checksum_before(self, later: list[Entry], present: Present) -> str:
        """The checksum at the version where `later`, the newest entries, begin."""
        entries = self._entries
        if not later or entries is None:
            return present.checksum
        index = len(entries) - len(later) - 1
        return entries[index].event.checksum if index >= 0 else self._base_checksum


def _compare(
    claimed: frozenset[SocketId] | None, actual: frozenset[SocketId]
) -> tuple[tuple[SocketId, ...], tuple[SocketId, ...]]:
    """(missing, unexpected), each sorted: what the client lacks, and what it has too many."""
    if claimed is None:
        return (), ()
    return tuple(sorted(actual - claimed)), tuple(sorted(claimed - actual))


def _undo(players: frozenset[SocketId], later: Iterable[Entry]) -> frozenset[SocketId]:
    """`players` as they were before the events of `later`."""
    then = set(players)
    for entry in reversed(list(later)):
        for change in reversed(entry.event.changes):
            if change.kind is EventKind.JOINED:
                then.discard(change.player.socket_id)
            elif change.kind is EventKind.LEFT:
                then.add(change.player.socket_id)
    return frozenset(then)
