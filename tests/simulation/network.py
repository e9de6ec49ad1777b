"""A network in memory: listening addresses, links between two ends, and what can befall a link.

Owns bytes under way: how long they take, how much fits in the pipe, where they are cut. An end of
a link is an `asyncio.Transport` as asyncio's own sockets are: a write buffer with water marks,
reading that pauses, an orderly end, an abort. Knows no WebSocket.

    open --close--> closing (the buffer drains) --> lost          FIN behind the last byte
    open --abort, reset by the other end or the network--> lost   what was under way may be lost
    open --silence--> open                                        half-open: nobody is told
"""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from tests.simulation.loop import SimulatedLoop

FIN: Final = b""
"""Among the bytes under way: the sender has nothing more to say."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a link is. Times in seconds; `window_bytes` are under way or unread at most; with the
    chance `splits` a piece arrives in two.
    """

    latency_s: float = 0.001
    jitter_s: float = 0.0
    window_bytes: int = 65_536
    splits: float = 0.0
    bytes_per_s: float = 0.0
    """0: as fast as it comes."""


LINK: Final = Conditions()


class Listening:
    """A listening address, as `asyncio.Server` shows it."""

    def __init__(self, network: "Network", address: tuple[str, int], make: Any) -> None:
        self._network: Final = network
        self.address: Final = address
        self.make: Final[Callable[[], asyncio.Protocol]] = make
        self.sockets: Final = [ListeningSocket(address)]

    def is_serving(self) -> bool:
        return self.address in self._network.listening

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._network.loop

    def close(self) -> None:
        self._network.listening.pop(self.address, None)

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""


