"""Rounds of kill and restart on one data folder, with the same people all the way.

    start -> churn -> KILL -> everybody resumes -> judged -> quiet, all equal -> churn -> KILL ...

Owns when the server is killed and what is held against what. Every frame is judged by the client's
mirror, every state that a server comes back with by what was told before (`telling.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from websockets.exceptions import WebSocketException

from tests.acceptance.client import JOINED, give_up, settle
from tests.acceptance.frames import Object, short
from tests.acceptance.rawsocket import raw_websocket
from tests.acceptance.restarting import place
from tests.acceptance.server import DEADLINE_S, Server
from tests.kill.telling import Room, text_of
from tests.kill.walker import Departure, Diary, Walker, Watched

FLUSH_MS: Final = 20
POSITION_SAVE_S: Final = 0.1
SLACK_S: Final = 0.5
"""A change may be written so much later than `flush_ms` says, on a machine that is busy."""
GRACE_S: Final = 15.0
GONE: Final = (WebSocketException, OSError)
"""What a client meets when its server is gone."""


@dataclass
class Report:
    """One round in numbers and, where something is wrong, in sentences."""

    number: int
    churn_ms: int = 0
    starts_killed: int = 0
    told: int = 0
    resumed: int = 0
    refused: int = 0
    in_doubt: int = 0
    spent_tokens: int = 0
    violations: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For people."""
        return (
            f"round {self.number}: killed after {self.churn_ms} ms"
            f" and during {self.starts_killed} starts; {self.told} frames judged,"
            f" {self.resumed} resumed, {self.refused} refused, {self.in_doubt} requests in doubt,"
            f" {self.spent_tokens} spent tokens tried; {len(self.violations)} violations"
        )


