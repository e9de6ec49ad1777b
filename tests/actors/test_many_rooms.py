"""Tens of thousands of rooms, spawned and reaped: all of what they took is given back."""

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from actors import messages as m
from actors.answers import Answer
from actors.ids import RoomId
from actors.players import LeaveReason
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import Stage

BATCH = 10_000
LEFT_MAX = 0.05
"""How much of what the rooms took may still be taken when they are gone."""

ROOM_BYTES_MAX = 2_000
"""An empty room may take so much memory."""
LEFT_BYTES_MAX = 150
"""So much may stay of it in the directory's tables, which do not shrink, for the next one."""


class Visitor(FakeOutlet):
    """Comes and goes without a trace in the test's own memory; counts how often it was answered."""

    answered = 0

    def answer(self, answer: Answer) -> None:
        Visitor.answered += 1


def numbered(stage: Stage, first: int, rooms: int) -> list[Visitor]:
    """One visitor for each of `rooms` rooms."""
    ids = [RoomId(f"r{number}") for number in range(first, first + rooms)]
    return [Visitor("A", stage.encoder, stage.roster, room_id) for room_id in ids]


async def quiet(stage: Stage) -> None:
    """Until the registry has been without work for a while: the rooms had their turns between."""
    rounds = 0
    while rounds < 5:
        await asyncio.sleep(0)
        rounds = 0 if len(stage.directory.registry) else rounds + 1


async def visit(stage: Stage, rooms: int) -> None:
    """Join and leave every room, and forget what the fakes kept of it."""
    for first in range(0, rooms, BATCH):
        visitors = numbered(stage, first, min(BATCH, rooms - first))
        stage.post(*(stage.join(visitor) for visitor in visitors))
        await quiet(stage)
        stage.post(*(m.Leave(visitor, LeaveReason.LEFT) for visitor in visitors))
        await quiet(stage)
        stage.log.lines.clear()
        stage.metrics.join_seconds.clear()
        stage.encoder.forget()


async def reap(stage: Stage) -> None:
    """Let the idle time of every room pass, in steps, each with all that is due by then."""
    for _ in range(10):
        stage.clock.jump(stage.clock.monotonic_s() + 100)
        await quiet(stage)
    stage.log.lines.clear()


async def taken_and_left(rooms: int, measure: Callable[[], int]) -> tuple[int, int]:
    """By how much `measure` is higher with `rooms` empty rooms, and when they have been reaped."""
    stage = Stage(room_idle_s=300)
    await visit(stage, 100)
    await reap(stage)
    gc.collect()
    before = measure()
    Visitor.answered = 0
    await visit(stage, rooms)
    assert Visitor.answered == 2 * rooms
    assert len(stage.directory.rooms) == len(stage.directory.idle) == rooms
    gc.collect()
    full = measure()
    await reap(stage)
    assert stage.directory.rooms == {}
    assert stage.clock.waiting() == []
    assert stage.census.players == 0
    gc.collect()
    return full - before, measure() - before


@pytest.mark.rule("G5.8")
async def test_tens_of_thousands_of_rooms_leave_nothing_behind() -> None:
    """Counted in blocks of memory, of whatever size, as the interpreter's allocator counts them."""
    rooms = 30_000
    gc.disable()  # it would look through all rooms again and again while they are made
    try:
        taken, left = await taken_and_left(rooms, sys.getallocatedblocks)
    finally:
        gc.enable()
    assert taken > 10 * rooms
    assert left < LEFT_MAX * taken


@pytest.mark.rule("G5.8")
async def test_the_bytes_of_reaped_rooms_are_given_back() -> None:
    """Counted in bytes, which takes ten times as long, and so over fewer rooms. A room that waits
    for somebody, its directory's part and its timer's included, takes next to nothing.
    """
    rooms = 3_000
    tracemalloc.start()
    try:
        taken, left = await taken_and_left(rooms, lambda: tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert 500 * rooms < taken < ROOM_BYTES_MAX * rooms
    assert left < LEFT_BYTES_MAX * rooms
