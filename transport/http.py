"""Plain HTTP on the WebSocket's port: health, readiness, metrics. PURE.

Owns which path answers what. Knows no socket; the caller writes the response and closes. The path
of the WebSocket is not handled here, since its handshake has answers of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

_JSON: Final = "application/json"
_METHODS: Final = ("GET", "HEAD")
# Nothing here is for a cache, and nothing for a browser to guess at.
_ALWAYS: Final = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response. `headers` hold neither Content-Type nor Content-Length, `all_headers` does.

    `body` is what is sent: empty for HEAD, while `content_length` is that of the same GET.
    """

    status: HTTPStatus
    content_type: str
    body: bytes
    content_length: int
    headers: tuple[tuple[str, str], ...]

    def all_headers(self) -> tuple[tuple[str, str], ...]:
        """Every header that is due, in order; whether the connection closes is the caller's."""
        return (
            ("Content-Type", self.content_type),
            ("Content-Length", str(self.content_length)),
            *self.headers,
        )


def respond(
    method: str, path: str, ready: bool, metrics: Callable[[], tuple[bytes, str]]
) -> HttpResponse:
    """The answer to a request for `path`, whose query string is ignored.

    `ready` is whether the server takes joins. `metrics` gives body and content type; it is called
    only when they are asked for.
    """
    status, content_type = HTTPStatus.OK, _JSON
    headers: tuple[tuple[str, str], ...] = _ALWAYS
    match path.partition("?")[0]:
        case "/healthz" | "/readyz" | "/metrics" if method not in _METHODS:
            status, body = HTTPStatus.METHOD_NOT_ALLOWED, b'{"error":"method not allowed"}\n'
            headers = (("Allow", ", ".join(_METHODS)), *_ALWAYS)
        case "/healthz":
            body = b'{"status":"ok"}\n'
        case "/readyz" if ready:
            body = b'{"status":"ready"}\n'
        case "/readyz":
            status, body = HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"draining"}\n'
        case "/metrics":
            body, content_type = metrics()
        case _:
            status, body = HTTPStatus.NOT_FOUND, b'{"error":"not found"}\n'
    shown = b"" if method == "HEAD" else body
    return HttpResponse(status, content_type, shown, len(body), headers)
