"""The faulty store itself, and stores that crash under it between any two writes."""

import threading
from pathlib import Path

import pytest

from actors.stores.memory import MemoryDisk, MemoryStore
from actors.stores.port import Batch, StoreFull
from tests.actors.stores.faulty import Crashed, FaultyStore
from tests.actors.stores.places import KINDS, NOW_MS, Run
from tests.actors.stores.rooms import OTHER, ROOM, Model, delta, row, whole

WRITES = 6


def test_the_named_call_fails_and_is_not_done() -> None:
    """The calls before and after it are."""
    store = FaultyStore(MemoryStore(), errors={("write", 2): StoreFull("full")})
    run = Run(lambda: store)
    run.write(whole(ROOM, "A", version=1))
    with pytest.raises(StoreFull):
        run.write(delta(ROOM, version=2))
    run.write(delta(OTHER, version=3))
    assert {room: found[1] for room, found in run.rooms([ROOM, OTHER]).items()} == {
        ROOM: 1,
        OTHER: 3,
    }
    assert store.calls[:4] == ["open", "write", "write", "write"]


def test_a_stalled_call_is_done_once_its_event_is_set() -> None:
    """Until then it keeps its thread; what delays is asked before each call."""
    asked: list[str] = []
    gate = threading.Event()
    store = FaultyStore(MemoryStore(), stalls={("write", 1): gate}, delay=asked.append)
    store.open(NOW_MS)
    thread = threading.Thread(target=store.write, args=[Batch(1, [whole(ROOM, "A")])])
    thread.start()
    assert store.load(ROOM) is None
    gate.set()
    thread.join()
    assert store.load(ROOM) is not None
    assert asked == store.calls


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("writes", range(1, WRITES + 1))
def test_a_crash_between_two_writes_leaves_exactly_those_before(
    kind: str, writes: int, tmp_path: Path
) -> None:
    """Each write is there whole or not at all; a crashed run closes nothing."""
    make = KINDS[kind](tmp_path)
    store = FaultyStore(make(), crash_after_writes=writes)
    store.open(NOW_MS)
    model = Model()
    history = [
        [delta(ROOM, {"AB"[n % 2]: row("A", serial=n)}, version=n), whole(OTHER, "C", version=n)]
        for n in range(1, WRITES + 1)
    ]
    for mark, batch in enumerate(history, 1):
        if mark > writes:
            with pytest.raises(Crashed):
                store.write(Batch(mark, batch))
            break
        model.apply(batch)
        store.write(Batch(mark, batch))
        if mark < writes:
            store.tidy()
    with pytest.raises(Crashed):
        store.close()
    after = Run(make)
    assert after.opened.mark == writes
    assert after.rooms([ROOM, OTHER]) == model.rooms
    after.store.close()
    store.inner.close()


def test_a_disk_of_memory_outlives_its_stores() -> None:
    """Two stores on one disk see the same, two disks are apart."""
    disk = MemoryDisk()
    first = Run(lambda: MemoryStore(disk))
    first.write(whole(ROOM, "A"))
    assert Run(lambda: MemoryStore(disk)).load(ROOM) == first.load(ROOM)
    assert Run(MemoryStore).load(ROOM) is None
