"""The order of answers and what `sequenceId` promises (C2, C3)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.acceptance.client import (
    JOINED,
    SILENT,
    Client,
    clients,
    connected,
    expect,
    refused,
    seated,
    settle,
)
from tests.acceptance.frames import Object
from tests.acceptance.rawsocket import raw_websocket, text_bytes
from tests.acceptance.server import GENEROUS, Server, running


async def copies(client: Client, number: int, count: int, kind: str, **fields: Any) -> list[Object]:
    """Send one request `count` times in one go; the answers to all copies."""
    before = len(client.answers.get(number, ()))
    await client.send(*[{"type": kind, "sequenceId": number, **fields}] * count)
    await client.answer(number, copy=before + count - 1)
    return client.answers[number][before:]


@pytest.mark.rule("C3.1")
async def test_every_request_is_answered_under_its_number(server: Server, room: str) -> None:
    """Each type of request and each refusal carries back the number; without one, none."""
    async with connected(server) as ann:
        requests: list[tuple[str, dict[str, Any], str]] = [
            ("ready", {}, "error"),
            ("checkRoomPermission", {"roomId": room}, "roomPermission"),
            ("joinRoomGameSpace", {"roomId": room}, JOINED),
            ("ready", {}, "ok"),
            ("updatePlayer", {"displayName": "A"}, "ok"),
            ("sendRoomMessage", {"event": "e", "data": 1}, "ok"),
            ("validateRoomState", {"roomId": room, "expectedPlayers": []}, "roomStateValidated"),
            ("requestRoomState", {}, "roomState"),
            ("ping", {"t": 5}, "pong"),
            ("leaveRoomGameSpace", {}, "roomGameSpaceLeft"),
            ("nonsense", {}, "error"),
        ]
        for kind, fields, answer in requests:
            expect(await ann.ask(kind, **fields), answer)
        for kind, fields, answer in requests:
            mark = ann.mark()
            await ann.tell(kind, sequenceId=SILENT, **fields)
            said = await ann.saw(answer, since=mark)
            assert "replyTo" not in said, said


@pytest.mark.rule("C2.1")
async def test_answers_come_in_the_order_of_requests(server: Server, room: str) -> None:
    """Hundreds of requests of all kinds, and moves between them, sent before the first answer."""
    async with seated(server, room + "-b", 1) as (_,), connected(server) as ann:
        sent: list[int] = []
        expected: list[str] = []
        for turn in range(20):
            for kind, fields, answer in (
                ("joinRoomGameSpace", {"roomId": room}, JOINED),
                ("ready", {}, "ok"),
                ("requestRoomState", {}, "roomState"),
                ("updatePlayer", {"attributes": {"turn": turn}}, "ok"),
                ("ping", {"t": turn}, "pong"),
                ("sendRoomMessage", {"event": "e", "data": turn}, "ok"),
                ("joinRoomGameSpace", {"roomId": room + "-b"}, JOINED),
                ("checkRoomPermission", {"roomId": room}, "roomPermission"),
                ("unheardOf", {}, "error"),
                ("leaveRoomGameSpace", {}, "roomGameSpaceLeft"),
                ("leaveRoomGameSpace", {}, "error"),
            ):
                sent.append(await ann.tell(kind, **fields))
                expected.append(answer)
            await ann.tell("move", x=turn, y=0, sequenceId=SILENT)
        await ann.answer(sent[-1])
        answers = [o for o in ann.link.objects if "replyTo" in o]
        assert [o["replyTo"] for o in answers] == sent
        assert [o["type"] for o in answers] == expected


@pytest.mark.rule("C2.1", "C2.2")
async def test_requests_in_one_write_are_all_answered_in_order(server: Server, room: str) -> None:
    """500 requests in one write; nothing is read until all are sent; none is lost."""
    async with raw_websocket(server) as sock:
        join = {"type": "joinRoomGameSpace", "roomId": room, "sequenceId": 1}
        pings = [{"type": "ping", "t": n, "sequenceId": n} for n in range(2, 501)]
        await sock.send_objects(join, *pings)
        numbers = []
        async for item in sock.objects():
            if "replyTo" in item:
                numbers.append(item["replyTo"])
            if numbers and numbers[-1] == 500:
                break
        assert numbers == list(range(1, 501))


@pytest.mark.rule("C2.2")
async def test_the_server_stops_reading_behind_a_full_backlog(room: str) -> None:
    """Requests that wait for a room pile up to a bound, and all are answered in the end."""
    with running(**GENEROUS, backlog_frames_max=1) as server:
        async with clients(server, 5) as crowd:
            numbers = [
                [
                    await client.tell("joinRoomGameSpace", roomId=f"{room}-{n % 3}")
                    for n in range(60)
                ]
                for client in crowd
            ]
            for client, sent in zip(crowd, numbers, strict=True):
                await client.answer(sent[-1])
                assert [o["replyTo"] for o in client.link.objects if "replyTo" in o] == sent


@pytest.mark.rule("C3.2", "C3.3")
async def test_copies_under_way_have_one_effect_and_an_answer_each(
    server: Server, room: str
) -> None:
    """Five copies of each request in one go: one version, one message, five answers."""
    async with connected(server, "ann") as ann, seated(server, room, 1) as (bob,):
        joins = await copies(ann, 10, 5, "joinRoomGameSpace", roomId=room)
        assert len(joins) == 5
        assert all(answer["type"] != "error" for answer in joins)
        assert ann.mirror.version == 2
        for number, kind, fields in (
            (20, "ready", {}),
            (30, "updatePlayer", {"displayName": "A"}),
            (40, "sendRoomMessage", {"event": "once", "data": 1}),
        ):
            answers = await copies(ann, number, 5, kind, **fields)
            assert [a["type"] for a in answers] == ["ok"] * 5
        await bob.do("sendRoomMessage", event="fence", data=1)
        assert bob.mirror.version == 4
        assert bob.kinds().count("roomMessage") == 2
        left = await copies(ann, 50, 5, "leaveRoomGameSpace")
        assert all(answer["type"] != "error" for answer in left)
        await bob.saw("playerLeftRoom")
        assert [e["type"] for e in bob.events].count("playerJoinedRoom") == 1
        assert bob.mirror.version == 5


@pytest.mark.rule("C3.2")
async def test_a_late_copy_of_a_join_does_not_seat_again(server: Server, room: str) -> None:
    """Join, leave, and then the join's copy comes late: it is answered and seats nobody."""
    async with connected(server, "ann") as ann, seated(server, room, 1) as (bob,):
        await ann.join(room, sequenceId=5)
        await ann.ask("leaveRoomGameSpace", sequenceId=6)
        late = (await copies(ann, 5, 1, "joinRoomGameSpace", roomId=room))[0]
        assert late["type"] != JOINED
        await bob.do("sendRoomMessage", event="fence", data=1)
        assert list(bob.mirror.players) == [bob.mirror.socket_id]
        assert bob.mirror.version == 3


