"""Our wire contract with moves in binary (`vaultmeet.v1.compact`), for one client of a load.

PURE, as `dialects.py`. Owns what such a client must remember: who sits in its room, by which the
numbers in a frame are names, and the version that these count by. A frame that counts by another
one, or that the page does not allow, is a broken stream: whoever cannot name who moved does not
know whether it moved itself, and would count wrong.
"""

from __future__ import annotations

from struct import Struct, calcsize, error, unpack_from
from typing import Any, Final

from benchmarks.dialects import TEXT, BrokenStream, Dialect, Fact, Moved, Rooms, client_frame

SUBPROTOCOL: Final = "vaultmeet.v1.compact"
_HEAD: Final = Struct("<BBHI16s")
"""Kind, bytes of a coordinate, 0, how many moved, and what the numbers count by."""
_AT: Final = Struct("<QQ")
"""Epoch and version."""
_AT_BYTES: Final = slice(8, 24)
_BITS: Final = 1
_NUMBERS: Final = {2: "H", 3: "I"}
"""The kinds that name numbers, with their type."""
_COORDINATES: Final = {4: "f", 8: "d"}
_US_PER_UNIT: Final = 1000


class Compact(Rooms):
    """A stamp travels in ms with three decimals: below 16,384 of them, longer than a window, single
    precision tells each µs from the next, so coordinates take 4 bytes, as those of most do. Later
    ones take 8 and are as exact.
    """

    subprotocol = SUBPROTOCOL

    def __init__(self) -> None:
        self._seated: set[str] = set()
        self._at = b""
        self._order: list[str] | None = None
        self._numbers: dict[bytes, int] = {}

    def fresh(self) -> Dialect:
        return Compact()

    def move(self, stamp_us: int, y: int) -> bytes:
        units, rest = divmod(stamp_us, _US_PER_UNIT)
        return client_frame(TEXT, b'{"type":"move","x":%d.%03d,"y":%d}' % (units, rest, y))

    def own_mark(self, user: int, own_id: str) -> bytes:
        return own_id.encode()

    def read(self, payload: bytes) -> list[Fact]:
        """As the others, and binary moves too. Raises BrokenStream."""
        if payload.startswith((b"{", b"[")):
            return super().read(payload)
        if payload[0] != _BITS and payload[0] not in _NUMBERS:
            return []  # of a later server, and to be ignored
        return [self._moved(payload)]

    def moves(self, payload: bytes, own_mark: bytes) -> int:
        """The head says how many moved; who sits in the room, whether this client is among them.
        Raises BrokenStream.
        """
        kind = payload[0]
        if kind != _BITS and kind not in _NUMBERS:
            self.read(payload)  # who comes and goes changes the numbers
            return 0
        self._check_version(payload[_AT_BYTES])
        own = self._number(own_mark)
        try:
            if kind == _BITS:
                is_among = payload[_HEAD.size + (own >> 3)] >> (own & 7) & 1
            else:
                is_among = own in _numbers_in(payload)
        except (IndexError, error):
            raise BrokenStream(f"moves that end after {len(payload)} bytes") from None
        return int.from_bytes(payload[4:8], "little") - is_among

    def _say(self, message: dict[str, Any], say: Any) -> None:
        super()._say(message, say)
        match message["type"]:
            case "roomGameSpaceJoined" | "roomState":
                self._seat(_ids(message))
            case "playerJoinedRoom":
                self._seat(self._seated | _ids(message))
            case "playerLeftRoom":
                self._seat(self._seated - _ids(message))
        if "consistency" in message:
            at = message["consistency"]
            self._at = _AT.pack(at["epoch"], at["version"])

    def _seat(self, ids: set[str]) -> None:
        self._seated = ids
        self._order = None

    def _names(self) -> list[str]:
        """Of all in the room, in the order of their numbers; sorted once for each change."""
        if self._order is None:
            self._order = sorted(self._seated)
            self._numbers = {name.encode(): number for number, name in enumerate(self._order)}
        return self._order

    def _number(self, own_mark: bytes) -> int:
        self._names()
        if own_mark not in self._numbers:
            raise BrokenStream("moves to a client that sits in no room")
        return self._numbers[own_mark]

    def _check_version(self, at: bytes) -> None:
        if at != self._at:
            raise BrokenStream("moves that count by another version than the client has reached")

    def _moved(self, payload: bytes) -> Moved:
        if len(payload) < _HEAD.size:
            raise BrokenStream("moves without a whole head")
        kind, size, zero, count, at = _HEAD.unpack_from(payload)
        self._check_version(at)
        names = self._names()
        who = (len(names) + 7) // 8 if kind == _BITS else count * calcsize(_NUMBERS[kind])
        end = _HEAD.size + who
        if size not in _COORDINATES or zero or not count:
            raise BrokenStream(f"{count} moves of {size} bytes a coordinate")
        start = -(-end // size) * size
        if len(payload) != start + 2 * size * count or any(payload[end:start]):
            raise BrokenStream(f"{count} moves of {size} bytes a coordinate in {len(payload)}")
        if kind == _BITS:
            bits = int.from_bytes(payload[_HEAD.size : end], "little")
            numbers = [number for number in range(bits.bit_length()) if bits >> number & 1]
        else:
            numbers = list(_numbers_in(payload))
        if len(numbers) != count or numbers != sorted(set(numbers)) or numbers[-1] >= len(names):
            raise BrokenStream(f"{count} moves of the players {numbers} of {len(names)}")
        stamps = unpack_from(f"<{2 * count}{_COORDINATES[size]}", payload, start)[::2]
        return Moved(
            tuple(
                (names[number], round(x * _US_PER_UNIT))
                for number, x in zip(numbers, stamps, strict=True)
            )
        )


def _ids(message: dict[str, Any]) -> set[str]:
    return {player["socketId"] for player in message["players"]}


def _numbers_in(payload: bytes) -> tuple[int, ...]:
    count = int.from_bytes(payload[4:8], "little")
    return unpack_from(f"<{count}{_NUMBERS[payload[0]]}", payload, _HEAD.size)
