"""Everything the server says, as bytes: JSON objects, and WebSocket frames around them.

Owns the shapes of the server's messages. What is the same for all members of a room is encoded
once and framed once; a server's frame is not masked (RFC 6455, 5.1), so its bytes serve everyone.
Where a message has personal fields, the shared part is spliced in as bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import pack
from typing import Final, assert_never

from actors.answers import Joined, Resumed, Validated
from actors.errors import Refusal
from actors.ids import RoomId, SocketId
from actors.permissions import Grant, Permission
from actors.players import Coordinate, Event, EventKind, Metadata, Player, StateView
from actors.ports import StateReason
from transport.compact import moves_payload
from transport.wire import Fragment, dumps

_TEXT_FIN: Final = 0x81
_BINARY_FIN: Final = 0x82
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Parts = tuple[bytes, ...]
"""A frame in pieces, to be written one behind the other."""
_SHARED_BYTES_MIN: Final = 16_384
"""From here on a shared part is not copied for each who gets it."""

# The two kinds that are the most. A member of an enum is looked up by name wherever it is named,
# and its hash is Python's own; a constant is there.
_JOINED: Final = EventKind.JOINED
_LEFT: Final = EventKind.LEFT


@lru_cache(maxsize=1024)  # a room says the same few times again and again
def rfc3339(now_ms: int) -> str:
    """Unix milliseconds as UTC with milliseconds, `2026-01-02T03:04:05.678Z`."""
    seconds, millis = divmod(now_ms, 1000)
    return f"{_to_the_second(seconds)}{millis:03}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.")


def frame(payload: bytes, head: int = _TEXT_FIN) -> bytes:
    """`payload` as one unfragmented, unmasked frame, of text (UTF-8) unless `head` says otherwise
    (RFC 6455, 5.2).
    """
    return _frame_head(len(payload), head) + payload


def _frame_head(size: int, head: int) -> bytes:
    if size < 126:
        return pack("!BB", head, size)
    if size < 65_536:
        return pack("!BBH", head, 126, size)
    return pack("!BBQ", head, 127, size)


def player_info(player: Player) -> dict[str, object]:
    """A `PlayerInfo`; `displayName` only where there is one."""
    motion = player.motion
    info: dict[str, object] = {"socketId": player.socket_id, "userId": player.user_id}
    if player.display_name is not None:
        info["displayName"] = player.display_name
    info["position"] = None if player.hide_position else {"x": motion.x, "y": motion.y}
    info["attributes"] = player.attributes
    info["joinedAt"] = rfc3339(player.joined_at_ms)
    info["lastSeen"] = rfc3339(motion.last_seen_ms)
    info["isReady"] = player.is_ready
    info["connected"] = player.connected
    return info


class WireEncoder:
    """The Encoder port: what rooms publish. `tick_ms` goes into the metadata."""

    def __init__(self, tick_ms: int) -> None:
        self._tick_ms = tick_ms

    def event(self, room_id: RoomId, epoch: int, event: Event) -> bytes:
        kind = event.kind
        is_entry, is_exit = kind is _JOINED, kind is _LEFT
        players: list[object] = []
        for change in event.changes:
            player = change.player
            if is_entry:
                players.append(player_info(player))
            elif is_exit:
                assert change.reason is not None
                who = _who(player)
                who["reason"] = change.reason
                players.append(who)
            else:
                players.append(_as_of(kind, player))
        message: dict[str, object] = {
            "type": _event_type(kind),
            "roomId": room_id,
            "players": players,
        }
        if is_entry or is_exit:
            message["metadata"] = self._metadata(event.metadata)
        message["consistency"] = _consistency(epoch, event.version, event.checksum)
        # A copy, because it is remembered: what orjson returns keeps its working space of 4 KiB.
        return bytes(memoryview(dumps(message)))

    def said(self, room_id: RoomId, sender: SocketId, event: str, data: object) -> bytes:
        return dumps(
            {"type": "roomMessage", "roomId": room_id, "from": sender, "event": event, "data": data}
        )

    def room_changed(self, room_id: RoomId, private: bool, players_max: int) -> bytes:
        return dumps(
            {
                "type": "roomChanged",
                "roomId": room_id,
                "private": private,
                "maxPlayers": players_max,
            }
        )

    def batch(self, payloads: Sequence[bytes]) -> bytes:
        return frame(payloads[0] if len(payloads) == 1 else b"[" + b",".join(payloads) + b"]")

    def moves(self, room_id: RoomId, epoch: int, players: Iterable[Player]) -> bytes:
        return frame(
            dumps(
                {
                    "type": "playersMoved",
                    "roomId": room_id,
                    "epoch": epoch,
                    "moves": _positions(players),
                }
            )
        )

    def compact_moves(
        self, epoch: int, version: int, player_count: int, moves: Sequence[tuple[int, Player]]
    ) -> bytes:
        return frame(moves_payload(epoch, version, player_count, moves), _BINARY_FIN)

    def positions(self, players: Iterable[Player]) -> bytes:
        return dumps(_positions(players))

    def state(self, view: StateView) -> bytes:
        """The fields `players`, `metadata` and `consistency`, without the braces."""
        return dumps(
            {
                "players": [player_info(player) for player in view.players],
                "metadata": self._metadata(view.metadata),
                "consistency": _consistency_of(view),
            }
        )[1:-1]

    def consistency(self, view: StateView) -> bytes:
        """The field `consistency`, without the braces."""
        return dumps({"consistency": _consistency_of(view)})[1:-1]

    def _metadata(self, metadata: Metadata) -> dict[str, object]:
        return {
            "createdAt": rfc3339(metadata.created_at_ms),
            "lastActivity": rfc3339(metadata.last_activity_ms),
            "playerCount": metadata.player_count,
            "isActive": metadata.is_active,
            "maxPlayers": metadata.players_max,
            "tickMs": self._tick_ms,
        }


# -- what one client gets; `reply_to` is the request's number, None when it had none


def message(kind: str, reply_to: int | None = None, **fields: object) -> bytes:
    """A frame with a small message of its own."""
    body: dict[str, object] = {"type": kind, **fields}
    if reply_to is not None:
        body["replyTo"] = reply_to
    return frame(dumps(body))


def error(refusal: Refusal, reply_to: int | None) -> bytes:
    """The `error` frame."""
    fields: dict[str, object] = {"code": refusal.code, "message": refusal.message}
    fields["retryable"] = refusal.retryable
    if refusal.retry_after_ms is not None:
        fields["retryAfterMs"] = refusal.retry_after_ms
    return message("error", reply_to, **fields)


def permitted(room_id: RoomId, grant: Grant, reply_to: int | None) -> bytes:
    """The `roomPermission` frame."""
    names = [item.value for item in Permission if item in grant.permissions]
    fields: dict[str, object] = {"roomId": room_id, "allowed": grant.allowed, "permissions": names}
    if grant.reason is not None:
        fields["reason"] = grant.reason
    return message("roomPermission", reply_to, **fields)


def joined(
    room_id: RoomId,
    socket_id: SocketId,
    answer: Joined,
    token: str,
    grace_ms: int,
    reply_to: int | None,
) -> Parts:
    """The `roomGameSpaceJoined` frame."""
    head = {"type": "roomGameSpaceJoined", "roomId": room_id, "socketId": socket_id}
    tail: dict[str, object] = {"resumeToken": token, "resumeGraceMs": grace_ms}
    return _spliced(head, answer.state, tail, reply_to)


def resumed(
    room_id: RoomId, socket_id: SocketId, answer: Resumed, token: str, reply_to: int | None
) -> bytes:
    """The `roomGameSpaceResumed` frame."""
    consistency = _consistency(answer.epoch, answer.version, answer.checksum)
    consistency["lastValidated"] = rfc3339(answer.last_validated_ms)
    return message(
        "roomGameSpaceResumed",
        reply_to,
        roomId=room_id,
        socketId=socket_id,
        consistency=consistency,
        missed=Fragment(b"[" + b",".join(answer.missed) + b"]"),
        positions=Fragment(answer.positions),
        resumeToken=token,
    )


def validated(room_id: RoomId, answer: Validated, reply_to: int | None) -> Parts:
    """The `roomStateValidated` frame."""
    verdict = answer.verdict
    head: dict[str, object] = {
        "type": "roomStateValidated",
        "roomId": room_id,
        "valid": verdict.valid,
        "missingPlayers": verdict.missing,
        "unexpectedPlayers": verdict.unexpected,
    }
    return _spliced(head, answer.state, {}, reply_to)


def room_state(
    room_id: RoomId,
    socket_id: SocketId,
    state: bytes,
    reason: StateReason,
    grace_ms: int,
    reply_to: int | None,
) -> Parts:
    """The `roomState` frame: as `roomGameSpaceJoined`, without a token."""
    head = {"type": "roomState", "roomId": room_id, "socketId": socket_id, "reason": reason.value}
    return _spliced(head, state, {"resumeGraceMs": grace_ms}, reply_to)


def _spliced(
    head: Mapping[str, object], shared: bytes, tail: Mapping[str, object], reply_to: int | None
) -> Parts:
    """One object: the fields of `head`, those encoded in `shared`, those of `tail`. A large
    `shared` stays a part by itself: a thousand who wait for it wait for the same bytes.
    """
    if reply_to is not None:
        tail = {**tail, "replyTo": reply_to}
    begin = dumps(head)[:-1] + b","
    end = b"," + dumps(tail)[1:] if tail else b"}"
    if len(shared) < _SHARED_BYTES_MIN:
        return (frame(b"".join((begin, shared, end))),)
    size = len(begin) + len(shared) + len(end)
    return _frame_head(size, _TEXT_FIN) + begin, shared, end


def _who(player: Player) -> dict[str, object]:
    return {"socketId": player.socket_id, "userId": player.user_id}


def _event_type(kind: EventKind) -> str:
    if kind is _JOINED:
        return "playerJoinedRoom"
    if kind is _LEFT:
        return "playerLeftRoom"
    match kind:
        case EventKind.READY:
            return "playerReady"
        case EventKind.UPDATED:
            return "playerUpdated"
        case EventKind.CONNECTION:
            return "playerConnectionChanged"
        case _:
            assert_never(kind)


def _as_of(kind: EventKind, player: Player) -> dict[str, object]:
    """What an event of this kind tells of `player`, who neither came nor went."""
    match kind:
        case EventKind.UPDATED:
            return player_info(player)
        case EventKind.CONNECTION:
            return {**_who(player), "connected": player.connected}
        case EventKind.READY | EventKind.JOINED | EventKind.LEFT:
            return _who(player)
        case _:
            assert_never(kind)


def _positions(players: Iterable[Player]) -> list[tuple[SocketId, Coordinate, Coordinate]]:
    return [(player.socket_id, player.motion.x, player.motion.y) for player in players]


def _consistency(epoch: int, version: int, checksum: str) -> dict[str, object]:
    return {"epoch": epoch, "version": version, "checksum": checksum}


def _consistency_of(view: StateView) -> dict[str, object]:
    return {
        **_consistency(view.epoch, view.version, view.checksum),
        "lastValidated": rfc3339(view.last_validated_ms),
    }
