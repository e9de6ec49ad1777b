"""The replay itself: that it can tell a difference, in plain words, and what it refuses to read."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors import messages as m
from actors.players import LeaveReason
from actors.sealed_recordings import sealed_body
from actors.sealing import keys_text
from tests.actors.fake_operator import read_back
from tests.actors.recorded_lives import cut
from tests.actors.stage import Stage
from tests.actors.stores.places import key, seal_of
from tests.simulation.__main__ import main
from tests.simulation.recordings import NotARecording, read, replay


@pytest.fixture
def document() -> dict[str, Any]:
    """A room of two, one of whom was lost and timed out after the other had left and come back."""

    async def story() -> dict[str, Any]:
        stage = Stage()
        a, b, _ = await stage.seat("A", "B", "C")
        await stage.turn(m.Ready(a), m.Move(b, 1, 1))
        await stage.turn(m.Leave(a, LeaveReason.LEFT))
        await stage.lose(b)
        await stage.seat("A")
        await stage.pass_time(31)
        return read_back(cut(stage.room()))

    return asyncio.run(story())


@pytest.mark.rule("O4.2")
def test_a_report_tells_turn_by_turn_what_came_out(document: dict[str, Any]) -> None:
    """Which input, in which turn, what of it, and whether it is as recorded."""
    again = replay(document)
    assert again.same
    assert (again.inputs, again.turns) == (8, 6)
    assert again.expected == again.found
    lines = again.lines
    assert lines[0] == "room room, room_restarted"
    assert lines[1] == "begins in epoch 1000000 at version 0 with 0 players"
    assert "turn 1, input 1: join A (alive)" in lines
    assert "    version 3, 3 players" in lines
    assert "turn 2: B moved" in lines
    assert any(line.startswith("turn 6 ended: version 8, checksum ") for line in lines)
    assert lines[-1].startswith("played 8 inputs in 6 turns; at the end version 8, checksum ")
    assert lines[-1].endswith(", 2 players: the same as recorded")


@pytest.mark.rule("O4.2")
@pytest.mark.parametrize("index", range(8))
def test_a_recording_that_lacks_an_input_is_told_to_differ(
    index: int, document: dict[str, Any]
) -> None:
    """Each of them matters."""
    inputs = document["inputs"]
    real = [step for step in inputs if step["do"] not in {"end", "moves"}]
    inputs.remove(real[index])
    again = replay(document)
    assert not again.same
    assert again.lines[-1].endswith(": not as recorded")
    assert any(line.startswith("differs in ") for line in again.lines)


@pytest.mark.parametrize("name", ["epoch", "version", "checksum", "count"])
def test_whatever_differs_is_named(name: str, document: dict[str, Any]) -> None:
    """Also where everything else is the same."""
    document["then"][name] = "other"
    again = replay(document)
    assert not again.same
    assert any(
        line.startswith(f"differs in {name}: ") and line.endswith("recorded was other")
        for line in again.lines
    )


def test_other_players_differ(document: dict[str, Any]) -> None:
    """Not only their checksum."""
    document["then"]["players"][0][1] = "somebody else"
    assert any(line.startswith("differs in players") for line in replay(document).lines)


@pytest.mark.parametrize(
    "error", [None, {"type": "KeyError", "places": ["a.py:1 f"], "text": None}]
)
def test_an_error_that_comes_or_does_not_come_is_a_difference(
    error: dict[str, Any] | None, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the state is."""
    document["error"] = error
    if error is None:
        document["inputs"].append({"do": "close", "at": 1e9})
        monkeypatch.setattr("actors.room.RoomActor._close", lambda self: 1 / 0)
    again = replay(document)
    assert not again.same
    assert (again.raised is None) == (error is not None)


def test_a_file_is_read_and_what_is_none_is_refused(
    document: dict[str, Any], tmp_path: Path
) -> None:
    """With the file's name, and in words."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document), "utf-8")
    assert replay(read(path)).same
    for text, word in (
        ("{", "a.json"),
        ("[]", "not a recording of format 1"),
        ("{}", "not a recording of format 1"),
        (json.dumps(document | {"format": 2}), "not a recording of format 1"),
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(NotARecording, match=word):
            read(path)
    with pytest.raises(FileNotFoundError, match=r"b\.json"):
        read(tmp_path / "b.json")


@pytest.mark.rule("T3.10")
def test_a_sealed_file_is_played_given_its_key(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command as well; without the key, or with another one, it is refused."""
    keys = tmp_path / "seal.keys"
    keys.write_text(keys_text([key(1)]), "ascii")
    path = tmp_path / "a.sealed"
    body = json.dumps(document).encode()
    path.write_bytes(sealed_body(seal_of(1), path.name, body))
    assert replay(read(path, seal_of(1))).same
    for seal, word in ((None, "no key is given"), (seal_of(2), "not among the keys")):
        with pytest.raises(NotARecording, match=word):
            read(path, seal)
    assert main(["--recording", str(path), "--seal-key-file", str(keys)]) == 0
    assert main(["--recording", str(path)]) == 2
    assert "no key is given" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["base", "inputs", "settings", "then"])
def test_a_recording_that_lacks_a_part_is_refused(missing: str, document: dict[str, Any]) -> None:
    """It says which."""
    del document[missing]
    with pytest.raises(NotARecording, match=missing):
        replay(document)


def test_an_input_that_nobody_knows_is_refused(document: dict[str, Any]) -> None:
    """As in a recording of a later version."""
    document["inputs"].append({"do": "dance", "at": 1e9})
    with pytest.raises(NotARecording, match="dance"):
        replay(document)
