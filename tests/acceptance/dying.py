"""The command `vaultmeet`, killed where the environment says: in the midst of its work.

Owns the plant alone. It dies by SIGKILL, just after the part of the work that is named.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from actors.audit.book import AuditBook
from actors.stores.sqlite import SqliteStore
from transport import erased_places
from transport.cli import main
from transport.command_notes import CommandNotes
from transport.erasure_requests import ErasureRequests


def dying(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method`, after which the process is no more."""

    def died(*arguments: Any, **named: Any) -> Any:
        method(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return died


def plant(moment: str) -> None:
    """Put the death in place, for this process."""
    places = {
        "request": (ErasureRequests, "put"),
        "store": (SqliteStore, "close"),
        "recordings": (erased_places, "erase_recordings"),
        "audit": (erased_places, "_forget_in_audit"),
        "answer": (ErasureRequests, "_write_done"),
        "note": (CommandNotes, "put"),
        "entry": (AuditBook, "write"),
    }
    owner, name = places[moment]
    setattr(owner, name, dying(getattr(owner, name)))


if __name__ == "__main__":
    plant(os.environ.pop("VAULTMEET_DIES_AT"))
    sys.exit(main())
