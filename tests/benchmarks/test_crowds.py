"""What the benchmarks of many count: pumps, pings, shares, squares and rows. Counts, no times."""

import asyncio
import itertools
import json
import time
from typing import Any

import pytest

from benchmarks import bench_crowd, bench_large_rooms
from benchmarks.alarm import Alarm
from benchmarks.bench_churn import Churn, visits
from benchmarks.bench_crowd import Pings, crowd
from benchmarks.bench_large_rooms import (
    GRID,
    RADIUS,
    SIDE,
    Square,
    large_room,
    move_frame,
    near,
    places,
)
from benchmarks.bench_latency import TICKS_MS, servers
from benchmarks.bench_scale import JOINS, KEY, MOVES, in_process, split
from benchmarks.crowd import shares
from benchmarks.dialects import Dialect, Plain, Rooms, ping, ponged, unmasked
from benchmarks.figures import OURS, Row
from benchmarks.harness import (
    BASELINE,
    COMPACT,
    Options,
    ServerFailed,
    ServerProcess,
    targets,
    variant,
)
from benchmarks.load import Client, MovePump

BOUND_S = 60.0


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks at no figure for its size does not wait for a server to come to rest."""
    for module, names in (
        (bench_crowd, ("SETTLE_S", "WARM_UP_S")),
        (bench_large_rooms, ("QUIET_S", "WARM_UP_S")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, 0.2)


def started(name: str) -> ServerProcess:
    """Ours or the baseline, on any core."""
    (target,) = targets(Options(servers=(name,)))
    return ServerProcess(target, core=None)


def test_an_alarm_calls_once_for_each_time_it_is_set() -> None:
    """Not before it is due; a past moment is due at once; closed it does not call."""

    async def ring() -> list[int]:
        rung: list[int] = []
        woken = asyncio.Event()

        def call() -> None:
            rung.append(time.monotonic_ns())
            woken.set()

        alarm = Alarm(call)
        async with asyncio.timeout(BOUND_S):
            for at_ns in (time.monotonic_ns() + 2_000_000, 0):
                woken.clear()
                alarm.set(at_ns)
                await woken.wait()
                assert rung[-1] >= at_ns
        alarm.set(time.monotonic_ns() + 1_000_000)
        alarm.close()
        alarm.close()
        await asyncio.sleep(0.01)
        return rung

    assert len(asyncio.run(ring())) == 2


class Line:
    """A transport that is never full."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)


@pytest.mark.parametrize("exact", [False, True])
def test_a_pump_stamps_each_move_with_when_it_was_due(exact: bool) -> None:
    """In even steps, everybody in turn, whichever timer wakes it."""

    async def run() -> list[list[int]]:
        clients: list[Any] = [Client(Rooms(), 0, user, 0) for user in range(4)]
        for client in clients:
            client.transport = Line()
        pump = MovePump(clients, 250.0, time.monotonic_ns(), exact=exact)
        pump.start()
        async with asyncio.timeout(BOUND_S):
            while pump.offered < 40:  # noqa: ASYNC110 a pump tells nobody
                await asyncio.sleep(0.001)
        pump.stop()
        return [
            [json.loads(unmasked(frame))["x"] for frame in client.transport.frames]
            for client in clients
        ]

    stamps = asyncio.run(run())
    assert all(len(each) >= 10 for each in stamps)
    for each in stamps:
        steps = {after - before for before, after in itertools.pairwise(each)}
        assert steps <= {3999, 4000, 4001}
    merged = sorted(stamp for each in stamps for stamp in each[:10])
    assert merged[-1] - merged[0] == pytest.approx(39_000, abs=39)


def test_a_ping_is_known_by_what_it_carries() -> None:
    """Other frames are none; an answer from before the window is not counted."""
    assert json.loads(unmasked(ping(123))) == {"type": "ping", "t": 123}
    assert ponged(b'{"type":"pong","t":123,"serverTime":"now"}') == 123
    assert ponged(b'{"type":"welcome"}') is None
    assert ponged(b'[{"type":"ok"}]') is None
    pings = Pings(time.monotonic_ns())
    client = Client(Rooms(), 0, 0, 0)
    pings.on_message(client, b'{"type":"pong","t":0}')
    pings.counting, pings.since_us = True, 1
    for stamp in (0, 1, 2):
        pings.on_message(client, b'{"type":"pong","t":%d}' % stamp)
    assert len(pings.took_us) == 2


def test_shares_hold_every_room_once() -> None:
    """From an address each; no share is empty, and none is much larger than another."""
    cut = shares(Rooms(), 1, rooms=10, per_room=5, hz=1.0, processes=3)
    rooms = [
        room for share in cut for room in range(share.first_room, share.first_room + share.rooms)
    ]
    assert rooms == list(range(10))
    assert {share.players for share in cut} == {15, 20}
    assert len({share.source for share in cut}) == 3
    assert len(shares(Rooms(), 1, rooms=1, per_room=5, hz=1.0, processes=3)) == 1


@pytest.mark.parametrize("name", [OURS, BASELINE])
@pytest.mark.usefixtures("hasty")
def test_a_crowd_is_held_and_pings_are_answered(name: str) -> None:
    """Six rooms in three processes: all moves arrive, nobody is lost."""
    with started(name) as server:
        figures = asyncio.run(crowd(server, server.target.dialect, rooms=6, window_s=1.0))
    assert figures["errors"] == figures["missing"] == figures["miscounted"] == 0
    assert figures["pings_answered_pct"] > 50
    assert figures["ping_p50_ms"] > 0


