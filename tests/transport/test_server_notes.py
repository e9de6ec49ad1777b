"""What a running server makes of the notes that commands have left."""

import os
from pathlib import Path
from typing import Any

import pytest

from actors.audit.port import Entry
from actors.settings import Settings
from tests.actors.audit.test_trail import Desk
from tests.transport.noted import BY, NOTE, audited_folder, notes_in
from tests.transport.simulated import SimulatedClock, WrittenLog
from transport import command_notes, server_notes
from transport.audit_place import AuditPlace
from transport.command_notes import CommandNotes
from transport.server_notes import ServerNotes
from transport.spool import Spool


class House:
    """A server whose audit is on a disk that answers when it is told to."""

    def __init__(self, folder: Path, *, is_audited: bool = True) -> None:
        self.data = audited_folder(folder)
        self.desk = Desk()
        self.log = WrittenLog()
        self.is_audited = is_audited
        self.commands = CommandNotes(folder, AuditPlace(folder).keys, os.urandom)
        self.server = self.started()

    def started(self) -> ServerNotes:
        """The notes as a server has them that has just started."""
        trail = self.desk.trail if self.is_audited else None
        server = ServerNotes(Settings(), self.data, trail, SimulatedClock(), self.log)
        server.begin()
        return server

    def entries(self) -> list[Entry]:
        """What the audit has on the disk."""
        return [item for item in self.desk.writer.written if isinstance(item, Entry)]

    def names(self) -> list[object]:
        """Of the notes in it."""
        return [entry.details["note"] for entry in self.entries()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One whose audit is on."""
    return House(tmp_path / "data")


@pytest.mark.rule("T4.12", "T4.14")
def test_a_note_is_gone_when_its_entry_is_on_the_disk_and_not_before(house: House) -> None:
    """However often somebody says that there is one; the log has who ran what, and about nobody."""
    name = house.commands.put(NOTE)
    house.server.look()
    house.server.look()
    house.desk.writer.fail()
    assert house.commands.pending() == [name]
    house.desk.pass_s(10)
    house.desk.writer.done()
    assert house.names() == [name]
    assert notes_in(house.data.path) == []
    assert house.log.told("command_recorded") == [{"command": "export-user", "by": BY}]
    house.server.look()
    assert not house.desk.writer.asked


@pytest.mark.rule("T4.14")
def test_what_was_left_is_taken_at_the_start(house: House) -> None:
    """Also where the server before had written it and not removed: by the same name, then."""
    name = house.commands.put(NOTE)
    house.server.look()
    (house.data.path / "audit-notes" / ".draft.new").touch()
    house.started()
    while house.desk.writer.asked:
        house.desk.writer.done()
    assert house.names() == [name, name]
    assert notes_in(house.data.path) == []


@pytest.mark.rule("T4.14")
def test_a_note_that_comes_while_others_are_written_is_taken_too(house: House) -> None:
    """Each once."""
    first = house.commands.put(NOTE)
    house.server.look()
    second = house.commands.put(NOTE._replace(ran_ms=NOTE.ran_ms + 1))
    house.server.look()
    while house.desk.writer.asked:
        house.desk.writer.done()
    assert house.names() == [first, second]
    assert notes_in(house.data.path) == []


@pytest.mark.rule("T4.17")
def test_a_person_is_forgotten_behind_the_notes_that_wait(house: House) -> None:
    """Else what they tell of it would come after its erasure."""
    house.commands.put(NOTE)
    house.server.look()
    house.desk.trail.forget("Zaphod-€", lambda outcome: None)
    assert house.desk.writer.forgotten == []
    house.desk.writer.done()
    assert house.desk.writer.forgotten == ["Zaphod-€"]
    assert notes_in(house.data.path) == []


@pytest.mark.rule("T4.15")
def test_a_note_that_nobody_can_read_is_told_and_set_aside(house: House) -> None:
    """In the audit, too; the others are taken, and the server is not disturbed."""
    bad, good = house.commands.put(NOTE), house.commands.put(NOTE)
    (house.data.path / "audit-notes" / f"{bad}.note").write_text("{}")
    house.server.look()
    house.desk.writer.done()
    assert house.desk.events() == ["command_run", "command_note_refused"]
    assert house.log.told("command_note_refused") == [{"note": bad, "error": "it is not sealed"}]
    assert house.names() == [good, bad]
    assert notes_in(house.data.path) == [f"{bad}.refused"]


@pytest.mark.rule("T4.16")
def test_with_audit_off_notes_are_removed_unread(tmp_path: Path) -> None:
    """Whoever has told it to keep nothing is told how many."""
    house = House(tmp_path / "data", is_audited=False)
    house.commands.put(NOTE)
    house.server.look()
    assert notes_in(house.data.path) == []
    assert house.log.told("command_notes_discarded") == [{"count": 1}]


@pytest.mark.rule("T4.14", "T4.15")
def test_a_note_that_cannot_be_removed_is_written_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and removed when that is possible."""
    removed: Any = Spool.remove

    def failing(self: Spool, *names: str, is_durable: bool = True) -> None:
        if names:
            raise OSError(30, "Read-only file system")

    house.commands.put(NOTE)
    house.server.look()
    monkeypatch.setattr(Spool, "remove", failing)
    house.desk.writer.done()
    house.server.look()
    assert not house.desk.writer.asked
    assert "Read-only" in house.log.told("command_notes_unusable")[0]["error"]
    monkeypatch.setattr(Spool, "remove", removed)
    house.server.look()
    assert notes_in(house.data.path) == []
    assert len(house.names()) == 1


@pytest.mark.rule("T4.14", "T4.17")
def test_the_loop_does_not_wait_for_the_disk_to_have_a_note_gone_but_an_erasure_does(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power may bring one back, which is an entry twice; none of who is erased."""
    house.commands.put(NOTE)
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    house.server.look()
    house.desk.writer.done()
    assert notes_in(house.data.path) == []
    assert flushed == []
    house.commands.clear_refused()
    assert len(flushed) == 1


@pytest.mark.rule("T4.14", "T4.15")
def test_of_more_than_may_wait_all_are_taken_with_one_signal(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many at a time."""
    names = [house.commands.put(NOTE) for _ in range(5)]
    for module in command_notes, server_notes:
        monkeypatch.setattr(module, "NOTES_MAX", 2)
    house.server.look()
    while house.desk.writer.asked:
        house.desk.writer.done()
    assert sorted(map(str, house.names())) == sorted(names)
    assert notes_in(house.data.path) == []
