"""What all sessions of a server share, and what a session keeps of the request under way."""

from collections.abc import Callable

from actors.audit.port import UNAUDITED, AuditLog
from actors.ids import RoomId
from actors.keys import KeyRing
from actors.ports import Clock, Log, Metrics
from actors.runtime import Mailbox
from actors.settings import Settings
from actors.values import value
from transport.roster import SessionRoster
from transport.shares import Shares


@value
class Host:
    """`key_ring` gives the keys as they are now: they may be rotated."""

    settings: Settings
    clock: Clock
    key_ring: Callable[[], KeyRing]
    mailbox_for: Callable[[RoomId], Mailbox]
    """Where a join goes."""
    mailbox_of: Callable[[RoomId], Mailbox]
    """The room's own, for who sits in it."""
    roster: SessionRoster
    log: Log
    metrics: Metrics
    shares: Shares
    """What users may do over all their connections."""
    audit: AuditLog = UNAUDITED

    @property
    def keys(self) -> KeyRing:
        """What signs tokens and makes pseudonyms."""
        return self.key_ring()

    @property
    def grace_ms(self) -> int:
        """What clients are told of `resume_grace_s`."""
        return round(self.settings.resume_grace_s * 1000)
