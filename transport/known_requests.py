"""Handshakes that were accepted before: the same bytes again, but for the key, need no parser.

Owns which requests are remembered, and which part of them may differ. Clients of one kind send the
same headers every time, and to parse and check them is most of what a handshake costs. Who may come
in is asked each time all the same (handshake.py); here it is only known what the request says.
"""

import re
from typing import Final, NamedTuple

from websockets.http11 import Request
from websockets.utils import accept_key

from actors.encoder import Form

KNOWN_MAX: Final = 256
"""So many requests are remembered; the one that was so first goes for a new one."""
KNOWN_BYTES_MAX: Final = 2048
"""Longer ones are not remembered."""
_OF_SOMEBODY: Final = ("Authorization", "Cookie", "X-Forwarded-For")
"""With one of these a request is one person's, and comes no second time from others."""
_DATE_CHARS: Final = 29
# 16 bytes in base64 in their only form (RFC 4648, 3.5): the last letter has but two bits.
_KEY: Final = re.compile(rb"\r\nsec-websocket-key: ([A-Za-z0-9+/]{21}[AQgw]==)\r\n", re.IGNORECASE)


class Known(NamedTuple):
    """What a request says, and what was answered, around the two parts that are others each time:
    what the key is answered with, and the date.
    """

    request: Request
    form: Form
    to_accept: bytes
    to_date: bytes
    rest: bytes

    def response(self, key: bytes, date: str) -> bytes:
        """The answer to the same request with this key."""
        accept = accept_key(key.decode()).encode()
        return b"".join((self.to_accept, accept, self.to_date, date.encode(), self.rest))


class KnownRequests:
    """At most KNOWN_MAX of at most KNOWN_BYTES_MAX. O(length) for each question."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: Final[dict[tuple[bytes, bytes], Known]] = {}

    def find(self, data: bytes) -> tuple[Known, bytes] | None:
        """What `data`, the first bytes of a connection, says, and its key; None where that is not
        known, or it is not one whole request.
        """
        if len(data) > KNOWN_BYTES_MAX:
            return None
        parts = _parts(data)
        if parts is None:
            return None
        before, key, behind = parts
        known = self._known.get((before, behind))
        return None if known is None else (known, key)

    def remember(self, data: bytes, request: Request, form: Form, response: bytes) -> None:
        """`data` is the whole `request`, which was accepted in `form` with `response`."""
        parts = _parts(data) if len(data) <= KNOWN_BYTES_MAX else None
        if parts is None or any(name in request.headers for name in _OF_SOMEBODY):
            return
        before, key, behind = parts
        to_accept, accept, behind_accept = response.partition(accept_key(key.decode()).encode())
        to_date, date, rest = behind_accept.partition(b"\r\nDate: ")
        if not (accept and date):
            return
        if len(self._known) >= KNOWN_MAX:
            del self._known[next(iter(self._known))]
        after = rest[_DATE_CHARS:]
        self._known[before, behind] = Known(request, form, to_accept, to_date + date, after)


def _parts(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """What is before the key, the key, what is behind; None where there is none."""
    found = _KEY.search(data)
    if found is None:
        return None
    return data[: found.start(1)], found[1], data[found.end(1) :]
