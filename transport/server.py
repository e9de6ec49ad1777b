"""Listening: sockets, TLS, and the drain. Knows connections only through their door.

new -> listening -> draining -> stopped
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from actors.settings import Settings
from transport.connection import Connection
from transport.door import Door

BACKLOG: Final = 4096
"""Handshakes that the kernel holds for us; a storm of reconnects arrives faster than we accept."""


class Server:
    """One listening address, or several where `host` is a name with several."""

    def __init__(self, settings: Settings, door: Door) -> None:
        self._settings: Final = settings
        self._door: Final = door
        self._servers: list[asyncio.Server] = []
        self.port = settings.port

    async def listen(self, handles: int = 1) -> None:
        """Raises OSError where the address cannot be had, ssl.SSLError for a bad certificate.

        Each address is listened to through so many `handles` of one socket, for a loop that accepts
        one connection a round and handle.
        """
        loop = asyncio.get_running_loop()
        settings = self._settings
        others: dict[str, Any] = {"backlog": BACKLOG, **_tls(settings)}

        def connection() -> Connection:
            return Connection(self._door)

        server = await loop.create_server(connection, settings.host, settings.port, **others)
        self._servers.append(server)
        for listening in server.sockets:
            # Accepted sockets inherit it. The kernel's own buffer would otherwise grow to
            # megabytes in front of the outbox's bound.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.outbox_bytes_max)
            for _ in range(handles - 1):
                again = await loop.create_server(connection, sock=listening.dup(), **others)
                self._servers.append(again)
        self.port = server.sockets[0].getsockname()[1]

    async def drain(self, wait_ms: Callable[[], int], leave_s: float = 0.0) -> int:
        """Send everybody off; at most `drain_s`, less what is to be left of it for others. The
        number of connections cut off at its end.
        """
        emptied = asyncio.Event()
        self._door.on_emptied = emptied.set
        self._door.drain(wait_ms)
        if self._door.guests:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(emptied.wait(), self._settings.drain_s - leave_s)
        left = len(self._door.guests)
        self._door.stop()
        for server in self._servers:
            server.close()
        return left


def _tls(settings: Settings) -> dict[str, Any]:
    """The part of create_server's arguments that is about TLS; none without a certificate."""
    if not settings.tls_cert_file:
        return {}
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    return {
        "ssl": context,
        "ssl_handshake_timeout": settings.handshake_timeout_s,
        "ssl_shutdown_timeout": settings.close_timeout_s,
    }
