"""`vaultmeet audit verify` and `show`: what they print, and how they end."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.audit.port import Entry
from actors.settings import Settings
from transport import cli
from transport.audit_place import AuditPlace, AuditUnusable

NOW_MS = 1_795_878_667_296
Said = Callable[[], list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder whose audit has three entries."""
    place = AuditPlace(tmp_path)
    book = place.book(Settings(), os.urandom)
    book.open(NOW_MS)
    book.write(
        [
            Entry(NOW_MS, "a", "lobby", "AAAA", "ann", {"displayName": "\x1b[2J\u202eäö"}),
            Entry(NOW_MS + 60_000, "b", "hall", "BBBB", "bob", about=[("ann", {"why": "x"})]),
            Entry(NOW_MS + 120_000, "c", "lobby", details={"x": 1}),
        ],
        NOW_MS,
    )
    book.close()
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """The lines on standard output since the last call."""

    def taken() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return taken


def events(lines: list[str]) -> list[str]:
    """What the entries are about."""
    return [json.loads(line)["event"] for line in lines]


@pytest.mark.rule("T4.2")
def test_a_whole_audit_ends_with_0_and_names_its_end(folder: Path, said: Said) -> None:
    """Which may be asked for later."""
    assert cli.main(["audit", "verify", str(folder)]) == 0
    (line,) = said()
    assert line.startswith("1 files, 4 sound records up to 4:")
    assert line.endswith(": whole")
    anchor = line.split()[-2].rstrip(":")
    assert cli.main(["audit", "verify", str(folder), "--contains", anchor]) == 0
    said()
    other = anchor[:-1] + ("0" if anchor[-1] != "0" else "1")
    assert cli.main(["audit", "verify", str(folder), "--contains", other]) == 1
    assert said()[0] == (
        f"breach: audit-000001.jsonl: expected record 4 with the mac {other.partition(':')[2]}"
    )


@pytest.mark.rule("T4.2")
def test_a_breach_is_printed_with_its_place_and_ends_with_1(folder: Path, said: Said) -> None:
    """File, line, and what was expected there."""
    path = folder / "audit" / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"event":"b"', b'"event":"x"'))
    assert cli.main(["audit", "verify", str(folder)]) == 1
    lines = said()
    assert lines[0] == "breach: audit-000001.jsonl:3: record 3 was changed"
    assert lines[1].endswith(": 1 breaches")


@pytest.mark.rule("T4.4")
def test_a_torn_line_is_a_remark(folder: Path, said: Said) -> None:
    """And the audit is whole."""
    with (folder / "audit" / "audit-000001.jsonl").open("ab") as file:
        file.write(b'{"n":5,')
    assert cli.main(["audit", "verify", str(folder)]) == 0
    assert said()[0] == (
        "remark: audit-000001.jsonl:5: torn: 7 bytes of a record, which was never whole"
    )


@pytest.mark.rule("T4.10")
def test_entries_are_shown_by_user_room_and_time(folder: Path, said: Said) -> None:
    """With what the keys open; a terminal obeys nothing of it."""

    def shown(*words: str) -> list[str]:
        assert cli.main(["audit", "show", str(folder), *words]) == 0
        return said()

    lines = shown()
    assert events(lines) == ["a", "b", "c"]
    assert all(line.isprintable() for line in lines)
    first = json.loads(lines[0])
    assert (first["userId"], first["displayName"]) == ("ann", "\x1b[2J\u202eäö")
    assert "äö" in lines[0]
    assert events(shown("--user", "ann")) == ["a", "b"]
    assert events(shown("--user", "bob")) == ["b"]
    assert shown("--user", "cid") == []
    assert events(shown("--room", "lobby")) == ["a", "c"]
    assert events(shown("--room", "lobby", "--since", "2026-11-28T15:12Z")) == ["c"]
    assert events(shown("--since", "2026-11-28T15:12")) == ["b", "c"]
    assert events(shown("--since", "2026-11-29")) == []


@pytest.mark.rule("T4.10")
def test_the_files_are_read_elsewhere_with_their_key(folder: Path, said: Said) -> None:
    """A copy of the folder alone verifies; what is told of persons needs their keys."""
    copy = folder / "copies" / "audit"
    copy.mkdir(parents=True)
    for path in (folder / "audit").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    key = ["--audit-key-file", str(folder / "audit.key")]
    for place in (copy, copy.parent):
        assert cli.main(["audit", "verify", str(place), *key]) == 0
        said()
    assert cli.main(["audit", "show", str(copy), *key]) == 0
    assert json.loads(said()[0])["erased"] is True
    assert [path.name for path in copy.parent.iterdir()] == ["audit"]


