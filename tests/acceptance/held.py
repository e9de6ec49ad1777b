"""The list of players that a client holds, and the steps that a room may take.

Owns one room's players at one version, as events and snapshots tell of them; knows nothing of who
holds it, of connections or of replies (`mirror.py`). A step that no correct server would send
raises `Wrong`; what is held is then of no further use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.acceptance.frames import (
    LEAVE_REASONS,
    Object,
    Point,
    checksum_of,
    fault_of_consistency,
    fault_of_metadata,
    fault_of_player,
    is_coordinate,
    line_of,
)


class Wrong(Exception):
    """What a frame says cannot follow from what was held."""


def wrong_if(fault: object, otherwise: str = "") -> None:
    """Raise Wrong when `fault` is true or a sentence; `otherwise` is the sentence for true."""
    if fault:
        raise Wrong(fault if isinstance(fault, str) else otherwise)


class Held:
    """One room as events have told of it. Players are copies: frames stay as they came."""

    def __init__(self) -> None:
        self.room_id = ""
        self.epoch = 0
        self.version = 0
        self.players: dict[str, Object] = {}
        self.metadata: Object = {}
        self._lines: dict[str, str] = {}

    @property
    def checksum(self) -> str:
        """Computed from this list, never taken from a frame."""
        return checksum_of(self._lines)

    def position(self, socket_id: str) -> Point | None:
        """Where a player is, None when hidden. Raises KeyError for an unknown player."""
        at = self.players[socket_id]["position"]
        return None if at is None else (at["x"], at["y"])

    def view(self) -> dict[str, tuple[object, ...]]:
        """Everything that must be equal between two members of one room at one version."""
        return {
            socket_id: (
                player["userId"],
                player.get("displayName"),
                player["isReady"],
                player["connected"],
                player["joinedAt"],
                json.dumps(player["attributes"], sort_keys=True),
                self.position(socket_id),
            )
            for socket_id, player in self.players.items()
        }

    # steps

    def replace(self, item: Object, own: str, *, same_room: bool, with_metadata: bool) -> None:
        """Take a whole state; at an equal version of the same room it must be equal."""
        said = item.get("consistency")
        wrong_if(fault_of_consistency(said, whole=True))
        assert isinstance(said, dict)
        players = item.get("players")
        wrong_if(not isinstance(players, list), "a whole state without `players`")
        assert isinstance(players, list)
        for player in players:
            wrong_if(fault_of_player(player))
        by_id = {player["socketId"]: dict(player) for player in players}
        wrong_if(len(by_id) != len(players), "somebody is twice in a whole state")
        wrong_if(own not in by_id, "a member is not in its own room's state")
        wrong_if(not by_id[own]["connected"], "a member that is here is shown as lost")
        at, before = (said["epoch"], said["version"]), (self.epoch, self.version)
        lines = {socket_id: line_of(player) for socket_id, player in by_id.items()}
        if same_room:
            wrong_if(at[0] < before[0], f"the epoch went back from {before[0]}")
            wrong_if(at < before, f"the version went back from {before[1]}")
            wrong_if(at == before and lines != self._lines, "two states at one version differ")
        self.players, self._lines = by_id, lines
        self.room_id = item["roomId"]
        self.epoch, self.version = at
        if with_metadata:
            self._take_metadata(item)
        self._compare(said)

    def step(self, item: Object, own: str) -> None:
        """Take one versioned event: same epoch, exactly k versions on, equal checksums."""
        said = item.get("consistency")
        wrong_if(fault_of_consistency(said, whole=False))
        assert isinstance(said, dict)
        players = item.get("players")
        wrong_if(not isinstance(players, list) or not players, "an event about nobody")
        assert isinstance(players, list)
        wrong_if(said["epoch"] != self.epoch, f"an event of another epoch than {self.epoch}")
        expected = self.version + len(players)
        wrong_if(
            said["version"] != expected,
            f"after {self.version}, an event of {len(players)} players",
        )
        take = _STEPS[item["type"]]
        for player in players:
            wrong_if(not isinstance(player, dict), "a player is not an object")
            wrong_if(
                item["type"] == "playerJoinedRoom" and player.get("socketId") == own,
                "a member was told of its own joining",
            )
            take(self, player)
        self.version = said["version"]
        if item["type"] in ("playerJoinedRoom", "playerLeftRoom"):
            self._take_metadata(item)
        self._compare(said)

    def move(self, moves: Iterable[object]) -> None:
        """Take positions, of known players that do not hide."""
        for move in moves:
            wrong_if(not isinstance(move, list) or len(move) != 3, "a move is not [id, x, y]")
            assert isinstance(move, list)
            socket_id, x, y = move
            wrong_if(socket_id not in self.players, f"a move of {socket_id}, who is unknown")
            known = self.players[socket_id]
            wrong_if(known["position"] is None, f"a move of {socket_id}, who hides")
            wrong_if(not is_coordinate(x) or not is_coordinate(y), "a move to nowhere")
            known["position"] = {"x": x, "y": y}

    def _joined(self, player: Object) -> None:
        wrong_if(fault_of_player(player))
        wrong_if(player["socketId"] in self.players, f"{player['socketId']} joined twice")
        wrong_if(player["isReady"] or not player["connected"], "somebody joins ready or lost")
        self._keep(dict(player))

    def _left(self, player: Object) -> None:
        socket_id = self._known(player)["socketId"]
        wrong_if(player.get("reason") not in LEAVE_REASONS, "somebody left for no known reason")
        del self.players[socket_id]
        del self._lines[socket_id]

    def _ready(self, player: Object) -> None:
        known = self._known(player)
        wrong_if(known["isReady"], f"{known['socketId']} was ready before")
        self._keep(known | {"isReady": True})

    def _updated(self, player: Object) -> None:
        known = self._known(player)
        wrong_if(fault_of_player(player))
        for name in ("isReady", "connected", "joinedAt"):
            wrong_if(player[name] != known[name], f"an update changed `{name}`")
        hides = known["position"] is None
        wrong_if((player["position"] is None) != hides, "an update hid or showed a position")
        self._keep(dict(player))

    def _connection(self, player: Object) -> None:
        known = self._known(player)
        now = player.get("connected")
        wrong_if(not isinstance(now, bool), "a connection changed to nothing")
        wrong_if(now == known["connected"], f"the connection of {known['socketId']} did not change")
        self._keep(known | {"connected": now})

    # parts of steps

    def _known(self, player: Object) -> Object:
        known = self.players.get(str(player.get("socketId")))
        if known is None:
            raise Wrong("an event about somebody unknown")
        wrong_if(
            player.get("userId") != known["userId"], "an event names another user for a player"
        )
        return known

    def _keep(self, player: Object) -> None:
        self.players[player["socketId"]] = player
        self._lines[player["socketId"]] = line_of(player)

    def _take_metadata(self, item: Object) -> None:
        wrong_if(fault_of_metadata(item.get("metadata"), self.players))
        self.metadata = item["metadata"]

    def _compare(self, said: Object) -> None:
        own = self.checksum
        wrong_if(said["checksum"] != own, f"the checksum of what is held is {own}")


_STEPS: Final[dict[str, Callable[[Held, Any], None]]] = {
    "playerJoinedRoom": Held._joined,
    "playerLeftRoom": Held._left,
    "playerReady": Held._ready,
    "playerUpdated": Held._updated,
    "playerConnectionChanged": Held._connection,
}
