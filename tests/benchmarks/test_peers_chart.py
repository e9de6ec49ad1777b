"""The chart of other servers says what the rows say, and refuses what cannot be compared."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chart import ChartFailed
from benchmarks.drawing import MARGIN, WIDTH
from benchmarks.peers_chart import LABEL_W, PEERS_CHART, VALUE_W, main, panels, peers_chart

Rows = list[dict[str, Any]]


def row(peer: str, scenario: str = "D", **more: Any) -> dict[str, Any]:
    """One measurement, of churn unless told otherwise."""
    return {"peer": peer, "scenario": scenario, "rep": 1, "machine": "m", "commit": "c"} | more


def churn(peer: str, *costs: float) -> Rows:
    """As many repetitions of churn as costs."""
    return [row(peer, cpu_us_per_op=cost) for cost in costs]


def test_ours_comes_first_and_the_others_by_their_medians() -> None:
    """So a reader finds ours, and then how the others follow."""
    found = panels(churn("a", 9, 1, 5) + churn("b", 4) + churn("vaultmeet", 7))
    ((work, bars),) = found.items()
    assert work.scenario == "D"
    assert [(bar.peer, bar.found.median) for bar in bars] == [("vaultmeet", 7), ("b", 4), ("a", 5)]


def test_a_bar_is_as_long_as_its_median_against_the_greatest_of_its_panel() -> None:
    """Axes begin at 0; the number is beside the bar and in its title."""
    svg = peers_chart(churn("vaultmeet", 10, 20, 30) + churn("a", 40, 50, 60))
    widths = [float(found) for found in re.findall(r'class="bar" [^>]*? width="([\d.]+)"', svg)]
    room = (WIDTH - 3 * MARGIN) / 2 - LABEL_W - VALUE_W
    assert widths == pytest.approx([room / 3, room * 5 / 6], abs=0.1)
    assert "joins and leaves, µs each: vaultmeet: 20.0" in svg
    assert "m; commit c" in svg


def test_who_was_saturated_says_so() -> None:
    """Its cost an update is then that of a server that leaves work undone."""
    works = {"cpu_us_per_update": 0.5}
    svg = peers_chart(
        [
            row("vaultmeet", "B1x50", **works, delivered_pct=99.5),
            row("a", "B1x50", **works, delivered_pct=37.4),
        ]
    )
    assert svg.count("% delivered") == 2  # the label and the title of one bar
    assert "a: 0.500, 37 % delivered" in svg


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no rows"),
        ([row("a", "B7x7")], "no rows"),
        (churn("a", 1), "without vaultmeet"),
        ([*churn("vaultmeet", 1), row("a", error="fell over")], "fell over"),
        ([*churn("vaultmeet", 1), row("a")], "without cpu_us_per_op"),
        ([*churn("vaultmeet", 1), row("a", cpu_us_per_op=1, commit="d")], "2 machines or commits"),
    ],
)
def test_what_cannot_be_compared_is_not_drawn(rows: Rows, said: str) -> None:
    """No rows, none of ours, failed ones, and those of two machines or commits."""
    with pytest.raises(ChartFailed, match=said):
        peers_chart(rows)


def test_the_command_writes_the_chart_or_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal leaves no file behind."""
    file = tmp_path / "peers.jsonl"
    file.write_text("\n".join(map(json.dumps, churn("vaultmeet", 1) + churn("a", 2))), "utf-8")
    assert main([str(file), "--out", str(tmp_path)]) == 0
    chart = tmp_path / PEERS_CHART
    assert chart.read_text("utf-8").startswith("<svg")
    chart.unlink()
    file.write_text(json.dumps(row("a", cpu_us_per_op=1)), "utf-8")
    assert main([str(file), "--out", str(tmp_path)]) == 1
    assert "without vaultmeet" in capsys.readouterr().err
    assert not chart.exists()
