"""Random lives of four connections and two rooms, each step held against a small model.

After each step everything that a client hears, everything that a room is asked, every close and
who is thought to sit where is what the model says (session_model.py); and, without the model, each
request is answered once, in its turn, with its own number (session_lives.py).
"""

from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actors.answers import Done, Refused
from actors.errors import (
    BadMessage,
    Forbidden,
    Internal,
    Refusal,
    RoomClosed,
    RoomFull,
    Unauthenticated,
    Unavailable,
)
from actors.ports import Eviction, StateReason
from tests.transport.session_lives import NAMES, ROOMS, Lives
from tests.transport.session_model import (
    Ask,
)
from tests.transport.stage import EMPTY
from transport import encoding

EVENT: Final = encoding.frame(b'{"type":"playerReady"}')
REFUSALS: Final[tuple[Refusal, ...]] = (
    RoomFull("full"), Unavailable("busy"), Internal("broke"), Forbidden("no"), BadMessage("a", "b"),
)  # fmt: skip

clients = st.integers(0, len(NAMES) - 1)
rooms = st.sampled_from(ROOMS)
numbers = st.sampled_from(
    ["new", "new", "new", "copy", "copy", "none", "none", "low", "oldest", "far"]
)
mostly = st.sampled_from([True, True, False])
seldom = st.sampled_from([False, False, False, True])
counts = st.sampled_from([30, 62, 63, 64, 110, 260])
floods = st.sampled_from(["ping", "ping", "ping", "nonsense"])
in_room = st.sampled_from(["ready", "say", "update", "state", "validate", "leave", "move", "ping"])
others = st.sampled_from(
    ["move", "check", "authenticate", "nonsense", "wrong field", "unknown", "wrong number",
     "wrong move"]
)  # fmt: skip


