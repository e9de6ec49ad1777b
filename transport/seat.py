"""One session's place in one room: the outlet that the room speaks through.

Owns the generation: a seat belongs to one room and one connection. When the session moves on (it
left, switched, was superseded or lost), its seat is dead for good, and nothing that the old room
still says, or the old connection still does, reaches anybody.

    waiting -> taken -> dead      (waiting: the join is in a mailbox; a refused one dies there)
"""

from collections.abc import Callable
from typing import Final, Protocol

from actors.answers import Answer
from actors.encoder import Form
from actors.ids import RoomId, SocketId, UserId
from actors.permissions import Grant, Permission
from actors.players import Coordinate
from actors.ports import Eviction, StateReason
from actors.privacy import Privacy
from actors.runtime import Mailbox
from transport.link import Link, swallow
from transport.sequences import SequenceMemory
from transport.shares import RoomHold


class Sitter(Protocol):
    """A session, as its seats see it."""

    heard: bool

    def on_answer(self, seat: "Seat", answer: Answer) -> None: ...
    def on_state(self, seat: "Seat", state: bytes, reason: StateReason) -> None: ...
    def on_evicted(self, seat: "Seat", reason: Eviction, detail: str) -> None: ...
    def on_fault(self, error: Exception) -> None: ...
    def late_move(self, seat: "Seat") -> tuple[Coordinate, Coordinate] | None:
        """Where it moved last in `seat`, as far as the room does not know yet."""
        ...

    def supersede(self, seat: "Seat") -> SequenceMemory:
        """End, since a resume took `seat` over; the memory of the session goes on there."""
        ...


class Seat:
    """The Outlet port. `user_id` is the shown name, `person` the real one."""

    __slots__ = (
        "form", "grant", "hold", "link", "mailbox", "may_move", "offer", "offer_moves", "person",
        "privacy", "room_id", "session", "socket_id", "user_id",
    )  # fmt: skip

    def __init__(
        self,
        session: Sitter,
        link: Link | None,
        room_id: RoomId,
        mailbox: Mailbox,
        socket_id: SocketId,
        person: str,
        user_id: UserId,
        privacy: Privacy,
        grant: Grant,
    ) -> None:
        self.session: Final = session
        self.link: Link | None = link
        self.form: Final = Form.JSON if link is None else link.form
        # The link's own, without a call in between: they are what a room calls most.
        self.offer: Callable[[bytes], bool] = swallow if link is None else link.offer
        self.offer_moves: Callable[[bytes], bool] = swallow if link is None else link.offer_moves
        self.hold: RoomHold | None = None
        """How the limits of the user count this seat, until it is dead."""
        self.room_id: Final = room_id
        self.mailbox = mailbox
        self.socket_id = socket_id
        self.person: Final = person
        self.user_id: Final = user_id
        self.privacy: Final = privacy
        self.have(grant)

    def __repr__(self) -> str:
        return f"<Seat {self.socket_id} in {self.room_id}>"

    @property
    def alive(self) -> bool:
        return self.link is not None

    @property
    def heard(self) -> bool:
        return self.session.heard

    def have(self, grant: Grant) -> None:
        """What its session's token says of the room, from now on."""
        self.grant = grant
        # One look for each move, the most frequent message by far.
        self.may_move = Permission.MOVE in grant.permissions

    def kill(self, *, lost: bool = False) -> None:
        """From now on nothing passes; the player is gone, or `lost` and stays for the grace. May be
        repeated.
        """
        self.link = None
        self.offer = self.offer_moves = swallow
        if self.hold is not None:
            hold, self.hold = self.hold, None
            hold.end(lost=lost)

    # What a session does with these is its own affair: the room must not fail of it.

    def send_state(self, state: bytes, reason: StateReason) -> None:
        if self.link is not None:
            self._guarded(lambda: self.session.on_state(self, state, reason))

    def answer(self, answer: Answer) -> None:
        try:  # as `_guarded`, without a call in between: each request has one
            self.session.on_answer(self, answer)
        except Exception as error:  # noqa: BLE001  # one of the two shells
            self.session.on_fault(error)

    def evict(self, reason: Eviction, detail: str) -> None:
        if self.link is not None:
            self._guarded(lambda: self.session.on_evicted(self, reason, detail))

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001  # one of the two shells
            self.session.on_fault(error)
