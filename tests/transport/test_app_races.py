"""Everything wired: things that happen in one and the same turn of a room."""

import json
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.transport.sockets import Caller
from tests.transport.test_app import House, run


def close_code(caller: Caller) -> int | None:
    """The code that the caller was closed with, whatever came before it."""
    caller.read()
    return caller.close_code


def told(caller: Caller) -> list[Any]:
    """All objects that came by now, whatever else did."""
    found: list[Any] = []
    for frame in caller.heard():
        if frame.opcode is Opcode.TEXT:
            value = json.loads(bytes(frame.data))
            found += value if isinstance(value, list) else [value]
    return found


def say(caller: Caller, **request: object) -> None:
    """Say something; the room does not get its turn yet."""
    caller.send(json.dumps(request))


async def seated(house: House, room: str = "lobby", **fields: object) -> tuple[Caller, Any]:
    """A client in the room, and the answer to its join."""
    caller = await house.opened()
    *_, joined = await house.said(caller, type="joinRoomGameSpace", roomId=room, **fields)
    assert joined["type"] == "roomGameSpaceJoined"
    return caller, joined


def failures(house: House) -> list[str]:
    """What went wrong by the house's own account."""
    return [line.event for line in house.log.lines if line.level == "error"]


@pytest.mark.rule("G6.13", "G8.2")
def test_a_slow_reader_that_drains_and_is_gone_at_once_leaves_after_its_grace() -> None:
    """Both are told to the room in one turn; the whole state that is due finds nobody."""

    async def story(house: House) -> None:
        ann, _ = await seated(house)
        bob, _ = await seated(house)
        ann.wire.flows = False
        for _ in range(10):
            await house.said(bob, type="sendRoomMessage", event="e", data="x" * 8000)
        assert house.log.told("reader_fell_behind")
        ann.wire.let_through()
        ann.wire.break_()
        house.clock.advance(0)
        await house.settle()
        house.clock.advance(31)
        await house.settle()
        *_, state = await house.said(bob, type="requestRoomState")
        assert [player["socketId"] for player in state["players"]] == ["S1"]

    house = run(
        story,
        resume_grace_s=30,
        self_check_s=3600,
        heartbeat_s=3600,
        outbox_bytes_max=20_000,
        slow_reader_s=3600,
    )
    assert failures(house) == []


@pytest.mark.rule("C4.7")
def test_the_older_of_two_sessions_that_join_in_one_turn_is_closed() -> None:
    """It was replaced before it heard that it had joined; then it must not think so."""

    async def story(house: House) -> None:
        callers = [await house.opened(), await house.opened()]
        for caller in callers:
            say(caller, type="joinRoomGameSpace", roomId="lobby", userId="ann")
        await house.settle()
        older, newer = callers
        assert close_code(older) == 4509
        joined = told(newer)[-1]
        assert [player["socketId"] for player in joined["players"]] == ["S1"]
        house.clock.advance(60)
        await house.settle()

    assert failures(run(story, one_session_per_user=True, self_check_s=5)) == []


@pytest.mark.rule("C4.7")
def test_who_is_replaced_while_switching_to_the_room_is_closed_too() -> None:
    """And leaves the room that it came from, as any connection that ends."""

    async def story(house: House) -> None:
        older, _ = await seated(house, "attic", userId="ann")
        newer = await house.opened()
        watcher, _ = await seated(house, "attic", userId="bob")
        for caller in (older, newer):
            say(caller, type="joinRoomGameSpace", roomId="lobby", userId="ann")
        await house.settle()
        assert close_code(older) == 4509
        assert told(newer)[-1]["type"] == "roomGameSpaceJoined"
        house.clock.advance(31)
        await house.settle()
        gone = [each for each in told(watcher) if each["type"] == "playerLeftRoom"]
        assert [each["players"][0]["socketId"] for each in gone] == ["S0"]

    settings = {"one_session_per_user": True, "self_check_s": 5, "resume_grace_s": 30}
    assert failures(run(story, heartbeat_s=3600, **settings)) == []


@pytest.mark.rule("C4.6", "G6.5")
@pytest.mark.parametrize("first", ["resume", "request"])
@pytest.mark.parametrize(
    "request_",
    [
        {"type": "joinRoomGameSpace", "roomId": "lobby"},
        {"type": "joinRoomGameSpace", "roomId": "attic"},
        {"type": "leaveRoomGameSpace"},
        {"type": "ready"},
        {"type": "requestRoomState"},
    ],
    ids=["join", "switch", "leave", "ready", "state"],
)
def test_what_the_old_connection_asks_in_the_turn_of_a_resume_undoes_nothing(
    first: str, request_: dict[str, object]
) -> None:
    """Behind the resume it has no effect at all; before it, it has the one that it always has."""

    async def story(house: House) -> None:
        bob, _ = await seated(house)
        old, joined = await seated(house)
        new = await house.opened()
        consistency = joined["consistency"]
        resume = {
            "type": "resumeRoomGameSpace",
            "roomId": "lobby",
            "resumeToken": joined["resumeToken"],
            "epoch": consistency["epoch"],
            "version": consistency["version"],
        }
        order = [(new, resume), (old, request_)]
        for caller, said in order if first == "resume" else reversed(order):
            say(caller, **said)
        await house.settle()
        left = first == "request" and request_["type"] == "leaveRoomGameSpace"
        answer = told(new)[-1]
        assert answer["type"] == ("error" if left else "roomGameSpaceResumed")
        if not left:
            assert close_code(old) == 4509
            told(bob)
            await house.said(bob, type="sendRoomMessage", event="e", data="still heard?")
            assert [each.get("data") for each in told(new)] == ["still heard?"]
        house.clock.advance(60)
        await house.settle()

    assert failures(run(story, self_check_s=5, heartbeat_s=3600)) == []
