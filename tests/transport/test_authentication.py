"""The door of a server in jwt mode: tokens in the handshake, and who has not said who he is.

Everything wired, from bytes to bytes, in simulated time.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from actors.keys import derived
from actors.permissions import ANONYMOUS_GRANTS
from tests.transport import minted
from tests.transport.sockets import Caller, Porch
from tests.transport.token_stage import JWT
from transport import auth_keys
from transport.app import Application
from transport.auth import TokenVerifier
from transport.door import Door


class TokenHouse(Porch):
    """A porch in jwt mode whose door leads into real sessions and rooms."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**JWT, **settings)

    def _open_door(self) -> Door:
        keys = auth_keys.of_secret(minted.SECRET)
        names = count()
        self.app = Application(
            self.settings,
            self.log,
            self.clock,
            derived(b"k" * 32),
            "1.2.3",
            new_name=lambda size: f"S{next(names)}",
            verify=TokenVerifier(self.settings, lambda: keys, ANONYMOUS_GRANTS).verify,
        )
        return self.app.door

    def token(self, user: str = "ann", life_s: float = 3600) -> str:
        """One that begins now."""
        now_s = self.clock.now_ms() / 1000
        return minted.hs256({"sub": user, "iat": now_s, "exp": now_s + life_s})

    def shaking(self, *authorization: str, path: str = "/ws", **headers: str | None) -> Caller:
        """Somebody whose handshake has these headers `Authorization`."""
        caller = self.caller()
        lines = "".join(f"Authorization: {value}\r\n" for value in authorization)
        raw = caller.handshake_bytes(path, **headers)
        caller.send_raw(raw.replace(b"\r\n", b"\r\n" + lines.encode("latin-1"), 1))
        return caller

    async def settle(self) -> None:
        """Let the rooms do what waits."""
        for _ in range(12):
            await asyncio.sleep(0)
            self.clock.advance(0)


def status(caller: Caller) -> int:
    """What the handshake was answered with."""
    assert caller.response is not None
    return caller.response.status_code


