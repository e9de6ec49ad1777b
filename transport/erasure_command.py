"""The command `vaultmeet erase-user`: a person erased from a data folder.

Owns who does it: the server that runs on the folder, which is asked by a file and told by SIGHUP,
or else this process, which takes the folder for that. Either way the request is a file until all is
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
from transport.data_dir import KEYS_NAME, DataDir, DataDirUnusable
from transport.erased_places import erase_offline, left_in
from transport.erasure_requests import ErasureRequests, RequestUnreadable
from transport.seal_keys import SealKeys, SealKeysUnusable

ANSWER_S: Final = 60.0
"""A server that has not answered by then goes on, but nobody waits for it."""
_LOOK_S: Final = 0.05

FAULTS: Final = (
    AuditFault, DataDirUnusable, OSError, RequestUnreadable, SealKeysUnusable, StoreFault,
)  # fmt: skip


def erase_user_from(
    settings: Settings,
    seal_key: str,
    user_id: str,
    now_ms: Callable[[], int],
    random_bytes: Callable[[int], bytes],
    monotonic_s: Callable[[], float],
    pause: Callable[[float], object],
) -> tuple[bool, str]:
    """Whether all of it is done, and lines that say what was, or why not."""
    if parse_name(user_id) is None:
        return False, f"USER_ID: expected {NAME_EXPECTED}"
    data = DataDir(Path(settings.data_dir), random_bytes)
    if not data.path.is_dir():
        return False, f"{data.path}: no such folder; has a server run there?"
    try:
        seal = SealKeys(settings.seal_key_file, seal_key, random_bytes).seal()
        inspect_seal(data.path / FILE_NAME, seal)  # a request is not to lie there in the clear
        requests = ErasureRequests(data.path, lambda: seal, random_bytes)
        name = requests.put(user_id)
        until_s = monotonic_s() + ANSWER_S
        while (server := data.server()) is not None:
            done = _by_server(requests, name, server, until_s, data, monotonic_s, pause)
            if done is not None:
                return _told(data.path, done)
            if monotonic_s() >= until_s:
                why = f"asked for; server {server} has not done all of it yet, and goes on with it"
                return False, f"{data.path}: {why}, also after a restart"
        data.lock()
        try:
            return _told(data.path, _erase_all(data, settings, seal, requests, name, now_ms()))
        finally:
            data.unlock()
    except FAULTS as error:
        return False, str(error)


def _by_server(
    requests: ErasureRequests,
    name: str,
    server: int,
    until_s: float,
    data: DataDir,
    monotonic_s: Callable[[], float],
    pause: Callable[[float], object],
) -> dict[str, Any] | None:
    """What the server did; None where it has ended, or time is up."""
    data.tell_server()
    while monotonic_s() < until_s and data.server() == server:
        done = requests.take_done(name)
        if done is not None:
            return done
        pause(_LOOK_S)
    return requests.take_done(name)


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
