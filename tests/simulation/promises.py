"""What an answer means for what was asked: the promises that a client can hold the server to.

Written from the protocol page alone. `before` notes what is needed for that when a request is sent,
`answered` judges the answer. Raises `Wrong`.
"""

from typing import TYPE_CHECKING, Any, Final

from actors.settings import Durability
from actors.timers import LATENESS
from tests.acceptance.held import Wrong, wrong_if
from tests.acceptance.mirror import Seat
from tests.simulation import moderation
from tests.simulation.replies import ACTS, GARBAGE, Asked

if TYPE_CHECKING:
    from tests.simulation.person import Person, Token

UNLIMITED: Final = 1e6
"""So many messages in a second are as many as one likes."""
BAD_WEATHER_S: Final = 10.0
"""So long after it the end of a grace may still wait for the disk or the processor."""
LATE_S: Final = 2.0
"""A grace may end so much late."""
REMEMBERED: Final = 256
"""So many numbers of a session are remembered."""
SLACK_S: Final = 0.1
"""An answer so long before the end of a grace must be a yes."""
_REFUSALS: Final = {
    "joinRoomGameSpace": {"roomFull", "roomClosed", "unavailable"},
    "resumeRoomGameSpace": {"resumeExpired", "roomClosed", "unavailable", "badMessage"},
    "ready": {"notInRoom", "roomClosed"},
    "updatePlayer": {"notInRoom", "roomClosed"},
    "sendRoomMessage": {"notInRoom", "roomClosed"},
    "validateRoomState": {"notInRoom", "roomClosed"},
    "requestRoomState": {"notInRoom", "roomClosed"},
    "leaveRoomGameSpace": {"notInRoom", "roomClosed"},
    "move": {"notInRoom", "roomClosed"},
    "ping": set(),
    "checkRoomPermission": {"roomClosed"},
    "authenticate": set(),
    **{kind: {"notInRoom", "roomClosed", "forbidden", "badMessage"} for kind in ACTS},
    GARBAGE: {"badMessage", "unsupportedType"},
}
"""Beside `unavailable` (a room with too much to do), where the rates have limits `rateLimited`, and
where a room failed `internal`."""


_RETRYABLE: Final = frozenset(
    {"rateLimited", "unavailable", "roomFull", "roomClosed", "unauthenticated"}
)
"""What may be otherwise a little later."""


def before(person: "Person", asked: Asked) -> None:
    """Note what the answer will be held against."""
    mirror, notes = person.mirror, asked.notes
    notes["token"] = person.newest_token()
    notes["room"], notes["as"] = mirror.room_id, mirror.socket_id
    notes["asked_s"] = person.world.loop.time()
    if asked.kind in ("joinRoomGameSpace", "resumeRoomGameSpace"):
        room_id = asked.fields["roomId"]
        user_id = person.papers.user or asked.fields.get("userId")
        way = person.name, person.connections
        person.world.chronicle.comes(room_id, mirror.socket_id, user_id, way)
    if asked.kind == "resumeRoomGameSpace":
        notes["heard_s"] = person.heard_s
        notes["wants_out"] = person.wants_out or person.is_unsure
        notes["seat"] = mirror.seat
        notes["known"] = next(
            (each for each in person.tokens if each.text == asked.fields["resumeToken"]), None
        )
        notes["other_first"] = person.replies.under_way("joinRoomGameSpace", "resumeRoomGameSpace")
        notes["own"] = dict(mirror.own) if mirror.seat is Seat.AWAY else None
        notes["unsettled"] = person.is_unsettled
        notes["other_return"] = person.may_be_back or notes["other_first"]
    elif asked.kind == "validateRoomState":
        notes["at"] = (mirror.epoch, mirror.version)