@pytest.mark.rule("C3.2")
async def test_a_late_copy_of_a_leave_does_not_leave_again(server: Server, room: str) -> None:
    """Leave, come back, and then the leave's copy comes late: the player stays."""
    async with seated(server, room, 2) as (ann, bob):
        await ann.ask("leaveRoomGameSpace", sequenceId=20)
        await ann.join(room, sequenceId=21)
        await copies(ann, 20, 2, "leaveRoomGameSpace")
        await bob.do("ready")
        await settle([ann, bob])
        assert len(bob.mirror.players) == 2


@pytest.mark.rule("C3.4")
async def test_a_copy_of_a_refused_request_gets_the_same_error(server: Server, room: str) -> None:
    """Refused outside a room, sent again inside: the same `notInRoom`, and no effect."""
    async with connected(server) as ann:
        first = refused(await ann.ask("ready", sequenceId=3), "notInRoom")
        bad = refused(await ann.ask("joinRoomGameSpace", sequenceId=4, roomId=""), "badMessage")
        await ann.join(room, sequenceId=5)
        again = (await copies(ann, 3, 2, "ready"))[-1]
        assert again == first
        assert (await copies(ann, 4, 1, "joinRoomGameSpace", roomId=""))[0] == bad
        assert ann.mirror.own["isReady"] is False
        assert ann.mirror.version == 1


