"""The server's metrics and their text. The only home of prometheus_client.

Owns names, labels and buckets. Has its own registry, so that two servers in one process do not
share counts. Counts what it is told and asks for sizes when it is scraped; knows nobody.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from actors.audit.trail import AuditTrail
from actors.errors import REFUSALS

_LEAVE_REASONS: Final = ("left", "switched", "timeout", "kicked", "replaced")
_RESUME_OUTCOMES: Final = ("resumed", "joined", "expired")
_ERROR_CODES: Final = tuple(refusal.code for refusal in REFUSALS)
# From one turn of the loop to the default deadline of a join.
_JOIN_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# From a write without a flush to the point where a stall is told.
_COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_RECORDING_OUTCOMES: Final = ("written", "failed", "dropped")
_AUDIT_OUTCOMES: Final = ("written", "dropped")
_STORE_ERROR_CODES: Final = ("store", "unusable", "full", "readOnly", "damaged", "sealBroken")


class PrometheusMetrics:
    """Counts since construction. Every label that can be foreseen is there from the start, at 0.

    A count costs about 0.5 µs and is safe from any thread; those of joins and leaves, which are the
    most, cost a tenth of that and are for the loop's thread alone. `version` is shown as build
    info.
    """

    def __init__(self, version: str = "unknown") -> None:
        # When a counter was made is a series more for each one, and says what process_start_time
        # says. prometheus_client offers no switch but this one of the whole process.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has none
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        build = Gauge("vaultmeet_build_info", "Always 1.", ["version"], registry=registry)
        build.labels(version).set(1)
        self._connections = Gauge(
            "vaultmeet_connections", "Open WebSocket connections.", registry=registry
        )
        self._rooms = Gauge("vaultmeet_rooms", "Rooms in memory.", registry=registry)
        self._players = Gauge("vaultmeet_players", "Players seated.", registry=registry)
        self._joins = _Tally(
            registry, "vaultmeet_joins", "Players seated; repeated joins and resumes not counted."
        )
        self._leaves = _Tallies(
            registry, "vaultmeet_leaves", "Players gone.", "reason", _LEAVE_REASONS
        )
        self._resumes = _labelled(
            registry, "vaultmeet_resumes", "Requests to resume.", "outcome", _RESUME_OUTCOMES
        )
        validations = _labelled(
            registry,
            "vaultmeet_validations",
            "Clients' views of their room judged.",
            "valid",
            ("true", "false"),
        )
        self._valid, self._invalid = validations["true"], validations["false"]
        self._restarts = Counter(
            "vaultmeet_room_restarts", "Crashed rooms restarted.", registry=registry
        )
        self._errors = _labelled(
            registry, "vaultmeet_errors", "Error frames sent.", "code", _ERROR_CODES
        )
        self._slow_readers = Counter(
            "vaultmeet_slow_readers", "Times a connection fell behind its bound.", registry=registry
        )
        self._join_seconds = _Timings(
            registry,
            "vaultmeet_join_seconds",
            "From the arrival of a join to its answer.",
            _JOIN_SECONDS,
        )
        self._records = Counter(
            "vaultmeet_store_records", "Changed rooms written to the store.", registry=registry
        )
        self._commit_seconds = Histogram(
            "vaultmeet_store_commit_seconds",
            "From handing a batch to the store to its being durable.",
            registry=registry,
            buckets=_COMMIT_SECONDS,
        )
        self._store_errors = _labelled(
            registry,
            "vaultmeet_store_errors",
            "What the store did not do.",
            "code",
            _STORE_ERROR_CODES,
        )

        self._recordings = _labelled(
            registry,
            "vaultmeet_recordings",
            "Recordings of rooms, by what became of them.",
            "outcome",
            _RECORDING_OUTCOMES,
        )
        self._audit = _labelled(
            registry,
            "vaultmeet_audit_entries",
            "Entries of the audit, by what became of them.",
            "outcome",
            _AUDIT_OUTCOMES,
        )

    def player_joined(self) -> None:
        self._joins.count += 1

    def player_left(self, reason: str) -> None:
        self._leaves.counts[reason] += 1

    def resume_ended(self, outcome: str) -> None:
        self._resumes[outcome].inc()

    def state_validated(self, valid: bool) -> None:
        (self._valid if valid else self._invalid).inc()

    def room_restarted(self) -> None:
        self._restarts.inc()

    def error_sent(self, code: str) -> None:
        self._errors[code].inc()

    def slow_reader(self) -> None:
        self._slow_readers.inc()

    def join_answered(self, seconds: float) -> None:
        self._join_seconds.observe(seconds)

    def store_committed(self, records: int, seconds: float) -> None:
        self._records.inc(records)
        self._commit_seconds.observe(seconds)

    def store_failed(self, code: str) -> None:
        self._store_errors[code].inc()

    def recording_ended(self, outcome: str) -> None:
        self._recordings[outcome].inc()

    def audit_entries(self, outcome: str, count: int) -> None:
        self._audit[outcome].inc(count)

    def watch_audit(self, trail: AuditTrail) -> None:
        """Ask it for the audit's gauges, at each scrape. Once a registry."""
        registry = self._registry
        Gauge(
            "vaultmeet_audit_healthy", "1 while entries get through, else 0.", registry=registry
        ).set_function(lambda: trail.trouble is None)
        Gauge(
            "vaultmeet_audit_entries_waiting",
            "Entries that are not on the disk yet.",
            registry=registry,
        ).set_function(lambda: trail.waiting)

    def watch_store(self, healthy: Callable[[], bool], rooms_waiting: Callable[[], int]) -> None:
        """Ask these for the store's gauges, at each scrape. Once a registry."""
        registry = self._registry
        Gauge(
            "vaultmeet_store_healthy", "1 while writes get through, else 0.", registry=registry
        ).set_function(healthy)
        Gauge(
            "vaultmeet_store_rooms_waiting",
            "Rooms with changes that are not durable yet.",
            registry=registry,
        ).set_function(rooms_waiting)

    def watch_seal(
        self,
        whole: Callable[[], bool],
        rows_left: Callable[[], int],
        records: Callable[[], int],
    ) -> None:
        """Ask these for the seal of the store, at each scrape. Once a registry."""
        registry = self._registry
        Gauge(
            "vaultmeet_store_sealed",
            "1 where all that is stored is sealed with the newest key, else 0.",
            registry=registry,
        ).set_function(whole)
        Gauge(
            "vaultmeet_store_rows_to_seal",
            "Stored rows, at most, that are not sealed with the newest key yet.",
            registry=registry,
        ).set_function(rows_left)
        Gauge(
            "vaultmeet_seal_key_records",
            "Records that the newest key has sealed; 2^32 are the most that it should.",
            registry=registry,
        ).set_function(records)

    def watch(
        self,
        connections: Callable[[], int],
        rooms: Callable[[], int],
        players: Callable[[], int],
    ) -> None:
        """Ask these for the gauges, at each scrape."""
        self._connections.set_function(connections)
        self._rooms.set_function(rooms)
        self._players.set_function(players)

    def watch_process(self, tasks: Callable[[], int], memory_blocks: Callable[[], int]) -> None:
        """Ask these for what the process holds, at each scrape. Once a registry.

        Blocks fall when objects go. Resident memory need not: one object keeps its whole page.
        """
        registry = self._registry
        Gauge("vaultmeet_tasks", "Tasks of the event loop.", registry=registry).set_function(tasks)
        Gauge(
            "vaultmeet_memory_blocks", "Blocks of memory that Python has in use.", registry=registry
        ).set_function(memory_blocks)

    def watch_log(self, lines_dropped: Callable[[], int]) -> None:
        """Ask this for the log lines dropped so far, at each scrape. Once a registry."""
        self._registry.register(_LogLinesDropped(lines_dropped))

    def exposition(self) -> tuple[bytes, str]:
        """The metrics as Prometheus text, and its content type."""
        return (
            prometheus_client.generate_latest(self._registry),
            prometheus_client.CONTENT_TYPE_PLAIN_0_0_4,
        )


