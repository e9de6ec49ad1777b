"""A recorded room, played again: the same inputs, readings and turns for a real RoomActor.

Owns the way back from a recording's document to messages. Stand-ins take the place of all that was
left out of it: names and attributes of the same size, positions at 0, outlets that take everything
and answer what was read of the real ones. What the room tells itself is dropped, since the
recording has it as an input where it was handled. Room, state, members and publication are the
product's own, and so is the encoder.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from actors import messages as m
from actors.checkpoint import Checkpoint
from actors.history import Claim
from actors.ids import RoomId, SocketId, UserId
from actors.members import Absent, Hearing, Member
from actors.outside import Census, Ports
from actors.players import LeaveReason
from actors.ports import Outlet
from actors.records import Stamp
from actors.recovery import Grace, summary_of
from actors.room import RoomActor
from actors.sealed_recordings import body_in
from actors.sealing import Seal
from actors.settings import Durability, Settings
from actors.story import fault_of
from tests.simulation.recording_ghosts import (
    Ghost,
    GhostClock,
    GhostLedger,
    GhostMailbox,
    GhostRecall,
    GhostRoom,
    GhostRoster,
    Silent,
    attributes_of,
    moderation_of,
    person_of,
    player_of,
    rules_of,
    text_of,
)
from tests.simulation.recording_words import error_line, words
from transport.encoding import WireEncoder

FORMAT: Final = 1
_NO_MESSAGE: Final = frozenset({"end", "moves", "found", "gone"})
Document = Mapping[str, Any]


class NotARecording(ValueError):
    """What was read is not a recording that can be played here."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out. `found` and `expected` are epoch, version, checksum, count and players, or
    empty if nothing was to play; the errors types and places. `lines` tell all in plain words.
    """

    same: bool
    inputs: int
    turns: int
    expected: Mapping[str, object]
    found: Mapping[str, object]
    expected_error: str | None
    raised: str | None
    lines: tuple[str, ...]
    room: RoomActor | None = None
    """The room as it is at the end."""

    def __str__(self) -> str:
        return "\n".join(self.lines)


def read(path: Path, seal: Seal | None = None) -> Document:
    """The recording in a file, sealed or not. Raises OSError or NotARecording."""
    try:
        return checked(json.loads(body_in(path, seal).decode()))
    except ValueError as error:
        raise NotARecording(f"{path}: {error}") from None


def checked(document: object) -> Document:
    """`document`, if it is a recording of this format. Raises NotARecording."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotARecording(f"not a recording of format {FORMAT}")
    return document


def replay(document: Document) -> Replayed:
    """Play it again. Raises NotARecording where it cannot be read."""
    document = checked(document)
    try:
        if document["base"] is None:
            return _nothing_to_play(document)
        return _Player(document).play()
    except (KeyError, TypeError, IndexError) as error:
        raise NotARecording(f"a part of it is missing or misshapen: {error!r}") from error


def _nothing_to_play(document: Document) -> Replayed:
    error = error_line(document["error"])
    lines = (
        f"room {document['roomId']}, {document['reason']}",
        f"nothing to play: the room raised {error} while it recovered from an earlier crash",
    )
    return Replayed(True, 0, 0, {}, {}, error, None, lines)