@pytest.mark.rule("C3.5", "C3.6", "C3.7")
async def test_256_numbers_are_remembered(server: Server) -> None:
    """Of 300 numbers the oldest that is remembered is answered, the one before it is stale."""
    async with connected(server) as ann:
        step = 3
        for n in range(1, 301):
            await ann.tell("ping", t=n, sequenceId=n * step)
        await ann.answer(300 * step)
        oldest = 300 - 256 + 1
        refused((await copies(ann, (oldest - 1) * step, 1, "ping", t=0))[0], "staleSequence")
        remembered = (await copies(ann, oldest * step, 1, "ping", t=0))[0]
        assert remembered["type"] != "error"
        assert (await copies(ann, 300 * step, 1, "ping", t=0))[0]["type"] != "error"
        refused(await ann.ask("ping", sequenceId=1), "staleSequence")


@pytest.mark.rule("C3.6", "C3.7")
async def test_a_lower_number_never_used_is_stale(server: Server, room: str) -> None:
    """Numbers rise; one that was skipped cannot be used later, and changes nothing."""
    async with connected(server) as ann:
        await ann.join(room, sequenceId=1000)
        refused(await ann.ask("ready", sequenceId=999), "staleSequence")
        assert ann.mirror.own["isReady"] is False
        await ann.do("ready", sequenceId=2**53 - 1)


@pytest.mark.rule("C3.8")
async def test_a_copy_over_the_new_connection_has_no_second_effect(
    server: Server, room: str
) -> None:
    """A message, its `ok` lost with the connection, sent again after the resume: heard once."""
    async with seated(server, room, 2) as (ann, bob):
        fields: dict[str, Any] = {"event": "once", "data": 1}
        number = await ann.tell("sendRoomMessage", **fields)
        await bob.saw("roomMessage")
        await ann.lose()
        expect(await ann.reconnect(), "roomGameSpaceResumed")
        again = (await copies(ann, number, 1, "sendRoomMessage", **fields))[0]
        assert again["type"] == "ok"
        await bob.do("sendRoomMessage", event="fence", data=1)
        assert bob.kinds().count("roomMessage") == 2


@pytest.mark.rule("C3.8")
async def test_a_request_that_may_have_been_lost_takes_effect_once(
    server: Server, room: str
) -> None:
    """Sent and at once cut off, twenty times: after resume and copy each was heard exactly once."""
    async with seated(server, room, 2) as (ann, bob):
        for turn in range(20):
            number = await ann.tell("sendRoomMessage", event="once", data=turn)
            await ann.lose()
            expect(await ann.reconnect(), "roomGameSpaceResumed")
            again = (await copies(ann, number, 1, "sendRoomMessage", event="once", data=turn))[-1]
            assert again["type"] == "ok"
        await bob.do("sendRoomMessage", event="once", data="end")
        heard = [o["data"] for o in bob.link.objects if o["type"] == "roomMessage"]
        assert heard == [*range(20), "end"]


@pytest.mark.rule("C3.9")
async def test_the_number_of_a_resume_counts_on(server: Server, room: str) -> None:
    """After a resume numbered 500, 499 is stale, and a copy of the resume is no error."""
    async with seated(server, room, 1) as (ann,):
        await ann.lose()
        token = ann.tokens[-1]
        expect(await ann.reconnect(sequenceId=500), "roomGameSpaceResumed")
        refused(await ann.ask("ready", sequenceId=499), "staleSequence")
        held = {"epoch": ann.mirror.epoch, "version": ann.mirror.version}
        again = (
            await copies(ann, 500, 1, "resumeRoomGameSpace", roomId=room, resumeToken=token, **held)
        )[0]
        assert again["type"] != "error", again
        await ann.do("ready", sequenceId=501)