class _Labelled(dict[str, Counter]):
    """A counter's children by the value of its one label; one that nobody foresaw is added."""

    def __init__(self, counter: Counter, values: Iterable[str]) -> None:
        super().__init__({value: counter.labels(value) for value in values})
        self._counter = counter

    def __missing__(self, value: str) -> Counter:
        child = self[value] = self._counter.labels(value)
        return child


def _labelled(
    registry: CollectorRegistry, name: str, about: str, label: str, values: Iterable[str]
) -> _Labelled:
    return _Labelled(Counter(name, about, [label], registry=registry), values)


class _Tally(Collector):
    """A counter that costs an addition, made into a sample when it is scraped."""

    def __init__(self, registry: CollectorRegistry, name: str, about: str) -> None:
        self._name = name
        self._about = about
        self.count = 0
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._about, value=self.count)


class _Tallies(Collector):
    """The same by the value of one label; one that nobody foresaw is added."""

    def __init__(
        self, registry: CollectorRegistry, name: str, about: str, label: str, values: Iterable[str]
    ) -> None:
        self._name = name
        self._about = about
        self._label = label
        self.counts = defaultdict[str, int](int, dict.fromkeys(values, 0))
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._about, labels=[self._label])
        for value, count in self.counts.items():
            family.add_metric([value], count)
        yield family


class _Timings(Collector):
    """A histogram that costs a search and two additions. `bounds` are the upper ones, rising."""

    def __init__(
        self, registry: CollectorRegistry, name: str, about: str, bounds: Sequence[float]
    ) -> None:
        self._name = name
        self._about = about
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        names = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(names, map(float, accumulate(self._counts)), strict=True))
        yield HistogramMetricFamily(self._name, self._about, buckets, self._sum)


class _LogLinesDropped(Collector):
    """Read when scraped: the log counts on its own thread and knows no metrics."""

    def __init__(self, lines_dropped: Callable[[], int]) -> None:
        self._lines_dropped = lines_dropped

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            "vaultmeet_log_lines_dropped",
            "Log lines that found the output too slow or gone.",
            value=self._lines_dropped(),
        )
