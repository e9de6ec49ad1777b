"""The mirror itself, on frames written by hand: it accepts what is right and finds what is not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.acceptance.frames import Object, checksum_line, checksum_of
from tests.acceptance.mirror import Mirror, Seat, Violation

NOW = "2026-01-02T03:04:05.678Z"
EPOCH = 1_700_000_000_000


def player(socket_id: str, user_id: str = "", **fields: Any) -> Object:
    """A whole `PlayerInfo`."""
    return {
        "socketId": socket_id,
        "userId": user_id or "user-" + socket_id,
        "position": {"x": 0, "y": 0},
        "attributes": {},
        "joinedAt": NOW,
        "lastSeen": NOW,
        "isReady": False,
        "connected": True,
    } | fields


def consistency(version: int, players: list[Object], **fields: Any) -> Object:
    """A `consistency` that fits `players`."""
    lines = {
        p["socketId"]: checksum_line(p["socketId"], p["userId"], p["isReady"], p["connected"])
        for p in players
    }
    said = {"epoch": EPOCH, "version": version, "checksum": checksum_of(lines)}
    return said | {"lastValidated": NOW} | fields


def metadata(players: list[Object]) -> Object:
    """A room's metadata that fits `players`."""
    return {
        "createdAt": NOW,
        "lastActivity": NOW,
        "playerCount": len(players),
        "isActive": any(p["connected"] for p in players),
        "maxPlayers": 1000,
        "tickMs": 50,
    }


def welcome(socket_id: str = "AAAA") -> Object:
    """The first frame."""
    return {"type": "welcome", "socketId": socket_id, "serverTime": NOW}


def state(kind: str, version: int, players: list[Object], own: str = "AAAA", **more: Any) -> Object:
    """A whole state of the room `hall`."""
    fields: Object = {"type": kind, "roomId": "hall", "socketId": own}
    if kind == "roomGameSpaceJoined":
        fields |= {"resumeToken": "secret", "resumeGraceMs": 30_000}
    held = {
        "players": copy.deepcopy(players),
        "metadata": metadata(players),
        "consistency": consistency(version, players),
    }
    return fields | held | more


def event(kind: str, version: int, told: list[Object], after: list[Object], **more: Any) -> Object:
    """A versioned event of the room `hall` that leads to the players `after`."""
    fields = {
        "type": kind,
        "roomId": "hall",
        "players": copy.deepcopy(told),
        "metadata": metadata(after),
        "consistency": consistency(version, after),
    }
    return fields | more


A, B, C = player("AAAA"), player("BBBB"), player("CCCC")


def seated(*others: Object, version: int = 7) -> Mirror:
    """A mirror of AAAA in the room `hall` at `version`."""
    mirror = Mirror("tester")
    mirror.opened()
    mirror.feed([welcome(), state("roomGameSpaceJoined", version, [A, *others])])
    return mirror


def fails(mirror: Mirror, frame: object, why: str) -> None:
    """Feed a frame that must be found wrong, for a reason in which `why` stands."""
    with pytest.raises(Violation) as found:
        mirror.feed(frame)
    assert why in str(found.value)


@pytest.mark.rule("G3.2")
def test_the_published_checksum_vectors_hold() -> None:
    """Both vectors of the protocol page, and the empty room."""
    ann = checksum_line("AAAA", "ann", is_ready=False, connected=True)
    zoe = checksum_line("BBBB", "zoë", is_ready=True, connected=False)
    assert checksum_of({"AAAA": ann}) == "6a5028f9"
    assert checksum_of({"BBBB": zoe, "AAAA": ann}) == "d138a372"
    assert checksum_of({}) == "00000000"


