"""Recordings as files: what they are called, how many there are, and a disk that does not do.

Where a test waits, it waits for the thread, by closing: all that was asked for is done by then.
"""

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from actors import recordings as module
from actors.ids import RoomId
from actors.ports import Recording, RecordingReason, Recordings
from actors.recordings import WAITING_MAX, FolderRecordings, write
from actors.settings import Settings
from actors.stores.codec import loads
from tests.actors.fake_operator import FakeLog, FakeMetrics
from tests.actors.fakes import FakeClock
from tests.actors.stage import settle

NOW_MS = 1_795_878_667_296
INVALID, RESTARTED = RecordingReason.STATE_INVALID, RecordingReason.ROOM_RESTARTED
PATIENCE_S = 60.0


def recording(
    room: str = "lobby", reason: RecordingReason = RESTARTED, made_ms: int = NOW_MS
) -> Recording:
    """One of a room of that name."""
    return Recording(RoomId(room), reason, made_ms, 3, lambda: {"roomId": room})


class Desk:
    """The port in front of a folder of a test, and who is told of it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.log = FakeLog()
        self.metrics = FakeMetrics()
        self.port = FolderRecordings(
            folder, Settings(**settings), self.clock, self.log, self.metrics
        )

    def keep(self, *recordings: Recording) -> None:
        port: Recordings = self.port
        for one in recordings:
            port.keep(one)

    async def done(self) -> None:
        assert await self.port.close(PATIENCE_S)
        await settle()

    def count(self, outcome: str) -> int:
        return self.metrics.count[f"recording_ended {outcome}"]

    def names(self) -> list[str]:
        return names(self.folder)


def names(folder: Path) -> list[str]:
    """Its files, in order."""
    return sorted(path.name for path in folder.iterdir())


# -- one file


@pytest.mark.rule("O4.1", "O4.7")
async def test_a_recording_is_one_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    """Named by time, room and reason; the operator is told where it is."""
    desk = Desk(tmp_path / "recordings")
    desk.keep(recording())
    await desk.done()
    name = "20261128T151107296Z-lobby-room_restarted.json"
    assert desk.names() == [name]
    path = desk.folder / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(desk.folder.stat().st_mode) == 0o700
    assert loads(path.read_bytes()) == {
        "format": 1,
        "reason": "room_restarted",
        "madeAtMs": NOW_MS,
        "roomId": "lobby",
    }
    (line,) = desk.log.of("recording_written")
    assert (line.level, line.room_id) == ("info", "lobby")
    assert line.details == {"reason": "room_restarted", "path": str(path), "inputs": 3}
    assert desk.count("written") == 1


@pytest.mark.rule("O4.7")
@pytest.mark.parametrize(
    ("room", "shown"),
    [
        ("..", "__"),
        ("a:b.c", "a_b_c"),
        ("x" * 128, "x" * 48),
        ("CON", "CON"),
        ("../../etc/passwd", "______etc_passwd"),
        ("a/b\x00c\n", "a_b_c_"),
        ("é" * 100, "_" * 48),
    ],
)
def test_a_room_may_have_any_name(room: str, shown: str, tmp_path: Path) -> None:
    """What a file system could take for something else becomes a line; it is never too long."""
    path = write(tmp_path / "recordings", recording(room), 10)
    assert path.name == f"20261128T151107296Z-{shown}-room_restarted.json"
    assert path.parent == tmp_path / "recordings"
    assert names(tmp_path) == ["recordings"]


@pytest.mark.rule("O4.7")
def test_two_of_one_moment_are_two_files(tmp_path: Path) -> None:
    """Also where two rooms' names look the same."""
    paths = [write(tmp_path, recording(room), 10) for room in ("a.b", "a:b", "a.b")]
    assert len(set(paths)) == len(names(tmp_path)) == 3
    assert [loads(path.read_bytes())["roomId"] for path in paths] == ["a.b", "a:b", "a.b"]


# -- how many


