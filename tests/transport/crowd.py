"""Clients who do everything at once, from a seed: the people of the simulation.

Owns what one of them may do at any moment, sensible or not. Each holds a mirror of its room, which
judges every frame. Nothing here waits: time passes when the house says so.
"""

import json
import random
from typing import Any, Final

from websockets.frames import Frame, Opcode

from tests.acceptance.mirror import Mirror, Seat
from tests.transport.sockets import Caller, Porch

ROOMS: Final = ("a", "b", "c")
USERS: Final = ("u1", "u2", "u3")
DEEDS: Final = (
    *("join",) * 4,
    *("update", "move", "flow") * 2,
    *("leave", "ready", "say", "state", "validate", "ping", "break", "close", "take over"),
    *("stall", "trickle"),
)


class Person:
    """One client through all its connections. `story` is what it said and heard, for a failure."""

    def __init__(self, porch: Porch, name: str, rng: random.Random) -> None:
        self._porch: Final = porch
        self._rng: Final = rng
        self.name: Final = name
        self.mirror: Final = Mirror(name, may_fall_behind=True)
        self.insists = True
        """It tries its token also where it has left."""
        self.story: list[object] = []
        self.earlier: list[Caller] = []
        self._caller: Caller | None = None
        self._token: tuple[str, str] | None = None
        self._number = 0

    @property
    def caller(self) -> Caller | None:
        """The connection that is open as far as the client knows."""
        caller = self._caller
        return None if caller is None or caller.wire.is_closing() else caller

    def read(self) -> None:
        """Take in what came, answer pings and closes. Raises Violation."""
        if self._caller is None:
            return
        for frame in self._caller.heard():
            if frame.opcode is not Opcode.TEXT:
                continue
            value = json.loads(bytes(frame.data))
            for item in value if isinstance(value, list) else [value]:
                self.story.append(item)
                self.mirror.feed(item)
                if "resumeToken" in item:
                    self._token = item["roomId"], item["resumeToken"]
        self._caller.answer()

    def act(self) -> None:
        """Do anything at all."""
        caller, rng = self.caller, self._rng
        if caller is None:
            self.read()
            self._open()
            if rng.random() < 0.8:
                self._resume()
            return
        match rng.choice(DEEDS):
            case "join":
                user = rng.choice([*USERS, self.name])
                self._say("joinRoomGameSpace", roomId=rng.choice(ROOMS), userId=user)
            case "leave":
                self._say("leaveRoomGameSpace")
            case "ready":
                self._say("ready")
            case "update":
                self._say("updatePlayer", displayName=str(rng.randrange(99)))
            case "move":
                self._say("move", x=rng.randrange(99), y=0)
            case "say":
                self._say("sendRoomMessage", event="e", data="x" * rng.choice([1, 100, 3000]))
            case "state":
                self._say("requestRoomState")
            case "validate":
                self._validate()
            case "ping":
                self._say("ping")
            case "break":
                caller.wire.break_()
            case "close":
                caller.wire.arrive(caller.bytes_of(Frame(Opcode.CLOSE, b"\x03\xe8")))
            case "take over":
                self.read()
                self._open()
                self._resume()
            case "stall":
                caller.wire.flows = False
            case "flow":
                self.flow()
            case "trickle":
                caller.wire.let_through(rng.randrange(1, 20_000))

    def begin(self, room_id: str) -> None:
        """Open a connection and join."""
        self._open()
        self._say("joinRoomGameSpace", roomId=room_id, attributes={"of": self.name})

    def act_seated(self) -> None:
        """Change something of oneself, to what it never was, and stay."""
        match self._rng.choice(["ready", "update", "move"]):
            case "ready":
                self._say("ready")
            case "update":
                self._say("updatePlayer", displayName=str(self._number))
            case "move":
                self._say("move", x=self._number, y=0)

    def asked(self) -> dict[str, list[Any]]:
        """What it ever wanted to be, in that order, by the field in which that shows."""
        said = [item for item in self.story if isinstance(item, dict) and "said" in item]
        return {
            "position": [{"x": m["x"], "y": m["y"]} for m in said if m["said"] == "move"],
            "displayName": [m["displayName"] for m in said if m["said"] == "updatePlayer"],
            "isReady": [True for m in said if m["said"] == "ready"],
        }

    def come_back(self) -> None:
        """Resume over a new connection."""
        self._open()
        self._resume()

    def flow(self) -> None:
        """Read all that waits, and from now on everything at once."""
        if self.caller is not None:
            self.caller.wire.flows = True
            self.caller.wire.let_through()

    def _open(self) -> None:
        if self._caller is not None:
            self.earlier.append(self._caller)
        self.story.append("a new connection")
        self.mirror.opened()
        self._caller = self._porch.caller(f"192.0.2.{self.name}")
        self._caller.send_raw(self._caller.handshake_bytes())
        self.read()

    def _resume(self) -> None:
        if self._token is None or (self.mirror.seat is Seat.OUT and not self.insists):
            return
        room_id, token = self._token
        mirror = self.mirror
        known = mirror.seat is Seat.AWAY and mirror.room_id == room_id
        epoch, version = (mirror.epoch, mirror.version) if known else (0, 0)
        fields = {"roomId": room_id, "resumeToken": token, "epoch": epoch, "version": version}
        self._say("resumeRoomGameSpace", **fields)

    def _validate(self) -> None:
        mirror = self.mirror
        if mirror.seat is Seat.SEATED:
            self._say(
                "validateRoomState",
                roomId=mirror.room_id,
                expectedPlayers=sorted(mirror.players),
                epoch=mirror.epoch,
                version=mirror.version,
                checksum=mirror.checksum,
            )

    def _say(self, kind: str, **fields: Any) -> None:
        """Most requests have a number, some come twice."""
        caller = self.caller
        assert caller is not None
        self._number += 1
        if self._rng.random() < 0.7:
            fields["sequenceId"] = self._number
        self.story.append({"said": kind, **fields})
        for _ in range(1 + (self._rng.random() < 0.1)):
            caller.wire.arrive(caller.bytes_of(json.dumps({"type": kind, **fields})))