def may_be_closed(person: "Person", code: int | None) -> bool:
    """Whether the server had a reason to close a connection that its client believed in."""
    world = person.world
    patience_s = world.settings.slow_reader_s
    excused = {
        1000: True,  # by the client itself
        1003: True,  # some send binary frames
        1008: person.is_hindered or world.settings.messages_per_s < 1000,
        1011: world.fuse.burnt > 0,
        1012: world.deaths > 0,
        1013: person.mirror.may_fall_behind and world.loop.time() >= person.slow_s + patience_s,
        4401: person.papers.may_be_closed(),
        4503: code == 4503 and moderation.may_be_closed(person),
        # An earlier connection of its own may have asked to be brought back, and be heard later.
        4509: world.settings.one_session_per_user or person.connections > 1,
    }
    return excused.get(code or 1000, False)


def updated(person: "Person", item: dict[str, Any]) -> None:
    """Nobody here takes the name that it has: what changes nothing was not asked for."""
    for player in item["players"]:
        known = person.mirror.players.get(player["socketId"], {})
        same = all(known.get(name) == player.get(name) for name in ("displayName", "attributes"))
        wrong_if(known and same, f"an update of {player['socketId']} that changes nothing")


def moved(person: "Person", item: dict[str, Any], sent_s: float) -> None:
    """No room says moves much more often than once a tick."""
    settings = person.world.settings
    where = (item["roomId"], item["epoch"], person.connections)
    before, person.moved_s = person.moved_s, (where, sent_s)
    if before is None or before[0] != where or person.mirror.may_fall_behind:
        return
    # A turn that commits first is told when it is durable, and the next tick is no later for that.
    court = person.world.court
    commits = sent_s < court.may_commit_until_s(item["roomId"], settings.commit_timeout_s)
    if not (settings.durability is Durability.JOURNAL or commits):
        early_s = before[1] + (1 - LATENESS) * settings.tick_ms / 1000 - sent_s
        wrong_if(early_s > 1e-6, f"moves {early_s:.3f} s before their tick")


def closed(person: "Person", item: dict[str, Any]) -> None:
    """Its room kept failing; or it failed while this one was about to go."""
    world = person.world
    going = person.wants_out or world.settings.one_session_per_user
    allowed = world.was_closed(item["roomId"], 0.0) or (going and world.fuse.burnt > 0)
    wrong_if(not allowed, "roomClosed, and the room did not keep failing")


def answered(
    person: "Person", asked: Asked, item: dict[str, Any], was: Seat, sent_s: float
) -> None:
    """Judge `item`, the answer to `asked`; `was` is where the client sat before it came."""
    world = person.world
    if item["type"] == "error":
        _refused(person, asked, item, sent_s)
        return
    match item["type"]:
        case "roomGameSpaceJoined" | "roomGameSpaceResumed":
            if asked.kind == "joinRoomGameSpace" and not asked.is_copy and was is not Seat.SEATED:
                user_id = person.papers.user or asked.fields.get("userId")
                world.court.seated(item["roomId"], user_id, sent_s)
            _seated(person, asked, item, was)
            rests = not asked.is_copy and world.rests(
                item["roomId"], asked.notes["asked_s"], sent_s
            )
            wrong_if(rests, "seated in a room that rests")
        case "roomGameSpaceLeft":
            _left(person, item)
        case "ok" if not asked.is_copy:
            _done(person, asked, item)
            if asked.kind in ACTS:
                world.court.answered(asked.notes["room"], asked, sent_s)
        case "roomStateValidated":
            _validated(person, asked, item)
        case "authenticated":
            wrong_if(asked.notes.get("lie"), "authenticated by another user's token")
        case "pong":
            wrong_if(item.get("t") != asked.fields.get("t"), "a pong of another ping")


