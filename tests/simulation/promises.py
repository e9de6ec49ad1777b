"""What an answer means for what was asked: the promises that a client can hold the server to.

Written from the protocol page alone. `before` notes what is needed for that when a request is sent,
`answered` judges the answer. Raises `Wrong`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.held import Wrong, wrong_if
from tests.acceptance.mirror import Seat
from tests.simulation.replies import GARBAGE, Asked

if TYPE_CHECKING:
    from tests.simulation.person import Person, Token

SLACK_S: Final = 0.1
"""An answer so long before the end of a grace must be a yes."""
_REFUSALS: Final = {
    "joinRoomGameSpace": {"roomFull", "roomClosed", "unavailable"},
    "resumeRoomGameSpace": {"resumeExpired", "roomClosed", "unavailable", "badMessage", "roomFull"},
    "ready": {"notInRoom", "roomClosed"},
    "updatePlayer": {"notInRoom", "roomClosed"},
    "sendRoomMessage": {"notInRoom", "roomClosed"},
    "validateRoomState": {"notInRoom", "roomClosed"},
    "requestRoomState": {"notInRoom", "roomClosed"},
    "leaveRoomGameSpace": {"notInRoom", "roomClosed"},
    "ping": set(),
    "checkRoomPermission": set(),
    "authenticate": set(),
    GARBAGE: {"badMessage", "unsupportedType"},
}
"""Beside `rateLimited`, `unavailable` (a room with too much to do) and, where a room failed,
`internal`."""


@dataclass(frozen=True, slots=True)
class Before:
    """How it was with a client until an answer came: its seat, and its own player."""

    seat: Seat
    own: dict[str, Any] | None


def before(person: "Person", asked: Asked) -> None:
    """Note what the answer will be held against."""
    mirror, notes = person.mirror, asked.notes
    notes["token"] = person.newest_token()
    notes["gaps"] = person.gaps
    if asked.kind == "resumeRoomGameSpace":
        notes["heard_s"] = person.heard_s
        notes["wants_out"] = person.wants_out or person.is_unsure
        notes["seat"] = mirror.seat
        notes["known"] = next(
            (each for each in person.tokens if each.text == asked.fields["resumeToken"]), None
        )
        notes["other_first"] = person.replies.under_way("joinRoomGameSpace", "resumeRoomGameSpace")
    elif asked.kind == "validateRoomState":
        notes["at"] = (mirror.epoch, mirror.version)


def answered(
    person: "Person", asked: Asked, item: dict[str, Any], was: Before, sent_s: float
) -> None:
    """Judge `item`, the answer to `asked`."""
    if item["type"] == "error":
        _refused(person, asked, item, sent_s)
        return
    match item["type"]:
        case "roomGameSpaceJoined" | "roomGameSpaceResumed":
            _seated(person, asked, item, was)
        case "roomGameSpaceLeft":
            _left(person)
        case "ok" if not asked.is_copy:
            _done(person, asked)
        case "roomStateValidated":
            _validated(person, asked, item)
        case "pong":
            wrong_if(item.get("t") != asked.fields.get("t"), "a pong of another ping")


def _seated(person: "Person", asked: Asked, item: dict[str, Any], was: Before) -> None:
    if asked.kind == "resumeRoomGameSpace" and not asked.is_copy:
        _may_come_back(person, asked)
        if was.seat is Seat.AWAY and was.own is not None:
            _is_as_before(person, asked, was.own)
    elif asked.kind == "joinRoomGameSpace" and not asked.is_copy and was.seat is Seat.OUT:
        _is_as_asked(person, asked)
    person.gaps += 1
    person.is_unsure = False
    if asked.fields["roomId"] == item["roomId"]:
        for token in _tokens_of(person):
            token.switched |= token.room_id != item["roomId"]
        if not person.replies.under_way("joinRoomGameSpace", "leaveRoomGameSpace"):
            person.wants_out = False
    person.take_token(item)


def _is_as_asked(person: "Person", asked: Asked) -> None:
    """A new player looks as it wanted to."""
    mirror, fields = person.mirror, asked.fields
    if any(each.life < person.world.machine.lives for each in _tokens_of(person)):
        return  # it may sit there since a switch that the server did not outlive
    own, privacy = mirror.own, fields.get("privacy", {})
    hidden = privacy.get("hideUserId", False)
    user = fields.get("userId", f"guest-{mirror.socket_id}")
    wrong_if(own["userId"] == user if hidden else own["userId"] != user, f"not joined as {user}")
    at = None if privacy.get("hidePosition") else fields.get("position", {"x": 0, "y": 0})
    wrong_if(own["position"] != at, f"not joined at {at}")
    for name, default in (("displayName", None), ("attributes", {})):
        wanted = fields.get(name, default)
        wrong_if(own.get(name, default) != wanted, f"not joined with {name} {wanted}")


def _is_as_before(person: "Person", asked: Asked, own: dict[str, Any]) -> None:
    """Who comes back is as it was told to be, but for what it asked for and was not told of."""
    now, world = person.mirror.own, person.world
    same = asked.notes["known"] is asked.notes["token"] and not asked.notes["wants_out"]
    if not same or now["socketId"] != own["socketId"]:
        return
    if world.may_forget and asked.notes["known"].life != world.machine.lives:
        return
    wrong_if(now["userId"] != own["userId"], "somebody else came back")
    wrong_if(own["isReady"] and not now["isReady"], "came back, and is not ready any more")
    for name in ("displayName", "attributes"):
        changed = now.get(name) != own.get(name)
        wrong_if(
            changed and not person.asked_for(name, now.get(name)), f"came back without its {name}"
        )


def _tokens_of(person: "Person") -> list["Token"]:
    """Those of the session that it is now."""
    return [each for each in person.tokens if each.socket_id == person.mirror.socket_id]


def _may_come_back(person: "Person", asked: Asked) -> None:
    """A token that is void must not seat anybody."""
    token = asked.notes["known"]
    world = person.world
    if token is None or (token.life != world.machine.lives and world.may_forget):
        return
    wrong_if(token.spent, "resumed by the token of somebody who has left")
    # The room that it switched from hears of that later, and may not live to do so.
    same_life = token.life == world.machine.lives
    wrong_if(token.switched and same_life, "resumed in a room that it had switched from")
    newer = person.tokens[person.tokens.index(token) + 1 :] if token in person.tokens else []
    seat = (token.socket_id, token.room_id)
    voided = any(each.confirmed and (each.socket_id, each.room_id) == seat for each in newer)
    # That the newer one arrived is kept a little later, and a full disk may not have taken it.
    known = same_life or world.bad_weather_s < 0
    wrong_if(voided and known, "resumed by a token that a newer one had replaced")


def _left(person: "Person") -> None:
    for token in _tokens_of(person):
        token.spent = True
    person.wants_out = False


def _done(person: "Person", asked: Asked) -> None:
    mirror = person.mirror
    wrong_if(mirror.seat is not Seat.SEATED, f"{asked.kind} was done for somebody without a seat")
    if asked.kind == "sendRoomMessage":
        person.world.chronicle.said(mirror.room_id, mirror.socket_id, asked.fields["data"]["n"])
    if mirror.may_fall_behind:
        return
    if asked.kind == "ready":
        wrong_if(not mirror.own["isReady"], "`ok` for `ready`, and not ready")
    elif asked.kind == "updatePlayer":
        for name, value in asked.fields.items():
            wrong_if(mirror.own.get(name) != value, f"`ok` for an update, and {name} is not so")
    elif asked.kind == "sendRoomMessage":
        number = asked.fields["data"]["n"]
        heard = person.has_heard_itself(number) or person.gaps != asked.notes["gaps"]
        wrong_if(not heard, f"`ok` for message {number}, which its sender did not hear")


def _validated(person: "Person", asked: Asked, item: dict[str, Any]) -> None:
    at, said = asked.notes["at"], item["consistency"]
    if said["version"] - at[1] >= person.world.settings.history_events_max:
        return  # it may have forgotten
    lie = asked.notes.get("lie")
    if lie is not None:
        wrong_if(item["valid"], f"a wrong claim ({lie}) was found right")
        if said["epoch"] == at[0]:
            for name in ("missingPlayers", "unexpectedPlayers"):
                wrong_if(item[name] != lie.get(name, item[name]), f"a wrong {name} for {lie}")
    else:
        wrong_if(not item["valid"] and said["epoch"] == at[0], "a right client was found wrong")


def _refused(person: "Person", asked: Asked, item: dict[str, Any], sent_s: float) -> None:
    code, mirror, world = item["code"], person.mirror, person.world
    allowed = {*_REFUSALS[asked.kind], "rateLimited", "unavailable"}
    if code == "internal":
        world.internal_heard(is_copy=asked.is_copy)
        return
    wrong_if(code not in allowed, f"{asked.kind} was refused with {code}")
    if code == "notInRoom":
        elsewhere = asked.kind == "validateRoomState" and asked.fields["roomId"] != mirror.room_id
        wrong_if(
            mirror.seat is Seat.SEATED and not elsewhere, "notInRoom, for somebody who has a seat"
        )
    elif code == "resumeExpired" and not asked.is_copy:
        _may_be_gone(person, asked, sent_s)
    elif code == "badMessage" and asked.kind == "resumeRoomGameSpace":
        wrong_if(not asked.notes["other_first"], "a resume was refused as if it sat in a room")
    elif code == "roomFull":
        wrong_if(world.settings.players_max > 8 * len(world.people), "roomFull, for nobody")


def _may_be_gone(person: "Person", asked: Asked, sent_s: float) -> None:
    """A player whose client comes back in time is there."""
    token, notes, world = asked.notes["known"], asked.notes, person.world
    excused = (
        token is None
        or token.spent
        or token.switched
        or token is not notes["token"]
        or notes["wants_out"]
        or notes["seat"] is not Seat.AWAY
        or notes["other_first"]
        or world.settings.one_session_per_user
        or world.was_closed(token.room_id, notes["heard_s"])
        or world.was_forgotten(token.life)
        or world.away_too_long(notes["heard_s"], sent_s, SLACK_S)
    )
    if not excused:
        raise Wrong(
            f"resumeExpired for a player who was there {sent_s - notes['heard_s']:.3f} s before"
        )
