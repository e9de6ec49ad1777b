"""A session between a link and rooms that tests play themselves: what it says, and to whom.

Owns the fakes on both sides of a session. A room is a `Letterbox`: the test takes a message out of
it and answers through the message's outlet, as a room would.
"""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from websockets.frames import Frame
from websockets.protocol import CLIENT, Protocol

from actors import messages as m
from actors.answers import Answer, Done, Joined, Left, Refused
from actors.encoder import Form
from actors.ids import RoomId, SocketId
from actors.keys import derived
from actors.runtime import Mailbox
from actors.settings import Settings
from tests.transport.simulated import CountedMetrics, SimulatedClock, WrittenLog
from transport.host import Host
from transport.link import CloseCode
from transport.roster import SessionRoster
from transport.seat import Seat
from transport.session import Session
from transport.shares import Shares

T = TypeVar("T")
Object = dict[str, Any]

KEYS: Final = derived(b"k" * 32)
EMPTY: Final = b'"players":[],"metadata":{},"consistency":{}'
"""A whole state, encoded as rooms hand it over."""
UNLIMITED: Final = {
    "messages_per_s": 1e6,
    "messages_burst": 1e6,
    "joins_per_s": 1e6,
    "joins_burst": 1e6,
}


def payloads(stream: bytes) -> list[bytes]:
    """The text messages in a server's stream of frames, as websockets' client reads them."""
    client = Protocol(CLIENT, max_size=None)
    client.receive_data(stream)
    assert client.parser_exc is None, client.parser_exc
    assert not client.reader.buffer, "half a frame"
    return [bytes(event.data) for event in client.events_received() if isinstance(event, Frame)]


def objects(stream: bytes) -> list[Object]:
    """The JSON objects in a server's stream, those of an array one by one."""
    found: list[Object] = []
    for payload in payloads(stream):
        value = json.loads(payload)
        found += value if isinstance(value, list) else [value]
    return found


class Letterbox:
    """In the place of a room's mailbox: keeps what is put into it, and apart from that the proofs
    that a token arrived.
    """

    def __init__(self) -> None:
        self.messages: list[object] = []
        self.proofs: list[object] = []
        self.is_full = False

    def offer(self, message: object) -> bool:
        if not self.is_full:
            self.messages.append(message)
        return not self.is_full

    def offer_lazily(self, message: object) -> bool:
        return self.offer(message)

    def tell(self, message: object) -> None:
        kept = self.proofs if isinstance(message, m.Heard) else self.messages
        kept.append(message)

    def take(self, kind: type[T]) -> T:
        """The one message that is there, which must be of this kind."""
        (message,) = self.messages
        self.messages.clear()
        assert isinstance(message, kind), message
        return message

    def take_all(self) -> list[object]:
        taken, self.messages = self.messages, []
        return taken