def _seated(person: "Person", asked: Asked, item: dict[str, Any], was: Seat) -> None:
    wrong_if(person.papers.names_another(asked), "seated in the name of another user")
    if asked.kind == "resumeRoomGameSpace" and not asked.is_copy:
        wrong_if(asked.notes["lie"], "seated by a token that nobody gave it")
        _may_come_back(person, asked)
        _is_as_before(person, asked)
        _missed_all(person, asked, item)
    elif asked.kind == "joinRoomGameSpace" and not asked.is_copy and was is Seat.OUT:
        _is_as_asked(person, asked)
    person.gaps += 1
    person.is_unsettled = person.may_be_back = False
    person.is_unsure = person.rival == item["socketId"]
    if asked.kind == "joinRoomGameSpace":
        person.joined_at = person.mirror.epoch, person.mirror.version
    person.sits_again(resumed=asked.kind == "resumeRoomGameSpace")
    if asked.fields["roomId"] == item["roomId"]:
        known = asked.notes.get("known")
        forgotten = known is not None and known.life != person.life  # then nobody has switched
        for token in _tokens_of(person):
            token.switched |= token.room_id != item["roomId"] and not forgotten
        if not person.replies.under_way("joinRoomGameSpace", "leaveRoomGameSpace"):
            person.wants_out = False
    person.take_token(item)


def _is_as_asked(person: "Person", asked: Asked) -> None:
    """A new player looks as it wanted to."""
    mirror, fields = person.mirror, asked.fields
    if any(each.life < person.life for each in _tokens_of(person)):
        return  # it may sit there since a switch that the server did not outlive
    own, privacy = mirror.own, fields.get("privacy", {})
    hidden = privacy.get("hideUserId", False)
    user = person.papers.user or fields.get("userId", f"guest-{mirror.socket_id}")
    wrong_if(own["userId"] == user if hidden else own["userId"] != user, f"not joined as {user}")
    if hidden:
        person.world.chronicle.hides(mirror.room_id, user, own["userId"])
    at = None if privacy.get("hidePosition") else fields.get("position", {"x": 0, "y": 0})
    wrong_if(own["position"] != at, f"not joined at {at}")
    for name, default in (("displayName", None), ("attributes", {})):
        wanted = fields.get(name, default)
        wrong_if(own.get(name, default) != wanted, f"not joined with {name} {wanted}")


def _tokens_of(person: "Person") -> list["Token"]:
    """Those of the session that it is now."""
    return [each for each in person.tokens if each.socket_id == person.mirror.socket_id]


def _may_come_back(person: "Person", asked: Asked) -> None:
    """A token that is void must not seat anybody."""
    token = asked.notes["known"]
    world = person.world
    if token is None:
        return
    began_s, grace_s = world.machine.began_s, world.settings.resume_grace_s
    late = asked.notes["asked_s"] > began_s + grace_s + LATE_S
    unheard = asked.notes["other_return"] or asked.notes["wants_out"]
    seen = any(each.life == person.life for each in _tokens_of(person))
    # A room that failed as a grace ended begins that grace anew, and an end waits for the disk.
    hindered_s = max(world.bad_weather_s, world.froze_s) + BAD_WEATHER_S
    could_end = not world.fuse.burnt and asked.notes["asked_s"] > hindered_s
    too_late = late and not seen and not unheard and could_end
    wrong_if(too_late, "came back to a server that had waited for its grace")
    left_now = token.spent_in == person.life
    wrong_if(left_now, "resumed by the token of somebody who has left since the server's start")
    if token.life != person.life and world.may_forget:
        return
    wrong_if(token.spent_in, "resumed by the token of somebody who has left")
    # The room that it switched from hears of that later, and may not live to do so.
    same_life = token.life == person.life
    stays = token.switched and same_life and not world.fuse.burnt
    wrong_if(stays, "resumed in a room that it had switched from")
    newer = person.tokens[person.tokens.index(token) + 1 :] if token in person.tokens else []
    seat = (token.socket_id, token.room_id)
    proven_s = [each.proven_s for each in newer if (each.socket_id, each.room_id) == seat]
    known = any(map(world.kept, proven_s)) or (same_life and any(proven_s))
    wrong_if(known, "resumed by a token that a newer one had replaced")


