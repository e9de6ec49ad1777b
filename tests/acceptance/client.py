"""A client of the room server on a library that is not ours, with a mirror on every frame.

Owns what a well-behaved client does: it numbers its requests, keeps its newest resume token, reads
all the time, and waits for conditions. It knows nothing of rooms itself; that is the mirror's part.

A `Client` is a session, a `Link` one of its connections: after `reconnect` the client goes on over
a new link, and the old one can be watched for how it ends. Every wait has a deadline, and fails
with the story of what did come.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.acceptance.frames import VERSIONED, Object, short
from tests.acceptance.mirror import Mirror
from tests.acceptance.server import DEADLINE_S, Server

T = TypeVar("T")

COMPACT: Final = Subprotocol("vaultmeet.v1.compact")
SILENT: Final = object()
"""Given as `sequenceId` to `Client.tell`: the request carries none."""


class Link:
    """One WebSocket connection and everything that came over it, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.objects: list[Object] = []
        self.frames: list[str] = []
        self.failure: Exception | None = None
        self.on_object: Callable[[Object], None] | None = None
        self.read_binary: Callable[[bytes], Object] | None = None
        """Reads a binary frame, where the client asked for such."""
        self.on_change: Callable[[], None] = lambda: None
        self.reader: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Read from now on, until the connection ends or a frame breaks a promise."""
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                if isinstance(text, str):
                    self.frames.append(text)
                    frame = json.loads(text)
                else:
                    assert self.read_binary is not None, "a binary frame"
                    frame = self.read_binary(text)
                for item in frame if isinstance(frame, list) else [frame]:
                    self.objects.append(item)
                    if self.on_object is not None:
                        self.on_object(item)
                self.on_change()
        except ConnectionClosed:
            pass
        except Exception as error:  # noqa: BLE001  # raised in the test, at its next wait
            self.failure = error
        self.on_change()

    async def closed(self) -> int | None:
        """Wait until the server ends the connection; the close code, None for no close frame."""
        await asyncio.wait_for(self.socket.wait_closed(), DEADLINE_S)
        return self.socket.close_code

    async def cut(self) -> None:
        """End the TCP connection without a close frame, as a lost network does."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def close(self) -> None:
        """End the connection as WebSocket clients do."""
        await self.socket.close()
        if self.reader is not None:
            await self.reader


