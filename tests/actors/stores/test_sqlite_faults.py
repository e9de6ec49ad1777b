"""What SQLite says, as faults of a store; and files that cannot be set aside."""

import re
import sqlite3
from pathlib import Path

import pytest

from actors.stores.port import (
    StoreDamaged,
    StoreFault,
    StoreFull,
    StoreReadOnly,
    StoreUnusable,
)
from actors.stores.sqlite_faults import fault_of, set_file_aside
from tests.actors.stores.damage import aside
from tests.actors.stores.places import NOW_MS

PATH = Path("some") / "rooms.db"


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (sqlite3.SQLITE_CORRUPT, StoreDamaged, "damaged"),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreDamaged, "damaged"),
        (sqlite3.SQLITE_NOTADB, StoreDamaged, "damaged"),
        (sqlite3.SQLITE_FULL, StoreFull, "full"),
        (sqlite3.SQLITE_READONLY, StoreReadOnly, "readOnly"),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreReadOnly, "readOnly"),
        (sqlite3.SQLITE_PERM, StoreReadOnly, "readOnly"),
        (sqlite3.SQLITE_CANTOPEN, StoreUnusable, "unusable"),
        (sqlite3.SQLITE_CANTOPEN_ISDIR, StoreUnusable, "unusable"),
        (sqlite3.SQLITE_BUSY, StoreFault, "store"),
        (sqlite3.SQLITE_IOERR_WRITE, StoreFault, "store"),
        (None, StoreFault, "store"),
    ],
)
def test_a_result_code_is_a_fault_of_its_kind(
    code: int | None, kind: type[StoreFault], name: str
) -> None:
    """Also where it is one of the finer ones; the message names the file."""
    error = sqlite3.OperationalError("so it goes")
    if code is not None:
        error.sqlite_errorcode = code
    fault = fault_of(error, PATH)
    assert type(fault) is kind
    assert fault.code == name
    assert str(fault) == f"{PATH}: so it goes"


def test_a_file_is_set_aside_with_its_companions_under_one_name(tmp_path: Path) -> None:
    """Those that there are; what else is in the folder stays."""
    path = tmp_path / "rooms.db"
    for number, name in enumerate(("rooms.db", "rooms.db-wal", "rooms.db-shm", "keys")):
        (tmp_path / name).write_text(str(number))
    said = set_file_aside(path, NOW_MS, "why")
    (target,) = aside(tmp_path)
    assert said == f"{path} was set aside as {target.name}: why"
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == {
        target.name: "0",
        f"{target.name}-wal": "1",
        f"{target.name}-shm": "2",
        "keys": "3",
    }


def test_a_file_that_cannot_be_set_aside_is_unusable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then no store is opened in its place."""
    path = tmp_path / "rooms.db"
    path.write_text("broken")

    def refused(*_arguments: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(StoreUnusable, match=re.escape(str(path))):
        set_file_aside(path, NOW_MS, "why")
    assert path.read_text() == "broken"
