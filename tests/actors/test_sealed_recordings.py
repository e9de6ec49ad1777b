"""Sealed recordings: what the files say, who can read them, and their way to another key."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from actors.ids import RoomId
from actors.ports import Recording, RecordingReason
from actors.recordings import FolderRecordings, reseal, write
from actors.sealed_recordings import body_in, key_used, keys_used
from actors.sealing import Seal, SealBroken, key_id
from actors.settings import Settings
from tests.actors.fake_operator import FakeLog, FakeMetrics
from tests.actors.fakes import FakeClock
from tests.actors.stage import settle
from tests.actors.stores.places import key, seal_of
from tests.actors.test_recordings import NOW_MS, PATIENCE_S, recording

ONE, TWO, BOTH = seal_of(1), seal_of(2), seal_of(2, 1)
FIRST, SECOND = key_id(key(1)), key_id(key(2))
CANARY = "CanaryRoom"


def document(path: Path, seal: Seal) -> dict[str, object]:
    """What the recording says."""
    read = json.loads(body_in(path, seal))
    assert isinstance(read, dict)
    return read


@pytest.mark.rule("T3.10", "O4.7")
def test_a_sealed_recording_says_nothing_without_its_key(tmp_path: Path) -> None:
    """Its name has a tag in place of the room: the same for one room, and for no other."""
    paths = [write(tmp_path, recording(room), 10, ONE) for room in (CANARY, CANARY, "other")]
    tags = [path.name.split("Z-", 1)[1].rsplit("-room_restarted")[0] for path in paths]
    assert tags[0] == tags[1] != tags[2]
    for path in paths:
        assert path.suffix == ".sealed"
        assert CANARY not in path.name
        assert CANARY.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    assert document(paths[0], BOTH)["roomId"] == CANARY
    assert keys_used(tmp_path) == {FIRST}
    clear = write(tmp_path, recording(CANARY), 10)
    assert CANARY in clear.name
    assert CANARY.encode() in clear.read_bytes()
    assert document(clear, ONE)["roomId"] == CANARY


@pytest.mark.rule("T3.3", "T3.10")
def test_a_recording_that_is_not_what_was_sealed_is_refused(tmp_path: Path) -> None:
    """Without the key, with another one, with a bit turned, or under the name of another."""
    path, other = (write(tmp_path, recording(room), 10, ONE) for room in (CANARY, "other"))
    whole = path.read_bytes()
    with pytest.raises(SealBroken, match=f"sealed with key {FIRST}, and no key is given"):
        body_in(path, None)
    with pytest.raises(SealBroken, match=FIRST):
        body_in(path, TWO)
    for byte in range(1, len(whole)):
        path.write_bytes(whole[:byte] + bytes([whole[byte] ^ 1]) + whole[byte + 1 :])
        with pytest.raises(SealBroken):
            body_in(path, ONE)
    path.write_bytes(other.read_bytes())
    with pytest.raises(SealBroken, match="at this place"):
        body_in(path, ONE)


def test_sealed_ones_and_drafts_of_them_are_counted_as_ours(tmp_path: Path) -> None:
    """Beyond the bound the oldest goes, sealed or not; what was cut off is removed."""
    draft = tmp_path / ".20261128T151107296Z-x-room_restarted.sealed.new"
    draft.write_bytes(b"half")
    for number in range(6):
        one = recording(f"r{number}", made_ms=NOW_MS + 1000 * number)
        write(tmp_path, one, 3, ONE if number % 2 else None)
    assert not draft.exists()
    assert len(list(tmp_path.iterdir())) == 3
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".sealed"}


class Desk:
    """The port in front of a folder, with a seal that a test may replace."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self.seal = seal
        self.log = FakeLog()
        self.port = FolderRecordings(
            folder, Settings(), FakeClock(), self.log, FakeMetrics(), lambda: self.seal
        )


def files(folder: Path) -> set[Path]:
    """All but drafts."""
    return {path for path in folder.iterdir() if not path.name.startswith(".")}


def everything_in(folder: Path) -> bytes:
    """Every name and byte, drafts included."""
    return b"".join(bytes(path) + path.read_bytes() for path in folder.iterdir())


