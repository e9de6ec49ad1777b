"""A client that believes only what it is told, and notices whatever it should not be told.

Owns the member's side of the guarantee: no gap, nothing twice, nothing before the snapshot, not its
own joining, the right checksum at every version, no move of a stranger. What is wrong is an
assertion.
"""

from actors.answers import Done, Left, Refused, Resumed
from actors.history import Claim
from actors.ids import SocketId
from actors.players import EventKind, Player, StateView
from actors.ports import Eviction
from actors.room_state import checksum_of
from tests.actors.fakes import FakeEncoder, FakeOutlet, Happened, Moved, Said, Told


class Mirror:
    """One session's copy of the room that it sits in."""

    def __init__(self, name: str, encoder: FakeEncoder) -> None:
        self.name = SocketId(name)
        self.outlet: FakeOutlet | None = None
        self.inside = False
        """It has a snapshot of the room that `outlet` leads to."""
        self.epoch = 0
        self.version = 0
        self.serial = 1
        self.players: dict[SocketId, Player] = {}
        self.said: list[str] = []
        self._encoder = encoder

    def checksum(self) -> str:
        return checksum_of(self.players[key].line() for key in sorted(self.players))

    def claim(self) -> Claim:
        """All that it believes."""
        return Claim(frozenset(self.players), self.epoch, self.version, self.checksum())

    def read(self) -> None:
        """Take in what was told since the last time."""
        assert self.outlet is not None
        story, self.outlet.story = self.outlet.story, []
        for told in story:
            self._take(told)

    def _take(self, told: Told) -> None:
        match told.thing:
            case Happened():
                self._apply(told.thing)
            case StateView():
                self._replace(told.thing, told.line)
            case Resumed(missed=missed, version=version, checksum=checksum, serial=serial):
                self.inside = True
                for payload in missed:
                    happened = self._encoder.told(payload).thing
                    assert isinstance(happened, Happened)
                    self._apply(happened)
                assert (self.version, self.checksum()) == (version, checksum), told
                self.serial = serial
            case Moved(positions):
                assert self.inside, told
                assert positions.keys() <= self.players.keys(), f"moves of strangers: {told}"
            case Said():
                assert self.inside, told
                self.said.append(told.line)
            case Done(version):
                assert self.inside, told
                assert self._is_slow() or version == self.version, told
            case Left() | Eviction():
                self.inside = False
            case Refused():
                pass
            case _:
                raise AssertionError(told)

    def _apply(self, happened: Happened) -> None:
        event = happened.event
        assert self.inside, f"an event before the snapshot: {event}"
        assert happened.epoch == self.epoch
        assert event.base_version == self.version, f"{self.name}: a gap, or twice: {event}"
        for change in event.changes:
            who = change.player.socket_id
            if change.kind is EventKind.LEFT:
                del self.players[who]
            else:
                known = who in self.players
                assert known is (change.kind is not EventKind.JOINED), event
                assert change.kind is not EventKind.JOINED or who != self.name
                self.players[who] = change.player
            self.version += 1
            assert change.version == self.version
        assert self.checksum() == event.checksum
        assert event.metadata.player_count == len(self.players)

    def _replace(self, view: StateView, line: str) -> None:
        if line.startswith("valid "):
            assert view.epoch == self.epoch
            assert self._is_slow() or (view.version, view.checksum) == (
                self.version,
                self.checksum(),
            )
            return
        if self.inside:
            assert (view.epoch, view.version) >= (self.epoch, self.version), "back in time"
        self.inside = True
        self.epoch, self.version = view.epoch, view.version
        self.players = {player.socket_id: player for player in view.players}
        assert self.name in self.players
        assert self.checksum() == view.checksum

    def _is_slow(self) -> bool:
        return self.outlet is not None and self.outlet.full