class ListeningSocket:
    """What a server asks of its socket."""

    family: Final = socket.AF_INET

    def __init__(self, address: tuple[str, int]) -> None:
        self._address: Final = address

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Taken note of by nobody: what fits in a pipe is a matter of its conditions."""

    def getsockname(self) -> tuple[str, int]:
        return self._address


class Network:
    """All links of a world, each with a randomness of its own: what befalls one leaves others."""

    def __init__(self, loop: "SimulatedLoop", seed: str) -> None:
        self.loop: Final = loop
        self._seed: Final = seed
        self.listening: Final[dict[tuple[str, int], Listening]] = {}
        self.accepted: Final[dict[int, End]] = {}
        """The far ends of all links that live, by number."""
        self.links = 0
        self.deliveries = 0
        """How often bytes reached an end."""

    def listen(self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listening:
        address = (host, port or 40_000 + len(self.listening))
        if address in self.listening:
            raise OSError(98, "address already in use")
        self.listening[address] = Listening(self, address, make)
        return self.listening[address]

    def connect(
        self,
        protocol: asyncio.Protocol,
        host: str,
        port: int,
        address: str,
        conditions: Conditions,
    ) -> "End":
        """A link to whoever listens there; the near end. Raises ConnectionRefusedError."""
        listening = self.listening.get((host, port))
        if listening is None:
            raise ConnectionRefusedError(111, "nobody listens")
        self.links += 1
        source = (address, 1024 + self.links % 60_000)
        number = self.links
        near = End(self, number, (host, port), conditions, f"{self._seed}/{number}/near")
        far = End(self, number, source, conditions, f"{self._seed}/{number}/far", merges=True)
        near.peer, far.peer = far, near
        self.accepted[number] = far
        far.begin(listening.make())
        near.begin(protocol)
        return near


class End(asyncio.Transport):
    """One end of a link, and the way from it to the other one. `merges`: it reads all that is there
    at once; otherwise what was written apart is read apart, and `sent_s` says when it was.
    """

    peer: "End"

    def __init__(
        self,
        network: Network,
        number: int,
        address: tuple[str, int],
        conditions: Conditions,
        seed: str,
        *,
        merges: bool = False,
    ) -> None:
        super().__init__({"peername": address, "sockname": ("127.0.0.1", 1), "ssl_object": None})
        self._network: Final = network
        self._number: Final = number
        self._loop: Final = network.loop
        self._rng: Final = random.Random(seed)
        self._merges: Final = merges
        self.conditions = conditions
        self._protocol: asyncio.Protocol | None = None
        self._high, self._low = 65_536, 16_384
        self._buffer: deque[tuple[bytes, float]] = deque()
        self._size = 0
        self._writing_paused = False
        # Under way to the other end, and what it has not read yet.
        self._flight: deque[tuple[float, bytes, float]] = deque()
        self._outstanding = 0
        self._last_arrival_s = 0.0
        self._quota: int | None = None
        """So many bytes more arrive at the other end; None: all."""
        self._unread: deque[tuple[bytes, float]] = deque()
        self._reads = True
        self._closing = False
        self._lost = False
        self._dead = False
        """Its process is gone, and nobody is there who could be told anything."""
        self.was_aborted = False
        self.sent_s = 0.0
        self.read_s = network.loop.now_s
        """When its process last got something of it, or began to read it again."""
        self.peak_bytes = 0
        """The most that ever waited in the write buffer."""

    def begin(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    # -- asyncio.Transport

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        high = 65_536 if high is None else high
        low = high // 4 if low is None else low
        assert 0 <= low <= high
        self._high, self._low = high, low

    def get_write_buffer_size(self) -> int:
        return self._size

    def write(self, data: Any) -> None:
        assert isinstance(data, bytes), "what is written must never change"
        if self._lost or self._dead:
            return
        assert not self._closing or self.was_aborted, "nothing is written behind a close"
        if not data or self._closing:
            return
        self._buffer.append((data, self._loop.now_s))
        self._size += len(data)
        self._pump()
        self.peak_bytes = max(self.peak_bytes, self._size)
        if self._size > self._high and not self._writing_paused:
            self._writing_paused = True
            assert self._protocol is not None
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._reads = False
            if not self._size:
                self._finish()

    def abort(self) -> None:
        if self._lost or self._dead:
            return
        self.was_aborted = True
        if self._rng.random() < 0.5:
            self._drop_flight()
        self._loop.call_later(self._delay_s(), self.peer.break_)
        self._end(None)

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        if not self._closing and not self._reads:
            self._reads = True
            self.read_s = self._loop.now_s
            self._loop.call_soon(self._read)

    def is_reading(self) -> bool:
        return self._reads

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    # -- what can befall it

    def cut(self, out_bytes: int, in_bytes: int, *, silent: bool) -> None:
        """The link ends after so many bytes more each way: both ends are told by a reset, or
        (`silent`) nobody is.
        """
        for end, quota in ((self, out_bytes), (self.peer, in_bytes)):
            end._quota = quota if end._quota is None else min(quota, end._quota)
        if not silent:
            for end in (self, self.peer):
                self._loop.call_later(end._delay_s() + self.conditions.latency_s, end.break_)

    def is_cut(self) -> bool:
        """What is written here does not arrive any more, or not for long."""
        return self._quota is not None

    def break_(self) -> None:
        """Reset by the other side, or by the network."""
        if not self._lost and not self._dead:
            self._end(ConnectionResetError(104, "connection reset by peer"))

    def die(self, *, silent: bool) -> None:
        """Its process is killed: what the kernel has is sent, then the other end is told; where
        the machine dies with it (`silent`) nothing is.
        """
        self._dead = True
        self._network.accepted.pop(self._number, None)
        self._buffer.clear()
        self._size = 0
        if silent:
            self._quota = self.peer._quota = 0
        else:
            after_s = max(self._last_arrival_s - self._loop.now_s, 0) + self._delay_s()
            self._loop.call_later(after_s, self.peer.break_)

    def renew(self, conditions: Conditions) -> None:
        """From now on the link is like this, both ways."""
        self.conditions = self.peer.conditions = conditions
        self._pump()
        self.peer._pump()

    # -- bytes on their way

    def _delay_s(self) -> float:
        conditions = self.conditions
        return conditions.latency_s + self._rng.random() * conditions.jitter_s

    def _pump(self) -> None:
        """From the write buffer into the pipe, as much as fits."""
        buffer = self._buffer
        while buffer and self._outstanding < self.conditions.window_bytes:
            data, sent_s = buffer.popleft()
            free = self.conditions.window_bytes - self._outstanding
            if len(data) > free:
                buffer.appendleft((data[free:], sent_s))
                data = data[:free]
            self._size -= len(data)
            self._send(data, sent_s)
        if self._writing_paused and self._size <= self._low and not (self._lost or self._dead):
            self._writing_paused = False
            assert self._protocol is not None
            self._protocol.resume_writing()
        if self._closing and not self._size and not self._lost and not self._dead:
            self._finish()

    def _send(self, data: bytes, sent_s: float) -> None:
        self._outstanding += len(data)
        if len(data) > 1 and self._rng.random() < self.conditions.splits:
            at = self._rng.randrange(1, len(data))
            self._launch(data[:at], sent_s)
            data = data[at:]
        self._launch(data, sent_s)

    def _launch(self, data: bytes, sent_s: float) -> None:
        arrival_s = max(self._last_arrival_s, self._loop.now_s + self._delay_s())
        if self.conditions.bytes_per_s:
            arrival_s += len(data) / self.conditions.bytes_per_s
        self._last_arrival_s = arrival_s
        self._flight.append((arrival_s, data, sent_s))
        if len(self._flight) == 1:
            self._loop.call_at(arrival_s, self._land)

    def _land(self) -> None:
        flight, now_s = self._flight, self._loop.now_s
        while flight and flight[0][0] <= now_s:
            _, data, sent_s = flight.popleft()
            while self.peer._merges and data and flight and flight[0][0] <= now_s and flight[0][1]:
                data += flight.popleft()[1]
            if self._quota is not None:
                kept = data[: self._quota]
                self._quota -= len(kept)
                self._outstanding -= len(data) - len(kept)
                if not kept:
                    continue
                data = kept
            self.peer._arrive(data, sent_s)
        if flight:
            self._loop.call_at(flight[0][0], self._land)

    def _drop_flight(self) -> None:
        self._outstanding -= sum(len(data) for _, data, _ in self._flight)
        self._flight.clear()

    def _arrive(self, data: bytes, sent_s: float) -> None:
        if self._lost or self._dead:
            if data:  # the kernel of a machine where nobody reads any more
                self._loop.call_later(self._delay_s(), self.peer.break_)
            return
        self._unread.append((data, sent_s))
        self._read()

    def _read(self) -> None:
        unread = self._unread
        while unread and self._reads and not self._lost and not self._dead:
            data, self.sent_s = unread.popleft()
            self.read_s = self._loop.now_s
            protocol = self._protocol
            assert protocol is not None
            self._network.deliveries += 1
            if data == FIN:
                if not protocol.eof_received() and not self._closing:
                    self.close()
                continue
            self.peer._outstanding -= len(data)
            protocol.data_received(data)
            self.peer._pump()

    # -- its end

    def _finish(self) -> None:
        """All was said."""
        if not self._lost:
            self._launch(FIN, self._loop.now_s)
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        self._closing = self._lost = True
        self._reads = False
        self._buffer.clear()
        self._size = 0
        self._unread.clear()
        if self._merges:
            self._network.accepted.pop(self._number, None)
        self._loop.call_soon(self._tell_end, error)

    def _tell_end(self, error: Exception | None) -> None:
        if not self._dead:
            assert self._protocol is not None
            self._protocol.connection_lost(error)
