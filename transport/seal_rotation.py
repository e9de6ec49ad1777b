"""The command `vaultmeet rotate-key`: the seal keys in their file, from the first to the last.

Owns the order in which a rotation is safe: the file has the new key before anything is sealed with
it, and the old one until nothing is. Knows the store and the recordings only to ask what keys they
still need.
"""

from enum import Enum

from actors.recordings import FOLDER_NAME
from actors.sealed_recordings import keys_used
from actors.sealing import KEY_BYTES, KEYS_MAX, key_id
from actors.setting_sources import SEAL_KEY_ENV
from actors.settings import Settings
from actors.stores.port import StoreFault
from actors.stores.sqlite import FILE_NAME
from actors.stores.sqlite_opening import seal_of
from transport.command_audit import Announce
from transport.data_dir import DataDir, DataDirUnusable
from transport.seal_keys import SealKeys, SealKeysUnusable


class Turn(Enum):
    """What is to be done with the keys."""

    INIT = "init"
    ADD = "add"
    DROP_OLD = "drop-old"


class _Refused(Exception):
    """Nothing was done, for this reason."""


def rotate_seal_key(
    settings: Settings, seal_key: str, turn: Turn, data: DataDir, announce: Announce
) -> tuple[bool, str]:
    """Whether it was done, and one line that says what was, or why not. `announce` is told before
    the file is replaced.
    """
    keys = SealKeys(settings.seal_key_file, "", data.random_bytes)
    try:
        if keys.path is None:
            given = f": {SEAL_KEY_ENV} is changed where it is set" if seal_key else ""
            raise _Refused(f"seal_key_file is needed{given}")
        with keys.changing():
            after, done = _next(keys, data, turn)
            announce("rotate-key", {"turn": turn.value, "keys": list(map(key_id, after))})
            keys.replace(after)
    except (_Refused, SealKeysUnusable, DataDirUnusable, StoreFault) as error:
        return False, str(error)
    ids = ", ".join(map(key_id, after))
    return True, f"{keys.path}: {done}; seal keys: {ids}; {data.tell_server()}"


def _next(keys: SealKeys, data: DataDir, turn: Turn) -> tuple[tuple[bytes, ...], str]:
    """The keys as they are to be, and what that is. Raises _Refused and what `SealKeys` does."""
    assert keys.path is not None
    if turn is Turn.INIT:
        if keys.path.exists():
            raise _Refused(f"{keys.path} exists already; without --init a key is added to it")
        return (data.random_bytes(KEY_BYTES),), "made"
    present = keys.read()
    if turn is Turn.ADD:
        if len(present) >= KEYS_MAX:
            raise _Refused(f"{keys.path} holds {KEYS_MAX} keys already; first drop with --drop-old")
        new = data.random_bytes(KEY_BYTES)
        return (new, *present), f"added key {key_id(new)}"
    newest = key_id(present[0])
    used = seal_of(data.path / FILE_NAME)
    if used is None or used.clear:
        raise _Refused(f"{data.path}: not all that is stored there is sealed yet")
    if others := sorted(set(used.checks) - {newest}):
        raise _Refused(
            f"{data.path}: key {', '.join(others)} is still used:"
            f" a server that runs on it seals all with {newest}"
        )
    needed = keys_used(data.path / FOLDER_NAME) - {newest}
    if needed:
        raise _Refused(f"{data.path}: recordings are still sealed with {', '.join(sorted(needed))}")
    return present[:1], f"dropped {len(present) - 1}"
