"""What became of the numbered requests of one session. PURE.

Owns idempotency: a number that was received before has one effect, however often it comes. The
memory belongs to the session, so it goes with it through resumes. At most 256 numbers.
"""

from dataclasses import dataclass
from typing import Final

from actors.errors import Refusal, StaleSequence
from actors.ids import RoomId
from actors.values import value

REMEMBERED_MAX: Final = 256


@value
class Repeat:
    """Do it again: it has no effect of its own, or it had none yet (a retryable refusal)."""


@value
class Failed:
    """Refused for good. Where the refusal was raised is forgotten: a traceback holds the frames of
    all calls on its way, and these the request, the connection and the room.
    """

    refusal: Refusal

    def __post_init__(self) -> None:
        self.refusal.__traceback__ = self.refusal.__cause__ = self.refusal.__context__ = None


@dataclass(init=False, slots=True, unsafe_hash=True)
class Finished:
    """Done, as of `version`."""

    version: Final[int]

    def __init__(self, version: int) -> None:
        self.version = version


@dataclass(init=False, slots=True, unsafe_hash=True)
class Seated:
    """Joined or resumed, as of `version`."""

    room_id: Final[RoomId]
    version: Final[int]

    def __init__(self, room_id: RoomId, version: int) -> None:
        self.room_id = room_id
        self.version = version


@dataclass(init=False, slots=True, unsafe_hash=True)
class Departed:
    """Left the room, as of `version`."""

    room_id: Final[RoomId]
    version: Final[int]

    def __init__(self, room_id: RoomId, version: int) -> None:
        self.room_id = room_id
        self.version = version


@value
class Silent:
    """A move: taken, never answered."""


Outcome = Repeat | Failed | Finished | Seated | Departed | Silent

REPEAT: Final = Repeat()
SILENT: Final = Silent()


class SequenceMemory:
    """The newest numbers and their outcomes. All O(1); costs next to nothing while unused."""

    __slots__ = ("_newest", "_outcomes")

    def __init__(self) -> None:
        self._newest = 0
        self._outcomes: dict[int, Outcome] | None = None

    def recall(self, number: int) -> Outcome | None:
        """The outcome of a copy, None for a new number. Raises StaleSequence."""
        outcome = self._outcomes.get(number) if self._outcomes else None
        if outcome is None and number <= self._newest:
            raise StaleSequence(f"sequenceId: expected more than {self._newest}")
        return outcome

    def is_copy(self, number: int | None) -> bool:
        """Its outcome is remembered."""
        return number is not None and number in (self._outcomes or ())

    def is_stale(self, number: int | None) -> bool:
        """`recall` would refuse it."""
        return number is not None and number <= self._newest and not self.is_copy(number)

    def settle(self, number: int | None, outcome: Outcome) -> None:
        """Note what became of `number`; the oldest beyond the bound is forgotten.

        A final outcome stays: a copy that was refused for its haste does not undo it. What is not
        remembered any more, or has no number, is not noted.
        """
        if number is None:
            return
        if self._outcomes is None:
            self._outcomes = {}
        known = self._outcomes.get(number)
        if number <= self._newest and not isinstance(known, Repeat):
            return
        self._outcomes[number] = outcome
        self._newest = max(self._newest, number)
        if len(self._outcomes) > REMEMBERED_MAX:
            del self._outcomes[next(iter(self._outcomes))]
