"""Members who hide who or where they are (G11)."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import pytest

from tests.acceptance.client import RESUMED, connected, expect, refused, seated, settle
from tests.acceptance.server import Server

PSEUDONYM: Final = re.compile(r"anon-.{12}")
HIDDEN: Final = "somebody-who-hides-9c41"
"""A user that no frame and no log line may name."""


@pytest.mark.rule("G11.1", "G11.2", "G11.3", "G3.1")
async def test_a_hidden_user_has_one_pseudonym_a_room(server: Server, room: str) -> None:
    """Two sessions of the user share it in one room; in another room it is another one."""
    privacy = {"hideUserId": True}
    async with (
        seated(server, room, 1) as (bob,),
        seated(server, room + "-b", 1) as (cid,),
        connected(server, "phone") as phone,
        connected(server, "desk") as desk,
    ):
        for client in (phone, desk):
            await client.join(room, userId=HIDDEN, privacy=privacy)
        await settle([bob, phone, desk])
        shown = phone.mirror.own["userId"]
        assert PSEUDONYM.fullmatch(shown)
        assert desk.mirror.own["userId"] == shown
        assert bob.mirror.view() == phone.mirror.view() == desk.mirror.view()
        await phone.do("ready")
        await phone.do("updatePlayer", displayName="Mask")
        await phone.do("sendRoomMessage", event="e", data=1)
        await desk.lose()
        await bob.reach(
            lambda: not bob.mirror.players[desk.mirror.socket_id]["connected"], "the loss"
        )
        expect(await desk.reconnect(), RESUMED)
        assert desk.mirror.own["userId"] == shown
        await desk.join(room + "-b", userId=HIDDEN, privacy=privacy)
        await settle([cid, desk])
        elsewhere = desk.mirror.own["userId"]
        assert PSEUDONYM.fullmatch(elsewhere)
        assert elsewhere != shown
        await phone.leave()
        assert (await phone.join(room, userId=HIDDEN, privacy=privacy))["type"]
        assert phone.mirror.own["userId"] == shown
        for client in (bob, cid, phone, desk):
            assert not any(HIDDEN in frame for frame in client.link.frames)
    await asyncio.to_thread(
        server.wait_for_line, lambda it: it["event"] == "player_left" and it["userId"] == shown
    )
    assert HIDDEN not in server.log_text()


@pytest.mark.rule("G11.2")
async def test_two_users_have_two_pseudonyms(server: Server, room: str) -> None:
    """A pseudonym stands for one user."""
    async with connected(server, "ann") as ann, connected(server, "bob") as bob:
        await ann.join(room, userId="ann", privacy={"hideUserId": True})
        await bob.join(room, userId="bob", privacy={"hideUserId": True})
        await settle([ann, bob])
        assert len({p["userId"] for p in bob.mirror.players.values()}) == 2


@pytest.mark.rule("G11.4", "G11.5")
async def test_a_hidden_position_is_null_and_never_moves(server: Server, room: str) -> None:
    """Before and after a resume; whoever comes later sees null too; others' moves still come."""
    async with seated(server, room, 1) as (bob,), connected(server, "ann") as ann:
        await ann.join(room, position={"x": 77, "y": 77}, privacy={"hidePosition": True})
        own = ann.mirror.socket_id
        for turn in range(2):
            await ann.tell("move", x=turn + 5, y=5)
            await ann.do("updatePlayer", attributes={"turn": turn})
            await bob.tell("move", x=turn, y=9)
            for client in (ann, bob):
                await client.reach(
                    lambda m=client.mirror, at=(turn, 9): (  # type: ignore[misc]
                        m.position(bob.mirror.socket_id) == at
                    ),
                    "the move of who does not hide",
                )
            await settle([ann, bob])
            assert ann.mirror.position(own) is None
            assert bob.mirror.position(own) is None
            async with connected(server, "late") as late:
                await late.join(room)
                assert late.mirror.position(own) is None
            answer = expect(await ann.reconnect(), RESUMED)
            assert own not in [position[0] for position in answer["positions"]]
        state = await bob.ask("requestRoomState")
        assert state["type"] == "roomState"
        assert bob.mirror.position(own) is None


@pytest.mark.rule("G11.5", "G11.1")
async def test_a_resume_keeps_the_pseudonym_also_from_afar(server: Server, room: str) -> None:
    """A resume that gets the whole room instead of the delta is as hidden as before."""
    async with seated(server, room, 1) as (bob,), connected(server, "ann") as ann:
        privacy = {"hideUserId": True, "hidePosition": True}
        await ann.join(room, userId=HIDDEN + "-2", privacy=privacy)
        shown = ann.mirror.own["userId"]
        expect(await ann.reconnect(version=1_000_000), "roomGameSpaceJoined")
        assert ann.mirror.own["userId"] == shown
        assert ann.mirror.own["position"] is None
        await settle([ann, bob])
        assert ann.mirror.view() == bob.mirror.view()


@pytest.mark.rule("G11.1", "E1.2")
async def test_privacy_is_off_unless_asked_for(server: Server, room: str) -> None:
    """False and left out are the same; what is not a switch is refused by its name."""
    async with connected(server, "ann") as ann:
        await ann.join(room, userId="ann", privacy={"hideUserId": False})
        assert ann.mirror.own["userId"] == "ann"
        assert ann.mirror.own["position"] == {"x": 0, "y": 0}
        await ann.leave()
        for wrong, name in (
            (True, "privacy"),
            ({"hideUserId": 1}, "hideUserId"),
            ({"hidePosition": "yes"}, "hidePosition"),
        ):
            error = refused(
                await ann.ask("joinRoomGameSpace", roomId=room, privacy=wrong), "badMessage"
            )
            assert name in error["message"]
