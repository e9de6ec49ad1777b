"""The simulated world itself: time, links and disks do what the real ones would."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from actors.ids import RoomId
from actors.messages import Tick
from actors.room import RoomActor
from actors.stores.port import Batch, StoreFault
from tests.actors.stores.rooms import whole
from tests.simulation.disk import UNFLUSHED_MAX, SimulatedStore, UnflushedDisk, Weather
from tests.simulation.loop import BEGAN_S, Deadlock, SimulatedLoop, run
from tests.simulation.network import LINK, Conditions, End
from tests.simulation.play import play
from tests.simulation.process import MortalClock, WallClock
from tests.simulation.story import make


class Echo(asyncio.Protocol):
    """Either end: notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.data = b""
        self.chunks: list[tuple[float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, End)
        self.end = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.chunks.append((asyncio.get_running_loop().time() - BEGAN_S, data))

    def eof_received(self) -> bool:
        self.told.append("eof")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(f"lost {type(error).__name__}")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


Story = Callable[[SimulatedLoop, Echo, Echo], Coroutine[Any, Any, None]]


def linked(story: Story, conditions: Conditions = LINK) -> None:
    """Tell a story of a client and a server on one link."""

    async def told(loop: SimulatedLoop) -> None:
        servers: list[Echo] = []

        def serving() -> Echo:
            servers.append(Echo())
            return servers[0]

        await loop.create_server(serving, "127.0.0.1", 80)
        _, client = await loop.create_connection(Echo, "127.0.0.1", 80, conditions=conditions)
        assert isinstance(client, Echo)
        await story(loop, client, servers[0])

    run(told)


def test_a_thousand_round_trips_of_websockets_own_client_and_server_take_no_real_time() -> None:
    """Over fifty simulated seconds; the library drives our transports as it drives asyncio's."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def story(loop: SimulatedLoop) -> None:
        async with serve(echo, "127.0.0.1", 80) as server:
            del server
            async with connect("ws://127.0.0.1:80", compression=None) as client:
                for number in range(1000):
                    await client.send(str(number))
                    assert await client.recv() == str(number)
                    await asyncio.sleep(0.048)
        assert loop.time() - BEGAN_S >= 50

    run(story)


def test_time_passes_only_when_all_is_done() -> None:
    """An hour is over at once, and what falls due runs in its order."""

    async def story(loop: SimulatedLoop) -> None:
        seen: list[str] = []
        loop.call_later(3600, seen.append, "hour")
        loop.call_later(1, seen.append, "second")
        await asyncio.sleep(3601)
        assert (seen, loop.time() - BEGAN_S) == (["second", "hour"], 3601)
        loop.freeze(7)
        assert loop.time() - BEGAN_S == 3608

    run(story)


def test_who_waits_for_nothing_is_told_so() -> None:
    """Instead of waiting for ever."""

    async def story(loop: SimulatedLoop) -> None:
        await loop.create_future()

    with pytest.raises(Deadlock):
        run(story)


def test_who_is_busy_with_itself_is_told_so() -> None:
    """No time would pass any more, and nothing would come to an end."""

    async def story(loop: SimulatedLoop) -> None:
        def again() -> None:
            loop.call_soon(again)

        loop.call_later(1, again)
        await asyncio.sleep(2)

    with pytest.raises(Deadlock, match="no time passes"):
        run(story)


def test_a_server_that_stands_still_breaks_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a violation like any other, told with the step that led to it."""

    def check_for_ever(room: RoomActor) -> None:
        room.mailbox.tell(Tick())

    monkeypatch.setattr(RoomActor, "_self_check", check_for_ever)
    outcome = play(make("1"))
    assert outcome.violation is not None
    assert "no time passes" in outcome.violation


def test_the_machine_is_out_of_reach() -> None:
    """Threads and names would bring in real time."""

    async def story(loop: SimulatedLoop) -> None:
        with pytest.raises(NotImplementedError):
            await loop.run_in_executor(None, len, "")
        with pytest.raises(NotImplementedError):
            await loop.getaddrinfo("localhost", 80)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Echo, "127.0.0.1", 81)

    run(story)


def test_bytes_take_their_time_and_keep_their_order() -> None:
    """Latency, jitter and pieces change when they come, not what."""

    async def story(loop: SimulatedLoop, client: Echo, server: Echo) -> None:
        for number in range(50):
            server.end.write(b"%04d" % number)
        await asyncio.sleep(10)
        assert client.data == b"".join(b"%04d" % number for number in range(50))
        assert len(client.chunks) > 50, "some came in pieces"
        assert min(at_s for at_s, _ in client.chunks) >= 0.1

    linked(story, Conditions(latency_s=0.1, jitter_s=0.3, splits=0.5))


def test_a_full_pipe_pauses_the_writer_and_a_reader_drains_it() -> None:
    """With the water marks that the writer set, as asyncio's transports do."""

    async def story(loop: SimulatedLoop, client: Echo, server: Echo) -> None:
        client.end.pause_reading()
        server.end.set_write_buffer_limits(high=1000, low=100)
        server.end.write(b"x" * 512)
        assert server.end.get_write_buffer_size() == 0
        server.end.write(b"x" * 1000)
        assert (server.told, server.end.get_write_buffer_size()) == ([], 1000)
        server.end.write(b"x")
        assert server.told == ["pause"]
        await asyncio.sleep(1)
        assert client.data == b""
        client.end.resume_reading()
        await asyncio.sleep(1)
        assert (len(client.data), server.told) == (1513, ["pause", "resume"])

    linked(story, Conditions(window_bytes=512))


