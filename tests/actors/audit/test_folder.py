"""The audit's folder on a real disk, and the thread that writes there."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from actors.audit.book import AuditBook, AuditFault, Bounds
from actors.audit.chain import LINE_BYTES_MAX, Link
from actors.audit.folder import DiskFolder
from actors.audit.people import SqlitePeople
from actors.audit.port import Entry
from actors.audit.reading import verified
from actors.audit.writer import BookWriter
from tests.actors.audit.stage import KEYS, NOW_MS


def book_in(folder: Path) -> AuditBook:
    """An audit there."""
    people = SqlitePeople(folder / "people.db", KEYS.people, os.urandom)
    bounds = Bounds(1 << 20, 0)
    return AuditBook(DiskFolder(folder / "audit"), people, KEYS, bounds, os.urandom)


def test_a_folder_gives_back_what_was_appended(tmp_path: Path) -> None:
    """In lines of a bounded length, from any byte on."""
    folder = DiskFolder(tmp_path / "audit")
    assert folder.names() == []
    assert list(folder.lines("a")) == []
    assert folder.size("a") == 0
    folder.append("a", b"one\ntwo\n")
    folder.append("b", b"x" * (LINE_BYTES_MAX + 1))
    folder.append("a", b"thr")
    assert sorted(folder.names()) == ["a", "b"]
    assert list(folder.lines("a")) == [b"one\n", b"two\n", b"thr"]
    assert list(folder.lines("a", 5)) == [b"wo\n", b"thr"]
    assert [len(line) for line in folder.lines("b")] == [LINE_BYTES_MAX, 1]
    folder.cut("a", 4)
    assert list(folder.lines("a")) == [b"one\n"]
    folder.append("a", b"2\n")
    assert list(folder.lines("a")) == [b"one\n", b"2\n"]
    folder.cut("a", 0)
    folder.remove("b")
    folder.remove("b")
    assert folder.names() == []
    folder.put("h", b"first")
    folder.put("h", b"2nd")
    assert list(folder.lines("h")) == [b"2ndst"]
    folder.close()
    folder.close()


@pytest.mark.rule("T4.11")
def test_its_files_are_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask; a link in place of one is not followed."""
    before = os.umask(0)
    try:
        folder = DiskFolder(tmp_path / "audit")
        folder.append("a", b"x")
        folder.put("h", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "audit" / "a").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit" / "h").stat().st_mode) == 0o600
    (tmp_path / "audit" / "b").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        folder.append("b", b"x")
    folder.close()


async def test_the_thread_writes_and_answers_in_order(tmp_path: Path) -> None:
    """Faults come back as such, and do not end it."""
    writer = BookWriter(lambda: book_in(tmp_path))
    end = await writer.open(NOW_MS)
    assert end.breach is None
    heard: list[object] = []
    entry = Entry(NOW_MS, "a", person="ann")
    writer.write([entry], NOW_MS, heard.append)
    writer.write([None], NOW_MS, heard.append)  # type: ignore[list-item]  # a bug of ours
    writer.write([entry, entry], NOW_MS, heard.append)
    writer.forget("ann", NOW_MS, heard.append)
    await writer.close()
    await asyncio.sleep(0)
    first, fault, second, forgotten = heard
    assert isinstance(first, Link)
    assert isinstance(second, Link)
    assert (first.number, second.number) == (2, 4)
    assert isinstance(fault, AuditFault)
    assert forgotten is True
    report = verified(DiskFolder(tmp_path / "audit"), KEYS)
    assert (report.records, report.breaches) == (5, [])


async def test_a_book_that_cannot_be_opened_is_a_fault(tmp_path: Path) -> None:
    """Which names the file."""
    (tmp_path / "audit").write_text("no folder")
    writer = BookWriter(lambda: book_in(tmp_path))
    with pytest.raises(AuditFault, match="audit"):
        await writer.open(NOW_MS)
    await writer.close()
    lost = BookWriter(lambda: book_in(tmp_path / "no" / "where"))
    with pytest.raises(AuditFault, match=r"people\.db: No such file"):
        await lost.open(NOW_MS)
    await lost.close()
