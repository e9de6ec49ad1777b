"""The server as its users run it: one process, its log lines, its end.

Owns the process: it is started here, ended here by its pid, and nothing else is. Knows the command
line, the log's shape and HTTP; it may not know the server's code and imports none of it.

    with running(resume_grace_s=0.5) as server: ...

Every setting `a_b` of the protocol page is passed as the flag `--a-b`. All waiting is for a
condition, with a deadline (`DEADLINE_S`) that only a failing test ever reaches.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.acceptance.canaries import keys_of, leaks_of

DEADLINE_S: Final = 60.0
STOP_S: Final = 60.0
SECRETS_MAX: Final = 300
"""So many resume tokens are looked for in a log; each look reads all of it."""
REPOSITORY: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = "transport.cli"
LEVELS: Final = frozenset({"debug", "info", "warn", "error"})
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
EVENT: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

Line: TypeAlias = dict[str, Any]

GENEROUS: Final[Mapping[str, Any]] = {
    "messages_per_s": 10_000,
    "messages_burst": 10_000,
    "joins_per_s": 1_000,
    "joins_burst": 1_000,
}
"""Rates that no test meets by accident; tests of the rates themselves start their own server."""


def flags(settings: Mapping[str, object]) -> list[str]:
    """The command line for `settings`: `True` is the bare flag, everything else takes a value."""
    words: list[str] = []
    for name, value in settings.items():
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


def command(*words: str, program: str = PROGRAM) -> list[str]:
    """The command line of `vaultmeet` with `words`, by the interpreter that runs the tests, and as
    it is installed. Another program, with a fault planted in the server, is found beside the tests.
    """
    return [sys.executable, *(["-P"] if program == PROGRAM else []), "-m", program, *words]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of the server, and with `extra`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VAULTMEET_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | dict(extra or {})


@dataclass
class Server:
    """A running server. `lines` are its log, complete up to what its pipe has given so far."""

    process: subprocess.Popen[str]
    data_dir: Path
    port: int = 0
    lines: list[Line] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    leaks: list[str] = field(default_factory=list)
    """Log lines, by their event, that have something secret in them."""
    tls: bool = False
    _grown: threading.Condition = field(default_factory=threading.Condition)
    _readers: list[threading.Thread] = field(default_factory=list)
    _ended: bool = False

    @property
    def address(self) -> str:
        """Host and port, as a `Host` header names them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where the room protocol is spoken."""
        return f"{'wss' if self.tls else 'ws'}://{self.address}/ws"

    def read_until_listening(self) -> None:
        """Start the readers and wait for `server_started`.

        Raises AssertionError with all output when the process ends or the deadline passes first.
        """
        for source, take in (
            (self.process.stdout, self._take_line),
            (self.process.stderr, self.complaints.append),
        ):
            assert source is not None
            reader = threading.Thread(target=self._read, args=(source, take), daemon=True)
            reader.start()
            self._readers.append(reader)
        started = self.wait_for_line(lambda line: line["event"] == "server_started")
        port = started.get("port", started.get("details", {}).get("port"))
        assert isinstance(port, int), f"no port in {started}"
        self.port = port

    def _read(self, source: Any, take: Callable[[str], None]) -> None:
        for text in source:
            with self._grown:
                take(text.rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    def _take_line(self, text: str) -> None:
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        self.leaks += [f"{text[:80]}…: {leak}" for leak in leaks_of(text)]
        if isinstance(line, dict) and isinstance(line.get("event"), str):
            self.lines.append(line)
        else:
            self.unreadable.append(text)

    def wait_for_line(self, wanted: Callable[[Line], bool], since: int = 0) -> Line:
        """The first log line from index `since` on that is `wanted`; blocks, so not on a loop."""
        found: list[Line] = []

        def look() -> bool:
            found.extend(line for line in self.lines[since:] if wanted(line))
            return bool(found) or self._ended

        with self._grown:
            self._grown.wait_for(look, DEADLINE_S)
        assert found, "the log line never came\n" + self.story()
        return found[0]

    def take_lines(self) -> list[Line]:
        """The log so far, which is forgotten with that: for servers that run for long."""
        with self._grown:
            taken, self.lines = self.lines, []
        return taken

    def signal(self, number: signal.Signals) -> None:
        """Send one signal to the process that was started here."""
        self.process.send_signal(number)

    def wait_for_exit(self) -> int:
        """The exit code; kills the process by its pid when it outlives `STOP_S`, and fails."""
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"alive {STOP_S} s after the signal\n{self.story()}") from None
        for reader in self._readers:
            reader.join(DEADLINE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return code

    def stop(self) -> int:
        """SIGTERM, wait, exit code. Harmless when it has ended already."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait_for_exit()

    def kill(self) -> None:
        """End it without a word, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait_for_exit()

    def resident_kib(self) -> int:
        """Memory of the process that is resident now, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmRSS"))

    def story(self) -> str:
        """The last of the log and everything on standard error, for a failing assertion."""
        last = "\n".join(json.dumps(line) for line in self.lines[-25:])
        return "\n".join(["log:", last, *self.unreadable[-5:], "stderr:", *self.complaints[-40:]])

    def log_text(self) -> str:
        """The whole log as one text, to look for what must not be in it."""
        return "\n".join([json.dumps(line, ensure_ascii=False) for line in self.lines])


