"""The generator's reading of binary moves, held against the server's writing and another reader.

Counts, no times.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.ids import SocketId, UserId
from actors.players import Motion, Player
from benchmarks.bench_fan_out import servers
from benchmarks.compact import Compact
from benchmarks.dialects import BINARY, BrokenStream, Moved, unmasked
from benchmarks.harness import BASELINE, COMPACT, Options, ServerProcess, compact
from benchmarks.load import Client, MoveCounter, SetUpFailed, close_all, connect
from tests.acceptance.compact import read_moves
from tests.benchmarks.test_dialects import server_frame
from transport.compact import EXACT_FROM, moves_payload

BOUND_S = 60.0
EPOCH = 1_795_878_667_296
EXACT_US = int(EXACT_FROM) * 1000
"""From here on a stamp takes 8 bytes."""
SOCKET_IDS = st.text("ABCXYZabcxyz0189_-", min_size=1, max_size=12)
STAMPS = st.one_of(st.integers(0, EXACT_US - 1), st.integers(0, 10**9))


def said(kind: str, version: int, *ids: str, own: str = "") -> bytes:
    """One message about these players, at that version."""
    players = [{"socketId": each, "userId": "u0"} for each in ids]
    at = {"epoch": EPOCH, "version": version}
    message = {"type": kind, "socketId": own, "players": players, "consistency": at}
    return json.dumps(message).encode()


def seated(ids: Sequence[str], own: str, version: int = 1) -> Compact:
    """A client that has joined these."""
    dialect = Compact()
    dialect.read(said("roomGameSpaceJoined", version, *ids, own=own))
    return dialect


def binary(ids: Sequence[str], moves: dict[str, int], version: int = 1) -> bytes:
    """As the server writes the move of each to where its client's stamp puts it."""
    numbers = {name: number for number, name in enumerate(sorted(ids))}
    moved = []
    for name, stamp_us in moves.items():
        request = json.loads(unmasked(Compact().move(stamp_us, 7)))
        motion = Motion(request["x"], request["y"], 0)
        moved.append(
            (numbers[name], Player(SocketId(name), UserId("u"), None, {}, 0, motion)),
        )
    moved.sort(key=lambda each: each[0])
    return moves_payload(EPOCH, version, len(ids), moved)


def count(dialect: Compact, payload: bytes, own: str) -> int:
    """The cheap one."""
    return dialect.moves(payload, dialect.own_mark(0, own))


@given(
    data=st.data(),
    ids=st.lists(SOCKET_IDS, unique=True, min_size=1, max_size=300),
)
def test_the_cheap_count_equals_that_of_another_reader(data: st.DataObject, ids: list[str]) -> None:
    """Whoever moved, in whichever way it is said, the receiver itself or not."""
    own = data.draw(st.sampled_from(ids))
    movers = data.draw(st.lists(st.sampled_from(ids), unique=True, min_size=1))
    moves = {name: data.draw(STAMPS) for name in movers}
    payload = binary(ids, moves)
    told = [each[0] for each in read_moves(payload, sorted(ids))["moves"]]
    assert sorted(told) == sorted(movers)
    dialect = seated(ids, own)
    assert count(dialect, payload, own) == len(set(told) - {own})
    assert dialect.read(payload) == [Moved(tuple((name, moves[name]) for name in told))]


@pytest.mark.parametrize(("size", "kind"), [(65_536, 2), (65_537, 3)])
def test_a_room_too_large_for_short_numbers_is_counted_too(size: int, kind: int) -> None:
    """The last two of it move."""
    ids = [f"{number:06}" for number in range(size)]
    payload = binary(ids, {ids[-2]: 1, ids[-1]: 2})
    assert payload[0] == kind
    assert count(seated(ids, ids[-1]), payload, ids[-1]) == 1
    assert count(seated(ids, ids[0]), payload, ids[0]) == 2
    assert seated(ids, ids[0]).read(payload) == [Moved(((ids[-2], 1), (ids[-1], 2)))]


@example(stamp_us=EXACT_US - 1)
@example(stamp_us=EXACT_US)
@given(stamp_us=STAMPS)
def test_a_stamp_comes_back_to_the_microsecond(stamp_us: int) -> None:
    """In 4 bytes for 16 s, in 8 afterwards."""
    payload = binary(["A", "B"], {"B": stamp_us})
    assert payload[1] == (4 if stamp_us < EXACT_US else 8)
    assert seated(["A", "B"], "A").read(payload) == [Moved((("B", stamp_us),))]


def test_a_move_is_json_that_says_its_stamp_in_ms() -> None:
    """With all three decimals."""
    assert unmasked(Compact().move(12_003_045, 7)) == b'{"type":"move","x":12003.045,"y":7}'