class WrittenLink:
    """The Link of a session, which writes down what goes through it."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock: Final = clock
        self.form = Form.JSON
        self.sent = b""
        self.states = 0
        """How many frames came as whole states."""
        self.closed: list[tuple[int, str]] = []
        self.is_held = False
        self.holds = 0
        self.takes_events = True
        self.takes_moves = True
        self.deferred: list[Callable[[], object]] = []

    def send(self, frame: bytes) -> None:
        assert not self.closed, "nothing is sent behind a close"
        self.sent += frame

    def send_state(self, *parts: bytes) -> None:
        self.states += 1
        self.send(b"".join(parts))

    def offer(self, frame: bytes) -> bool:
        if self.takes_events:
            self.send(frame)
        return self.takes_events

    def offer_moves(self, frame: bytes) -> bool:
        if self.takes_moves:
            self.send(frame)
        return self.takes_moves

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed.append((int(code), reason))

    def hold(self) -> None:
        self.is_held = True
        self.holds += 1

    def release(self) -> None:
        self.is_held = False

    def defer(self, call: Callable[[], object]) -> None:
        self.deferred.append(call)

    def call_later(self, delay_s: float, call: Callable[[], object]) -> None:
        self._clock.call_later(delay_s, call)

    def run_deferred(self) -> None:
        """What the connection does when the loop comes round to it."""
        while self.deferred:
            self.deferred.pop(0)()

    def take(self) -> list[Object]:
        """The objects sent since the last call."""
        sent, self.sent = self.sent, b""
        return objects(sent)


class Client:
    """A session and what its client sees."""

    def __init__(self, stage: "Stage", socket_id: str) -> None:
        self.stage: Final = stage
        self.link: Final = WrittenLink(stage.clock)
        self.session: Final = stage.new_session(self.link, SocketId(socket_id))

    @property
    def seat(self) -> Seat:
        """Where it sits."""
        seat = self.session.seat
        assert seat is not None
        return seat

    def send(self, kind: str, **fields: object) -> None:
        self.session.receive(json.dumps({"type": kind, **fields}).encode())

    def heard(self) -> list[Object]:
        return self.link.take()

    def heard_one(self) -> Object:
        (only,) = self.heard()
        return only

    def error(self) -> str:
        """The code of the one object heard, which must be an error."""
        heard = self.heard_one()
        assert heard["type"] == "error", heard
        return cast(str, heard["code"])

    def ask(self, kind: str, **fields: object) -> Object:
        """The one object that is heard when nobody but the session itself answers."""
        self.send(kind, **fields)
        return self.heard_one()

    def join(self, room: str, *, serial: int = 1, version: int = 1, **fields: object) -> Object:
        """Sit down in `room`, whose room says yes; the answer."""
        self.send("joinRoomGameSpace", roomId=room, **fields)
        self.stage.door(room).take(m.Join).outlet.answer(Joined(EMPTY, version, serial))
        self.link.run_deferred()
        return self.heard_one()

    def leave(self) -> None:
        """Leave the room, which says yes."""
        box = self.stage.room(self.seat.room_id)
        self.send("leaveRoomGameSpace")
        box.take(m.Leave).outlet.answer(Left(1))
        self.link.run_deferred()
        self.heard()

    def complete(self, answer: Answer, kind: type[m.Request] = m.Ready) -> list[Object]:
        """Let the client's room answer the request under way; what is heard then."""
        message = self.stage.room(self.seat.room_id).take(kind)
        message.outlet.answer(answer)
        self.link.run_deferred()
        return self.heard()


class Stage:
    """All that sessions of one server share, and the rooms behind them.

    A join is posted at a room's door (which may be the registry's), everything else to the room.
    """

    def __init__(self, **settings: Any) -> None:
        self.clock: Final = SimulatedClock()
        self.log: Final = WrittenLog()
        self.metrics: Final = CountedMetrics()
        self.roster: Final = SessionRoster()
        self._doors: dict[str, Letterbox] = {}
        self._rooms: dict[str, Letterbox] = {}
        self.settings: Final = Settings(**{**UNLIMITED, **settings})
        self.host: Final = Host(
            self.settings,
            self.clock,
            lambda: KEYS,
            lambda room_id: cast(Mailbox, self.door(room_id)),
            lambda room_id: cast(Mailbox, self.room(room_id)),
            self.roster,
            self.log,
            self.metrics,
            Shares(self.settings, self.clock),
        )

    def new_session(self, link: WrittenLink, socket_id: SocketId) -> Session:
        return Session(self.host, link, socket_id)

    def client(self, socket_id: str = "AAAA") -> Client:
        return Client(self, socket_id)

    def seated(self, room: str, socket_id: str = "AAAA", **fields: Any) -> Client:
        """A client that sits in `room` already."""
        client = self.client(socket_id)
        client.join(room, **fields)
        return client

    def door(self, room: str) -> Letterbox:
        return self._doors.setdefault(room, Letterbox())

    def room(self, room: str) -> Letterbox:
        return self._rooms.setdefault(room, Letterbox())

    def claims(self, room: str) -> list[str]:
        """The sessions that believe themselves in `room`."""
        return [outlet.socket_id for outlet in self.roster.claims(RoomId(room)) or ()]


def done(version: int = 1) -> Done:
    """The room's yes."""
    return Done(version)


def refused(refusal: Exception) -> Refused:
    """The room's no."""
    return Refused(cast(Any, refusal))
