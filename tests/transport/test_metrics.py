"""Metrics: names and labels of the contract, what counts where, and that servers share nothing."""

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.errors import REFUSALS
from actors.ports import Metrics
from transport.metrics import PrometheusMetrics


def samples(metrics: PrometheusMetrics) -> dict[str, float]:
    """Every sample by its name and labels, as a scraper reads them."""
    body, _ = metrics.exposition()
    return {
        sample.name + "".join(f"{{{k}={v}}}" for k, v in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


@pytest.mark.rule("H1.3")
def test_every_label_that_can_be_foreseen_is_there_from_the_start_at_zero() -> None:
    """A rate over a series that appears with its first event misses that event."""
    found = samples(PrometheusMetrics())
    expected = {
        "vaultmeet_connections",
        "vaultmeet_rooms",
        "vaultmeet_players",
        "vaultmeet_joins_total",
        "vaultmeet_room_restarts_total",
        "vaultmeet_slow_readers_total",
        "vaultmeet_join_seconds_count",
        "vaultmeet_join_seconds_sum",
        "vaultmeet_join_seconds_bucket{le=+Inf}",
        "vaultmeet_validations_total{valid=true}",
        "vaultmeet_validations_total{valid=false}",
        *(
            f"vaultmeet_leaves_total{{reason={reason}}}"
            for reason in ("left", "switched", "timeout", "kicked", "replaced")
        ),
        *(
            f"vaultmeet_resumes_total{{outcome={outcome}}}"
            for outcome in ("resumed", "joined", "expired")
        ),
        *(f"vaultmeet_errors_total{{code={refusal.code}}}" for refusal in REFUSALS),
    }
    assert expected <= found.keys()
    assert {name: found[name] for name in expected} == dict.fromkeys(expected, 0.0)


def test_each_call_counts_in_its_own_series_and_no_other() -> None:
    """One after the other; everything else stays."""
    metrics: Metrics = PrometheusMetrics()
    assert isinstance(metrics, PrometheusMetrics)
    calls = {
        "vaultmeet_joins_total": metrics.player_joined,
        "vaultmeet_leaves_total{reason=switched}": lambda: metrics.player_left("switched"),
        "vaultmeet_resumes_total{outcome=expired}": lambda: metrics.resume_ended("expired"),
        "vaultmeet_validations_total{valid=true}": lambda: metrics.state_validated(True),
        "vaultmeet_validations_total{valid=false}": lambda: metrics.state_validated(False),
        "vaultmeet_room_restarts_total": metrics.room_restarted,
        "vaultmeet_errors_total{code=roomFull}": lambda: metrics.error_sent("roomFull"),
        "vaultmeet_slow_readers_total": metrics.slow_reader,
    }
    for name, call in calls.items():
        before = samples(metrics)
        call()
        after = samples(metrics)
        changed = {
            key: after[key] - before[key]
            for key in after
            if key.startswith("vaultmeet_") and after[key] != before[key]
        }
        assert changed == {name: 1.0}


def test_the_time_to_a_joins_answer_is_a_histogram_in_seconds() -> None:
    """Cumulative buckets, count and sum."""
    metrics = PrometheusMetrics()
    for seconds in (0.0004, 0.003, 0.3, 60):
        metrics.join_answered(seconds)
    found = samples(metrics)
    assert found["vaultmeet_join_seconds_count"] == 4
    assert found["vaultmeet_join_seconds_sum"] == pytest.approx(60.3034)
    assert found["vaultmeet_join_seconds_bucket{le=0.001}"] == 1
    assert found["vaultmeet_join_seconds_bucket{le=0.005}"] == 2
    assert found["vaultmeet_join_seconds_bucket{le=5.0}"] == 3
    assert found["vaultmeet_join_seconds_bucket{le=+Inf}"] == 4


def test_a_label_that_nobody_foresaw_is_counted_all_the_same() -> None:
    """Counting must not be what fails."""
    metrics = PrometheusMetrics()
    metrics.error_sent("brandNew")
    metrics.error_sent("brandNew")
    metrics.player_left("vanished")
    found = samples(metrics)
    assert found["vaultmeet_errors_total{code=brandNew}"] == 2
    assert found["vaultmeet_leaves_total{reason=vanished}"] == 1


@pytest.mark.rule("P1.4")
def test_the_store_shows_in_counts_and_times_and_as_healthy_or_not() -> None:
    """Gauges only where there is a store."""
    metrics = PrometheusMetrics()
    assert "vaultmeet_store_healthy" not in samples(metrics)
    state = {"healthy": True, "waiting": 3}
    metrics.watch_store(lambda: bool(state["healthy"]), lambda: int(state["waiting"]))
    metrics.store_committed(5, 0.002)
    metrics.store_failed("full")
    found = samples(metrics)
    assert found["vaultmeet_store_healthy"] == 1.0
    assert found["vaultmeet_store_rooms_waiting"] == 3.0
    assert found["vaultmeet_store_records_total"] == 5.0
    assert found["vaultmeet_store_commit_seconds_count"] == 1.0
    assert found["vaultmeet_store_errors_total{code=full}"] == 1.0
    state["healthy"] = False
    assert samples(metrics)["vaultmeet_store_healthy"] == 0.0


def test_gauges_are_asked_at_each_scrape() -> None:
    """They show the present, and cost nothing in between."""
    metrics = PrometheusMetrics()
    sizes = {"connections": 3, "rooms": 2, "players": 5}
    metrics.watch(lambda: sizes["connections"], lambda: sizes["rooms"], lambda: sizes["players"])
    names = ("vaultmeet_connections", "vaultmeet_rooms", "vaultmeet_players")
    assert [samples(metrics)[name] for name in names] == [3, 2, 5]
    sizes["rooms"] = 0
    assert [samples(metrics)[name] for name in names] == [3, 0, 5]


def test_what_the_process_holds_is_asked_at_each_scrape_too() -> None:
    """Tasks and blocks of memory; the collector of garbage counts for itself."""
    metrics = PrometheusMetrics()
    holds = {"tasks": 2, "blocks": 70_000}
    metrics.watch_process(lambda: holds["tasks"], lambda: holds["blocks"])
    names = ("vaultmeet_tasks", "vaultmeet_memory_blocks")
    assert [samples(metrics)[name] for name in names] == [2, 70_000]
    holds["tasks"] = 3
    assert [samples(metrics)[name] for name in names] == [3, 70_000]
    assert samples(metrics)["python_gc_collections_total{generation=2}"] >= 0


def test_dropped_log_lines_are_a_counter() -> None:
    """Asked of the log at each scrape."""
    metrics = PrometheusMetrics()
    dropped = [0]
    metrics.watch_log(lambda: dropped[0])
    assert samples(metrics)["vaultmeet_log_lines_dropped_total"] == 0
    dropped[0] = 12
    assert samples(metrics)["vaultmeet_log_lines_dropped_total"] == 12
    assert b"# TYPE vaultmeet_log_lines_dropped_total counter" in metrics.exposition()[0]


def test_the_version_and_the_start_of_the_process_are_shown() -> None:
    """To tell a deploy or a restart from the outside."""
    found = samples(PrometheusMetrics("1.2.3"))
    assert found["vaultmeet_build_info{version=1.2.3}"] == 1
    assert found["process_start_time_seconds"] > 0


def test_two_servers_in_one_process_share_no_counts() -> None:
    """Nor do they touch the library's global registry."""
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.player_joined()
    assert samples(other)["vaultmeet_joins_total"] == 0
    assert b"vaultmeet_" not in prometheus_client.generate_latest()


def test_no_series_tells_when_a_counter_was_made() -> None:
    """They would double the number of series."""
    assert not [name for name in samples(PrometheusMetrics()) if "_created" in name]


def test_the_content_type_names_the_text_format() -> None:
    """Scrapers choose their parser by it."""
    body, content_type = PrometheusMetrics().exposition()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert body.endswith(b"\n")
