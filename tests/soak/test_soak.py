"""A short soak: hundreds of sessions over two troughs, where all that is counted must be equal.

Memory is judged by minutes of this, not by seconds: here it is only kept from going wild.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.soak.course import Soak, soaked
from tests.soak.pace import BRISK
from tests.soak.table import exact_faults, row

ROUNDS = 2
SESSIONS = 300
BLOCKS_MAX = 8_000
"""Live blocks that a server may take for its first sessions, in caches and pools; one for each of
twenty things of each session would be more."""


@pytest.mark.rule("O5.1", "C4.9", "G1.1", "G6.9")
def test_after_hundreds_of_sessions_nothing_is_left(tmp_path: Path) -> None:
    """Whoever came, and in whatever way it went: handles are equal, and nobody is there."""
    with soaked(tmp_path / "data", BRISK, "journal") as server:
        soak = Soak(server, BRISK, people=20, seed=20_261_128)
        report = asyncio.run(soak.for_rounds(ROUNDS, SESSIONS))
    faults = exact_faults(report)
    table = [row(trough, load) for trough, load in zip(report.troughs, report.loads, strict=True)]
    assert not faults, "\n".join([*faults, *table])
    assert report.counts["sessions"] >= ROUNDS * SESSIONS
    live = [trough.live for trough in report.troughs if trough.live is not None]
    assert len(live) == ROUNDS
    assert max(live) - min(live) < BLOCKS_MAX, table
