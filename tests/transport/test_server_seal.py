"""The seal of a running server: what it tells, and keys that are read again."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from actors.audit.port import UNAUDITED
from actors.sealing import key_id, keys_text
from actors.stores.keeper import Keeper
from actors.stores.port import Batch
from actors.stores.sqlite import SqliteStore
from tests.actors.fake_operator import FakeLog
from tests.actors.stage import settle
from tests.actors.stores.places import NOW_MS, key
from tests.actors.stores.rooms import whole
from transport.seal_keys import SealKeys, SealKeysUnusable
from transport.server_seal import ServerSeal

PATIENCE_S = 60.0
FIRST, SECOND = key_id(key(1)), key_id(key(2))


class Desk:
    """A key file, a store on its thread, and the seal of both."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "seal.keys"
        self.data = folder / "data"
        self.data.mkdir()
        self.log = FakeLog()

    def keys(self, *numbers: int) -> None:
        self.file.write_text(keys_text([key(number) for number in numbers]), "ascii")
        self.file.chmod(0o600)

    async def opened(self, *, given: bool = True) -> None:
        keys = SealKeys(str(self.file) if given else "", "", os.urandom)
        self.seal = ServerSeal(keys, self.data, self.log, asyncio.get_running_loop())
        self.store = SqliteStore(self.data, flush=False, seal=self.seal.seal, news=self.seal.news)
        self.keeper = Keeper(self.store)
        await self.keeper.open(NOW_MS)
        self.seal.begin(self.store, self.keeper, None, UNAUDITED)

    async def write(self, mark: int) -> None:
        done = asyncio.get_running_loop().create_future()
        self.keeper.write(Batch(mark, [whole()]), done.set_result, lambda _: None)
        assert await done is None

    async def told(self, event: str, times: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.log.of(event)) < times:
                await settle()


def run(folder: Path, story: Callable[[Desk], Awaitable[None]]) -> FakeLog:
    """Tell the story at a desk with one key; its log."""
    desk = Desk(folder)
    desk.keys(1)

    async def told() -> None:
        await story(desk)
        await desk.keeper.close()

    asyncio.run(told())
    return desk.log


@pytest.mark.rule("T3.4")
def test_a_key_that_was_added_is_taken_up_and_all_is_sealed_anew(tmp_path: Path) -> None:
    """The log says when it begins and is done."""

    async def story(desk: Desk) -> None:
        await desk.opened()
        await desk.write(1)
        desk.keys(2, 1)
        desk.seal.reload()
        desk.seal.reload()  # told twice before the first is done
        await desk.told("store_sealed")
        assert desk.seal.seal is not None
        assert desk.seal.seal.newest == SECOND
        assert desk.store.sealing.is_whole
        desk.keys(2)
        desk.seal.reload()
        await desk.told("seal_keys_reloaded", 2)
        await desk.write(2)
        desk.seal.reload()  # nothing is different
        await desk.write(3)

    log = run(tmp_path, story)
    assert [line.details for line in log.of("seal_keys_reloaded")] == [
        {"keys": [SECOND, FIRST]},
        {"keys": [SECOND]},
    ]
    assert [line.details["key"] for line in log.of("store_sealing")] == [SECOND]
    assert not log.of("stored_in_the_clear")
    assert {line.level for line in log.lines} == {"info"}


@pytest.mark.rule("T3.4", "T3.8")
def test_keys_that_cannot_be_taken_up_change_nothing(tmp_path: Path) -> None:
    """Ones that are none, and ones without a key in use: the server goes on with those it has."""

    async def story(desk: Desk) -> None:
        await desk.opened()
        await desk.write(1)
        before = desk.seal.seal
        desk.file.write_text(key(3).hex()[:-1])
        desk.seal.reload()
        await desk.told("seal_keys_not_reloaded")
        desk.keys(2)
        desk.seal.reload()
        await desk.told("seal_keys_not_reloaded", 2)
        assert desk.seal.seal is before
        await desk.write(2)

    log = run(tmp_path, story)
    first, second = log.of("seal_keys_not_reloaded")
    assert first.level == second.level == "error"
    assert "holds no seal keys" in str(first.details["error"])
    assert f"{FIRST} is not among the seal keys given: {SECOND}" in str(second.details["error"])
    assert not any(key(number).hex()[:16] in repr(log.lines) for number in (1, 2, 3))


@pytest.mark.rule("T3.6")
def test_a_store_in_the_clear_is_sealed_once_the_server_runs(tmp_path: Path) -> None:
    """Without anybody writing anything."""

    async def story(desk: Desk) -> None:
        await desk.opened(given=False)
        await desk.write(1)
        await desk.keeper.close()
        await desk.opened()
        await desk.told("store_sealed")

    log = run(tmp_path, story)
    assert [line.event for line in log.lines] == [
        "stored_in_the_clear",
        "store_sealing",
        "store_sealed",
    ]


@pytest.mark.rule("T3.7")
def test_a_server_without_a_key_says_once_that_it_stores_in_the_clear(tmp_path: Path) -> None:
    """Not again when it is told that keys were rotated, which are those of tokens then."""

    async def story(desk: Desk) -> None:
        await desk.opened(given=False)
        desk.seal.reload()
        await desk.write(1)

    log = run(tmp_path, story)
    (line,) = log.lines
    assert (line.event, line.level) == ("stored_in_the_clear", "warn")
    assert "VAULTMEET_SEAL_KEY" in str(line.details["reason"])


@pytest.mark.rule("T3.2")
def test_a_file_without_keys_is_refused(tmp_path: Path) -> None:
    """Before the store is looked at: nothing is stored in the clear by a typing error."""

    async def story() -> None:
        with pytest.raises(SealKeysUnusable, match="typo"):
            ServerSeal(
                SealKeys(str(tmp_path / "typo"), "", os.urandom),
                tmp_path,
                FakeLog(),
                asyncio.get_running_loop(),
            )

    asyncio.run(story())
