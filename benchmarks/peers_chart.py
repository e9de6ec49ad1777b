"""`python -m benchmarks.peers_chart --out FOLDER FILE.jsonl...`: ours beside other servers, as SVG.

Owns one chart, `peers.svg`: a panel for each kind of work, a bar for each server, shorter is
better. The rows are those of another load generator (README.md says which): `peer`, `scenario`,
`rep`, `machine`, `commit` and the figures. A bar is the median of the repetitions, whiskers go from
the least to the greatest, each axis begins at 0 and ends at the greatest bar. Raises ChartFailed,
and draws nothing, for a row that failed or lacks its figure, for a panel without ours, and for no
rows at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.chart import SATURATED_PCT, ChartFailed, rows_of
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
)
from benchmarks.figures import Spread, spread

PEERS_CHART: Final = "peers.svg"
OURS: Final = "vaultmeet"
FLOOR: Final = "floor"
"""How the names of those begin that only show how little it can cost."""
LABEL_W: Final = 104
VALUE_W: Final = 116
"""Room for the number beside the longest bar."""


class Work(NamedTuple):
    """One panel: whose rows, which figure of them, and what it says."""

    scenario: str
    key: str
    title: str


WORKS: Final = (
    Work("B1x50", "cpu_us_per_update", "1 room of 50, µs an update"),
    Work("B10x50", "cpu_us_per_update", "10 rooms of 50, µs an update"),
    Work("A500", "cpu_us_per_join", "500 join at once, µs a join"),
    Work("C", "kib_per_conn", "idle player, KiB"),
    Work("D", "cpu_us_per_op", "joins and leaves, µs each"),
    Work("E", "cpu_us_per_conn", "connect, join, leave, close, µs"),
)


class Bar(NamedTuple):
    """One server in one panel."""

    peer: str
    found: Spread
    delivered_pct: float

    @property
    def label(self) -> str:
        said = shown(self.found.median)
        if self.delivered_pct < SATURATED_PCT:
            return f"{said}, {self.delivered_pct:.0f} % delivered"
        return said


def panels(rows: Sequence[dict[str, Any]]) -> dict[Work, list[Bar]]:
    """The bars of each panel that has rows: ours first, then the others from the least to the
    greatest.
    """
    found: dict[Work, list[Bar]] = {}
    for work in WORKS:
        mine = [row for row in rows if row["scenario"] == work.scenario]
        bars = [_bar(work, peer, mine) for peer in dict.fromkeys(row["peer"] for row in mine)]
        if bars:
            if not any(bar.peer == OURS for bar in bars):
                raise ChartFailed(f"{work.scenario}: without {OURS}")
            found[work] = sorted(bars, key=lambda bar: (bar.peer != OURS, bar.found.median))
    if not found:
        raise ChartFailed("no rows of what is drawn")
    return found


def _bar(work: Work, peer: str, rows: Iterable[dict[str, Any]]) -> Bar:
    mine = [row for row in rows if row["peer"] == peer]
    for row in mine:
        if "error" in row:
            raise ChartFailed(f"{work.scenario}, {peer}: failed: {row['error']}")
        if work.key not in row:
            raise ChartFailed(f"{work.scenario}, {peer}: without {work.key}")
    costs = spread([float(row[work.key]) for row in mine])
    delivered = spread([float(row.get("delivered_pct", 100.0)) for row in mine])
    assert costs is not None
    assert delivered is not None
    return Bar(peer, costs, delivered.median)


def peers_chart(rows: Sequence[dict[str, Any]]) -> str:
    """The chart, as text. Two panels side by side, all as high as the highest of their row."""
    found = list(panels(rows).items())
    abouts = dict.fromkeys(f"{row['machine']}; commit {row['commit']}" for row in rows)
    if len(abouts) > 1:
        raise ChartFailed(f"rows of {len(abouts)} machines or commits")
    pairs = [found[at : at + 2] for at in range(0, len(found), 2)]
    heights = [HEAD_H + ROW_H * max(len(bars) for _, bars in pair) + 8 for pair in pairs]
    drawing = Drawing(
        "Server CPU and memory beside other servers (less is better)",
        TITLE_H + sum(heights) + CAPTION_H,
        next(iter(abouts)),
    )
    top = float(TITLE_H)
    width = (WIDTH - 3 * MARGIN) / 2
    for pair, height in zip(pairs, heights, strict=True):
        for at, (work, bars) in enumerate(pair):
            _panel(drawing, work, bars, MARGIN + at * (width + MARGIN), top, width)
        top += height
    return drawing.svg()


def _panel(
    drawing: Drawing, work: Work, bars: Sequence[Bar], left: float, top: float, width: float
) -> None:
    drawing.text(left, top + 20, work.title, weight="600")
    x0, y = left + LABEL_W, top + HEAD_H
    greatest = max(bar.found.greatest for bar in bars)
    scale = (width - LABEL_W - VALUE_W) / greatest if greatest else 0.0
    drawing.line(x0, y, x0, y + ROW_H * len(bars), "axis")
    for bar in bars:
        middle = y + ROW_H / 2
        drawing.text(x0 - 8, middle + 4, bar.peer, anchor="end")
        said = f"{work.title}: {bar.peer}: {bar.label}"
        drawing.bar(x0, middle - BAR_H / 2, bar.found.median * scale, _colour(bar.peer), said)
        least, most = (x0 + value * scale for value in (bar.found.least, bar.found.greatest))
        drawing.whisker(least, middle, most, middle)
        drawing.text(most + 8, middle + 4, bar.label, size=11)
        y += ROW_H


def _colour(peer: str) -> str:
    if peer == OURS:
        return OURS_COLOURS[0]
    return OTHERS_COLOURS[3 if peer.startswith(FLOOR) else 0]


def main(words: Sequence[str] | None = None) -> int:
    """Draw it. Returns 1, and writes nothing, where it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers_chart", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="JSON lines")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the chart (this one)")
    given = parser.parse_args(words)
    try:
        svg = peers_chart(rows_of(given.files))
    except (ChartFailed, OSError, ValueError, KeyError) as failure:
        print(f"peers_chart: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    (given.out / PEERS_CHART).write_text(svg, "utf-8")
    print(given.out / PEERS_CHART)
    return 0


if __name__ == "__main__":
    sys.exit(main())