class Sessions(Lives, RuleBasedStateMachine):
    """The steps."""

    @initialize(tight=st.booleans())
    def open(self, tight: bool) -> None:
        self.open_house(tight)
        for name in NAMES:
            self.connect(name)
        for who in (0, 1):
            self.ask(who, "join", "lobby", "new", True)

    # -- what clients send

    @rule(who=clients, room=rooms, how=numbers, now=st.booleans())
    def join(self, who: int, room: str, how: str, now: bool) -> None:
        self.ask(who, "join", room, how, now)

    def sit_down(self, who: int, room: str) -> None:
        """Where nothing is under way and it sits nowhere."""
        model = self.models[who]
        if not model.open or (model.place is None and not model.pending and not model.waiting):
            self.ask(who, "join", room, "new", True)

    @rule(who=clients, kind=in_room, room=rooms, how=numbers, now=st.booleans(), sits=mostly)
    def ask_room(self, who: int, kind: str, room: str, how: str, now: bool, sits: bool) -> None:
        if sits:
            self.sit_down(who, room)
        self.ask(who, kind, room, how, now)

    @rule(who=clients, kinds=st.lists(in_room, min_size=2, max_size=5), room=rooms, how=numbers)
    def ask_much(self, who: int, kinds: list[str], room: str, how: str) -> None:
        """Without waiting for answers."""
        self.sit_down(who, room)
        for kind in kinds:
            self.ask(who, kind, room, how)

    @rule(who=clients, kind=others, room=rooms, how=numbers)
    def ask_session(self, who: int, kind: str, room: str, how: str) -> None:
        self.ask(who, kind, room, how)

    @rule(who=clients, kind=in_room | st.just("join"), room=rooms, how=numbers)
    def ask_in_vain(self, who: int, kind: str, room: str, how: str) -> None:
        """No mailbox takes anything at this moment."""
        boxes = {(at_door, name) for at_door in (True, False) for name in ROOMS}
        for at_door, name in boxes:
            (self.stage.door(name) if at_door else self.stage.room(name)).is_full = True
        self.world.full = boxes
        self.ask(who, kind, room, how)
        for at_door, name in boxes:
            (self.stage.door(name) if at_door else self.stage.room(name)).is_full = False
        self.world.full = set()

    @rule(who=clients, back=st.integers(0, 3), now=st.booleans())
    def ask_again(self, who: int, back: int, now: bool) -> None:
        """A copy, as clients send where an answer was lost or was not what they hoped for."""
        sent = [ask for ask in self.asked[self.models[who]] if ask.number is not None]
        if sent:
            self.send(who, sent[-1 - back % len(sent)])
            self.compare()
            if now:
                self.answer_all()

    @rule(who=clients, count=st.sampled_from([3, 30]), numbered=st.booleans())
    def run(self, who: int, count: int, numbered: bool) -> None:
        """Past the limits: of moves the last one counts."""
        for _ in range(count):
            self.x += 1
            number = self.number(self.models[who], "new") if numbered else None
            self.send(who, Ask("move", number, x=self.x))
        self.compare()

    @rule(who=clients, count=counts, kind=floods, numbered=st.booleans(), behind=st.booleans())
    def flood(self, who: int, count: int, kind: str, numbered: bool, behind: bool) -> None:
        """Past the backlog (behind a request), the memory, the limits or the patience."""
        if behind:
            self.sit_down(who, "lobby")
            self.ask(who, "ready", "lobby", "new")
        for _ in range(count):
            self.x += 1
            number = self.number(self.models[who], "new")
            use = number if numbered and kind != "nonsense" else None
            self.send(who, Ask(kind, use, x=self.x))
        self.compare()
        if numbered:  # at the edge of what is remembered
            self.ask(who, "check", "lobby", "oldest")

    @precondition(lambda self: self.tokens)
    @rule(who=clients, which=st.integers(0, 5), how=numbers, wrong=st.sampled_from([0, 0, 0, 1, 2]),
          anew=mostly, now=st.booleans())  # fmt: skip
    def resume(self, who: int, which: int, how: str, wrong: int, anew: bool, now: bool) -> None:
        """With a token of anybody's, one that is none, or one of another room; the old connection
        may linger.
        """
        token = self.tokens[-1 - which % len(self.tokens)]
        if anew or not self.models[who].open:
            self.reconnect(who)
        number = self.number(self.models[who], how)
        room = "elsewhere" if wrong == 2 else token.room
        self.x += 1
        self.send(who, Ask("resume", number, room, self.x, None if wrong else token))
        self.compare()
        if now:
            self.answer_all()

    @rule(who=clients, count=st.sampled_from([1, 3, 40]))
    def control(self, who: int, count: int) -> None:
        """Frames that are no messages cost, too."""
        for _ in range(count):
            if self.models[who].open:
                self.clients[who].session.charge()
                self.models[who].charge()
        self.compare()

    # -- what happens to connections

    @rule(who=clients, truly=seldom)
    def lose(self, who: int, truly: bool) -> None:
        if not truly:
            return
        self.clients[who].session.lost()
        self.models[who].lose()
        self.compare()

    @rule(who=clients, truly=seldom)
    def drain(self, who: int, truly: bool) -> None:
        if not truly:
            return
        model = self.models[who]
        self.clients[who].session.drain(5)
        self.is_draining = True
        model.say({"type": "serverDraining", "reconnectAfterMs": 5}, None)
        model.end()
        self.compare()

    @rule(who=clients, truly=seldom)
    def clog(self, who: int, truly: bool) -> None:
        """Answers have no room."""
        if truly and self.models[who].open:
            self.clients[who].session.congested = self.models[who].congested = True

    @rule(who=clients)
    def relieve(self, who: int) -> None:
        self.clients[who].session.relieve()
        self.models[who].congested = False
        self.models[who].go_on()
        self.compare()

    @rule(who=clients)
    def go_on(self, who: int) -> None:
        self.clients[who].link.run_deferred()
        self.models[who].go_on()
        self.compare()

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 5.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.stage.clock.advance(seconds)
        for model in self.models:
            model.look_at_late_moves(self.world.now_s + seconds)
        self.world.now_s = self.stage.clock.monotonic_s()
        self.compare()

    @rule(who=clients, seconds=st.sampled_from([0.3, 1.0]))
    def move_on_a_busy_loop(self, who: int, seconds: float) -> None:
        """What falls due is late, and a move comes before it."""
        self.stage.clock.be_late(seconds)
        self.world.now_s = self.stage.clock.monotonic_s()
        self.ask(who, "move", "lobby", "none")

    # -- what rooms do

    @precondition(lambda self: self.mail)
    @rule(which=st.integers(0, 9), no=st.sampled_from([None] * 5 + list(REFUSALS)),
          whole=st.booleans(), soon=mostly)  # fmt: skip
    def answer(self, which: int, no: Refusal | None, whole: bool, soon: bool) -> None:
        """The next request to one of the rooms; the client goes on soon, or a little later."""
        self.answer_next(which, no, whole, soon)

    @precondition(lambda self: self.members)
    @rule(which=st.integers(0, 5), reason=st.sampled_from(Eviction), truly=seldom)
    def evict(self, which: int, reason: Eviction, truly: bool) -> None:
        """A room closes, answering what waits first; or it lets go of one."""
        if not truly:
            return
        chosen = list(self.members)[which % len(self.members)]
        gone = [chosen]
        if reason is Eviction.CLOSED:
            gone = [key for key in self.members if key[0] == chosen[0]]
            while chosen[0] in self.mail:
                if (waiting := self.next_of(chosen[0])) is not None:
                    self.refuse(waiting[0].place, RoomClosed("it broke"))
            gone = [key for key in gone if key in self.members]
        for key in gone:
            place = self.members.pop(key)
            model = place.model
            self.seats[place].evict(reason, "why")
            if model.place is not place or not place.alive:
                continue
            model.rise()
            if reason is Eviction.CLOSED:
                model.say({"type": "roomClosed", "roomId": place.room, "reason": "why"}, None)
            else:
                model.close(4503 if reason is Eviction.KICKED else 4509)
        self.compare()

    @precondition(lambda self: self.seats)
    @rule(which=st.integers(0, 20), what=st.sampled_from(["event", "state", "again", "broke"]))
    def speak(self, which: int, what: str) -> None:
        """A room says something through a seat, which may be dead, or was answered long ago."""
        place = list(self.seats)[-1 - which % len(self.seats)]
        seat, model = self.seats[place], place.model
        sits = place.alive and model.place is place
        match what:
            case "event":
                assert seat.offer(EVENT)
                if place.alive:
                    model.say({"type": "playerReady"}, None)
            case "state":
                seat.send_state(EMPTY, StateReason.SLOW_CONSUMER)
                if sits:
                    model.say({"type": "roomState", "reason": "slowConsumer"}, None)
            case "broke":
                seat.answer(Refused(Unauthenticated("a move"), unasked=True))
                if model.place is place:
                    model.say({"type": "error", "code": "unauthenticated"}, None)
            case _:
                elsewhere = [each for each in self.seats if each.model.pending is not None]
                for each in [*elsewhere, place]:
                    if not self.awaits(each):
                        self.seats[each].answer(Done(99))
        self.compare()

    # -- holding one against the other

    @rule()
    def answer_what_waits(self) -> None:
        self.answer_all()

    @invariant()
    def what_is_seen_from_outside_is_the_model(self) -> None:
        self.look()


@pytest.mark.rule(
    "C2.1", "C2.2", "C3.1", "C3.2", "C3.3", "C3.4", "C3.5", "C3.6", "C3.8", "C3.9", "C3.10",
    "C4.5", "C4.6", "E2.1", "E2.3", "E2.4", "G5.1", "G5.2", "G5.3", "G5.4", "G6.1", "G7.3", "G7.4",
)  # fmt: skip
def test_whatever_happens_the_session_is_its_model() -> None:
    """Lives of up to eighty steps."""
    run_state_machine_as_test(Sessions, settings=settings(max_examples=200, stateful_step_count=80))
