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


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the server takes joins. `store` is `stalled` or `failing` where writes do not get
    through, which matters for joins only where they wait for it (`store_needed`).
    """

    draining: bool = False
    store: str | None = None
    store_needed: bool = False

    def answer(self) -> tuple[HTTPStatus, bytes]:
        """Status and body of `/readyz`."""
        store = f',"store":"{self.store}"' if self.store else ""
        if self.draining:
            return HTTPStatus.SERVICE_UNAVAILABLE, f'{{"status":"draining"{store}}}\n'.encode()
        if self.store and self.store_needed:
            return HTTPStatus.SERVICE_UNAVAILABLE, f'{{"status":"unavailable"{store}}}\n'.encode()
        return HTTPStatus.OK, f'{{"status":"ready"{store}}}\n'.encode()


def respond(
    method: str, path: str, readiness: Readiness, metrics: Callable[[], tuple[bytes, str]]
) -> HttpResponse:
    """The answer to a request for `path`, whose query string is ignored.

    `metrics` gives body and content type; it is called only when they are asked for.
    """
    status, content_type = HTTPStatus.OK, _JSON
    headers: tuple[tuple[str, str], ...] = _ALWAYS
    match path.partition("?")[0]:
        case "/healthz" | "/readyz" | "/metrics" if method not in _METHODS:
            status, body = HTTPStatus.METHOD_NOT_ALLOWED, b'{"error":"method not allowed"}\n'
            headers = (("Allow", ", ".join(_METHODS)), *_ALWAYS)
        case "/healthz":
            body = b'{"status":"ok"}\n'
        case "/readyz":
            status, body = readiness.answer()
        case "/metrics":
            body, content_type = metrics()
        case _:
            status, body = HTTPStatus.NOT_FOUND, b'{"error":"not found"}\n'
    shown = b"" if method == "HEAD" else body
    return HttpResponse(status, content_type, shown, len(body), headers)
