"""The server looked into: what must hold between any two steps, and when all is quiet.

Owns the checks that no client can make: bounds of what is kept in memory, players that nobody will
ever remove, and the lists of everybody beside the server's own. Raises `AssertionError`.
"""

import json
from typing import Any, Final

from actors.ids import RoomId
from actors.players import Player
from actors.room import RoomActor
from actors.room_rules import PLAIN
from actors.self_check import breaches
from actors.settings import Durability
from tests.acceptance.mirror import Seat
from tests.simulation.network import End
from tests.simulation.person import Person
from tests.simulation.world import World
from transport.connection import Connection
from transport.door import Guest
from transport.encoding import rfc3339
from transport.session import Session

FRAMES_MAX: Final = 160
"""So many small frames may come in one read, after the backlog's bound was reached."""
FRAMES_BYTES_MAX: Final = 24_000
"""One whole state and one frame may come past each bound: that of answers is twice that of the
outbox, and events fill that once more behind the state."""
LATE_S: Final = 2.0
"""A grace may end so much late: timers have their grain, and a commit its time."""
BAD_WEATHER_S: Final = 10.0
SLOW_DISK_S: Final = 0.1
TIMERS_S: Final = 0.5
"""Timers may be so late."""
QUIET_S: Final = 10.0
"""The peace before `agree` lasts longer."""


