"""The command `vaultmeet erase-user`: a person erased from a data folder.

Owns the order of it. Whether a server does it or this process, the request is a file until all is
done, so that whoever has the folder next finishes what a death has left.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from actors.audit.book import AuditFault
from actors.ids import NAME_EXPECTED, parse_name
from actors.keys import KeyRing
from actors.sealing import Seal
from actors.settings import Settings
from actors.stores.port import StoreFault
from actors.stores.sqlite import FILE_NAME
from actors.stores.sqlite_opening import inspect_seal
from transport.command_audit import CommandAudit
from transport.data_dir import KEYS_NAME, DataDir, DataDirUnusable
from transport.erased_places import erase_offline, left_in
from transport.erasure_requests import ErasureRequests, RequestUnreadable
from transport.folder_work import NotAnswered, Waiting, done_in
from transport.seal_keys import SealKeys, SealKeysUnusable

COMMAND: Final = "erase-user"
ANSWER_S: Final = 60.0
"""A server that has not answered by then goes on, but nobody waits for it."""

FAULTS: Final = (
    AuditFault, DataDirUnusable, OSError, RequestUnreadable, SealKeysUnusable, StoreFault,
)  # fmt: skip


def erase_user_from(
    settings: Settings,
    seal_key: str,
    user_id: str,
    data: DataDir,
    audit: CommandAudit,
    now_ms: Callable[[], int],
    waiting: Waiting,
) -> tuple[bool, str]:
    """Whether all of it is done, and lines that say what was, or why not. `audit` is told first
    that somebody erases, and not whom.
    """
    if parse_name(user_id) is None:
        return False, f"USER_ID: expected {NAME_EXPECTED}"
    if not data.path.is_dir():
        return False, f"{data.path}: no such folder; has a server run there?"
    try:
        seal = SealKeys(settings.seal_key_file, seal_key, data.random_bytes).seal()
        inspect_seal(data.path / FILE_NAME, seal)  # a request is not to lie there in the clear
        requests = ErasureRequests(data.path, lambda: seal, data.random_bytes)
        audit.announce(COMMAND, {})
        name = requests.put(user_id)
        done = done_in(
            data,
            lambda: requests.take_done(name),
            lambda: _erase_all(data, settings, seal, requests, name, now_ms()),
            ANSWER_S,
            waiting,
        )
    except NotAnswered as late:
        why = f"asked for; server {late.server} has not done all of it yet, and goes on with it"
        return False, f"{data.path}: {why}, also after a restart"
    except FAULTS as error:
        return False, str(error)
    return _told(data.path, done)


def _erase_all(
    data: DataDir,
    settings: Settings,
    seal: Seal | None,
    requests: ErasureRequests,
    name: str,
    now_ms: int,
) -> dict[str, Any]:
    """Do all that is asked for in the folder; what came of the request `name`."""
    requests.clear_done()
    keys: KeyRing | None = None
    if (data.path / KEYS_NAME).exists():
        keys = data.keys(make=False)
    for one in requests.pending():
        user_id = requests.user_id(one)
        done = erase_offline(data.path, settings, seal, keys, user_id, now_ms, data.random_bytes)
        requests.finish(one, done | {"left": left_in(data.path, done)})
    done_now = requests.take_done(name)
    return done_now if done_now is not None else {}


def _told(path: Path, done: dict[str, Any]) -> tuple[bool, str]:
    lines = []
    if "places" in done:
        lines.append(f"open rooms: {done['places']} places")
    if "seats" in done:
        lines.append(f"store: {done['seats']} seats; rules: {', '.join(done['rules']) or 'none'}")
    if "recordings" in done:
        lines.append(f"recordings: {done['recordings']} removed")
    if "audit" in done:
        was = "made unreadable" if done["audit"] else "nothing there"
        lines.append(f"audit: {was}")
    left = done.get("left", [])
    lines += [f"left: {one}" for one in left]
    lines.append(f"{path}: {'erased, but for what is left' if left else 'erased'}")
    return not left, "\n".join(lines)
