"""What users have, by the sessions' own count, against a model: nothing is lost, nothing is left.

The model knows who speaks for whom and who sits or is lost where, and says what is to be refused.
"""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from actors import messages as m
from actors.answers import Joined
from actors.errors import ResumeExpired, RoomFull
from tests.transport.stage import EMPTY, Client, Stage, refused
from tests.transport.test_session_resume import yes

CONNECTIONS_MAX, ROOMS_MAX, GRACE_S = 2, 2, 30.0
PLACES = st.integers(0, 3)
USERS = st.sampled_from(("ann", "bob"))
ROOMS = st.sampled_from(("a", "b", "c"))
ENDS = st.sampled_from(("seated", "refused", "gone", "seated too late"))
"""Of a resume: the last two are those of a connection that is lost before the answer."""


@dataclass(eq=False)
class Life:
    """A connection, whom it speaks for, and where it sits; None: nowhere yet."""

    client: Client
    user: str | None = None
    seat: tuple[str, str] | None = None
    token: str = ""


@dataclass(eq=False)
class Ghost:
    """A lost player: whose, where, until when, and the token that brings it back."""

    seat: tuple[str, str]
    until_s: float
    before: Life


class Users(RuleBasedStateMachine):
    """Four connections at a time of two users, three rooms."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(
            user_connections_max=CONNECTIONS_MAX, user_rooms_max=ROOMS_MAX, resume_grace_s=GRACE_S
        )
        self.names = 0
        self.lives = [self._born() for _ in range(4)]
        self.ghosts: list[Ghost] = []

    def _born(self) -> Life:
        self.names += 1
        return Life(self.stage.client(f"S{self.names}"))

    # -- the model

    def _connections(self, user: str, without: Life) -> int:
        return sum(life.user == user and life is not without for life in self.lives)

    def _rooms(self, user: str) -> Counter[str]:
        seats = [life.seat for life in self.lives] + [ghost.seat for ghost in self.ghosts]
        return Counter(seat[1] for seat in seats if seat is not None and seat[0] == user)

    def _is_refused(self, life: Life, user: str, room: str) -> bool:
        """Whether a join must be; if not for its connection, that speaks for `user` from now on."""
        if life.user != user and self._connections(user, life) >= CONNECTIONS_MAX:
            return True
        life.user = user
        if life.seat is not None and life.seat[1] == room:
            return False  # it sits there, as whoever it is
        rooms = self._rooms(user)
        leaves = life.seat is not None and life.seat[0] == user and rooms[life.seat[1]] == 1
        return room not in rooms and len(rooms) - leaves >= ROOMS_MAX

    # -- what happens

    @rule(place=PLACES, user=USERS, room=ROOMS, full=st.booleans())
    def join(self, place: int, user: str, room: str, full: bool) -> None:
        life = self.lives[place]
        client = life.client
        client.send("joinRoomGameSpace", roomId=room, userId=user)
        if self._is_refused(life, user, room):
            assert client.error() == "rateLimited"
            return
        sits_there = life.seat is not None and life.seat[1] == room
        box = self.stage.room(room) if sits_there else self.stage.door(room)
        outlet = box.take(m.Join).outlet
        if full and not sits_there:
            outlet.answer(refused(RoomFull("full")))
            assert client.error() == "roomFull"
        else:
            outlet.answer(Joined(EMPTY, 1, 1))
            life.token = client.heard_one()["resumeToken"]
            if not sits_there:
                life.seat = user, room
        self._settle()

    @rule(place=PLACES, room=ROOMS)
    def find_a_room_with_too_much_to_do(self, place: int, room: str) -> None:
        life = self.lives[place]
        if life.user is None or (life.seat is not None and life.seat[1] == room):
            return
        self.stage.door(room).is_full = True
        life.client.send("joinRoomGameSpace", roomId=room, userId=life.user)
        assert life.client.error() in {"unavailable", "rateLimited"}
        self.stage.door(room).is_full = False

    @rule(place=PLACES)
    def leave(self, place: int) -> None:
        life = self.lives[place]
        if life.seat is not None:
            life.client.leave()
            life.seat = None

    @rule(place=PLACES)
    def lose(self, place: int) -> None:
        life = self.lives[place]
        if life.seat is not None:
            until_s = self.stage.clock.monotonic_s() + GRACE_S
            self.ghosts.append(Ghost(life.seat, until_s, life))
        life.client.session.lost()
        self.lives[place] = self._born()
        self._settle()

    @rule(place=PLACES, end=ENDS)
    def resume(self, place: int, end: str) -> None:
        life = self.lives[place]
        if life.seat is not None or not self.ghosts:
            return
        ghost = self.ghosts[-1]
        user, room = ghost.seat
        fields = {"roomId": room, "resumeToken": ghost.before.token, "epoch": 3, "version": 7}
        life.client.send("resumeRoomGameSpace", **fields)
        if life.user != user and self._connections(user, life) >= CONNECTIONS_MAX:
            assert life.client.error() == "rateLimited"
            return
        outlet = self.stage.door(room).take(m.Resume).outlet
        if end == "seated":
            outlet.answer(yes(outlet))
            life.token = life.client.heard_one()["resumeToken"]
            life.user, life.seat = user, ghost.seat
            self.ghosts.remove(ghost)
            return
        if end == "refused":
            outlet.answer(refused(ResumeExpired("outdated")))
            assert life.client.error() == "resumeExpired"
            life.user = user
            return
        life.client.session.lost()
        self.lives[place] = self._born()
        if end == "seated too late":
            outlet.answer(yes(outlet))
            self.ghosts.remove(ghost)
            until_s = self.stage.clock.monotonic_s() + GRACE_S
            self.ghosts.append(Ghost(ghost.seat, until_s, ghost.before))

    @rule(seconds=st.sampled_from((1.0, 20.0, GRACE_S + 1)))
    def wait(self, seconds: float) -> None:
        self.stage.clock.advance(seconds)
        now_s = self.stage.clock.monotonic_s()
        self.ghosts = [ghost for ghost in self.ghosts if ghost.until_s > now_s]

    def _settle(self) -> None:
        """The old rooms were told; nobody reads what."""
        for room in ("a", "b", "c"):
            self.stage.room(room).take_all()

    # -- what holds

    @invariant()
    def what_is_counted_is_what_there_is(self) -> None:
        held = self.stage.host.shares._shares._held
        for user in ("ann", "bob"):
            connections = sum(life.user == user for life in self.lives)
            rooms = self._rooms(user)
            if connections or rooms:
                share, _ = held[user]
                assert (share.connections, share.rooms) == (connections, dict(rooms)), user
            else:
                assert user not in held

    def teardown(self) -> None:
        for life in self.lives:
            life.client.session.lost()
        self.stage.clock.advance(2 * GRACE_S)
        assert (len(self.stage.host.shares), self.stage.clock.waiting) == (0, 0)


@pytest.mark.rule("T6.7", "T6.8", "T6.10")
def test_whatever_happens_users_have_what_is_counted_for_them() -> None:
    """Joins, switches, refusals, leaves, losses, resumes and graces in any order."""
    run_state_machine_as_test(Users, settings=settings(max_examples=150, stateful_step_count=40))
