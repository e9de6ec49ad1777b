"""What our server says of itself under `/metrics`, read over loopback, as numbers by name.

Owns the request and the reading of the text; the arithmetic on the numbers is the caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from benchmarks.figures import per_unit

COMMITS: Final = "vaultmeet_store_commit_seconds_count"
COMMIT_SECONDS: Final = "vaultmeet_store_commit_seconds_sum"
RECORDS: Final = "vaultmeet_store_records_total"
SCRAPE_S_MAX: Final = 10.0
_SCRAPE_BYTES_MAX: Final = 4 * 1_048_576


class ScrapeFailed(Exception):
    """The server did not give its metrics."""


def values_in(text: str) -> dict[str, float]:
    """The samples without labels of a Prometheus text, by name."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name and not name.startswith("#") and "{" not in line:
            found[name] = float(value)
    return found


async def scrape(port: int) -> dict[str, float]:
    """The server's numbers now. Raises ScrapeFailed, TimeoutError or OSError."""
    async with asyncio.timeout(SCRAPE_S_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_SCRAPE_BYTES_MAX)
        try:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ScrapeFailed(f"no metrics: {head[:100]!r}")
    return values_in(body.decode())


@dataclass(frozen=True, slots=True)
class Commits:
    """Batches that the store made durable, the records in them, and the time that took."""

    batches: float
    records: float
    seconds: float

    @classmethod
    def between(cls, before: Mapping[str, float], after: Mapping[str, float]) -> Self:
        """What happened from one scrape to another; nothing where the server has no store."""

        def grown(name: str) -> float:
            return after.get(name, 0.0) - before.get(name, 0.0)

        return cls(grown(COMMITS), grown(RECORDS), grown(COMMIT_SECONDS))

    def figures(self, window_s: float) -> dict[str, float]:
        """Over a window of `window_s`."""
        return {
            "commits_per_s": per_unit(self.batches, window_s),
            "records_per_commit": per_unit(self.records, self.batches),
            "commit_ms": per_unit(self.seconds * 1e3, self.batches),
        }
