"""The generator against the real baseline, and the audit of a storm. Counts, no times."""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.bench_join_storm import Sight, audit, storm
from benchmarks.dialects import Plain, Rooms
from benchmarks.harness import (
    BASELINE,
    Harness,
    Options,
    ServerFailed,
    ServerProcess,
    Target,
    port_in,
    targets,
)
from benchmarks.load import Client, MoveCounter, SetUpFailed, close_all, connect, join_all

BOUND_S = 60.0


def baseline() -> ServerProcess:
    """The real one, on any core."""
    (target,) = targets(Options(servers=(BASELINE,)))
    return ServerProcess(target, core=None)


def test_every_client_sees_its_room_and_every_move_is_counted_once() -> None:
    """Two rooms of three: each move reaches the two others of its room, and the sample agrees."""
    moves_each = 20

    async def play(port: int) -> tuple[list[set[int]], MoveCounter, int]:
        clients = await connect(Plain(), port, rooms=2, per_room=3)
        await join_all(clients)
        seen = [set(client.seen) for client in clients]
        counter = MoveCounter(time.monotonic_ns())
        counter.counting = True
        complete = asyncio.Event()

        def on_message(client: Client, payload: bytes) -> None:
            counter.on_message(client, payload)
            if counter.delivered == len(clients) * moves_each * 2:
                complete.set()

        for client in clients:
            client.on_message = on_message
        for number in range(moves_each):
            for client in clients:
                client.send(client.dialect.move(number, 0))
        async with asyncio.timeout(BOUND_S):
            await complete.wait()
        await close_all(clients)
        return seen, counter, sum(client.errors for client in clients)

    with baseline() as server:
        seen, counter, errors = asyncio.run(play(server.port))
    assert seen == [{0, 1, 2}] * 3 + [{3, 4, 5}] * 3
    assert counter.delivered == counter.frames == 240
    assert counter.miscounted == 0
    assert len(counter.latencies_us) == 240 // 17
    assert errors == 0


def test_one_s_own_position_is_neither_counted_nor_timed() -> None:
    """A batch of ours holds it too; the sample and the count leave it out alike."""
    client = Client(Rooms(), port=0, user=0, room=0)
    client.name, client.mark = "A", Rooms().own_mark(0, "A")
    counter = MoveCounter(time.monotonic_ns())
    counter.counting = True
    payload = b'{"type":"playersMoved","epoch":1,"moves":[["A",5,0],["B",6,0],["C",7,0]]}'
    for _ in range(17):
        counter.on_message(client, payload)
    assert counter.delivered == 34
    assert len(counter.latencies_us) == 2
    assert counter.miscounted == 0


def test_a_storm_of_twenty_leaves_nobody_unseen() -> None:
    """The whole scenario runs: all seen, one list and the later joins for each client."""
    with baseline() as server:
        figures = asyncio.run(storm(server, Plain(), 20))
    assert figures["missing"] == 0
    assert figures["errors"] == 0
    assert figures["frames_per_client"] == 1 + 19 / 2


def test_a_server_is_ended_with_its_block() -> None:
    """Its pid answers within and not after."""
    with baseline() as server:
        assert server.pid > 0
        assert server.port > 0
    with pytest.raises(ServerFailed):
        _ = server.pid


def test_a_server_that_does_not_start_is_reported_with_its_last_words() -> None:
    """Whoever reads the table learns why the row is empty."""
    broken = Target("broken", Plain(), (sys.executable, "-c", "raise SystemExit('no such thing')"))
    with pytest.raises(ServerFailed, match="no such thing"), ServerProcess(broken, core=None):
        pass


def test_a_refused_handshake_fails_the_set_up() -> None:
    """Plain HTTP instead of an upgrade is an error, not a silent zero."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def attempt() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            await connect(Rooms(), server.sockets[0].getsockname()[1], rooms=1, per_room=1)

    with pytest.raises(SetUpFailed, match="503"):
        asyncio.run(attempt())


@pytest.mark.parametrize(
    "entry",
    [
        {"event": "server_started", "details": {"port": 4711}},
        {"event": "server_started", "port": 4711},
    ],
)
def test_the_port_is_found_in_the_log(entry: dict[str, object]) -> None:
    """Beside the details or among them, after other lines."""
    log = f"not json\n{json.dumps({'event': 'data_dir_created'})}\n"
    assert port_in(log) is None
    assert port_in(log + json.dumps(entry) + "\n") == 4711


def frame(kind: str, *users: int) -> bytes:
    """A message of ours about these users, as far as the audit reads it."""
    players = [{"socketId": f"S{user}", "userId": f"u{user}"} for user in users]
    return json.dumps({"type": kind, "socketId": "S0", "players": players}).encode()


def test_the_audit_of_a_storm_replaces_adds_and_removes() -> None:
    """A snapshot replaces what was seen, a leave takes away, and a refusal is named."""
    frames = [
        frame("roomGameSpaceJoined", 0, 1),
        frame("playerJoinedRoom", 2, 3),
        frame("playerLeftRoom", 1),
    ]
    story = list(enumerate(frames))
    assert audit(Rooms(), story, 4) == Sight(missing=1, full_ns=1)
    assert audit(Rooms(), [*story, (9, frame("roomState", 0))], 4).missing == 3
    assert audit(Rooms(), story[:1], 4) == Sight(missing=2, full_ns=None)
    refusal = b'{"type":"error","code":"unavailable"}'
    assert audit(Rooms(), [(1, refusal)], 4) == Sight(4, None, "unavailable")


def test_a_failed_measurement_is_a_row_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on to the next server, and the folder made for this one is gone."""
    missing = str(tmp_path / "no-such-server")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = Options(reps=1, command=(missing,), servers=("ours",))
    harness = Harness(options, server_core=None, sockets_max=0)

    async def never(server: ServerProcess, dialect: object) -> dict[str, float]:
        raise AssertionError("a server that is not there was measured")

    (row,) = harness.against_servers("bench", "scenario", never)
    assert row.error.startswith("FileNotFoundError")
    assert not list(tmp_path.iterdir())
    assert row.figures == {}
