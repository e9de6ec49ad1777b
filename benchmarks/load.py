"""The load generator: many clients of either dialect on one event loop, all counts bounded.

Owns the sockets of the generator and the schedule of moves. Reads no cost and prints nothing. A
client answers pings, holds who it has seen in its room, and hands each message, text or binary, to
`on_message` while a scenario wants them for itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from benchmarks.alarm import Alarm
from benchmarks.dialects import (
    CLOSE,
    MESSAGES,
    PING,
    PONG,
    BrokenStream,
    Dialect,
    FrameReader,
    Gone,
    Left,
    Moved,
    Present,
    Refused,
    Welcomed,
    client_frame,
)

OUTSTANDING_MAX: Final = 64
"""Connections, joins and leaves under way at once while a scenario is set up."""
SET_UP_S_MAX: Final = 60.0
UNSENT_BYTES_MAX: Final = 65536
"""A client whose own socket holds more than this sends no further move: the server is full."""
SAMPLE_EVERY: Final = 17
"""One frame of moves in so many is parsed whole. Prime, so that it visits all clients in turn."""
NORMAL: Final = (1000).to_bytes(2, "big")
"""The code of a close that nobody need explain (RFC 6455, section 7.4.1)."""
PUMP_S: Final = 0.001
EXACT_STEP_NS: Final = 100_000
"""An exact pump wakes no oftener than this: with thousands of moves a second it sends a few."""

_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n{offer}\r\n"
)
_SUBPROTOCOL = "Sec-WebSocket-Protocol: {}\r\n"


class SetUpFailed(Exception):
    """The scenario could not begin: a handshake refused, a join unanswered, a socket lost."""


class Client(asyncio.Protocol):
    """One connection. `seen` is who is in its room, itself included, by user number.

    It comes from the address `source`, where that is set. With `deaf` it reads its socket empty and
    looks at nothing, which costs a tenth: for crowds of which a few speak for all. It then answers
    no ping, and cannot hear again.
    """

    __slots__ = (
        "answer",
        "bytes_in",
        "closing",
        "deaf",
        "dialect",
        "errors",
        "frames_in",
        "mark",
        "name",
        "on_message",
        "own_id",
        "port",
        "reader",
        "room",
        "seen",
        "source",
        "transport",
        "upgrade",
        "user",
    )

    def __init__(self, dialect: Dialect, port: int, user: int, room: int) -> None:
        self.dialect = dialect.fresh()
        self.port = port
        self.user = user
        self.room = room
        self.own_id = ""
        self.name = ""
        self.mark = b""
        self.seen: set[int] = set()
        self.on_message: Callable[[Client, bytes], None] | None = None
        self.answer: asyncio.Future[None] | None = None
        self.reader = FrameReader()
        self.upgrade: bytes | None = b""
        self.transport: asyncio.Transport | None = None
        self.source = ""
        self.closing = self.deaf = False
        self.bytes_in = self.frames_in = self.errors = 0

    # -------- what asyncio calls

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        path, offered = self.dialect.path, self.dialect.subprotocol
        offer = _SUBPROTOCOL.format(offered) if offered else ""
        transport.write(_UPGRADE.format(path=path, port=self.port, offer=offer).encode())

    def data_received(self, data: bytes) -> None:
        self.bytes_in += len(data)
        if self.deaf:
            return
        if self.upgrade is not None:
            self.upgrade += data
            head, found, rest = self.upgrade.partition(b"\r\n\r\n")
            if not found:
                return
            self.upgrade = None
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self._fail(f"handshake refused: {head[:100]!r}")
                return
            if (offered := self.dialect.subprotocol) and offered.encode() not in head:
                self._fail(f"handshake without {offered}")
                return
            if not self.dialect.greets:
                self._answered()
            data = rest
        try:
            self._take(self.reader.feed(data))
        except BrokenStream as broken:
            self._fail(str(broken))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if not self.closing:
            self._fail("connection lost")
        self._answered()

    def _take(self, frames: list[tuple[int, bytes]]) -> None:
        self.frames_in += len(frames)
        on_message = self.on_message or self._note
        for opcode, payload in frames:
            if opcode in MESSAGES:
                on_message(self, payload)
            elif opcode == PING:
                self.send(client_frame(PONG, payload))
            elif opcode == CLOSE and not self.closing:
                self._fail(f"closed by the server: {payload!r}")

    # -------- what a scenario does with it

    def send(self, frame: bytes) -> None:
        """Write one frame; a lost connection was counted already and swallows it."""
        if self.transport is not None:
            self.transport.write(frame)

    async def connect(self) -> None:
        """Open the socket and wait until the client may join."""
        loop = asyncio.get_running_loop()
        self.answer = loop.create_future()
        local = (self.source, 0) if self.source else None
        await loop.create_connection(lambda: self, "127.0.0.1", self.port, local_addr=local)
        await self.answer

    async def join(self) -> None:
        """Join `room` and wait for the list of its players."""
        await self._ask(self.dialect.join(self.room, self.user))

    async def leave(self) -> None:
        """Leave and wait for the answer."""
        await self._ask(self.dialect.leave())

    async def say_goodbye(self) -> None:
        """Close as WebSocket has it, and wait until the server has dropped the connection."""
        self.closing = True
        if self.transport is not None:
            await self._ask(client_frame(CLOSE, NORMAL))

    def close(self) -> None:
        """Drop the connection at once."""
        self.closing = True
        if self.transport is not None:
            self.transport.abort()

    async def _ask(self, frame: bytes) -> None:
        self.answer = asyncio.get_running_loop().create_future()
        self.send(frame)
        await self.answer

    def _answered(self) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(None)

    def _fail(self, why: str) -> None:
        self.errors += 1
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(SetUpFailed(why))
        self.close()

    def _note(self, _: Client, payload: bytes) -> None:
        for fact in self.dialect.read(payload):
            match fact:
                case Welcomed():
                    self._answered()
                case Present(users=users, whole=True, own_id=own_id):
                    self.seen = set(users)
                    self.own_id = own_id
                    self.name = self.dialect.name_of(self.user, own_id)
                    self.mark = self.dialect.own_mark(self.user, own_id)
                    self._answered()
                case Present(users=users):
                    self.seen |= users
                case Gone(users=users):
                    self.seen -= users
                case Left():
                    self.seen.clear()
                    self._answered()
                case Refused(code=code):
                    self.errors += 1
                    if self.answer is not None and not self.answer.done():
                        self.answer.set_exception(SetUpFailed(f"refused: {code}"))
                case Moved():
                    pass


# ---------------------------------------------------------------- setting up


async def each(steps: Iterable[Callable[[], Any]], at_once: int = OUTSTANDING_MAX) -> None:
    """Await every step, `at_once` at a time. Raises SetUpFailed, for slowness too."""
    waiting = iter(steps)

    async def work() -> None:
        for step in waiting:
            await step()

    try:
        async with asyncio.timeout(SET_UP_S_MAX):
            await asyncio.gather(*(work() for _ in range(at_once)))
    except TimeoutError:
        raise SetUpFailed(f"not set up within {SET_UP_S_MAX:.0f} s") from None


async def connect(dialect: Dialect, port: int, rooms: int, per_room: int) -> list[Client]:
    """`rooms` x `per_room` clients, open and in no room yet."""
    clients = [Client(dialect, port, n, n // per_room) for n in range(rooms * per_room)]
    await each(client.connect for client in clients)
    return clients


async def join_all(clients: Sequence[Client]) -> None:
    """Seat everybody and wait until all of a room see all of it. Raises SetUpFailed."""
    await each(client.join for client in clients)
    sizes = Counter(client.room for client in clients)
    deadline = time.monotonic() + SET_UP_S_MAX
    while missing := sum(sizes[client.room] - len(client.seen) for client in clients):
        if time.monotonic() > deadline:
            raise SetUpFailed(f"{missing} players never seen")
        await asyncio.sleep(0.02)


async def close_all(clients: Iterable[Client]) -> None:
    """Drop all connections and let the loop forget them."""
    for client in clients:
        client.close()
    await asyncio.sleep(0.05)


# ---------------------------------------------------------------- moves


class MoveCounter:
    """Counts new positions of others as they come in, and times those in one frame of
    `sample_every` (a prime, so that the sample visits all clients in turn; or 1).

    The time stamp of a move is its x: microseconds since `base_ns` at the moment it was due.
    """

    def __init__(self, base_ns: int, sample_every: int = SAMPLE_EVERY) -> None:
        self.base_ns = base_ns
        self.sample_every = sample_every
        self.frames = self.delivered = self.miscounted = 0
        self.counting = False
        self.since_us = 0
        self.latencies_us: list[int] = []

    def now_us(self) -> int:
        """Microseconds since the base."""
        return (time.monotonic_ns() - self.base_ns) // 1000

    def on_message(self, client: Client, payload: bytes) -> None:
        """Count one frame; one of `sample_every` is parsed, timed, and holds the count to it."""
        moves = client.dialect.moves(payload, client.mark)
        if not self.counting:
            return
        self.delivered += moves
        self.frames += 1
        if self.frames % self.sample_every == 0:
            now_us = self.now_us()
            stamps = [
                x
                for fact in client.dialect.read(payload)
                if isinstance(fact, Moved)
                for who, x in fact.moves
                if who != client.name
            ]
            self.miscounted += len(stamps) != moves
            self.latencies_us += [now_us - x for x in stamps if x >= self.since_us]


Frame = Callable[[Client, int, int], bytes]
"""Makes a client's move from the moment at which it was due (µs since the base) and its number."""