def _is_as_before(person: "Person", asked: Asked) -> None:
    """Whoever comes back is who it was, and as it was told that it is."""
    token, notes, world = asked.notes["known"], asked.notes, person.world
    before, own = notes["own"], person.mirror.own
    if token is None or before is None or before["socketId"] != own["socketId"]:
        return
    if token.room_id != asked.notes["room"]:
        return
    forgetful = token.life != person.life and world.may_forget
    if forgetful and token is not notes["token"]:
        return  # it may tell of an earlier stay in the room, and the store of no later one
    wrong_if(own["userId"] != before["userId"], "came back as another user")
    hid, hides = before["position"] is None, own["position"] is None
    wrong_if(hid != hides, "came back with a position that was hidden, or without one")
    if notes["unsettled"] or forgetful:
        return
    for name in ("displayName", "attributes", "isReady", "joinedAt"):
        wrong_if(own.get(name) != before.get(name), f"came back with another {name}")


def _missed_all(person: "Person", asked: Asked, item: dict[str, Any]) -> None:
    """What was missed is told as it was, its own return last, unless it is forgotten."""
    said = item["consistency"]
    if item["type"] == "roomGameSpaceResumed":
        early = any(
            event["type"] == "playerConnectionChanged"
            and any(each["socketId"] == item["socketId"] and each["connected"] for each in players)
            for event in item["missed"][:-1]
            for players in [event["players"]]
        )
        wrong_if(
            early and not asked.notes["other_return"],
            "resumed, and its own return is not the last that it missed",
        )
        placed = item["socketId"] in {move[0] for move in item["positions"]}
        shown = person.mirror.own["position"] is not None
        wrong_if(placed != shown, "resumed without its position, or with a hidden one")
        return
    same_epoch = said["epoch"] == asked.fields["epoch"]
    missed_count = said["version"] - asked.fields["version"]
    remembered = 0 <= missed_count < person.world.settings.history_events_max
    wrong_if(same_epoch and remembered, f"the whole state, for {missed_count} missed versions")


def _left(person: "Person", item: dict[str, Any]) -> None:
    for token in _tokens_of(person):
        if token.room_id == item["roomId"]:  # those of others were switched from
            token.spent_in = token.spent_in or person.life
    if not person.replies.under_way("joinRoomGameSpace", "leaveRoomGameSpace"):
        person.wants_out = False


def _done(person: "Person", asked: Asked, item: dict[str, Any]) -> None:
    mirror = person.mirror
    wrong_if(mirror.seat is not Seat.SEATED, f"{asked.kind} was done for somebody without a seat")
    if asked.kind == "sendRoomMessage":
        person.world.chronicle.said(mirror.room_id, mirror.socket_id, asked.fields["data"]["n"])
    if mirror.may_fall_behind:
        person.is_unsettled |= asked.kind in ("ready", "updatePlayer")  # its event may not come
        return
    at = item["version"]
    wrong_if(at != mirror.version, f"`ok` as of version {at}, where {mirror.version} was told")
    if asked.kind == "ready":
        wrong_if(not mirror.own["isReady"], "`ok` for `ready`, and not ready")
    elif asked.kind == "updatePlayer":
        for name, value in asked.fields.items():
            wrong_if(mirror.own.get(name) != value, f"`ok` for an update, and {name} is not so")
    elif asked.kind == "sendRoomMessage":
        number = asked.fields["data"]["n"]
        heard = person.has_heard_itself(number)
        wrong_if(not heard, f"`ok` for message {number}, which its sender did not hear")


