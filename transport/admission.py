"""Who may open a WebSocket here. PURE: headers and settings in, an HTTP status out.

Owns the rules of Host and Origin (against DNS rebinding and cross-site hijacking) and the counts
of connections. A browser always sends Origin; a handshake without it is no browser's.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from actors.settings import Settings

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 3986, 3.2.2, without userinfo and percent-encoding, which no browser sends in these headers.
_HOST: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|(?P<name>[A-Za-z0-9._~!$&'()*+;=-]+))(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The handshake is answered with `status` and the plain `text`; with 401 goes a `challenge`,
    with 429 maybe when to come back.
    """

    status: HTTPStatus
    text: str
    challenge: str | None = None
    retry_after_s: int | None = None


class Admission:
    """Counts open WebSockets, in all and by address; O(1) each, one entry per address."""

    def __init__(self, settings: Settings) -> None:
        self._settings: Final = settings
        self._by_address: dict[str, int] = {}
        self.open_count = 0
        self.draining = False

    def judge(
        self, host: str | None, origin: str | None, address: str, secure: bool
    ) -> Rejected | None:
        """None when the handshake may go on. `address` is what it counts for (forwarding.py)."""
        settings = self._settings
        if self.draining:
            return Rejected(HTTPStatus.SERVICE_UNAVAILABLE, "the server is draining")
        if not host_allowed(host, settings):
            return Rejected(HTTPStatus.FORBIDDEN, "Host: expected loopback or a configured host")
        if not origin_allowed(origin, host, secure, settings):
            return Rejected(HTTPStatus.FORBIDDEN, "Origin: expected this host or a configured one")
        if settings.connections_max and self.open_count >= settings.connections_max:
            return Rejected(HTTPStatus.SERVICE_UNAVAILABLE, "the server is full")
        most = settings.connections_per_ip_max
        if most and self._by_address.get(address, 0) >= most:
            text = "too many connections from this address"
            return Rejected(HTTPStatus.TOO_MANY_REQUESTS, text)
        return None

    def opened(self, address: str) -> None:
        self.open_count += 1
        self._by_address[address] = self._by_address.get(address, 0) + 1

    def closed(self, address: str) -> None:
        """Once for each `opened`."""
        self.open_count -= 1
        left = self._by_address[address] - 1
        if left:
            self._by_address[address] = left
        else:
            del self._by_address[address]


def host_allowed(host: str | None, settings: Settings) -> bool:
    """Loopback, `host`, or one of `allowed_hosts` (a name with or without its port; `*`: any)."""
    if host is None:
        return False
    allowed = {item.lower() for item in settings.allowed_hosts}
    if "*" in allowed or host.lower() in allowed:
        return True
    name = _split(host)[0]
    return name is not None and (
        name in allowed or name == settings.host.lower() or _is_loopback(name)
    )


def origin_allowed(origin: str | None, host: str | None, secure: bool, settings: Settings) -> bool:
    """No Origin, or one of `allowed_origins`; where none are configured: the same host and port
    as the request's, a loopback one, or `host`.
    """
    if origin is None:
        return True
    if settings.allowed_origins:
        return "*" in settings.allowed_origins or origin in settings.allowed_origins
    scheme, separator, rest = origin.partition("://")
    if not separator or scheme not in ("http", "https"):
        return False
    name, port = _split(rest)
    if name is None:
        return False
    if _is_loopback(name) or name == settings.host.lower():
        return True
    own_name, own_port = _split(host or "")
    if name != own_name:
        return False
    # Behind a proxy that ends TLS the page's scheme is not ours: no port on both sides is the same.
    own_default = _DEFAULT_PORTS["https" if secure else "http"]
    return port == own_port or (port or _DEFAULT_PORTS[scheme]) == (own_port or own_default)


def _split(host: str) -> tuple[str | None, int | None]:
    """(name in lower case without brackets, port), (None, None) where it is no host."""
    found = _HOST.fullmatch(host)
    if found is None or int(found["port"] or 0) > 65_535:
        return None, None
    name = found["v6"] or found["name"]
    return name.lower(), int(found["port"]) if found["port"] else None


@lru_cache(maxsize=64)  # a name is asked for by everybody who comes by it
def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
