"""How long things are kept, and when they are looked through. PURE.

Owns the arithmetic of ages. What is removed, and how, is for whoever keeps it.
"""

from typing import Final

DAY_MS: Final = 86_400_000
SWEEP_S: Final = 3600.0
"""What is kept for a number of days is looked through this often."""


def horizon_ms(now_ms: int, days: int) -> int | None:
    """What is older than this, Unix milliseconds, is not kept; None: all is."""
    return now_ms - days * DAY_MS if days else None


def is_expired(at_ms: int, before_ms: int | None) -> bool:
    """Something of `at_ms` is too old."""
    return before_ms is not None and at_ms < before_ms
