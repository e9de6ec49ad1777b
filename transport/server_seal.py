"""The seal of a running server: read at the start, told of, and read again when somebody rotated.

Owns what the log says of it. The store and the recordings have their own threads; what they tell
comes back on the loop here.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from actors.audit.port import UNAUDITED, AuditLog
from actors.ports import Log
from actors.recordings import FolderRecordings
from actors.sealing import Seal
from actors.setting_sources import SEAL_KEY_ENV
from actors.stores.keeper import Keeper
from actors.stores.port import StoreFault
from actors.stores.sqlite import SqliteStore
from transport.seal_keys import SealKeys, SealKeysUnusable

_LEVELS: Final = {"seal_refused": "error", "seal_key_worn": "warn"}


class _Loop(Protocol):
    def call_soon_threadsafe(self, callback: Callable[[], object]) -> object: ...
    def is_closed(self) -> bool: ...


class ServerSeal:
    """`seal` is the present one, None where things are stored in the clear.

    Raises SealKeysUnusable where the keys that are given cannot be read.
    """

    def __init__(self, keys: SealKeys, data_dir: Path, log: Log, loop: _Loop) -> None:
        self._keys: Final = keys
        self._data_dir: Final = data_dir
        self._log: Final = log
        self._loop: Final = loop
        self._store: SqliteStore | None = None
        self._keeper: Keeper | None = None
        self._recordings: FolderRecordings | None = None
        self._audit: AuditLog = UNAUDITED
        self.seal: Seal | None = keys.seal()
        if self.seal is None:
            log.warn(
                "stored_in_the_clear", reason=f"neither seal_key_file nor {SEAL_KEY_ENV} is given"
            )
        self._tell_worries()

    def news(self, event: str, /, **details: object) -> None:
        """Told on any thread, logged on the loop."""
        tell = getattr(self._log, _LEVELS.get(event, "info"))
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(partial(tell, event, **details))

    def begin(
        self, store: SqliteStore, keeper: Keeper, recordings: object, audit: AuditLog
    ) -> None:
        """Have what was stored before sealed, between other work. `audit` is told of other keys."""
        self._store, self._keeper, self._audit = store, keeper, audit
        if isinstance(recordings, FolderRecordings):
            self._recordings = recordings
            recordings.reseal()
        if store.sealing.under_way:
            keeper.do(lambda: None, lambda _: None, self._untidy)

    def reload(self) -> None:
        """Read the keys again, after `begin`, and have store and recordings take them up. What
        cannot be read or taken up changes nothing.
        """
        store, keeper = self._store, self._keeper
        assert store is not None
        assert keeper is not None
        try:
            seal = self._keys.seal()
        except SealKeysUnusable as error:
            self._log.error("seal_keys_not_reloaded", error=str(error))
            return
        if seal is None or (self.seal is not None and seal.ids == self.seal.ids):
            return  # it was the keys of tokens that somebody rotated
        self._tell_worries()

        def deliver(outcome: object) -> None:
            if isinstance(outcome, StoreFault):
                self._log.error("seal_keys_not_reloaded", error=str(outcome))
                return
            if self.seal is not None and seal.ids == self.seal.ids:
                return  # told twice before the first was done
            self.seal = seal
            self._log.info("seal_keys_reloaded", keys=list(seal.ids))
            self._audit.note("seal_keys_reloaded", keys=list(seal.ids))
            if self._recordings is not None:
                self._recordings.reseal()

        keeper.do(lambda: store.reseal(seal), deliver, self._untidy)

    def _untidy(self, fault: StoreFault) -> None:
        self._log.error("store_not_tidied", error=str(fault))

    def _tell_worries(self) -> None:
        for worry in self._keys.worries(self._data_dir):
            self._log.warn("seal_key_exposed", reason=worry)
