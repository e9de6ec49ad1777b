"""A room and what is kept of it: records of its turns, undoing one, and coming back from disk.

Owns the way between a room's living state and its records. Called by room.py and turning.py.
Sends nothing to anybody but the ledger; what is not durable in time is undone here, as if it had
never been asked.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors import messages as m
from actors.answers import Left, Refused
from actors.checkpoint import Checkpoint
from actors.errors import Unavailable
from actors.ids import RoomId, SocketId
from actors.members import Hearing, Member, absent_member
from actors.outside import Ports
from actors.players import Player
from actors.records import LONG_KEPT, Kept, Record, Row, Spot, Stamp, kept_in, row_of, spot_of
from actors.recovery import Grace, Wreckage, restore
from actors.room_rules import PLAIN
from actors.room_state import RoomState
from actors.timers import Graces
from actors.turn import OweAnswer, OweEviction, OweState, Turn

_SPARE_ROWS: Final = 64
"""A room's waiting record may hold this many rows more than twice its players; then it is whole."""

UNAWAITED: Final = (m.Lost, m.Heard, m.Drained, m.Leave, m.Kick)
"""What has to happen sooner or later, whatever becomes of the turn: nobody could ask again."""


class Keeping:
    """`save_positions` is what the ledger calls for a room that moved. `whole_due`: the next record
    has to say all of the room, since the store does not know of it, or of something else.
    """

    __slots__ = (
        "_ledger", "_members", "_moved", "_now_ms", "_retry_after_ms", "_save_positions", "_state",
        "_turn", "whole_due",
    )  # fmt: skip

    def __init__(
        self,
        state: RoomState,
        members: dict[SocketId, Member],
        turn: Turn,
        ports: Ports,
        save_positions: Callable[[], object],
        *,
        whole_due: bool = True,
    ) -> None:
        self._state: Final = state
        self._members: Final = members
        self._turn: Final = turn
        self._ledger: Final = ports.ledger
        self._retry_after_ms: Final = round(ports.settings.store_retry_s * 1000)
        self._now_ms: Final = ports.clock.now_ms
        self._save_positions: Final = save_positions
        self.whole_due = whole_due
        self._moved = False

    def must_commit(self, moved: bool, moving: bool, catches_up: bool) -> bool:
        """What the turn holds is to be durable before it is told. `moved`: there are positions that
        are due; `moving`: some are not, and whoever gets a whole state, or all positions
        (`catches_up`), sees them before.
        """
        ledger, turn = self._ledger, self._turn
        if not ledger.keeps:
            return False
        if ledger.commits_first:
            return moved or turn.is_kept() or (moving and (catches_up or turn.shows_all()))
        return turn.urgent and turn.is_kept()

    def holds_moves_back(self) -> bool:
        """The disk takes nothing, and the turn holds only what needs no disk: that is not to be
        undone along with moves, again and again.
        """
        ledger, turn = self._ledger, self._turn
        in_trouble = ledger.commits_first and ledger.trouble is not None
        return in_trouble and not (turn.is_empty() or turn.is_kept())

    def note(self) -> Stamp:
        """Keep what the turn changed, a little later."""
        return self._ledger.note(self._record(()))

    def commit(self, moved: Collection[SocketId], deliver: Callable[[bool], object]) -> Stamp:
        """Keep what the turn changed and who moved, and `deliver` whether it is durable."""
        return self._ledger.commit(self._record(moved), deliver)

    def moved(self) -> None:
        """Positions changed: they are kept now and then."""
        if not self._moved and self._ledger.keeps:
            self._moved = True
            self._ledger.moved(self._state.room_id, self._save_positions)

    def note_positions(self) -> None:
        """Keep where everybody is."""
        self._moved = False
        if not self.whole_due and self._state.players:
            self._ledger.note(self._delta({}, self._spots(self._state.players)))

    def must_remember(self) -> bool:
        """The room may not end: it has rules that are kept nowhere but here. Bans that have ended
        are none.
        """
        self._state.rules = self._state.rules.pruned(self._now_ms())
        return not self._ledger.keeps and self._state.rules is not PLAIN

    def note_end(self) -> None:
        """The room is empty, and ends."""
        if self._ledger.keeps and not self.whole_due:
            self.whole_due = True
            self._ledger.note(self._record(()))

    def undo(
        self, checkpoint: Checkpoint, graces: Graces, handled: Iterable[Any], now_s: float
    ) -> list[Any]:
        """Take back the turn, of which nobody was told: be as at `checkpoint`.

        Whoever asked for something gets `unavailable`. Answers those messages of `handled` that
        have to be handled again, since nobody will ask again.
        """
        turn, state, members = self._turn, self._state, self._members
        state.revert(checkpoint.players, checkpoint.version, checkpoint.rules)
        for socket_id, before in turn.before.items():
            member = members.get(socket_id)
            if before is None:
                members.pop(socket_id, None)
            elif member is None:
                members[socket_id] = before
            else:
                member.become(before)
        waiting = graces.socket_ids()
        for socket_id in turn.before:
            member = members.get(socket_id)
            if member is not None and member.hearing is Hearing.LOST and socket_id not in waiting:
                graces.end_now(socket_id, member.outlet, now_s)
        for socket_id in turn.recalled:
            self._ledger.recall.undo(socket_id)
        self._refuse()
        turn.items.clear()
        turn.facts.clear()
        turn.told()
        self.whole_due = True
        self.note()  # for the case that it became durable all the same
        return [
            message
            for message in handled
            if isinstance(message, UNAWAITED)
            and not (isinstance(message, m.Leave) and message.outlet.alive)
        ]

    def _refuse(self) -> None:
        """Answer whoever asked for something in the turn."""
        refusal = Unavailable("it could not be stored", retry_after_ms=self._retry_after_ms)
        owed_all, self._turn.owed[:] = list(self._turn.owed), []
        for owed in owed_all:
            match owed:
                case OweEviction():
                    pass
                case OweState(reason=reason) if reason is not None:
                    pass  # its Drained is handled again
                case OweAnswer(outlet, answer) if not isinstance(answer, Left):
                    outlet.answer(answer)
                case _:
                    owed.outlet.answer(Refused(refusal))

    # -- inside

    def _record(self, moved: Collection[SocketId]) -> Record:
        state, members, turn = self._state, self._members, self._turn
        players = state.players
        too_many = 2 * len(players) + _SPARE_ROWS
        if self.whole_due or self._ledger.rows_waiting(state.room_id) > too_many:
            rows: dict[SocketId, Row | None] = {
                socket_id: _row(player, members[socket_id])
                for socket_id, player in players.items()
                if socket_id in members
            }
            record = self._delta(rows, {}, whole=True)
        else:
            rows = {}
            for change in turn.changes:
                socket_id = change.player.socket_id
                player = players.get(socket_id)
                rows[socket_id] = None if player is None else _row(player, members[socket_id])
            for socket_id in turn.touched:
                player = players.get(socket_id)
                rows[socket_id] = None if player is None else _row(player, members[socket_id])
            record = self._delta(rows, self._spots(moved) if moved else {})
        self.whole_due = False
        if record.whole:
            record.rules = None if self._state.rules is PLAIN else self._state.rules
        else:
            record.rules = turn.rules
        if turn.recalled:
            record.recalled = tuple(key for key in turn.recalled if key in record.rows)
            for socket_id in record.recalled:
                self._ledger.recall.note(socket_id)
        return record

    def _delta(
        self,
        rows: dict[SocketId, Row | None],
        spots: dict[SocketId, Spot],
        *,
        whole: bool = False,
    ) -> Record:
        state = self._state
        return Record(
            state.room_id,
            state.epoch,
            state.version,
            state.created_at_ms,
            state.last_activity_ms,
            whole,
            rows,
            spots,
        )

    def _spots(self, socket_ids: Iterable[SocketId]) -> dict[SocketId, Spot]:
        players = self._state.players
        return {
            socket_id: spot_of(player)
            for socket_id in socket_ids
            if (player := players.get(socket_id)) is not None
        }


