"""What a command tells the audit where no server runs, and where it cannot be told."""

import os
from pathlib import Path
from typing import Any

import pytest

from actors.audit.folder import DiskFolder
from actors.settings import AuditMode, Durability, Settings
from tests.transport.noted import BY, NOTE, NOW_MS, audit_of, audited_folder, notes_in
from tests.transport.simulated import SimulatedClock
from transport import command_notes
from transport.audit_place import AuditPlace
from transport.command_audit import ANSWER_S, CommandAudit, NotRecorded
from transport.command_notes import CommandNotes
from transport.data_dir import LOCK_NAME, DataDir
from transport.folder_work import Waiting


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """A folder with an audit on which no server runs."""
    return audited_folder(tmp_path / "data")


def telling(
    data: DataDir, clock: SimulatedClock | None = None, later_ms: int = 0, **settings: Any
) -> CommandAudit:
    """The audit, as a command knows it that is run so much later."""
    clock = clock or SimulatedClock()
    waiting = Waiting(clock.monotonic_s, clock.advance)
    return CommandAudit(data, Settings(**settings), BY, lambda: NOW_MS + later_ms, waiting)


def runs(data: DataDir) -> list[dict[str, Any]]:
    """The commands that the audit has."""
    return [entry for entry in audit_of(data) if entry["event"] == "command_run"]


@pytest.mark.rule("T4.12")
def test_a_command_is_recorded_when_record_returns(data: DataDir) -> None:
    """Who, what, when, and about whom; nothing waits any more."""
    telling(data).record("export-user", {"rooms": 2}, person="ann", room_id="hall")
    (entry,) = runs(data)
    assert entry["roomId"] == "hall"
    assert entry["about"][0]["userId"] == "ann"
    details = entry["details"]
    assert details.pop("note")
    assert details == {
        "command": "export-user",
        "ranAt": "2026-11-28T15:11:07.296Z",
        "by": BY,
        "rooms": 2,
    }
    assert notes_in(data.path) == []


@pytest.mark.rule("T4.12", "T4.14")
def test_what_is_announced_is_a_note_before_it_is_an_entry(data: DataDir) -> None:
    """So a death in between loses nothing; the next command has it recorded with its own."""
    telling(data).announce("rotate-keys", {})
    (name,) = notes_in(data.path)
    assert runs(data) == []
    telling(data, later_ms=1).record("audit show", {})
    first, second = runs(data)
    assert (first["details"]["command"], second["details"]["command"]) == (
        "rotate-keys",
        "audit show",
    )
    assert name == f"{first['details']['note']}.note"
    assert notes_in(data.path) == []


