"""What commands leave for the audit: what becomes of it, and of what is none of theirs."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from actors.audit.chain import Keys
from actors.audit.port import Entry
from actors.sealing import Seal
from tests.transport.noted import NOTE, NOW_MS, notes_in
from transport import command_notes
from transport.command_notes import CommandNotes, Note, NotesFull, shown
from transport.spool import Spool, SpoolUnreadable

KEYS: Final = Keys.of(b"k" * 32)


def notes(folder: Path, keys: Keys = KEYS) -> CommandNotes:
    """Those of a folder."""
    return CommandNotes(folder, lambda: keys, os.urandom)


def planted(folder: Path, value: Any, name: str = "00000000000007-0123456789abcdef") -> str:
    """Somebody who has the secret has put this there."""
    seal = Seal((KEYS.notes,), os.urandom)
    spool = Spool(
        folder / "audit-notes", "audit note", lambda: seal, os.urandom, bytes_max=1_000_000
    )
    spool.write(f"{name}.note", value)
    return name


@pytest.mark.rule("T4.12", "T4.6")
def test_a_note_becomes_an_entry_that_says_who_did_what_when(tmp_path: Path) -> None:
    """Persons apart from all else, as an entry has them."""
    here = notes(tmp_path)
    name = here.put(NOTE)
    assert notes(tmp_path).pending() == [name]
    taken = notes(tmp_path).take([name], NOW_MS + 5)
    assert taken.entries(NOW_MS + 5) == [
        Entry(
            NOW_MS + 5,
            "command_run",
            "hall",
            details={
                "command": "export-user",
                "note": name,
                "ranAt": "2026-11-28T15:11:07.296Z",
                "by": {"uid": 7, "user": "ops", "pid": 4711},
                "rooms": 2,
            },
            about=(("Zaphod-€", {"rooms": "{}"}),),
        )
    ]
    assert here.pending() == [name], "it stays until it is removed"
    here.remove([name])
    assert here.pending() == []
    assert here.take([name], NOW_MS).entries(NOW_MS) == [], "another has taken it"


@pytest.mark.rule("T4.15", "T3.1")
def test_a_note_is_nothing_to_whom_has_not_the_secret(tmp_path: Path) -> None:
    """Neither its bytes nor its name; not even the owner of the folder makes one."""
    notes(tmp_path).put(NOTE)
    (path,) = (tmp_path / "audit-notes").iterdir()
    found = path.name.encode() + path.read_bytes()
    assert not [word for word in (b"Zaphod", b"hall", b"export", b"ops") if word in found]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.rule("T4.15")
@pytest.mark.parametrize(
    "wrong",
    [
        {"command": 7},
        {"by": []},
        {"details": "x"},
        {"personal": None},
        {"ran_ms": "soon"},
        {"ran_ms": -1},
        {"ran_ms": 10**15},
        {"person": ""},
        {"person": 7},
        {"person": "two\nlines"},
        {"room_id": 7},
    ],
)
def test_a_note_that_says_something_else_is_set_aside_and_told(
    wrong: dict[str, object], tmp_path: Path
) -> None:
    """Those beside it are taken."""
    here = notes(tmp_path)
    bad = planted(tmp_path, {**NOTE._asdict(), **wrong})
    good = here.put(NOTE)
    taken = here.take(here.pending(), NOW_MS)
    assert list(taken.notes) == [good]
    assert taken.refused == {bad: "it is not a note"}
    assert taken.entries(NOW_MS)[-1] == Entry(
        NOW_MS, "command_note_refused", details={"note": bad, "error": "it is not a note"}
    )
    assert here.was_refused(bad)
    assert not here.was_refused(good)
    assert here.pending() == [good]


@pytest.mark.rule("T4.15")
@pytest.mark.parametrize("value", [{}, [], 7, None, "x"])
def test_so_is_what_is_no_note_at_all(value: Any, tmp_path: Path) -> None:
    """Whatever its shape."""
    name = planted(tmp_path, value)
    assert list(notes(tmp_path).take([name], NOW_MS).refused) == [name]


@pytest.mark.rule("T4.15")
def test_a_note_of_another_secret_or_another_name_is_refused(tmp_path: Path) -> None:
    """So is one in which a byte was changed."""
    here = notes(tmp_path)
    other = notes(tmp_path, Keys.of(b"o" * 32)).put(NOTE)
    changed, moved = here.put(NOTE), here.put(NOTE)
    folder = tmp_path / "audit-notes"
    content = bytearray((folder / f"{changed}.note").read_bytes())
    content[-1] ^= 1
    (folder / f"{changed}.note").write_bytes(content)
    (folder / f"{moved}.note").rename(folder / "Zaphod.note")
    taken = here.take(here.pending(), NOW_MS)
    assert set(taken.refused) == {other, changed, "Zaphod"}
    assert not taken.notes
    assert "Zaphod" not in str(taken.entries(NOW_MS)), "a name that is not ours is not told"
    assert shown(other) == other


@pytest.mark.rule("T4.15")
def test_without_the_secret_none_is_set_aside(tmp_path: Path) -> None:
    """It is not the fault of a note."""

    def gone() -> Keys:
        raise FileNotFoundError("audit.key")

    name = notes(tmp_path).put(NOTE)
    with pytest.raises(FileNotFoundError):
        CommandNotes(tmp_path, gone, os.urandom).take([name], NOW_MS)
    assert notes(tmp_path).pending() == [name]


@pytest.mark.rule("T4.15")
def test_so_many_wait_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is refused with the number; one that is taken makes room."""
    monkeypatch.setattr(command_notes, "NOTES_MAX", 3)
    here = notes(tmp_path)
    first, *_ = [here.put(NOTE) for _ in range(3)]
    with pytest.raises(NotesFull, match="3 notes wait already"):
        here.put(NOTE)
    here.remove([first])
    here.put(NOTE)
    assert len(here.take([*here.pending(), "x", "y"], NOW_MS).notes) == 3