def sealed_with(folder: Path, used: str) -> int:
    """So many files are sealed with that key, without those that go while they are looked at."""
    count = 0
    for path in files(folder):
        with suppress(FileNotFoundError):
            count += key_used(path) == used
    return count


@pytest.mark.rule("T3.4", "T3.6", "T3.10")
async def test_recordings_are_sealed_anew_and_those_in_the_clear_as_well(tmp_path: Path) -> None:
    """One after the other, each with all that it says; what cannot be read is told and left."""
    for number, seal in enumerate((None, ONE, TWO)):
        write(tmp_path, recording(f"room{number}", made_ms=NOW_MS + number), 10, seal)
    write(tmp_path, recording("room1", RecordingReason.STATE_INVALID), 10, ONE)
    broken = write(tmp_path, recording("broken"), 10, ONE)
    broken.write_bytes(broken.read_bytes()[:-1])
    notes = tmp_path / "notes.json"
    notes.write_text("mine")
    desk = Desk(tmp_path, BOTH)
    desk.port.reseal()
    while sealed_with(tmp_path, SECOND) < 4 or not desk.log.lines:
        await settle()
    desk.port.keep(recording("late"))
    assert await desk.port.close(PATIENCE_S)
    await settle()
    (line,) = desk.log.of("recording_not_sealed")
    assert line.details["path"] == str(broken)
    assert notes.read_text() == "mine"
    sealed = files(tmp_path) - {broken, notes}
    assert {key_used(path) for path in sealed} == {SECOND}
    rooms = Counter(document(path, TWO)["roomId"] for path in sealed)
    assert rooms == {"room0": 1, "room1": 2, "room2": 1, "late": 1}
    assert keys_used(tmp_path) == {FIRST, SECOND}, "the broken one"


@pytest.mark.rule("T3.1", "T3.5", "T3.6", "T3.10")
async def test_nothing_that_a_death_left_half_way_or_that_still_waits_is_passed_over(
    tmp_path: Path,
) -> None:
    """Drafts in the clear, drafts of what is to be sealed, and one that waits as keys change."""
    clear = write(tmp_path, recording(CANARY), 10)
    (tmp_path / f".{clear.name}.new").write_bytes(clear.read_bytes()[:-1])
    half = write(tmp_path, recording(CANARY), 10, BOTH)
    half.rename(tmp_path / f".{half.name}.new")
    desk = Desk(tmp_path, ONE)
    desk.port.keep(recording("late", made_ms=NOW_MS + 1))
    desk.seal = BOTH
    desk.port.reseal()
    async with asyncio.timeout(PATIENCE_S):
        while sealed_with(tmp_path, SECOND) < 2:
            await settle()
    assert await desk.port.close(PATIENCE_S)
    assert CANARY.encode() not in everything_in(tmp_path)
    assert keys_used(tmp_path) == {SECOND}
    assert not desk.log.of("recording_not_sealed")


@pytest.mark.rule("T3.10")
def test_one_in_the_clear_that_says_another_reason_does_not_lead_out_of_the_folder(
    tmp_path: Path,
) -> None:
    """It may be anybody's: it is refused and stays."""
    folder = tmp_path / "recordings"
    planted = write(folder, recording(CANARY), 10)
    planted.write_text(json.dumps({"roomId": "a", "madeAtMs": 1, "reason": "/../../planted"}))
    with pytest.raises(ValueError, match="planted"):
        reseal(planted, ONE)
    assert [path.name for path in tmp_path.iterdir()] == ["recordings"]
    assert list(folder.iterdir()) == [planted]


def test_a_recording_of_any_room_can_be_sealed(tmp_path: Path) -> None:
    """Whatever it is called, and however long."""
    room = RoomId("é" * 128)
    one = Recording(room, RecordingReason.ROOM_LOST, NOW_MS, 1, lambda: {"roomId": room})
    path = write(tmp_path, one, 10, ONE)
    assert path.name.isascii()
    assert document(path, ONE)["roomId"] == room
    again = reseal(path, BOTH)
    assert again is not None
    assert document(again, TWO)["roomId"] == room
    assert reseal(again, BOTH) is None
