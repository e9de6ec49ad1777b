"""Whom a resume token seats again after a restart, although the store does not know the player.

Owns that judgement and nothing of rooms or disks. PURE: times are arguments.

With writes behind the answers, the last moments before a crash are missing from the store: players
who were told that they sit. Their tokens are signed and say in which batch of writes they were
seated (`Stamp`). A batch that never became durable is a gap; who was seated in a gap is seated
again. A batch that is durable is known with all that came of it: who is not in the store now has
left, timed out or was removed, and stays out. This holds while the grace since the start runs.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from actors.ids import SocketId
from actors.records import Stamp

GAPS_MAX: Final = 64
"""So many runs, each ended before its grace was over, are remembered; then the oldest is not."""


class Recall:
    """`gaps` has for each earlier run whose tokens may still come its newest durable mark.

    `recalled` are those whom this has seated already, in this run or an unfinished one before.
    `until_s` (monotonic) is the end of the grace since the start.
    """

    __slots__ = ("_gaps", "_recalled", "until_s")

    def __init__(
        self, gaps: Mapping[int, int], recalled: Iterable[SocketId], until_s: float
    ) -> None:
        self._gaps: Final = dict(gaps)
        self._recalled: Final = set(recalled)
        self.until_s: Final = until_s

    def is_open(self, now_s: float) -> bool:
        """The grace since the start runs: stored players may come back."""
        return now_s < self.until_s

    def admits(self, stamp: Stamp, socket_id: SocketId, now_s: float) -> bool:
        """Whether a token of `stamp` seats `socket_id`, whom its room does not hold."""
        durable = self._gaps.get(stamp.run)
        return (
            durable is not None
            and stamp.mark > durable
            and socket_id not in self._recalled
            and self.is_open(now_s)
        )

    def is_newest(self, stamp: Stamp) -> bool:
        """It is of the run before this one: whatever the store has was seated earlier."""
        return stamp.run == max(self._gaps, default=0)

    def note(self, socket_id: SocketId) -> None:
        """It was seated again: should it leave, its token is spent."""
        self._recalled.add(socket_id)

    def undo(self, socket_id: SocketId) -> None:
        """It was not seated after all."""
        self._recalled.discard(socket_id)


NOBODY: Final = Recall({}, (), float("-inf"))
"""Of a server that keeps nothing."""