def test_a_right_history_is_followed() -> None:
    """Join, ready, update, loss, return, move, message, leave: the mirror ends where it should."""
    mirror = seated()
    ready = B | {"isReady": True}
    named = ready | {"displayName": "Bea"}
    lost = named | {"connected": False}
    mirror.feed(
        [
            event("playerJoinedRoom", 9, [B, C], [A, B, C]),
            event("playerReady", 10, [B], [A, ready, C]),
            event("playerUpdated", 11, [named], [A, named, C]),
        ]
    )
    mirror.feed(event("playerConnectionChanged", 12, [lost], [A, lost, C]))
    gone = {"socketId": "CCCC", "userId": C["userId"], "reason": "left"}
    mirror.feed(event("playerLeftRoom", 13, [gone], [A, lost]))
    mirror.feed(event("playerConnectionChanged", 14, [named], [A, named]))
    mirror.feed(
        {"type": "playersMoved", "roomId": "hall", "epoch": EPOCH, "moves": [["BBBB", 1.5, 2]]}
    )
    mirror.feed(
        {"type": "roomMessage", "roomId": "hall", "from": "BBBB", "event": "hi", "data": None}
    )
    assert mirror.version == 14
    assert mirror.position("BBBB") == (1.5, 2)
    assert mirror.view()["BBBB"][1:4] == ("Bea", True, True)
    assert mirror.events_seen == 6


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (event("playerJoinedRoom", 8, [B, C], [A, B, C]), "an event of 2 players"),
        (event("playerJoinedRoom", 9, [C], [A, B, C]), "an event of 1 players"),
        (event("playerJoinedRoom", 7, [C], [A, B, C]), "an event of 1 players"),
        (event("playerJoinedRoom", 8, [B], [A, B]), "joined twice"),
        (event("playerJoinedRoom", 8, [A], [A, B]), "its own joining"),
        (event("playerJoinedRoom", 8, [C], [A, C]), "playerCount"),
        (event("playerReady", 8, [C], [A, B]), "somebody unknown"),
        (event("playerLeftRoom", 8, [C | {"reason": "left"}], [A, B]), "somebody unknown"),
        (event("playerLeftRoom", 8, [B], [A]), "no known reason"),
        (event("playerUpdated", 8, [C], [A, B]), "somebody unknown"),
        (event("playerConnectionChanged", 8, [C], [A, B]), "somebody unknown"),
        (event("playerConnectionChanged", 8, [B], [A, B]), "did not change"),
        (event("playerReady", 8, [B], [A, B]), "the checksum"),
        (event("playerReady", 8, [B], [A, B], roomId="yard"), "outside of"),
        (event("playerUpdated", 8, [B | {"isReady": True}], [A, B]), "changed `isReady`"),
        (event("playerUpdated", 8, [B | {"userId": "eve"}], [A, B]), "another user"),
        (event("playerReady", 8, [], [A, B]), "about nobody"),
        (state("roomGameSpaceJoined", 6, [A, B]), "the version went back"),
        (state("roomGameSpaceJoined", 7, [A]), "differ"),
        (state("roomGameSpaceJoined", 8, [B]), "not in its own room"),
        (state("roomGameSpaceJoined", 8, [A, B, B]), "twice"),
        (state("roomGameSpaceJoined", 8, [A, B], own="BBBB"), "somebody else"),
        (state("roomState", 8, [A, B]), "no known reason"),
        (state("roomState", 8, [A, B], reason="roomRecovered"), "higher epoch"),
        ({"type": "playersMoved", "roomId": "hall", "epoch": EPOCH, "moves": [["X", 1, 2]]}, "X"),
        ({"type": "playersMoved", "roomId": "hall", "epoch": 3, "moves": [["B", 1, 2]]}, "epoch"),
        ({"type": "roomMessage", "roomId": "hall", "from": "X", "event": "", "data": 1}, "unknown"),
        ({"type": "ok", "replyTo": 1, "version": 8}, "before the event"),
        ({"type": "error", "code": "oops", "message": "m", "retryable": True}, "code"),
        (welcome(), "second `welcome`"),
        ({"type": "surprise"}, "does not know"),
        ([], "not an object"),
        (["x"], "not an object"),
    ],
)
def test_a_broken_promise_is_found(frame: object, why: str) -> None:
    """Each frame breaks one promise to a client that is seated with BBBB at version 7."""
    fails(seated(B), frame, why)


