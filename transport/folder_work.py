"""Work on a data folder: by the server that runs on it, or else by this process.

Owns who does it, and how long one waits for the other. The server is told by SIGHUP, and answers
with a file; without one this process takes the folder for as long as the work is. Knows not what is
to be done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from transport.data_dir import DataDir, DataDirInUse

COMMAND_S: Final = 5.0
"""So long a command may have the folder before who comes next gives up."""
_LOOK_S: Final = 0.05

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a process waits."""

    monotonic_s: Callable[[], float]
    pause: Callable[[float], object]


class NotAnswered(Exception):
    """The server that has the folder has not done it in time. It may yet. `told` says in words
    whether it was told at all.
    """

    def __init__(self, server: int, told: str) -> None:
        super().__init__(f"server {server} has not answered")
        self.server: Final = server
        self.told: Final = told


def lock_after_commands(data: DataDir, waiting: Waiting, *, is_brief: bool = False) -> None:
    """Take the folder, `COMMAND_S` at most after who has it briefly. Raises as `lock` does."""
    until_s = waiting.monotonic_s() + COMMAND_S
    while True:
        try:
            data.lock(is_brief=is_brief)
        except DataDirInUse as error:
            if not error.is_brief or waiting.monotonic_s() >= until_s:
                raise
            waiting.pause(_LOOK_S)
        else:
            return


def done_in(
    data: DataDir,
    answer: Callable[[], T | None],
    work: Callable[[], T],
    answer_s: float,
    waiting: Waiting,
) -> T:
    """The answer of the server that runs on the folder, which must not be None, or what `work` is
    where none does. A server that ends before it has answered leaves the work to this process.

    Raises NotAnswered after `answer_s`, DataDirUnusable where somebody else keeps the folder, and
    what `answer` and `work` do.
    """
    until_s = waiting.monotonic_s() + answer_s
    while True:
        server = data.server()
        if server is None:
            try:
                lock_after_commands(data, waiting, is_brief=True)
            except DataDirInUse as error:
                if error.is_brief or waiting.monotonic_s() >= until_s:
                    raise
                waiting.pause(_LOOK_S)  # a server has come between
                continue
            try:
                return work()
            finally:
                data.unlock()
        told = data.tell_server()
        while True:
            ended = data.server() != server
            found = answer()  # whoever has ended may have answered before
            if found is not None:
                return found
            if ended:
                break
            if waiting.monotonic_s() >= until_s:
                raise NotAnswered(server, told)
            waiting.pause(_LOOK_S)
