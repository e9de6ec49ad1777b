"""The compact form of moves, to the byte: examples, and a reader that shares nothing with it."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ids import SocketId, UserId
from actors.players import Motion, Player
from tests.acceptance.compact import read_moves
from transport.compact import EXACT_FROM, moves_payload

README = Path(__file__).parents[2] / "README.md"
COORDINATES = st.floats(-1e9, 1e9, allow_nan=False) | st.integers(-(10**9), 10**9)
NEAR = st.floats(-EXACT_FROM, EXACT_FROM, exclude_min=True, exclude_max=True)


def somebody(x: float, y: float) -> Player:
    """Somewhere."""
    return Player(SocketId("S"), UserId("u"), None, {}, 0, Motion(x, y, 0))


def names(count: int) -> list[str]:
    """In ascending order."""
    return [f"{number:07}" for number in range(count)]


def written(
    count: int, moves: dict[int, tuple[float, float]], epoch: int = 1, version: int = 1
) -> bytes:
    """The frame of a room of `count`."""
    return moves_payload(
        epoch, version, count, [(number, somebody(*moves[number])) for number in sorted(moves)]
    )


@pytest.mark.rule("C5.2")
def test_the_examples_of_the_readme_are_what_is_sent() -> None:
    """Each with its room, its moves and its bytes."""
    text = README.read_text("utf-8")
    examples = re.findall(
        r"epoch (\d+), version (\d+), (\d+) players: ([^\n]*)\n\n    ([0-9a-f \n]+)\n", text
    )
    assert len(examples) == 3
    for epoch, version, count, told, dump in examples:
        moves = {
            int(number): (float(x), float(y))
            for number, x, y in re.findall(r"(\d+) at \(([^,]+), ([^)]+)\)", told)
        }
        data = bytes.fromhex(dump.replace("\n", " "))
        assert written(int(count), moves, int(epoch), int(version)) == data, told


@pytest.mark.rule("C5.2")
@given(data=st.data(), count=st.integers(1, 3000))
def test_what_is_written_is_read_by_a_client_that_knows_the_page(
    data: st.DataObject, count: int
) -> None:
    """Whoever moved, wherever to; off by less than 1/1024 where they are near, else exact."""
    where = st.tuples(COORDINATES, COORDINATES)
    moves = data.draw(st.dictionaries(st.integers(0, count - 1), where, min_size=1, max_size=60))
    epoch, version = data.draw(st.integers(1, 2**53)), data.draw(st.integers(1, 2**53))
    item = read_moves(written(count, moves, epoch, version), names(count))
    assert (item["epoch"], item["version"]) == (epoch, version)
    assert [move[0] for move in item["moves"]] == [names(count)[number] for number in sorted(moves)]
    is_far = any(abs(c) >= EXACT_FROM for at in moves.values() for c in at)
    for (_, x, y), number in zip(item["moves"], sorted(moves), strict=True):
        off = max(abs(x - moves[number][0]), abs(y - moves[number][1]))
        assert off == 0 if is_far else off < 1 / 1024


@pytest.mark.rule("C5.3")
@given(x=NEAR, y=NEAR)
def test_near_the_origin_a_coordinate_is_as_near_as_four_bytes_can_tell(x: float, y: float) -> None:
    """The nearest number of single precision."""
    item = read_moves(written(9, {4: (x, y)}), names(9))
    assert item["moves"] == [["0000004", *struct.unpack("<2f", struct.pack("<2f", x, y))]]


@pytest.mark.parametrize(
    ("count", "movers", "kind", "size"),
    [
        (50, 50, 1, 24 + 8 + 8 * 50),
        (50, 4, 1, 24 + 8 + 8 * 4),
        (50, 3, 2, 24 + 8 + 8 * 3),
        (5000, 20, 2, 24 + 40 + 8 * 20),
        (65_536, 2, 2, 24 + 4 + 8 * 2),
        (65_537, 2, 3, 24 + 8 + 8 * 2),
    ],
)
def test_who_moved_is_said_in_the_shorter_way(
    count: int, movers: int, kind: int, size: int
) -> None:
    """A bit for each player, or a number for each mover; of four bytes in the largest rooms."""
    data = written(count, {count - 1 - at: (1.0, 2.0) for at in range(movers)})
    assert (data[0], len(data)) == (kind, size)
    assert len(read_moves(data, names(count))["moves"]) == movers


@pytest.mark.parametrize(("x", "size"), [(0.5, 4), (16_383.9, 4), (16_384, 8), (-16_384, 8)])
def test_far_out_coordinates_take_eight_bytes(x: float, size: int) -> None:
    """All of the frame, aligned to that."""
    data = written(7, {0: (0.0, 0.0), 6: (1.0, x)})
    start = len(data) - 4 * size
    assert (data[1], start % size) == (size, 0)
    assert struct.unpack_from("<d" if size == 8 else "<f", data, len(data) - size)[0] == (
        pytest.approx(x, abs=1 / 1024)
    )
