"""Sessions beside their models, and honest rooms between them: what one step does to both.

Owns the playing of the rooms (who sits where is theirs to say, and they answer in any order, also
those who are gone) and the comparison. Which steps there are, and in what order, is said in
test_session_model.py.
"""

from collections import deque
from typing import Any, Final

from actors.answers import (
    Answer,
    Described,
    Done,
    Joined,
    Left,
    Permitted,
    Refused,
    Resumed,
    Validated,
)
from actors.errors import (
    NotInRoom,
    Refusal,
    ResumeExpired,
    Unavailable,
)
from actors.history import Verdict
from actors.ids import RoomId
from actors.permissions import ANONYMOUS_GRANTS
from actors.tokens import verify
from tests.transport.session_model import (
    IN_ROOM,
    REPEAT,
    Ask,
    Model,
    Place,
    Posted,
    Said,
    Token,
    World,
)
from tests.transport.session_words import kind_of, raw
from tests.transport.stage import EMPTY, KEYS, UNLIMITED, Client, Stage
from transport.seat import Seat

ROOMS: Final = ("lobby", "attic")
NAMES: Final = ("AAAA", "BBBB", "CCCC", "DDDD")
TIGHT: Final = {"messages_per_s": 4, "messages_burst": 25, "joins_per_s": 0.2, "joins_burst": 2}
ANSWERED: Final = {"Join", "Resume", "Check", *IN_ROOM}
TELLING: Final = {"playerReady", "why", "slowConsumer", "serverDraining", "unauthenticated"}
"""What may come without being asked for."""