def in_house(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run it on a loop: rooms need one."""

    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@pytest.mark.rule("T1.3", "T1.2")
@in_house
async def test_a_token_in_the_handshake_is_enough() -> None:
    """The user of the join is its `sub`."""
    house = TokenHouse()
    caller = house.shaking(f"Bearer {house.token()}")
    (welcome,) = caller.texts()
    assert (welcome["type"], welcome["auth"]) == ("welcome", "jwt")
    caller.send(json.dumps({"type": "joinRoomGameSpace", "roomId": "lobby"}))
    await house.settle()
    (joined,) = caller.texts()
    assert [player["userId"] for player in joined["players"]] == ["ann"]


@pytest.mark.rule("T1.3")
@pytest.mark.parametrize("how", ["forged", "expired", "early", "basic", "empty", "two", "twice"])
def test_a_bad_header_is_answered_401_with_a_challenge(how: str) -> None:
    """No WebSocket is opened, whatever the client would have said next; the log has no token."""
    asyncio.run(_is_refused(how))


async def _is_refused(how: str) -> None:
    house = TokenHouse()
    now_s = house.clock.now_ms() // 1000
    good = f"Bearer {house.token()}"
    headers = {
        "forged": [f"Bearer {minted.hs256(secret=b'x' * 40)}"],
        "expired": [f"Bearer {minted.hs256(minted.good(exp=now_s))}"],
        "early": [f"Bearer {minted.hs256(minted.good(nbf=now_s + 9))}"],
        "basic": ["Basic YW5uOnNlY3JldC1wYXNzd29yZA=="],
        "empty": [""],
        "two": [f"{good}, {good}"],
        "twice": [good, good],
    }[how]
    caller = house.shaking(*headers)
    assert status(caller) == 401
    assert caller.response is not None
    challenge = caller.response.headers["WWW-Authenticate"]
    invalid = how in ("forged", "expired", "early")
    assert challenge == 'Bearer realm="vaultmeet"' + (', error="invalid_token"' if invalid else "")
    assert caller.is_lost
    assert house.door.admission.open_count == 0
    (line,) = house.log.told("handshake_refused")
    assert line["status"] == 401
    said = repr(house.log.lines) + repr(caller.response.body)
    for value in headers:
        for part in value.replace(",", " ").replace(".", " ").split():
            assert len(part) < 9 or part not in said
    again = house.shaking(good)
    assert status(again) == 101


@pytest.mark.rule("T1.3", "C1.7", "C1.10")
@in_house
async def test_a_right_token_opens_no_foreign_origin_or_host() -> None:
    """These are looked at first."""
    house = TokenHouse()
    good = f"Bearer {house.token()}"
    assert status(house.shaking(good, Origin="http://evil.example")) == 403
    assert status(house.shaking(good, Host="evil.example")) == 403
    assert status(house.shaking("Bearer x", Host="evil.example")) == 403


@pytest.mark.rule("T1.4")
@in_house
async def test_a_token_in_the_url_is_not_looked_at() -> None:
    """Its bearer has said nothing, and it is in no line of the log."""
    house = TokenHouse()
    token = house.token()
    caller = house.shaking(path=f"/ws?token={token}&access_token={token}")
    assert status(caller) == 101
    assert [each["type"] for each in caller.texts()] == ["welcome"]
    caller.send(json.dumps({"type": "joinRoomGameSpace", "roomId": "lobby"}))
    await house.settle()
    assert [each["code"] for each in caller.texts()] == ["unauthenticated"]
    other = house.caller()
    other.send_raw(f"GET /metrics?token={token} HTTP/1.1\r\n\r\n".encode())
    other.send_raw(f"GET /{token} HTTP/1.1\r\n\r\n".encode())
    house.clock.advance(6)
    assert caller.close_code == 4401
    assert not any(part in repr(house.log.lines) for part in token.split("."))


@pytest.mark.rule("T1.16")
@in_house
async def test_so_many_may_be_unauthenticated_and_each_that_is_known_or_gone_makes_room() -> None:
    """Beyond: 503; a handshake with a token needs no room."""
    house = TokenHouse(unauthenticated_max=3)
    first, second, third = [house.shaking() for _ in range(3)]
    assert [status(each) for each in (first, second, third)] == [101] * 3
    assert status(house.shaking()) == 503
    assert status(house.shaking(f"Bearer {house.token()}")) == 101
    first.send(json.dumps({"type": "authenticate", "token": house.token()}))
    assert [each["type"] for each in first.texts()] == ["welcome", "authenticated"]
    assert status(house.shaking()) == 101
    assert status(house.shaking()) == 503
    second.wire.break_()
    house.clock.advance(0)
    assert status(house.shaking()) == 101
    assert status(house.shaking()) == 503
    house.clock.advance(6)
    assert third.close_code == 4401
    assert first.close_code is None
    assert [status(house.shaking()) for _ in range(4)] == [101, 101, 101, 503]


@pytest.mark.rule("T1.16")
@in_house
async def test_without_a_limit_any_number_may_be() -> None:
    """0 is none."""
    house = TokenHouse(unauthenticated_max=0)
    assert {status(house.shaking()) for _ in range(20)} == {101}


@pytest.mark.rule("T1.14", "G6.1")
@in_house
async def test_the_end_of_a_token_is_a_loss_and_a_fresh_one_brings_the_player_back() -> None:
    """With all that it missed; nobody sees it leave."""
    house = TokenHouse(heartbeat_s=100)
    caller = house.shaking(f"Bearer {house.token('ann', 20)}")
    other = house.shaking(f"Bearer {house.token('bob')}")
    for each in (caller, other):
        each.send(json.dumps({"type": "joinRoomGameSpace", "roomId": "lobby"}))
        await house.settle()
    joined = next(each for each in caller.texts() if each["type"] == "roomGameSpaceJoined")
    other.texts()
    house.clock.advance(20.5)
    await house.settle()
    assert caller.close_code == 4401
    heard = [json.loads(bytes(each.data)) for each in other.heard() if each.opcode == 1]
    assert "playerConnectionChanged" in [each["type"] for each in heard]
    back = house.shaking(f"Bearer {house.token('ann')}")
    back.send(
        json.dumps(
            {
                "type": "resumeRoomGameSpace",
                "roomId": "lobby",
                "resumeToken": joined["resumeToken"],
                "epoch": joined["consistency"]["epoch"],
                "version": joined["consistency"]["version"],
            }
        )
    )
    await house.settle()
    assert [each["type"] for each in back.texts()] == ["welcome", "roomGameSpaceResumed"]
    heard = [json.loads(bytes(each.data)) for each in other.heard() if each.opcode == 1]
    assert "playerLeftRoom" not in [each["type"] for each in heard]


@pytest.mark.rule("T1.20")
def test_a_server_that_asks_nobody_does_not_load_what_verifies() -> None:
    """Neither at its start nor as part of anything that it needs."""
    code = "import sys, transport.app; sys.exit('jwt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.rule("T1.15", "O2.2")
@in_house
async def test_a_drain_waits_for_no_stranger() -> None:
    """Nobody is looked at any more once the door has stopped."""
    house = TokenHouse()
    caller = house.shaking()
    house.door.drain(lambda: 100)
    house.door.stop()
    house.clock.advance(20)
    assert caller.is_lost
