"""One data folder and the servers that run on it, one after the other.

Owns how a server ends here and what holds of each that has ended: a killed one leaves a log without
faults so far, a stopped one exits with 0. Knows the command line and the metrics; of the store only
what operators see of it. Clients follow from one server to the next by `follow`.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.acceptance.client import JOINED, Client, expect, resume_of
from tests.acceptance.frames import Object
from tests.acceptance.rawsocket import metrics, until_metrics
from tests.acceptance.server import (
    DEADLINE_S,
    GENEROUS,
    REPOSITORY,
    Server,
    command,
    environment,
    faults_of_log,
    flags,
    running,
)

KILL: Final = signal.SIGKILL
TERM: Final = signal.SIGTERM
UNLIMITED: Final = resource.RLIM_INFINITY
MOVED_TO: Final = (17.25, -3.5)
"""Where `Place.saved` has clients move to."""


class Place:
    """A data folder. `server` is the one that runs on it now, or ran last."""

    def __init__(self, stack: ExitStack, data_dir: Path, settings: dict[str, Any]) -> None:
        self.data_dir = data_dir
        self.server: Server
        self._stack = stack
        self._settings = settings

    def start(self, *, errors_expected: bool = False, **settings: Any) -> Server:
        """Start the next server; `settings` are for this one only."""
        chosen = {**GENEROUS, **self._settings, **settings}
        self._errors_expected = errors_expected
        self.server = self._stack.enter_context(
            running(data_dir=self.data_dir, clean_end=False, **chosen)
        )
        return self.server

    async def end(self, how: signal.Signals, code: int | None = None) -> None:
        """End the server and hold it to its exit code: 0, unless another is expected or it is
        killed.
        """
        server = self.server
        server.signal(how)
        ended = await asyncio.to_thread(server.wait_for_exit)
        assert ended == (-how if how == KILL else code or 0), server.story()
        faults = faults_of_log(server, errors_expected=self._errors_expected)
        assert not faults, "\n".join(faults[:20])

    async def restart(self, how: signal.Signals, **settings: Any) -> Server:
        """End the server, and start the next at once."""
        await self.end(how)
        return self.start(**settings)

    async def flushed(self) -> None:
        """Wait until nothing waits for the disk, in the store or the audit."""
        await until_metrics(
            self.server,
            lambda m: (
                m["vaultmeet_store_rooms_waiting"] == 0
                and m.get("vaultmeet_audit_entries_waiting", 0) == 0
            ),
        )

    async def saved(self, *clients: Client) -> None:
        """Have each client move, one a room, and wait until the positions are on the disk."""
        await self.flushed()
        before = (await metrics(self.server))["vaultmeet_store_records_total"]
        for client in clients:
            await client.tell("move", x=MOVED_TO[0], y=MOVED_TO[1])
            await client.ping()
        await until_metrics(
            self.server,
            lambda m: (
                m["vaultmeet_store_records_total"] >= before + len(clients)
                and m["vaultmeet_store_rooms_waiting"] == 0
            ),
        )

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The server does nothing meanwhile, and never hears of it."""
        self.server.signal(signal.SIGSTOP)
        yield

    def limit_files(self, size: int) -> None:
        """Let no file of the server grow beyond `size` bytes: to it, the disk is full."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(self.server.process.pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def place(data_dir: Path, **settings: Any) -> Iterator[Place]:
    """A folder for servers with `settings`. One that still runs at the end must end cleanly."""
    with ExitStack() as stack:
        here = Place(stack, data_dir, settings)
        yield here
        if here.server.process.poll() is None:
            code = here.server.stop()
            assert code == 0, f"exit code {code}\n{here.server.story()}"


def attempt(data_dir: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to refuse, and wait for its end."""
    fixed = {"port": 0, "log_format": "json", "data_dir": data_dir}
    return subprocess.run(
        command("serve", *flags(fixed | settings)),
        cwd=REPOSITORY,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


async def follow(server: Server, clients: Sequence[Client]) -> list[Object]:
    """All clients resume on another server at one moment; their answers."""
    for client in clients:
        client.server = server
    return list(await asyncio.gather(*[client.reconnect() for client in clients]))


async def come_back(server: Server, clients: Sequence[Client]) -> list[Object]:
    """All clients resume one after the other, each as who it was; their answers."""
    answers = []
    for client in clients:
        own, epoch = client.mirror.socket_id, client.mirror.epoch
        (answer,) = await follow(server, [client])
        expect(answer, JOINED)
        assert answer["socketId"] == own
        assert answer["consistency"]["epoch"] > epoch
        answers.append(answer)
    return answers


async def try_token(server: Server, seat: Object) -> Object:
    """The answer to a resume with the token of an earlier answer, asked by a newcomer."""
    newcomer = Client(server, "newcomer")
    await newcomer.open()
    request = resume_of(seat)
    answer = await newcomer.ask(request.pop("type"), **request)
    await newcomer.close()
    return answer


def lasting(player: Object) -> Object:
    """What of a player outlives a restart: all but its connection, and when it was last seen."""
    return {k: v for k, v in player.items() if k not in ("connected", "lastSeen")}


def listed(folder: Path) -> dict[str, bytes]:
    """Everything below `folder`, files with their bytes. Where a running server replaces a file
    between the look and the opening, it is left out.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            found[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else b""
    return found
