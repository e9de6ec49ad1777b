"""One session of somebody who keeps to the protocol, mostly: it comes, does a few things, and goes.

Owns what a person does and in how many ways it goes. Each frame is judged by the client's mirror,
each answer here; whatever is raised is a fault of the server.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from tests.acceptance.client import RESUMED, SILENT, Client, expect, give_up, refused
from tests.soak.town import Town

DEEDS_MAX: Final = 6
OFFENCES: Final = 102
"""Bad messages, one more than are borne within ten seconds and one to spare."""
BIG: Final = "x" * 20_000
"""More than a message may have."""


class TooLate(Exception):
    """The machine slept over the grace, so that a resume was refused by right."""


class Person:
    """`live` is all of it, once."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.chance = random.Random(town.chance.random())
        self.client: Client

    async def live(self) -> None:
        """Come, do, go. Raises what the server did wrong."""
        self.client = await self.town.newcomer()
        try:
            await self._join()
            for _ in range(self.chance.randint(1, DEEDS_MAX)):
                await self._one_of(self._deeds())
            await self._one_of(self._ends())
            await self.client.close()
        except TooLate:
            await self.client.close()
        except BaseException:
            await give_up([self.client])
            raise
        self.town.judged(self.client)

    async def _one_of(self, ways: dict[Callable[[], Awaitable[None]], int]) -> None:
        (way,) = self.chance.choices(list(ways), list(ways.values()))
        name = getattr(way, "__name__", "").strip("_")
        self.town.counts[name] += 1
        await way()

    def _deeds(self) -> dict[Callable[[], Awaitable[None]], int]:
        return {
            self._move: 6,
            self._say: 3,
            self._ready: 3,
            self._update: 3,
            self._switch: 4,
            self._join_again: 1,
            self._leave_and_join: 2,
            self._validate: 2,
            self._ask_around: 2,
            self._repeat: 2,
            self._err: 2,
            self._resume_after_cut: 3,
            self._resume_after_close: 2,
            self._resume_over_old: 2,
            self._resume_with_old_token: 1,
        }

    def _ends(self) -> dict[Callable[[], Awaitable[None]], int]:
        return {
            self._leave_and_close: 4,
            self._close: 3,
            self._cut: 4,
            self._cut_while_asking: 2,
            self._misbehave: 1,
            self._send_binary: 1,
            self._send_too_much: 1,
            self._send_no_text: 1,
        }

    # -- deeds

    async def _join(self) -> None:
        chance, room = self.chance, self.town.a_room()
        fields: dict[str, Any] = {}
        if chance.random() < 0.5:
            fields["attributes"] = {"colour": chance.randrange(9)}
        if chance.random() < 0.3:
            names = ("hideUserId", "hidePosition")
            fields["privacy"] = {name: chance.random() < 0.5 for name in names}
        await self.client.join(room, userId=self.town.a_user(), **fields)

    async def _move(self) -> None:
        for _ in range(3):
            await self.client.tell("move", x=self.chance.random(), y=1, sequenceId=SILENT)

    async def _say(self) -> None:
        await self.client.do("sendRoomMessage", event="said", data=[self.client.name])

    async def _ready(self) -> None:
        await self.client.do("ready")

    async def _update(self) -> None:
        name = self.town.a_user()
        await self.client.do("updatePlayer", displayName=name, attributes={"name": name})

    async def _switch(self) -> None:
        room = self.town.a_new_room() if self.chance.random() < 0.5 else self.town.a_room()
        await self.client.join(room, userId=self.town.a_user())

    async def _join_again(self) -> None:
        await self.client.join(self.client.mirror.room_id)

    async def _leave_and_join(self) -> None:
        self.town.spend(self.client)
        await self.client.leave()
        await self._join()

    async def _validate(self) -> None:
        mirror = self.client.mirror
        answer = await self.client.ask(
            "validateRoomState",
            roomId=mirror.room_id,
            expectedPlayers=list(mirror.players),
            epoch=mirror.epoch,
            version=mirror.version,
            checksum=mirror.checksum,
        )
        assert expect(answer, "roomStateValidated")["valid"] is True, answer

    async def _ask_around(self) -> None:
        client = self.client
        expect(await client.ask("requestRoomState"), "roomState")
        expect(await client.ask("checkRoomPermission", roomId="x"), "roomPermission")
        expect(await client.ask("authenticate", token="none"), "authenticated")

    async def _repeat(self) -> None:
        number = self.client.number()
        for copy in range(2):
            await self.client.tell("sendRoomMessage", event="x", data=copy, sequenceId=number)
        for copy in range(2):
            expect(await self.client.answer(number, copy), "ok")

    async def _err(self) -> None:
        client = self.client
        await client.link.socket.send("{]")
        await client.send({"type": "jump"}, {"type": "move", "x": "far", "y": None}, [])
        refused(await client.ask("updatePlayer"), "badMessage")
        refused(await client.ask("validateRoomState", roomId="x", expectedPlayers=[]), "notInRoom")

    # -- resumes

    async def _resume_after_cut(self) -> None:
        began_s = time.monotonic()
        await self.client.lose()
        await self._resume(began_s)

    async def _resume_after_close(self) -> None:
        began_s = time.monotonic()
        await self.client.link.close()
        await self._resume(began_s)

    async def _resume_over_old(self) -> None:
        old = self.client.link
        await self._resume(time.monotonic())
        assert await old.closed() == 4509, self.client.story()

    async def _resume(self, began_s: float) -> None:
        """Succeeds where it is answered within a grace of `began_s`, before which nothing was lost.

        Later than that, on a machine that kept us waiting, it may be refused.
        """
        client, grace_s = self.client, self.town.pace.grace_s
        await self.town.connect(client)
        self.town.counts["resumes"] += 1
        answer = await client.resume()
        took_s = time.monotonic() - began_s
        if answer["type"] == "error" and took_s > grace_s:
            refused(answer, "resumeExpired")
            self.town.counts["too late"] += 1
            raise TooLate
        assert answer["type"] == RESUMED, f"after {took_s:.3f} s: {answer}\n{client.story()}"

    async def _resume_with_old_token(self) -> None:
        """Two tokens ago is too old, since something was heard over each connection."""
        for _ in range(2):
            await self.client.ping()
            await self._resume_after_cut()
        await self.client.ping()
        await self._try(self.client.mirror.room_id, self.client.tokens[-3])
        await self.client.ping()

    async def _try(self, room: str, token: str) -> None:
        """A stranger's resume with a token that is spent."""
        stranger = await self.town.newcomer()
        self.town.counts["spent tokens"] += 1
        answer = await stranger.ask(
            "resumeRoomGameSpace", roomId=room, resumeToken=token, epoch=1, version=1
        )
        refused(answer, "resumeExpired")
        await stranger.close()

    # -- ends

    async def _leave_and_close(self) -> None:
        self.town.spend(self.client)
        await self.client.leave()
        spent = self.town.a_spent_token()
        if spent is not None:
            await self._try(spent.room, spent.token)

    async def _close(self) -> None:
        self._lost()
        await self.client.link.close()

    async def _cut(self) -> None:
        self._lost()
        await self.client.lose()

    async def _cut_while_asking(self) -> None:
        """The answer meets nobody."""
        room = self.town.a_new_room()
        await self.client.tell("joinRoomGameSpace", roomId=room)
        await self.client.tell("ready")
        await self.client.lose()

    async def _misbehave(self) -> None:
        self._lost()
        with suppress(ConnectionClosed):
            for _ in range(OFFENCES):
                await self.client.link.socket.send("garbage")
        await self._closed_with(1008)

    async def _send_binary(self) -> None:
        self._lost()
        await self.client.link.socket.send(b"\x00\x01")
        await self._closed_with(1003)

    async def _send_too_much(self) -> None:
        self._lost()
        await self.client.send({"type": "sendRoomMessage", "event": "x", "data": BIG})
        await self._closed_with(1009)

    async def _send_no_text(self) -> None:
        self._lost()
        await self.client.link.socket.send(b'{"type": "\xff"}', text=True)
        await self._closed_with(1007)

    async def _closed_with(self, code: int) -> None:
        assert await self.client.link.closed() == code, self.client.story()
        await self.client.close()

    def _lost(self) -> None:
        """Its newest token is good until the grace ends; a second more for a busy machine."""
        late_s = self.town.pace.grace_s + self.town.pace.longest_s + 1
        self.town.spend(self.client, after_s=late_s)
