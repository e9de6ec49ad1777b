"""What moderators ask of a room, and what its rules ask of who comes. No actor, no timer.

Owns how a plan (moderation.py) is carried out: who is out, what the rules are from now on, and who
is told of it. All of it is durable before anybody is told, whatever the setting, and it is undone
alone. The base of Seating, which asks `_admit` before it seats somebody.
"""

from typing import Final

from actors import messages as m
from actors.answers import Done, Permitted
from actors.forgetting import rules_without
from actors.moderation import Plan, plan_of
from actors.players import LeaveReason
from actors.ports import Eviction
from actors.room_rules import PLAIN, Act, BanUser, KickPlayer, SetRoom, UnbanUser
from actors.seats import Seats
from actors.turn import OweAnswer, OweDone

_WORDS: Final[dict[type[Act], tuple[str, str]]] = {
    KickPlayer: ("player_kicked", "kicked"),
    BanUser: ("user_banned", "banned"),
    UnbanUser: ("user_unbanned", ""),
    SetRoom: ("room_set", ""),
}
"""The name of each act in the log, and what is said to whoever is out by it."""
_ERASED: Final = "erased by the operator"


class Moderating(Seats):
    """The part of a room that says no to people."""

    def moderate(self, message: m.Moderate) -> None:
        """Raises NotInRoom, Forbidden or BadMessage, and has then changed nothing."""
        outlet, act = message.outlet, message.act
        state, members, turn = self._state, self._members, self._turn
        moderator = self._seated(outlet)
        plan = plan_of(
            act,
            moderator.person,
            outlet.grant,
            state,
            members,
            self._ports.settings,
            self._ports.clock.now_ms(),
        )
        turn.urgent = True
        reason = act.reason if isinstance(act, KickPlayer | BanUser) else None
        _, word = _WORDS[type(act)]
        for socket_id in plan.out:
            detail = word if reason is None else f"{word}: {reason}"
            self._dismiss(socket_id, LeaveReason.KICKED, detail)
        self._note(message, plan, reason)
        turn.owed.append(OweDone(outlet))
        if plan.rules is not state.rules:
            self._have(plan)

    def check(self, message: m.Check) -> None:
        """What a token and the room's rules together allow; it changes nothing."""
        now_ms = self._ports.clock.now_ms()
        grant = self._state.rules.granted(message.person, message.outlet.grant, now_ms)
        self._turn.owed.append(OweAnswer(message.outlet, Permitted(grant)))

    def kick(self, message: m.Kick) -> None:
        """The server's own. Harmless where there is no such player."""
        if message.socket_id in self._members:
            self._turn.urgent = True
            self._dismiss(message.socket_id, LeaveReason.KICKED, message.detail)

    def erase(self, message: m.Erase) -> None:
        """The operator's. The others see the players leave, and not why; the clients are told not
        to come back of themselves, which would make anew what is erased.
        """
        state, turn = self._state, self._turn
        gone = [key for key, one in self._members.items() if one.person == message.person]
        rules = rules_without(state.rules, message.names)
        turn.urgent = bool(gone) or rules is not state.rules
        for socket_id in gone:
            self._dismiss(socket_id, LeaveReason.LEFT, _ERASED, Eviction.KICKED)
        if rules is not state.rules:
            state.rules = turn.rules = rules
        places = len(gone) + (turn.rules is not None)
        turn.owed.append(OweAnswer(message.outlet, Done(places)))

    # -- for Seating

    def _admit(self, message: m.Join) -> None:
        """Raises Forbidden where its token, as it is now, or the room's rules keep it out."""
        rules = self._state.rules
        if not message.outlet.grant.allowed or rules is not PLAIN:
            now_ms = self._ports.clock.now_ms()
            rules.admit(message.profile.person, message.outlet.grant, now_ms)

    def _is_banned(self, person: str) -> bool:
        rules = self._state.rules
        return rules is not PLAIN and rules.ban_of(person, self._ports.clock.now_ms()) is not None

    # -- inside

    def _have(self, plan: Plan) -> None:
        """Change the rules, last of all: nothing can fail any more. Their public part is told."""
        state, turn = self._state, self._turn
        before = state.rules.private, state.players_max
        state.rules = turn.rules = plan.rules
        after = plan.rules.private, state.players_max
        if after != before:
            said = self._ports.encoder.room_changed(state.room_id, *after)
            turn.items.extend(state.take_events())
            turn.items.append(said)

    def _note(self, message: m.Moderate, plan: Plan, reason: str | None) -> None:
        """For the operator; nothing that a moderator wrote, who may know who hides by a name."""
        act = message.act
        event, _ = _WORDS[type(act)]
        details: dict[str, object] = {"socketIds": list(plan.out) or None, "why": reason}
        match act:
            case BanUser(for_s=for_s):
                details["forS"] = for_s
            case SetRoom(private, players_max, allow, owner):
                allowed = None if allow is None else len(allow)
                details |= {"private": private, "playersMax": players_max, "allowed": allowed}
                details["newOwner"] = owner is not None
        details = {name: value for name, value in details.items() if value is not None}
        player = self._state.players[message.outlet.socket_id]
        self._fact(event, player, "", plan.persons, **details)
