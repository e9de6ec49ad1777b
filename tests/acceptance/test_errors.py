"""Every refusal: its code, its advice, and a connection that lives on (E)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.acceptance.client import JOINED, Client, connected, expect, refused, seated
from tests.acceptance.rawsocket import raw_websocket, text_bytes, until_metrics
from tests.acceptance.server import GENEROUS, Server, running


@pytest.mark.rule("E1.1", "E1.7")
@pytest.mark.parametrize(
    "text",
    ["", " ", "hello", "null", "1", '"text"', "[]", '[{"type":"ping"}]', "{", '{"type":}', "{} {}"],
)
async def test_what_is_no_json_object_is_a_bad_message(server: Server, text: str) -> None:
    """Refused without a `replyTo`, and the connection lives."""
    async with connected(server) as ann:
        mark = ann.mark()
        await ann.link.socket.send(text)
        error = refused(await ann.saw("error", since=mark), "badMessage")
        assert "replyTo" not in error
        await ann.ping()


@pytest.mark.rule("E1.2", "E1.4")
async def test_an_unknown_type_is_unsupported_and_a_missing_one_named(server: Server) -> None:
    """`unsupportedType` for a string that is no type; `badMessage` for what is no string."""
    async with connected(server) as ann:
        for kind in ("", "Ping", "ping ", "welcome", "roomGameSpaceJoined", "x" * 1000, "a\nb"):
            error = refused(await ann.ask(kind), "unsupportedType")
            assert error["retryable"] is False
        wrongs: list[object] = [1, None, True, [], {}, 1.5]
        for wrong in wrongs:
            mark = ann.mark()
            await ann.send({"type": wrong})
            error = refused(await ann.saw("error", since=mark), "badMessage")
            assert "type" in error["message"]
        mark = ann.mark()
        await ann.send({"roomId": "hall"})
        assert "type" in refused(await ann.saw("error", since=mark), "badMessage")["message"]
        await ann.ping()


@pytest.mark.rule("E1.5", "E1.7")
@pytest.mark.parametrize(
    "text",
    [
        '{"type":"move","x":NaN,"y":0}',
        '{"type":"move","x":Infinity,"y":0}',
        '{"type":"move","x":-Infinity,"y":0}',
        '{"type":"move","x":1e999,"y":0}',
        '{"type":"move","x":-1e999,"y":0}',
        '{"type":"move","x":' + "9" * 10_000 + ',"y":0}',
        '{"type":"move","x":0.' + "9" * 10_000 + 'e999,"y":0}',
        '{"type":"sendRoomMessage","event":"e","data":1e999}',
        '{"type":"sendRoomMessage","event":"e","data":NaN}',
        '{"type":"sendRoomMessage","event":"e","data":"\\ud800"}',
        '{"type":"sendRoomMessage","event":"\\udfff","data":1}',
        '{"type":"joinRoomGameSpace","roomId":"nasty","userId":"a\\ud800b"}',
        '{"type":"sendRoomMessage","event":"e","data":' + "[" * 3000 + "]" * 3000 + "}",
        '{"type":"sendRoomMessage","event":"e","data":' + '{"a":' * 1500 + "1" + "}" * 1501,
        '{"type":"updatePlayer","attributes":{"a":' + "[" * 40 + "]" * 40 + "}}",
        "[" * 8000,
        '{"a":' * 3000,
        '{"type":"sendRoomMessage","event":"e","data":"unterminated',
        '{"type":"sendRoomMessage","event":"e","data":"line\nbreak"}',
        "{'type':'ready'}",
        '{"type":"ready",}',
        '\ufeff{"type":"ready"}',
    ],
    ids=lambda text: text[:60].encode("ascii", "backslashreplace").decode(),
)
async def test_hostile_json_is_a_bad_message(server: Server, text: str) -> None:
    """Deep, endless, infinite or broken: refused, nobody is told anything, all live on."""
    async with seated(server, "nasty", 2) as (ann, bob):
        version = bob.mirror.version
        mark = ann.mark()
        await ann.link.socket.send(text)
        refused(await ann.saw("error", since=mark), "badMessage")
        await ann.ping()
        await bob.do("sendRoomMessage", event="fence", data=1)
        await ann.saw("roomMessage")
        assert bob.mirror.version == version
        assert bob.kinds().count("roomMessage") == 1


@pytest.mark.rule("E1.5", "C4.2")
async def test_a_number_of_a_hundred_thousand_digits_is_a_bad_message(room: str) -> None:
    """Where frames may be that large, numbers, strings and nesting still are bounded."""
    with running(**GENEROUS, message_bytes_max=200_000) as server:
        async with seated(server, room, 1) as (ann,):
            for text in (
                '{"type":"move","x":' + "1" * 100_000 + ',"y":0}',
                '{"type":"move","x":0.' + "1" * 100_000 + ',"y":[]}',
                '{"type":"sendRoomMessage","event":"e","data":' + "9" * 100_000 + "}",
                '{"type":"ready","sequenceId":' + "9" * 100_000 + "}",
                '{"type":"sendRoomMessage","event":"e","data":"' + "s" * 150_000 + '"}',
                "[" * 190_000,
                '{"type":"x","a":' + "[" * 5000 + "]" * 5000 + "}",
                '{"type":"ready",' + ",".join(f'"k{n}":{n}' for n in range(10_000)) + "}",
            ):
                mark = ann.mark()
                await ann.link.socket.send(text)
                await ann.saw("error", since=mark)
                await ann.ping()
            assert ann.mirror.version == 1


@pytest.mark.rule("E1.6")
@pytest.mark.parametrize(
    "word", ["__proto__", "constructor", "prototype", "error", "close", "toString", "null", "self"]
)
async def test_special_names_are_names_like_any_other(server: Server, word: str) -> None:
    """As a type unknown; as room, user, display name, attribute and event they are just text."""
    async with connected(server, "ann") as ann, connected(server, "bob") as bob:
        refused(await ann.ask(word), "unsupportedType")
        await bob.join(word)
        await ann.join(word, userId=word, displayName=word, attributes={word: {word: word}})
        await bob.saw("playerJoinedRoom")
        seen = bob.mirror.players[ann.mirror.socket_id]
        assert (seen["userId"], seen["displayName"]) == (word, word)
        assert seen["attributes"] == {word: {word: word}}
        await ann.do("sendRoomMessage", event=word, data={word: [word]})
        heard = await bob.saw("roomMessage")
        assert (heard["event"], heard["data"]) == (word, {word: [word]})
        await ann.leave()


@pytest.mark.rule("E1.1")
@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping","type":"nonsense","sequenceId":9}',
        '{"type":"nonsense","type":"ping","sequenceId":9}',
        '{"type":"ping","sequenceId":8,"sequenceId":9}',
    ],
)
async def test_keys_given_twice_do_no_harm(server: Server, text: str) -> None:
    """Whichever of the two counts, the request is answered and the connection lives."""
    async with connected(server) as ann:
        mark = ann.mark()
        await ann.link.socket.send(text)
        await ann.reach(lambda: len(ann.kinds(mark)) == 1, "an answer")
        await ann.ping(sequenceId=20)


@pytest.mark.rule("E2.1", "E1.7")
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ready", {}),
        ("updatePlayer", {"displayName": "A"}),
        ("sendRoomMessage", {"event": "e", "data": 1}),
        ("requestRoomState", {}),
        ("leaveRoomGameSpace", {}),
        ("validateRoomState", {"roomId": "hall", "expectedPlayers": []}),
    ],
)
async def test_what_needs_a_room_is_refused_without_one(
    server: Server, kind: str, fields: dict[str, Any]
) -> None:
    """Before any join and after a leave: `notInRoom`."""
    async with connected(server) as ann:
        refused(await ann.ask(kind, **fields), "notInRoom")
        await ann.join("hall")
        await ann.leave()
        refused(await ann.ask(kind, **fields), "notInRoom")


@pytest.mark.rule("G7.4", "E2.1")
async def test_a_move_without_a_room_does_no_harm(server: Server) -> None:
    """It may be ignored or refused; the connection lives."""
    async with connected(server) as ann:
        await ann.tell("move", x=1, y=1)
        await ann.ping()
        assert all(o["code"] == "notInRoom" for o in ann.link.objects if o["type"] == "error")


@pytest.mark.rule("E2.2")
async def test_a_full_room_refuses(room: str) -> None:
    """Of thirty joins at once four fit; the rest get `roomFull`; a leave makes room."""
    with running(**GENEROUS, players_max=5) as server:
        async with seated(server, room, 1) as (ann,):
            crowd = [Client(server, f"guest {n}") for n in range(30)]
            await asyncio.gather(*[client.open() for client in crowd])
            answers = await asyncio.gather(
                *[client.ask("joinRoomGameSpace", roomId=room) for client in crowd]
            )
            refusals = [a for a in answers if a["type"] == "error"]
            assert len(refusals) == 26
            assert all(a["code"] == "roomFull" for a in refusals)
            await ann.reach(lambda: len(ann.mirror.players) == 5, "five players")
            assert ann.mirror.metadata["maxPlayers"] == 5
            await ann.leave()
            outside = next(c for c, a in zip(crowd, answers, strict=True) if a["type"] == "error")
            await outside.join(room)
            await asyncio.gather(*[client.close() for client in crowd])


@pytest.mark.rule("E2.3", "E1.7")
async def test_too_many_messages_are_rate_limited(room: str) -> None:
    """A burst passes, what follows is refused for so long, and the advice is right."""
    with running(messages_per_s=50, messages_burst=60) as server:
        async with seated(server, room, 1) as (ann,):
            numbers = [await ann.tell("ping", t=n) for n in range(130)]
            answers = [await ann.answer(number) for number in numbers]
            limited = [a for a in answers if a["type"] == "error"]
            passed = [a for a in answers if a["type"] == "pong"]
            assert len(passed) >= 59
            assert limited
            for error in limited:
                refused(error, "rateLimited")
                assert error["retryable"] is True
                assert error["retryAfterMs"] > 0
            await asyncio.sleep(limited[-1]["retryAfterMs"] / 1000)
            await ann.ping()


@pytest.mark.rule("E2.4")
async def test_too_many_joins_are_rate_limited(room: str) -> None:
    """Out of the box twenty at once pass, and then not; other requests are not held up by it. The
    next comes only after a second, so that a busy machine does not let in one too many.
    """
    with running(joins_per_s=1) as server:
        async with connected(server) as ann:
            answers = [await ann.ask("joinRoomGameSpace", roomId=room) for _ in range(40)]
            kinds = [answer["type"] for answer in answers]
            assert kinds[:20] == [JOINED] * 20
            limited = [answer for answer in answers if answer["type"] == "error"]
            assert limited
            for error in limited:
                refused(error, "rateLimited")
            await ann.ping()
            refused(await ann.ask("requestRoomState"), "rateLimited")
            await ann.do("ready")
            expect(await ann.insist("requestRoomState"), "roomState")


@pytest.mark.rule("C4.5")
@pytest.mark.parametrize("bad", ["{", '{"type":"ping","sequenceId":0}', "[]"])
async def test_more_than_a_hundred_bad_messages_close(server: Server, bad: str) -> None:
    """A hundred are answered and the connection lives; one more closes it with 1008."""
    async with raw_websocket(server) as sock:
        await sock.send(text_bytes(bad) * 100)
        await sock.send_objects({"type": "ping", "t": 1})
        await sock.next_object("pong")
        await sock.send(text_bytes(bad))
        assert await sock.close_code() == 1008


@pytest.mark.rule("C4.5", "C4.9")
async def test_hammering_against_the_rate_closes(room: str) -> None:
    """Out of the box: far more messages than the rate allows end with 1008; others go on."""
    with running() as server:
        async with seated(server, room, 1) as (ann,), raw_websocket(server) as sock:
            await sock.send(text_bytes({"type": "ping"}) * 2000)
            assert await sock.close_code() == 1008
            await ann.ping()


@pytest.mark.rule("E2.5")
async def test_more_rooms_than_allowed_are_unavailable(room: str) -> None:
    """One room at a time: the second is refused for now, and there when the first is gone."""
    with running(**GENEROUS, rooms_max=1, room_idle_s=0.05) as server:
        async with connected(server, "ann") as ann, connected(server, "bob") as bob:
            await ann.join(room)
            error = refused(await bob.ask("joinRoomGameSpace", roomId="other"), "unavailable")
            assert error["retryable"] is True
            await bob.join(room)
            await ann.leave()
            await bob.leave()
            await until_metrics(server, lambda m: m["vaultmeet_rooms"] == 0)
            await bob.join("other")


@pytest.mark.rule("E2.6")
async def test_permissions_are_told(server: Server, room: str) -> None:
    """On an anonymous server everybody may join, move and talk, and nobody may moderate."""
    async with connected(server) as ann:
        answer = expect(await ann.ask("checkRoomPermission", roomId=room), "roomPermission")
        assert answer["roomId"] == room
        assert answer["allowed"] is True
        assert set(answer["permissions"]) == {"join", "move", "message"}


@pytest.mark.rule("E2.7")
async def test_authenticate_is_answered_where_nobody_needs_it(server: Server, room: str) -> None:
    """`authenticated` or a refusal; the connection lives and may join."""
    async with connected(server) as ann:
        answer = await ann.ask("authenticate", token="a.b.c")
        assert answer["type"] in ("authenticated", "error")
        await ann.join(room)


@pytest.mark.rule("T2.9")
async def test_nobody_moderates_an_anonymous_server(server: Server, room: str) -> None:
    """Not even who has nobody above it; all goes on."""
    async with connected(server) as ann, connected(server) as bob:
        await ann.join(room)
        await bob.join(room)
        for kind, fields in (
            ("kickPlayer", {"socketId": bob.mirror.socket_id}),
            ("banUser", {"userId": "bob"}),
            ("unbanUser", {"userId": "bob"}),
            ("setRoom", {"private": True, "owner": "ann"}),
        ):
            error = refused(await ann.ask(kind, **fields), "forbidden")
            assert error["retryable"] is False
        await bob.ping()
