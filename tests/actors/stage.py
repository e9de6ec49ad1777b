"""A registry and its rooms on fakes: where the tests of rooms, registry and crashes play.

Owns how a test speaks to a room: what is sent together is handled in one turn. Messages take the
way that sessions give them. Nothing here waits for real time.
"""

import asyncio
from collections import Counter
from typing import Any, Final

from actors import messages as m
from actors.answers import Joined, Resumed
from actors.directory import Directory
from actors.ids import RoomId, SocketId, UserId
from actors.ledger import Forgetful
from actors.outside import Census, Ports
from actors.ports import Ledger
from actors.records import LONG_KEPT, Stamp
from actors.registry import RegistryActor
from actors.room import RoomActor
from actors.runtime import Mailbox
from actors.settings import Settings
from tests.actors.fake_operator import FakeLog, FakeMetrics, FakeRecordings
from tests.actors.fakes import FakeClock, FakeEncoder, FakeOutlet, FakeRoster

ROOM: Final = RoomId("room")
ROUNDS: Final = 40
"""Turns of the loop after which everything that was caused has happened."""


def profile_of(person: str) -> m.Profile:
    """What a token alone says of a player."""
    return m.Profile(UserId(person), None, 0.0, 0.0, {}, False, person)


async def settle(rounds: int = ROUNDS) -> None:
    """Let all that waits on the loop happen, without any time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class Stage:
    """One registry with fakes of all ports; `settings` are those that differ from the defaults."""

    def __init__(self, **settings: Any) -> None:
        self.settings: Final = Settings(**settings)
        self.clock: Final = self._clock()
        self.encoder: Final = FakeEncoder()
        self.roster: Final = FakeRoster()
        self.log: Final = FakeLog()
        self.metrics: Final = FakeMetrics()
        self.census: Final = Census()
        self.recordings: Final = FakeRecordings()
        self.ports: Final = Ports(
            self.clock,
            self.encoder,
            self.roster,
            self.log,
            self.metrics,
            self.census,
            self._ledger(),
            self.settings,
            self.recordings,
        )
        self.directory: Final = self._directory()
        RegistryActor.start(self.ports, self.directory, mailbox=self.directory.registry)

    def _clock(self) -> FakeClock:
        return FakeClock()

    def _directory(self) -> Directory:
        return Directory(Mailbox())

    def _ledger(self) -> Ledger:
        """Nothing is kept."""
        return Forgetful()

    # -- speaking

    def outlet(self, name: str, room_id: RoomId = ROOM) -> FakeOutlet:
        """A new connection's way to `room_id`."""
        return FakeOutlet(name, self.encoder, self.roster, room_id)

    def join(self, outlet: FakeOutlet, **profile: Any) -> m.Join:
        """A join as a session asks for it: `person` is the user, by default one's own."""
        person = profile.pop("person", f"user-{outlet.socket_id}")
        values: dict[str, Any] = {
            "user_id": UserId(person),
            "display_name": None,
            "x": 0.0,
            "y": 0.0,
            "attributes": {},
            "hide_position": False,
        }
        now_s = self.clock.monotonic_s()
        return m.Join(
            outlet,
            outlet.room_id,
            m.Profile(**(values | profile), person=person),
            now_s,
            now_s + self.settings.join_timeout_s,
        )

    def resume(
        self,
        outlet: FakeOutlet,
        name: str,
        *,
        version: int,
        serial: int = 1,
        epoch: int = 0,
        stamp: Stamp = LONG_KEPT,
    ) -> m.Resume:
        """A resume of `name`'s session on `outlet`; `epoch` is the present one where not given."""
        now_s = self.clock.monotonic_s()
        return m.Resume(
            outlet,
            outlet.room_id,
            SocketId(name),
            serial,
            epoch or self.room(outlet.room_id).state.epoch,
            version,
            now_s,
            now_s + self.settings.join_timeout_s,
            profile_of(f"user-{name}"),
            stamp,
        )

    def post(self, *messages: Any) -> None:
        """Send on the way that sessions take; all is handled in one turn of its room. A kick goes
        to `ROOM`.
        """
        for message in messages:
            if isinstance(message, m.Join | m.Resume):
                mailbox = self.directory.mailbox_for(message.room_id)
            elif isinstance(outlet := getattr(message, "outlet", None), FakeOutlet):
                mailbox = self.directory.mailbox_of(outlet.room_id)
            else:
                mailbox = self.directory.mailbox_of(ROOM)
            assert mailbox.offer(message), "the mailbox refused"

    async def turn(self, *messages: Any) -> None:
        """`post`, and let it happen."""
        self.post(*messages)
        await settle()

    async def pass_time(self, seconds: float) -> None:
        """Let `seconds` pass: each timer fires in its order, and what it causes happens."""
        until_s = self.clock.monotonic_s() + seconds
        await settle()
        fired: Counter[float] = Counter()
        while self.clock.step(until_s):
            fired[self.clock.monotonic_s()] += 1
            assert fired[self.clock.monotonic_s()] < 1000, "a timer that is due for ever"
            await settle()

    # -- what most stories begin with

    async def seat(self, *names: str, room_id: RoomId = ROOM, **profile: Any) -> list[FakeOutlet]:
        """Join `names` in one turn; their stories begin after it."""
        outlets = [self.outlet(name, room_id) for name in names]
        await self.turn(*(self.join(outlet, **profile) for outlet in outlets))
        for outlet in outlets:
            outlet.answer_of(Joined)
        self.forget(room_id)
        return outlets

    async def lose(self, *outlets: FakeOutlet) -> None:
        """End the connections and let the room hear of it."""
        for outlet in outlets:
            outlet.cut()
        await self.turn(*(m.Lost(outlet) for outlet in outlets))

    async def come_back(
        self, name: str, *, version: int, serial: int = 1, epoch: int = 0
    ) -> FakeOutlet:
        """Resume `name`'s session on a new connection; its story begins with the answer."""
        outlet = self.outlet(name)
        await self.turn(self.resume(outlet, name, version=version, serial=serial, epoch=epoch))
        assert isinstance(outlet.answers[-1], Joined | Resumed), outlet.answers
        return outlet

    # -- looking

    def room(self, room_id: RoomId = ROOM) -> RoomActor:
        """The actor that is the room at this moment."""
        room = self.directory.mailbox_of(room_id)._owner
        assert isinstance(room, RoomActor)
        return room

    def members(self, room_id: RoomId = ROOM) -> list[FakeOutlet]:
        """The outlets of all sessions in the room, in the order in which they sat down."""
        outlets = list(self.roster.claims(room_id))
        return [outlet for outlet in outlets if isinstance(outlet, FakeOutlet)]

    def forget(self, room_id: RoomId = ROOM) -> None:
        """Begin the stories of all members afresh."""
        for outlet in self.members(room_id):
            outlet.take()
