"""People with tokens in a room: moderators and others, and what they ask for."""

from typing import Any, Final

from actors import messages as m
from actors.answers import Joined, Permitted, Refused
from actors.permissions import Grant, Permission
from actors.room_rules import Act
from tests.actors.fakes import FakeOutlet
from tests.actors.stage import Stage

MEMBER: Final = Grant(frozenset({Permission.JOIN, Permission.MOVE, Permission.MESSAGE}))
MODERATOR: Final = Grant(frozenset(Permission))


async def arrive(
    stage: Stage, name: str, grant: Grant = MEMBER, person: str = "", **profile: Any
) -> FakeOutlet:
    """Ask to join with a token that says `grant`; whatever the answer."""
    outlet = stage.outlet(name)
    outlet.grant = grant
    await stage.turn(stage.join(outlet, person=person or f"user-{name}", **profile))
    return outlet


async def seated(stage: Stage, *names: str, **profile: Any) -> list[FakeOutlet]:
    """Those of `names`; `Mod` and `Mad` moderate. Their stories begin after it."""
    outlets = []
    for name in names:
        grant = MODERATOR if name in ("Mod", "Mad") else MEMBER
        outlet = await arrive(stage, name, grant, **profile)
        outlet.answer_of(Joined)
        outlets.append(outlet)
    stage.forget()
    return outlets


async def act(stage: Stage, moderator: FakeOutlet, *acts: Act) -> None:
    """Each in a turn of its own."""
    for each in acts:
        await stage.turn(m.Moderate(moderator, each))


def no_of(outlet: FakeOutlet) -> tuple[str, str]:
    """Code and words of the newest answer, a refusal."""
    refusal = outlet.answer_of(Refused).refusal
    return refusal.code, refusal.message


async def checked(stage: Stage, person: str, grant: Grant = MEMBER) -> Grant:
    """What somebody who sits nowhere is told of the room."""
    outlet = stage.outlet(f"check-{person}")
    outlet.grant = grant
    deadline_s = stage.clock.monotonic_s() + 5
    mailbox = stage.directory.mailbox_for(outlet.room_id)
    assert mailbox.offer(m.Check(outlet, outlet.room_id, person, deadline_s))
    await stage.pass_time(0)
    return outlet.answer_of(Permitted).grant
