"""A small chart as SVG: words, lines, bars, points, on no ground, in colours of middle lightness.

Owns the looks, which are the same on a light and on a dark page; knows no figures.
"""

from __future__ import annotations

import math
from html import escape
from typing import Final

from benchmarks.figures import number

WIDTH: Final = 720
MARGIN: Final = 16
TITLE_H: Final = 34
HEAD_H: Final = 28
BAR_H: Final = 16
ROW_H: Final = 24
CAPTION_H: Final = 40
TICKS_ABOUT: Final = 5
OURS_COLOURS: Final = ("#2f81c7", "#5b9e9a", "#8d7fd1", "#3aa655")
OTHERS_COLOURS: Final = ("#b8722c", "#6f8f3a", "#b0607f", "#8a8f98")
_TEXT: Final = "#7a828c"


def step_of(greatest: float) -> float:
    """The distance of an axis' ticks: 1, 2 or 5 times a power of ten, about five to `greatest`."""
    rough = greatest / TICKS_ABOUT
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)


def shown(value: float, step: float = 0.0) -> str:
    """A number as short as it may be: three digits of it, or those of the axis' `step`."""
    least = step or value or 1.0
    digits = -math.floor(math.log10(abs(least))) + (0 if step else 2)
    return number(value, min(3, max(0, digits)))


class Drawing:
    """The lines of one SVG; coordinates in pixels from the top left."""

    def __init__(self, title: str, height: int, caption: str) -> None:
        self._lines: list[str] = []
        self._height = height
        self.title = title
        self.text(MARGIN, 22, title, size=15, weight="600")
        # In two lines: machines have long names.
        for at, line in enumerate(_halves(caption)):
            self.text(MARGIN, height - CAPTION_H + 18 + 13 * at, line, size=10)

    def text(
        self, x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", **more: str
    ) -> None:
        extra = "".join(f' font-{key}="{value}"' for key, value in more.items())
        self._lines.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{extra} '
            f'fill="{_TEXT}">{escape(words)}</text>'
        )

    def whisker(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """From the least to the greatest, level or upright, with an end to either side."""
        self.line(x1, y1, x2, y2, "whisker")
        across, up = (0, 3) if y1 == y2 else (3, 0)
        for x, y in ((x1, y1), (x2, y2)):
            self.line(x - across, y - up, x + across, y + up, "end")

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """`kind` is axis, grid, whisker, the end of one, or link."""
        width, opacity = {"grid": (1, 0.3), "link": (1, 0.6)}.get(kind, (1.5, 1))
        self._lines.append(
            f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{_TEXT}" stroke-width="{width}" stroke-opacity="{opacity}"/>'
        )

    def bar(self, x: float, y: float, width: float, colour: str, said: str) -> None:
        self._lines.append(
            f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR_H}" '
            f'fill="{colour}"><title>{escape(said)}</title></rect>'
        )

    def point(self, x: float, y: float, colour: str, said: str, *, hollow: bool) -> None:
        fill = "none" if hollow else colour
        self._lines.append(
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" '
            f'stroke="{colour}" stroke-width="2"><title>{escape(said)}</title></circle>'
        )

    def svg(self) -> str:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self._height}" '
            f'width="{WIDTH}" height="{self._height}" role="img" '
            f'font-family="system-ui, sans-serif" aria-label="{escape(self.title)}">'
        )
        return "\n".join([head, *self._lines, "</svg>"]) + "\n"


def _halves(caption: str) -> list[str]:
    words = caption.split(", ")
    cut = (len(words) + 1) // 2
    return [", ".join(words[:cut]) + ",", ", ".join(words[cut:])] if len(words) > 1 else [caption]
