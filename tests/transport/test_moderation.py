"""The requests of moderators: what of them is taken, and what is refused by which name."""

from typing import Any

import pytest

from actors.errors import BadMessage
from actors.ids import SocketId
from actors.room_rules import BAN_S_MAX, BanUser, KickPlayer, SetRoom, UnbanUser
from tests.transport import requests as r
from tests.transport.requests import taken
from transport.moderation import ALLOW_USERS_MAX
from transport.requests import Moderate

LONG = "x" * 129


@pytest.mark.parametrize(
    ("request_", "act"),
    [
        (r.KICK, KickPlayer(SocketId("AAAA"), None, "spam")),
        ({"type": "kickPlayer", "userId": "zoë"}, KickPlayer(None, "zoë")),
        (r.BAN, BanUser("ann", "spam", 60)),
        ({"type": "banUser", "userId": "ann"}, BanUser("ann")),
        (r.UNBAN, UnbanUser("ann")),
        (r.SET_ROOM, SetRoom(True, 8, ("ann", "zoë"), "ann")),
        ({"type": "setRoom", "allow": []}, SetRoom(allow=())),
        ({"type": "setRoom", "private": False}, SetRoom(private=False)),
    ],
)
def test_an_act_is_read_as_it_is_said(request_: dict[str, Any], act: object) -> None:
    """What is left out stays open."""
    assert taken(request_) == Moderate(act)  # type: ignore[arg-type]


@pytest.mark.rule("T2.19", "E1.2")
@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"type": "kickPlayer"}, "socketId"),
        ({"type": "kickPlayer", "socketId": "A", "userId": "ann"}, "socketId"),
        ({"type": "kickPlayer", "socketId": ""}, "socketId"),
        ({"type": "kickPlayer", "socketId": "x" * 13}, "socketId"),
        ({"type": "kickPlayer", "userId": 7}, "userId"),
        ({"type": "kickPlayer", "userId": "ann", "reason": LONG}, "reason"),
        ({"type": "kickPlayer", "userId": "ann", "reason": "a\nb"}, "reason"),
        ({"type": "banUser", "reason": "spam"}, "userId"),
        ({"type": "banUser", "userId": LONG}, "userId"),
        ({**r.BAN, "forS": 0}, "forS"),
        ({**r.BAN, "forS": -1}, "forS"),
        ({**r.BAN, "forS": BAN_S_MAX + 1}, "forS"),
        ({**r.BAN, "reason": ""}, "reason"),
        ({"type": "unbanUser"}, "userId"),
        ({"type": "setRoom"}, "private"),
        ({**r.SET_ROOM, "playersMax": 0}, "playersMax"),
        ({**r.SET_ROOM, "playersMax": 1_000_001}, "playersMax"),
        ({**r.SET_ROOM, "allow": ["ann", "a\x00"]}, "allow[1]"),
        ({**r.SET_ROOM, "allow": [["ann"]]}, "allow[0]"),
        ({**r.SET_ROOM, "allow": ["a"] * (ALLOW_USERS_MAX + 1)}, "allow"),
        ({**r.SET_ROOM, "owner": "\u2028"}, "owner"),
    ],
)
def test_what_is_wrong_with_an_act_is_named(request_: dict[str, Any], field: str) -> None:
    """And what was expected."""
    with pytest.raises(BadMessage) as refused:
        taken(request_)
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: expected ")