def _row(player: Player, member: Member) -> Row:
    return row_of(player, member.person, member.serial, member.oldest_good_serial())


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a room begins. `expired` are those whose grace was over before anyone sees the room."""

    state: RoomState
    members: dict[SocketId, Member]
    graces: Sequence[Grace] = ()
    expired: Sequence[Kept] = ()


def beginning(
    room_id: RoomId, epoch: int, ports: Ports, wreckage: Wreckage | None, stored: Record | None
) -> Beginning:
    """From what a crash left, from what was stored, or empty."""
    players_max, now_ms = ports.settings.players_max, ports.clock.now_ms()
    if wreckage is not None:
        state = restore(wreckage, epoch, players_max, now_ms)
        return Beginning(state, wreckage.members, wreckage.graces)
    if stored is not None:
        return reload(stored, room_id, epoch, ports)
    return Beginning(RoomState(room_id, epoch, now_ms, players_max), {})


def reload(stored: Record, room_id: RoomId, epoch: int, ports: Ports) -> Beginning:
    """The room that `stored`, a whole record, tells of: everybody in it lost, in a grace that is
    running (G6).
    """
    recall = ports.ledger.recall
    state = RoomState(room_id, epoch, stored.created_at_ms, ports.settings.players_max)
    kept = list(kept_in(stored))
    expired: list[Kept] = []
    if not recall.is_open(ports.clock.monotonic_s()):
        kept, expired = [], kept
    if kept:  # else it begins anew, as a room that was never kept does
        state.restore([one.player for one in kept], stored.version, ())
    state.last_activity_ms = stored.last_activity_ms
    state.rules = (stored.rules or PLAIN).pruned(ports.clock.now_ms())
    members = {one.player.socket_id: absent_member(one, LONG_KEPT) for one in kept}
    graces = [Grace(recall.until_s, key, member.outlet) for key, member in members.items()]
    return Beginning(state, members, graces, expired)
