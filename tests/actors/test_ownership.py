"""Files that a command makes in the folder of a server that is another user's."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from actors.audit.folder import DiskFolder
from actors.audit.people import PeopleUnusable, SqlitePeople
from actors.ownership import give
from transport.spool import Spool

OWNER: Final = 4_242


class Owned:
    """A folder that belongs to another user, and what was given to that one, by its name."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder: Final = folder
        self.given: list[tuple[str, int, int]] = []
        self._stat: Any = os.stat
        monkeypatch.setattr(os, "stat", self.stat)
        monkeypatch.setattr(os, "chown", self.chown)

    def stat(self, path: Any, **options: Any) -> os.stat_result:
        found = list(self._stat(path, **options))
        if path == self.folder:
            found[4:6] = OWNER, OWNER + 1
        return os.stat_result(found)

    def chown(self, path: Any, uid: int, gid: int) -> None:
        made = Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else Path(path)
        self.given.append((made.name, uid, gid))


@pytest.fixture
def owned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owned:
    """The folder."""
    return Owned(tmp_path, monkeypatch)


@pytest.mark.rule("T4.12", "T4.15")
def test_what_is_made_belongs_to_whose_folder_it_is(owned: Owned) -> None:
    """Else the server could not write on where root had a command write the audit."""
    DiskFolder(owned.folder).append("audit-000001.jsonl", b"line\n")
    DiskFolder(owned.folder).put("head", b"head")
    SqlitePeople(owned.folder / "people.db", b"t" * 32, os.urandom).close()
    spool = Spool(owned.folder / "spool", "test", lambda: None, os.urandom, bytes_max=100)
    spool.write("a.x", {})
    assert [name for name, *_ in owned.given] == [
        "audit-000001.jsonl",
        "head",
        "people.db",
        "spool",
        ".a.x.new",
    ]
    assert {(uid, gid) for _, uid, gid in owned.given} == {(OWNER, OWNER + 1)}


@pytest.mark.rule("T4.12")
def test_what_belongs_there_already_is_left(tmp_path: Path) -> None:
    """And so is what this user may not give away."""
    (tmp_path / "file").touch()
    before = (tmp_path / "file").stat()
    with (tmp_path / "file").open() as file:
        give(file.fileno(), tmp_path)
    assert (tmp_path / "file").stat() == before


@pytest.mark.rule("T4.12")
def test_who_may_not_give_it_away_goes_on(owned: Owned, monkeypatch: pytest.MonkeyPatch) -> None:
    """As before: the folder's owner has to see to it."""

    def refused(*arguments: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", refused)
    DiskFolder(owned.folder).append("audit-000001.jsonl", b"line\n")
    assert (owned.folder / "audit-000001.jsonl").read_bytes() == b"line\n"


@pytest.mark.rule("T4.12", "T4.18")
def test_a_table_is_not_made_where_a_link_leads(tmp_path: Path) -> None:
    """Root would make a file of another user's wherever that one wants it."""
    (tmp_path / "people.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PeopleUnusable):
        SqlitePeople(tmp_path / "people.db", b"t" * 32, os.urandom)
    assert not (tmp_path / "elsewhere").exists()
