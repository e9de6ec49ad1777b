"""One client of the simulated world: what it knows, what it does, and what it holds the server to.

Written from the protocol page alone. A person has one connection at a time that it believes in, and
may have left others behind. Every object that it hears goes through its mirror (the room), its
replies (the order of answers) and the chronicle (what others were told); what an answer means for
what was asked is judged in `promises.py`. Raises `Violation` at the first broken promise.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from tests.acceptance.held import Wrong
from tests.acceptance.mirror import Mirror, Seat, Violation
from tests.simulation import promises
from tests.simulation.declared import declared
from tests.simulation.network import LINK, Conditions
from tests.simulation.papers import Papers
from tests.simulation.process import HOST, PORT
from tests.simulation.replies import GARBAGE, Asked, Replies, is_answer
from tests.simulation.websocket import ClientSocket, some_form

if TYPE_CHECKING:
    from tests.simulation.world import World


UNREAD_BYTES: Final = 1024
"""So much its machine takes for somebody who does not read."""
_EFFECTS: Final = frozenset({"ready", "updatePlayer", "sendRoomMessage"})
"""Requests that must not be done twice."""
_SEATING: Final = ("joinRoomGameSpace", "leaveRoomGameSpace", "resumeRoomGameSpace")


@dataclass(slots=True)
class Token:
    """What a resume needs. `life` is the number of the process that gave it."""

    room_id: str
    text: str
    socket_id: str
    life: int
    connection: int
    proven_s: float = 0.0
    """Since when the server has had a frame on the connection that got it; 0: it has not yet."""
    spent_in: int = 0
    """The life of the server in which its owner was told that it left."""
    switched: bool = False
    """Its owner was told that it sits in another room."""


class Person:
    """`name` is theirs for the whole story."""

    def __init__(self, world: "World", name: str, seed: str) -> None:
        self.world: Final = world
        self.name: Final = name
        self.rng: Final = random.Random(seed)
        self._forms: Final = f"{seed}/forms"
        self.mirror: Final = Mirror(name)
        self.socket: ClientSocket | None = None
        self.replies = Replies()
        self.conditions: Conditions = LINK
        self.papers: Final = Papers(self, seed)
        self.tokens: list[Token] = []
        self.joined_at = (0, 0)
        """Epoch and version as it last joined."""
        self.heard_s = 0.0
        """When the newest thing that it heard on a seat was sent."""
        self.wants_out = False
        """It asked to leave, or for another room, and does not know what became of that."""
        self.is_unsure = False
        """What it sent may count as the proof of a token that never reached it."""
        self.rival = ""
        """Who it was over a connection left behind, whose frames may come after newer ones."""
        self.may_be_back = False
        """It asked to be brought back, and never heard what became of that."""
        self.is_unsettled = False
        """Something that changes how it appears was not done for certain."""
        self.last_move: tuple[float, float] | None = None
        """Where it must be in the end; None where it cannot know."""
        self.slow_s = 0.0
        """When its connection was begun, or became slow."""
        self.is_hindered = False
        """It may be slow to answer, or says things that end a connection."""
        self.gaps = 0
        """How often it may have missed room messages, as far as it knows."""
        self.frames = 0
        self.connections = 0
        self.life = 0
        """The number of the server's life from which it heard last."""
        self.number = 0
        self._said = 0
        self._last: Asked | None = None
        self._effect: Asked | None = None
        """The newest with an effect."""
        self._before: Asked | None = None
        """The newest request with an effect, on the connection before this one."""
        self._earlier: Asked | None = None
        """The same, where this connection goes on with the session of that one."""
        self.moved_s: tuple[tuple[str, int, int], float] | None = None
        """Where it last heard moves (room, epoch, connection), and when those were sent."""
        self._heard_of: dict[str, tuple[int, int]] = {}
        """Newest room message of each sender, and `gaps` at that moment."""

    # -- connections

    @property
    def is_connected(self) -> bool:
        """As far as it knows."""
        return self.socket is not None and self.socket.is_open

    @property
    def is_connecting(self) -> bool:
        """A connection of its was begun, and is not open yet."""
        return self.socket is not None and self.socket.is_connecting

    def connect(self, then: Callable[[], object] = lambda: None) -> None:
        """A new connection, beside the old one if that still is; `then` when it is open."""
        self.connections += 1
        self.is_unsure |= self.replies.may_have_proved()
        self.is_unsettled |= self.replies.under_way("ready", "updatePlayer")
        self.may_be_back |= self.replies.under_way("resumeRoomGameSpace")
        self.wants_out |= self.replies.leads_away(self.mirror.room_id)
        self.is_hindered = bool(self.conditions.bytes_per_s)
        self.last_move, self.slow_s = None, self.world.loop.time()
        self._before = self._effect or self._before
        self._effect = self._earlier = None
        old = self.socket
        if old is not None and not old.is_gone:
            self.world.left_behind.append(old)
            if self.replies.may_have_proved():
                self.rival = self.mirror.socket_id
        form = some_form(f"{self._forms}/{self.connections}")
        token, then = self.papers.introduce(then)
        socket = ClientSocket(
            self.rng, lambda item, sent_s: self._hear(socket, item, sent_s), then, form, token
        )
        socket.on_reset = lambda: self._was_reset(socket)
        socket.on_close = lambda code: self._was_closed(socket, code)
        self.socket = socket
        self.mirror.opened()
        self.replies = Replies()
        self._last = None
        self.world.begin(self._connect(socket))

    def _was_closed(self, socket: ClientSocket, code: int | None) -> None:
        if socket is self.socket and not promises.may_be_closed(self, code):
            self.world.broken(Violation(f"{self.name}: closed with {code}, for no reason"))

    def _was_reset(self, socket: ClientSocket) -> None:
        """Nobody resets the connection of somebody who does all that a client has to do."""
        self.world.was_reset(self.name, excused=self.is_hindered or socket is not self.socket)

    async def _connect(self, socket: ClientSocket) -> None:
        try:
            await self.world.loop.create_connection(
                lambda: socket,
                HOST,
                PORT,
                local_addr=(f"192.0.2.{self.name}", 0),
                conditions=self.conditions,
            )
        except ConnectionRefusedError:
            socket.is_gone, socket.is_connecting = True, False
        if socket is self.socket and socket.end is not None:
            socket.end.renew(self.conditions)  # they may have changed meanwhile

    def read(self, *, on: bool) -> None:
        """Read, or stop reading."""
        if self.socket is not None and self.socket.end is not None:
            if on:
                self.socket.end.renew(self.conditions)
                self.socket.end.resume_reading()
            else:
                self.is_hindered = True
                self.fall_behind()
                self.socket.end.pause_reading()
                self.socket.end.renew(replace(self.conditions, window_bytes=UNREAD_BYTES))

    def hang_up(self, *, abruptly: bool = False) -> None:
        """End its connection, by the closing handshake or by a reset."""
        if self.socket is not None and abruptly:
            self.socket.abort()
        elif self.socket is not None:
            self.socket.close()

    def forget(self) -> None:
        """Everything that it ever held or heard of."""
        self.socket, self.replies, self._last = None, Replies(), None
        self.tokens = []
        self._heard_of.clear()

    def fall_behind(self) -> None:
        """From now on it may be slower than what is sent to it."""
        if not self.mirror.may_fall_behind:
            self.mirror.may_fall_behind, self.slow_s = True, self.world.loop.time()

    def mute(self) -> None:
        """Answer no pings over this connection any more."""
        self.is_hindered = True
        if self.socket is not None:
            self.socket.answers_pings = False

    def calm_down(self) -> None:
        """Read everything, over a link that works; one that does not is given up."""
        socket = self.socket
        if socket is not None and socket.is_spoilt():
            socket.abort()
        self.change_link(LINK)
        self.read(on=True)

    def change_link(self, conditions: Conditions) -> None:
        """From now on its links are like this."""
        self.conditions = conditions
        self.is_hindered |= bool(conditions.bytes_per_s)
        if conditions.bytes_per_s or conditions.window_bytes < LINK.window_bytes:
            self.fall_behind()
        if self.socket is not None and self.socket.end is not None:
            unread = conditions.window_bytes
            if not self.socket.end.is_reading():
                unread = min(unread, UNREAD_BYTES)
            self.socket.end.renew(replace(conditions, window_bytes=unread))

    # -- saying

    def ask(
        self, kind: str, copies: int = 1, lie: dict[str, Any] | None = None, **fields: Any
    ) -> None:
        """Send a request; those that are answered have a number, moves not always. `lie` says
        what is wrong with a claim.
        """
        if not self.is_connected:
            return
        self.number += 1
        number: int | None = self.number
        if kind == "move" and self.rng.random() < 0.7:
            number = None
        asked = Asked(kind, number, fields)
        promises.before(self, asked)
        asked.notes["lie"] = lie
        for copy in range(copies):
            self._send(asked, is_copy=copy > 0)
        if kind != "move":
            self._last = asked
        elif self.mirror.seat is Seat.SEATED and not self.replies.under_way(*_SEATING):
            self.last_move = (fields["x"], fields["y"])
        else:
            self.last_move = None
        if kind in _SEATING[:2]:
            self._earlier = None
        if kind in _EFFECTS:
            self._earlier = None
            self._effect = asked if self.mirror.seat is Seat.SEATED else None

    def ask_again(self) -> None:
        """A copy of what it asked for on the connection before, or of its newest request."""
        asked, self._earlier = self._earlier or self._last, None
        if asked is not None and self.is_connected:
            self._send(asked, is_copy=True)

    def _send(self, asked: Asked, *, is_copy: bool) -> None:
        fields = {"type": asked.kind, **asked.fields}
        if asked.number is not None:
            fields["sequenceId"] = asked.number
        assert self.socket is not None
        if is_copy:
            self.mirror.copied.add(asked.number)
        self.replies.ask(Asked(asked.kind, asked.number, asked.fields, is_copy, asked.notes))
        self.world.tell(self, "says", fields)
        pieces = self.rng.choice([1, 1, 1, 1, 1, 2, 5])
        self.socket.send_text(orjson.dumps(fields), pieces=pieces)

    def say_garbage(self, text: bytes) -> None:
        """A text frame that is no request; it is refused."""
        if self.is_connected and self.socket is not None:
            self.is_hindered = True
            self.replies.ask(Asked(GARBAGE, None, {}))
            self.socket.send_text(text)

    # -- requests

    def join(self, room_id: str, copies: int = 1, **fields: Any) -> None:
        if self.mirror.seat is not Seat.OUT and self.is_connected:
            self.wants_out |= self.mirror.room_id != room_id or self.mirror.seat is Seat.AWAY
        self.ask("joinRoomGameSpace", copies, roomId=room_id, **fields)

    def leave(self) -> None:
        self.wants_out |= self.is_connected
        self.ask("leaveRoomGameSpace")

    def talk(self, size: int) -> None:
        self._said += 1
        self.ask("sendRoomMessage", event="e", data={"n": self._said, "pad": "x" * size})

    def resume(self, token: Token | None, copies: int = 1) -> None:
        """Ask to be brought back by `token`."""
        if token is None:
            return
        mirror = self.mirror
        mirror.claim(token.socket_id)
        known = (
            mirror.seat is Seat.AWAY
            and mirror.room_id == token.room_id
            and mirror.socket_id == token.socket_id
        )
        self.ask(
            "resumeRoomGameSpace",
            copies,
            roomId=token.room_id,
            resumeToken=token.text,
            epoch=mirror.epoch if known else 0,
            version=mirror.version if known else 0,
        )

    def newest_token(self) -> Token | None:
        """The one that may bring it back; None where it knows of none."""
        return self.tokens[-1] if self.tokens else None

    def sits_again(self, *, resumed: bool) -> None:
        """It was answered that it sits: as the session that it was (`resumed`), or anew."""
        self.last_move = None
        before, self._before = self._before, None
        if resumed and before is not None and before.notes["as"] == self.mirror.socket_id:
            notes = {**before.notes, "earlier": True}
            self._earlier = Asked(before.kind, before.number, before.fields, True, notes)
        else:
            self._earlier = self._effect = None

    def take_token(self, item: dict[str, Any]) -> None:
        """Keep the token of an answer, and some of those before."""
        socket_id, text = item["socketId"], item["resumeToken"]
        token = Token(item["roomId"], text, socket_id, self.life, self.connections)
        self.tokens = [*self.tokens[-7:], token]

    # -- hearing

    def _hear(self, socket: ClientSocket, item: Any, sent_s: float) -> None:
        self.frames += 1
        if socket is not self.socket:
            return  # it does not listen there any more
        try:
            item = self.mirror.read_compact(item) if isinstance(item, bytes) else item
            self.world.tell(self, "hears", item)
            self._take(item, sent_s)
        except Wrong as wrong:
            self.world.broken(Violation(f"{self.name}: {wrong}\n  at: {str(item)[:600]}"))
        except Violation as violation:
            self.world.broken(violation)

    def _take(self, item: dict[str, Any], sent_s: float) -> None:
        was_seated = self.mirror.seat
        self.life = self.world.life_of(sent_s)
        if item["type"] == "playerUpdated" and was_seated is Seat.SEATED:
            promises.updated(self, item)
        self.mirror.feed(item)
        declared(item, self.world.settings, self.world.court)
        self.papers.hear(item, sent_s)
        self.world.chronicle.note(item, sent_s, self.world.machine.began_s)
        kind = item["type"]
        if kind == "playersMoved":
            promises.moved(self, item, sent_s)
        elif kind == "roomClosed":
            promises.closed(self, item)
        elif kind == "roomMessage":
            self._heard_message(item)
        elif kind in ("roomState", "roomStateValidated") and "players" in item:
            # A whole state ends a slow reader's gap, whether or not it was asked for.
            asked_for = item.get("reason", "requested") == "requested"
            self.gaps += not asked_for or self.mirror.may_fall_behind
        if is_answer(item):
            asked = self.replies.settle(item)
            if asked is not None:
                token = asked.notes.get("token")
                if token is not None and token.connection == self.connections:
                    token.proven_s = token.proven_s or sent_s
                promises.answered(self, asked, item, was_seated, sent_s)
                asked.notes["answered_in"] = self.world.machine.lives
            else:
                self.last_move = None
        if self.mirror.seat is Seat.SEATED:
            self.heard_s = sent_s

    def _heard_message(self, item: dict[str, Any]) -> None:
        sender, number = item["from"], item["data"]["n"]
        before, gaps = self._heard_of.get(sender, (0, -1))
        if gaps == self.gaps and before:
            if number <= before:
                raise Wrong(f"message {number} of {sender} after its message {before}")
            for missing in range(before + 1, number):
                self.world.chronicle.unheard(item["roomId"], sender, missing)
        self._heard_of[sender] = (number, self.gaps)

    def has_heard_itself(self, number: int) -> bool:
        """Its own room message came back."""
        return self._heard_of.get(self.mirror.socket_id, (0, 0))[0] >= number