@pytest.mark.rule("O4.5")
def test_beyond_the_bound_the_oldest_is_removed(tmp_path: Path) -> None:
    """And nothing that is not ours."""
    (tmp_path / "notes.json").write_text("mine", "utf-8")
    (tmp_path / "20261128T151107296Z.json").write_text("mine", "utf-8")
    for number in range(10):
        write(tmp_path, recording(f"r{number}", made_ms=NOW_MS + 1000 * number), 4)
    kept = [name.split("-")[1] for name in names(tmp_path) if "-" in name]
    assert kept == ["r6", "r7", "r8", "r9"]
    assert {"notes.json", "20261128T151107296Z.json"} <= set(names(tmp_path))


@pytest.mark.rule("O4.5")
def test_nobody_pushes_out_what_is_known_of_a_crash_by_being_wrong(tmp_path: Path) -> None:
    """What clients caused goes first, whatever its age, except for the newest of all."""
    for number in range(4):
        write(tmp_path, recording(f"crash{number}", made_ms=NOW_MS + number), 4)
    for number in range(20):
        write(tmp_path, recording(f"wrong{number}", INVALID, NOW_MS + 1000 * number), 4)
    kept = [name.split("-")[1] for name in names(tmp_path)]
    assert kept == ["crash1", "crash2", "crash3", "wrong19"]


def test_a_room_that_is_called_like_a_reason_is_a_room(tmp_path: Path) -> None:
    """Its crashes are not taken for what a client caused."""
    write(tmp_path, recording("client_state_invalid", made_ms=NOW_MS + 1), 2)
    write(tmp_path, recording("b", INVALID, NOW_MS + 2), 2)
    write(tmp_path, recording("c", made_ms=NOW_MS + 3), 2)
    assert [name.split("-")[1] for name in names(tmp_path)] == ["client_state_invalid", "c"]


@pytest.mark.rule("O4.5")
async def test_a_client_that_is_wrong_again_and_again_writes_one_file_an_interval(
    tmp_path: Path,
) -> None:
    """Of each room; the rest is dropped, counted, and told once a burst."""
    desk = Desk(tmp_path, recording_interval_s=60)
    for second in range(120):
        desk.clock.step(second)
        desk.keep(recording("a", INVALID, NOW_MS + second))
        await settle(1)
    desk.keep(recording("b", INVALID))
    await desk.done()
    assert len([name for name in desk.names() if "-a-" in name]) == 2
    assert len([name for name in desk.names() if "-b-" in name]) == 1
    assert desk.count("dropped") == 118
    (line,) = desk.log.of("recordings_dropped")
    assert line.level == "warn"
    assert line.details == {"reason": "client_state_invalid"}


@pytest.mark.rule("O4.5")
@pytest.mark.parametrize("reason", [INVALID, RESTARTED])
async def test_all_rooms_together_write_the_folder_full_once_an_interval(
    reason: RecordingReason, tmp_path: Path
) -> None:
    """Those that crash and those whose clients are wrong have a bound each."""
    desk = Desk(tmp_path, recordings_max=5, recording_interval_s=60)
    for number in range(9):
        desk.keep(recording(f"r{number}", reason))
    assert desk.count("dropped") == 4
    desk.keep(recording("other", RESTARTED if reason is INVALID else INVALID))
    assert desk.count("dropped") == 4
    desk.clock.step(60)
    desk.keep(recording("later", reason))
    await desk.done()
    assert desk.count("dropped") == 4
    assert desk.count("written") == 7


