"""All that a room is given from outside, in one value. PURE.

The Protocols that it speaks of are in ports.py.
"""

from dataclasses import dataclass
from typing import Final

from actors.audit.port import UNAUDITED, AuditLog
from actors.encoder import Encoder
from actors.ports import UNRECORDED, Clock, Ledger, Log, Metrics, Recordings, Roster
from actors.settings import Settings


@dataclass(init=False, slots=True)
class Census:
    """Counts over all rooms, kept as changes happen: a scrape must not sweep the rooms."""

    players: int

    def __init__(self, players: int = 0) -> None:
        self.players = players


@dataclass(init=False, slots=True, unsafe_hash=True)
class Ports:
    """All that a room is given."""

    clock: Final[Clock]
    encoder: Final[Encoder]
    roster: Final[Roster]
    log: Final[Log]
    metrics: Final[Metrics]
    census: Final[Census]
    ledger: Final[Ledger]
    settings: Final[Settings]
    recordings: Final[Recordings]
    audit: Final[AuditLog]

    def __init__(
        self,
        clock: Clock,
        encoder: Encoder,
        roster: Roster,
        log: Log,
        metrics: Metrics,
        census: Census,
        ledger: Ledger,
        settings: Settings,
        recordings: Recordings = UNRECORDED,
        audit: AuditLog = UNAUDITED,
    ) -> None:
        self.clock = clock
        self.encoder = encoder
        self.roster = roster
        self.log = log
        self.metrics = metrics
        self.census = census
        self.ledger = ledger
        self.settings = settings
        self.recordings = recordings
        self.audit = audit
