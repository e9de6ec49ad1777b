"""Who may do what."""

import pytest

from actors.ids import RoomId
from actors.permissions import Grant, Permission, grant_for


@pytest.mark.rule("E2.6")
def test_an_anonymous_session_may_join_move_and_talk_and_not_moderate() -> None:
    """In every room alike."""
    for room_id in (RoomId("a"), RoomId("b")):
        grant = grant_for(room_id)
        assert grant.allowed
        assert {permission.value for permission in grant.permissions} == {
            "join",
            "move",
            "message",
        }
        assert grant.reason is None


def test_who_may_not_join_is_not_allowed_whatever_else_is_granted() -> None:
    """`allowed` is about joining."""
    grant = Grant(frozenset(Permission) - {Permission.JOIN}, "banned")
    assert not grant.allowed
    assert grant.reason == "banned"
