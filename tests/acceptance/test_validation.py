"""A client asks whether what it holds is right, and is healed when it is not (G10)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.client import Client, clients, connected, expect, refused, seated, settle
from tests.acceptance.frames import Object
from tests.acceptance.rawsocket import metrics
from tests.acceptance.server import GENEROUS, Server, running


def held_by(client: Client) -> dict[str, Any]:
    """All that a client can name in a validation, as its mirror has it now."""
    mirror = client.mirror
    return {
        "roomId": mirror.room_id,
        "expectedPlayers": list(mirror.players),
        "epoch": mirror.epoch,
        "version": mirror.version,
        "checksum": mirror.checksum,
    }


async def validated(client: Client, **fields: Any) -> Object:
    """Ask for a validation; the answer."""
    return expect(await client.ask("validateRoomState", **fields), "roomStateValidated")


@pytest.mark.rule("G10.1", "G10.4")
async def test_a_client_is_judged_at_the_version_that_it_names(server: Server, room: str) -> None:
    """What was right three joins, a ready and a leave ago is right still, and brings no list."""
    async with seated(server, room, 2) as (ann, bob), clients(server, 3) as others:
        states = [held_by(ann)]
        for other in others:
            await other.join(room)
        await settle([ann, *others])
        states.append(held_by(ann))
        await bob.do("ready")
        await others[0].leave()
        await settle([ann, bob])
        states.append(held_by(ann))
        for state in states:
            answer = await validated(ann, **state)
            assert answer["valid"] is True, answer
            assert answer["missingPlayers"] == answer["unexpectedPlayers"] == []
            assert "players" not in answer
            without_sum = {k: v for k, v in state.items() if k != "checksum"}
            assert (await validated(ann, **without_sum))["valid"] is True


@pytest.mark.rule("G10.1")
async def test_a_right_client_is_never_wrong_amid_changes(server: Server, room: str) -> None:
    """One validates all the time while twenty come, change and go: always valid."""
    async with seated(server, room, 1) as (ann,), clients(server, 20) as others:
        numbers = []
        for turn in range(3):
            for other in others:
                await other.tell("joinRoomGameSpace", roomId=room)
                await other.tell("updatePlayer", attributes={"turn": turn})
                numbers.append(await ann.tell("validateRoomState", **held_by(ann)))
                await ann.ping()
                await other.tell("leaveRoomGameSpace")
                numbers.append(await ann.tell("validateRoomState", **held_by(ann)))
        for number in numbers:
            assert (await ann.answer(number))["valid"] is True
        for other in others:
            await other.ping()


@pytest.mark.rule("G10.2", "G10.3", "G10.4")
async def test_a_wrong_list_is_told_what_is_wrong_and_healed(server: Server, room: str) -> None:
    """One player is lacking and a made-up one is there: both are named, and all players come."""
    async with seated(server, room, 3) as (ann, bob, cid):
        ids = [c.mirror.socket_id for c in (ann, bob, cid)]
        right = await validated(ann, roomId=room, expectedPlayers=ids)
        assert right["valid"] is True
        wrong = await validated(ann, roomId=room, expectedPlayers=[*ids[:2], "nobody"])
        assert wrong["valid"] is False
        assert wrong["missingPlayers"] == [ids[2]]
        assert wrong["unexpectedPlayers"] == ["nobody"]
        assert {p["socketId"] for p in wrong["players"]} == set(ids)
        await cid.leave()
        await settle([ann, bob])
        late = await validated(ann, roomId=room, expectedPlayers=ids)
        assert (late["valid"], late["unexpectedPlayers"]) == (False, [ids[2]])
        assert ann.mirror.view() == bob.mirror.view()


@pytest.mark.rule("G10.5", "G10.4")
async def test_another_epoch_version_or_checksum_is_not_valid(server: Server, room: str) -> None:
    """The right list is not enough: what else is named must be right as well."""
    async with seated(server, room, 2) as (ann, bob):
        for wrong in (
            {"epoch": ann.mirror.epoch + 1},
            {"epoch": ann.mirror.epoch - 1},
            {"version": 1_000_000},
            {"checksum": "00000000"},
        ):
            answer = await validated(ann, **(held_by(ann) | wrong))
            assert answer["valid"] is False, wrong
            assert len(answer["players"]) == 2
            assert ann.mirror.view() == bob.mirror.view()
        assert (await validated(ann, **held_by(ann)))["valid"] is True


@pytest.mark.rule("G10.5", "G10.4")
async def test_a_forgotten_version_is_not_valid(room: str) -> None:
    """The room remembers three events; what was right thirty ago is healed, not believed."""
    with running(**GENEROUS, history_events_max=3) as server:
        async with seated(server, room, 2) as (ann, bob):
            early = held_by(ann)
            for n in range(30):
                await bob.do("updatePlayer", attributes={"n": n})
            await settle([ann, bob])
            answer = await validated(ann, **early)
            assert answer["valid"] is False
            assert ann.mirror.view() == bob.mirror.view()
            assert (await validated(ann, **held_by(ann)))["valid"] is True


@pytest.mark.rule("G10.6", "E1.2")
async def test_the_list_may_be_left_out_beside_a_checksum(server: Server, room: str) -> None:
    """Epoch, version and checksum stand for it; two of the three do not."""
    async with seated(server, room, 2) as (ann, _):
        state = held_by(ann)
        state.pop("expectedPlayers")
        assert (await validated(ann, **state))["valid"] is True
        wrong = await validated(ann, **(state | {"checksum": "ffffffff"}))
        assert wrong["valid"] is False
        for name in ("epoch", "version", "checksum"):
            part = {k: v for k, v in state.items() if k != name}
            refused(await ann.ask("validateRoomState", **part), "badMessage")


@pytest.mark.rule("E2.1")
async def test_only_ones_own_room_is_validated(server: Server, room: str) -> None:
    """Another room's state, or any without a room of one's own: `notInRoom`."""
    async with seated(server, room, 1) as (ann,), connected(server) as bob:
        fields: dict[str, Any] = {"expectedPlayers": []}
        error = await ann.ask("validateRoomState", roomId=room + "-b", **fields)
        refused(error, "notInRoom")
        refused(await bob.ask("validateRoomState", roomId=room, **fields), "notInRoom")


@pytest.mark.rule("G10.1", "H2.3")
async def test_losses_and_privacy_are_part_of_what_is_validated(server: Server, room: str) -> None:
    """A lost player and a pseudonym are in the checksum; the counters count both outcomes."""
    async with seated(server, room, 2) as (ann, bob), connected(server) as cid:
        counted = await metrics(server)
        await cid.join(room, userId="zoë", privacy={"hideUserId": True, "hidePosition": True})
        await bob.lose()
        await ann.reach(
            lambda: not ann.mirror.players[bob.mirror.socket_id]["connected"], "the loss"
        )
        assert (await validated(ann, **held_by(ann)))["valid"] is True
        assert (await validated(ann, roomId=room, expectedPlayers=[]))["valid"] is False
        now = await metrics(server)
        for valid in ("true", "false"):
            name = f'vaultmeet_validations_total{{valid="{valid}"}}'
            assert now[name] - counted.get(name, 0) == 1
