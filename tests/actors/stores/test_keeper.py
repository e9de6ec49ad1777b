"""The keeper: a store on its own thread, asked from the loop.

Each test stalls or breaks the store at a named call and looks at what arrives on the loop.
"""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from actors.records import Record
from actors.stores.keeper import Keeper
from actors.stores.memory import MemoryStore
from actors.stores.port import Batch, Store, StoreDamaged, StoreFault, StoreFull
from tests.actors.stores.faulty import PATIENCE_S, FaultyStore
from tests.actors.stores.places import NOW_MS
from tests.actors.stores.rooms import OTHER, ROOM, delta, row, seen, whole


class Untidy(MemoryStore):
    """One with a lot to tidy, `steps` times."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def tidy(self) -> bool:
        self.steps -= 1
        return self.steps > 0


class Answers:
    """What was delivered, in order, and on which thread."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Any]] = []
        self.threads: set[int] = set()

    def to(self, name: str) -> Callable[[object], None]:
        return partial(self._note, name)

    def _note(self, name: str, answer: object) -> None:
        self.all.append((name, answer))
        self.threads.add(threading.get_ident())


def never(fault: StoreFault) -> None:
    """For what is not expected to be told."""
    raise AssertionError(str(fault))


async def thread_ended(store: FaultyStore) -> bool:
    """Whether the one thread that called the store ends."""
    (thread,) = store.threads
    await asyncio.to_thread(thread.join, PATIENCE_S)
    return not thread.is_alive()


async def test_answers_arrive_on_the_loop_in_the_order_asked() -> None:
    """Of loads, writes and settling alike, each with what the store had by then."""
    store, answers = FaultyStore(MemoryStore()), Answers()
    keeper = Keeper(store)
    opened = await keeper.open(NOW_MS)
    assert opened.run == NOW_MS // 1000
    keeper.load(ROOM, answers.to("load 1"))
    keeper.write(Batch(1, [whole(ROOM, "A")]), answers.to("write 1"), never)
    keeper.load(ROOM, answers.to("load 2"))
    keeper.write(Batch(2, [delta(ROOM, {"B": row("B")}, version=2)]), answers.to("write 2"), never)
    keeper.settle(answers.to("settle"))
    keeper.load(ROOM, answers.to("load 3"))
    assert answers.all == []
    await keeper.close()
    names = [name for name, _ in answers.all]
    assert names == ["load 1", "write 1", "load 2", "write 2", "settle", "load 3"]
    values = [seen(answer) if isinstance(answer, Record) else answer for _, answer in answers.all]
    grown = whole(ROOM, "A", "B", version=2)
    assert values == [None, None, seen(whole(ROOM, "A")), None, None, seen(grown)]
    assert answers.threads == {threading.get_ident()}
    assert await thread_ended(store)


async def test_a_stalled_disk_keeps_nobody_on_the_loop_waiting() -> None:
    """Asking returns at once; the answers come when the disk does."""
    gate = threading.Event()
    store, answers = FaultyStore(MemoryStore(), stalls={("write", 1): gate}), Answers()
    keeper = Keeper(store)
    await keeper.open(NOW_MS)
    keeper.write(Batch(1, [whole(ROOM, "A")]), answers.to("write"), never)
    keeper.load(ROOM, answers.to("load"))
    closing = asyncio.create_task(keeper.close())
    await asyncio.sleep(0)
    assert answers.all == []
    gate.set()
    await closing
    assert [name for name, _ in answers.all] == ["write", "load"]
    assert all(thread.daemon for thread in store.threads)
    assert await thread_ended(store)


@pytest.mark.parametrize("method", ["load", "write", "settle"])
@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (StoreFull("no space"), StoreFull, "no space"),
        (StoreDamaged("broken"), StoreDamaged, "broken"),
        (ZeroDivisionError("a bug"), StoreFault, "ZeroDivisionError: a bug"),
    ],
)
async def test_what_a_store_raises_is_the_answer(
    method: str, error: Exception, kind: type[StoreFault], text: str
) -> None:
    """A bug too, as a fault; the thread lives on and does what is asked next."""
    store = FaultyStore(MemoryStore(), errors={(method, 1): error})
    keeper, answers = Keeper(store), Answers()
    await keeper.open(NOW_MS)
    for name in ("first", "second"):
        if method == "load":
            keeper.load(ROOM, answers.to(name))
        elif method == "write":
            keeper.write(Batch(1, [whole(ROOM)]), answers.to(name), never)
        else:
            keeper.settle(answers.to(name))
    await keeper.close()
    (first, fault), (second, fine) = answers.all
    assert (first, second, fine) == ("first", "second", None)
    assert type(fault) is kind
    assert str(fault) == text
    assert await thread_ended(store)


@pytest.mark.parametrize("error", [StoreFull("no space"), KeyError("a bug")])
async def test_a_store_that_does_not_open_says_why(error: Exception) -> None:
    """The one who opens gets it raised, and may try again or close."""
    store = FaultyStore(MemoryStore(), errors={("open", 1): error})
    keeper = Keeper(store)
    with pytest.raises(StoreFault) as raised:
        await keeper.open(NOW_MS)
    assert type(raised.value) is (StoreFull if isinstance(error, StoreFull) else StoreFault)
    assert (await keeper.open(NOW_MS)).mark == 0
    await keeper.close()
    assert await thread_ended(store)


