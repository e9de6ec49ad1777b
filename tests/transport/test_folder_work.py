"""Who does what is to be done in a data folder, and how long the other waits."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transport.simulated import SimulatedClock
from transport.data_dir import LOCK_NAME, DataDir, DataDirInUse
from transport.folder_work import COMMAND_S, NotAnswered, Waiting, done_in, lock_after_commands

Moments = dict[int, Callable[[], object]]


class Waits:
    """A process that waits in simulated time; at its `moments`, counted, something happens."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.count = 0
        self.moments: Moments = {}
        self.waiting = Waiting(self.clock.monotonic_s, self.pause)
        self.began_s = self.clock.monotonic_s()

    def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.count += 1
        self.moments.get(self.count, lambda: None)()

    @property
    def waited_s(self) -> float:
        return self.clock.monotonic_s() - self.began_s


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The signals that were sent; they arrive nowhere."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


@pytest.fixture
def folder(tmp_path: Path) -> DataDir:
    """One as the process sees it."""
    return DataDir(tmp_path, os.urandom)


@pytest.fixture
def other(tmp_path: Path) -> DataDir:
    """The same as somebody else does."""
    return DataDir(tmp_path, os.urandom)


def refused() -> None:
    """What is not to be called."""
    raise AssertionError


@pytest.mark.rule("T4.12", "T5.8")
def test_without_a_server_the_process_does_it_with_the_folder_locked(
    folder: DataDir, other: DataDir, told: list[tuple[int, int]]
) -> None:
    """And leaves it, also where it fails; nobody takes it for a server, and signals it."""

    def work() -> str:
        assert folder.is_locked
        assert other.server() is None
        return "done"

    assert done_in(folder, refused, work, 10, Waits().waiting) == "done"
    with pytest.raises(AssertionError):
        done_in(folder, refused, refused, 10, Waits().waiting)
    other.lock()
    assert told == []


@pytest.mark.rule("T4.12", "T5.8")
def test_a_server_is_told_and_asked_until_it_has_answered(
    folder: DataDir, other: DataDir, told: list[tuple[int, int]]
) -> None:
    """By SIGHUP, once."""
    other.lock()
    waits, answers = Waits(), iter([None, None, "done"])
    assert done_in(folder, lambda: next(answers), refused, 10, waits.waiting) == "done"
    assert told == [(os.getpid(), signal.SIGHUP)]
    assert waits.count == 2


@pytest.mark.rule("T4.13")
@pytest.mark.usefixtures("told")
def test_a_server_that_does_not_answer_is_waited_for_so_long(
    folder: DataDir, other: DataDir
) -> None:
    """Then it is named."""
    other.lock()
    waits = Waits()
    with pytest.raises(NotAnswered) as caught:
        done_in(folder, lambda: None, refused, 10, waits.waiting)
    assert caught.value.server == os.getpid()
    assert waits.waited_s == pytest.approx(10, abs=0.1)


@pytest.mark.rule("T4.14", "T5.8")
@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("has_answered", [True, False])
def test_a_server_that_ends_leaves_the_work_unless_it_had_answered(
    folder: DataDir, other: DataDir, has_answered: bool
) -> None:
    """Nothing is done twice."""
    other.lock()
    waits = Waits()
    waits.moments[2] = other.unlock

    def answer() -> str | None:
        return "answered" if has_answered and not other.is_locked else None

    said = done_in(folder, answer, lambda: "worked", 10, waits.waiting)
    assert said == ("answered" if has_answered else "worked")


@pytest.mark.rule("P5.1", "T4.12")
def test_who_comes_next_waits_for_a_command_and_not_for_a_server(
    folder: DataDir, other: DataDir, told: list[tuple[int, int]]
) -> None:
    """A start of the server does not fail for a command that runs just then."""
    other.lock(is_brief=True)
    waits = Waits()
    waits.moments[3] = other.unlock
    lock_after_commands(folder, waits.waiting)
    assert folder.is_locked
    assert waits.count == 3
    with pytest.raises(DataDirInUse, match=rf"in use by another server \(process {os.getpid()}\)"):
        lock_after_commands(other, waits.waiting)
    assert waits.count == 3
    assert told == []


@pytest.mark.rule("P5.1")
def test_a_command_that_keeps_the_folder_is_named(folder: DataDir, other: DataDir) -> None:
    """By whoever has waited for it, a server or a command."""
    other.lock(is_brief=True)
    text = (folder.path / LOCK_NAME).read_text("ascii")
    assert text == f"{os.getpid()} command\n"
    waits = Waits()
    with pytest.raises(DataDirInUse, match=rf"in use by a command \(process {os.getpid()}\)"):
        lock_after_commands(folder, waits.waiting)
    assert waits.waited_s == pytest.approx(COMMAND_S, abs=0.1)
    with pytest.raises(DataDirInUse, match="by a command"):
        done_in(folder, refused, refused, 10, waits.waiting)


@pytest.mark.rule("T4.12")
def test_a_server_that_starts_in_between_is_asked(
    folder: DataDir, other: DataDir, told: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the folder when this process comes to lock it."""
    seen = folder.server
    first = iter([None])
    monkeypatch.setattr(folder, "server", lambda: next(first, seen()))
    other.lock()
    assert done_in(folder, lambda: "answered", refused, 10, Waits().waiting) == "answered"
    assert len(told) == 1
