"""The charts say what the rows say: bars, points, whiskers and words, worked out by hand."""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench_latency import servers
from benchmarks.chart import (
    CPU_CHART,
    LATENCY_CHART,
    ChartFailed,
    cpu_chart,
    kept,
    latency_chart,
    main,
)
from benchmarks.drawing import BAR_H, MARGIN, WIDTH, shown, step_of
from benchmarks.harness import Options

Rows = list[dict[str, Any]]


def row(server: str, cpu: float, bench: str = "fan_out", **more: Any) -> dict[str, Any]:
    """One kept row; figures beside the CPU, or other fields, by name."""
    figures = {"cpu_us_per_update": cpu, "delivered_pct": 100.0}
    if bench == "latency":
        figures |= {"p50_ms": 2.0, "p99_ms": 4.0}
    fields = {"scenario": "1x50", "machine": "2 cores, 1 GiB", "commit": "abc", "error": ""}
    fields |= {key: more.pop(key) for key in list(more) if key in fields}
    return {**fields, "bench": bench, "server": server, "figures": figures | more}


def bars(svg: str) -> dict[str, tuple[float, float]]:
    """What each bar says of itself, with its left edge and its width."""
    found = re.findall(r'class="bar" x="([\d.]+)".*? width="([\d.]+)".*?<title>(.*?)</title>', svg)
    return {said: (float(x), float(width)) for x, width, said in found}


def points(svg: str) -> dict[str, tuple[float, float]]:
    """What each point says of itself, with its place."""
    found = re.findall(r'class="point" cx="([\d.]+)" cy="([\d.]+)".*?<title>(.*?)</title>', svg)
    return {said: (float(x), float(y)) for x, y, said in found}


def whiskers(svg: str) -> list[tuple[float, float, float, float]]:
    """Every whisker from end to end."""
    ends = r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"'
    found = re.findall(f'class="whisker" {ends}', svg)
    return [(float(x1), float(y1), float(x2), float(y2)) for x1, y1, x2, y2 in found]


def words(svg: str) -> list[str]:
    """All that is written."""
    return re.findall(r"<text [^>]*>(.*?)</text>", svg)


FAN_OUT: Rows = [
    row("ours", 2.0),
    row("baseline", 8.0),
    row("baseline", 10.0, delivered_pct=40.0),
    row("ours", 1.0),
    row("ours", 4.0),
    row("baseline", 9.0, delivered_pct=60.0),
]


def test_a_bar_is_as_long_as_its_median_on_an_axis_from_zero() -> None:
    """Of 1, 2, 4 and of 8, 9, 10 the medians are 2 and 9, and all bars begin where zero is."""
    svg = cpu_chart(kept(FAN_OUT)["fan_out"])
    found = bars(svg)
    ours = found["1x50, ours: 2.00 µs"]
    other = found["1x50, baseline: 9.00 µs, 60 % delivered"]
    assert ours[0] == other[0]
    assert other[1] / ours[1] == pytest.approx(4.5, abs=0.01)
    (zero,) = re.findall(r'x="([\d.]+)"[^>]*>0<', svg)
    assert float(zero) == ours[0]


def test_a_whisker_goes_from_the_least_to_the_greatest() -> None:
    """In the scale of the bars: a median of 2 is as long as the way from 2 to 4."""
    svg = cpu_chart(kept(FAN_OUT)["fan_out"])
    left, width = bars(svg)["1x50, ours: 2.00 µs"]
    unit = width / 2.0
    x1, y1, x2, y2 = whiskers(svg)[0]
    assert x1 == pytest.approx(left + 1.0 * unit, abs=0.2)
    assert x2 == pytest.approx(left + 4.0 * unit, abs=0.2)
    assert y1 == y2


def test_the_words_name_numbers_scenario_and_source() -> None:
    """Ours first; how much was delivered where it is not nearly all; machine and commit below."""
    said = words(cpu_chart(kept(FAN_OUT)["fan_out"]))
    assert said.index("ours") < said.index("baseline")
    assert "2.00 µs" in said
    assert "9.00 µs, 60 % delivered" in said
    assert any(each.startswith("1x50") for each in said)
    assert said[1:3] == ["2 cores,", "1 GiB; commit abc"]


def test_bars_do_not_overlap() -> None:
    """Each server of each scenario has a line of its own."""
    rows = [*FAN_OUT, *(each | {"scenario": "10x50"} for each in FAN_OUT)]
    svg = cpu_chart(kept(rows)["fan_out"])
    tops = sorted(float(y) for y in re.findall(r'class="bar" x="[\d.]+" y="([\d.]+)"', svg))
    assert len(tops) == 4
    assert all(after - before >= BAR_H for before, after in itertools.pairwise(tops))