@pytest.mark.rule("O4.5", "O4.6")
async def test_what_waits_for_a_stalled_disk_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`keep` returns at once, and what is too much is dropped."""
    go_on = threading.Event()
    monkeypatch.setattr(module, "write", lambda *_: go_on.wait(PATIENCE_S) and tmp_path / "x")
    desk = Desk(tmp_path, recordings_max=1000)
    for number in range(WAITING_MAX + 10):
        desk.keep(recording(f"r{number}"))
    assert desk.count("dropped") == 10
    assert not await desk.port.close(0.01)
    go_on.set()
    assert await desk.port.close(PATIENCE_S)
    assert desk.count("written") == WAITING_MAX
    desk.keep(recording("after the end"))
    assert desk.count("dropped") == 11


@pytest.mark.rule("O4.5", "O4.6")
async def test_who_is_wrong_about_many_rooms_keeps_no_crash_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the disk is: half of what waits may be of rooms that failed only."""
    go_on = threading.Event()
    monkeypatch.setattr(module, "write", lambda *_: go_on.wait(PATIENCE_S) and tmp_path / "x")
    desk = Desk(tmp_path)
    for number in range(2 * WAITING_MAX):
        desk.keep(recording(f"r{number}", INVALID))
    dropped = desk.count("dropped")
    desk.keep(recording("crashed"))
    assert desk.count("dropped") == dropped
    go_on.set()
    await desk.done()
    assert desk.count("written") == WAITING_MAX // 2 + 1


# -- a disk that does not do


@pytest.mark.rule("O4.6")
async def test_a_full_disk_is_counted_and_told_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one, when there is room again, is written."""
    flush = os.fsync

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    desk = Desk(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    desk.keep(recording("a"))
    while not desk.log.lines:
        await settle()
    assert desk.names() == []
    (line,) = desk.log.of("recording_not_written")
    assert line.level == "error"
    assert "No space left" in str(line.details["error"])
    monkeypatch.setattr(os, "fsync", flush)
    desk.keep(recording("b"))
    await desk.done()
    assert [name.split("-")[1] for name in desk.names()] == ["b"]
    assert (desk.count("failed"), desk.count("written")) == (1, 1)


@pytest.mark.rule("O4.6")
@pytest.mark.parametrize("obstacle", ["a file in its place", "no folder above", "read-only"])
async def test_a_folder_that_cannot_be_written_to_is_told(obstacle: str, tmp_path: Path) -> None:
    """Nothing else happens."""
    folder = tmp_path / "recordings"
    if obstacle == "a file in its place":
        folder.write_text("", "utf-8")
    elif obstacle == "no folder above":
        folder = tmp_path / "gone" / "recordings"
    else:
        folder = Path("/proc/self/recordings")  # nobody may make a folder there, not even root
    desk = Desk(folder)
    desk.keep(recording())
    await desk.done()
    assert desk.count("failed") == 1
    assert len(desk.log.of("recording_not_written")) == 1


@pytest.mark.rule("O4.6")
async def test_a_story_that_cannot_be_told_is_a_failure_and_the_next_is_written(
    tmp_path: Path,
) -> None:
    """A bug there ends neither the thread nor anything else."""

    def broken() -> dict[str, object]:
        raise ArithmeticError("no story")

    desk = Desk(tmp_path)
    desk.keep(Recording(RoomId("a"), RESTARTED, NOW_MS, 1, broken), recording("b"))
    desk.keep(Recording(RoomId("c"), RESTARTED, NOW_MS, 1, lambda: {"x": object()}))
    await desk.done()
    assert (desk.count("failed"), desk.count("written")) == (2, 1)
    assert len(desk.names()) == 1


async def test_a_system_without_threads_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room that is written hears nothing of it."""

    def broken(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    desk = Desk(tmp_path)
    monkeypatch.setattr(module._Writer, "start", broken)
    desk.keep(recording())
    assert desk.count("failed") == 1


def test_what_was_cut_off_half_way_is_removed_by_the_next(tmp_path: Path) -> None:
    """It never had the name of a recording."""
    draft = tmp_path / ".20261128T151107296Z-lobby-room_restarted.json.new"
    draft.write_text('{"format":1,"rea', "utf-8")
    write(tmp_path, recording("other"), 10)
    assert not draft.exists()
    assert len(names(tmp_path)) == 1


async def test_where_nothing_is_kept_there_is_neither_folder_nor_thread(tmp_path: Path) -> None:
    """A server whose rooms are well pays nothing."""
    desk = Desk(tmp_path / "recordings")
    threads = set(threading.enumerate())
    await desk.done()
    assert set(threading.enumerate()) <= threads  # one of an earlier test may just have ended
    assert names(tmp_path) == []