@pytest.mark.rule("C3.10", "E2.4")
async def test_a_retryable_error_is_not_remembered(room: str) -> None:
    """Refused by the rate, the same number is tried again later and takes effect."""
    with running(joins_per_s=20, joins_burst=20) as server:
        async with connected(server) as ann:
            await ann.join(room, sequenceId=1)
            limited = 2
            answer = await ann.ask("requestRoomState", sequenceId=limited)
            while answer["type"] != "error":
                limited += 1
                answer = await ann.ask("requestRoomState", sequenceId=limited)
            refused(answer, "rateLimited")
            assert answer["retryable"] is True
            expect(await ann.insist("requestRoomState", sequenceId=limited), "roomState")


@pytest.mark.rule("C3.11")
@pytest.mark.parametrize("number", [0, -1, 1.5, "1", True, None, [], {}])
async def test_a_number_that_is_none_is_named(server: Server, number: object) -> None:
    """Zero, negative, broken and of another type: `badMessage` names `sequenceId`."""
    async with connected(server) as ann:
        mark = ann.mark()
        await ann.send({"type": "ping", "sequenceId": number})
        error = refused(await ann.saw("error", since=mark), "badMessage")
        assert "sequenceId" in error["message"]
        assert "replyTo" not in error
        await ann.ping()


@pytest.mark.rule("C3.12")
async def test_a_timestamp_is_validated(server: Server, room: str) -> None:
    """A right one changes nothing; one that is none is a `badMessage` that names it."""
    async with connected(server) as ann:
        await ann.join(room, timestamp="2026-01-02T03:04:05.678Z")
        wrongs: list[object] = ["yesterday", "", True, [], {}]
        for wrong in wrongs:
            error = refused(await ann.ask("ready", timestamp=wrong), "badMessage")
            assert "timestamp" in error["message"]
        assert ann.mirror.own["isReady"] is False


@pytest.mark.rule("C2.3")
async def test_unknown_fields_are_ignored(server: Server, room: str) -> None:
    """Whatever else stands in a request does not matter."""
    async with connected(server) as ann:
        await ann.join(room, colour="red", nested={"a": [1, {}]}, players=[], consistency=None)
        await ann.do("ready", x="not a number")


@pytest.mark.rule("C2.7")
@pytest.mark.parametrize("t", [0, 1.5, 1_767_323_045_678])
async def test_pong_brings_back_what_ping_sent(server: Server, t: float) -> None:
    """The same `t`, and the time of the server."""
    async with connected(server) as ann:
        pong = expect(await ann.ask("ping", t=t), "pong")
        assert pong["t"] == t


@pytest.mark.rule("G7.4")
async def test_a_move_has_no_answer_and_holds_up_nothing(server: Server, room: str) -> None:
    """A numbered move between two requests: two answers, in order."""
    async with raw_websocket(server) as sock:
        await sock.send(
            b"".join(
                text_bytes(item)
                for item in (
                    {"type": "joinRoomGameSpace", "roomId": room, "sequenceId": 1},
                    {"type": "move", "x": 1, "y": 2, "sequenceId": 2},
                    {"type": "ready", "sequenceId": 3},
                    {"type": "move", "x": 3, "y": 4},
                    {"type": "ping", "t": 1, "sequenceId": 4},
                )
            )
        )
        answered = []
        moved = False
        async for item in sock.objects():
            if "replyTo" in item:
                answered.append(item["replyTo"])
            moved = moved or item["type"] == "playersMoved"
            if answered[-1:] == [4] and moved:
                break
        assert answered == [1, 3, 4]


@pytest.mark.rule("C3.4", "C3.5")
async def test_what_is_remembered_of_a_refusal_is_not_its_request(server: Server) -> None:
    """256 refused requests of 8 kB, in each of four sessions, leave the server as it was."""
    resident = server.resident_kib()
    async with AsyncExitStack() as stack:
        for _ in range(4):
            sock = await stack.enter_async_context(raw_websocket(server))
            say = {"type": "sendRoomMessage", "event": "e", "data": "x" * 8000}
            for number in range(1, 257):
                await sock.send_objects(say | {"sequenceId": number})
            await sock.next_object("error", replyTo=256, code="notInRoom")
            await sock.send_objects(say | {"sequenceId": 1})
            await sock.next_object("error", replyTo=1, code="notInRoom")
        assert server.resident_kib() - resident < 20_000