class Client:
    """One session, its newest link, its mirror, its numbers and tokens."""

    def __init__(self, server: Server, name: str, *, may_fall_behind: bool = False) -> None:
        self.server = server
        self.name = name
        self.mirror = Mirror(name, may_fall_behind=may_fall_behind)
        self.link: Link
        self.links: list[Link] = []
        self.answers: dict[int, list[Object]] = {}
        self.events: list[Object] = []
        self.tokens: list[str] = []
        self.sequence = 0
        self._failure: Exception | None = None
        self._waiters: set[asyncio.Event] = set()

    # connections

    async def open(self, **options: Any) -> Link:
        """Open a connection and take its `welcome`; `options` go to the library."""
        fixed = {
            "compression": None,
            "ping_interval": None,
            "proxy": None,
            "max_queue": None,
            "max_size": None,
            "open_timeout": DEADLINE_S,
            "close_timeout": DEADLINE_S,
        }
        link = Link(await connect(self.server.url, **(fixed | options)))
        if self.links:
            self.link.on_object = None
        self.mirror.opened()
        link.on_object = self._take
        link.on_change = self._wake
        if link.socket.subprotocol == COMPACT:
            link.read_binary = self.mirror.read_compact
        self.link = link
        self.links.append(link)
        link.start()
        await self.saw("welcome")
        return link

    async def lose(self) -> None:
        """Lose the connection without a word."""
        await self.link.cut()

    async def reconnect(self, **fields: Any) -> Object:
        """Open a new connection and resume over it; the answer, whatever it is."""
        room_id = self.mirror.room_id
        await self.open()
        return await self.resume(roomId=room_id, **fields)

    async def resume(self, **fields: Any) -> Object:
        """Ask to resume over the present link with the newest token and what the mirror holds."""
        held = {
            "roomId": self.mirror.room_id,
            "resumeToken": self.tokens[-1] if self.tokens else "none",
            "epoch": self.mirror.epoch,
            "version": self.mirror.version,
        }
        return await self.ask("resumeRoomGameSpace", **(held | fields))

    async def close(self) -> None:
        """Close all links; raises what a frame broke, if one did."""
        for link in self.links:
            await link.close()
        self._check()

    # requests

    async def send(self, *items: object) -> None:
        """Send each item as a frame of its own, in order, without waiting for anything."""
        for item in items:
            await self.link.socket.send(json.dumps(item))

    def number(self) -> int:
        """The next unused sequence number of this session."""
        self.sequence += 1
        return self.sequence

    async def tell(self, kind: str, **fields: Any) -> int:
        """Send one request and do not wait; its number. `sequenceId=SILENT` sends none."""
        number = fields.pop("sequenceId", None)
        if number is None:
            number = self.number()
        request = {"type": kind, **fields}
        if number is not SILENT:
            request["sequenceId"] = number
        await self.send(request)
        return int(number) if number is not SILENT else 0

    async def ask(self, kind: str, **fields: Any) -> Object:
        """Send one request and wait for its answer, which may be an error."""
        number = fields.pop("sequenceId", None) or self.number()
        before = len(self.answers.get(number, ()))
        await self.tell(kind, sequenceId=number, **fields)
        return await self.answer(number, copy=before)

    async def answer(self, number: int, copy: int = 0) -> Object:
        """The answer to a request, the one to its copy number `copy` counted from 0."""
        await self.reach(lambda: len(self.answers.get(number, ())) > copy, f"answer to {number}")
        return self.answers[number][copy]

    async def insist(self, kind: str, **fields: Any) -> Object:
        """Ask again, each time after the pause that the error advises, until it is no error."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                answer = await self.ask(kind, **fields)
                if answer["type"] != "error":
                    return answer
                assert answer["retryable"] is True, short(answer)
                await asyncio.sleep(answer.get("retryAfterMs", 10) / 1000)

    async def join(self, room_id: str, **fields: Any) -> Object:
        """Join a room; fails unless seated."""
        return expect(await self.ask("joinRoomGameSpace", roomId=room_id, **fields), JOINED)

    async def leave(self) -> Object:
        """Leave the room; fails when that is refused."""
        return expect(await self.ask("leaveRoomGameSpace"), "roomGameSpaceLeft")

    async def do(self, kind: str, **fields: Any) -> Object:
        """A request that is answered with `ok`; fails otherwise."""
        return expect(await self.ask(kind, **fields), "ok")

    async def ping(self, **fields: Any) -> Object:
        """Prove that the connection lives."""
        return expect(await self.ask("ping", t=0, **fields), "pong")

    # waiting

    async def reach(self, holds: Callable[[], bool], what: str = "the condition") -> None:
        """Wait until `holds`, looked at after every frame."""
        woken = asyncio.Event()
        self._waiters.add(woken)
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not self._holds(holds):
                    woken.clear()
                    await woken.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} never saw: {what}\n{self.story()}") from None
        finally:
            self._waiters.discard(woken)

    def _holds(self, holds: Callable[[], bool]) -> bool:
        self._check()
        return holds()

    async def saw(
        self, kind: str, where: Callable[[Object], bool] = lambda _: True, since: int = 0
    ) -> Object:
        """The first object of this kind on the present link, from index `since` on."""
        link = self.link

        def found() -> list[Object]:
            return [o for o in link.objects[since:] if o["type"] == kind and where(o)]

        await self.reach(lambda: bool(found()), f"{kind} (since {since})")
        return found()[0]

    def mark(self) -> int:
        """An index for `since`: what comes from now on."""
        return len(self.link.objects)

    def kinds(self, since: int = 0) -> list[str]:
        """The types that came over the present link, in order."""
        return [item["type"] for item in self.link.objects[since:]]

    def story(self) -> str:
        """The last objects, for a failing assertion."""
        code = self.link.socket.close_code
        last = [short(item, 300) for item in self.link.objects[-12:]]
        return "\n".join([f"closed: {code}", *last, self.server.story()])

    def _take(self, item: Object) -> None:
        self.mirror.feed(item)
        if "replyTo" in item:
            self.answers.setdefault(item["replyTo"], []).append(item)
        if item["type"] in VERSIONED:
            self.events.append(item)
        if "resumeToken" in item:
            self.tokens.append(item["resumeToken"])
            self.server.secrets.add(item["resumeToken"])

    def _wake(self) -> None:
        if self._failure is None:
            self._failure = self.link.failure
        for woken in self._waiters:
            woken.set()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


JOINED: Final = "roomGameSpaceJoined"
RESUMED: Final = "roomGameSpaceResumed"


def expect(item: Object, kind: str) -> Object:
    """`item`, which must be of this type."""
    assert item["type"] == kind, f"{kind} expected, got {short(item)}"
    return item


def refused(item: Object, code: str) -> Object:
    """`item`, which must be an error of this code."""
    assert item["type"] == "error", f"an error {code} expected, got {short(item)}"
    assert item["code"] == code, f"{code} expected, got {short(item)}"
    return item


def resume_of(seat: Object, **fields: object) -> Object:
    """The request that resumes the session of a `roomGameSpaceJoined` or a resume's answer."""
    request = {
        "type": "resumeRoomGameSpace",
        "roomId": seat["roomId"],
        "resumeToken": seat["resumeToken"],
        "epoch": seat["consistency"]["epoch"],
        "version": seat["consistency"]["version"],
    }
    return request | fields