def plain_move(client: Client, due_us: int, number: int) -> bytes:
    """The time stamp as x; y only differs from the one before."""
    return client.dialect.move(due_us, number % 4096)


class MovePump:
    """Every client moves `hz` times a second: even phases over the period, in shuffled order.

    The loop's timers have a step of 1 ms, so a move leaves up to that much after it was due; the
    latency is counted from when it was due. An `exact` pump is woken by the kernel's timer instead,
    to a tenth of that, for more of the generator's CPU.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        hz: float,
        base_ns: int,
        *,
        frame_of: Frame = plain_move,
        exact: bool = False,
        seed: int = 99,
    ) -> None:
        self._order = list(clients)
        random.Random(seed).shuffle(self._order)
        self._step_ns = int(1e9 / hz / len(clients))
        self._base_ns = base_ns
        self._frame_of = frame_of
        self._next = 0
        self._begun_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._alarm = Alarm(self._pump) if exact else None
        self.offered = self.unsent = 0

    def start(self) -> None:
        """Begin at once; ends with `stop`."""
        self._begun_ns = time.monotonic_ns()
        self._pump()

    def stop(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._alarm is not None:
            self._alarm.close()

    def _pump(self) -> None:
        passed = time.monotonic_ns() - self._begun_ns
        clients, step = self._order, self._step_ns
        count = len(clients)
        while (due := self._next * step) <= passed:
            client = clients[self._next % count]
            self._next += 1
            self.offered += 1
            transport = client.transport
            if transport is None or transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
                self.unsent += 1
                continue
            due_us = (self._begun_ns + due - self._base_ns) // 1000
            transport.write(self._frame_of(client, due_us, self._next))
        if self._alarm is not None:
            self._alarm.set(self._begun_ns + max(due, passed + EXACT_STEP_NS))
        else:
            self._timer = asyncio.get_running_loop().call_later(PUMP_S, self._pump)
