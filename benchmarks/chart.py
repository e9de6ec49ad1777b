"""`python -m benchmarks.chart --out FOLDER FILE.jsonl...`: small charts of kept results, as SVG.

Owns which figures are drawn and how; measures nothing. Two charts, each where the files have rows
for it: `cpu.svg`, the server's CPU per delivered update (rows of `fan_out`), and `latency.svg`,
latency against that CPU (rows of `latency`). A bar or point is the median of the repetitions,
whiskers go from the least to the greatest, axes begin at 0. Raises ChartFailed, and draws nothing,
for a row of another benchmark, one that failed or lacks its figures, and for rows of several
machines or commits in one chart: what was not measured in one run is not compared.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import bench_fan_out, bench_latency
from benchmarks.drawing import (
    BAR_H,
    CAPTION_H,
    HEAD_H,
    MARGIN,
    OTHERS_COLOURS,
    OURS_COLOURS,
    ROW_H,
    TITLE_H,
    WIDTH,
    Drawing,
    shown,
    step_of,
)
from benchmarks.figures import OURS, Spread, spread

CPU_KEY: Final = bench_fan_out.KEY
CPU_CHART, LATENCY_CHART = "cpu.svg", "latency.svg"
KEYS: Final = {
    bench_fan_out.NAME: (CPU_KEY, "delivered_pct"),
    bench_latency.NAME: (CPU_KEY, "delivered_pct", "p50_ms", "p99_ms"),
}
"""The benchmarks that are drawn, and the figures that their rows must have."""
SATURATED_PCT: Final = 95.0
"""A server that delivered less is shown without a latency: it would be that of its backlog."""

LABEL_W: Final = 130
VALUE_W: Final = 140
"""Room for the number beside the longest bar."""
PANEL_H: Final = 170
PANEL_GAP: Final = 62
AXIS_W: Final = 46


class ChartFailed(Exception):
    """The rows cannot be drawn as one honest chart."""


@dataclass(slots=True)
class Series:
    """What one server did in one scenario, all repetitions."""

    scenario: str
    server: str
    figures: dict[str, list[float]] = field(default_factory=dict)

    def of(self, key: str) -> Spread:
        """Raises ChartFailed where nothing was measured."""
        found = spread([value for value in self.figures.get(key, []) if not math.isnan(value)])
        if found is None:
            raise ChartFailed(f"{self.scenario}, {self.server}: no {key}")
        return found


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows of one benchmark: its series in the order of the files, machine and commit."""

    bench: str
    series: tuple[Series, ...]
    caption: str

    def scenarios(self) -> dict[str, list[Series]]:
        found: dict[str, list[Series]] = {}
        for one in self.series:
            found.setdefault(one.scenario, []).append(one)
        return found

    def servers(self) -> list[str]:
        """All names, ours first, else as they came."""
        return sorted(dict.fromkeys(one.server for one in self.series), key=_is_other)


def _is_other(server: str) -> bool:
    return not server.startswith(OURS)


def rows_of(files: Iterable[Path]) -> list[dict[str, Any]]:
    """The rows of all `files`, a JSON line each. Raises OSError or ValueError."""
    lines = (line for file in files for line in file.read_text("utf-8").splitlines())
    return [json.loads(line) for line in lines]