class Campaign:
    """`start` gives the next server. `keeps_all`: whatever anybody was told is kept."""

    def __init__(
        self,
        start: Callable[[], Server],
        chance: random.Random,
        people: int,
        *,
        keeps_all: bool,
        strict: bool,
    ) -> None:
        self.diary = Diary(strict=strict)
        self.server: Server
        self._start = start
        self._chance = chance
        self._keeps_all = keeps_all
        self._rooms = [f"room-{n}" for n in range(max(2, people // 4))]
        self._names = [f"walker {n}" for n in range(people)]
        self.walkers: list[Walker] = []
        self._started_s = 0.0
        self._killed_s = 0.0

    async def begin(self) -> None:
        """Start the first server, and have everybody come."""
        self._launch()
        for name in self._names:
            chance = random.Random(self._chance.random())
            self.walkers.append(Walker(self.server, name, self.diary, self._rooms, chance))
        await asyncio.gather(*[walker.client.open() for walker in self.walkers])

    async def end(self) -> None:
        """Close all connections; raises what a frame of any of them broke."""
        for walker in self.walkers:
            for client in walker.clients:
                await client.close()

    def give_up(self) -> None:
        """Cut all connections."""
        for walker in self.walkers:
            for client in walker.clients:
                for link in client.links:
                    link.socket.transport.abort()

    async def round(self, number: int) -> Report:
        """One round."""
        report = Report(number)
        began_s, heard = time.monotonic(), self._heard()
        await self._until_killed(
            [walker.walk for walker in self.walkers], self._chance.uniform(0.1, 1.2), report
        )
        churned_s = self._killed_s
        report.churn_ms = round((time.monotonic() - began_s) * 1000)
        while self._chance.random() < 0.3:
            self._launch()
            report.starts_killed += 1
            await self._until_killed(
                [lambda w=walker: self._come_back(w, report) for walker in self.walkers],  # type: ignore[misc]
                self._chance.uniform(0, 0.1),
                report,
            )
        self._launch()
        await asyncio.gather(*[self._come_back(walker, report) for walker in self.walkers])
        departures, self.diary.departures = self.diary.departures, []
        for departure in departures:
            await self._try_spent(departure, churned_s, report)
        await self._agree(report)
        report.told = self._heard() - heard
        return report

    # -- ends and starts

    def _launch(self) -> None:
        self._started_s = time.monotonic()
        self.server = self._start()

    async def _until_killed(
        self, deeds: Sequence[Callable[[], Awaitable[object]]], after_s: float, report: Report
    ) -> None:
        """Do all of `deeds` at once, and kill the server at some moment under them."""
        tasks = [asyncio.ensure_future(deed()) for deed in deeds]
        _, still = await asyncio.wait(tasks, timeout=after_s)
        self.server.process.kill()
        self._killed_s = time.monotonic()
        await asyncio.to_thread(self.server.wait_for_exit)
        for walker in self.walkers:
            link = walker.client.link
            await asyncio.wait_for(link.socket.wait_closed(), DEADLINE_S)
            assert link.reader is not None
            await asyncio.wait_for(link.reader, DEADLINE_S)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, *(GONE if task in still else ())):
                await task
        self._freeze(report)

    def _freeze(self, report: Report) -> None:
        """From now on only what was told and kept counts, and what is in doubt may be or not."""
        kept_until_s = place_until_s = math.inf
        if not self._keeps_all:
            kept_until_s = self._killed_s - FLUSH_MS / 1000 - SLACK_S
            place_until_s = kept_until_s - POSITION_SAVE_S
        for room_id, room in self.diary.rooms.items():
            room.freeze(kept_until_s, place_until_s)
            owned = {client.mirror.socket_id for client in self._members(room_id)}
            for socket_id in room.players.keys() - owned:
                lost_s = max(self._started_s, self.diary.lost_at_s.get(socket_id, 0))
                if self._killed_s - lost_s > GRACE_S - 1:
                    room.may_be_gone(socket_id)
        for walker in self.walkers:
            for doubt in walker.open_doubts():
                report.in_doubt += 1
                if not doubt.room:
                    continue
                room, own = self.diary.room(doubt.room), walker.client.mirror.socket_id
                fields = doubt.fields
                match doubt.kind:
                    case "ready":
                        room.may_be(own, lambda state: state._replace(ready=True))
                    case "updatePlayer":
                        name, attributes = fields["displayName"], text_of(fields["attributes"])
                        change = {"name": name, "attributes": attributes}
                        room.may_be(own, lambda state, c=change: state._replace(**c))  # type: ignore[misc]
                    case "leaveRoomGameSpace" | "joinRoomGameSpace":
                        room.may_be(own, lambda _: None)

    # -- coming back

    async def _come_back(self, walker: Walker, report: Report) -> None:
        """Resume, and judge the answer; who is not let in, or was in no room, begins anew."""
        if not walker.seated:
            await walker.begin(self.server)
            return
        mirror = walker.client.mirror
        room_id, own, epoch = mirror.room_id, mirror.socket_id, mirror.epoch
        room = self.diary.room(room_id)
        walker.client.server = self.server
        await walker.client.open()
        answer = await walker.client.resume()
        where = f"{walker.name} in {room_id}"
        if answer["type"] == "error":
            if answer["code"] != "resumeExpired":
                report.violations.append(f"{where}: a resume gets {short(answer)}")
            elif room.told(own).last is not None and not walker.may_have_left():
                report.violations.append(f"{where}: {own} is refused, and was told that it sits")
            report.refused += 1
            room.told(own).tell_itself(time.monotonic(), None)
            await walker.begin(self.server)
            return
        report.resumed += 1
        walker.doubts.clear()
        said = answer["consistency"]["epoch"]
        if answer["type"] != JOINED or answer["socketId"] != own or said <= max(epoch, room.epoch):
            report.violations.append(f"{where}: {own} of epoch {epoch} gets {short(answer)}")
        self._judge(where, room, answer["players"], report)

    def _judge(self, where: str, room: Room, players: list[Object], report: Report) -> None:
        faults = room.faults(players, self.diary.sent, forgets=not self._keeps_all)
        report.violations += [f"{where}: {fault}" for fault in faults]
        room.restart(players)

    def _members(self, room_id: str) -> list[Watched]:
        return [
            walker.client
            for walker in self.walkers
            if walker.seated and walker.client.mirror.room_id == room_id
        ]

    async def _try_spent(self, departure: Departure, killed_s: float, report: Report) -> None:
        """The token of somebody who was told that it left, before the kill, must not seat it."""
        members = self._members(departure.room)
        if departure.socket_id in {client.mirror.socket_id for client in members}:
            return
        report.spent_tokens += 1
        request = {
            "type": "resumeRoomGameSpace",
            "roomId": departure.room,
            "resumeToken": departure.token,
            "epoch": 1,
            "version": 1,
            "sequenceId": 1,
        }
        async with raw_websocket(self.server) as sock:
            await sock.send_objects(request)
            async for item in sock.objects():
                if item.get("replyTo") == 1:
                    break
            else:
                raise AssertionError("no answer to a resume")
            if item["type"] == "error":
                return
            durable = self._keeps_all or departure.at_s < killed_s - SLACK_S - FLUSH_MS / 1000
            if durable:
                report.violations.append(f"{departure}: its token seats it again")
            await sock.send_objects({"type": "leaveRoomGameSpace"})
            await sock.next_object("roomGameSpaceLeft")

    # -- quiet

    async def _agree(self, report: Report) -> None:
        """Nobody does anything: all members hold the same, and the server says the same."""
        for room_id in self._rooms:
            async with watched(self.server, self.diary) as auditor:
                joined = await auditor.join(room_id)
                others = [p for p in joined["players"] if p["socketId"] != auditor.own]
                self._judge(f"auditor in {room_id}", self.diary.room(room_id), others, report)
                members = self._members(room_id)
                await settle([auditor, *members])
                held = auditor.mirror.view()
                for client in members:
                    before = client.mirror.view()
                    await client.ask("requestRoomState")
                    answer = await client.ask(
                        "validateRoomState",
                        roomId=room_id,
                        expectedPlayers=list(held),
                        epoch=client.mirror.epoch,
                        version=client.mirror.version,
                        checksum=auditor.mirror.checksum,
                    )
                    if not held == before == client.mirror.view() or answer["valid"] is not True:
                        report.violations.append(
                            f"{client.name} in {room_id} holds {before}, not {held}"
                        )
                await auditor.leave()

    def _heard(self) -> int:
        return sum(
            len(link.frames)
            for walker in self.walkers
            for client in walker.clients
            for link in client.links
        )


@contextlib.asynccontextmanager
async def watched(server: Server, diary: Diary) -> AsyncIterator[Watched]:
    """One more client, whose frames are written down too."""
    client = Watched(server, "auditor", diary)
    await client.open()
    try:
        yield client
    except BaseException:
        await give_up([client])
        raise
    await client.close()


async def campaign(
    folder: Path,
    durability: str,
    *,
    seed: int,
    rounds: int,
    people: int = 12,
    strict: bool = False,
    tell: Callable[[Report], object] = lambda _: None,
    **settings: Any,
) -> list[Report]:
    """So many rounds; `tell` gets each when it is over. What ends them early is a violation."""
    reports: list[Report] = []
    fixed: dict[str, Any] = {
        "durability": durability,
        "flush_ms": FLUSH_MS,
        "position_save_s": POSITION_SAVE_S,
        "resume_grace_s": GRACE_S,
        "journal_bytes_max": 20_000,
    }
    with place(folder, **(fixed | settings)) as here:
        run = Campaign(
            here.start,
            random.Random(seed),
            people,
            keeps_all=durability == "journal",
            strict=strict,
        )
        await run.begin()
        try:
            for number in range(1, rounds + 1):
                reports.append(await run.round(number))
                tell(reports[-1])
            await run.end()
        except BaseException:
            run.give_up()
            raise
    return reports
