"""What every connection of a server shares: admission, deadlines, sessions, plain HTTP.

Owns the connections and the waits on them. Knows connections by the few methods of
`Guest`, so that the connection can know the door and not the other way round.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from actors.ports import Clock, Log
from actors.settings import Settings
from transport.admission import Admission, Rejected
from transport.arrivals import Arrivals
from transport.authentication import Authentication
from transport.deadlines import Deadlines
from transport.http import HttpResponse, Readiness, respond
from transport.identity import ANONYMOUS, Identity
from transport.known_requests import KnownRequests
from transport.link import CloseCode, Link
from transport.pacer import Pacer
from transport.session import Session

HEARTBEAT_GRAIN: Final = 0.02
"""The part of `heartbeat_s` within which heartbeats of many connections are done together."""


class Guest(Link, Protocol):
    """A connection, as the door sees it."""

    address: str
    heard_s: float
    session: Session | None

    def ping(self) -> None: ...
    def is_open(self) -> bool: ...
    def is_handshaking(self) -> bool: ...
    def progress(self) -> tuple[int, int]: ...
    def is_silent(self, since_s: float, then: tuple[int, int]) -> bool: ...
    def overdue_s(self, now_s: float) -> float: ...
    def lose(self) -> None: ...
    def abort(self) -> None: ...


class Door:
    """`new_session` makes the session of an open connection; `metrics` is the scrape's text;
    `store` says what is the matter with the store and whether joins wait for it; `sleep` blocks
    the thread, for whoever may (pacer.py); `authentication` is None where nobody is asked who he
    is.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        log: Log,
        new_session: Callable[[Link, Identity], Session],
        metrics: Callable[[], tuple[bytes, str]],
        store: Callable[[], tuple[str | None, bool]] = lambda: (None, False),
        sleep: Callable[[float], object] | None = None,
        authentication: Authentication | None = None,
    ) -> None:
        self.settings: Final = settings
        self.clock: Final = clock
        self.log: Final = log
        self.admission: Final = Admission(settings)
        self.arrivals: Final = Arrivals(settings, clock)
        self.known: Final = KnownRequests()
        self.pacer: Final = Pacer(clock, settings.pace_ms / 1000, sleep)
        self.guests: Final[dict[Guest, None]] = {}
        """In the order of their arrival: a drain sends them off in that, and not by chance."""
        self.on_emptied: Callable[[], object] = lambda: None
        """Called when the last one has left."""
        self._new_session: Final = new_session
        self._metrics: Final = metrics
        self._store: Final = store
        self._authentication: Final = authentication
        self._handshakes = Deadlines[Guest](clock, settings.handshake_timeout_s, self._shut_out)
        # Pings go out a little early and their answers are looked for a little late, in groups;
        # together never later than heartbeat_s + heartbeat_timeout_s.
        grain_s = settings.heartbeat_s * HEARTBEAT_GRAIN
        self._pings = Deadlines[Guest](
            clock, settings.heartbeat_s - 2 * grain_s, self._ping, grain_s
        )
        self._pongs = Deadlines[tuple[Guest, float, tuple[int, int]]](
            clock, settings.heartbeat_timeout_s, self._listen, grain_s
        )
        self._closings = Deadlines[Guest](clock, settings.close_timeout_s, self._cut)

    def arrived(self, guest: Guest) -> None:
        """A socket was accepted; it has `handshake_timeout_s` to say what it wants."""
        self.guests[guest] = None
        self.arrivals.wait_for(guest)
        self._handshakes.add(guest)

    def identify(self, authorization: Sequence[str]) -> Identity | Rejected:
        """Who comes with such headers."""
        if self._authentication is None:
            return ANONYMOUS
        return self._authentication.admit(authorization)

    def welcome(self, guest: Guest, identity: Identity) -> Session:
        """The handshake is done."""
        self.arrivals.done(guest)
        self.admission.opened(guest.address)
        self._pings.add(guest)
        return self._new_session(guest, identity)

    def closing(self, guest: Guest) -> None:
        """A close was sent; the peer has `close_timeout_s` to read it."""
        self._closings.add(guest)

    def left(self, guest: Guest, was_open: bool) -> None:
        """The socket is gone. `was_open`: it had been welcomed."""
        self.guests.pop(guest, None)
        self.arrivals.done(guest)
        if not self.guests:
            self.on_emptied()
        if was_open:
            self.admission.closed(guest.address)

    def respond(self, method: str, path: str) -> HttpResponse:
        readiness = Readiness(self.admission.draining, *self._store())
        return respond(method, path, readiness, self._metrics)

    def drain(self, wait_ms: Callable[[], int]) -> None:
        """Take nobody in, and send everybody off with a time of their own to come back."""
        self.admission.draining = True
        for guest in list(self.guests):
            if guest.session is not None and guest.is_open():
                guest.session.drain(wait_ms())
                guest.close(CloseCode.RESTART, "the server is draining")

    def stop(self) -> None:
        """Cut off whoever is still there."""
        for waits in (self._handshakes, self._pings, self._pongs, self._closings):
            waits.stop()
        if self._authentication is not None:
            self._authentication.stop()
        for guest in list(self.guests):
            guest.abort()

    # -- deadlines

    def _shut_out(self, guest: Guest) -> None:
        if guest.is_handshaking():
            guest.abort()

    def _ping(self, guest: Guest) -> None:
        if not guest.is_open():
            return
        now_s = self.clock.monotonic_s()
        if guest.overdue_s(now_s) > self.settings.message_timeout_s:
            guest.lose()
            return
        guest.ping()
        self._pongs.add((guest, now_s, guest.progress()))
        self._pings.add(guest)

    def _listen(self, pinged: tuple[Guest, float, tuple[int, int]]) -> None:
        """Anything since the ping is a sign of life."""
        guest, pinged_s, then = pinged
        if not guest.is_open() or not guest.is_silent(pinged_s, then):
            return
        session = guest.session
        self.log.info(
            "heartbeat_missed",
            socket_id=session.socket_id if session is not None else None,
            duration_ms=round((self.clock.monotonic_s() - guest.heard_s) * 1000),
        )
        guest.lose()

    def _cut(self, guest: Guest) -> None:
        guest.abort()