def kept(rows: Iterable[dict[str, Any]]) -> dict[str, Kept]:
    """The rows by benchmark. Raises ChartFailed at the first that cannot be drawn."""
    series: dict[tuple[str, str, str], Series] = {}
    about: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        bench = row.get("bench")
        if bench not in KEYS:
            raise ChartFailed(f"no chart for rows of {bench!r}; there are {', '.join(KEYS)}")
        which = (bench, row["scenario"], row["server"])
        if row["error"]:
            raise ChartFailed(f"{', '.join(which)}: failed: {row['error']}")
        lacking = [key for key in KEYS[bench] if key not in row["figures"]]
        if lacking:
            raise ChartFailed(f"{', '.join(which)}: without {', '.join(lacking)}")
        one = series.setdefault(which, Series(row["scenario"], row["server"]))
        for key in KEYS[bench]:
            one.figures.setdefault(key, []).append(row["figures"][key])
        about.setdefault(bench, set()).add((row["machine"], row["commit"]))
    found = {}
    for bench, sources in about.items():
        if len(sources) > 1:
            raise ChartFailed(f"{bench}: rows of {len(sources)} machines or commits")
        ((machine, commit),) = sources
        mine = tuple(one for (name, _, _), one in series.items() if name == bench)
        found[bench] = Kept(bench, mine, f"{machine}; commit {commit}")
    return found


# ---------------------------------------------------------------- the charts


def _colours(servers: Sequence[str]) -> dict[str, str]:
    found = {}
    for palette, other in ((OURS_COLOURS, False), (OTHERS_COLOURS, True)):
        mine = [server for server in servers if _is_other(server) is other]
        found.update({server: palette[n % len(palette)] for n, server in enumerate(mine)})
    return found


def _label(one: Series, key: str) -> str:
    """The median, and how much was delivered where that is not nearly all."""
    said = f"{shown(one.of(key).median)} µs"
    delivered = one.of("delivered_pct").median
    return said + (f", {delivered:.0f} % delivered" if delivered < SATURATED_PCT else "")


def cpu_chart(rows: Kept) -> str:
    """A bar for each server, scenario by scenario; shorter is better. All have one axis."""
    scenarios = rows.scenarios()
    colours = _colours(rows.servers())
    bars_h = sum(HEAD_H + ROW_H * len(its) for its in scenarios.values())
    height = TITLE_H + bars_h + HEAD_H + CAPTION_H
    drawing = Drawing("Server CPU per delivered move, µs (less is better)", height, rows.caption)
    greatest = max(one.of(CPU_KEY).greatest for one in rows.series)
    left, right = MARGIN + LABEL_W, WIDTH - MARGIN - VALUE_W
    scale = (right - left) / greatest if greatest else 0.0
    step, bottom = step_of(greatest), TITLE_H + bars_h
    marks = [n * step for n in range(math.floor(greatest / step) + 1)]
    for mark in marks:
        words = shown(mark, step)
        drawing.text(left + mark * scale, bottom + 16, words, size=11, anchor="middle")
    y = float(TITLE_H)
    for scenario, its in scenarios.items():
        drawing.text(MARGIN, y + 20, f"{scenario} (rooms × players)", weight="600")
        y += HEAD_H
        for mark in marks:
            x = left + mark * scale
            drawing.line(x, y, x, y + ROW_H * len(its), "grid" if mark else "axis")
        for one in sorted(its, key=lambda each: _is_other(each.server)):
            found, middle = one.of(CPU_KEY), y + ROW_H / 2
            drawing.text(left - 8, middle + 4, one.server, anchor="end")
            drawing.bar(
                left,
                middle - BAR_H / 2,
                found.median * scale,
                colours[one.server],
                f"{scenario}, {one.server}: {_label(one, CPU_KEY)}",
            )
            drawing.whisker(
                left + found.least * scale, middle, left + found.greatest * scale, middle
            )
            drawing.text(left + found.greatest * scale + 8, middle + 4, _label(one, CPU_KEY))
            y += ROW_H
    return drawing.svg()


