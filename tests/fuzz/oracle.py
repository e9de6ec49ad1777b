"""What the protocol page says of a frame's text, once more and in other words than the product.

Owns a second opinion on every frame: whether it is JSON at all (Python's own parser says), and
whether a request that was taken is one. Knows none of the product's checks.
"""

import json
import re
import unicodedata
from math import isfinite
from typing import Any, Final

from actors.room_rules import Act, BanUser, KickPlayer, SetRoom, UnbanUser
from transport import requests as r
from transport.fields import Fields
from transport.wire import dumps

_FLOAT_DIGITS: Final = 20


class NotJson(Exception):
    """Not an object, or nothing that the contract would call JSON."""


class Unjudged(Exception):
    """Too deep for Python's parser."""


def _integer(digits: str) -> int | float:
    """As a client's 64-bit parser would: what does not fit is a float."""
    number = float(digits) if len(digits) > _FLOAT_DIGITS else int(digits)
    if isinstance(number, int) and not -(2**63) <= number < 2**64:
        number = float(number)
    return _finite(number)


def _float(digits: str) -> int | float:
    return _finite(float(digits))


def _finite(number: float) -> int | float:
    if not isfinite(number):
        raise NotJson("not finite")
    return number


def _constant(name: str) -> None:
    raise NotJson(name)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Also what a later field of the same name hides is looked at."""
    json.dumps(pairs, ensure_ascii=False).encode()
    return dict(pairs)


def reading(text: str) -> dict[str, Any]:
    """The object that `text` is. Raises NotJson, or Unjudged."""
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
            object_pairs_hook=_pairs,
        )
    except RecursionError:
        raise Unjudged from None
    except ValueError as error:  # half of a surrogate pair among them
        raise NotJson(str(error)) from None
    if not isinstance(value, dict):
        raise NotJson("not an object")
    return value


def shape(value: Any) -> tuple[int, int]:
    """(levels, keys of all objects together)."""
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0, 0
    shapes = [shape(each) for each in inner]
    keys = len(value) if isinstance(value, dict) else 0
    levels = 1 + max((depth for depth, _ in shapes), default=0)
    return levels, keys + sum(count for _, count in shapes)


# -- a request that was taken


def check(request: r.Request, fields: Fields) -> None:
    """Raises AssertionError where `request` is not one that `fields` may make."""
    levels, keys = shape(fields)
    assert levels <= 16, "deeper than 16 levels"
    assert keys <= 256, "more than 256 keys"
    match request:
        case r.JoinRoom(room_id, user_id, display_name, x, y, attributes):
            _room(room_id)
            _name(user_id)
            _name(display_name)
            _position(x, y)
            assert user_id == fields.get("userId")
            assert attributes == (fields.get("attributes") or {})
            _sized(attributes, 1024)
            privacy = fields.get("privacy") or {}
            assert request.privacy.hide_user_id is privacy.get("hideUserId", False)
            assert request.privacy.hide_position is privacy.get("hidePosition", False)
        case r.MoveTo(x, y):
            _position(x, y)
            assert (x, y) == (fields["x"], fields["y"])
        case r.UpdatePlayer(display_name, attributes):
            assert not (display_name is None and attributes is None), "an update of nothing"
            _name(display_name)
            _sized(attributes or {}, 1024)
        case r.SendMessage(event, data):
            assert 0 < len(event) <= 64
            assert event == fields["event"]
            _same(data, fields["data"])
        case r.ValidateRoom(room_id, claim):
            _room(room_id)
            assert claim.players is not None or None not in (
                claim.epoch, claim.version, claim.checksum,
            )  # fmt: skip
            assert claim.checksum is None or re.fullmatch("[0-9a-f]{8}", claim.checksum)
        case r.ResumeRoom(room_id, token, epoch, version):
            _room(room_id)
            assert token
            assert 0 <= epoch < 2**53
            assert 0 <= version < 2**53
        case r.CheckPermission(room_id):
            _room(room_id)
        case r.Authenticate(token):
            assert token == fields["token"] != ""
        case r.Moderate(act):
            _act(act, fields)
        case r.Ping(t):
            assert (t is None) is ("t" not in fields)
            if t is not None:
                _same(t, fields["t"])


def _act(act: Act, fields: Fields) -> None:
    """Says what the object says, and nothing that it does not."""
    said: dict[str, Any]
    match act:
        case KickPlayer(socket_id, user_id, reason):
            assert (socket_id is None) is not (user_id is None), "nobody, or two"
            assert socket_id is None or 1 <= len(socket_id) <= 12
            said = {"socketId": socket_id, "userId": user_id, "reason": reason}
        case BanUser(user_id, reason, for_s):
            assert for_s is None or 1 <= for_s <= 315_360_000
            said = {"userId": user_id, "reason": reason, "forS": for_s}
        case UnbanUser(user_id):
            said = {"userId": user_id}
        case SetRoom(private, players_max, allow, owner):
            assert players_max is None or 1 <= players_max <= 1_000_000
            said = {"private": private, "playersMax": players_max, "owner": owner}
            assert (None if allow is None else [*allow]) == fields.get("allow")
            for each in allow or ():
                _name(each)
            assert act != SetRoom(), "nothing"
    assert said == {name: fields.get(name) for name in said}
    for name in ("userId", "reason", "owner"):
        _name(said.get(name))


def _room(room_id: str) -> None:
    assert 1 <= len(room_id) <= 128
    assert all(c.isascii() and (c.isalnum() or c in "._:-") for c in room_id), "no room's name"


def _name(name: str | None) -> None:
    if name is None:
        return
    assert 1 <= len(name) <= 128
    assert not any(unicodedata.category(c) in {"Cc", "Zl", "Zp"} for c in name), "breaks a line"


def _position(x: float, y: float) -> None:
    assert all(type(each) in (int, float) and abs(each) <= 1e9 for each in (x, y)), "no position"


def _sized(value: object, bytes_max: int) -> None:
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    # Python writes some numbers longer (1e+16), some shorter.
    assert len(encoded) <= bytes_max + 200, "too large"


def _same(fragment: Any, value: object) -> None:
    """What will be sent on is what came."""
    encoded = dumps(fragment)
    assert len(encoded) <= 8192
    assert json.loads(encoded) == value, "changed on the way"