@pytest.mark.parametrize("name", [OURS, BASELINE])
def test_a_visit_ends_in_good_order(name: str) -> None:
    """Connect, join, leave, closing handshake: no errors, and the server's CPU is counted."""
    with started(name) as server:
        figures = asyncio.run(visits(server, server.target.dialect, 40))
    assert figures["errors"] == 0
    assert figures["cpu_us_per_unit"] > 0
    assert figures["p50_ms"] <= figures["p99_ms"]


@pytest.mark.parametrize(
    ("dialect", "joined", "left"),
    [
        (Rooms(), b'{"type":"roomGameSpaceJoined"}', b'{"type":"roomGameSpaceLeft"}'),
        (Plain(), b'{"type":"members","room":"r0"}', b'{"type":"left"}'),
    ],
    ids=["ours", "plain"],
)
def test_a_churner_knows_answers_in_either_dialect(
    dialect: Dialect, joined: bytes, left: bytes
) -> None:
    """By their marks, and by nothing else."""
    client: Any = Client(dialect, 0, 0, 0)
    client.transport = Line()
    traffic = Churn(dialect, rooms=2)
    traffic.begin([client])
    for payload in (joined, b'{"type":"other"}', left):
        client.on_message(client, payload)
    assert (traffic.joins, traffic.leaves, traffic.refused) == (1, 1, 0)
    assert len(client.transport.frames) == 3


def test_latency_has_ours_at_each_tick_and_in_binary_and_the_baseline() -> None:
    """As far as they were chosen."""
    both = servers(Options())
    assert [target.name for target in both] == [
        *(f"ours, {ms} ms" for ms in TICKS_MS),
        COMPACT,
        BASELINE,
    ]
    assert [target.command[-1] for target in both[:-1]] == ["0", "16", "50", "50"]
    assert [target.name for target in servers(Options(servers=(BASELINE,)))] == [BASELINE]


def test_places_are_spread_over_the_square_on_the_grid() -> None:
    """A few per cent of them are near, some of each side are there, and a seed is a seed."""
    found = places(1000)
    assert found == places(1000)
    assert all(x % GRID == y % GRID == 0 for x, y in found)
    assert all(abs(x) <= SIDE // 2 and abs(y) <= SIDE // 2 for x, y in found)
    for axis in (0, 1):
        assert 400 < sum(place[axis] > 0 for place in found) < 600
    share = sum(near(one, other) for one in found for other in found) / len(found) ** 2
    assert 0.01 < share < 0.05


def test_a_square_times_who_is_near_and_leaves_out_the_rest() -> None:
    """Itself, the far one, what was due before the window, and what it heard before."""
    here, far = (0, 0), (RADIUS, 0)
    square = Square([here, here, far], time.monotonic_ns() - 50_000_000)
    client = Client(Rooms(), 0, 0, 0)
    client.own_id = "A"
    clients = [Client(Rooms(), 0, user, 0) for user in range(3)]
    square.since_ms = 10
    for user in range(3):
        for due_ms in (5, 20):
            frame = square.frame(clients[user], due_ms * 1000, 0)
            assert frame == move_frame(square.places[user], due_ms)
    moves = [["A", 20, 0], ["B", 5, 0], ["B", 20, 0], ["C", RADIUS + 20, 0]]
    moved = {"type": "playersMoved", "epoch": 1, "moves": moves}
    for payload in (moved, [{"type": "ok"}, moved]):
        square.on_message(client, json.dumps(payload).encode())
    assert square.updates == 3
    assert len(square.took_ms) == 1
    assert all(30 <= took < 1000 for took in square.took_ms)
    assert len(square.moved) == 3
    assert square.expected([0]) == 1
    assert square.expected([0, 1, 2]) == 2


@pytest.mark.usefixtures("hasty")
def test_a_large_room_is_told_whole_to_those_who_listen() -> None:
    """Moves of those who are near arrive, none twice, and the deaf ones are no error."""
    (target,) = targets(Options(servers=(OURS,)))
    with ServerProcess(target, core=None) as server:
        figures = asyncio.run(large_room(server, target.dialect, size=60, window_s=1.0))
    assert figures["errors"] == figures["unsent"] == 0
    assert 50 < figures["delivered_pct"] <= 100
    assert figures["latency_samples"] > 0
    assert figures["mb_per_s"] > 0


def test_a_measurement_of_both_becomes_two_rows() -> None:
    """With an error in both."""
    row = Row("scale", "here", "1 room", 0, {KEY: 1.0, f"moves_{KEY}": 2.0}, "why")
    joins, moves = split(row)
    assert (joins.scenario, moves.scenario) == (f"here, {JOINS}", f"here, {MOVES}")
    assert (dict(joins.figures), dict(moves.figures)) == ({KEY: 1.0}, {KEY: 2.0})
    assert joins.error == moves.error == "why"


def test_rooms_in_this_process_seat_and_move() -> None:
    """The real registry answers everybody who asks; else this would raise."""
    figures = in_process((3, 20))
    assert min(figures[KEY], figures[f"moves_{KEY}"]) > 0


def test_a_flag_that_the_server_does_not_know_is_a_failure_with_its_words() -> None:
    """So a variant of a later version makes a row with an error, and the run goes on."""
    target = variant(Options(), "later", "--no-such-setting", "1")
    with pytest.raises(ServerFailed, match="later ended"), ServerProcess(target, core=None):
        pass