def faults_of_log(server: Server, *, errors_expected: bool = False) -> list[str]:
    """What is wrong with the log of a server, in sentences; empty for a clean one (O1)."""
    faults = [f"not a JSON line: {text!r}" for text in server.unreadable]
    faults += [f"on standard error: {text!r}" for text in server.complaints]
    for line in server.lines:
        if line.get("level") not in LEVELS:
            faults.append(f"level: {line}")
        if not TIME.fullmatch(str(line.get("timestamp"))):
            faults.append(f"timestamp: {line}")
        if not EVENT.fullmatch(line["event"]):
            faults.append(f"event: {line}")
        if not isinstance(line.get("details", {}), dict):
            faults.append(f"details: {line}")
        if line.get("level") == "error" and not errors_expected:
            faults.append(f"an error: {line}")
    faults += [f"a secret in the log: {leak}" for leak in server.leaks]
    text = server.log_text()
    looked_for = sorted(server.secrets)[:SECRETS_MAX] + sorted(keys_of(server.data_dir))
    escaped = [json.dumps(secret, ensure_ascii=False)[1:-1] for secret in looked_for]
    faults += [f"a secret in the log: {secret[:12]}…" for secret in escaped if secret in text]
    return faults


@contextmanager
def running(
    *,
    errors_expected: bool = False,
    clean_end: bool = True,
    data_dir: Path | None = None,
    variables: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    program: str = PROGRAM,
    **settings: Any,
) -> Iterator[Server]:
    """Start a server on a free port, give it, end it, and hold its log to its rules.

    With `clean_end` it must end by SIGTERM with exit code 0 and a log without faults. A test that
    failed inside is not covered up by a second failure at the end. `program` is a module that does
    what the command does, and more.
    """
    with tempfile.TemporaryDirectory(prefix="vaultmeet-") as scratch:
        folder = data_dir or Path(scratch)
        fixed = {"port": 0, "log_format": "json", "data_dir": folder}
        process = subprocess.Popen(
            command("serve", *flags(fixed | settings), *arguments, program=program),
            cwd=REPOSITORY,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        server = Server(process, folder, tls="tls_cert_file" in settings)
        try:
            server.read_until_listening()
            yield server
            assert not server.leaks, server.leaks
            if clean_end:
                code = server.stop()
                assert code == 0, f"exit code {code}\n{server.story()}"
                faults = faults_of_log(server, errors_expected=errors_expected)
                assert not faults, "\n".join(faults[:20])
        finally:
            server.kill()


def wait_until(holds: Callable[[], bool], what: str, *, step_s: float = 0.02) -> None:
    """Look again and again until `holds`; for conditions of which nobody tells us. Blocks."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(step_s)