def _validated(person: "Person", asked: Asked, item: dict[str, Any]) -> None:
    at, said = asked.notes["at"], item["consistency"]
    lie = asked.notes.get("lie")
    wrong_if(lie is not None and item["valid"], f"a wrong claim ({lie}) was found right")
    if said["version"] - at[1] >= person.world.settings.history_events_max:
        return  # it may have forgotten
    if at[0] == person.joined_at[0] and at[1] < person.joined_at[1]:
        return  # nobody may have been there meanwhile, and then it has
    if lie is not None:
        if said["epoch"] == at[0]:
            for name in ("missingPlayers", "unexpectedPlayers"):
                wrong_if(item[name] != lie.get(name, item[name]), f"a wrong {name} for {lie}")
    else:
        wrong_if(not item["valid"] and said["epoch"] == at[0], "a right client was found wrong")
        wrong_if(item["valid"] and said["epoch"] != at[0], "valid, for a client of another epoch")


def _refused(person: "Person", asked: Asked, item: dict[str, Any], sent_s: float) -> None:
    code, mirror, world = item["code"], person.mirror, person.world
    if asked.kind == "move":
        person.last_move = None
        coalesced = code == "rateLimited" and mirror.seat is Seat.SEATED
        wrong_if(coalesced, "a move was refused for its haste")
    allowed = {*_REFUSALS[asked.kind], "unavailable"} | person.papers.excuses(asked)
    if world.settings.messages_per_s < UNLIMITED:
        allowed.add("rateLimited")
    may_be_lost = "earlier" in asked.notes and asked.notes.get("answered_in") != person.life
    if may_be_lost or person.number - (asked.number or person.number) >= REMEMBERED:
        allowed.add("staleSequence")
    if asked.kind == "joinRoomGameSpace" and world.court.may_be_barred(
        asked.fields["roomId"], person.papers.user or asked.fields.get("userId")
    ):
        world.court.kept_out += code == "forbidden"
        allowed.add("forbidden")
    if code == "internal":
        world.internal_heard(is_copy=asked.is_copy)
        return
    wrong_if(code not in allowed, f"{asked.kind} was refused with {code}")
    again = code in _RETRYABLE
    wrong_if(item["retryable"] is not again, f"{code}, and retryable is {item['retryable']}")
    person.is_unsettled |= code == "unavailable"
    if code == "unavailable" and world.settings.durability is Durability.MEMORY:
        late = world.loop.time() - world.froze_s < world.settings.join_timeout_s
        wrong_if(not late and world.fuse.burnt == 0, f"{asked.kind} had to wait, for nothing")
    if code == "notInRoom" and "earlier" not in asked.notes:
        elsewhere = asked.kind == "validateRoomState" and asked.fields["roomId"] != mirror.room_id
        wrong_if(
            mirror.seat is Seat.SEATED and not elsewhere, "notInRoom, for somebody who has a seat"
        )
    elif code == "resumeExpired" and not asked.is_copy:
        _may_be_gone(person, asked, sent_s)
    elif code == "badMessage" and asked.kind == "resumeRoomGameSpace":
        wrong_if(not asked.notes["other_first"], "a resume was refused as if it sat in a room")
    elif code == "roomFull":
        most = min([world.settings.players_max, *world.court.sizes.get(asked.fields["roomId"], ())])
        wrong_if(most > 8 * len(world.people), "roomFull, for nobody")


def _may_be_gone(person: "Person", asked: Asked, sent_s: float) -> None:
    """A player whose client comes back in time is there."""
    token, notes, world = asked.notes["known"], asked.notes, person.world
    excused = (
        token is None
        or notes["lie"]
        or token.spent_in
        or token.switched
        or token is not notes["token"]
        or notes["wants_out"]
        or notes["seat"] is not Seat.AWAY
        or notes["other_first"]
        or (
            world.settings.one_session_per_user
            and world.chronicle.may_be_replaced(token.room_id, person.name)
        )
        or world.was_closed(token.room_id, notes["heard_s"])
        or world.court.may_be_out(
            token.room_id, token.socket_id, notes["own"] and notes["own"]["userId"]
        )
        or world.was_forgotten(token.life, person.life)
        or world.away_too_long(notes["heard_s"], sent_s, SLACK_S)
    )
    if not excused:
        raise Wrong(
            f"resumeExpired for a player who was there {sent_s - notes['heard_s']:.3f} s before"
        )