def test_a_move_of_somebody_hidden_is_found() -> None:
    """Who hides has a null position and no moves."""
    mirror = seated(B | {"position": None})
    move = {"type": "playersMoved", "roomId": "hall", "epoch": EPOCH, "moves": [["BBBB", 1, 2]]}
    fails(mirror, move, "who hides")


def test_another_epoch_is_found_in_an_event_and_taken_from_a_whole_state() -> None:
    """Versions compare within one epoch only."""
    mirror = seated(B)
    late = event("playerReady", 8, [B], [A, B | {"isReady": True}])
    late["consistency"]["epoch"] = EPOCH + 1
    fails(mirror, late, "another epoch")
    mirror = seated(B)
    recovered = state("roomState", 2, [A], reason="roomRecovered")
    recovered["consistency"]["epoch"] = EPOCH + 1
    mirror.feed(recovered)
    assert (mirror.epoch, mirror.version, list(mirror.players)) == (EPOCH + 1, 2, ["AAAA"])


def test_nothing_may_come_before_the_snapshot_or_after_leaving() -> None:
    """Events of a room are for the seated alone."""
    mirror = Mirror()
    mirror.opened()
    mirror.feed(welcome())
    fails(mirror, event("playerJoinedRoom", 8, [B], [A, B]), "for a client that is out")
    mirror = seated(B)
    mirror.feed({"type": "roomGameSpaceLeft", "roomId": "hall"})
    assert mirror.seat is Seat.OUT
    fails(mirror, event("playerReady", 8, [B], [A, B]), "for a client that is out")


def test_nothing_may_come_before_the_welcome() -> None:
    """The first frame of a connection is `welcome`."""
    mirror = Mirror()
    mirror.opened()
    fails(mirror, {"type": "pong", "t": 1, "serverTime": NOW}, "before `welcome`")


def test_a_resume_is_replayed_to_the_consistency_given() -> None:
    """What was missed is checked step by step, positions are taken, the session's id is kept."""
    lost = A | {"connected": False}
    missed = [
        event("playerConnectionChanged", 8, [lost], [lost, B]),
        event("playerJoinedRoom", 9, [C], [lost, B, C]),
        event("playerConnectionChanged", 10, [A], [A, B, C]),
    ]
    resumed = {
        "type": "roomGameSpaceResumed",
        "roomId": "hall",
        "socketId": "AAAA",
        "consistency": consistency(10, [A, B, C]),
        "missed": missed,
        "positions": [["CCCC", 5, 6]],
        "resumeToken": "next",
    }
    mirror = seated(B)
    mirror.opened()
    mirror.feed([welcome("ZZZZ"), resumed])
    assert (mirror.version, mirror.socket_id, mirror.position("CCCC")) == (10, "AAAA", (5, 6))
    for change, why in (
        ({"missed": missed[:2]}, "leads to"),
        ({"missed": missed[1:]}, "an event of 1 players"),
        ({"socketId": "ZZZZ"}, "somebody else"),
        ({"positions": [["DDDD", 1, 1]]}, "who is unknown"),
        ({"roomId": "yard"}, "what was not lost"),
    ):
        mirror = seated(B)
        mirror.opened()
        mirror.feed(welcome("ZZZZ"))
        fails(mirror, resumed | change, why)


def test_a_snapshot_replaces_and_is_never_merged() -> None:
    """Who is not in the snapshot is gone."""
    mirror = seated(B, C)
    mirror.feed(state("roomState", 9, [A, C], reason="slowConsumer"))
    assert list(mirror.players) == ["AAAA", "CCCC"]


def test_a_healing_answer_replaces_what_was_held() -> None:
    """A validation that is not valid brings the whole list; a valid one brings none."""
    answer = {
        "type": "roomStateValidated",
        "roomId": "hall",
        "valid": False,
        "missingPlayers": ["CCCC"],
        "unexpectedPlayers": [],
        "consistency": consistency(8, [A, B, C]),
        "players": copy.deepcopy([A, B, C]),
    }
    mirror = seated(B)
    mirror.feed(answer)
    assert mirror.version == 8
    fails(seated(B), answer | {"valid": True}, "`players` belongs")
