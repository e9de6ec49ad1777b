"""The wire dialects that the generator speaks: ours in JSON, and that of `baseline.py`.

PURE: bytes in, bytes or facts out; no socket, no clock. What a dialect must offer is said here, and
`compact.py` has a third. Owns the masking of client frames, the
splitting of server frames, and two ways to read a message: `read` parses it whole and is
what the cheap scans (`named`, `moves`) are held against, by the tests and by a sample in each run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Protocol

TEXT: Final = 0x1
BINARY: Final = 0x2
MESSAGES: Final = (TEXT, BINARY)
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
"""Larger than any whole state we ask for; a frame above it is a broken stream, not a big room."""

# One mask of four equal bytes, not zero: the server unmasks as always, and masking here is one
# table look-up per byte in C (RFC 6455, section 5.3, leaves the choice of the key to the client).
_MASK_BYTE: Final = 0x37
_MASK: Final = bytes([_MASK_BYTE]) * 4
_MASKED: Final = bytes(byte ^ _MASK_BYTE for byte in range(256))


def client_frame(opcode: int, payload: bytes) -> bytes:
    """One masked client frame, final, of at most 65 535 bytes of payload (ValueError beyond)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        raise ValueError(f"a client frame of {size} bytes")
    return head + _MASK + payload.translate(_MASKED)


def unmasked(frame: bytes) -> bytes:
    """The payload of what `client_frame` made."""
    start = 6 if frame[1] & 0x7F < 126 else 8
    return frame[start:].translate(_MASKED)


class BrokenStream(Exception):
    """The server sent something that no server sends: a masked, fragmented or endless frame, or one
    that its dialect does not allow.
    """


