"""The command `vaultmeet` with a fault planted: a room fails when a display name says so.

Owns the plant alone. The error quotes all that the room knows, as errors do.
"""

import sys
from collections.abc import Mapping
from typing import Any

from actors.ids import SocketId
from actors.room_state import RoomState
from transport.cli import main

POISON = "poison"


def plant() -> None:
    """Put the fault in place, for this process."""
    update = RoomState.update

    def fail(
        state: RoomState,
        socket_id: SocketId,
        display_name: str | None,
        attributes: Mapping[str, Any] | None,
        now_ms: int,
    ) -> Any:
        if display_name is not None and POISON in display_name:
            raise KeyError(state.players, display_name, attributes)
        return update(state, socket_id, display_name, attributes, now_ms)

    setattr(RoomState, "update", fail)  # noqa: B010  # mypy refuses the assignment, rightly


if __name__ == "__main__":
    plant()
    sys.exit(main())
