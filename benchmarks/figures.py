"""Arithmetic of measurements: quantiles, medians with spread, ratios, tables.

PURE: rows in, numbers and text out. Knows nothing of servers, clocks or files.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Figures = Mapping[str, float]
OURS: Final = "ours"
BUSY_PCT: Final = 90.0
"""A generator above this share of its core may be what limits the result."""
FULL_PCT: Final = 95.0
"""A server above this share of its core is what limits the result."""
FOREIGN_PCT: Final = 5.0
"""Above this share of the server's core used by others, distrust what is not CPU."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a table: its key in the row, its heading with the unit, digits to show."""

    key: str
    title: str
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement of one server in one scenario; `error` stands when it failed."""

    bench: str
    scenario: str
    server: str
    rep: int
    figures: Figures
    error: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the repetitions."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float]) -> Spread | None:
    """None when there is no value at all."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that at least `share` (0 < share <= 1) of `ordered` do not exceed.

    NaN when `ordered` is empty: nothing was seen is not the same as nothing was late.
    """
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def per_unit(total: float, units: float) -> float:
    """`total / units`; NaN when no unit was done, so that a failure never looks cheap."""
    return total / units if units > 0 else math.nan


def number(value: float, digits: int) -> str:
    """As people read it: thousands apart, a dash for what was not measured."""
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def cell(values: Sequence[float], digits: int) -> str:
    """`median (least–greatest)`, or the median alone when the others read the same."""
    found = spread([value for value in values if not math.isnan(value)])
    if found is None:
        return "–"
    least, median, greatest = (
        number(value, digits) for value in (found.least, found.median, found.greatest)
    )
    return median if least == greatest else f"{median} ({least}–{greatest})"


def _values(rows: Iterable[Row], key: str) -> list[float]:
    return [row.figures[key] for row in rows if not row.error and key in row.figures]


def ratio(ours: Sequence[Row], other: Sequence[Row], key: str) -> float:
    """Median of the other over the median of ours: above 1, ours needs less. NaN when unknown."""
    mine, theirs = (spread(_values(rows, key)) for rows in (ours, other))
    if mine is None or theirs is None or mine.median == 0:
        return math.nan
    return theirs.median / mine.median


def paired(first: Sequence[Row], other: Sequence[Row], key: str) -> list[float]:
    """The other over the first in each repetition that both have: drift cancels out in it."""
    by_rep = {row.rep: row.figures[key] for row in first if not row.error and key in row.figures}
    return [
        row.figures[key] / by_rep[row.rep]
        for row in other
        if not row.error and key in row.figures and by_rep.get(row.rep)
    ]


def notes(rows: Sequence[Row]) -> list[str]:
    """What a reader must know before believing these rows."""
    said = []
    failed = [row.error for row in rows if row.error]
    if failed:
        why = " ".join(failed[0].replace("|", "/").split())  # it must fit into one cell
        said.append(f"{len(failed)} of {len(rows)} failed: {why}")
    generator = spread(_values(rows, "gen_cpu_pct"))
    if generator and generator.median > BUSY_PCT:
        server = spread(_values(rows, "server_cpu_pct"))
        full = server is not None and server.median >= FULL_PCT
        said.append(
            f"generator at {generator.median:.0f} % of its core"
            + (", the server's was full too" if full else ": it may be the limit")
        )
    foreign = spread(_values(rows, "foreign_pct"))
    if foreign and foreign.greatest > FOREIGN_PCT:
        said.append(f"others used up to {foreign.greatest:.0f} % of the server's core")
    for key, what in (("miscounted", "frames miscounted"), ("errors", "errors")):
        worst = max(_values(rows, key), default=0)
        if worst:
            said.append(f"{what}: {worst:.0f}")
    delivered = spread(_values(rows, "delivered_pct"))
    if delivered and delivered.median < 95:
        said.append("less than 95 % came in time: latency only says how far the backlog grew")
    return said


def table(rows: Sequence[Row], columns: Sequence[Column], key: str, first: str = "") -> str:
    """One table per scenario in Markdown: servers down, figures across, the ratio of `key` last:
    to the median of ours, or, where `first` is named, to that one in each repetition.
    """
    out = []
    for scenario in dict.fromkeys(row.scenario for row in rows):
        mine = [row for row in rows if row.scenario == scenario]
        shown = [column for column in columns if any(column.key in row.figures for row in mine)]
        titles = {column.key: column.title for column in columns}
        heads = ["server", *(column.title for column in shown)]
        out += [f"\n**{scenario}**\n", f"| {' | '.join([*heads, f'× {titles[key]}'])} | notes |"]
        out.append("|---" + "|---:" * (len(shown) + 1) + "|---|")
        ours = [row for row in mine if row.server == (first or OURS)]
        for server in dict.fromkeys(row.server for row in mine):
            its = [row for row in mine if row.server == server]
            cells = [cell(_values(its, column.key), column.digits) for column in shown]
            if first:
                times = cell(paired(ours, its, key), 2)
            else:
                times = number(ratio(ours, its, key) if ours else math.nan, 1)
            cells = [server, *cells, times, "; ".join(notes(its))]
            out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out) + "\n"
