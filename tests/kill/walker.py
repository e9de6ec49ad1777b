"""A client that never rests: joins, leaves, switches, changes, moves, talks, and loses connections.

Owns what one person does, at random from a seed, and which of its requests are in doubt: sent, and
not answered when the connection was gone. Whatever its client is told, `Diary` writes down.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.acceptance.client import JOINED, RESUMED, Client, expect, refused
from tests.acceptance.frames import VERSIONED, Object
from tests.acceptance.mirror import Seat
from tests.acceptance.server import Server
from tests.kill.telling import Room, state_of

WHOLE: Final = frozenset({JOINED, RESUMED, "roomState"})
USERS: Final = ("ann", "zoë-ß", "guest 7")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A request that may have had its effect. `room` is where the client sat."""

    number: int
    kind: str
    room: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Departure:
    """A leave that was answered, and the newest token of before."""

    room: str
    socket_id: str
    token: str
    at_s: float


class Diary:
    """What all clients of a campaign were told, by room; and every place that anybody asked for.

    `strict`: a place is told also by a whole state, and not only by `playersMoved`.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.rooms: dict[str, Room] = {}
        self.sent: dict[float, str] = {}
        self.departures: list[Departure] = []
        self.lost_at_s: dict[str, float] = {}
        self.places = itertools.count(1)

    def room(self, room_id: str) -> Room:
        """The page of one room."""
        return self.rooms.setdefault(room_id, Room())

    def place(self, socket_id: str) -> float:
        """A place where nobody has been; both coordinates are made of it."""
        x = float(next(self.places))
        self.sent[x] = socket_id
        return x


class Watched(Client):
    """A client whose frames are written down."""

    def __init__(self, server: Server, name: str, diary: Diary) -> None:
        super().__init__(server, name)
        self.diary = diary
        self.own = ""
        """By what it sits, or would."""

    def _take(self, item: Object) -> None:
        mirror, kind = self.mirror, item["type"]
        room_id, own = mirror.room_id, mirror.socket_id
        super()._take(item)
        now_s = time.monotonic()
        if kind in (JOINED, RESUMED) or (kind == "welcome" and mirror.seat is Seat.OUT):
            self.own = item["socketId"]
        if kind == "roomGameSpaceLeft" and room_id:
            self.diary.room(room_id).told(own).tell_itself(now_s, None)
            self.diary.departures.append(Departure(room_id, own, self.tokens[-1], now_s))
        elif kind in VERSIONED or kind in WHOLE:
            room = self.diary.room(mirror.room_id)
            if kind in (JOINED, RESUMED):
                room.told(self.own).tell_itself(now_s, state_of(mirror.own))
            room.saw((mirror.epoch, mirror.version), mirror.players, now_s)
            if kind in WHOLE and self.diary.strict:
                for socket_id in mirror.players:
                    at = mirror.position(socket_id)
                    if at is not None:
                        room.told(socket_id).tell_place(now_s, at[0])
            if kind == JOINED:
                room.leaving.discard(self.own)
                room.strangers.discard(self.own)
                if room_id not in ("", mirror.room_id):
                    self.diary.room(room_id).leaving.add(own)
        elif kind == "playersMoved":
            for socket_id, x, _ in item["moves"]:
                self.diary.room(mirror.room_id).told(socket_id).tell_place(now_s, x)


class Walker:
    """One person. `doubts` are its requests since the last answer."""

    def __init__(
        self, server: Server, name: str, diary: Diary, rooms: Sequence[str], chance: random.Random
    ) -> None:
        self.name = name
        self.diary = diary
        self.rooms = rooms
        self.chance = chance
        self.client = Watched(server, name, diary)
        self.clients = [self.client]
        """All that it ever was."""
        self.doubts: list[Doubt] = []

    @property
    def seated(self) -> bool:
        """It was told that it sits, and not that it does not any more."""
        return self.client.mirror.seat is not Seat.OUT

    def open_doubts(self) -> list[Doubt]:
        """Those of its requests that were never answered."""
        return [doubt for doubt in self.doubts if doubt.number not in self.client.answers]

    def may_have_left(self) -> bool:
        """It asked to leave its room, or to be in another, and does not know what came of it."""
        kinds = {doubt.kind for doubt in self.open_doubts()}
        return bool(kinds & {"leaveRoomGameSpace", "joinRoomGameSpace"})

    async def begin(self, server: Server) -> None:
        """Begin anew, as somebody who was never there. Where that fails it stays who it was."""
        client = Watched(server, self.name, self.diary)
        self.clients.append(client)
        await client.open()
        if self.seated:
            self.diary.lost_at_s[self.client.mirror.socket_id] = time.monotonic()
        self.client = client
        self.doubts.clear()

    async def walk(self) -> None:
        """Go on until the connection is gone for good, which ends this with an error."""
        deeds: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self.go, 6),
            (self.leave, 2),
            (self.ready, 4),
            (self.update, 6),
            (self.move, 12),
            (self.say, 3),
            (self.drop, 3),
            (self.vanish, 1),
        ]
        while True:
            (deed,) = self.chance.choices([d for d, _ in deeds], [w for _, w in deeds])
            await (deed() if self.seated else self.go())

    async def ask(self, kind: str, **fields: Any) -> Object:
        """Ask, and be in doubt until it is answered."""
        number = self.client.number()
        self.doubts.append(Doubt(number, kind, self.client.mirror.room_id, fields))
        answer = await self.client.ask(kind, sequenceId=number, **fields)
        self.doubts.clear()
        return answer

    # what it does

    def a_join(self) -> dict[str, Any]:
        """The fields of a join of any room but its own."""
        room = self.chance.choice([r for r in self.rooms if r != self.client.mirror.room_id])
        x = self.diary.place(self.client.own)
        fields: dict[str, Any] = {
            "roomId": room,
            "userId": self.chance.choice(USERS),
            "position": {"x": x, "y": -x},
        }
        if self.chance.random() < 0.5:
            fields["attributes"] = {"x": x}
        if self.chance.random() < 0.3:
            names = ("hideUserId", "hidePosition")
            fields["privacy"] = {name: self.chance.random() < 0.5 for name in names}
        return fields

    async def go(self) -> None:
        fields = self.a_join()
        self.diary.room(fields["roomId"]).strangers.add(self.client.own)
        answer = await self.ask("joinRoomGameSpace", **fields)
        if answer["type"] == "error" and self.stands_in_its_way(fields["roomId"]):
            refused(answer, "unavailable")
        else:
            expect(answer, JOINED)

    def stands_in_its_way(self, room_id: str) -> bool:
        """A switch that a kill cut short may have left a lost player of its own there."""
        room = self.diary.room(room_id)
        return self.client.own in room.strangers or room.told(self.client.own).last is not None

    async def leave(self) -> None:
        expect(await self.ask("leaveRoomGameSpace"), "roomGameSpaceLeft")

    async def ready(self) -> None:
        expect(await self.ask("ready"), "ok")

    def an_update(self) -> dict[str, Any]:
        n = self.chance.randrange(1_000_000)
        return {"displayName": f"name {n}", "attributes": {"n": n}}

    async def update(self) -> None:
        expect(await self.ask("updatePlayer", **self.an_update()), "ok")

    async def move(self) -> None:
        for _ in range(self.chance.randrange(1, 4)):
            x = self.diary.place(self.client.mirror.socket_id)
            await self.client.tell("move", x=x, y=-x)

    async def say(self) -> None:
        expect(await self.ask("sendRoomMessage", event="said", data=[self.name]), "ok")

    async def drop(self) -> None:
        """Lose the connection, at times with a request on its way, and resume."""
        kind = self.chance.choice([None, None, "ready", "updatePlayer", "leaveRoomGameSpace"])
        if kind is not None:
            fields = self.an_update() if kind == "updatePlayer" else {}
            number = self.client.number()
            self.doubts.append(Doubt(number, kind, self.client.mirror.room_id, fields))
            await self.client.tell(kind, sequenceId=number, **fields)
        if self.chance.random() < 0.5:
            await self.client.lose()
        else:
            await self.client.link.close()
        assert self.client.link.reader is not None
        await self.client.link.reader
        await self.client.open()
        if not self.seated:  # the answer to its leave came before the end
            self.doubts.clear()
            return
        leaves = any(doubt.kind == "leaveRoomGameSpace" for doubt in self.open_doubts())
        answer = await self.client.resume()
        if answer["type"] == "error" and answer["code"] == "resumeExpired" and leaves:
            room_id, own = self.client.mirror.room_id, self.client.mirror.socket_id
            self.diary.room(room_id).told(own).tell_itself(time.monotonic(), None)
            await self.begin(self.client.server)
            return
        expect(answer, RESUMED)
        self.doubts.clear()

    async def vanish(self) -> None:
        """Go without a word, and come again as somebody else; not often, since what stays stays."""
        if self.chance.random() > 0.03:
            return
        await self.client.ping()
        await self.client.lose()
        await self.begin(self.client.server)