class Lives:
    """Four connections at a time, their models, and two rooms."""

    def open_house(self, tight: bool) -> None:
        self.stage = Stage(**(TIGHT if tight else {}))
        limits = {**UNLIMITED, **(TIGHT if tight else {})}
        self.world = World(self.stage.clock.monotonic_s(), limits)
        self.is_draining = False
        self.clients: list[Client] = []
        self.models: list[Model] = []
        self.owed: dict[Model, deque[tuple[int | None, bool]]] = {}
        """The number of each request that has no answer yet, and whether it may have none: a move,
        or a copy of one.
        """
        self.moves: set[int | None] = set()
        self.asked: dict[Model, list[Ask]] = {}
        self.seats: dict[Place, Seat] = {}
        self.mail: dict[str, deque[tuple[Posted, Any]]] = {}
        """What each room has not come round to yet, in the order in which it was sent."""
        self.members: dict[tuple[str, str], Place] = {}
        self.tokens: list[Token] = []
        self.version = 0
        self.x = 0

    def connect(self, name: str) -> None:
        client, model = self.stage.client(name), Model(self.world, name)
        self.clients.append(client)
        self.models.append(model)
        self.owed[model], self.asked[model] = deque(), []

    def reconnect(self, who: int) -> None:
        """A new connection in the place of one that is over."""
        self.connect(f"N{len(self.models)}")
        self.clients[who], self.clients[-1] = self.clients[-1], self.clients[who]
        self.models[who], self.models[-1] = self.models[-1], self.models[who]

    # -- what clients send

    def number(self, model: Model, how: str) -> int | None:
        sent = [ask.number for ask in self.asked[model] if ask.number is not None]
        highest = max([model.memory.newest, *sent])
        match how:
            case "none":
                return None
            case "copy" if sent:
                return sent[-1 - (self.x % min(3, len(sent)))]
            case "low" if highest > 1:
                return 1 + self.x % (highest - 1)
            case "oldest" if model.memory.outcomes:
                return min(model.memory.outcomes)
            case "far":
                return highest + 7
            case _:
                return highest + 1

    def send(self, who: int, ask: Ask) -> None:
        if not self.models[who].open:
            return
        client, model = self.clients[who], self.models[who]
        self.asked[model].append(ask)
        if ask.kind == "move":
            self.moves.add(ask.number)
        self.owed[model].append((ask.number, ask.number in self.moves))
        client.session.receive(raw(ask))
        model.receive(ask)

    def ask(self, who: int, kind: str, room: str, how: str, now: bool = False) -> None:
        if not self.models[who].open:
            self.reconnect(who)
        self.x += 1
        numbered = kind not in {"nonsense", "wrong number"}
        number = self.number(self.models[who], how) if numbered else None
        self.send(who, Ask(kind, number, room, self.x))
        self.compare()
        if now:
            self.answer_all()

    # -- what rooms do

    def answer_all(self) -> None:
        """With yes, in the order asked."""
        for _ in range(sum(map(len, self.mail.values()))):
            if self.mail:
                self.answer_next(0, None, False, True)

    def next_of(self, room: str) -> tuple[Posted, Any] | None:
        """The next request to the room, once it has noticed what it was told before."""
        box = self.mail[room]
        found = None
        while box and found is None:
            posted, message = box.popleft()
            place = posted.place
            if posted.kind in ANSWERED:
                found = posted, message
            elif posted.kind.startswith("Leave") and self.sits(place):
                del self.members[room, place.name]
        if not box:
            del self.mail[room]
        return found

    def sits(self, place: Place) -> bool:
        return self.members.get((place.room, place.name)) is place

    def answer_next(self, which: int, no: Refusal | None, whole: bool, soon: bool) -> None:
        found = self.next_of(list(self.mail)[which % len(self.mail)])
        if found is None:
            return
        posted, message = found
        place = posted.place
        client = place.model
        if posted.kind == "Join" and not place.alive:
            return
        self.version += 1
        if posted.kind == "Resume":
            self.answer_resume(place, message, no, whole)
        elif posted.kind == "Check":
            self.permit(place, no)
        else:
            self.answer_member(posted, message, no, whole)
        if soon:
            self.clients[self.models.index(client)].link.run_deferred()
            client.go_on()
        self.compare()

    def awaits(self, place: Place) -> bool:
        pending = place.model.pending
        return pending is not None and pending[0] is place

    def refuse(self, place: Place, no: Refusal) -> None:
        self.seats[place].answer(Refused(no))
        if self.awaits(place):
            place.model.answer(place, None, (no.code, no.retryable))

    def permit(self, place: Place, no: Refusal | None) -> None:
        """What somebody may do in a room that need not be its own: it sits there no more for it."""
        if no is not None:
            self.refuse(place, no)
            return
        self.seats[place].answer(Permitted(ANONYMOUS_GRANTS.elsewhere))
        if self.awaits(place):
            number, place.alive = place.model.answer(place, REPEAT, None), False
            place.model.say({"type": "roomPermission", "roomId": place.room}, number)

    def answer_member(self, posted: Posted, message: Any, no: Refusal | None, odd: bool) -> None:
        place, model, version = posted.place, posted.place.model, self.version
        is_new = posted.kind == "Join" and posted.at_door
        if no is None and not self.sits(place):
            if not is_new:
                no = NotInRoom("another seat, or none")
            elif (place.room, place.name) in self.members:
                no = Unavailable("it sits here by another seat")
        if no is not None:
            self.refuse(place, no)
            return
        answer: Answer
        outcome: Any = REPEAT
        said: Said
        match posted.kind:
            case "Join":
                serial = message.first_serial if is_new else model.serial + 1
                answer = Joined(EMPTY, version, serial, fresh=is_new)
                self.members[place.room, place.name] = place
                self.seat(place, answer, serial, is_new, "roomGameSpaceJoined")
                return
            case "leave":
                answer, outcome = Left(version), ("left", place.room, version)
                said = {"type": "roomGameSpaceLeft", "roomId": place.room}
                del self.members[place.room, place.name]
            case "state":
                answer, said = Described(EMPTY), {"type": "roomState", "reason": "requested"}
            case "validate":
                answer = Validated(Verdict(not odd), EMPTY if odd else b'"consistency":{}')
                said = {"type": "roomStateValidated", "valid": not odd}
            case _:
                answer, outcome = Done(version), ("done", place.room, version)
                said = {"type": "ok", "version": version}
        self.seats[place].answer(answer)
        if self.awaits(place):
            number = model.answer(place, outcome, None)
            if posted.kind == "leave" and model.open and model.place is place:
                model.rise()
            model.say(said, number)

    def answer_resume(self, place: Place, message: Any, no: Refusal | None, whole: bool) -> None:
        model = place.model
        member = self.members.get((place.room, place.name))
        if no is not None or member is None or not self.awaits(place):
            self.refuse(place, no if no is not None else ResumeExpired("gone"))
            return
        serial, old = message.serial + 1, self.seats[member]
        answer: Joined | Resumed
        if whole:
            answer = Joined(EMPTY, self.version, serial, fresh=False, succeeds=old)
        else:
            answer = Resumed([], b"[]", 3, self.version, "0" * 8, 0, serial, old)
        model.name = place.name
        went_on = member.model is not model and member.model.place is member
        late = member.model.late if went_on else None
        model.memory = member.model.superseded(member)
        self.asked[model] = self.asked[model] + self.asked[member.model]  # to be sent again
        self.members[place.room, place.name] = place
        self.seat(place, answer, serial, False, f"roomGameSpace{type(answer).__name__}")
        if late is not None and model.open:
            model.coalesce(place, late)

    def seat(
        self, place: Place, answer: Joined | Resumed, serial: int, is_new: bool, kind: str
    ) -> None:
        model = place.model
        self.seats[place].answer(answer)
        number = model.answer(place, ("seated", place.room, answer.version), None)
        if model.open:
            model.sit(place, serial, is_new)
            said = {"type": kind, "roomId": place.room, "socketId": place.name, "serial": serial}
            model.say(said, number)

    # -- holding one against the other

    def compare(self) -> None:
        for client, model in zip(self.clients, self.models, strict=True):
            heard, expected = client.heard(), model.said
            model.said = []
            for said in heard:
                self.settle_debt(model, said)
                if token := said.get("resumeToken"):
                    claims = verify(KEYS, token)
                    assert claims is not None
                    said["serial"] = claims.serial
                    assert (claims.room_id, claims.socket_id) == (said["roomId"], said["socketId"])
                    self.tokens.append(
                        Token(token, claims.room_id, claims.socket_id, claims.serial)
                    )
            assert len(heard) == len(expected), (heard, expected)
            for said, wanted in zip(heard, expected, strict=True):
                assert said == said | wanted, (said, wanted)
                assert ("replyTo" in said) == ("replyTo" in wanted), (said, wanted)
        self.compare_rooms()

    def settle_debt(self, model: Model, said: Said) -> None:
        """Each answer is that of the first request that has none; moves may go without."""
        number, kind, owed = said.get("replyTo"), said["type"], self.owed[model]
        if number is None and said.get("code", said.get("reason", kind)) in TELLING:
            return
        while owed[0][1] and owed[0][0] != number:
            owed.popleft()
        assert owed.popleft()[0] == number, said

    def compare_rooms(self) -> None:
        posted = [each for model in self.models for each in model.posted]
        for model in self.models:
            model.posted = []
        boxes: list[tuple[bool, str, list[object]]] = []
        for room in (*ROOMS, "elsewhere"):
            door, inside = self.stage.door(room), self.stage.room(room)
            proofs, inside.proofs = inside.proofs, []
            boxes.append((True, room, door.take_all()))
            boxes.append((False, room, inside.take_all() + proofs))
        for at_door, room, messages in boxes:
            wanted = [e for e in posted if (e.at_door, e.place.room) == (at_door, room)]
            for each in wanted:
                self.compare_message(each, messages)
            assert messages == [], "a room was asked for what nobody wanted"

    def compare_message(self, posted: Posted, messages: list[object]) -> None:
        kind = {"Leave left": "leave"}.get(posted.kind, posted.kind)
        place = posted.place
        seat = self.seats.get(place)
        taken = set() if seat is not None else set(self.seats.values())
        alike: list[Any] = [each for each in messages if kind_of(each) == kind]
        found = next(
            (e for e in alike if (e.outlet is seat if seat else e.outlet not in taken)), None
        )
        assert found is not None, (posted.kind, messages)
        messages.remove(found)
        seat = self.seats[place] = found.outlet
        assert (seat.room_id, seat.socket_id) == (place.room, place.name)
        if kind == "Move":
            assert found.x == posted.detail
        elif kind == "Join" and posted.at_door:
            assert found.first_serial == posted.detail, "a token's number comes twice"
        elif kind == "Resume":
            assert (found.serial, found.socket_id) == (posted.detail, place.name)
        self.mail.setdefault(place.room, deque()).append((posted, found))

    def look(self) -> None:
        for client, model in zip(self.clients, self.models, strict=True):
            closed = [] if model.closed is None else [model.closed]
            assert [code for code, _ in client.link.closed] == closed
            if model.open:
                assert client.link.is_held is model.held
                sits = model.place.room if model.place is not None else None
                assert (client.session.seat.room_id if client.session.seat else None) == sits
                if not (model.pending or model.waiting):
                    assert all(may for _, may in self.owed[model]), "unanswered"
        for room in ROOMS:
            sitting = {
                model.place.name
                for model in self.models
                if model.open and model.place is not None and model.place.room == room
            }
            claims = self.stage.roster.claims(RoomId(room))
            assert (claims is None) is self.is_draining
            named = sitting if claims is None else {outlet.socket_id for outlet in claims}
            assert named == sitting, (room, named, sitting)
        for place, seat in self.seats.items():
            assert seat.alive is place.alive, place.room