def test_an_orderly_end_comes_behind_the_last_byte() -> None:
    """And whoever hears of it ends its own side."""

    async def story(loop: SimulatedLoop, client: Echo, server: Echo) -> None:
        server.end.write(b"x" * 5000)
        server.end.close()
        await asyncio.sleep(100)
        assert len(client.data) == 5000
        assert client.told == ["eof", "lost NoneType"]
        assert server.told == ["lost NoneType"]

    linked(story, Conditions(window_bytes=512, bytes_per_s=100))


@pytest.mark.parametrize("quota", [0, 1, 499, 500])
def test_a_link_is_cut_at_any_byte_and_both_ends_are_told(quota: int) -> None:
    """Exactly so many more arrive."""

    async def story(loop: SimulatedLoop, client: Echo, server: Echo) -> None:
        server.end.write(b"x" * 500)
        client.end.cut(0, quota, silent=False)
        client.end.write(b"lost")
        await asyncio.sleep(1)
        assert (len(client.data), server.data) == (quota, b"")
        assert client.told == server.told == ["lost ConnectionResetError"]

    linked(story)


def test_a_half_open_link_tells_nobody() -> None:
    """Both may write for ever, and nothing comes."""

    async def story(loop: SimulatedLoop, client: Echo, server: Echo) -> None:
        client.end.cut(0, 0, silent=True)
        client.end.cut(10, 10, silent=True)  # a cut link does not heal
        server.end.write(b"x" * 500)
        client.end.write(b"x" * 500)
        await asyncio.sleep(100)
        assert (client.data, server.data, client.told, server.told) == (b"", b"", [], [])

    linked(story)


def test_an_abort_resets_the_other_end() -> None:
    """Whether what was under way still comes is chance."""

    async def story(loop: SimulatedLoop, client: Echo, server: Echo) -> None:
        client.end.write(b"x" * 500)
        client.end.abort()
        await asyncio.sleep(1)
        assert client.told == ["lost NoneType"]
        assert server.told == ["lost ConnectionResetError"]
        assert len(server.data) in (0, 500)

    linked(story)


def test_a_dead_process_hears_nothing_and_its_clients_are_told_by_the_kernel() -> None:
    """What it had given to the kernel still comes; nothing of it when the machine is dead."""

    async def story(loop: SimulatedLoop, client: Echo, server: Echo) -> None:
        server.end.write(b"x" * 5)
        server.end.die(silent=False)
        client.end.write(b"x")
        await asyncio.sleep(1)
        assert (client.data, client.told) == (b"x" * 5, ["lost ConnectionResetError"])
        assert (server.data, server.told) == (b"", [])

    linked(story)


def test_an_unflushed_disk_forgets_the_last_writes_and_nothing_else() -> None:
    """After a loss of power it is as it was at some moment not long ago."""
    kept: set[int] = set()

    async def story(loop: SimulatedLoop, flush: bool, seed: int) -> None:
        rng = random.Random(seed)
        disk = UnflushedDisk(flush=flush)
        clock = MortalClock(loop, WallClock(loop), 0)
        store = SimulatedStore(disk, clock, Weather(), rng)
        store.open()
        done: list[StoreFault | None] = []
        for mark in range(1, 21):
            batch = Batch(mark, [whole(RoomId("a"), version=mark)])
            store.write(batch, done.append, lambda fault: None)
        await asyncio.sleep(1)
        assert done == [None] * 20
        lost = disk.lose_power(rng)
        assert disk.kept.mark == 20 - lost
        assert lost <= (0 if flush else UNFLUSHED_MAX)
        kept.add(disk.kept.mark)

    for seed in range(20):
        run(lambda loop, seed=seed: story(loop, False, seed))  # type: ignore[misc]
        run(lambda loop, seed=seed: story(loop, True, seed))  # type: ignore[misc]
    assert len(kept) > 4


def test_a_disk_stalls_and_fails_as_the_weather_is() -> None:
    """In the order asked; nothing is lost of what waits."""

    async def story(loop: SimulatedLoop) -> None:
        weather = Weather(stalled=True)
        clock = MortalClock(loop, WallClock(loop), 0)
        store = SimulatedStore(UnflushedDisk(flush=True), clock, weather, random.Random(1))
        store.open()
        done: list[StoreFault | None] = []
        store.write(Batch(1, []), done.append, lambda fault: None)
        await asyncio.sleep(100)
        assert done == []
        weather.stalled, weather.fails = False, True
        await asyncio.sleep(1)
        assert isinstance(done[0], StoreFault)
        clock.is_alive = False
        weather.clear()
        store.write(Batch(2, []), done.append, lambda fault: None)
        await asyncio.sleep(1)
        assert len(done) == 1, "the dead wait for nothing"

    run(story)
