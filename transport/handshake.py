"""The opening handshake, and plain HTTP on the same port, over websockets' parser.

Owns what a request on a fresh connection is answered with: the upgrade, a rejection, or a page.
Writes nothing itself: answers wait in the protocol for the connection to send them.
"""

import logging
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import Final, NamedTuple

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol
from websockets.streams import StreamReader
from websockets.typing import Subprotocol

from actors.encoder import Form
from actors.settings import Settings
from transport.admission import Rejected
from transport.door import Door, Guest
from transport.http import HttpResponse
from transport.identity import Identity

PATH: Final = "/ws"
SUBPROTOCOLS: Final = {
    Subprotocol("vaultmeet.v1"): Form.JSON,
    Subprotocol("vaultmeet.v1.compact"): Form.COMPACT,
}
BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""For what is no HTTP at all; websockets then only ends the stream."""
HEAD_BYTES_MAX: Final = 32_768
"""Of a request, with all its headers."""
_END: Final = b"\r\n\r\n"

# websockets logs each connection; those facts are told by our own log.
_logger = logging.getLogger("vaultmeet.websockets")
_logger.setLevel(logging.CRITICAL)


def new_protocol(settings: Settings) -> ServerProtocol:
    """The parser of a handshake; without extensions, so nothing is ever inflated."""
    return ServerProtocol(
        max_size=settings.message_bytes_max,
        select_subprotocol=_select_subprotocol,
        logger=_logger,
    )


def open_protocol(settings: Settings) -> Protocol:
    """The parser of an open WebSocket, without what the handshake's holds on to (2 KiB).

    It limits frames; what fragments add up to is the connection's to limit, since the parser would
    count a ping between two of them as a part of the message.
    """
    frame_bytes_max = (None, settings.message_bytes_max)
    return Protocol(Side.SERVER, state=State.OPEN, max_size=frame_bytes_max, logger=_logger)


class Opened(NamedTuple):
    """A handshake that is done: who came, in which form he wants moves, and what he is answered."""

    identity: Identity
    form: Form
    response: bytes


def between_frames(protocol: Protocol | None) -> bool:
    """Whether no frame is begun, as where there is no parser. The buffer does not tell: the parser
    takes a frame's head out of it before the rest has come. What it waits for does: between frames,
    for any byte at all.
    """
    if protocol is None:
        return True
    waiting: object = getattr(protocol.parser, "gi_yieldfrom", None)
    return getattr(waiting, "gi_code", None) is StreamReader.at_eof.__code__


class Preamble:
    """Where the request ends: frames behind it must wait for its answer. It may have HEAD_BYTES_MAX
    in all: websockets bounds each header and their number, which together are a megabyte.
    """

    __slots__ = ("_bytes", "_tail", "whole")

    def __init__(self) -> None:
        self._bytes = 0
        self._tail = b""
        self.whole = b""
        """The request, where it came in one piece."""

    def is_unused(self) -> bool:
        """Nothing of the request has come."""
        return self._bytes == 0

    def size(self, data: bytes, protocol: Protocol | None) -> int:
        """How much of `data`, the next bytes of the connection, belongs to the request. Where that
        is too long, its answer is left in `protocol`, which then takes no more for one.
        """
        self._bytes += len(data)
        if self._bytes > HEAD_BYTES_MAX and isinstance(protocol, ServerProtocol):
            protocol.send_response(protocol.reject(431, "the request is too long\n"))
            return len(data)
        probe = self._tail + data
        end = probe.find(_END)
        self._tail = probe[-3:]
        size = len(data) if end < 0 else end + len(_END) - (len(probe) - len(data))
        self.whole = data[:size] if self._bytes == len(data) and end >= 0 else b""
        return size


def answer(
    protocol: ServerProtocol,
    request: Request,
    door: Door,
    guest: Guest,
    secure: bool,
    whole: bytes,
) -> Opened | None:
    """Who came, and the answer, when the WebSocket is open now; else None, and the answer is left
    in `protocol`. `whole` is the request as it came, empty where it came in pieces. `guest` then
    counts for the address of its client, the peer's unless that is a trusted proxy.
    """
    try:
        request.headers.get("Host"), request.headers.get("Origin")
    except MultipleValuesError:  # a proxy may have gone by the other one (RFC 9112, 3.2)
        _send(protocol, protocol.reject(400, "Host, Origin: expected one\n"), door)
        return None
    if request.path.partition("?")[0] != PATH:
        protocol.send_response(_plain(door.respond(request.method, request.path)))
        return None
    admitted = _judge(request, door, guest, secure)
    if isinstance(admitted, Rejected):
        _reject(protocol, admitted, door)
        return None
    response = protocol.accept(request)
    _send(protocol, response, door)
    if response.status_code != 101:
        return None
    chosen = protocol.subprotocol
    form = Form.JSON if chosen is None else SUBPROTOCOLS[chosen]
    said = b"".join(protocol.data_to_send())
    door.known.remember(whole, request, form, said)
    return Opened(admitted, form, said)


def answer_known(
    data: bytes, door: Door, guest: Guest, secure: bool
) -> Opened | ServerProtocol | None:
    """As `answer` for `data`, the first bytes of a connection, where a parser needs not look at
    them again; None where it has to. Who may not come in now is told so by the protocol.
    """
    found = door.known.find(data)
    if found is None:
        return None
    known, key = found
    admitted = _judge(known.request, door, guest, secure)
    if isinstance(admitted, Rejected):
        protocol = new_protocol(door.settings)
        _reject(protocol, admitted, door)
        return protocol
    date = _http_date(door.clock.now_ms() // 1000)
    return Opened(admitted, known.form, known.response(key, date))


def _judge(request: Request, door: Door, guest: Guest, secure: bool) -> Identity | Rejected:
    headers = request.headers
    forwarded = headers.get_all("X-Forwarded-For")
    address = guest.address = door.arrivals.address_of(guest.address, forwarded)
    return (
        door.arrivals.judge(address)
        or door.admission.judge(headers.get("Host"), headers.get("Origin"), address, secure)
        or door.identify(headers.get_all("Authorization"))
    )


def _reject(protocol: ServerProtocol, rejected: Rejected, door: Door) -> None:
    status = int(rejected.status)
    door.log.info("handshake_refused", status=status, reason=rejected.text)
    response = protocol.reject(status, rejected.text + "\n")
    if rejected.challenge is not None:
        response.headers["WWW-Authenticate"] = rejected.challenge
    if rejected.retry_after_s is not None:
        response.headers["Retry-After"] = str(rejected.retry_after_s)
    _send(protocol, response, door)


def _send(protocol: ServerProtocol, response: Response, door: Door) -> None:
    """With the door's time: websockets reads a clock of its own."""
    del response.headers["Date"]
    response.headers["Date"] = _http_date(door.clock.now_ms() // 1000)
    protocol.send_response(response)


@lru_cache(maxsize=2)  # there are many handshakes in a second
def _http_date(seconds: int) -> str:
    """Unix seconds as RFC 9110, 5.6.7 has them."""
    return formatdate(seconds, usegmt=True)


def _select_subprotocol(
    protocol: ServerProtocol, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """The client's first choice of ours; it may do without any."""
    return next((each for each in offered if each in SUBPROTOCOLS), None)


def _plain(page: HttpResponse) -> Response:
    headers = Headers([*page.all_headers(), ("Connection", "close")])
    return Response(page.status, page.status.phrase, headers, page.body)