def latency_chart(rows: Kept) -> str:
    """A panel for each scenario: across, CPU per update; up, p50 (full) and p99 (hollow) of the
    latency. Down and left is better. Who was saturated is named instead of drawn.
    """
    scenarios = rows.scenarios()
    colours = _colours(rows.servers())
    panels_h = math.ceil(len(scenarios) / 2) * (PANEL_H + PANEL_GAP)
    height = TITLE_H + HEAD_H + panels_h + CAPTION_H
    title = "Latency of a move, ms, against server CPU per delivered move, µs"
    drawing = Drawing(title, height, rows.caption)
    x = MARGIN + 6.0
    for name, colour in colours.items():
        drawing.point(x, TITLE_H + 10, colour, name, hollow=False)
        drawing.text(x + 10, TITLE_H + 14, name)
        x += 34 + 7 * len(name)
    drawing.text(WIDTH - MARGIN, TITLE_H + 14, "full: p50, hollow: p99", anchor="end")
    width = (WIDTH - 3 * MARGIN) / 2
    for n, (scenario, its) in enumerate(scenarios.items()):
        left = MARGIN + n % 2 * (width + MARGIN)
        top = TITLE_H + HEAD_H + n // 2 * (PANEL_H + PANEL_GAP)
        _panel(drawing, scenario, its, colours, left, top, width)
    return drawing.svg()


def _panel(
    drawing: Drawing,
    scenario: str,
    its: Sequence[Series],
    colours: dict[str, str],
    left: float,
    top: float,
    width: float,
) -> None:
    well = [one for one in its if one.of("delivered_pct").median >= SATURATED_PCT]
    behind = [one for one in its if one not in well]
    head = f"{scenario} (rooms × players)"
    for one in behind:
        head += f"; {one.server}: {one.of('delivered_pct').median:.0f} % delivered"
    drawing.text(left, top + 20, head, weight="600")
    if not well:
        return
    x0, y0 = left + AXIS_W, top + HEAD_H + PANEL_H
    x_max = max(one.of(CPU_KEY).greatest for one in well)
    y_max = max(one.of("p99_ms").greatest for one in well)
    across, up = (width - AXIS_W - MARGIN) / x_max, (PANEL_H - 12) / y_max
    for n in range(math.floor(x_max / step_of(x_max)) + 1):
        value = n * step_of(x_max)
        drawing.text(
            x0 + value * across, y0 + 16, shown(value, step_of(x_max)), size=11, anchor="middle"
        )
    for n in range(math.floor(y_max / step_of(y_max)) + 1):
        value = n * step_of(y_max)
        y = y0 - value * up
        drawing.line(x0, y, left + width, y, "grid" if n else "axis")
        drawing.text(x0 - 6, y + 4, shown(value, step_of(y_max)), size=11, anchor="end")
    drawing.line(x0, y0, x0, y0 - PANEL_H + 12, "axis")
    for one in well:
        cpu = one.of(CPU_KEY)
        x = x0 + cpu.median * across
        half, last = one.of("p50_ms"), one.of("p99_ms")
        drawing.line(x, y0 - half.median * up, x, y0 - last.median * up, "link")
        for key, found in (("p50", half), ("p99", last)):
            y = y0 - found.median * up
            drawing.whisker(x, y0 - found.least * up, x, y0 - found.greatest * up)
            drawing.whisker(x0 + cpu.least * across, y, x0 + cpu.greatest * across, y)
            said = (
                f"{scenario}, {one.server}: {key} {shown(found.median)} ms, {_label(one, CPU_KEY)}"
            )
            drawing.point(x, y, colours[one.server], said, hollow=key == "p99")


CHARTS: Final = {
    bench_fan_out.NAME: (CPU_CHART, cpu_chart),
    bench_latency.NAME: (LATENCY_CHART, latency_chart),
}


def main(words: Sequence[str] | None = None) -> int:
    """Draw all that the files have rows for. Returns 1, and writes nothing, where one cannot be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="JSON lines of fan_out and latency")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the charts (this one)")
    given = parser.parse_args(words)
    try:
        found = kept(rows_of(given.files))
        charts = {CHARTS[bench][0]: CHARTS[bench][1](rows) for bench, rows in found.items()}
    except (ChartFailed, OSError, ValueError, KeyError) as failure:
        print(f"chart: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    for name, svg in charts.items():
        (given.out / name).write_text(svg, "utf-8")
        print(given.out / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
