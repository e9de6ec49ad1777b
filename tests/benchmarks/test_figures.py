"""Quantiles, medians, ratios, notes and tables, with numbers worked out by hand."""

import math

import pytest

from benchmarks.figures import (
    Column,
    Row,
    cell,
    notes,
    number,
    paired,
    per_unit,
    quantile,
    ratio,
    table,
)


def row(server: str, rep: int = 0, *, error: str = "", **figures: float) -> Row:
    """One measurement with these figures."""
    return Row("bench", "scenario", server, rep, figures, error)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)]
)
def test_a_quantile_is_the_least_value_that_enough_do_not_exceed(
    share: float, expected: float
) -> None:
    """Of 1 to 100 the median is 50 and the last percentile begins after 99."""
    assert quantile(range(1, 101), share) == expected


def test_a_quantile_of_nothing_is_not_a_number() -> None:
    """Nothing seen must not read as nothing late."""
    assert math.isnan(quantile([], 0.5))


def test_the_cost_of_no_unit_is_not_a_number() -> None:
    """A server that delivered nothing is not a cheap one."""
    assert per_unit(12.0, 4) == 3.0
    assert math.isnan(per_unit(12.0, 0))


def test_a_cell_shows_median_and_spread() -> None:
    """Repetitions that read alike are shown once; what was not measured is a dash."""
    assert cell([3.0, 1.0, 2.0], 1) == "2.0 (1.0–3.0)"
    assert cell([1.01, 1.02], 1) == "1.0"
    assert cell([math.nan, 5.0], 0) == "5"
    assert cell([], 1) == "–"
    assert number(12345.678, 1) == "12,345.7"


def test_a_ratio_is_between_the_medians() -> None:
    """Above one when ours needs less; unknown when either side is missing or failed."""
    ours = [row("ours", n, cost=value) for n, value in enumerate([1.0, 2.0, 9.0])]
    other = [row("baseline", n, cost=value) for n, value in enumerate([8.0, 10.0, 11.0])]
    assert ratio(ours, other, "cost") == 5.0
    assert math.isnan(ratio(ours, [row("baseline", error="gone", cost=1.0)], "cost"))
    assert math.isnan(ratio([], other, "cost"))


def test_a_busy_generator_is_noted() -> None:
    """It may be what limits the result, unless the server's core was full as well."""
    assert notes([row("ours", gen_cpu_pct=89.0, server_cpu_pct=60.0)]) == []
    (limit,) = notes([row("ours", gen_cpu_pct=97.0, server_cpu_pct=60.0)])
    assert "may be the limit" in limit
    (both,) = notes([row("ours", gen_cpu_pct=97.0, server_cpu_pct=99.0)])
    assert "full too" in both


@pytest.mark.parametrize(
    ("doubtful", "word"),
    [
        (row("ours", foreign_pct=30.0), "others used up to 30 %"),
        (row("ours", miscounted=1.0), "miscounted: 1"),
        (row("ours", errors=2.0), "errors: 2"),
        (row("ours", delivered_pct=60.0), "in time"),
    ],
)
def test_what_makes_a_row_doubtful_is_noted(doubtful: Row, word: str) -> None:
    """A reader sees it beside the figures."""
    (note,) = notes([doubtful])
    assert word in note


def test_failures_are_counted_and_named() -> None:
    """A failed repetition is not left out silently."""
    (note,) = notes([row("ours", cost=1.0), row("ours", 1, error="ServerFailed:\n no | port")])
    assert note == "1 of 2 failed: ServerFailed: no / port"


def test_a_table_compares_the_servers_of_a_scenario() -> None:
    """One line per server, figures that were measured, the ratio at the end."""
    columns = (Column("cost", "CPU µs", 1), Column("absent", "absent", 0))
    rows = [row("ours", cost=2.0), row("baseline", cost=7.0)]
    assert table(rows, columns, "cost").splitlines() == [
        "",
        "**scenario**",
        "",
        "| server | CPU µs | × CPU µs | notes |",
        "|---|---:|---:|---|",
        "| ours | 2.0 | 1.0 |  |",
        "| baseline | 7.0 | 3.5 |  |",
    ]


def test_pairs_are_of_one_repetition() -> None:
    """What the machine did to both is not in it; what only one has is left out."""
    first = [row("memory", n, cost=value) for n, value in enumerate([1.0, 2.0, 4.0, 0.0])]
    other = [row("fast", n, cost=value) for n, value in enumerate([2.0, 3.0])]
    other += [row("fast", 2, error="gone"), row("fast", 3, cost=1.0), row("fast", 4, cost=1.0)]
    assert paired(first, other, "cost") == [2.0, 1.5]


def test_a_table_may_compare_with_one_that_it_names() -> None:
    """Then the last column has the spread of the pairs."""
    rows = [row("memory", cost=2.0), row("fast", cost=3.0), row("memory", 1, cost=4.0)]
    rows += [row("fast", 1, cost=5.0)]
    lines = table(rows, (Column("cost", "CPU µs", 1),), "cost", "memory").splitlines()
    assert lines[-2] == "| memory | 3.0 (2.0–4.0) | 1.00 |  |"
    assert lines[-1] == "| fast | 4.0 (3.0–5.0) | 1.38 (1.25–1.50) |  |"