def changes_of(client: Client, socket_id: str) -> list[str]:
    """What a client was told about one player, as a list of short words, in order."""
    told = []
    for event in client.events:
        for player in event["players"]:
            if player["socketId"] == socket_id:
                word = event["type"].removeprefix("player")
                told.append(f"{word} {player['connected']}" if word.startswith("Conn") else word)
    return told


async def give_up(crowd: Sequence[Client]) -> None:
    """Cut all connections of a test that has failed, and let the loop close their sockets."""
    for client in crowd:
        for link in client.links:
            link.socket.transport.abort()
    await asyncio.sleep(0)


@asynccontextmanager
async def connected(server: Server, name: str = "client", **options: Any) -> AsyncIterator[Client]:
    """One connected client, closed at the end; what its mirror found wrong fails the test there."""
    client = Client(server, name, may_fall_behind=options.pop("may_fall_behind", False))
    await client.open(**options)
    try:
        yield client
    except BaseException:
        await give_up([client])
        raise
    await client.close()


@asynccontextmanager
async def clients(server: Server, count: int, at_once: int = 50) -> AsyncIterator[list[Client]]:
    """`count` connected clients, opened and closed `at_once` at a time."""
    crowd = [Client(server, f"client {n}") for n in range(count)]
    try:
        await in_groups([client.open for client in crowd], at_once)
        yield crowd
    except BaseException:
        await give_up(crowd)
        raise
    await in_groups([client.close for client in crowd], at_once)


@asynccontextmanager
async def seated(server: Server, room_id: str, count: int) -> AsyncIterator[list[Client]]:
    """`count` clients that joined `room_id` one after the other, each knowing all the others."""
    async with AsyncExitStack() as stack:
        crowd = [
            await stack.enter_async_context(connected(server, f"client {n}")) for n in range(count)
        ]
        for client in crowd:
            await client.join(room_id)
        await settle(crowd)
        yield crowd


async def in_groups(calls: Sequence[Callable[[], Any]], at_once: int) -> None:
    """Await every call, at most `at_once` of them at a time."""
    for start in range(0, len(calls), at_once):
        await asyncio.gather(*[call() for call in calls[start : start + at_once]])


async def settle(crowd: Sequence[Client]) -> None:
    """Wait until all members of one room hold the same version of it."""
    newest = max((c.mirror.epoch, c.mirror.version) for c in crowd)
    for client in crowd:
        await client.reach(
            lambda m=client.mirror: (m.epoch, m.version) >= newest,  # type: ignore[misc]
            f"version {newest}",
        )
