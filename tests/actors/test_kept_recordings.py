"""The recordings that are there: whom they hold, how old they are, and which of them go."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from actors.ids import RoomId
from actors.kept_recordings import erase_recordings, expire_recordings, recordings_of
from actors.ports import Recording, RecordingReason
from actors.recordings import write
from actors.sealing import Seal
from tests.actors.stores.places import seal_of

ANN: Final = "ann"
NOW_MS: Final = 1_767_225_600_000
FORMS: Final = pytest.mark.parametrize("seal", [None, seal_of(1)], ids=["clear", "sealed"])


def pseudonym_in(room_id: RoomId) -> str:
    """What everybody who hides there is called."""
    return f"anon-{room_id}"


def story(**parts: Any) -> dict[str, Any]:
    """A recording's own part, as little of it as may be."""
    return {"roomId": "hall", "base": None, "inputs": [], "then": {"players": []}} | parts


def kept(folder: Path, seal: Seal | None = None, made_ms: int = NOW_MS, **parts: Any) -> Path:
    """A recording in the folder."""
    document = story(**parts)
    reason = RecordingReason.ROOM_LOST
    room_id = RoomId(document["roomId"])
    recording = Recording(room_id, reason, made_ms, 1, lambda: document)
    return write(folder, recording, 1000, seal)


BASE: Final = {"players": [{"socketId": "S1", "userId": ANN}]}
JOIN: Final = [{"do": "end"}, {"do": "join", "socketId": "S2", "userId": ANN}]
THEN: Final = {"players": [["S3", ANN, False, True]]}
HIDDEN: Final = {"players": [["S4", "anon-hall", False, True]]}


@pytest.mark.rule("T5.3", "T5.11")
@FORMS
@pytest.mark.parametrize(
    ("parts", "session"),
    [
        ({"base": BASE}, "S1"),
        ({"inputs": JOIN}, "S2"),
        ({"then": THEN}, "S3"),
        ({"then": HIDDEN}, "S4"),
    ],
)
def test_whoever_is_in_any_part_of_a_recording_is_found(
    parts: dict[str, Any], session: str, seal: Seal | None, tmp_path: Path
) -> None:
    """By the real name or the pseudonym there; a room that is called so is not the person."""
    path = kept(tmp_path, seal, **parts)
    kept(tmp_path, seal, roomId=ANN)
    kept(tmp_path, seal, roomId="attic", then=HIDDEN)
    ((held,), unreadable) = recordings_of(tmp_path, seal, ANN, pseudonym_in)
    assert (held.path, held.sessions, held.made_ms) == (path, (session,), NOW_MS)
    assert unreadable == []


@pytest.mark.rule("T5.3")
@FORMS
def test_those_go_and_so_does_what_was_never_finished(seal: Seal | None, tmp_path: Path) -> None:
    """Others stay, and so do files of somebody else."""
    kept(tmp_path, seal, base=BASE)
    other = kept(tmp_path, seal, then={"players": [["S9", "bob", False, True]]})
    (tmp_path / f".{other.name}.new").write_text("half of ann")
    (tmp_path / "notes.json").write_text("ann")
    assert erase_recordings(tmp_path, seal, ANN, pseudonym_in) == (1, [])
    assert {path.name for path in tmp_path.iterdir()} == {other.name, "notes.json"}
    assert erase_recordings(tmp_path, seal, ANN, pseudonym_in) == (0, [])


@pytest.mark.rule("T5.7")
@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"ann", b"\x01abc", b'{"roomId": 7}'])
def test_what_cannot_be_read_is_named_and_left(text: bytes, tmp_path: Path) -> None:
    """Whatever is in it."""
    path = kept(tmp_path)
    path.write_bytes(text)
    assert erase_recordings(tmp_path, seal_of(1), ANN, pseudonym_in) == (0, [path.name])
    assert path.exists()


@pytest.mark.rule("T5.7")
def test_a_recording_of_another_key_is_named_and_left(tmp_path: Path) -> None:
    """So is one without a key."""
    path = kept(tmp_path, seal_of(1), base=BASE)
    for seal in None, seal_of(2):
        assert erase_recordings(tmp_path, seal, ANN, pseudonym_in) == (0, [path.name])


@pytest.mark.rule("T5.2")
@FORMS
def test_ages_are_those_of_the_names(seal: Seal | None, tmp_path: Path) -> None:
    """To the millisecond."""
    kept(tmp_path, seal, NOW_MS - 1)
    young = kept(tmp_path, seal, NOW_MS)
    (tmp_path / "notes.json").write_text(json.dumps("old"))
    assert expire_recordings(tmp_path, NOW_MS) == 1
    assert {path.name for path in tmp_path.iterdir()} == {young.name, "notes.json"}


def test_where_there_is_no_folder_there_are_none(tmp_path: Path) -> None:
    """And none is made."""
    folder = tmp_path / "recordings"
    assert recordings_of(folder, None, ANN, pseudonym_in) == ([], [])
    assert erase_recordings(folder, None, ANN, pseudonym_in) == (0, [])
    assert expire_recordings(folder, NOW_MS) == 0
    assert not folder.exists()
