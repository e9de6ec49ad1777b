"""The requests of a session's model as frames, and what rooms get of them in the model's words."""

import json
from typing import Any

from actors import messages as m
from actors.players import LeaveReason
from tests.transport.session_model import Ask, Said


def raw(ask: Ask) -> bytes:
    """The frame of `ask`."""
    room: Said = {"roomId": ask.room}
    bodies: dict[str, Said] = {
        "ping": {"type": "ping", "t": ask.x},
        "ready": {"type": "ready"},
        "say": {"type": "sendRoomMessage", "event": "e", "data": ask.x},
        "update": {"type": "updatePlayer", "displayName": "N"},
        "state": {"type": "requestRoomState"},
        "validate": {"type": "validateRoomState", "expectedPlayers": [], **room},
        "join": {"type": "joinRoomGameSpace", **room},
        "leave": {"type": "leaveRoomGameSpace"},
        "move": {"type": "move", "x": ask.x, "y": 0},
        "check": {"type": "checkRoomPermission", **room},
        "authenticate": {"type": "authenticate", "token": "t"},
        "wrong field": {"type": "joinRoomGameSpace", "roomId": ""},
        "wrong move": {"type": "move", "x": "?", "y": 0},
        "unknown": {"type": "nonsense"},
        "wrong number": {"type": "ready", "sequenceId": 0},
        "resume": {"type": "resumeRoomGameSpace", "epoch": 3, "version": 7, **room},
    }
    if ask.kind == "nonsense":
        return b"{"
    body = bodies[ask.kind]
    if ask.kind == "resume":
        body["resumeToken"] = ask.token.text if ask.token is not None else "forged"
    if ask.number is not None:
        body["sequenceId"] = ask.number
    return json.dumps(body).encode()


def kind_of(message: Any) -> str:
    """A message in the model's words."""
    match message:
        case m.Leave(reason=LeaveReason.SWITCHED):
            return "Leave switched"
        case m.Leave():
            return "leave"
        case m.Ready() | m.Say() | m.Update() | m.Validate():
            return type(message).__name__.lower()
        case m.Describe():
            return "state"
        case _:
            return type(message).__name__
