"""Who in a room hears what: one member a player, beside the state and never inside it. PURE.

FRESH -> CURRENT <-> BEHIND        a whole state makes CURRENT; a refusing outlet makes BEHIND
  `--------+-----------'
           v  ^
          LOST  (resumed: FRESH)
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from actors.answers import Answer
from actors.encoder import Form
from actors.ids import SocketId
from actors.permissions import NOTHING
from actors.ports import Eviction, Outlet, StateReason
from actors.records import Kept, Stamp


class Hearing(Enum):
    """What a member gets at the end of a turn."""

    FRESH = "fresh"
    """Nothing but the answer that it is owed: a snapshot, or what it missed."""
    CURRENT = "current"
    """Everything."""
    BEHIND = "behind"
    """Answers only, until its outlet has drained."""
    LOST = "lost"
    """Nothing: its connection is gone."""


@dataclass(init=False, slots=True)
class Member:
    """The way to one player's client. `serial` is the newest token's number; tokens from
    `confirmed` on may still be the one that the client holds (their answers may be lost).
    """

    outlet: Outlet
    person: str
    hearing: Hearing
    serial: int
    confirmed: int
    missed_moves: bool
    owes_token: bool
    """The newest token is still to be sent, so nothing can have shown that it arrived."""
    stamp: Stamp | None
    """When it was seated; None until it is told so."""

    def __init__(
        self,
        outlet: Outlet,
        person: str,
        hearing: Hearing = Hearing.FRESH,
        serial: int = 1,
        confirmed: int = 1,
        missed_moves: bool = False,
        owes_token: bool = True,
        stamp: Stamp | None = None,
    ) -> None:
        self.outlet = outlet
        self.person = person
        self.hearing = hearing
        self.serial = serial
        self.confirmed = confirmed
        self.missed_moves = missed_moves
        self.owes_token = owes_token
        self.stamp = stamp

    def oldest_good_serial(self) -> int:
        """A frame on the newest token's connection proves that it arrived, once it was sent."""
        proven = not self.owes_token and self.outlet.heard
        return self.serial if proven else self.confirmed

    def accepts(self, serial: int) -> bool:
        """Whether the token `serial` may bring it back. Of one whom the store gave back the newest
        numbers may not have reached the disk.
        """
        is_stored = isinstance(self.outlet, Absent)
        return serial >= self.oldest_good_serial() and (serial <= self.serial or is_stored)

    def issue_token(self, shown_serial: int | None = None) -> int:
        """The next token's number. `shown_serial` is the one that a resume was asked with."""
        self.confirmed = max(self.oldest_good_serial(), shown_serial or 0)
        self.serial += 1
        self.owes_token = True
        return self.serial

    def copy(self) -> "Member":
        """As it is now, for `become`. Spelled out, since `dataclasses.replace` is slow."""
        return Member(
            self.outlet,
            self.person,
            self.hearing,
            self.serial,
            self.confirmed,
            self.missed_moves,
            self.owes_token,
            self.stamp,
        )

    def become(self, earlier: "Member") -> None:
        """Be again as at the time of a `copy`."""
        self.outlet = earlier.outlet
        self.person = earlier.person
        self.hearing = earlier.hearing
        self.serial = earlier.serial
        self.confirmed = earlier.confirmed
        self.missed_moves = earlier.missed_moves
        self.owes_token = earlier.owes_token
        self.stamp = earlier.stamp


class Absent:
    """The outlet of a player whom the store gave back: a connection that is gone. Takes all, and
    says nothing to anybody.
    """

    __slots__ = ("socket_id",)

    form: Final = Form.JSON
    grant: Final = NOTHING
    alive: Final = False
    heard: Final = False

    def __init__(self, socket_id: SocketId) -> None:
        self.socket_id = socket_id

    def offer(self, frame: bytes) -> bool:
        del frame
        return True

    def offer_moves(self, frame: bytes) -> bool:
        return self.offer(frame)

    def send_state(self, state: bytes, reason: StateReason) -> None: ...
    def answer(self, answer: Answer) -> None: ...
    def evict(self, reason: Eviction, detail: str) -> None: ...


def absent_member(kept: Kept, stamp: Stamp) -> Member:
    """The member of a player whom the store gave back: lost, until a resume."""
    return Member(
        Absent(kept.player.socket_id),
        kept.person,
        Hearing.LOST,
        kept.serial,
        kept.oldest_good_serial,
        owes_token=False,
        stamp=stamp,
    )