@pytest.mark.rule("T4.15")
def test_a_note_is_so_long_and_no_longer(tmp_path: Path) -> None:
    """Nothing of a longer one is left."""
    with pytest.raises(SpoolUnreadable, match="at most 16384 bytes"):
        notes(tmp_path).put(NOTE._replace(details={"text": "x" * 16_384}))
    assert notes(tmp_path).pending() == []


@pytest.mark.rule("T4.15", "T4.17")
def test_of_those_set_aside_the_newest_are_kept_until_somebody_is_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who nobody can look through them for. A clock that was set back makes none of them old before
    whoever waits for it has seen it: else a note that was refused seems to be one that was taken.
    """
    monkeypatch.setattr(command_notes, "REFUSED_MAX", 2)
    here = notes(tmp_path)
    for number in range(1, 5):
        planted(tmp_path, {}, f"{number:014}-0123456789abcdef")
        assert len(here.take(here.pending(), NOW_MS).refused) == 1
    back = planted(tmp_path, {}, f"{0:014}-0123456789abcdef")
    here.take([back], NOW_MS)
    assert here.was_refused(back)
    assert notes_in(tmp_path) == [f"{number:014}-0123456789abcdef.refused" for number in (0, 3, 4)]
    here.clear_refused()
    assert notes_in(tmp_path) == []


def test_notes_are_taken_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    """By their times."""
    here = notes(tmp_path)
    for ms in (99, 100_000, 5):
        here.put(Note("x", ms, {}))
    entries = here.take(here.pending(), NOW_MS).entries(NOW_MS)
    assert [entry.details["ranAt"] for entry in entries] == [
        "1970-01-01T00:00:00.005Z",
        "1970-01-01T00:00:00.099Z",
        "1970-01-01T00:01:40.000Z",
    ]


@pytest.mark.rule("T4.15")
def test_folders_under_the_names_of_notes_disturb_nobody(tmp_path: Path) -> None:
    """Nor does one where such a note is to be set aside; in the end all of them go."""
    here = notes(tmp_path)
    name = here.put(NOTE)
    place = tmp_path / "audit-notes"
    for other in "x.note", "x.refused", "y.refused":
        (place / other / "in it").mkdir(parents=True)
    (place / "y.note").write_text("none")
    taken = here.take(here.pending(), NOW_MS)
    assert [*taken.notes] == [name]
    assert taken.refused == {"x": "expected a file", "y": "it is not sealed"}
    assert notes_in(tmp_path) == [f"{name}.note", "x.refused", "y.refused"]
    here.clear_refused()
    assert notes_in(tmp_path) == [f"{name}.note"]


@pytest.mark.rule("T4.15", "T4.6")
def test_why_a_note_was_refused_does_not_tell_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which whoever put it there has chosen, and which may be somebody's."""

    def unreadable(self: Spool, name: str) -> Any:
        raise PermissionError(13, "Permission denied", str(self.path / name))

    monkeypatch.setattr(Spool, "read", unreadable)
    here = notes(tmp_path)
    planted(tmp_path, {}, "Zaphod")
    (entry,) = here.take(here.pending(), NOW_MS).entries(NOW_MS)
    assert entry.details == {"note": "of another name", "error": "Permission denied"}