class Inspection:
    """Of one world. `look` after each step, `agree` when all is quiet."""

    def __init__(self, world: World) -> None:
        self._world: Final = world
        self._lost_s: dict[tuple[str, int, str], tuple[object, float]] = {}
        """Since when a player is lost, and the connection that it lost."""
        self._quiet_s: dict[Guest, tuple[float, int]] = {}
        """Since when nothing came of a connection, and what it had taken."""
        self._over_s: dict[Guest, tuple[float, int, int]] = {}
        """Since when a connection is over its bound, and what must not be otherwise for that."""
        self.looks = 0

    def look(self) -> None:
        """The cheap checks. O(people + players)."""
        self.looks += 1
        world = self._world
        self._look_at_alarms()
        life, settings = world.machine.life, world.settings
        for end in world.loop.network.accepted.values():
            waiting = end.get_write_buffer_size()
            bound = 3 * settings.outbox_bytes_max + FRAMES_BYTES_MAX
            assert waiting <= bound, f"{waiting} bytes wait for one client"
        if life is None:
            return
        for noted in (self._quiet_s, self._over_s):
            for gone in noted.keys() - life.app.door.guests:
                del noted[gone]
        sitting: set[str] = set()
        for guest in life.app.door.guests:
            assert isinstance(guest, Connection)
            self._look_at_connection(guest)
            if guest.session is not None:
                self._look_at_session(guest.session)
                if guest.session._link is not None:
                    name = guest.session.socket_id
                    # Killed in the midst of a switch, it may come back in both rooms.
                    excused = world.fuse.burnt > 0 or world.deaths > 0
                    is_one = name not in sitting or excused
                    assert is_one, f"two connections are {name}"
                    sitting.add(name)
        weather = world.machine.weather
        if weather.stalled or weather.fails or weather.delay_s > SLOW_DISK_S:
            world.bad_weather_s = world.loop.time()
        lost: dict[tuple[str, int, str], tuple[object, float]] = {}
        counted, is_paused = 0, False
        for room_id, room in life.rooms().items():
            counted += len(room.state.players)
            is_paused |= room.mailbox.is_paused() or not room.mailbox.empty()
            self._look_at_room(room)
            for socket_id, player in room.state.players.items():
                if not player.connected and socket_id in room.members:
                    key = (room_id, room.state.epoch, socket_id)
                    outlet = room.members[socket_id].outlet
                    before = self._lost_s.get(key)
                    same = before is not None and before[0] is outlet
                    lost[key] = before if same and before else (outlet, world.loop.time())
        self._lost_s = lost
        self._look_at_lost()
        if not is_paused and world.fuse.burnt == 0 and not world.fuse.where:
            census = life.app.census.players
            assert census == counted, f"{census} players are counted, and there are {counted}"

    def _look_at_alarms(self) -> None:
        world = self._world
        assert not world.loop.faults, world.loop.faults[0]
        different = world.recordings.different
        assert different is None, f"a recording came out otherwise: {different}"
        while world.machine.alarms:
            line = world.machine.alarms.pop()
            planted = line.event in _RAISED and "Planted" in str(line.fields.get("error"))
            known = planted or line.event in _OF_THE_DISK
            assert known, f"the server tells of {line.event}: {line.fields}"

    def _look_at_connection(self, guest: Connection) -> None:
        """Who says nothing, or takes nothing, is not waited for without an end."""
        world, settings = self._world, self._world.settings
        now_s, end, outbox = world.loop.time(), guest._transport, guest._outbox
        if not guest.is_open() or outbox is None:
            return
        assert isinstance(end, End)
        taken = outbox.sent_bytes()
        quiet_s, before = self._quiet_s.get(guest, (now_s, -1))
        waits = end.get_write_buffer_size() or end.conditions.bytes_per_s
        if not end.is_reading() or (taken != before and waits):  # a ping waits, too
            quiet_s = now_s
        quiet_s = max(quiet_s, end.read_s, world.froze_s)
        self._quiet_s[guest] = (quiet_s, taken)
        most_s = settings.heartbeat_s + settings.heartbeat_timeout_s + TIMERS_S
        assert now_s - quiet_s <= most_s, f"silent for {now_s - quiet_s:.1f} s, and not lost"
        # Over the bound, without a pause that nobody saw, since then.
        over = outbox._waiting() > settings.outbox_bytes_max
        spare = outbox._waiting() - settings.outbox_bytes_max
        offset = outbox._state_end
        since = self._over_s.get(guest)
        if not over or (since is None and outbox._slow_since_s is None):
            self._over_s.pop(guest, None)
        elif since is None or since[1] != offset or taken >= since[2]:
            self._over_s[guest] = (now_s, offset, taken + spare)
        else:
            over_s = now_s - max(since[0], world.froze_s)
            late = over_s > settings.slow_reader_s + TIMERS_S
            assert not late, f"reads too slowly for {over_s:.1f} s, and not closed"

    def _look_at_session(self, session: Session) -> None:
        backlog = session._backlog
        most = self._world.settings.backlog_frames_max + FRAMES_MAX
        assert backlog is None or len(backlog) <= most, f"{len(backlog)} frames wait in a session"
        outcomes = session._memory._outcomes
        assert outcomes is None or len(outcomes) <= 256, "more than 256 numbers are remembered"

    def _look_at_room(self, room: RoomActor) -> None:
        settings = self._world.settings
        if room.is_folded():
            assert not room.state.players, "folded, and somebody is there"
        else:
            history = room._publication._history
            entries = len(history._entries or ())
            assert entries <= settings.history_events_max, "history without an end"
            assert history._bytes <= settings.history_bytes_max, "history without an end"
        returns = self._world.deaths > 0  # whoever comes back after a restart always fits
        most = settings.players_max + returns * len(self._world.people)
        assert len(room.state.players) <= most, "more players than allowed"
        if settings.one_session_per_user:
            users = {member.person for member in room.members.values()}
            assert len(users) == len(room.members), "somebody sits here twice"
        for member in room.members.values():
            ban = room.state.rules.bans.get(member.person)
            assert ban is None or ban.until_ms is not None, "somebody sits here who is banned"
        for room_id, user_id in self._world.court.holding:
            if room_id == room.room_id and not self._may_have_lost_rules(room_id):
                assert user_id in room.state.rules.bans, f"the ban of {user_id} is forgotten"
        assert len(room.mailbox) <= settings.mailbox_messages_max, "a mailbox without an end"

    def _may_have_lost_rules(self, room_id: str) -> bool:
        """It kept failing, and was closed."""
        in_memory = self._world.settings.durability is Durability.MEMORY
        return in_memory and self._world.was_closed(room_id, 0.0)

    def _look_at_lost(self) -> None:
        world = self._world
        now_s = world.loop.time()
        settings, court = world.settings, world.court
        waits_for_disk = (
            settings.durability is Durability.JOURNAL
            and now_s - world.bad_weather_s < BAD_WEATHER_S
        )
        most_s = settings.resume_grace_s + LATE_S
        for (room_id, _, socket_id), (_, lost_s) in self._lost_s.items():
            since_s = lost_s
            if settings.durability is Durability.JOURNAL:
                since_s = max(since_s, world.froze_s)  # a commit that took too long was undone
            elif settings.durability is Durability.FAST:  # where acts alone commit
                asked_s = court.asked_s.get(room_id, now_s)
                act_s = court.may_commit_until_s(room_id, settings.commit_timeout_s)
                if asked_s <= world.bad_weather_s:
                    since_s = max(since_s, min(world.bad_weather_s, act_s))
            late = now_s - since_s > most_s and not waits_for_disk
            assert not late or now_s < world.froze_s + LATE_S, (
                f"{socket_id} is lost in {room_id} for {now_s - since_s:.1f} s, and still there"
            )

    def agree(self) -> None:
        """All is quiet: everybody's list is everybody's, and the server's."""
        world = self._world
        life = world.machine.life
        assert life is not None
        self.look()
        seated: dict[str, dict[str, Person]] = {}
        connected = 0
        for person in world.people:
            connected += person.is_connected
            if person.is_connected:
                due = person.replies.due()
                assert not due, f"{person.name} was never answered: {due}"
            if person.is_connected and person.mirror.seat is Seat.SEATED:
                members = seated.setdefault(person.mirror.room_id, {})
                assert person.mirror.socket_id not in members, "two people are one player"
                members[person.mirror.socket_id] = person
        rooms = life.rooms()
        for room_id, members in seated.items():
            assert room_id in rooms, f"{room_id} is not there, and {len(members)} sit in it"
        total = 0
        for name, room in rooms.items():
            room_id = RoomId(name)
            members = seated.get(room_id, {})
            total += len(members)
            truth = {each: _shown(player) for each, player in room.state.players.items()}
            assert truth.keys() == members.keys(), (
                f"{room_id} has {sorted(truth)}, and {sorted(members)} sit in it"
            )
            at = (room.state.epoch, room.state.version, room.state.checksum())
            for person in members.values():
                mirror = person.mirror
                held = (mirror.epoch, mirror.version, mirror.checksum)
                assert held == at, f"{person.name} is at {held}, its room {room_id} at {at}"
                view = mirror.view()
                assert view == truth, f"{person.name} sees {view}, and {room_id} has {truth}"
                move = person.last_move
                shown = mirror.position(mirror.socket_id)
                moved = move is None or shown is None or shown == move
                assert moved, f"{person.name} made the move {move}, and is at {shown}"
            grid = None if room.is_folded() else room._motions._interest
            assert grid is None or grid.socket_ids() == truth.keys(), f"{room_id}: a wrong grid"
            claims = room._ports.roster.claims(room_id)
            found = breaches(room.state, room.members, claims)
            assert not found, f"{room_id}: {found}"
            assert all(player.connected for player in room.state.players.values())
            kept = world.settings.durability is Durability.MEMORY and room.state.rules is not PLAIN
            idle = not truth and world.settings.room_idle_s < QUIET_S and not kept
            assert not idle, f"{room_id} is empty, and still there"
        census = life.app.census.players
        assert census == total, f"{census} players are counted, {total} sit in rooms"
        admitted = life.app.door.admission.open_count
        assert admitted == connected, f"{admitted} connections are counted, {connected} are open"
        assert len(life.app.door.guests) == connected, (
            f"{len(life.app.door.guests)} connections for {connected} people"
        )


_RAISED: Final = frozenset({"room_restarted", "room_closed", "room_lost", "session_failed"})
_OF_THE_DISK: Final = frozenset(
    {"audit_failed", "room_not_loaded", "store_failed", "store_not_drained"}
)


def _shown(player: Player) -> tuple[object, ...]:
    """As `Mirror.view` has it."""
    at: Any = None if player.hide_position else (player.motion.x, player.motion.y)
    return (
        player.user_id,
        player.display_name,
        player.is_ready,
        player.connected,
        rfc3339(player.joined_at_ms),
        json.dumps(player.attributes, sort_keys=True),
        at,
    )
