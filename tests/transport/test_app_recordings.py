"""The flight recorder behind real sessions: what they do to a room can be played again."""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from actors.keys import derived
from actors.recordings import FolderRecordings
from actors.room_state import RoomState
from tests.simulation.recordings import read, replay
from tests.transport.test_app import PATIENCE_S, House
from transport.app import Application


class RecordedHouse(House):
    """A house that writes recordings to a folder."""

    folder: Path

    def _new_app(self) -> Application:
        names = count()
        return Application(
            self.settings,
            self.log,
            self.clock,
            derived(b"k" * 32),
            "1.2.3",
            new_name=lambda size: f"S{next(names)}",
            recordings=lambda metrics: FolderRecordings(
                self.folder, self.settings, self.clock, self.log, metrics
            ),
        )


@pytest.mark.rule("O4.1", "O4.2")
def test_what_sessions_did_to_a_room_that_crashed_is_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joins, a switch, a loss, a resume, a wrong claim, and the request that made it crash."""
    update = RoomState.update

    def broken(self: RoomState, *arguments: Any) -> Any:
        update(self, *arguments)
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(RoomState, "update", broken)
    monkeypatch.setattr(RecordedHouse, "folder", tmp_path / "recordings", raising=False)

    async def story() -> None:
        house = RecordedHouse(one_session_per_user=True)
        ann, bob, cem = [await house.opened() for _ in range(3)]
        heard: list[Any] = []
        for caller, user in ((ann, "ann"), (bob, "bob"), (cem, "cem")):
            heard = await house.said(caller, type="joinRoomGameSpace", roomId="a", userId=user)
        token, epoch = heard[-1]["resumeToken"], heard[-1]["consistency"]["epoch"]
        await house.said(bob, type="joinRoomGameSpace", roomId="b", userId="bob")
        await house.said(ann, type="validateRoomState", roomId="a", expectedPlayers=["nobody"])
        cem.wire.hang_up()
        again = await house.opened()
        heard = await house.said(
            again,
            type="resumeRoomGameSpace",
            roomId="a",
            resumeToken=token,
            epoch=epoch,
            version=3,
        )
        assert heard[-1]["type"] == "roomGameSpaceResumed"
        await house.said(ann, type="updatePlayer", displayName="Ann")
        assert isinstance(house.app.recordings, FolderRecordings)
        assert await house.app.recordings.close(PATIENCE_S)
        await house.app.registry.stop()

    asyncio.run(story())
    mistaken, crashed = sorted(
        (read(path) for path in (tmp_path / "recordings").iterdir()),
        key=lambda document: len(document["inputs"]),
    )
    assert (mistaken["reason"], crashed["reason"]) == ("client_state_invalid", "room_restarted")
    assert replay(mistaken).same, str(replay(mistaken))
    again = replay(crashed)
    assert again.same, str(again)
    assert again.raised is not None
    assert again.raised.startswith("ZeroDivisionError in transport/test_app_recordings.py:")
