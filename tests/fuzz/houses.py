"""A server with one caller on a held wire: a real door and connection, a scripted or real session.

Owns the rooms that real sessions speak to here: they answer at once, and canned. Each run has a
house of its own, so that an input is judged by itself.
"""

from dataclasses import dataclass, field
from typing import Any, Final, cast

from actors import messages as m
from actors.answers import Answer, Described, Done, Joined, Left, Permitted, Refused, Validated
from actors.errors import Forbidden, NotInRoom, ResumeExpired, RoomFull
from actors.history import Verdict
from actors.ids import SocketId
from actors.keys import derived
from actors.room_rules import BanUser
from actors.runtime import Mailbox
from actors.settings import Settings
from tests.transport.simulated import CountedMetrics, SimulatedClock, WrittenLog
from tests.transport.sockets import ScriptedSession, Wire
from tests.transport.stage import EMPTY
from transport.connection import Connection
from transport.door import Door
from transport.host import Host
from transport.identity import Identity
from transport.link import Link
from transport.phase import Phase
from transport.roster import SessionRoster
from transport.session import Session
from transport.shares import Shares

MESSAGE_BYTES_MAX: Final = 256
"""Small, so that small inputs reach it."""
_WAITS: Final[dict[str, Any]] = {
    "message_bytes_max": MESSAGE_BYTES_MAX,
    "outbox_bytes_max": 4096,
    "handshake_timeout_s": 5,
    "message_timeout_s": 5,
    "close_timeout_s": 5,
    "heartbeat_s": 3600,
    "heartbeat_timeout_s": 3600,
}
BOUNDLESS: Final = Settings(
    messages_per_s=1e6, messages_burst=1e6, joins_per_s=1e6, joins_burst=1e6, **_WAITS
)
STRICT: Final = Settings(
    messages_per_s=10, messages_burst=12, joins_per_s=1, joins_burst=2, backlog_frames_max=4,
    **_WAITS,
)  # fmt: skip
KEYS: Final = derived(b"k" * 32)
_CONSISTENCY: Final = b'"consistency":{}'


class Room:
    """In the place of every room: answers a little later, as rooms do."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock: Final = clock
        self._version = 0
        self.moves = 0

    def offer(self, message: Any) -> bool:
        self._clock.call_later(0, lambda: message.outlet.answer(self._answer(message)))
        return True

    def offer_lazily(self, message: Any) -> bool:
        self.moves += 1
        return True

    def tell(self, message: Any) -> None:
        """Nothing of that is answered by anybody who is still there."""

    def _answer(self, message: Any) -> Answer:
        self._version += 1
        match message:
            case m.Join(room_id="full"):
                return Refused(RoomFull("the room is full"))
            case m.Join():
                return Joined(EMPTY, self._version, message.first_serial)
            case m.Resume():
                return Refused(ResumeExpired("nobody was here"))
            case m.Say(event="rude"):
                return Refused(NotInRoom("no longer"))
            case m.Moderate(act=BanUser()):
                return Refused(Forbidden("a member"))
            case m.Check():
                return Permitted(message.outlet.grant)
            case m.Ready() | m.Update() | m.Say() | m.Moderate():
                return Done(self._version)
            case m.Describe():
                return Described(EMPTY)
            case m.Validate():
                return Validated(Verdict(True), _CONSISTENCY)
            case _:
                assert isinstance(message, m.Leave), message
                return Left(self._version)


@dataclass(slots=True)
class House:
    """One server, one caller. `scripted` is the session where it is no real one."""

    settings: Settings
    real: bool
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    log: WrittenLog = field(default_factory=WrittenLog)
    scripted: ScriptedSession | None = None
    wire: Wire = field(init=False)
    connection: Connection = field(init=False)
    door: Door = field(init=False)

    def __post_init__(self) -> None:
        self.door = Door(
            self.settings, self.clock, self.log, self._session, lambda: (b"up 1\n", "text/plain")
        )
        self.wire = Wire(self.clock, "192.0.2.1")
        self.connection = Connection(self.door)
        self.wire.connect(self.connection)

    def _session(self, link: Link, identity: Identity) -> Session:
        del identity
        if not self.real:
            self.scripted = ScriptedSession(link)
            return cast(Session, self.scripted)
        room = cast(Mailbox, Room(self.clock))
        host = Host(
            self.settings,
            self.clock,
            lambda: KEYS,
            lambda room_id: room,
            lambda room_id: room,
            SessionRoster(),
            self.log,
            CountedMetrics(),
            Shares(self.settings, self.clock),
        )
        return Session(host, link, SocketId("AAAA"))

    def hear(self, pieces: list[bytes]) -> None:
        """Let `pieces` arrive one after the other, with the loop coming round after each."""
        for piece in pieces:
            self.wire.arrive(piece)
            if self.real or len(piece) > 1:
                self.clock.advance(0)
            self._look()
        self.clock.advance(0)
        self._look()

    def _look(self) -> None:
        """What waits inside the connection is bounded, and nothing waits without a reason."""
        connection = self.connection
        if connection._phase is Phase.OPEN:
            assert len(connection._fragments or b"") <= MESSAGE_BYTES_MAX, "fragments pile up"
            buffered = connection._protocol.reader.buffer if connection._protocol else b""
            assert len(buffered) <= MESSAGE_BYTES_MAX + 14, "half a frame piles up"
        if connection.is_reading() and connection._phase is Phase.OPEN:
            assert not connection._unread, "bytes lie about"
        assert not self.wire.buffer, "a reader that keeps up is kept waiting"
