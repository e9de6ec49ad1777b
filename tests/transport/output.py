"""An output that tests can block, break and read, in place of a file descriptor."""

import json
from threading import Event
from typing import Any, Final

PATIENCE_S: Final = 60.0
"""How long a thread may take before the test fails instead of waiting on."""


class Output:
    """Keeps what is written; `gate` holds writers up, `failures` are raised one a write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.entered = Event()
        self.wrote = Event()
        self.gate = Event()
        self.gate.set()
        self.failures: list[OSError] = []
        self.bytes_a_write = 1 << 30

    def write(self, data: bytes) -> int:
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        if self.failures:
            raise self.failures.pop(0)
        self.writes.append(data[: self.bytes_a_write])
        self.wrote.set()
        return len(self.writes[-1])

    @property
    def text(self) -> bytes:
        """All that came out."""
        return b"".join(self.writes)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON of each line, ended by a line feed and nothing else."""
        assert self.text == b"" or self.text.endswith(b"\n")
        return [json.loads(line) for line in self.text.split(b"\n")[:-1]]
