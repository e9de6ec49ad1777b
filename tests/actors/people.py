"""Players made up for tests of the pure files."""

from actors.ids import SocketId, UserId
from actors.players import Motion, Player


def player(
    name: str,
    user: str | None = None,
    *,
    hide_position: bool = False,
    is_ready: bool = False,
    connected: bool = True,
) -> Player:
    """A player that joined at time 0, at 0, 0; `user` is by default named after the session."""
    return Player(
        SocketId(name),
        UserId(user or f"user-{name}"),
        None,
        {},
        0,
        Motion(0.0, 0.0, 0),
        hide_position,
        is_ready,
        connected,
    )
