"""Who the sessions believe to sit where."""

from collections.abc import Iterable
from typing import cast

from actors.ids import RoomId, SocketId
from actors.ports import Outlet, Roster
from transport.roster import SessionRoster

LOBBY, ATTIC = RoomId("lobby"), RoomId("attic")


class Place:
    """An outlet of which nothing but the name is known."""

    def __init__(self, socket_id: str) -> None:
        self.socket_id = SocketId(socket_id)


def place(socket_id: str) -> Outlet:
    """An outlet of this session."""
    return cast(Outlet, Place(socket_id))


def claims(roster: Roster, room_id: RoomId) -> Iterable[Outlet]:
    """As a room asks."""
    asked = roster.claims(room_id)
    assert asked is not None
    return list(asked)


def test_who_sits_down_is_there_until_rising() -> None:
    """In its own room alone."""
    roster, ann, bob = SessionRoster(), place("AAAA"), place("BBBB")
    roster.sit(LOBBY, ann)
    roster.sit(LOBBY, bob)
    assert claims(roster, LOBBY) == [ann, bob]
    assert claims(roster, ATTIC) == []
    roster.rise(LOBBY, ann)
    assert claims(roster, LOBBY) == [bob]


def test_a_newer_place_of_a_session_replaces_the_older() -> None:
    """And the rising of the older one, which may come late, takes nothing away."""
    roster, before, after = SessionRoster(), place("AAAA"), place("AAAA")
    roster.sit(LOBBY, before)
    roster.sit(LOBBY, after)
    roster.rise(LOBBY, before)
    assert claims(roster, LOBBY) == [after]


def test_rising_twice_or_from_where_nobody_sits_is_harmless() -> None:
    """A removal cannot raise."""
    roster, ann = SessionRoster(), place("AAAA")
    roster.rise(LOBBY, ann)
    roster.sit(LOBBY, ann)
    roster.rise(ATTIC, ann)
    assert claims(roster, LOBBY) == [ann]
    roster.rise(LOBBY, ann)
    roster.rise(LOBBY, ann)
    assert claims(roster, LOBBY) == []


def test_claims_stay_as_they_were_when_asked_for() -> None:
    """A room goes through them while sessions come and go."""
    roster, ann = SessionRoster(), place("AAAA")
    roster.sit(LOBBY, ann)
    asked = roster.claims(LOBBY)
    roster.rise(LOBBY, ann)
    assert asked is not None
    assert list(asked) == [ann]


def test_a_closed_roster_says_nothing() -> None:
    """The server drains: who is gone from it has been lost to no room."""
    roster = SessionRoster()
    roster.sit(LOBBY, place("AAAA"))
    roster.close()
    roster.close()
    assert roster.claims(LOBBY) is None