class FrameReader:
    """Splits a server's byte stream into frames; holds at most one unfinished frame."""

    __slots__ = ("_need", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._need = 2

    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """The frames that `chunk` finishes, as (opcode, payload). O(bytes): at most two copies.

        Raises BrokenStream; the reader is of no use afterwards.
        """
        data = chunk
        if self._rest:
            self._rest += chunk
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        frames = []
        at, end = 0, len(data)
        need = 2
        while end - at >= 2:
            size = data[at + 1]
            start = at + 2
            if size >= 126:
                if size > 127:
                    raise BrokenStream("a masked frame from the server")
                start = at + (4 if size == 126 else 10)
                if start > end:
                    need = start - at
                    break
                size = int.from_bytes(data[at + 2 : start], "big")
                if size > FRAME_BYTES_MAX:
                    raise BrokenStream(f"a frame of {size} bytes")
            stop = start + size
            if stop > end:
                need = stop - at
                break
            head = data[at]
            if head < 0x80:
                raise BrokenStream("a fragmented frame from the server")
            frames.append((head & 0x0F, data[start:stop]))
            at = stop
        if at < end:
            self._rest += data[at:]
        self._need = need
        return frames


# ---------------------------------------------------------------- what a message said


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The connection may join."""


@dataclass(frozen=True, slots=True)
class Present:
    """These users are in the room. `whole`: the list replaces what was known before."""

    users: frozenset[int]
    whole: bool
    own_id: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """These users left the room."""

    users: frozenset[int]


@dataclass(frozen=True, slots=True)
class Left:
    """The answer to one's own leave."""


@dataclass(frozen=True, slots=True)
class Moved:
    """New positions, as (who, stamp in µs); `who` is a name in the dialect's own terms."""

    moves: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The server said no."""

    code: str


Fact = Welcomed | Present | Gone | Left | Moved | Refused


class Dialect(Protocol):
    """What the generator must know of a server. Users are numbers here and `u<number>` there."""

    @property
    def path(self) -> str: ...
    @property
    def subprotocol(self) -> str:
        """What the handshake offers and the server must choose; none where it is empty."""
        ...

    @property
    def greets(self) -> bool:
        """True when the server speaks first, so that a client waits for `Welcomed`."""
        ...

    @property
    def joined_mark(self) -> bytes:
        """The bytes by which the answer to a join is known, unparsed."""
        ...

    @property
    def left_mark(self) -> bytes:
        """The same of a leave."""
        ...

    def fresh(self) -> Dialect:
        """The dialect for one connection: itself, unless reading a frame takes what came before."""
        ...

    def join(self, room: int, user: int) -> bytes: ...
    def leave(self) -> bytes: ...
    def move(self, stamp_us: int, y: int) -> bytes:
        """A move whose x says `stamp_us`, the moment it was due; x comes back to the others."""
        ...

    def read(self, payload: bytes) -> list[Fact]:
        """Everything the frame says, in order, by parsing it whole. Unknown types say nothing."""
        ...

    def name_of(self, user: int, own_id: str) -> str:
        """How `Moved` names this client."""
        ...

    def named(self, payload: bytes) -> int:
        """Cheap: how many users a frame about who is in the room names."""
        ...

    def moves(self, payload: bytes, own_mark: bytes) -> int:
        """Cheap and exact: how many new positions of *others* the frame holds."""
        ...

    def own_mark(self, user: int, own_id: str) -> bytes:
        """The bytes by which `moves` knows this client's own position in a frame."""
        ...


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _number(user_id: str) -> int:
    return int(user_id[1:])


def ping(stamp_us: int) -> bytes:
    """A question whose answer has the same `t`; the same in both dialects."""
    return client_frame(TEXT, b'{"type":"ping","t":%d}' % stamp_us)


def ponged(payload: bytes) -> int | None:
    """The `t` of the answer to a ping; None where the frame is none. It is parsed whole."""
    message = json.loads(payload)
    if isinstance(message, dict) and message["type"] == "pong":
        return int(message["t"])
    return None


class Rooms:
    """Our wire contract, as far as a load needs it."""

    path = "/ws"
    subprotocol = ""
    greets = True
    joined_mark = b'"type":"roomGameSpaceJoined"'
    left_mark = b'"type":"roomGameSpaceLeft"'
    _LEAVE = client_frame(TEXT, b'{"type":"leaveRoomGameSpace"}')

    def fresh(self) -> Dialect:
        return self

    def join(self, room: int, user: int) -> bytes:
        request = {"type": "joinRoomGameSpace", "roomId": f"r{room}", "userId": f"u{user}"}
        return client_frame(TEXT, _json(request))

    def leave(self) -> bytes:
        return self._LEAVE

    def move(self, stamp_us: int, y: int) -> bytes:
        return client_frame(TEXT, b'{"type":"move","x":%d,"y":%d}' % (stamp_us, y))

    def read(self, payload: bytes) -> list[Fact]:
        whole = json.loads(payload)
        facts: list[Fact] = []
        for message in whole if isinstance(whole, list) else [whole]:
            self._say(message, facts.append)
        return facts

    def _say(self, message: dict[str, Any], say: Any) -> None:
        match message["type"]:
            case "welcome":
                say(Welcomed())
            case "roomGameSpaceJoined" | "roomState":
                say(Present(self._of(message), whole=True, own_id=message["socketId"]))
            case "playerJoinedRoom":
                say(Present(self._of(message), whole=False))
            case "playerLeftRoom":
                say(Gone(self._of(message)))
            case "roomGameSpaceLeft":
                say(Left())
            case "playersMoved":
                say(Moved(tuple((who, int(x)) for who, x, _ in message["moves"])))
            case "error":
                say(Refused(message["code"]))
            case _:
                pass

    @staticmethod
    def _of(message: dict[str, Any]) -> frozenset[int]:
        return frozenset(_number(player["userId"]) for player in message["players"])

    def name_of(self, user: int, own_id: str) -> str:
        return own_id

    def named(self, payload: bytes) -> int:
        return payload.count(b'"userId"')

    def moves(self, payload: bytes, own_mark: bytes) -> int:
        # Room and socket ids have no brackets and numbers neither, so in a lone `playersMoved`
        # every "[" but the outer one opens a move. Anything else, a batch too, is parsed.
        if payload.startswith(b'{"type":"playersMoved",'):
            return payload.count(b"[") - 1 - payload.count(own_mark)
        own = own_mark[2:-1].decode()
        return sum(
            sum(who != own for who, _ in fact.moves)
            for fact in self.read(payload)
            if isinstance(fact, Moved)
        )

    def own_mark(self, user: int, own_id: str) -> bytes:
        return b'["' + own_id.encode() + b'"'


class Plain:
    """What `baseline.py` speaks: one object a frame, no batches, no ids but the user's."""

    path = "/"
    subprotocol = ""
    greets = False
    joined_mark = b'"type":"members"'
    left_mark = b'"type":"left"'
    _LEAVE = client_frame(TEXT, b'{"type":"leave"}')

    def fresh(self) -> Dialect:
        return self

    def join(self, room: int, user: int) -> bytes:
        request = {"type": "join", "room": f"r{room}", "user": f"u{user}"}
        return client_frame(TEXT, _json(request))

    def leave(self) -> bytes:
        return self._LEAVE

    def move(self, stamp_us: int, y: int) -> bytes:
        return client_frame(TEXT, b'{"type":"move","x":%d,"y":%d}' % (stamp_us, y))

    def read(self, payload: bytes) -> list[Fact]:
        message = json.loads(payload)
        match message["type"]:
            case "members":
                users = frozenset(_number(each["user"]) for each in message["members"])
                return [Present(users, whole=True)]
            case "joined":
                return [Present(frozenset({_number(message["user"])}), whole=False)]
            case "gone":
                return [Gone(frozenset({_number(message["user"])}))]
            case "left":
                return [Left()]
            case "move":
                return [Moved(((message["user"], int(message["x"])),))]
            case _:
                return []

    def name_of(self, user: int, own_id: str) -> str:
        return f"u{user}"

    def named(self, payload: bytes) -> int:
        return payload.count(b'"user"')

    def moves(self, payload: bytes, own_mark: bytes) -> int:
        return 1 if payload.startswith(b'{"type":"move",') and own_mark not in payload else 0

    def own_mark(self, user: int, own_id: str) -> bytes:
        return b'"user":"u%d"' % user