@pytest.mark.parametrize("error", [StoreFull("no space"), KeyError("a bug")])
async def test_a_store_that_does_not_close_still_gives_up_its_thread(error: Exception) -> None:
    """The one who closes gets it raised."""
    store = FaultyStore(MemoryStore(), errors={("close", 1): error})
    keeper = Keeper(store)
    await keeper.open(NOW_MS)
    with pytest.raises(StoreFault):
        await keeper.close()
    assert await thread_ended(store)


# -- tidying


async def test_tidying_goes_on_between_messages_and_starves_none() -> None:
    """What waits by the end of a slice comes before the next one."""
    gate = threading.Event()
    store = FaultyStore(Untidy(10**9), stalls={("tidy", 1): gate})
    keeper, answers = Keeper(store), Answers()
    await keeper.open(NOW_MS)
    keeper.write(Batch(1, [whole(ROOM, "A")]), answers.to("write"), never)
    for number in range(5):
        keeper.load(ROOM, answers.to(f"load {number}"))
    gate.set()
    await keeper.close()
    assert len(answers.all) == 6
    assert store.calls[:8] == ["open", "write", "tidy", *["load"] * 5]
    assert await thread_ended(store)


async def test_writes_while_there_is_a_lot_to_tidy_add_nothing_to_wait_for() -> None:
    """One slice at a time is under way, however many of them have asked for it."""
    gate = threading.Event()
    store = FaultyStore(Untidy(10**9), stalls={("tidy", 1): gate})
    keeper, answers = Keeper(store), Answers()
    await keeper.open(NOW_MS)
    for mark in range(1, 6):
        keeper.write(Batch(mark, [whole(ROOM, "A")]), answers.to("write"), never)
    closing = asyncio.create_task(keeper.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert store.calls == ["open", "write", "tidy", *["write"] * 4, "close"]
    assert len(answers.all) == 5
    assert await thread_ended(store)


async def test_after_a_write_all_is_tidied_without_being_asked_again() -> None:
    """Slice after slice until there is nothing left."""
    done = threading.Event()
    inner = Untidy(7)
    store = FaultyStore(inner)
    keeper = Keeper(store)
    await keeper.open(NOW_MS)
    store_tidy = inner.tidy

    def tidy() -> bool:
        more = store_tidy()
        if not more:
            done.set()
        return more

    inner.tidy = tidy  # type: ignore[method-assign]
    keeper.write(Batch(1, [whole(ROOM, "A")]), lambda _fault: None, never)
    assert await asyncio.to_thread(done.wait, PATIENCE_S)
    await keeper.close()
    assert store.calls == ["open", "write", *["tidy"] * 7, "close"]


async def test_nothing_is_tidied_once_the_store_is_closed() -> None:
    """A slice that stood behind the closing is dropped, and nobody is told of a fault."""
    gate = threading.Event()
    store = FaultyStore(Untidy(10**9), stalls={("tidy", 1): gate})
    keeper = Keeper(store)
    await keeper.open(NOW_MS)
    keeper.write(Batch(1, [whole(ROOM, "A")]), lambda _fault: None, never)
    closing = asyncio.create_task(keeper.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert await thread_ended(store)
    assert store.calls == ["open", "write", "tidy", "close"]


@pytest.mark.parametrize("error", [StoreFull("no space"), KeyError("a bug")])
async def test_a_slice_that_fails_is_told_and_tried_again_after_the_next_write(
    error: Exception,
) -> None:
    """The write itself was done and says so."""
    store = FaultyStore(Untidy(4), errors={("tidy", 2): error})
    keeper, answers = Keeper(store), Answers()
    await keeper.open(NOW_MS)
    told = asyncio.Event()

    def untidy(fault: StoreFault) -> None:
        answers.to("untidy")(fault)
        told.set()

    keeper.write(Batch(1, [whole(ROOM, "A")]), answers.to("write"), untidy)
    await told.wait()
    (_, fine), (name, fault) = answers.all
    assert fine is None
    assert name == "untidy"
    assert type(fault) is (StoreFull if isinstance(error, StoreFull) else StoreFault)
    assert store.calls == ["open", "write", "tidy", "tidy"]
    keeper.write(Batch(2, [whole(OTHER, "A")]), answers.to("write 2"), never)
    await keeper.close()
    assert store.calls[4:6] == ["write", "tidy"]


async def test_a_write_that_failed_is_no_reason_not_to_tidy() -> None:
    """On a full disk tidying may be what makes space."""
    store = FaultyStore(Untidy(1), errors={("write", 1): StoreFull("no space")})
    keeper, answers = Keeper(store), Answers()
    await keeper.open(NOW_MS)
    keeper.write(Batch(1, [whole(ROOM, "A")]), answers.to("write"), never)
    await keeper.close()
    assert isinstance(answers.all[0][1], StoreFull)
    assert store.calls == ["open", "write", "tidy", "close"]


def test_an_answer_for_a_loop_that_is_gone_is_dropped() -> None:
    """The thread outlives the loop, and a late answer breaks nothing."""
    gate = threading.Event()
    store: Store = FaultyStore(MemoryStore(), stalls={("load", 1): gate})
    late: list[object] = []

    async def ask() -> Keeper:
        keeper = Keeper(store)
        await keeper.open(NOW_MS)
        keeper.load(ROOM, late.append)
        keeper.load(OTHER, late.append)
        return keeper

    keeper = asyncio.run(ask())
    assert isinstance(store, FaultyStore)
    gate.set()
    keeper._actor.stop()
    assert store.calls == ["open", "load", "load"]
    assert late == []
