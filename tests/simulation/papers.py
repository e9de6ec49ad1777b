"""What one person has to show that it is who it says, where the server asks for that.

Owns its tokens, and what the server promises about them: a good one is taken, another's is not, one
that is over ends the connection and says so before. Written from the protocol page. Where nobody is
asked (anonymous mode) none of this does anything.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actors.permissions import Grants
from actors.settings import AuthMode, Settings
from tests.acceptance.held import wrong_if
from tests.transport import minted
from transport import auth_keys
from transport.auth import TokenVerifier
from transport.encoding import rfc3339
from transport.identity import Verify

if TYPE_CHECKING:
    from tests.simulation.person import Person
    from tests.simulation.replies import Asked

WORDS: Final = ("join", "move", "message", "moderate")
LIVES_S: Final = (2, 8, 40, 3600)
LONG_S: Final = 100_000
WARNING_S: Final = 30.0
LATE_S: Final = 0.5
"""So much after a token's end something may still be said that was begun before."""


def verifier(settings: Settings) -> Verify | None:
    """What a server verifies with; None where it asks nobody."""
    if settings.auth is AuthMode.ANONYMOUS:
        return None
    keys = auth_keys.of_secret(minted.SECRET)
    return TokenVerifier(settings, lambda: keys, Grants.everywhere(WORDS[:3])).verify


@dataclass(frozen=True, slots=True)
class Paper:
    """A token. `ends_s` is by the loop's time, unless the wall clock was set since (`jumps`)."""

    text: str
    expires_at: str
    ends_s: float
    jumps: int


class Papers:
    """Of one person. `user` is its name on every token, None where it needs none."""

    def __init__(self, person: "Person", seed: str) -> None:
        self._person: Final = person
        self._rng: Final = random.Random(f"{seed}/papers")
        asked_for = person.world.settings.auth is AuthMode.JWT
        self.user: Final = f"user-{person.name}" if asked_for else None
        self.for_long = False
        """From now on its tokens are good until the end of the story."""
        self._is_known = False
        """The server has said so, on this connection."""
        self._shown: Paper | None = None
        self._held: Paper | None = None
        """The one that the server took last."""
        self._papers: dict[str, Paper] = {}

    # -- showing them

    def mint(self, user: str | None = None, **claims: object) -> Paper:
        """A new one, its own or in the name of another."""
        world = self._person.world
        life_s = LONG_S if self.for_long else self._rng.choice(LIVES_S)
        expires_s = world.machine.wall.now_ms() / 1000 + life_s
        text = minted.hs256({"sub": user or self.user, "exp": expires_s, **claims})
        leeway_s = world.settings.jwt_leeway_s
        ends_s = world.loop.time() + life_s + leeway_s
        expires_at = rfc3339(int(expires_s * 1000))
        paper = Paper(text, expires_at, ends_s, world.machine.wall.jumps)
        if user is None:
            kept = list(self._papers.items())[-99:]
            self._papers = {**dict(kept), text: paper}
        return paper

    def introduce(self, then: Callable[[], object]) -> tuple[str, Callable[[], object]]:
        """How it begins a connection: the token in the handshake, and what it does when open."""
        self._is_known, self._held, self._shown = False, None, None
        if self.user is None:
            return "", then
        paper = self.mint()
        if self._rng.random() < 0.6:
            self._shown = paper
            return paper.text, then

        def say_who() -> None:
            self._person.ask("authenticate", token=paper.text)
            then()

        return "", say_who

    def renew(self) -> None:
        """Show a newer one."""
        if self.user is None:
            return
        self._person.ask("authenticate", token=self.mint().text)

    def moderate(self) -> None:
        """Show one of a moderator of every room; the next one is of none."""
        if self.user is None:
            self._person.ask("authenticate", token="moderator")
        else:
            paper = self.mint(rooms={"*": WORDS})
            self._person.ask("authenticate", token=paper.text)

    def impersonate(self, user: str) -> None:
        """Show one of another user, who must have lent it; while nobody knows it, that would be its
        good right.
        """
        if self.user is None or not self._is_known:
            return
        paper = self.mint(user)
        self._person.ask("authenticate", lie={"token": "another's"}, token=paper.text)

    def settle_down(self) -> None:
        """Be known until the end of the story. May be repeated."""
        self.for_long, held = True, self._held
        left_s = 0.0 if held is None else held.ends_s - self._person.world.loop.time()
        if self._person.is_connected and left_s < LONG_S / 2:
            self.renew()

    # -- what the server may say

    def hear(self, item: dict[str, Any], sent_s: float) -> None:
        """Judge what is said to somebody who is known, or not. Raises Wrong."""
        if self.user is None:
            return
        kind = item["type"]
        if kind == "welcome" and self._shown is not None:
            self._is_known, self._held = True, self._shown
        elif kind == "authenticated":
            wrong_if(item["userId"] != self.user, f"authenticated as {item['userId']}")
            named = [each for each in self._papers.values() if each.expires_at == item["expiresAt"]]
            wrong_if(not named, "authenticated until a time that no token has")
            self._is_known, self._held = True, named[-1]
        held = self._held
        if held is None or self._is_excused(held):
            return
        wrong_if(sent_s > held.ends_s + LATE_S, f"{kind}, to somebody whose token has ended")
        if kind == "tokenExpiring":
            wrong_if(item["expiresAt"] != held.expires_at, "another token's end is told")
            wrong_if(held.ends_s - sent_s > WARNING_S + 5.1, "a token's end is told too early")

    def _is_excused(self, paper: Paper) -> bool:
        """The server may be wrong about the time, or have had none."""
        person = self._person
        world = person.world
        return (
            paper.jumps != world.machine.wall.jumps
            or world.froze_s > paper.ends_s - 1.0
            or person.mirror.may_fall_behind
            or person.is_hindered
        )

    def names_another(self, asked: "Asked") -> bool:
        """It asked for something in the name of somebody else."""
        named = asked.fields.get("userId")
        return self.user is not None and named is not None and named != self.user

    def excuses(self, asked: "Asked") -> set[str]:
        """What it may be refused with, beyond what anybody may."""
        if self.user is None:
            return set()
        codes = set() if self._is_known else {"unauthenticated"}
        if asked.kind == "authenticate":
            if asked.notes.get("lie") is not None:
                codes.add("forbidden")
            paper = self._papers.get(asked.fields["token"])
            if paper is None or self._is_over(paper):
                codes.add("unauthenticated")
        elif self.names_another(asked):
            codes.add("forbidden")
        return codes

    def may_be_closed(self) -> bool:
        """The server may say that it does not know it (any more)."""
        if self.user is None:
            return False
        return not self._is_known or self._held is None or self._is_over(self._held)

    def _is_over(self, paper: Paper) -> bool:
        world = self._person.world
        return paper.jumps != world.machine.wall.jumps or world.loop.time() >= paper.ends_s - 0.01
