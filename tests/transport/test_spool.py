"""Files that one process leaves for another: whole, for their owner, and not believed blindly."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from actors.sealing import Seal
from tests.actors.stores.places import seal_of
from transport.spool import Spool, SpoolUnreadable

BYTES_MAX: Final = 1_000


def spool(folder: Path, seal: Seal | None = None, *, is_sealed: bool = False) -> Spool:
    """One below a folder."""
    return Spool(
        folder / "spool",
        "test",
        lambda: seal,
        os.urandom,
        bytes_max=BYTES_MAX,
        is_sealed=is_sealed,
    )


@pytest.mark.rule("T4.15", "T5.8")
def test_what_is_written_is_there_under_its_name_for_its_owner_alone(tmp_path: Path) -> None:
    """In order of the names, drafts not among them, until it is removed; twice does no harm."""
    here = spool(tmp_path)
    assert here.named(".x") == []
    for name in "b.x", "a.x", "c.y":
        here.write(name, {"name": name})
    (here.path / ".d.x").write_text("{}")
    assert here.named(".x") == ["a", "b"]
    assert here.read("a.x") == {"name": "a.x"}
    assert here.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in here.path.glob("?.?")} == {0o600}
    here.remove("a.x", "b.x")
    here.remove("a.x")
    here.clear_drafts()
    assert [path.name for path in here.path.iterdir()] == ["c.y"]
    with pytest.raises(FileNotFoundError):
        here.read("a.x")


@pytest.mark.rule("T4.15", "T3.3")
def test_what_is_sealed_is_read_under_its_name_alone(tmp_path: Path) -> None:
    """And what is not is not, where all must be."""
    here = spool(tmp_path, seal_of(1))
    here.write("a.x", {"secret": "word"})
    assert b"word" not in (here.path / "a.x").read_bytes()
    here.rename("a.x", "b.x")
    with pytest.raises(SpoolUnreadable):
        here.read("b.x")
    spool(tmp_path).write("c.x", {})
    assert here.read("c.x") == {}
    with pytest.raises(SpoolUnreadable, match="not sealed"):
        spool(tmp_path, seal_of(1), is_sealed=True).read("c.x")


def links_elsewhere(path: Path) -> None:
    """To a file that holds what is wanted."""
    (path.parent.parent / "other").write_text("{}")
    path.symlink_to(path.parent.parent / "other")


@pytest.mark.rule("T4.15")
@pytest.mark.parametrize(
    ("put", "why"),
    [
        (links_elsewhere, "found a link"),
        (os.mkfifo, "expected a file"),
        (Path.mkdir, "expected a file"),
        (lambda path: path.write_bytes(b" " * (BYTES_MAX + 1)), "at most 1000 bytes"),
        (lambda path: path.write_bytes(b"[" * BYTES_MAX), None),
        (lambda path: path.write_bytes(b"{"), None),
        (lambda path: path.write_bytes(b"\xff"), None),
        (Path.touch, None),
    ],
    ids=["link", "pipe", "folder", "long", "deep", "half", "bytes", "empty"],
)
def test_what_somebody_else_may_have_put_there_is_refused(
    put: Any, why: str | None, tmp_path: Path
) -> None:
    """Nobody waits for a pipe, and no link is followed."""
    here = spool(tmp_path)
    here.path.mkdir()
    put(here.path / "a.x")
    with pytest.raises(SpoolUnreadable, match=why):
        here.read("a.x")


@pytest.mark.rule("T4.15")
def test_the_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one who neither is this one, nor root, nor has the folder."""
    here = spool(tmp_path)
    here.write("a.x", {})
    really = os.fstat

    def foreign(descriptor: int) -> os.stat_result:
        found = list(really(descriptor))
        found[4] = 4_242
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", foreign)
    with pytest.raises(SpoolUnreadable, match="belongs to user 4242"):
        here.read("a.x")


@pytest.mark.rule("T4.15")
def test_more_than_its_reader_would_take_is_not_written(tmp_path: Path) -> None:
    """Nor is a part of it."""
    here = spool(tmp_path)
    with pytest.raises(SpoolUnreadable, match="at most 1000 bytes"):
        here.write("a.x", {"text": "x" * BYTES_MAX})
    assert here.named(".x") == []


@pytest.mark.rule("T4.15", "T5.8")
def test_a_folder_that_is_a_link_is_not_gone_through(tmp_path: Path) -> None:
    """Root may run this in the folder of somebody who would have it write, or remove, elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    for name in ".bashrc", "a.x":
        (elsewhere / name).write_text("{}")
    before = elsewhere.stat()
    here = spool(tmp_path)
    here.path.symlink_to(elsewhere)
    for act in (
        here.clear_drafts,
        lambda: here.write("b.x", {}),
        lambda: here.read("a.x"),
        lambda: here.rename("a.x", "b.x"),
        lambda: here.remove("a.x"),
        lambda: here.named(".x"),
    ):
        with pytest.raises(NotADirectoryError):
            act()
    assert sorted(path.name for path in elsewhere.iterdir()) == [".bashrc", "a.x"]
    assert elsewhere.stat() == before


@pytest.mark.rule("T4.15")
def test_a_link_in_the_place_of_a_draft_leads_nowhere(tmp_path: Path) -> None:
    """Neither is what it names written, nor does it go."""
    (tmp_path / "other").write_text("mine")
    here = spool(tmp_path)
    here.path.mkdir()
    (here.path / ".a.x.new").symlink_to(tmp_path / "other")
    here.write("a.x", {})
    assert here.read("a.x") == {}
    (here.path / ".b.x.new").symlink_to(tmp_path / "other")
    here.clear_drafts()
    assert (tmp_path / "other").read_text() == "mine"
    assert [path.name for path in here.path.iterdir()] == ["a.x"]


@pytest.mark.rule("T4.15", "T4.17")
def test_folders_in_the_place_of_files_are_in_nobodys_way(tmp_path: Path) -> None:
    """A file takes the place of one, one that of a file; what is removed goes with all in it."""
    here = spool(tmp_path)
    for name in ".draft", "old.x", "b.y":
        (here.path / name / "in it").mkdir(parents=True)
    (here.path / "c.y").mkdir()
    here.write("a.x", {})
    here.rename("a.x", "b.y")
    assert here.read("b.y") == {}
    here.rename("c.y", "b.y")
    assert (here.path / "b.y").is_dir()
    here.clear_drafts()
    here.remove("old.x", "b.y")
    assert list(here.path.iterdir()) == []


@pytest.mark.rule("T4.15")
def test_what_finds_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each try would make a full disk fuller. The folder is named."""
    here = spool(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left on device: '{here.path}'"):
        here.write("a.x", {})
    assert list(here.path.iterdir()) == []
