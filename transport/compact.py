"""The compact form of moves, to the byte. PURE.

Owns the layout, which the README documents with examples: little-endian, each part aligned to the
size of what it holds, so that a client can lay arrays over it.

    0  u8   1: a bit for each player; 2: numbers as u16; 3: numbers as u32
    1  u8   bytes of a coordinate: 4 or 8 (IEEE 754)
    2  u16  0
    4  u32  how many moves
    8  u64  epoch
    16 u64  version
    24      who: a bit for each player, lowest first, or numbers in ascending order; zeros up to a
            multiple of the size of a coordinate
            where: x, y of each
"""

import sys
from array import array
from collections.abc import Sequence
from struct import Struct
from typing import Final

from actors.players import Coordinate, Player

_HEAD: Final = Struct("<BBHIQQ")
_BITS, _SHORT, _LONG = 1, 2, 3
EXACT_FROM: Final = 16_384.0
"""From here on 4 bytes would tell a coordinate with an error of 1/1024 or more; 8 bytes do."""
_SHORT_MAX: Final = 65_536


def moves_payload(
    epoch: int, version: int, player_count: int, moves: Sequence[tuple[int, Player]]
) -> bytes:
    """`moves` are at least one, by number, in ascending order. A coordinate is at most 1/2048 off
    where all of the frame are below `EXACT_FROM`, else exact.
    """
    where: list[Coordinate] = []
    for _, player in moves:
        motion = player.motion
        where += (motion.x, motion.y)
    is_exact = max(where) >= EXACT_FROM or min(where) <= -EXACT_FROM
    size = 8 if is_exact else 4
    count = len(moves)
    if 16 * count > player_count:
        kind, who = _BITS, _bits(player_count, moves)
    else:
        kind = _SHORT if player_count <= _SHORT_MAX else _LONG
        who = _bytes(array("H" if kind == _SHORT else "I", [number for number, _ in moves]))
    return b"".join(
        (
            _HEAD.pack(kind, size, 0, count, epoch, version),
            who,
            bytes(-len(who) % size),
            _bytes(array("d" if is_exact else "f", where)),
        )
    )


def _bits(player_count: int, moves: Sequence[tuple[int, Player]]) -> bytes:
    bits = bytearray((player_count + 7) // 8)
    for number, _ in moves:
        bits[number >> 3] |= 1 << (number & 7)
    return bytes(bits)


def _bytes(values: "array[int] | array[float]") -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
