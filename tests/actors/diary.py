"""An actor that writes down what happens to it, for the tests of the runtime."""

from types import TracebackType
from typing import Any

from actors.runtime import LoopActor


class Trouble(Exception):
    """What the actors of this file raise."""


class Diary(LoopActor):
    """Writes down what happens to it. A message `raise` raises, any other is answered doubled."""

    def __init__(self, diary: list[str] | None = None, fails_in: str = "") -> None:
        super().__init__()
        self.diary = [] if diary is None else diary
        self.fails_in = fails_in
        self.mood = "calm"

    def note(self, entry: str) -> None:
        self.diary.append(entry)
        if entry == self.fails_in:
            raise Trouble(entry)

    def on_start(self) -> None:
        self.note("on_start")

    def on_stop(self) -> None:
        self.note("on_stop")

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert exception_type is Trouble
        assert traceback is not None
        self.diary.append(f"on_failure {exception_value}")
        if self.fails_in == "on_failure":
            raise Trouble("on_failure")

    def on_turn_end(self) -> None:
        if self.fails_in == "on_turn_end":
            raise Trouble("on_turn_end")

    def on_receive(self, message: Any) -> Any:
        self.diary.append(str(message))
        if message == "raise":
            raise Trouble("raise")
        if message == "exit":
            raise SystemExit(3)
        return message * 2

    def double(self, number: int) -> int:
        return number * 2

    def complain(self) -> None:
        raise Trouble("complain")


class OneAtATime(Diary):
    """Handles one message a turn."""

    turn_messages_max = 1


async def wait_for(answer: Any) -> Any:
    """An awaitable as a coroutine."""
    return await answer
