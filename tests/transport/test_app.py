"""Everything wired, from bytes to bytes: real rooms behind fake sockets, in simulated time."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.keys import derived
from actors.settings import Settings
from tests.transport.sockets import Caller, Porch
from transport import app
from transport.app import Application
from transport.door import Door

PATIENCE_S = 60.0
TURNS = 12
"""More turns of the loop than any request takes from mailbox to mailbox."""


class House(Porch):
    """A porch whose door leads into real rooms."""

    app: Application

    def _open_door(self) -> Door:
        self.app = self._new_app()
        return self.app.door

    def _new_app(self) -> Application:
        names = count()
        return Application(
            self.settings,
            self.log,
            self.clock,
            derived(b"k" * 32),
            "1.2.3",
            new_name=lambda size: f"S{next(names)}",
        )

    async def settle(self) -> None:
        """Let the rooms do what waits, and what that calls for."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
            self.clock.advance(0)

    async def opened(self) -> Caller:
        """A client that has shaken hands; its welcome is there to be read."""
        caller = self.caller()
        caller.send_raw(caller.handshake_bytes())
        return caller

    async def said(self, caller: Caller, **request: object) -> list[Any]:
        """Say something and wait; all that is heard then, arrays taken apart."""
        caller.send(json.dumps(request))
        return await self.heard(caller)

    async def heard(self, caller: Caller) -> list[Any]:
        await self.settle()
        return [
            each for text in caller.texts() for each in (text if isinstance(text, list) else [text])
        ]


def run(story: Callable[[House], Awaitable[None]], **settings: Any) -> House:
    """Tell a story in a house of its own; the house as it was at the end."""

    async def told() -> House:
        async with asyncio.timeout(PATIENCE_S):
            house = House(**settings)
            await story(house)
            await house.app.registry.stop()
            return house

    return asyncio.run(told())


@pytest.mark.rule("G2.1", "G2.2", "G2.3", "G1.3", "G6.1", "G6.2")
def test_a_join_walks_from_socket_to_socket() -> None:
    """Two clients see each other, one changes, is lost, and comes back to what it missed."""

    async def story(house: House) -> None:
        ann, bob = await house.opened(), await house.opened()
        welcome, joined = await house.said(ann, type="joinRoomGameSpace", roomId="lobby")
        assert (welcome["type"], welcome["socketId"]) == ("welcome", "S0")
        assert [each["userId"] for each in joined["players"]] == ["guest-S0"]
        _, joined = await house.said(
            bob, type="joinRoomGameSpace", roomId="lobby", userId="bob", sequenceId=1
        )
        assert [each["socketId"] for each in joined["players"]] == ["S0", "S1"]
        assert joined["replyTo"] == 1
        (came,) = await house.heard(ann)
        assert (came["type"], came["players"][0]["userId"]) == ("playerJoinedRoom", "bob")
        assert came["consistency"]["checksum"] == joined["consistency"]["checksum"]
        ready, ok = await house.said(bob, type="ready", sequenceId=2)
        assert (ready["type"], ok["type"]) == ("playerReady", "ok")
        assert ok["version"] == ready["consistency"]["version"] == 3
        assert await house.heard(ann) == [ready]
        bob.wire.break_()
        (lost,) = await house.heard(ann)
        assert (lost["type"], lost["players"][0]["connected"]) == ("playerConnectionChanged", False)
        again = await house.opened()
        _, resumed = await house.said(
            again,
            type="resumeRoomGameSpace",
            roomId="lobby",
            resumeToken=joined["resumeToken"],
            epoch=ready["consistency"]["epoch"],
            version=3,
        )
        assert (resumed["type"], resumed["socketId"]) == ("roomGameSpaceResumed", "S1")
        (back,) = await house.heard(ann)
        assert resumed["missed"] == [lost, back]

    house = run(story)
    events = [line.event for line in house.log.lines]
    assert events.count("player_joined") == 2
    assert not [line for line in house.log.lines if line.level in {"warn", "error"}]


@pytest.mark.rule("G7.2", "G7.1", "G7.4")
def test_moves_are_sent_by_the_tick() -> None:
    """Those of one tick as one message, the last position of each."""

    async def story(house: House) -> None:
        ann, bob = await house.opened(), await house.opened()
        for caller in (ann, bob):
            await house.said(caller, type="joinRoomGameSpace", roomId="lobby")
        for caller in (ann, bob):
            for x in range(20):
                caller.send(json.dumps({"type": "move", "x": x, "y": 0}))
        moved: list[Any] = []
        for _ in range(10):
            await house.settle()
            house.clock.advance(0.05)
            moved += await house.heard(bob)
        moves = [each for each in moved if each["type"] == "playersMoved"]
        assert 1 <= len(moves) <= 3
        assert max(moves[-1]["moves"])[1] == 19
        last = {entry[0]: entry[1] for each in moves for entry in each["moves"]}
        assert last == {"S0": 19, "S1": 19}

    run(story)


@pytest.mark.rule("H2.1", "H2.2")
def test_the_metrics_watch_connections_rooms_and_players() -> None:
    """As they are at the moment of the scrape."""

    async def story(house: House) -> None:
        for room in ("lobby", "lobby", "attic"):
            await house.said(await house.opened(), type="joinRoomGameSpace", roomId=room)
        await house.opened()
        body, _ = house.app.metrics.exposition()
        found = {
            sample.name: sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
            if not sample.labels
        }
        assert found["vaultmeet_connections"] == 4
        assert found["vaultmeet_rooms"] == 2
        assert found["vaultmeet_players"] == 3
        assert found["vaultmeet_joins_total"] == 3

    run(story)


@pytest.mark.rule("O2.1", "O2.2")
def test_a_drain_shows_nobody_leaving() -> None:
    """Everybody is closed with 1012, and the others see no loss of anybody."""

    async def story(house: House) -> None:
        callers = [await house.opened() for _ in range(3)]
        for caller in callers:
            await house.said(caller, type="joinRoomGameSpace", roomId="lobby")
        for caller in callers:
            await house.heard(caller)
        house.door.drain(lambda: 5)
        for caller in callers:
            caller.read()
            caller.answer()
        await house.settle()
        for caller in callers:
            draining, close = caller.heard()
            assert json.loads(bytes(draining.data))["type"] == "serverDraining"
            assert bytes(close.data[:2]) == (1012).to_bytes(2, "big")
        assert house.door.guests == {}

    told = {line.event for line in run(story).log.lines}
    assert "player_joined" in told
    assert not told & {"player_lost", "player_left"}


@pytest.mark.rule("O2.1")
def test_the_times_to_come_back_are_below_the_grace_and_spread() -> None:
    """So that those who come back find their players, and not all at once."""
    times = app._reconnect_times(Settings(resume_grace_s=30))
    drawn = [times() for _ in range(200)]
    assert all(0 < each < 30_000 for each in drawn)
    assert len(set(drawn)) > 100
    assert max(drawn) - min(drawn) > 10_000


@pytest.mark.rule("C1.6")
def test_a_socket_id_has_72_random_bits_in_12_url_safe_characters() -> None:
    """So many are asked of the source of randomness; none is given twice."""

    class Real(House):
        def _new_app(self) -> Application:
            return Application(self.settings, self.log, self.clock, derived(b"k" * 32), "1.2.3")

    async def told() -> list[str]:
        house = Real()
        names = []
        for _ in range(100):
            (welcome,) = await house.heard(await house.opened())
            names.append(welcome["socketId"])
        await house.app.registry.stop()
        return names

    names = asyncio.run(told())
    assert len(set(names)) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{12}", name) for name in names)