@pytest.mark.rule("T4.10")
@pytest.mark.parametrize("name", ["audit", "copy-of-monday"])
def test_a_copy_of_the_files_may_have_any_name(folder: Path, said: Said, name: str) -> None:
    """What is beside it is found as in a data folder."""
    copy = folder / "copies" / name
    copy.mkdir(parents=True)
    for path in (folder / "audit").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    key = ["--audit-key-file", str(folder / "audit.key")]
    assert cli.main(["audit", "verify", str(copy), *key]) == 0
    assert said()[-1].endswith(": whole")
    (folder / "audit-people.db").rename(copy.parent / "audit-people.db")
    assert cli.main(["audit", "show", str(copy), *key]) == 0
    assert json.loads(said()[0])["userId"] == "ann"


@pytest.mark.rule("T4.11")
def test_a_data_folder_that_is_called_audit_has_all_of_it(tmp_path: Path, said: Said) -> None:
    """Nothing is put beside it, also at the second start."""
    data_dir = tmp_path / "audit"
    data_dir.mkdir()
    for _ in range(2):
        book = AuditPlace(data_dir).book(Settings(), os.urandom)
        book.open(NOW_MS)
        book.close()
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]
    names = {path.name for path in data_dir.iterdir()}
    assert {"audit", "audit.key", "audit-people.db"} <= names
    assert cli.main(["audit", "verify", str(data_dir)]) == 0
    assert said()[-1].startswith("2 files")


@pytest.mark.rule("T4.11")
def test_what_is_missing_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with exit code 1; 2 where the arguments are wrong."""
    assert cli.main(["audit", "verify", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
    (folder / "audit.key").rename(folder / "other.key")
    assert cli.main(["audit", "show", str(folder)]) == 1
    assert "audit.key: No such file" in capsys.readouterr().err
    for words in (["show", "--since", "soon"], ["verify", "--contains", "1:ff"], [], ["burn"]):
        assert cli.main(["audit", *words]) == 2
        assert (
            "expected" in (err := capsys.readouterr().err) or "required" in err or "choose" in err
        )


@pytest.mark.rule("T4.11")
def test_an_audit_without_its_key_is_not_continued(folder: Path) -> None:
    """Nor is a key made for it."""
    (folder / "audit.key").unlink()
    with pytest.raises(AuditUnusable, match=r"audit\.key: is missing.*put it back"):
        AuditPlace(folder).book(Settings(), os.urandom)
    assert not (folder / "audit.key").exists()


@pytest.mark.rule("T4.11")
def test_a_key_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """By the name that was given, not by that of a draft."""
    place = AuditPlace(tmp_path, str(tmp_path / "nowhere" / "vault.key"))
    with pytest.raises(AuditUnusable, match=r"vault\.key: cannot be made: No such file"):
        place.keys_made(os.urandom)


def test_the_help_says_what_each_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    """In a line that is whole."""
    assert cli.main(["audit", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "verify say whether anybody has changed it, and where show print its entries" in said


@pytest.mark.rule("T4.11")
@pytest.mark.parametrize("text", ["", "x\n", "vaultmeet audit key 1\nff\n", "é"])
def test_a_key_file_of_another_form_is_refused(folder: Path, text: str) -> None:
    """It is left as it is."""
    (folder / "audit.key").write_text(text, encoding="utf-8")
    with pytest.raises(AuditUnusable, match=r"audit\.key"):
        AuditPlace(folder).keys()
    assert (folder / "audit.key").read_text(encoding="utf-8") == text


@pytest.mark.rule("T4.11")
def test_a_key_is_made_once_and_may_be_elsewhere(tmp_path: Path) -> None:
    """Readable for its owner alone."""
    place = AuditPlace(tmp_path, str(tmp_path / "vault.key"))
    keys = place.keys_made(os.urandom)
    assert place.keys_made(os.urandom) == keys
    assert stat.S_IMODE((tmp_path / "vault.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vault.key"]


def _is_usage(text: str) -> bool:
    return any(word in text for word in ("expected", "required", "choose"))
