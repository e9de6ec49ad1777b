"""All rooms of a store, read beside the one who writes it."""

from functools import partial
from pathlib import Path

import pytest

from actors.stores.port import StoreUnusable
from actors.stores.reading import records_of
from actors.stores.sqlite import FILE_NAME
from tests.actors.stores.canaries import ONE, ROOMS, TWO, player
from tests.actors.stores.damage import sql
from tests.actors.stores.places import Run, folding
from tests.actors.stores.rooms import delta, seen
from tests.actors.stores.test_erasing import FORMS, lived


@pytest.mark.rule("T5.11")
@pytest.mark.parametrize("form", FORMS)
def test_rows_and_journal_come_together_as_of_one_moment(form: str, tmp_path: Path) -> None:
    """As a load gives each room; what is written while somebody reads is not among it."""
    run = lived(partial(FORMS[form], tmp_path))
    seal = ONE if "sealed" in form else None
    before = run.rooms(ROOMS)
    reading = records_of(tmp_path / FILE_NAME, seal)
    found = [next(reading)]
    run.write(*(delta(room, {"C": player("C", 9)}, version=9) for room in ROOMS))
    run.tidy()
    found += reading
    assert {one.room_id: seen(one) for one in found if one is not None} == before
    assert None not in found
    again = [one for one in records_of(tmp_path / FILE_NAME, seal) if one is not None]
    assert {one.room_id: seen(one) for one in again} == run.rooms(ROOMS)
    run.store.close()


@pytest.mark.rule("T5.11")
def test_a_row_that_cannot_be_read_is_told_as_none(tmp_path: Path) -> None:
    """The others are there."""
    run = lived(lambda: folding(tmp_path))
    run.tidy()
    run.store.close()
    sql(tmp_path, "UPDATE rooms SET body = 'x' WHERE rowid = (SELECT max(rowid) FROM rooms)")
    found = list(records_of(tmp_path / FILE_NAME, None))
    assert found.count(None) == 1
    assert len(found) == 9


@pytest.mark.rule("T5.11", "T3.2")
def test_a_file_of_another_key_or_version_is_refused(tmp_path: Path) -> None:
    """Before anything of it is given."""
    run = Run(lambda: folding(tmp_path, ONE))
    for seal in None, TWO:
        with pytest.raises(StoreUnusable, match="sealed with key id"):
            next(records_of(tmp_path / FILE_NAME, seal))
    run.store.close()
    sql(tmp_path, "PRAGMA user_version = 2")
    with pytest.raises(StoreUnusable, match="start the server once"):
        next(records_of(tmp_path / FILE_NAME, ONE))
