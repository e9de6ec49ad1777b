"""Recordings of rooms, replayed as soon as they are made: they must come out the same.

Owns the Recordings port of the simulated world. Where a room failed because the story said so, the
replay is made to fail at the same place.
"""

import json
from dataclasses import replace
from typing import Any, Final

from actors.ports import Recording
from tests.simulation.faults import Fuse
from tests.simulation.recordings import Replayed, replay

FAR: Final = 10**9
"""So many passages never come: the fuse only counts them."""
LAST_PASSAGES: Final = 8
"""A turn that fails as it is published passes a place so often at most after the failure."""


class Replaying:
    """`different` is what came out of the first replay that was not the same."""

    keeps = True

    def __init__(self, fuse: Fuse) -> None:
        self._fuse: Final = fuse
        self.replayed = 0
        self.different: str | None = None

    def keep(self, recording: Recording) -> None:
        self.replayed += 1
        document = json.loads(json.dumps(recording.document()))
        fuse = self._fuse
        lit = fuse.where, fuse.left, fuse.burnt, fuse.times
        try:
            again = self._again(document)
        finally:
            fuse.where, fuse.left, fuse.burnt, fuse.times = lit
        if not again.same and self.different is None:
            self.different = str(again)

    def _again(self, document: dict[str, Any]) -> Replayed:
        fuse = self._fuse
        fuse.where = ""
        if not str(document["error"]).count("Planted"):
            return replay(document)
        where = fuse.burnt_where
        fuse.light(where, FAR)
        spared = replay(document)
        passages = FAR - fuse.left
        for passage in range(passages, max(0, passages - LAST_PASSAGES), -1):
            fuse.light(where, passage)
            again = replay(document)
            if again.same:
                return again
        # It raised where something is encoded that a recording leaves out: a claim, a message.
        return replace(spared, same=spared.found == spared.expected)
