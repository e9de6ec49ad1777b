"""A soak for people: a line a trough, and the verdict in sentences.

Owns what is held against which bound; the arithmetic is in `verdict.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Final

from tests.soak.course import Report
from tests.soak.readings import Handles, Reading
from tests.soak.verdict import (
    MEMORY,
    MEMORY_AND_GARBAGE,
    OBJECTS,
    TROUGHS_MIN,
    Bound,
    Point,
    growth,
    not_the_same,
    too_much,
    warm,
)

HEADING: Final = (
    "  min  sessions   rooms |  conns rooms  RSS MiB |  RSS MiB  PSS MiB  anon KiB"
    "    blocks     live files threads tasks left"
)
KIB: Final = 1024
MIB: Final = 1_048_576
KINDS: Final = ("sessions", "rooms", "connections", "resumes")


def row(trough: Reading, load: Reading) -> str:
    """One trough, behind the load before it."""
    handles = trough.handles
    conns, rooms = load.gauges["vaultmeet_connections"], load.gauges["vaultmeet_rooms"]
    live = "-" if trough.live is None else str(trough.live)
    return (
        f"{trough.at_s / 60:5.1f} {trough.sessions:9,} {trough.rooms:7,} |"
        f" {conns:6.0f} {rooms:5.0f} {load.resident / MIB:8.1f} |"
        f" {trough.resident / MIB:8.1f} {trough.proportional / MIB:8.1f}"
        f" {trough.anonymous // KIB:9,} {trough.blocks:9,} {live:>8}"
        f" {handles.files:5} {handles.threads:7} {handles.tasks:5}"
        f" {sum(trough.left_over().values()):4}"
    )


def measures(report: Report) -> list[tuple[Bound, list[Point]]]:
    """What is held against which bound; live objects only where garbage was collected."""
    memory: list[Point] = [(t.sessions, t.anonymous) for t in report.troughs]
    live: list[Point] = [(t.sessions, t.live) for t in report.troughs if t.live is not None]
    return [(MEMORY, memory), (OBJECTS, live)] if live else [(MEMORY_AND_GARBAGE, memory)]


def exact_faults(report: Report) -> list[str]:
    """What needs no measure: handles, what is left over, the log, the mirrors."""
    faults = list(report.faults)
    hidden = report.counts["faults"] - len(faults)
    if hidden:
        faults.append(f"and {hidden} more of these")
    quiet = [*([report.before] if report.before else []), *report.troughs]
    for name in (field.name for field in fields(Handles)):
        faults += _told(not_the_same(name, [getattr(t.handles, name) for t in quiet]))
    faults += [
        f"left over at minute {trough.at_s / 60:.1f}: {trough.left_over()}"
        for trough in report.troughs
        if trough.left_over()
    ]
    return faults


def faults_of(report: Report) -> list[str]:
    """All that is wrong, in sentences; none where the server is flat."""
    faults = exact_faults(report)
    for bound, points in measures(report):
        faults += _told(too_much(bound, points))
    return faults


def is_enough(report: Report) -> bool:
    """Whether there is something to judge."""
    return all(len(warm(points)) >= TROUGHS_MIN for _, points in measures(report))


def summary(report: Report) -> tuple[str, bool]:
    """The verdict with its reasons, and whether the server is flat."""
    counts = report.counts
    lines = [
        "",
        ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS)
        + f", {counts['frames']:,} objects judged by mirrors",
        "deeds: " + _listed(counts, [*KINDS, "frames", "users", "faults"]),
        "log: " + _listed(report.levels, []),
        f"the clients themselves stood still for {report.stall_s:.2f} s at most",
        *[_measured(bound, points, report) for bound, points in measures(report)],
    ]
    faults = faults_of(report)
    lines += [f"NOT FLAT: {fault}" for fault in faults] or ["FLAT"]
    return "\n".join(lines), not faults


def _told(fault: str | None) -> list[str]:
    return [] if fault is None else [fault]


def _measured(bound: Bound, points: Sequence[Point], report: Report) -> str:
    """The slopes, and the smallest leak of each kind that would have been found."""
    found = growth(points)
    smallest = bound.smallest(found.sessions) * report.counts["sessions"]
    caught = ", ".join(
        f"{smallest / max(1, report.counts[kind]):,.2f} a {kind.removesuffix('s')}"
        for kind in KINDS
    )
    return (
        f"{bound.name}: by thirds {found.by_thirds:+,.3f}, Theil-Sen {found.theil_sen:+,.3f}"
        f" {bound.unit} a session over {found.sessions:,.0f} sessions;"
        f" the smallest leaks found are {caught}"
    )


def _listed(counts: dict[str, int], without: Sequence[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:,}" for name, count in ordered if name not in without)