def test_numbers_follow_who_comes_and_goes() -> None:
    """Read whole or only counted, alone or in a batch; a version that seats nobody counts too."""
    dialect = seated(["M", "X"], "M")
    assert count(dialect, said("playerJoinedRoom", 2, "A"), "M") == 0
    assert count(dialect, binary("AMX", {"M": 1, "X": 1}, 2), "M") == 1
    batch = [said("playerLeftRoom", 3, "A"), said("playerReady", 4, "X")]
    assert count(dialect, b"[" + b",".join(batch) + b"]", "M") == 0
    assert count(dialect, binary("MX", {"X": 1}, 4), "M") == 1
    dialect.read(said("roomState", 9, "M", "B", own="M"))
    assert dialect.read(binary("BM", {"B": 5}, 9)) == [Moved((("B", 5),))]


def test_each_connection_has_a_list_of_its_own() -> None:
    """Though all clients are made with one dialect."""
    dialect = Compact()
    one, other = Client(dialect, 0, 0, 0), Client(dialect, 0, 1, 1)
    one.dialect.read(said("roomGameSpaceJoined", 1, "A", "B", own="A"))
    other.dialect.read(said("roomGameSpaceJoined", 1, "C", own="C"))
    payload = binary("AB", {"A": 1, "B": 1})
    assert one.dialect.moves(payload, b"A") == 1
    with pytest.raises(BrokenStream):
        other.dialect.moves(payload, b"A")


def test_a_frame_of_a_kind_that_is_not_known_says_nothing() -> None:
    """As the page tells clients to take it."""
    payload = b"\x09" + binary("AB", {"B": 1})[1:]
    assert count(seated("AB", "A"), payload, "A") == 0
    assert seated("AB", "A").read(payload) == []


SPARSE = [f"{number:03}" for number in range(100)]


@pytest.mark.parametrize(
    ("own", "payload", "why"),
    [
        ("050", binary(SPARSE, {"050": 1}, version=2), "version"),
        ("100", binary(SPARSE, {"050": 1}), "in no room"),
        ("050", binary(SPARSE, {"050": 1, "060": 1})[:26], "end after 26"),
        ("050", binary(SPARSE, dict.fromkeys(SPARSE, 1))[:24], "end after 24"),
    ],
    ids=["another version", "no seat", "cut numbers", "cut bits"],
)
def test_what_would_be_counted_wrong_is_no_count(own: str, payload: bytes, why: str) -> None:
    """Another version's numbers, no seat of one's own, and a frame that was cut."""
    with pytest.raises(BrokenStream, match=why):
        count(seated(SPARSE, own), payload, own)


BITS, NUMBERS = binary("ABC", {"A": 1, "C": 1}), binary(SPARSE, {"050": 1, "060": 1})


@pytest.mark.parametrize(
    ("ids", "payload", "why"),
    [
        ("ABC", BITS[:20], "whole head"),
        ("ABC", BITS[:-1], "2 moves of 4 bytes a coordinate in"),
        ("ABC", BITS + bytes(8), "2 moves of 4 bytes a coordinate in"),
        ("ABC", BITS[:4] + b"\3" + BITS[5:], "3 moves of 4 bytes a coordinate in"),
        ("ABC", BITS[:1] + b"\5" + BITS[2:], "of 5 bytes"),
        ("ABC", BITS[:2] + b"\1" + BITS[3:], "of 4 bytes"),
        ("ABC", BITS[:4] + b"\0" + BITS[5:], "0 moves"),
        ("ABC", BITS[:24] + b"\7" + BITS[25:], r"players \[0, 1, 2\]"),
        ("ABC", BITS[:24] + b"\x81" + BITS[25:], r"players \[0, 7\] of 3"),
        ("ABC", BITS[:25] + b"\1" + BITS[26:], "2 moves of 4 bytes"),
        (SPARSE, NUMBERS[:24] + b"\x46" + NUMBERS[25:], r"players \[70, 60\]"),
        (SPARSE, NUMBERS[:26] + b"\x70" + NUMBERS[27:], r"players \[50, 112\] of 100"),
        ("AB", BITS[:16] + b"\2" + BITS[17:], "version"),
    ],
    ids=[
        "cut head",
        "cut",
        "too long",
        "more than there are",
        "odd coordinates",
        "no zero in the head",
        "nobody",
        "a bit too many",
        "a bit of nobody",
        "no zeros before the coordinates",
        "descending numbers",
        "a number of nobody",
        "another version",
    ],
)
def test_the_whole_parse_takes_only_what_the_page_allows(
    ids: Sequence[str], payload: bytes, why: str
) -> None:
    """So the sample of a run finds a head that lies, and numbers that are nobody's."""
    with pytest.raises(BrokenStream, match=why):
        seated(ids, ids[0]).read(payload)


def member(ids: Sequence[str], own: str) -> Client:
    """A client without a socket that has joined."""
    client = Client(Compact(), port=0, user=0, room=0)
    client.upgrade = None
    client.data_received(server_frame(said("roomGameSpaceJoined", 1, *ids, own=own)))
    return client


