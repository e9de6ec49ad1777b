"""Who is in a room: one order, snapshots, epochs, joining again, switching, leaving (G1 to G5)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.acceptance.client import Client, clients, connected, expect, refused, seated, settle
from tests.acceptance.frames import EPOCH_MAX, Object
from tests.acceptance.mirror import Seat
from tests.acceptance.rawsocket import raw_websocket, until_metrics
from tests.acceptance.server import GENEROUS, Server, running


@pytest.mark.rule("G1.2", "G1.1")
async def test_two_who_watch_see_the_same_events_and_the_same_bytes(
    server: Server, room: str
) -> None:
    """Twenty clients come, get ready, change names, vanish and go; two that stay compare notes."""
    async with seated(server, room, 2) as (ann, bob), clients(server, 20) as others:
        ann_from, bob_from = ann.mirror.version, bob.mirror.version
        await asyncio.gather(*[c.join(room, userId="zoë") for c in others])
        await asyncio.gather(*[c.do("ready") for c in others])
        await asyncio.gather(*[c.do("updatePlayer", displayName=c.name) for c in others])
        await asyncio.gather(*[c.leave() for c in others[:10]])
        await asyncio.gather(*[c.lose() for c in others[10:]])
        for watcher in (ann, bob):
            await watcher.reach(
                lambda m=watcher.mirror: (
                    [p["connected"] for p in m.players.values()].count(False)  # type: ignore[misc]
                    == 10
                ),
                "ten lost players",
            )
        assert ann_from == bob_from
        of_ann, of_bob = after(ann, ann_from), after(bob, bob_from)
        assert [json.dumps(e) for e in of_ann] == [json.dumps(e) for e in of_bob]
        assert sum(len(e["players"]) for e in of_ann) == ann.mirror.version - ann_from == 80


def after(client: Client, version: int) -> list[Object]:
    """The versioned events that a client got after a version."""
    return [e for e in client.events if e["consistency"]["version"] > version]


@pytest.mark.rule("G1.3", "G1.1")
async def test_ok_comes_after_the_event_and_names_its_version(server: Server, room: str) -> None:
    """For ready, update and message: first the event, then `ok`, with the version reached."""
    async with seated(server, room, 2) as (ann, bob):
        for kind, event, fields in (
            ("ready", "playerReady", {}),
            ("updatePlayer", "playerUpdated", {"displayName": "Ann"}),
            ("sendRoomMessage", "roomMessage", {"event": "e", "data": 1}),
        ):
            mark, before = ann.mark(), ann.mirror.version
            answer = await ann.do(kind, **fields)
            kinds = ann.kinds(mark)
            assert kinds.index(event) < kinds.index("ok")
            assert answer["version"] == ann.mirror.version
            assert ann.mirror.version == before + (event != "roomMessage")
            await bob.saw(event)


@pytest.mark.rule("G1.5")
async def test_messages_reach_everybody_once_and_in_one_order(server: Server, room: str) -> None:
    """Five members send twenty messages each at once; all five hold the same hundred, in order."""
    async with seated(server, room, 5) as crowd:
        for n in range(20):
            for client in crowd:
                await client.tell("sendRoomMessage", event="chat", data={"n": n, "by": client.name})
        heard = []
        for client in crowd:
            await client.reach(
                lambda c=client: c.kinds().count("roomMessage") == 100,  # type: ignore[misc]
                "a hundred messages",
            )
            await client.ping()
            heard.append(
                [(o["from"], o["data"]) for o in client.link.objects if o["type"] == "roomMessage"]
            )
        assert all(each == heard[0] for each in heard)
        assert len({json.dumps(message) for message in heard[0]}) == 100
        for client in crowd:
            own = [d["n"] for s, d in heard[0] if s == client.mirror.socket_id]
            assert own == list(range(20))


@pytest.mark.rule("G1.5", "E1.3")
async def test_a_message_carries_any_json_unchanged(server: Server, room: str) -> None:
    """What is sent as `data` arrives as it was sent, down to null and deep text."""
    samples: list[object] = [
        None,
        True,
        0,
        -1.5,
        "",
        "zoë\n\u2028\x7f",
        [],
        {},
        [1, [2, {"three": None}]],
    ]
    async with seated(server, room, 2) as (ann, bob):
        for sample in samples:
            mark = bob.mark()
            await ann.do("sendRoomMessage", event="any", data=sample)
            got = await bob.saw("roomMessage", since=mark)
            assert json.dumps(got["data"]) == json.dumps(sample)
            assert got["from"] == ann.mirror.socket_id


@pytest.mark.rule("G1.6")
async def test_an_update_replaces_what_it_names_and_no_more(server: Server, room: str) -> None:
    """`attributes` are replaced whole, `displayName` alone leaves them; others see the same."""
    async with seated(server, room, 2) as (ann, bob):
        await ann.do("updatePlayer", displayName="Ann", attributes={"a": 1, "b": [2]})
        await ann.do("updatePlayer", attributes={"c": {"d": None}})
        await settle([ann, bob])
        seen = bob.mirror.players[ann.mirror.socket_id]
        assert (seen["displayName"], seen["attributes"]) == ("Ann", {"c": {"d": None}})
        await ann.do("updatePlayer", displayName="Ann the second")
        await settle([ann, bob])
        seen = bob.mirror.players[ann.mirror.socket_id]
        assert (seen["displayName"], seen["attributes"]) == ("Ann the second", {"c": {"d": None}})
        assert ann.mirror.view() == bob.mirror.view()


@pytest.mark.rule("G2.1", "G2.2", "G2.3")
async def test_a_joiner_gets_the_whole_room_and_the_room_gets_the_joiner(
    server: Server, room: str
) -> None:
    """The snapshot holds both; the one before hears of one joining; the joiner not of its own."""
    async with connected(server, "ann") as ann, connected(server, "bob") as bob:
        first = await ann.join(room, userId="ann", displayName="Ann", position={"x": 1, "y": -2.5})
        assert [p["socketId"] for p in first["players"]] == [ann.mirror.socket_id]
        assert first["metadata"]["playerCount"] == 1
        assert first["metadata"]["maxPlayers"] == 1000
        assert first["metadata"]["tickMs"] == 50
        assert first["resumeGraceMs"] == 30_000
        assert first["consistency"]["version"] == 1
        answer = await bob.join(room, userId="zoë", attributes={"hat": "red"})
        assert {p["userId"] for p in answer["players"]} == {"ann", "zoë"}
        heard = await ann.saw("playerJoinedRoom")
        assert [p["attributes"] for p in heard["players"]] == [{"hat": "red"}]
        assert ann.mirror.view() == bob.mirror.view()
        assert ann.mirror.position(ann.mirror.socket_id) == (1, -2.5)
        await bob.ping()
        assert "playerJoinedRoom" not in bob.kinds()


@pytest.mark.rule("G2.5", "C3.1")
async def test_the_whole_state_is_given_on_request(server: Server, room: str) -> None:
    """`roomState` with its reason, the same players at the same version, and no token."""
    async with seated(server, room, 3) as (ann, *_):
        held = ann.mirror.view()
        state = expect(await ann.ask("requestRoomState"), "roomState")
        assert state["reason"] == "requested"
        assert state["roomId"] == room
        assert ann.mirror.view() == held


@pytest.mark.rule("G2.6")
async def test_a_bare_join_has_defaults(server: Server, room: str) -> None:
    """A guest by its socketId, at 0, 0, without attributes, neither ready nor lost."""
    async with connected(server) as ann:
        await ann.join(room)
        own = ann.mirror.own
        assert own["userId"] == "guest-" + ann.mirror.socket_id
        assert own["position"] == {"x": 0, "y": 0}
        assert own["attributes"] == {}
        assert (own["isReady"], own["connected"]) == (False, True)


@pytest.mark.rule("G2.7")
async def test_one_user_sits_in_a_room_twice(server: Server, room: str) -> None:
    """Two sessions of one user are two players; one leaving leaves the other."""
    async with connected(server, "phone") as phone, connected(server, "desk") as desk:
        await phone.join(room, userId="ann")
        await desk.join(room, userId="ann")
        await settle([phone, desk])
        assert [p["userId"] for p in phone.mirror.players.values()] == ["ann", "ann"]
        await desk.leave()
        await phone.saw("playerLeftRoom")
        assert list(phone.mirror.players) == [phone.mirror.socket_id]


@pytest.mark.rule("C4.7", "G6.9")
async def test_the_newest_session_of_a_user_replaces_the_one_before(room: str) -> None:
    """Only with `one_session_per_user`: the older one is closed with 4509 and cannot come back."""
    with running(**GENEROUS, one_session_per_user=True) as server:
        async with (
            connected(server, "eve") as eve,
            connected(server, "old") as old,
            connected(server, "new") as new,
        ):
            await eve.join(room, userId="eve")
            await old.join(room, userId="ann")
            await new.join(room, userId="ann")
            assert await old.link.closed() == 4509
            left = await eve.saw("playerLeftRoom")
            assert left["players"][0]["reason"] == "replaced"
            assert left["players"][0]["socketId"] == old.mirror.socket_id
            await settle([eve, new])
            assert eve.mirror.view() == new.mirror.view()
            assert sorted(p["userId"] for p in new.mirror.players.values()) == ["ann", "eve"]
            refused(await old.reconnect(), "resumeExpired")
            await new.ping()


@pytest.mark.rule("G4.1", "G4.2", "G5.8")
async def test_a_reaped_room_comes_back_with_a_higher_epoch(room: str) -> None:
    """It is empty, is reaped after `room_idle_s`, and the next join finds a new incarnation."""
    with running(**GENEROUS, room_idle_s=0.05) as server:
        async with connected(server) as ann:
            await ann.join(room)
            epochs = [ann.mirror.epoch]
            for _ in range(3):
                await ann.leave()
                await until_metrics(server, lambda m: m["vaultmeet_rooms"] == 0)
                await ann.join(room)
                assert ann.mirror.version == 1
                epochs.append(ann.mirror.epoch)
            assert epochs == sorted(set(epochs))
            assert all(0 < epoch <= EPOCH_MAX for epoch in epochs)


@pytest.mark.rule("G5.8")
async def test_joins_that_meet_a_reaping_succeed() -> None:
    """Rooms live for ten milliseconds; forty clients go in and out of them all the time."""
    with running(**GENEROUS, room_idle_s=0.01) as server:

        async def in_and_out(client: Client, turn: int) -> None:
            for n in range(25):
                await client.join(f"brief-{(n + turn) % 5}")
                await client.leave()
                await asyncio.sleep(0.005 * (turn % 5))

        async with clients(server, 40) as crowd:
            await asyncio.gather(*[in_and_out(c, turn) for turn, c in enumerate(crowd)])


@pytest.mark.rule("G5.8", "G5.6")
async def test_a_leave_that_meets_a_reaping_is_answered() -> None:
    """Members leave at the very moment when their room, empty for a while before, is reaped."""
    with running(**GENEROUS, room_idle_s=0.01) as server:

        async def leave_late(client: Client, turn: int) -> None:
            for n in range(30):
                await client.join(f"late-{turn}")
                await client.leave()
                await client.join(f"late-{turn}")
                await asyncio.sleep(0.005 + ((turn + n * 7) % 50) / 5000)
                await client.leave()

        async with clients(server, 50) as crowd:
            await asyncio.gather(*[leave_late(c, turn) for turn, c in enumerate(crowd)])


@pytest.mark.rule("G4.3")
async def test_a_restarted_server_gives_higher_epochs(room: str, tmp_path: Path) -> None:
    """The same room, the same data directory, the next process: the epoch has risen."""
    epochs = []
    for _ in range(3):
        with running(data_dir=tmp_path) as server:
            async with connected(server) as ann:
                await ann.join(room)
                epochs.append(ann.mirror.epoch)
                await ann.leave()
    assert epochs == sorted(set(epochs))


@pytest.mark.rule("G5.1")
async def test_joining_again_changes_nothing(server: Server, room: str) -> None:
    """The same version and players, another token; nobody else hears of it."""
    async with seated(server, room, 2) as (ann, bob):
        await ann.do("ready")
        await ann.do("updatePlayer", attributes={"a": 1})
        await settle([ann, bob])
        version, held = ann.mirror.version, ann.mirror.view()
        own, heard = ann.mirror.socket_id, len(bob.events)
        again = await ann.join(room, attributes={"b": 2}, position={"x": 5, "y": 5})
        assert again["consistency"]["version"] == version
        assert again["socketId"] == own
        assert ann.mirror.view() == held
        assert ann.tokens[-1] != ann.tokens[-2]
        await bob.do("sendRoomMessage", event="fence", data=None)
        assert len(bob.events) == heard
        assert bob.mirror.version == version


@pytest.mark.rule("G5.2", "G5.4")
async def test_switching_seats_in_the_new_room_and_leaves_the_old(
    server: Server, room: str
) -> None:
    """Both rooms hear of it; afterwards nothing of the old room reaches who switched."""
    async with (
        seated(server, room, 3) as (ann, bob, cid),
        seated(server, room + "-b", 1) as (dan,),
    ):
        await ann.join(room + "-b")
        left = await bob.saw("playerLeftRoom")
        assert left["players"][0]["reason"] == "switched"
        assert left["players"][0]["socketId"] == ann.mirror.socket_id
        await dan.saw("playerJoinedRoom")
        mark = ann.mark()
        await bob.do("ready")
        await cid.do("sendRoomMessage", event="e", data=1)
        await bob.tell("move", x=1, y=1)
        await cid.saw("playersMoved")
        await ann.ping()
        assert ann.kinds(mark) == ["pong"]
        assert ann.mirror.view() == dan.mirror.view()
        assert ann.mirror.room_id == room + "-b"


@pytest.mark.rule("G5.3", "E2.2")
async def test_a_refused_switch_stays_where_it_was(room: str) -> None:
    """The other room is full: `roomFull`, and the member is still in its own, unseen to move."""
    with running(**GENEROUS, players_max=2) as server:
        async with seated(server, room, 2) as (ann, bob), seated(server, "full", 2) as full:
            version = ann.mirror.version
            refused(await ann.ask("joinRoomGameSpace", roomId="full"), "roomFull")
            await ann.do("ready")
            await settle([ann, bob])
            assert bob.mirror.version == version + 1
            assert bob.mirror.players.keys() == ann.mirror.players.keys()
            assert all(client.mirror.version == 2 for client in full)
            await full[0].leave()
            await ann.join("full")
            await bob.saw("playerLeftRoom")


@pytest.mark.rule("G5.5", "G1.3")
async def test_a_second_ready_changes_nothing(server: Server, room: str) -> None:
    """It is answered `ok` with the version as it is, and nobody hears of it."""
    async with seated(server, room, 2) as (ann, bob):
        first = await ann.do("ready")
        second = await ann.do("ready")
        assert first["version"] == second["version"] == ann.mirror.version
        await bob.do("sendRoomMessage", event="fence", data=None)
        assert [e["type"] for e in bob.events].count("playerReady") == 1


@pytest.mark.rule("G5.6", "G5.4", "E2.1")
async def test_leaving_is_immediate(server: Server, room: str) -> None:
    """The others see it as `left`; the one who left gets nothing more, and may come back."""
    async with seated(server, room, 2) as (ann, bob):
        left = await ann.leave()
        assert left["roomId"] == room
        heard = await bob.saw("playerLeftRoom")
        assert heard["players"] == [
            {
                "socketId": ann.mirror.socket_id,
                "userId": "guest-" + ann.mirror.socket_id,
                "reason": "left",
            }
        ]
        mark = ann.mark()
        await bob.do("ready")
        await ann.ping()
        assert ann.kinds(mark) == ["pong"]
        assert ann.mirror.seat is Seat.OUT
        refused(await ann.ask("leaveRoomGameSpace"), "notInRoom")
        await ann.join(room)
        assert len(ann.mirror.players) == 2


@pytest.mark.rule("G5.7", "G6.13")
async def test_joins_of_connections_that_are_gone_leave_nobody_behind(room: str) -> None:
    """Thirty clients send a join and vanish in the same breath; in the end only ann is there."""
    with running(**GENEROUS, resume_grace_s=0.3) as server:
        async with seated(server, room, 1) as (ann,):
            await asyncio.gather(*[join_and_vanish(server, room) for _ in range(30)])

            await until_metrics(
                server,
                lambda m: m["vaultmeet_connections"] == 1 and m["vaultmeet_players"] == 1,
            )
            await ann.ask("requestRoomState")
            assert list(ann.mirror.players) == [ann.mirror.socket_id]


async def join_and_vanish(server: Server, room: str) -> None:
    """Send a join, and reset the connection before the answer."""
    async with raw_websocket(server) as sock:
        await sock.send_objects({"type": "joinRoomGameSpace", "roomId": room})
        sock.abort()
