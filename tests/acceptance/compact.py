"""Reads the compact form of moves, as the README documents it. Shares nothing with the server's."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from tests.acceptance.frames import Object
from tests.acceptance.held import wrong_if

HEAD_BYTES: Final = 24


def read_moves(data: bytes, players: Sequence[str]) -> Object:
    """The `playersMoved` of a binary frame, for a client that holds `players`, by ascending
    socketId; also the `version` that the numbers are of. Raises Wrong.
    """
    wrong_if(len(data) < HEAD_BYTES, "a binary frame without a whole head")
    kind, size, zero, count, epoch, version = struct.unpack_from("<BBHIQQ", data)
    wrong_if(kind not in (1, 2, 3) or size not in (4, 8) or zero or not count, "no compact moves")
    if kind == 1:
        end = HEAD_BYTES + (len(players) + 7) // 8
        bits = int.from_bytes(data[HEAD_BYTES:end], "little")
        numbers = [number for number in range(bits.bit_length()) if bits >> number & 1]
    else:
        width = 2 if kind == 2 else 4
        end = HEAD_BYTES + width * count
        numbers = [
            int.from_bytes(data[at : at + width], "little") for at in range(HEAD_BYTES, end, width)
        ]
    wrong_if(numbers != sorted(set(numbers)) or len(numbers) != count, "numbers do not ascend")
    wrong_if(numbers[-1] >= len(players), f"a move of player {numbers[-1]} of {len(players)}")
    start = -(-end // size) * size
    wrong_if(any(data[end:start]), "something stands where zeros should")
    wrong_if(len(data) != start + 2 * size * count, "more or less than the moves")
    letter = "f" if size == 4 else "d"
    where = struct.unpack_from(f"<{2 * count}{letter}", data, start)
    moves = [
        [players[number], where[2 * at], where[2 * at + 1]] for at, number in enumerate(numbers)
    ]
    return {"type": "playersMoved", "epoch": epoch, "version": version, "moves": moves}
