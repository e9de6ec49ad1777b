"""The end of sealing what was in the clear: nothing is left of that in the files."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.stores import resealing
from actors.stores.port import StoreFault
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.canaries import CANARIES, ONE, ROOMS, found_in, lived, steps
from tests.actors.stores.places import NOW_MS, Run, killed, tiny


@pytest.mark.rule("T3.5")
def test_a_wipe_that_does_not_go_through_is_done_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the store does not say that it is sealed."""
    live = tmp_path / "live"
    model = lived(live, None)

    def fails(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("planted")

    with monkeypatch.context() as broken:
        broken.setattr(resealing, "_wipe", fails)
        store = SqliteStore(live, flush=False, seal=ONE)
        store.open(NOW_MS)
        with pytest.raises(StoreFault, match="planted"):
            list(steps(store))
        assert not store.tidy(), "it is not tried with every write"
        assert not store.sealing.is_whole
        store.close()
    run = Run(lambda: tiny(live, ONE))
    run.tidy()
    assert run.rooms(ROOMS) == model.rooms
    assert found_in(live) == set()
    run.store.close()


@pytest.mark.rule("T3.6")
def test_nothing_is_said_to_be_sealed_while_somebody_reads_what_was_in_the_clear(
    tmp_path: Path,
) -> None:
    """A copy that is being made keeps the file and its journal from being wiped."""
    live = tmp_path / "live"
    told: list[str] = []

    def news(event: str, /, **_: object) -> None:
        told.append(event)

    lived(live, None)
    with closing(sqlite3.connect(live / FILE_NAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM rooms").fetchone()
        store = SqliteStore(live, flush=False, seal=ONE, news=news)
        store.open(NOW_MS)
        with pytest.raises(StoreFault, match="another process reads it"):
            list(steps(store))
    assert not store.sealing.is_whole
    assert found_in(live) == set(CANARIES)
    assert told == ["store_sealing"]
    copy = killed(live, tmp_path / "copy")
    run = Run(lambda: SqliteStore(copy, flush=False, seal=ONE))
    run.tidy()
    assert found_in(copy) == set()
    store.close()
    run.store.close()
