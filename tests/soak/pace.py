"""How fast a server forgets, in a soak: every wait of it is short, so that a trough comes soon.

Owns these settings, and from them how long a server may rightly hold on to what is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.acceptance.server import GENEROUS


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `timeout_s` is each of the deadlines for handshakes, messages and closings.

    The clients are one process, which a busy machine may keep from answering for a while: who is
    given up for that is no fault, but looks like one. So the heartbeat is not the shortest.
    """

    grace_s: float = 1.5
    idle_s: float = 0.3
    heartbeat_s: float = 0.5
    heartbeat_timeout_s: float = 3.0
    timeout_s: float = 3.5
    slow_reader_s: float = 1.0

    @property
    def longest_s(self) -> float:
        """After so long nothing of a connection that ended is waited for any more."""
        return max(self.timeout_s, self.heartbeat_s + self.heartbeat_timeout_s) * 1.05

    def settings(self) -> dict[str, Any]:
        """The server's, with rates that nobody meets and bounds small enough to be met."""
        return {
            **GENEROUS,
            "resume_grace_s": self.grace_s,
            "room_idle_s": self.idle_s,
            "heartbeat_s": self.heartbeat_s,
            "heartbeat_timeout_s": self.heartbeat_timeout_s,
            "handshake_timeout_s": self.timeout_s,
            "message_timeout_s": self.timeout_s,
            "close_timeout_s": self.timeout_s,
            "slow_reader_s": self.slow_reader_s,
            "outbox_bytes_max": 32_768,
            "self_check_s": 1,
            "position_save_s": 0.5,
            "journal_bytes_max": 65_536,
        }


BRISK = Pace(
    grace_s=0.8,
    idle_s=0.1,
    heartbeat_s=0.3,
    heartbeat_timeout_s=2.0,
    timeout_s=2.3,
    slow_reader_s=0.5,
)
"""For a suite that waits for it."""