@pytest.mark.rule("T4.13")
@pytest.mark.parametrize(
    "settings",
    [{"audit_key_file": "/nowhere/audit.key"}, {}],
    ids=["secret", "disk"],
)
def test_what_cannot_be_recorded_is_refused_or_goes_on_and_says_so(
    data: DataDir, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it does: give something out, or change something. The refused leaves no note."""
    if not settings:

        def full(self: DiskFolder, name: str, content: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(DiskFolder, "append", full)
    with pytest.raises(NotRecorded, match="refused, since the audit cannot be told: "):
        telling(data, **settings).record("export-user", {})
    assert notes_in(data.path) == []
    audit = telling(data, **settings)
    audit.announce("rotate-keys", {})
    audit.settle()
    assert audit.remark.startswith("not in the audit")
    if not settings:
        assert "a note of it waits" in audit.remark
        monkeypatch.undo()
        telling(data, later_ms=1).record("audit show", {})
        assert [entry["details"]["command"] for entry in runs(data)] == [
            "rotate-keys",
            "audit show",
        ]


@pytest.mark.rule("T4.13", "T4.15")
def test_so_is_what_finds_no_room(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the notes that may wait."""
    monkeypatch.setattr(command_notes, "NOTES_MAX", 0)
    with pytest.raises(NotRecorded, match="0 notes wait already"):
        telling(data).record("export-user", {})
    audit = telling(data)
    audit.announce("rotate-keys", {})
    assert "0 notes wait already" in audit.remark
    monkeypatch.undo()
    with pytest.raises(NotRecorded, match="at most 16384 bytes"):
        telling(data).record("token", {"rooms": "x" * 20_000})


@pytest.mark.rule("T4.13")
def test_a_server_that_does_not_record_it_has_it_refused(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and what was waited; a note of what was announced stays."""
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    clock = SimulatedClock()
    server = DataDir(data.path, os.urandom)
    server.lock()
    began_s = clock.monotonic_s()
    with pytest.raises(
        NotRecorded,
        match=f"server {os.getpid()} was told, and has not recorded it within {ANSWER_S:g} s",
    ):
        telling(data, clock).record("export-user", {})
    assert clock.monotonic_s() - began_s == pytest.approx(ANSWER_S, abs=0.1)
    assert notes_in(data.path) == []
    audit = telling(data, clock)
    audit.announce("rotate-keys", {})
    audit.settle()
    assert "has not recorded it" in audit.remark
    assert len(notes_in(data.path)) == 1
    (data.path / LOCK_NAME).write_text("1\n")  # as it is seen from another container
    with pytest.raises(NotRecorded, match="server 1 could not be told: no process of that number"):
        telling(data, clock).record("export-user", {})
    server.unlock()


@pytest.mark.rule("T4.13", "T4.15")
def test_a_note_that_the_server_cannot_read_is_refused(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has another secret, perhaps."""
    server = DataDir(data.path, os.urandom)

    def told(pid: int, number: int) -> None:
        (name,) = notes_in(data.path)
        path = data.path / "audit-notes" / name
        path.rename(path.with_suffix(".refused"))

    monkeypatch.setattr(os, "kill", told)
    server.lock()
    with pytest.raises(NotRecorded, match="another audit_key_file"):
        telling(data).record("export-user", {})
    server.unlock()


@pytest.mark.rule("T4.16")
@pytest.mark.parametrize(
    "settings",
    [{"audit": AuditMode.OFF}, {"durability": Durability.MEMORY}],
    ids=["off", "memory"],
)
def test_with_audit_off_nothing_is_recorded(data: DataDir, settings: dict[str, Any]) -> None:
    """Nor refused, nor remarked."""
    audit = telling(data, **settings)
    audit.record("export-user", {})
    audit.announce("rotate-keys", {})
    audit.settle()
    assert (runs(data), notes_in(data.path), audit.remark) == ([], [], "")


@pytest.mark.rule("T4.16")
@pytest.mark.parametrize("missing", ["lock", "audit"])
def test_nor_in_a_copy_or_where_no_audit_is(data: DataDir, missing: str) -> None:
    """None is begun for that, and no key made."""
    if missing == "lock":
        (data.path / LOCK_NAME).unlink()
    else:
        for path in (data.path / "audit").iterdir():
            path.unlink()
        (data.path / "audit.key").unlink()
    before = sorted(path.name for path in data.path.rglob("*"))
    audit = telling(data)
    audit.record("export-user", {})
    audit.announce("rotate-keys", {})
    audit.settle()
    assert audit.remark == ""
    assert sorted(path.name for path in data.path.rglob("*")) == before
    telling(DataDir(data.path / "nowhere", os.urandom)).record("export-user", {})


@pytest.mark.rule("T4.16")
def test_nor_where_nothing_can_be_written(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """On media that are read-only, in the folder of another: the user is told."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    audit = telling(data)
    audit.record("audit show", {})
    assert audit.remark == f"not in the audit: {data.path} cannot be written to"
    assert runs(data) == []


@pytest.mark.rule("T4.15")
def test_what_another_has_put_there_is_told_and_harms_no_command(data: DataDir) -> None:
    """It is an entry that it was refused."""
    CommandNotes(data.path, AuditPlace(data.path).keys, os.urandom).put(NOTE)
    (name,) = notes_in(data.path)
    (data.path / "audit-notes" / name).write_text("{}")
    telling(data).record("audit show", {})
    events = [entry["event"] for entry in audit_of(data)]
    assert events[-2:] == ["command_run", "command_note_refused"]
    assert notes_in(data.path) == [name.replace(".note", ".refused")]


@pytest.mark.rule("T4.14", "T4.15")
def test_of_more_notes_than_may_wait_none_is_lost(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands that leave theirs at the same moment may be some more."""
    notes = CommandNotes(data.path, AuditPlace(data.path).keys, os.urandom)
    names = [notes.put(NOTE) for _ in range(5)]
    monkeypatch.setattr(command_notes, "NOTES_MAX", 2)
    with pytest.raises(NotRecorded, match="wait already"):
        telling(data).record("audit show", {})
    monkeypatch.setattr(command_notes, "NOTES_MAX", 6)
    audit = telling(data)
    audit.announce("rotate-keys", {})
    monkeypatch.setattr(command_notes, "NOTES_MAX", 2)
    audit.settle()
    assert audit.remark == ""
    assert {run["details"]["note"] for run in runs(data)} > set(names)
    assert len(runs(data)) == 6
    assert notes_in(data.path) == []


@pytest.mark.rule("T4.12", "T4.13")
def test_what_another_command_has_written_needs_no_file_of_the_audit(data: DataDir) -> None:
    """And what another could not read is no entry, though it waits no more."""
    ours, others = telling(data), telling(data)
    others.announce("rotate-keys", {})
    ours.record("audit show", {})
    files = sorted((data.path / "audit").glob("*.jsonl"))
    others.settle()
    assert others.remark == ""
    assert sorted((data.path / "audit").glob("*.jsonl")) == files
    others.announce("rotate-keys", {})
    (name,) = notes_in(data.path)
    (data.path / "audit-notes" / name).write_text("{}")
    others.settle()
    assert "could not be read" in others.remark
    assert len(runs(data)) == 2
