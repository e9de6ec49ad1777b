"""What all sessions of a server share, and what a session keeps of the request under way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.audit.port import UNAUDITED, AuditLog
from actors.ids import RoomId
from actors.keys import KeyRing
from actors.ports import Clock, Log, Metrics
from actors.runtime import Mailbox
from actors.settings import Settings
from transport.roster import SessionRoster
from transport.shares import Shares


@dataclass(init=False, slots=True, unsafe_hash=True)
class Host:
    """`key_ring` gives the keys as they are now: they may be rotated."""

    settings: Final[Settings]
    clock: Final[Clock]
    key_ring: Final[Callable[[], KeyRing]]
    mailbox_for: Final[Callable[[RoomId], Mailbox]]
    """Where a join goes."""
    mailbox_of: Final[Callable[[RoomId], Mailbox]]
    """The room's own, for who sits in it."""
    roster: Final[SessionRoster]
    log: Final[Log]
    metrics: Final[Metrics]
    shares: Final[Shares]
    """What users may do over all their connections."""
    audit: Final[AuditLog]

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        key_ring: Callable[[], KeyRing],
        mailbox_for: Callable[[RoomId], Mailbox],
        mailbox_of: Callable[[RoomId], Mailbox],
        roster: SessionRoster,
        log: Log,
        metrics: Metrics,
        shares: Shares,
        audit: AuditLog = UNAUDITED,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.key_ring = key_ring
        self.mailbox_for = mailbox_for
        self.mailbox_of = mailbox_of
        self.roster = roster
        self.log = log
        self.metrics = metrics
        self.shares = shares
        self.audit = audit

    @property
    def keys(self) -> KeyRing:
        """What signs tokens and makes pseudonyms."""
        return self.key_ring()

    @property
    def grace_ms(self) -> int:
        """What clients are told of `resume_grace_s`."""
        return round(self.settings.resume_grace_s * 1000)
