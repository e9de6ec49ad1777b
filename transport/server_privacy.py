"""What a running server keeps of people, and for how long: requests to erase, and ages.

Owns the way of a request from its file to its answer, and the sweeps over what is too old. How a
person is erased is in actors/erasing.py; the threads of store, recordings and audit are asked here.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from actors.audit.book import ERASED, AuditFault
from actors.audit.chain import Keys
from actors.audit.port import AuditLog
from actors.audit.trail import AuditTrail
from actors.directory import Directory
from actors.erasing import Erasing
from actors.kept_recordings import erase_recordings, expire_recordings
from actors.keys import KeyRing
from actors.ledger import StoreLedger
from actors.ports import Clock, Log
from actors.recordings import FOLDER_NAME, FolderRecordings
from actors.retention import SWEEP_S, horizon_ms
from actors.settings import Settings
from actors.stores import erasing as visits
from actors.stores.keeper import Keeper
from actors.stores.port import StoreFault
from actors.stores.sqlite import FILE_NAME, SqliteStore
from transport.audit_place import PEOPLE_NAME
from transport.command_notes import CommandNotes
from transport.erased_places import left_in, pseudonyms_of, store_told
from transport.erasure_requests import ErasureRequests, RequestUnreadable
from transport.server_seal import ServerSeal

Deliver = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Stored:
    """Where rooms are kept beyond the process."""

    store: SqliteStore
    keeper: Keeper
    seal: ServerSeal
    ledger: StoreLedger
    recordings: FolderRecordings


class Serving(Protocol):
    """The server, as far as it is asked here."""

    keys: KeyRing

    @property
    def directory(self) -> Directory: ...
    @property
    def audit(self) -> AuditTrail | None: ...
    @property
    def audit_log(self) -> AuditLog: ...


class Threads:
    """The Places port of an erasure."""

    def __init__(
        self,
        data_dir: Path,
        keys: KeyRing,
        stored: Stored | None,
        trail: AuditTrail | None,
        audit: AuditLog,
    ) -> None:
        self._folder: Final = data_dir / FOLDER_NAME
        self._notes: Final = CommandNotes(data_dir, _no_keys, bytes)
        self._keys: Final = keys
        self._stored: Final = stored
        self._trail: Final = trail
        self._audit: Final = audit

    def settle(self, deliver: Deliver) -> None:
        if self._stored is None:
            deliver(None)
        else:
            self._ask_store(lambda: None, deliver)

    def store(self, person: str, deliver: Deliver) -> None:
        stored = self._stored
        if stored is None:
            deliver({})
            return
        erasing = visits.Erasing(stored.store, person, pseudonyms_of(person, self._keys))
        self.visit(erasing.step, lambda: deliver(store_told(erasing.forgotten)), deliver)

    def visit(
        self, step: Callable[[Any], bool], done: Callable[[], object], failed: Deliver
    ) -> None:
        """Take `step`s through the store until there are no more; `failed` gets a text."""
        stored = self._stored
        assert stored is not None

        def stepped(outcome: object) -> None:
            if isinstance(outcome, str):
                failed(outcome)
            elif outcome:
                self._ask_store(lambda: stored.store.visit(step), stepped)
            else:
                done()

        self._ask_store(lambda: stored.store.visit(step), stepped)

    def recordings(self, person: str, deliver: Deliver) -> None:
        stored = self._stored
        if stored is None:
            deliver({})
            return
        seal, pseudonym_in = stored.seal.seal, pseudonyms_of(person, self._keys)

        def work() -> dict[str, object]:
            removed, unreadable = erase_recordings(self._folder, seal, person, pseudonym_in)
            return {"recordings": removed, "unreadableRecordings": unreadable}

        stored.recordings.ask(work, deliver)

    def audit(self, person: str, deliver: Deliver) -> None:
        if self._trail is None:
            deliver({})
            return

        def forgot(outcome: bool | AuditFault) -> None:
            if isinstance(outcome, AuditFault):
                deliver(str(outcome))
                return
            try:
                self._notes.clear_refused()
            except OSError as error:
                deliver(str(error))
                return
            if not outcome:  # else the audit has it already
                self._audit.note(ERASED)
            deliver({"audit": outcome})

        self._trail.forget(person, forgot)

    def _ask_store(self, work: Callable[[], object], deliver: Deliver) -> None:
        assert self._stored is not None

        def answered(outcome: object) -> None:
            deliver(str(outcome) if isinstance(outcome, StoreFault) else outcome)

        self._stored.keeper.do(work, answered, lambda fault: None)


class ServerPrivacy:
    """`begin` it when all else is made; `look` when somebody says that there is a request."""

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        serving: Serving,
        stored: Stored | None,
        clock: Clock,
        log: Log,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._settings: Final = settings
        self._data_dir: Final = data_dir
        keys = serving.keys
        self._keys: Final = keys
        self._directory: Final = serving.directory
        self._stored: Final = stored
        self._trail: Final = serving.audit
        self._audit: Final = serving.audit_log
        self._clock: Final = clock
        self._log: Final = log
        seal = (lambda: None) if stored is None else lambda: stored.seal.seal
        self._requests: Final = ErasureRequests(data_dir, seal, random_bytes)
        self._threads: Final = Threads(data_dir, keys, stored, self._trail, self._audit)
        self._queue: deque[str] = deque()
        self._under_way: str | None = None
        self._has_failed = False
        self._refused: set[str] = set()
        """Requests that cannot be read, and were told of."""

    def begin(self) -> None:
        """Finish what was begun before, and look through what is kept as soon as nobody can come
        back to a room that is not open.
        """
        try:
            self._requests.clear_done()
        except OSError as error:
            self._log.error("erasures_unusable", error=str(error))
        self.look()
        if self._stored is not None:
            self._clock.call_later(self._settings.resume_grace_s + 1, self._sweep)

    # -- erasing

    def look(self) -> None:
        """Take up the requests that there are."""
        try:
            pending = self._requests.pending()
        except OSError as error:
            self._log.error("erasures_unusable", error=str(error))
            return
        known = {*self._queue, self._under_way}
        self._queue.extend(name for name in pending if name not in known)
        if self._under_way is None:
            self._next()

    def _next(self) -> None:
        self._under_way, self._has_failed = None, False
        while self._queue and self._under_way is None:
            name = self._queue.popleft()
            try:
                person = self._requests.user_id(name)
            except FileNotFoundError:
                continue
            except (OSError, RequestUnreadable) as error:
                if name not in self._refused:
                    self._refused.add(name)
                    self._log.error("erasure_unreadable", error=str(error))
                continue
            self._under_way = name
            Erasing(
                person,
                pseudonyms_of(person, self._keys),
                self._directory,
                self._clock,
                None if self._stored is None else self._stored.ledger,
                self._threads,
                self._settings.store_retry_s,
                partial(self._ended, name),
                self._failed,
            ).begin()

    def _ended(self, name: str, done: Mapping[str, object]) -> None:
        left = left_in(self._data_dir, dict(done), self._unused())
        try:
            self._requests.finish(name, {**done, "left": left})
        except OSError as error:
            self._failed(str(error))
            retry_s = self._settings.store_retry_s
            self._clock.call_later(retry_s, lambda: self._ended(name, done))
            return
        counts: dict[str, Any] = {key: one for key, one in done.items() if isinstance(one, int)}
        self._log.info("person_erased", **counts, left=len(left))
        self._next()

    def _failed(self, why: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._log.error("person_not_erased", error=why)

    def _unused(self) -> list[str]:
        unused = [] if self._stored is not None else [FILE_NAME, FOLDER_NAME]
        return unused if self._trail is not None else [*unused, PEOPLE_NAME]

    # -- ages

    def _sweep(self) -> None:
        now_ms, rooms = self._clock.now_ms(), self._directory.rooms
        before_ms = horizon_ms(now_ms, self._settings.room_retention_days)
        stored = self._stored
        assert stored is not None
        if before_ms is None:
            self._sweep_recordings({})
            return
        expiring = visits.Expiring(stored.store, before_ms, lambda room_id: room_id in rooms)

        def done() -> None:
            self._sweep_recordings({"rooms": expiring.rooms, "setAside": expiring.set_aside})

        self._threads.visit(expiring.step, done, lambda why: self._not_swept({}, why))

    def _sweep_recordings(self, removed: dict[str, Any]) -> None:
        before_ms = horizon_ms(self._clock.now_ms(), self._settings.recorder_retention_days)
        stored = self._stored
        assert stored is not None
        if before_ms is None:
            self._swept(removed)
            return

        def done(outcome: object) -> None:
            if isinstance(outcome, int):
                self._swept({**removed, "recordings": outcome})
            else:
                self._not_swept(removed, str(outcome))

        folder, before = self._data_dir / FOLDER_NAME, before_ms
        stored.recordings.ask(lambda: expire_recordings(folder, before), done)

    def _not_swept(self, removed: dict[str, Any], why: object) -> None:
        self._log.error("retention_not_swept", error=str(why))
        self._swept(removed)

    def _swept(self, removed: dict[str, Any]) -> None:
        if any(removed.values()):
            self._log.info("retention_swept", **removed)
            self._audit.note("retention_swept", **removed)
        self._clock.call_later(SWEEP_S, self._sweep)


def _no_keys() -> Keys:
    raise AssertionError("no note is read here")
