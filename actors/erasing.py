"""A person erased from a running server: from its rooms, its store, its recordings and its audit.

Owns the order in which that leaves nothing behind. On the loop; blocking parts have their threads.

    rooms -> what waits for the store -> store -> rooms again -> recordings -> audit
      ^                                                |
      `---- somebody was there: a room had been loaded `

Each step may be repeated. Where one fails, all of it begins anew after `store_retry_s`, for as long
as it takes: whoever asked has the request kept.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from actors import messages as m
from actors.answers import Answer, Done
from actors.directory import Directory, RoomRecord
from actors.forgetting import forget_in
from actors.ids import RoomId, SocketId
from actors.members import Absent
from actors.ports import Clock
from actors.recall import Recall
from actors.records import Record

ROOMS_AT_ONCE: Final = 256
"""Rooms are asked so many at a time; others have their turn in between."""
ASKED_AGAIN_S: Final = 1.0
"""A room that has not answered for so long is asked again: it may have failed."""
_LOOK_S: Final = 0.05


class Waiting(Protocol):
    """What waits for the store, on the loop's side."""

    @property
    def recall(self) -> Recall: ...

    def unwritten(self) -> Iterable[Record]:
        """What was not handed to the store yet. It may be changed."""
        ...


class Places(Protocol):
    """The parts with threads of their own. Each `deliver`s on the loop what came of it, by name, or
    a text that says what went wrong.
    """

    def settle(self, deliver: Callable[[object], object]) -> None:
        """What was handed to the store before is written, or came back."""
        ...

    def store(self, person: str, deliver: Callable[[object], object]) -> None: ...
    def recordings(self, person: str, deliver: Callable[[object], object]) -> None: ...
    def audit(self, person: str, deliver: Callable[[object], object]) -> None: ...


class _Asking(Absent):
    """The way back of a room's answer."""

    __slots__ = ("_deliver", "_room_id")

    def __init__(self, room_id: RoomId, deliver: Callable[[RoomId, Answer], object]) -> None:
        super().__init__(SocketId(""))
        self._room_id: Final = room_id
        self._deliver: Final = deliver

    def answer(self, answer: Answer) -> None:
        self._deliver(self._room_id, answer)


@dataclass(slots=True)
class Round:
    """Every room that there is as it begins is asked, and is done when it has answered or ended."""

    directory: Directory
    clock: Clock
    person: str
    names_in: Callable[[RoomId], frozenset[str]]
    done: Callable[[int], object]
    """Called with the number of places where the person was."""
    todo: dict[RoomId, RoomRecord] = field(default_factory=dict)
    queue: deque[tuple[float, RoomId]] = field(default_factory=deque)
    """Whom to ask when, monotonic, soonest first; who has answered meanwhile is skipped."""
    found: int = 0

    def begin(self) -> None:
        self.todo = dict(self.directory.rooms)
        self.queue.extend((0.0, room_id) for room_id in self.todo)
        self._look()

    def _look(self) -> None:
        """O(ROOMS_AT_ONCE), however many rooms there are."""
        queue, now_s = self.queue, self.clock.monotonic_s()
        for _ in range(ROOMS_AT_ONCE):
            if not (queue and queue[0][0] <= now_s):
                break
            _, room_id = queue.popleft()
            record = self.todo.get(room_id)
            if record is None:
                continue
            if self.directory.rooms.get(room_id) is not record:
                del self.todo[room_id]  # it has ended, and the store knows how
                continue
            asking = _Asking(room_id, self._answered)
            record.mailbox.tell(m.Erase(asking, self.person, self.names_in(room_id)))
            queue.append((now_s + ASKED_AGAIN_S, room_id))
        if self.todo:
            is_due = queue and queue[0][0] <= now_s
            self.clock.call_later(0 if is_due else _LOOK_S, self._look)
        else:
            self.done(self.found)

    def _answered(self, room_id: RoomId, answer: Answer) -> None:
        match answer:
            case Done(places):
                self.found += places
                self.todo.pop(room_id, None)
            case _:  # what was not durable was undone: it is asked again in its time
                pass


class Erasing:
    """One person. `ended` is called once, with what was done; `trouble` with a text whenever
    something went wrong, before it begins anew.
    """

    def __init__(
        self,
        person: str,
        pseudonym_in: Callable[[RoomId], str],
        directory: Directory,
        clock: Clock,
        waiting: Waiting | None,
        places: Places,
        retry_s: float,
        ended: Callable[[Mapping[str, object]], object],
        trouble: Callable[[str], object],
    ) -> None:
        self._person: Final = person
        self._pseudonym_in: Final = pseudonym_in
        self._directory: Final = directory
        self._clock: Final = clock
        self._waiting: Final = waiting
        self._places: Final = places
        self._retry_s: Final = retry_s
        self._ended: Final = ended
        self._trouble: Final = trouble
        self._done: dict[str, object] = {"places": 0}

    def begin(self) -> None:
        if self._waiting is not None:
            self._waiting.recall.bar(self._person, self._clock.monotonic_s())
        self._ask_rooms(lambda found: self._settle())

    # -- inside

    def _ask_rooms(self, done: Callable[[int], object]) -> None:
        def counted(found: int) -> None:
            places = self._done["places"]
            assert isinstance(places, int)
            self._done["places"] = places + found
            done(found)

        Round(self._directory, self._clock, self._person, self._names_in, counted).begin()

    def _settle(self) -> None:
        self._forget_unwritten()
        self._places.settle(self._then(self._store))

    def _store(self) -> None:
        self._forget_unwritten()  # what came back since the store did not take it
        self._places.store(self._person, self._then(self._look_again))

    def _look_again(self) -> None:
        self._ask_rooms(lambda found: self._settle() if found else self._recordings())

    def _recordings(self) -> None:
        self._places.recordings(self._person, self._then(self._audit))

    def _audit(self) -> None:
        self._places.audit(self._person, self._then(self._end))

    def _end(self) -> None:
        self._ended(self._done)

    def _then(self, go_on: Callable[[], object]) -> Callable[[object], object]:
        def delivered(outcome: object) -> None:
            if isinstance(outcome, str):
                self._trouble(outcome)
                self._clock.call_later(self._retry_s, self.begin)
                return
            if isinstance(outcome, Mapping):
                self._done.update(outcome)
            go_on()

        return delivered

    def _forget_unwritten(self) -> None:
        for record in () if self._waiting is None else self._waiting.unwritten():
            forget_in(record, self._person, self._names_in(record.room_id))

    def _names_in(self, room_id: RoomId) -> frozenset[str]:
        return frozenset({self._person, self._pseudonym_in(room_id)})
