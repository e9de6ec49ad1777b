"""Requests to erase a person, as files: how the command asks a server, and how none is forgotten.

Owns the folder `erasures` of the data folder. A request is there until all of it is done, whatever
dies in between. Both it and its answer, which names rooms, are sealed where the store is.

    NAME.request (who) -> NAME.done (what was done) -> nothing
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from actors.ids import parse_name
from actors.sealing import Seal
from transport.spool import Spool

FOLDER_NAME: Final = "erasures"
BYTES_MAX: Final = 64 * 1024 * 1024
"""An answer names every rule that was erased."""
_REQUEST: Final = ".request"
_DONE: Final = ".done"


class RequestUnreadable(ValueError):
    """The file says of nobody that he is to be erased. The message names it, and says why."""


class ErasureRequests:
    """Those of the data folder `data_dir`. All may raise OSError."""

    def __init__(
        self,
        data_dir: Path,
        seal: Callable[[], Seal | None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._spool: Final = Spool(
            data_dir / FOLDER_NAME, "erasure", seal, random_bytes, bytes_max=BYTES_MAX
        )

    def put(self, user_id: str) -> str:
        """Ask for `user_id` to be erased; what the request is called. Durable when it returns."""
        name = self._spool.new_name()
        self._spool.write(f"{name}{_REQUEST}", {"format": 1, "userId": user_id})
        return name

    def pending(self) -> list[str]:
        """What the requests are called of which not all is done."""
        return self._spool.named(_REQUEST)

    def user_id(self, name: str) -> str:
        """Who is to be erased. Raises RequestUnreadable."""
        file = f"{name}{_REQUEST}"
        try:
            user_id = parse_name(self._spool.read(file)["userId"])
        except (ValueError, KeyError, TypeError) as error:
            raise RequestUnreadable(f"{self._spool.path / file}: {error}") from None
        if user_id is None:
            raise RequestUnreadable(f"{self._spool.path / file}: it names no user")
        return user_id

    def finish(self, name: str, done: Mapping[str, object]) -> None:
        """All of it is done. The request is gone when it returns."""
        self._write_done(name, done)
        self._spool.remove(f"{name}{_REQUEST}")

    def take_done(self, name: str) -> dict[str, Any] | None:
        """What was done, once; None while it is not. Raises RequestUnreadable."""
        file = f"{name}{_DONE}"
        try:
            done = self._spool.read(file)
        except FileNotFoundError:
            return None
        except ValueError as error:
            why = f"it is done, and cannot be told: {error}"
            raise RequestUnreadable(f"{self._spool.path / file}: {why}") from None
        self._spool.remove(file)
        assert isinstance(done, dict)
        return done

    def clear_done(self) -> None:
        """Answers that nobody has taken are for nobody any more; so are files half-written."""
        self._spool.remove(*(f"{name}{_DONE}" for name in self._spool.named(_DONE)))
        self._spool.clear_drafts()

    # -- inside

    def _write_done(self, name: str, done: Mapping[str, object]) -> None:
        self._spool.write(f"{name}{_DONE}", done)
