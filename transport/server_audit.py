"""The audit of one server, from its opening to its last entry.

Owns the order of its beginning and its end. The server knows it as a writer; what is told to it
goes through the trail that the application makes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from actors.audit.book import AuditFault
from actors.audit.trail import AuditTrail
from actors.audit.writer import BookWriter
from actors.ports import Clock, Log
from actors.settings import Settings
from transport.audit_place import AuditPlace


async def open_audit(
    settings: Settings,
    folder: Path,
    clock: Clock,
    log: Log,
    random_bytes: Callable[[int], bytes],
) -> BookWriter | None:
    """To be asked for when all else is sound: it begins a file. None where nothing is audited.
    Raises AuditFault.
    """
    if not settings.is_audited:
        return None
    place = AuditPlace(folder, settings.audit_key_file)
    writer = BookWriter(lambda: place.book(settings, random_bytes))
    end = await writer.open(clock.now_ms())
    for part in end.torn:
        log.warn("audit_torn", part=part)
    if end.breach is not None:
        log.error("audit_damaged", error=end.breach)
    return writer


async def close_audit(
    trail: AuditTrail | None, writer: BookWriter | None, cut_off: int, timeout_s: float, log: Log
) -> bool:
    """Write the last entry and all that waits, within `timeout_s`; whether all is on the disk."""
    if trail is None or writer is None:
        return True
    trail.stop(cut_off)
    if not await trail.settle(timeout_s):
        log.error("audit_not_drained", waiting=trail.waiting)
        return False
    trail.anchor()
    with suppress(TimeoutError, AuditFault):  # all is flushed: nothing is lost
        await asyncio.wait_for(writer.close(), timeout_s)
    return True
