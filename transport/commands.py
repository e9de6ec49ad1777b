"""The commands on a data folder, with the time, randomness and identity of this process.

Owns what each is made of: the composition root of all that is no server. What a command does is in
a file of its own.
"""

import secrets
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Final

from actors.settings import Settings
from transport import audit_command, cli_token
from transport.caller import caller
from transport.clock import now_ms
from transport.command_audit import CommandAudit
from transport.data_dir import DataDir, rotate_signing_key
from transport.erasure_command import erase_user_from
from transport.export_command import export_user
from transport.folder_work import Waiting
from transport.seal_rotation import Turn, rotate_seal_key

Done = tuple[bool, str, str]
"""Whether it was done, what is to be said of it, or why not, and what else to tell."""

WAITING: Final = Waiting(time.monotonic, time.sleep)


def rotate_keys(settings: Settings, *, revoke: bool) -> Done:
    """Add a signing key to the folder's ring, and have the server that uses it read that."""
    data = _folder(settings)
    audit = _audit(data, settings)
    done, said = rotate_signing_key(data, revoke=revoke, announce=audit.announce)
    audit.settle()
    return done, said, audit.remark


def rotate_key(settings: Settings, seal_key: str, turn: str) -> Done:
    """Make (`init`), add (`add`) or drop (`drop-old`) keys of the seal, and have the server that
    uses them read that.
    """
    data = _folder(settings)
    audit = _audit(data, settings)
    done, said = rotate_seal_key(settings, seal_key, Turn(turn), data, audit.announce)
    audit.settle()
    return done, said, audit.remark


def erase_user(settings: Settings, seal_key: str, user_id: str) -> Done:
    """Have nothing of a person in a data folder."""
    data = _folder(settings)
    audit = _audit(data, settings)
    done, said = erase_user_from(settings, seal_key, user_id, data, audit, now_ms, WAITING)
    audit.settle()
    return done, said, audit.remark


def export(settings: Settings, seal_key: str, user_id: str) -> Done:
    """All that is stored about a person."""
    data = _folder(settings)
    audit = _audit(data, settings)
    return *export_user(settings, seal_key, user_id, now_ms(), data, audit), audit.remark


def audit(
    chosen: Namespace,
    settings: Settings,
    say: Callable[[str], object],
    complain: Callable[[str], object],
) -> int:
    """Verify or show the audit, a line at a time; the exit code. Raises OSError and NotRecorded."""

    def told(folder: Path) -> CommandAudit:
        return _audit(DataDir(folder, secrets.token_bytes), settings)

    return audit_command.run(chosen, settings, told, say, complain)


def token(chosen: Namespace, settings: Settings) -> Done:
    """A token for development. Raises TokenRefused and NotRecorded."""
    audit = _audit(_folder(settings), settings)
    return True, cli_token.token(chosen, settings, now_ms(), audit), audit.remark


def _folder(settings: Settings) -> DataDir:
    return DataDir(Path(settings.data_dir), secrets.token_bytes)


def _audit(data: DataDir, settings: Settings) -> CommandAudit:
    return CommandAudit(data, settings, caller(), now_ms, WAITING)