def test_one_s_own_position_is_neither_counted_nor_timed() -> None:
    """The sample and the count leave it out alike, all the way from the bytes."""
    client = member("ABC", "B")
    counter = MoveCounter(time.monotonic_ns())
    counter.counting = True
    client.on_message = counter.on_message
    frame = server_frame(binary("ABC", {"A": 5, "B": 6, "C": 7}), BINARY)
    client.data_received(frame * 17)
    assert (counter.frames, counter.delivered, counter.miscounted) == (17, 34, 0)
    assert len(counter.latencies_us) == 2
    assert client.errors == 0


@pytest.mark.parametrize(
    "payload",
    [binary("ABC", {"A": 1}, 2), BITS[:4] + b"\3" + BITS[5:]],
    ids=["another version", "more than there are"],
)
def test_a_wrong_frame_is_an_error_of_the_run(payload: bytes) -> None:
    """Numbers of another version at once, a head that lies when the sample comes to it."""
    client = member("ABC", "B")
    counter = MoveCounter(time.monotonic_ns(), sample_every=1)
    counter.counting = True
    client.on_message = counter.on_message
    client.data_received(server_frame(payload, BINARY))
    assert client.errors == 1
    assert client.closing


def test_a_server_that_does_not_choose_the_form_is_not_measured() -> None:
    """It would be its JSON that is measured, under the wrong name."""

    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\nSec-WebSocket-Protocol: vaultmeet.v1.compact\r\n" in asked
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + server_frame(b'{"type":"welcome"}')
        )
        await writer.drain()
        await reader.read()
        writer.close()

    async def attempt() -> None:
        async with await asyncio.start_server(upgrade, "127.0.0.1", 0) as server:
            await connect(Compact(), server.sockets[0].getsockname()[1], rooms=1, per_room=1)

    with pytest.raises(SetUpFailed, match=r"without vaultmeet\.v1\.compact"):
        asyncio.run(attempt())


class Round:
    """Everybody moves once; over when each has heard of each other in its room exactly once."""

    def __init__(self, counter: MoveCounter) -> None:
        self._counter = counter
        self._over = asyncio.Event()
        self._expected = 0

    def on_message(self, client: Client, payload: bytes) -> None:
        self._counter.on_message(client, payload)
        if self._counter.delivered >= self._expected:
            self._over.set()

    async def play(self, clients: Sequence[Client], number: int) -> None:
        """Raises TimeoutError where somebody is told of too few."""
        self._over.clear()
        self._expected = self._counter.delivered + len(clients) * (len(clients) - 1)
        for client in clients:
            client.on_message = self.on_message
            client.send(client.dialect.move(number * 1000, number))
        async with asyncio.timeout(BOUND_S):
            await self._over.wait()


async def gather(clients: Sequence[Client], present: Sequence[Client]) -> None:
    """Those who are to be there come, the others go, and all who are there know it."""
    for client in clients:
        client.on_message = None
    for client in clients:
        if client in present and not client.seen:
            await client.join()
        elif client not in present and client.seen:
            await client.leave()
    wanted = {client.user for client in present}
    async with asyncio.timeout(BOUND_S):
        while any(client.seen != wanted for client in present):  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def test_every_move_of_the_real_server_is_counted_once_while_some_come_and_go() -> None:
    """Each round to its last update; every frame is parsed whole beside its count."""
    rounds_each = 5

    async def story(port: int) -> tuple[MoveCounter, int, int]:
        clients = await connect(Compact(), port, rooms=1, per_room=5)
        counter = MoveCounter(time.monotonic_ns(), sample_every=1)
        counter.counting = True
        game, expected, number = Round(counter), 0, 0
        for present in (clients[:3], clients, clients[2:]):
            await gather(clients, present)
            for _ in range(rounds_each):
                number += 1
                await game.play(present, number)
                expected += len(present) * (len(present) - 1)
        await close_all(clients)
        return counter, expected, sum(client.errors for client in clients)

    with ServerProcess(compact(Options(), "--tick-ms", "2"), core=None) as server:
        counter, expected, errors = asyncio.run(story(server.port))
    assert (counter.delivered, counter.miscounted, errors) == (expected, 0, 0)
    assert len(counter.latencies_us) == expected


def test_fan_out_has_ours_in_both_forms_and_the_baseline() -> None:
    """As far as they were chosen; only one of them offers the subprotocol."""
    found = servers(Options())
    assert [target.name for target in found] == ["ours", COMPACT, BASELINE]
    assert [bool(target.dialect.subprotocol) for target in found] == [False, True, False]
    assert [target.name for target in servers(Options(servers=("ours",)))] == ["ours", COMPACT]
    assert [target.name for target in servers(Options(servers=(BASELINE,)))] == [BASELINE]
