"""The comparison: what one writes in an afternoon on `websockets.asyncio.server` and uvloop.

Not ours: no versions, no checksums, no resume, no limits, no ticks. A dict of sets, and one frame
per event to each of the others, as most hand-made room servers do. It shares no code with the
product. `python -m benchmarks.baseline [port]` prints its port in the same JSON line as ours.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

Player = dict[str, Any]
"""`user`, `x`, `y`: as it goes over the wire."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


def _text(kind: str, **fields: Any) -> str:
    return _encode({"type": kind, **fields})


class PlainRooms:
    """All rooms of the process, and who each connection is."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[ServerConnection]] = {}
        self.players: dict[ServerConnection, Player] = {}

    async def serve_one(self, connection: ServerConnection) -> None:
        """One connection from its handshake to its end."""
        room = ""
        try:
            async for text in connection:
                message = json.loads(text)
                match message["type"]:
                    case "join":
                        self._leave(room, connection)
                        room = message["room"]
                        self._join(room, connection, message["user"])
                    case "move" if room:
                        self._move(room, connection, message["x"], message["y"])
                    case "leave":
                        self._leave(room, connection)
                        room = ""
                        await connection.send(_text("left"))
                    case "ping":
                        await connection.send(_text("pong", t=message["t"]))
        except ConnectionClosed:
            pass
        finally:
            self._leave(room, connection)

    def _join(self, room: str, connection: ServerConnection, user: str) -> None:
        members = self.rooms.setdefault(room, set())
        player = self.players[connection] = {"user": user, "x": 0, "y": 0}
        # broadcast() queues without waiting, so the list and the events after it stay in order.
        broadcast(members, _text("joined", **player))
        members.add(connection)
        everyone = [self.players[member] for member in members]
        broadcast([connection], _text("members", room=room, members=everyone))

    def _move(self, room: str, connection: ServerConnection, x: float, y: float) -> None:
        player = self.players[connection]
        player["x"], player["y"] = x, y
        others = self.rooms[room] - {connection}
        broadcast(others, _text("move", user=player["user"], x=x, y=y))

    def _leave(self, room: str, connection: ServerConnection) -> None:
        if not room:
            return
        members = self.rooms[room]
        members.discard(connection)
        user = self.players.pop(connection)["user"]
        if members:
            broadcast(members, _text("gone", user=user))
        else:
            del self.rooms[room]


async def main(port: int) -> None:
    """Listen on loopback until the process is ended."""
    rooms = PlainRooms()
    # Ours does not negotiate compression either: with it memory would be several times as much.
    async with serve(rooms.serve_one, "127.0.0.1", port, compression=None, backlog=4096) as server:
        (listener,) = server.sockets
        started = {"event": "server_started", "details": {"port": listener.getsockname()[1]}}
        print(json.dumps(started), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
