"""Rooms that are empty, or about to be reaped, for the tests of the registry."""

from typing import Any

from actors import messages as m
from actors.directory import Phase
from actors.ids import RoomId
from actors.players import LeaveReason
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import ROOM, Stage, settle

IDLE_S = 300


class Held:
    """A room that has no turn until it is let go; what is sent to it waits."""

    def __init__(self, stage: Stage, room_id: RoomId = ROOM) -> None:
        self.room = stage.room(room_id)
        self.room.mailbox.adopt(None)

    async def let_go(self) -> None:
        """It has its turn, and goes on as any other."""
        self.room.mailbox.adopt(self.room)
        await settle()


async def emptied(**settings: Any) -> tuple[Stage, FakeOutlet]:
    """A room whose only member has just left."""
    stage = Stage(room_idle_s=IDLE_S, **settings)
    (a,) = await stage.seat("A")
    await stage.turn(m.Leave(a, LeaveReason.LEFT))
    a.take()
    return stage, a


async def closing(**settings: Any) -> tuple[Stage, Held]:
    """A room that was asked to close and is held, so that it has not answered yet."""
    stage, _ = await emptied(**settings)
    held = Held(stage)
    await stage.pass_time(IDLE_S)
    assert stage.directory.rooms[ROOM].phase is Phase.CLOSING
    return stage, held