class _Player:
    """One replay, input by input."""

    def __init__(self, document: Document) -> None:
        self.document: Final = document
        self.steps: Final[Sequence[Document]] = document["inputs"]
        base = document["base"]
        self.clock: Final = GhostClock(base["at"], base["nowMs"])
        given = dict(document["settings"])
        given["durability"] = Durability(given["durability"])
        self.settings: Final = Settings(**given)
        self.roster: Final = GhostRoster()
        self.recall: Final = GhostRecall()
        ledger = GhostLedger(self.settings.durability, self.recall)
        silent = cast(Any, Silent())
        ports = Ports(
            self.clock,
            WireEncoder(self.settings.tick_ms),
            self.roster,
            silent,
            silent,
            Census(),
            ledger,
            self.settings,
        )
        self.room: Final = GhostRoom(RoomId(document["roomId"]), base["epoch"], ports, silent)
        self.mailbox: Final = cast(GhostMailbox, self.room.mailbox)
        self.inputs = 0
        self.turns = 0
        self.lines: list[str] = []
        self._seat(base)

    # -- the base

    def _seat(self, base: Document) -> None:
        """Put the room back where the base was taken."""
        room = self.room
        players = [player_of(one, base["nowMs"]) for one in base["players"]]
        room.state.restore(players, base["version"], ())
        for one in base["members"]:
            socket_id = SocketId(one["socketId"])
            outlet = Absent(socket_id) if one["absent"] else Ghost(socket_id)
            room.members[socket_id] = Member(
                outlet,
                person_of(one),
                Hearing(one["hearing"]),
                one["serial"],
                one["confirmed"],
                one["missedMoves"],
                one["owesToken"],
                None if one["stamp"] is None else Stamp(*one["stamp"]),
            )
        graces = [
            Grace(deadline_s, SocketId(name), self._outlet(name, present))
            for deadline_s, name, present in base["graces"]
        ]
        room._graces._queue = deque(graces) or None
        room.state.rules = rules_of(base)
        room._turning.checkpoint = Checkpoint.of(room.state)
        room._suspicion._asked, room._check_due, room._was_undone = base["checks"]
        self._say(f"room {self.document['roomId']}, {self.document['reason']}")
        self._say(
            f"begins in epoch {base['epoch']} at version {base['version']} with "
            f"{len(players)} players"
        )

    # -- playing

    def play(self) -> Replayed:
        raised: dict[str, object] | None = None
        for index, step in enumerate(self.steps):
            following = self.steps[index + 1] if index + 1 < len(self.steps) else {}
            self.roster.look(self.room, following.get("breaches", ()))
            message = None if step["do"] in _NO_MESSAGE else self._message(step)
            try:
                self._do(step, message)
            except Exception as error:  # noqa: BLE001  # what a room raises is what we look for
                raised = fault_of(error)
                self._say(f"turn {self.turns + 1}: raised {error_line(raised)} at {words(step)}")
                rest = [one for one in self.steps[index + 1 :] if one["do"] != "found"]
                if rest:
                    self._say(f"{len(rest)} recorded steps follow, which were not played")
                break
        return self._judge(raised)

    def _do(self, step: Document, message: object) -> None:
        room = self.room
        kind = step["do"]
        if kind == "found":
            return
        if kind == "gone":
            self._lose(step["socketIds"])
            return
        if kind == "moves":
            for name in step["socketIds"]:
                self._say(f"turn {self.turns + 1}: {name} moved")
                room.on_receive(m.Move(self._outlet(name, True), 0.0, 0.0))
            return
        if kind == "end":
            self._end(step)
            return
        self.clock.advance(step["at"])
        self.inputs += 1
        self._say(f"turn {self.turns + 1}, input {self.inputs}: {words(step)}")
        before = room.state.version
        try:
            room.on_receive(message)
        finally:
            if room.state.version != before:
                self._say(f"    version {room.state.version}, {len(room.state.players)} players")
        if room._postponed:
            room._postponed = False
            self._say("    it was put off here, and was not where it was recorded")

    def _end(self, step: Document) -> None:
        """The turn ends; what it says of the disk happens to it."""
        room, commit = self.room, step.get("commit")
        if self.mailbox.ticked:
            self.mailbox.ticked = False
            room.on_receive(m.Tick())
        room.on_turn_end()
        if commit == "undone":
            self.clock.advance(step["at"])
            self._committed(False)
        elif commit == "durable" or (commit is None and self.mailbox.is_paused()):
            self._committed(True)
        self.turns += 1
        told = {"undone": ", was undone", "pending": ", was not durable yet"}
        self._say(f"turn {self.turns} ended{told.get(str(commit), '')}: {self._where()}")

    def _committed(self, done: bool) -> None:
        self.mailbox.paused = False
        self.room.on_receive(m.Committed(done))

    def _judge(self, raised: dict[str, object] | None) -> Replayed:
        then = self.document["then"]
        expected = {name: then[name] for name in ("epoch", "version", "checksum", "count")}
        expected["players"] = sorted(map(tuple, then["players"]))
        found = _present(self.room)
        error, again = error_line(self.document["error"]), error_line(raised)
        if error is not None and again is None:
            self._say(f"did not raise; recorded was {error}")
        elif error != again:
            self._say(f"raised {again}; recorded was {error or 'no error'}")
        elif again is not None:
            self._say("the same error as recorded")
        differs = [name for name in expected if expected[name] != found[name]]
        for name in differs:
            self._say(f"differs in {name}: {found[name]}, recorded was {expected[name]}")
        same = not differs and error == again
        self._say(
            f"played {self.inputs} inputs in {self.turns} turns; at the end {self._where()}: "
            + ("the same as recorded" if same else "not as recorded")
        )
        lines = tuple(self.lines)
        return Replayed(
            same, self.inputs, self.turns, expected, found, error, again, lines, self.room
        )

    # -- messages

    def _message(self, step: Document) -> object:
        kind = step["do"]
        flags = frozenset(step.get("flags", ()))
        name = SocketId(step.get("socketId", ""))
        match kind:
            case "join":
                outlet = self._arriving(name, flags)
                profile = self._profile(step, flags)
                return m.Join(
                    outlet, self.room.room_id, profile, 0.0, _deadline(flags), step["serial"]
                )
            case "resume":
                outlet = self._arriving(name, flags)
                self.recall.answers = "admitted" in flags, "newest" in flags
                member = self.room.members.get(name)
                if member is not None and isinstance(member.outlet, Ghost):
                    member.outlet.heard = "heard" in flags
                return m.Resume(
                    outlet,
                    self.room.room_id,
                    name,
                    step["serial"],
                    step["epoch"],
                    step["version"],
                    0.0,
                    _deadline(flags),
                    self._profile(step, flags),
                )
            case "kick":
                return m.Kick(name, "")
            case "moderate":
                return moderation_of(step, self._outlet(name, "present" in flags), flags)
            case "check":
                return m.Check(Ghost(name), self.room.room_id, "", 0.0)
            case "graceEnded":
                return m.GraceEnded()
            case "selfCheck":
                return m.SelfCheck(step["again"])
            case "close":
                return m.Close()
        outlet = self._outlet(name, "present" in flags)
        match kind:
            case "ready":
                return m.Ready(outlet)
            case "update":
                size = step["attributes"]
                attributes = None if size is None else attributes_of(size)
                return m.Update(outlet, text_of(step["displayName"]), attributes)
            case "say":
                return m.Say(outlet, "", None)
            case "validate":
                return m.Validate(outlet, Claim(None, step["epoch"], step["version"]))
            case "describe":
                return m.Describe(outlet)
            case "leave":
                return m.Leave(outlet, LeaveReason(step["reason"]))
            case "lost":
                return m.Lost(outlet)
            case "move":
                return m.Move(outlet, 0.0, 0.0)
            case "heard":
                if isinstance(outlet, Ghost):
                    outlet.heard = "heard" in flags
                return m.Heard(outlet, step["serial"])
            case "drained":
                member = self.room.members.get(name)
                if member is not None and "behind" in flags:
                    member.hearing = Hearing.BEHIND
                return m.Drained(outlet)
        raise NotARecording(f"{kind!r} is no input")

    def _outlet(self, name: str, present: bool) -> Outlet:
        """The member's present outlet, or one that nobody knows."""
        member = self.room.members.get(SocketId(name))
        return member.outlet if present and member is not None else Ghost(SocketId(name))

    def _lose(self, names: Sequence[str]) -> None:
        outlets = (self._outlet(name, True) for name in names)
        for outlet in outlets:
            if isinstance(outlet, Ghost):
                outlet.alive = False

    def _arriving(self, name: SocketId, flags: frozenset[str]) -> Outlet:
        outlet = self._outlet(name, "present" in flags)
        if isinstance(outlet, Ghost):
            outlet.alive = "alive" in flags
            outlet.heard = "heard" in flags and "present" in flags
        return outlet

    @staticmethod
    def _profile(step: Document, flags: frozenset[str]) -> m.Profile:
        return m.Profile(
            UserId(step["userId"]),
            text_of(step.get("displayName")),
            0.0,
            0.0,
            attributes_of(step.get("attributes", 0)),
            "hides" in flags,
            person_of(step, flags),
        )

    # -- words

    def _say(self, line: str) -> None:
        self.lines.append(line)

    def _where(self) -> str:
        state = self.room.state
        return f"version {state.version}, checksum {state.checksum()}, {len(state.players)} players"


def _present(room: RoomActor) -> dict[str, object]:
    state = room.state
    return {
        **summary_of(state),
        "players": sorted(
            (player.socket_id, player.user_id, player.is_ready, player.connected)
            for player in state.players.values()
        ),
    }


def _deadline(flags: frozenset[str]) -> float:
    return float("-inf") if "late" in flags else float("inf")
