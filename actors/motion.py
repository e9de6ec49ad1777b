"""Who is told where who is, and when: newest positions, encoded once for all who hear the same.

Owns what of the moves reaches whom. Moves are volatile: an outlet that is full skips them, and is
told all positions when it has drained. Called at the end of a turn, after its events; positions
have no version.

With an `interest_radius` a tick tells only those who are near (interest.py), and now and then comes
a round, in place of a tick, that tells everybody what is owed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from actors import messages as m
from actors.encoder import Form
from actors.ids import SocketId
from actors.interest import Interest
from actors.members import Hearing, Member
from actors.outside import Ports
from actors.players import Change, EventKind, Player
from actors.room_state import RoomState
from actors.timers import Rounds, Ticker

_JOINED: Final = EventKind.JOINED
_LEFT: Final = EventKind.LEFT


class Motions:
    """Publishes the moves of one room in one epoch. `post` tells the room itself something; until
    `tick_due_s` (monotonic) no tick is due.
    """

    __slots__ = ("_interest", "_members", "_ports", "_rounds", "_state", "ticker")

    def __init__(
        self,
        state: RoomState,
        members: dict[SocketId, Member],
        ports: Ports,
        post: Callable[[object], object],
        tick_due_s: float = 0.0,
    ) -> None:
        clock, settings = ports.clock, ports.settings
        self._state = state
        self._members = members
        self._ports = ports
        tick_s = settings.tick_ms / 1000
        self.ticker: Final = Ticker(clock, tick_s, lambda: post(m.Tick()), tick_due_s)
        self._rounds: Rounds | None = None
        self._interest: Interest | None = None  # from the first round on
        if settings.interest_radius > 0:
            every_s = settings.interest_far_ms / 1000
            self._rounds = Rounds(clock, every_s, lambda: post(m.FarTick()))

    def publish(self, moved: Collection[SocketId]) -> None:
        """The newest positions of `moved` to all who hear everything, or to those of them who are
        near. To be called in every turn: nobody may have moved, and a round be due.
        """
        rounds = self._rounds
        if rounds is None:
            if moved:
                self._say(self._members.values(), visible(self._state.players, moved))
        elif moved or rounds.is_woken:
            rounds.is_woken = False
            self._publish_by_distance(moved, rounds)

    def follow(self, changes: Iterable[Change]) -> None:
        """Everybody is being told of `changes`, and with them where the newcomers are."""
        interest = self._interest
        if interest is None:
            return
        for change in changes:
            if change.kind is _JOINED:
                interest.place(change.player)
            elif change.kind is _LEFT:
                interest.remove(change.player.socket_id)

    def catch_up(self, member: Member) -> None:
        """All positions to one member whose outlet skipped some."""
        if member.hearing is Hearing.CURRENT and member.missed_moves:
            member.missed_moves = False
            players = self._state.players
            self._say((member,), visible(players, players))

    def ticked(self, tick: m.Tick | m.FarTick) -> None:
        """A timer fired: what it was for is due at the end of this turn."""
        if self._rounds is not None and isinstance(tick, m.FarTick):
            self._rounds.ticked()
        else:
            self.ticker.ticked()

    def stop(self) -> None:
        """No timer of these runs any more."""
        self.ticker.stop()
        if self._rounds is not None:
            self._rounds.stop()

    # -- inside

    def _say(self, members: Iterable[Member], players: Collection[Player]) -> None:
        """Where `players` are to those of `members` who hear everything: encoded once a form."""
        if not players:
            return
        json = compact = b""
        current, in_json = Hearing.CURRENT, Form.JSON  # looking a member of an Enum up is slow
        for member in members:
            if member.hearing is not current:
                continue
            outlet = member.outlet
            if outlet.form is in_json:
                frame = json = json or self._json(players)
            else:
                frame = compact = compact or self._compact(players)
            if not outlet.offer_moves(frame):
                member.missed_moves = True

    def _json(self, players: Collection[Player]) -> bytes:
        state = self._state
        return self._ports.encoder.moves(state.room_id, state.epoch, players)

    def _compact(self, players: Collection[Player]) -> bytes:
        """Whoever gets it has heard all events of this turn, so it counts as the room does."""
        state = self._state
        numbers = state.numbers()
        moves = sorted((numbers[player.socket_id], player) for player in players)
        return self._ports.encoder.compact_moves(
            state.epoch, state.version, len(state.players), moves
        )

    def _publish_by_distance(self, moved: Collection[SocketId], rounds: Rounds) -> None:
        now_s, ticker = self._ports.clock.monotonic_s(), self.ticker
        if not moved:
            # Who waits for the tick may be where no disk has it yet: the round comes with the tick.
            if ticker.has_waiting() or self._interest is None or not self._interest.owes():
                return
            if not rounds.is_due(now_s) or now_s < ticker.due_s:
                rounds.wait(ticker.due_s, now_s)
                return
            ticker.told(now_s)
        players = self._state.players
        seen = visible(players, moved)
        if self._interest is None:
            # Wherever somebody was seen before: everybody is told of all who moved.
            self._interest = Interest(self._ports.settings.interest_radius, players.values())
            rounds.begin(now_s)
            self._say(self._members.values(), seen)
        elif rounds.is_due(now_s):
            rounds.begin(now_s)
            self._say(self._members.values(), visible(players, self._interest.tell_all(seen)))
        else:
            self._say_near(self._interest, seen)
            if self._interest.owes():
                rounds.wait(ticker.due_s, now_s)

    def _say_near(self, interest: Interest, seen: Collection[Player]) -> None:
        members, players = self._members, self._state.players
        for told in interest.tell_near(seen):
            hearers = [
                member
                for socket_id in told.hearers
                if (member := members.get(socket_id)) is not None
                and member.hearing is Hearing.CURRENT
            ]
            if hearers:
                self._say(hearers, visible(players, told.moved))


def visible(players: Mapping[SocketId, Player], socket_ids: Iterable[SocketId]) -> list[Player]:
    """Those of `socket_ids` that are there and do not hide where they are."""
    return [
        player
        for socket_id in socket_ids
        if (player := players.get(socket_id)) is not None and not player.hide_position
    ]
