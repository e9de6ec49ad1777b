"""The server ends, by a kill or in order, and another one goes on with its folder: everybody comes
back as they were, who does not is gone when the grace ends (G4, G6).
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.client import (
    JOINED,
    RESUMED,
    Client,
    changes_of,
    connected,
    expect,
    refused,
    seated,
    settle,
)
from tests.acceptance.frames import Object
from tests.acceptance.rawsocket import until_metrics
from tests.acceptance.restarting import (
    KILL,
    MOVED_TO,
    TERM,
    Place,
    come_back,
    follow,
    lasting,
    listed,
    place,
    try_token,
)
from tests.acceptance.server import Server

LEVELS: Final = ("fast", "journal")
ENDS: Final = (KILL, TERM)
HIDDEN: Final = {"hideUserId": True, "hidePosition": True}
FOLK: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ann": ("hall", {"userId": "ann", "displayName": "Ann", "position": {"x": 1, "y": 2}}),
    "bob": ("hall", {"userId": "zoë", "attributes": {"a": [1, {"b": None}], "ß": "\u2028"}}),
    "cid": ("hall", {"userId": "cid", "privacy": HIDDEN, "attributes": {"team": "red"}}),
    "dan": ("attic", {"userId": "cid", "privacy": {"hideUserId": True, "hidePosition": False}}),
    "eve": ("attic", {"position": {"x": -1e9, "y": 0.125}}),
    "fay": ("cellar", {"displayName": "Fay · first"}),
}
"""Who sits where, and how."""


@asynccontextmanager
async def folk(server: Server) -> AsyncIterator[dict[str, Client]]:
    """All of `FOLK`, seated; some are ready, some changed since."""
    async with AsyncExitStack() as stack:
        people = {n: await stack.enter_async_context(connected(server, n)) for n in FOLK}
        for name, (room, fields) in FOLK.items():
            await people[name].join(room, **fields)
        for name in ("ann", "cid", "fay"):
            await people[name].do("ready")
        await people["bob"].do("updatePlayer", displayName="Bob", attributes={"late": True})
        await people["dan"].do("updatePlayer", displayName="Dan")
        await together(people)
        yield people


def rooms_of(people: dict[str, Client]) -> dict[str, list[Client]]:
    """The clients by room."""
    rooms: dict[str, list[Client]] = {}
    for client in people.values():
        rooms.setdefault(client.mirror.room_id, []).append(client)
    return rooms


async def together(people: dict[str, Client]) -> None:
    """Wait until the members of each room hold the same, and everybody is connected."""
    for members in rooms_of(people).values():
        await settle(members)
        for client in members:
            assert client.mirror.view() == members[0].mirror.view()
            assert all(player["connected"] for player in client.mirror.players.values())


def known(client: Client) -> dict[str, Object]:
    """What a client holds of each player, as far as it outlives a restart."""
    return {key: lasting(player) for key, player in client.mirror.players.items()}


async def moved(here: Place, people: dict[str, Client], level: str, how: signal.Signals) -> None:
    """Somebody moves in two rooms. What `fast` would lose in a kill is waited for."""
    movers = [people["bob"], people["eve"]]
    if (level, how) == ("fast", KILL):
        await here.saved(*movers)
    else:
        for client in movers:
            await client.tell("move", x=MOVED_TO[0], y=MOVED_TO[1])
    for watcher, mover in zip((people["ann"], people["dan"]), movers, strict=True):
        own = mover.mirror.socket_id
        await watcher.reach(lambda w=watcher, o=own: w.mirror.position(o) == MOVED_TO, "the move")  # type: ignore[misc]
    for client in (*movers, people["cid"]):
        await client.reach(lambda c=client: c.mirror.view() == view_beside(people, c), "moves")  # type: ignore[misc]


def view_beside(people: dict[str, Client], client: Client) -> object:
    """What somebody else in the room holds who has seen the move."""
    return people["ann" if client.mirror.room_id == "hall" else "dan"].mirror.view()


@pytest.mark.rule("G4.3", "G6.3", "G6.6")
@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("level", LEVELS)
async def test_everybody_comes_back_as_before(
    tmp_path: Path, level: str, how: signal.Signals
) -> None:
    """Six in three rooms resume at one moment: the same players as before, in a higher epoch."""
    with place(tmp_path / "data", durability=level, position_save_s=0.02) as here:
        async with folk(here.start()) as people:
            await moved(here, people, level, how)
            before = {name: known(client) for name, client in people.items()}
            epochs = {name: client.mirror.epoch for name, client in people.items()}
            created = {name: client.mirror.metadata["createdAt"] for name, client in people.items()}
            own = {name: client.mirror.socket_id for name, client in people.items()}
            server = await here.restart(how)
            answers = await follow(server, list(people.values()))
            for (name, client), answer in zip(people.items(), answers, strict=True):
                assert expect(answer, JOINED)["socketId"] == own[name] == client.mirror.socket_id
                assert answer["consistency"]["epoch"] > epochs[name]
                assert answer["metadata"]["createdAt"] == created[name]
                assert {p["socketId"]: lasting(p) for p in answer["players"]} == before[name]
            for members in rooms_of(people).values():
                for client in members:
                    await client.reach(
                        lambda m=client.mirror: all(p["connected"] for p in m.players.values()),  # type: ignore[misc]
                        "everybody back",
                    )
            await together(people)
            for name, client in people.items():
                assert known(client) == before[name]
                assert not {"playerLeftRoom", "playerJoinedRoom"} & set(client.kinds())
            await people["bob"].leave()
            await people["ann"].saw("playerLeftRoom")
            await people["bob"].join("hall", userId="zoë")
            await together(people)


@pytest.mark.rule("G6.3", "G6.1", "G6.4")
@pytest.mark.parametrize("level", LEVELS)
async def test_who_is_back_first_sees_the_others_as_lost_and_then_return(
    tmp_path: Path, level: str
) -> None:
    """One after the other: each return is one `playerConnectionChanged`, and all goes on."""
    with place(tmp_path / "data", durability=level) as here:
        async with seated(here.start(), "hall", 3) as (ann, bob, cid):
            await here.flushed()
            server = await here.restart(KILL)
            await come_back(server, [ann])
            told = len(ann.events)
            others = {bob.mirror.socket_id, cid.mirror.socket_id}
            assert {k for k, p in ann.mirror.players.items() if not p["connected"]} == others
            assert ann.mirror.metadata["isActive"] is True
            await come_back(server, [bob, cid])
            await settle([ann, bob, cid])
            kinds = [(event["type"], len(event["players"])) for event in ann.events[told:]]
            assert kinds == [("playerConnectionChanged", 1)] * 2
            await ann.lose()
            expect(await ann.reconnect(), RESUMED)
            await ann.do("updatePlayer", attributes={"n": 1})
            await settle([ann, bob, cid])
            assert ann.mirror.view() == bob.mirror.view() == cid.mirror.view()


@pytest.mark.rule("G6.13", "G6.9", "G4.3")
@pytest.mark.parametrize("level", LEVELS)
async def test_who_does_not_come_back_is_gone_when_the_grace_ends(
    tmp_path: Path, level: str
) -> None:
    """One `timeout` each, not before the grace since the start; a room opened later is empty."""
    with place(tmp_path / "data", durability=level) as here:
        server = here.start()
        async with seated(server, "hall", 3) as (ann, bob, cid), connected(server, "dan") as dan:
            await dan.join("attic")
            epoch = dan.mirror.epoch
            await here.flushed()
            await here.end(KILL)
            started_s = time.monotonic()
            server = here.start(resume_grace_s=2)
            await come_back(server, [ann])
            for gone in (bob, cid):
                left = await ann.saw(
                    "playerLeftRoom",
                    lambda o, g=gone: g.mirror.socket_id in {p["socketId"] for p in o["players"]},  # type: ignore[misc]
                )
                assert {p["reason"] for p in left["players"]} == {"timeout"}
            assert time.monotonic() - started_s >= 2
            gone_ids = [client.mirror.socket_id for client in (bob, cid)]
            for late in (bob, cid):
                refused((await follow(server, [late]))[0], "resumeExpired")
                await late.join("hall")
                await settle([ann, late])
                assert late.mirror.socket_id not in gone_ids
                assert late.mirror.view() == ann.mirror.view()
            assert len(ann.mirror.players) == 3
            assert all(changes_of(ann, key).count("LeftRoom") == 1 for key in gone_ids)
            async with connected(server, "eve") as eve:
                await eve.join("attic")
                assert eve.mirror.players.keys() == {eve.mirror.socket_id}
                assert eve.mirror.epoch > epoch
                refused((await follow(server, [dan]))[0], "resumeExpired")
                await eve.do("sendRoomMessage", event="fence", data=0)
                assert eve.mirror.players.keys() == {eve.mirror.socket_id}
                assert "playerLeftRoom" not in eve.kinds()


@pytest.mark.rule("G4.3", "G6.3")
@pytest.mark.parametrize("hows", [(KILL, KILL), (TERM, KILL), (KILL, TERM)])
@pytest.mark.parametrize("level", LEVELS)
async def test_two_restarts_in_quick_succession_lose_nobody(
    tmp_path: Path, level: str, hows: tuple[signal.Signals, signal.Signals]
) -> None:
    """The second end comes before anybody is back, the third when only one is."""
    with place(tmp_path / "data", durability=level) as here:
        async with folk(here.start()) as people:
            before = {name: known(client) for name, client in people.items()}
            await here.flushed()
            await here.restart(hows[0])
            server = await here.restart(hows[1])
            await come_back(server, [people["ann"]])
            await here.flushed()
            server = await here.restart(hows[0])
            await come_back(server, list(people.values()))
            for name, client in people.items():
                assert known(client) == before[name]
                assert not {"playerLeftRoom", "playerJoinedRoom"} & set(client.kinds())


@pytest.mark.rule("G6.14", "E2.2")
@pytest.mark.parametrize("level", LEVELS)
async def test_stored_players_count_and_always_fit(tmp_path: Path, level: str) -> None:
    """The room is full with two who are not back yet: a third is refused, they come back."""
    with place(tmp_path / "data", durability=level, players_max=2) as here:
        async with seated(here.start(), "hall", 2) as (ann, bob):
            await here.flushed()
            server = await here.restart(KILL)
            async with connected(server, "cid") as cid:
                refused(await cid.ask("joinRoomGameSpace", roomId="hall"), "roomFull")
                await come_back(server, [ann])
                refused(await cid.ask("joinRoomGameSpace", roomId="hall"), "roomFull")
                await come_back(server, [bob])
                await bob.leave()
                await cid.join("hall")
                await settle([ann, cid])
                assert ann.mirror.view() == cid.mirror.view()


@pytest.mark.rule("G11.2")
async def test_a_pseudonym_is_the_same_for_one_who_joins_anew(tmp_path: Path) -> None:
    """The same user, in the same room, on another connection, on the next server."""
    with place(tmp_path / "data") as here:
        names = []
        for how in ENDS:
            server = here.start()
            async with connected(server) as ann:
                await ann.join("hall", userId="ann", privacy={"hideUserId": True})
                names.append(ann.mirror.own["userId"])
                await ann.leave()
            await here.end(how)
        assert names[0] == names[1]
        assert names[0].startswith("anon-")


@pytest.mark.rule("G6.3")
async def test_positions_are_on_the_disk_soon_after_a_move(tmp_path: Path) -> None:
    """In `fast` they follow within `position_save_s`, without any other change."""
    with place(tmp_path / "data", position_save_s=0.05) as here:
        async with seated(here.start(), "hall", 1) as (ann,):
            await here.saved(ann)
            server = await here.restart(KILL)
            await come_back(server, [ann])
            assert ann.mirror.position(ann.mirror.socket_id) == MOVED_TO


@pytest.mark.rule("G6.3")
async def test_in_journal_a_position_that_a_joiner_saw_is_kept(tmp_path: Path) -> None:
    """The tick is not due yet, so no `playersMoved` told of it, but a snapshot did."""
    with place(tmp_path / "data", durability="journal") as here:
        server = here.start(tick_ms=10_000)
        async with seated(server, "hall", 1) as (ann,), connected(server, "bob") as bob:
            own = ann.mirror.socket_id
            await ann.tell("move", x=1, y=1)
            await ann.saw("playersMoved")
            await ann.tell("move", x=2, y=2)
            await ann.ping()
            await bob.join("hall")
            seen = bob.mirror.position(own)
            await come_back(await here.restart(KILL), [ann])
            assert ann.mirror.position(own) == seen


@pytest.mark.parametrize("exists", [False, True])
async def test_in_memory_nothing_outlives_the_server(tmp_path: Path, exists: bool) -> None:
    """The token is refused, the room is new, and the folder is as it was."""
    folder = tmp_path / "data"
    if exists:
        folder.mkdir()
        (folder / "note").write_text("not touched")
    listing = listed(tmp_path)
    with place(folder, durability="memory") as here:
        async with seated(here.start(), "hall", 2) as (ann, bob):
            seat = await ann.join("hall")
            epoch = ann.mirror.epoch
            await ann.do("ready")
            server = await here.restart(TERM)
            refused(await try_token(server, seat), "resumeExpired")
            async with connected(server, "cid") as cid:
                await cid.join("hall")
                assert cid.mirror.players.keys() == {cid.mirror.socket_id}
                assert cid.mirror.epoch > epoch
            refused((await follow(server, [bob]))[0], "resumeExpired")
            await until_metrics(server, lambda m: "vaultmeet_store_healthy" not in m)
        assert listed(tmp_path) == listing


@pytest.mark.rule("G6.3", "G1.1")
async def test_fifty_in_one_room_come_back_at_one_moment(tmp_path: Path) -> None:
    """Nobody is seen to leave or to join, and all lists are equal at the end."""
    with place(tmp_path / "data", durability="journal") as here:
        async with seated(here.start(), "hall", 50) as crowd:
            server = await here.restart(KILL)
            for answer in await follow(server, crowd):
                assert len(expect(answer, JOINED)["players"]) == 50
            for client in crowd:
                await client.reach(
                    lambda m=client.mirror: all(p["connected"] for p in m.players.values()),  # type: ignore[misc]
                    "everybody back",
                )
            await settle(crowd)
            assert all(client.mirror.view() == crowd[0].mirror.view() for client in crowd)
            await asyncio.gather(*[client.ping() for client in crowd])
            for client in crowd:
                assert not {"playerLeftRoom", "playerJoinedRoom"} & set(client.kinds())
