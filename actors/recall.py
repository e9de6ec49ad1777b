"""Whom a resume token seats again after a restart, although the store does not know the player.

Owns that judgement and nothing of rooms or disks. PURE: times are arguments.

With writes behind the answers, the last moments before a crash are missing from the store: players
who were told that they sit. Their tokens are signed and say in which batch of writes they were
seated (`Stamp`). A batch that never became durable is a gap; who was seated in a gap is seated
again. A batch that is durable is known with all that came of it: who is not in the store now has
left, timed out or was removed, and stays out. This holds while the grace since the start runs.

Who was seated again may leave, and its token is of a gap for all that. So it is kept which run
seated it again: its tokens of runs before that one are spent. Those that it was given in that run
or a later one are judged by their batches alone, as anybody's are.

Who was erased is seated again by no token of a run before.
"""

from collections.abc import Mapping
from typing import Final

from actors.ids import SocketId
from actors.records import Stamp

GAPS_MAX: Final = 64
"""So many runs, each ended before its grace was over, are remembered; then the oldest is not."""


class Recall:
    """`gaps` has for each earlier run whose tokens may still come its newest durable mark.

    `recalled` has for each whom an unfinished run before has seated already the newest that did.
    `run` is the present one, `until_s` (monotonic) the end of the grace since its start.
    """

    __slots__ = ("_barred", "_before", "_gaps", "_recalled", "_run", "until_s")

    def __init__(
        self,
        gaps: Mapping[int, int],
        recalled: Mapping[SocketId, int],
        run: int,
        until_s: float,
    ) -> None:
        self._gaps: Final = dict(gaps)
        self._before: Final = dict(recalled)
        self._recalled: Final = dict(recalled)
        self._barred: Final[set[str]] = set()
        self._run: Final = run
        self.until_s: Final = until_s

    def is_open(self, now_s: float) -> bool:
        """The grace since the start runs: stored players may come back."""
        return now_s < self.until_s

    def bar(self, person: str, now_s: float) -> None:
        """No token of a run before this one seats `person`, who was erased."""
        if self.is_open(now_s):
            self._barred.add(person)

    def admits(
        self, stamp: Stamp, socket_id: SocketId, now_s: float, person: str | None = None
    ) -> bool:
        """Whether a token of `stamp` seats `socket_id`, whom its room does not hold."""
        if not self.is_open(now_s):
            self._barred.clear()
            return False
        durable = self._gaps.get(stamp.run)
        return (
            durable is not None
            and stamp.mark > durable
            and stamp.run >= self._recalled.get(socket_id, 0)
            and person not in self._barred
        )

    def is_newest(self, stamp: Stamp) -> bool:
        """It is of the run before this one: whatever the store has was seated earlier."""
        return stamp.run == max(self._gaps, default=0)

    def note(self, socket_id: SocketId) -> None:
        """It was seated again: should it leave, its token is spent, and all of earlier runs."""
        self._recalled[socket_id] = self._run

    def seated(self, socket_id: SocketId) -> bool:
        """This run has seated it again."""
        return self._recalled.get(socket_id) == self._run

    def undo(self, socket_id: SocketId) -> None:
        """It was not seated after all: what is spent is what was spent before this run."""
        before = self._before.get(socket_id)
        if before is None:
            self._recalled.pop(socket_id, None)
        else:
            self._recalled[socket_id] = before


NOBODY: Final = Recall({}, {}, 0, float("-inf"))
"""Of a server that keeps nothing."""
