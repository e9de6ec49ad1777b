"""The shapes of what a server sends, as the protocol page gives them.

Owns what can be judged of one object by itself; knows nothing of what came before (`mirror.py`).
Each `fault_of_…` answers a sentence when the shape is wrong and None when it is right.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeGuard

Object: TypeAlias = dict[str, Any]
Point: TypeAlias = tuple[float, float]

EPOCH_MAX: Final = 2**53 - 1
COORDINATE_MAX: Final = 1e9
CHECKSUM: Final = re.compile(r"[0-9a-f]{8}")
SOCKET_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,12}")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LEAVE_REASONS: Final = frozenset({"left", "switched", "timeout", "kicked", "replaced"})
STATE_REASONS: Final = frozenset({"requested", "slowConsumer", "roomRecovered"})
ERROR_CODES: Final = frozenset(
    {
        "badMessage",
        "unsupportedType",
        "unauthenticated",
        "forbidden",
        "roomFull",
        "roomClosed",
        "notInRoom",
        "rateLimited",
        "staleSequence",
        "resumeExpired",
        "unavailable",
        "internal",
    }
)
VERSIONED: Final = frozenset(
    {
        "playerJoinedRoom",
        "playerLeftRoom",
        "playerReady",
        "playerUpdated",
        "playerConnectionChanged",
    }
)


def checksum_line(socket_id: str, user_id: str, is_ready: bool, connected: bool) -> str:
    """One player's line of the checksum (G3)."""
    return f"{socket_id}|{user_id}|{int(is_ready)}|{int(connected)}"


def checksum_of(lines: Mapping[str, str]) -> str:
    """The checksum of a room from its lines by socketId, O(n log n) (G3)."""
    ordered = sorted(lines, key=lambda socket_id: socket_id.encode())
    return f"{zlib.crc32(chr(10).join([lines[s] for s in ordered]).encode()):08x}"


def line_of(player: Object) -> str:
    """The checksum line of a whole `PlayerInfo`."""
    return checksum_line(
        player["socketId"], player["userId"], player["isReady"], player["connected"]
    )


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a JSON value is an integer; `true` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_coordinate(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a finite number within the bounds of a room."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and abs(value) <= COORDINATE_MAX
    )


def is_time(value: object) -> TypeGuard[str]:
    """Whether a JSON value is RFC 3339 in UTC with milliseconds."""
    return isinstance(value, str) and TIME.fullmatch(value) is not None


def is_socket_id(value: object) -> TypeGuard[str]:
    """Whether a JSON value is URL-safe and at most 12 characters."""
    return isinstance(value, str) and SOCKET_ID.fullmatch(value) is not None


def is_position(value: object) -> bool:
    """Whether a JSON value is `{x, y}`, or null for one who hides."""
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and value.keys() == {"x", "y"}
        and is_coordinate(value["x"])
        and is_coordinate(value["y"])
    )


def fault_of_player(player: object) -> str | None:
    """Judge a whole `PlayerInfo`."""
    if not isinstance(player, dict):
        return "a player is not an object"
    checks = {
        "socketId": is_socket_id(player.get("socketId")),
        "userId": isinstance(player.get("userId"), str),
        "displayName": isinstance(player.get("displayName", ""), str),
        "position": is_position(player.get("position", "missing")),
        "attributes": isinstance(player.get("attributes"), dict),
        "joinedAt": is_time(player.get("joinedAt")),
        "lastSeen": is_time(player.get("lastSeen")),
        "isReady": isinstance(player.get("isReady"), bool),
        "connected": isinstance(player.get("connected"), bool),
    }
    wrong = [name for name, right in checks.items() if not right]
    return f"a player whose {', '.join(wrong)} is wrong: {player}" if wrong else None


def fault_of_consistency(said: object, *, whole: bool) -> str | None:
    """Judge a `consistency`; in a `whole` state it also says when the room was last checked."""
    if not isinstance(said, dict):
        return "no `consistency`"
    checks = {
        "epoch": is_integer(said.get("epoch")) and 0 < said["epoch"] <= EPOCH_MAX,
        "version": is_integer(said.get("version")) and said["version"] >= 0,
        "checksum": CHECKSUM.fullmatch(str(said.get("checksum"))) is not None,
        "lastValidated": not whole or is_time(said.get("lastValidated")),
    }
    wrong = [name for name, right in checks.items() if not right]
    return f"a consistency whose {', '.join(wrong)} is wrong" if wrong else None


def fault_of_metadata(metadata: object, players: Mapping[str, Object]) -> str | None:
    """Judge a room's `metadata` beside the players that it speaks of."""
    if not isinstance(metadata, dict):
        return "no `metadata`"
    checks = {
        "createdAt": is_time(metadata.get("createdAt")),
        "lastActivity": is_time(metadata.get("lastActivity")),
        "playerCount": metadata.get("playerCount") == len(players),
        "isActive": metadata.get("isActive") is any(p["connected"] for p in players.values()),
        "maxPlayers": is_integer(metadata.get("maxPlayers")),
        "tickMs": is_integer(metadata.get("tickMs")),
    }
    wrong = [name for name, right in checks.items() if not right]
    return f"metadata whose {', '.join(wrong)} is wrong" if wrong else None


def fault_of_error(item: Object) -> str | None:
    """Judge an `error`."""
    wait = item.get("retryAfterMs", 0)
    checks = {
        "code": item.get("code") in ERROR_CODES,
        "message": isinstance(item.get("message"), str) and item["message"] != "",
        "retryable": isinstance(item.get("retryable"), bool),
        "retryAfterMs": is_integer(wait) and wait >= 0,
        "replyTo": is_integer(item.get("replyTo", 1)),
    }
    wrong = [name for name, right in checks.items() if not right]
    return f"an error whose {', '.join(wrong)} is wrong" if wrong else None


def short(item: object, length: int = 700) -> str:
    """An object as one line for a story."""
    text = json.dumps(item, ensure_ascii=False)
    return text if len(text) <= length else text[:length] + f"… ({len(text)} characters)"