def test_a_point_stands_at_its_cpu_and_its_latency() -> None:
    """Twice the CPU is twice as far from the axis, half the latency half as high."""
    rows = [
        row("ours, 50 ms", 1.0, "latency", p50_ms=20.0, p99_ms=40.0),
        row("ours, 0 ms", 2.0, "latency", p50_ms=10.0, p99_ms=20.0),
    ]
    svg = latency_chart(kept(rows)["latency"])
    at = points(svg)
    slow = at["1x50, ours, 50 ms: p99 40.0 ms, 1.00 µs"]
    quick = at["1x50, ours, 0 ms: p99 20.0 ms, 2.00 µs"]
    half = at["1x50, ours, 50 ms: p50 20.0 ms, 1.00 µs"]
    (axis,) = re.findall(r'class="axis" x1="([\d.]+)" y1="([\d.]+)" x2="\1"', svg)
    x0, y0 = map(float, axis)
    assert quick[0] - x0 == pytest.approx(2 * (slow[0] - x0), abs=0.2)
    assert y0 - slow[1] == pytest.approx(2 * (y0 - quick[1]), abs=0.2)
    assert half[1] == pytest.approx(quick[1], abs=0.2)
    assert half[0] == slow[0]


def test_a_saturated_server_is_named_and_not_drawn() -> None:
    """Its latency would be that of its backlog; it may have none at all."""
    rows = [
        row("ours, 0 ms", 1.0, "latency"),
        row("baseline", 5.0, "latency", delivered_pct=9.0, p50_ms=math.nan, p99_ms=math.nan),
    ]
    svg = latency_chart(kept(rows)["latency"])
    assert not any("baseline" in said and "p50" in said for said in points(svg))
    assert any("baseline: 9 % delivered" in said for said in words(svg))


def test_each_server_of_a_run_has_a_colour_of_its_own() -> None:
    """All that `latency` measures, and the words beside them do not run into each other."""
    names = [target.name for target in servers(Options())]
    rows = [row(name, 1.0 + n, "latency") for n, name in enumerate(names)]
    svg = latency_chart(kept(rows)["latency"])
    legend = re.findall(r'cx="([\d.]+)".*? fill="(#\w+)".*?<title>([^:<]*)</title>', svg)
    named = [(name, colour) for _, colour, name in legend if name in names]
    assert sorted(name for name, _ in named) == sorted(names)
    assert len({colour for _, colour in named}) == len(names)
    ends = max(float(x) + 10 + 7 * len(name) for x, _, name in legend if name in names)
    assert ends < WIDTH - MARGIN - 7 * len("full: p50, hollow: p99")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([row("ours", 1.0, "mailbox")], "no chart for rows of 'mailbox'"),
        ([{"name": "ours"}], "no chart for rows of None"),
        ([row("ours", 1.0, error="ServerFailed: gone")], "failed: ServerFailed: gone"),
        ([row("ours", 1.0) | {"figures": {}}], "without cpu_us_per_update, delivered_pct"),
        ([row("ours", 1.0), row("baseline", 1.0, commit="b")], "2 machines or commits"),
    ],
)
def test_what_is_not_known_is_not_drawn(rows: Rows, why: str) -> None:
    """The first such row ends it."""
    with pytest.raises(ChartFailed, match=why):
        kept(rows)


def test_rows_that_measured_nothing_are_not_drawn_as_zero() -> None:
    """A bar of no length would look like a server that costs nothing."""
    with pytest.raises(ChartFailed, match="no cpu_us_per_update"):
        cpu_chart(kept([row("ours", math.nan)])["fan_out"])


def test_the_command_draws_all_or_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chart for each benchmark in the files; with one wrong row none, and the exit code 1."""
    fan_out, latency = tmp_path / "fan_out.jsonl", tmp_path / "latency.jsonl"
    fan_out.write_text("".join(json.dumps(each) + "\n" for each in FAN_OUT))
    latency.write_text(json.dumps(row("ours, 0 ms", 1.0, "latency")) + "\n")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps(row("ours", 1.0, "store")) + "\n")
    out = ["--out", str(tmp_path)]
    assert main([*out, str(fan_out), str(wrong)]) == 1
    assert "no chart for rows of 'store'" in capsys.readouterr().err
    assert not (tmp_path / CPU_CHART).exists()
    assert main([*out, str(fan_out), str(latency)]) == 0
    for name in (CPU_CHART, LATENCY_CHART):
        svg = (tmp_path / name).read_text("utf-8")
        assert svg.startswith("<svg ")
        assert svg.endswith("</svg>\n")


@pytest.mark.parametrize(
    ("greatest", "step"), [(7.0, 2.0), (1.0, 0.2), (0.6, 0.2), (44.0, 10.0), (300.0, 100.0)]
)
def test_an_axis_has_round_numbers(greatest: float, step: float) -> None:
    """Some five of them."""
    assert step_of(greatest) == pytest.approx(step)


def test_numbers_are_shown_with_three_digits_and_those_of_an_axis_alike() -> None:
    """Not more of them than a reader can use."""
    assert [shown(value) for value in (0.3934, 6.5, 43.21, 271.3)] == [
        "0.393",
        "6.50",
        "43.2",
        "271",
    ]
    assert [shown(value, 0.2) for value in (0.0, 0.4)] == ["0.0", "0.4"]
    assert shown(200.0, 100.0) == "200"
