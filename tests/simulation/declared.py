"""What the server declares of itself: its limits, its rooms' settings, how long something takes.

Written from the protocol page alone. Holds what was sent against the settings that the server runs
with; needs to know nothing of what came before. Raises `Wrong`.
"""

from typing import Any

from actors.settings import Settings
from tests.acceptance.held import wrong_if
from tests.simulation.moderation import Court


def declared(item: dict[str, Any], settings: Settings, court: Court) -> None:
    """Judge one object that the server sent; `court` knows what moderators changed."""
    kind = item["type"]
    if kind == "welcome":
        _limits(item, settings)
    elif kind == "error":
        _wait(item, settings)
    elif kind == "playerLeftRoom":
        court.heard(item)
        _reasons(item, settings)
    if "resumeGraceMs" in item:
        _equal("resumeGraceMs", item["resumeGraceMs"], _ms(settings.resume_grace_s))
    if "metadata" in item:
        sizes = {settings.players_max, *court.sizes.get(item["roomId"], ())}
        most = item["metadata"]["maxPlayers"]
        wrong_if(most not in sizes or most > settings.players_max, f"maxPlayers is {most}")
        _equal("tickMs", item["metadata"]["tickMs"], settings.tick_ms)


def _limits(item: dict[str, Any], settings: Settings) -> None:
    _equal("heartbeatMs", item["heartbeatMs"], _ms(settings.heartbeat_s))
    _equal("auth", item["auth"], settings.auth.value)
    _equal("protocol", item["protocol"], 1)
    for name, value in item["limits"].items():
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        _equal(name, value, getattr(settings, words))


def _wait(item: dict[str, Any], settings: Settings) -> None:
    """How long to wait, where only time helps."""
    wait_ms = item.get("retryAfterMs")
    if item["code"] == "rateLimited":
        wrong_if(not wait_ms, "rateLimited, and not for how long")
    elif item["code"] == "roomClosed" and wait_ms is not None:
        longest_ms = _ms(settings.room_closed_s)
        wrong_if(not 0 < wait_ms <= longest_ms, f"a closed room rests {wait_ms} ms")


def _reasons(item: dict[str, Any], settings: Settings) -> None:
    """Some rooms allow a user to be there twice."""
    for player in item["players"]:
        reason = player["reason"]
        replaced = reason == "replaced" and not settings.one_session_per_user
        wrong_if(replaced, f"{player['socketId']} was replaced, where that is not asked for")


def _equal(name: str, value: object, wanted: object) -> None:
    wrong_if(value != wanted, f"{name} is {value}, and set to {wanted}")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
