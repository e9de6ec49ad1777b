"""The composition root: the only file that names every concrete class, and where the process's
time, randomness and signals come from.
"""

import asyncio
import contextlib
import os
import random
import secrets
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from actors.audit.book import AuditFault
from actors.audit.port import UNAUDITED, AuditLog
from actors.audit.trail import AuditTrail, AuditWriter
from actors.audit.writer import BookWriter
from actors.directory import Directory
from actors.ids import SocketId
from actors.keys import KeyRing, derived
from actors.ledger import Forgetful, StoreLedger, StoreThread
from actors.outside import Census, Ports
from actors.ports import UNRECORDED, Clock, Ledger, Log, Recordings
from actors.recordings import FOLDER_NAME, FolderRecordings
from actors.registry import RegistryActor
from actors.runtime import Mailbox
from actors.settings import Durability, Settings
from actors.stores.keeper import Keeper
from actors.stores.port import Opened, StoreFault
from actors.stores.sqlite import SqliteStore
from transport.authentication import Authentication
from transport.clock import LoopClock
from transport.data_dir import DataDir, DataDirUnusable
from transport.door import Door
from transport.encoding import WireEncoder
from transport.folder_work import Waiting, lock_after_commands
from transport.host import Host
from transport.identified import IdentifiedSession
from transport.identity import Identity, Verify
from transport.key_file import KeyFileUnusable
from transport.link import Link
from transport.log import StructuredLog
from transport.log_users import LogUsers
from transport.metrics import PrometheusMetrics
from transport.process import is_compiled, keep_what_is_there, prepare, watch_reloads, watch_signals
from transport.roster import SessionRoster
from transport.seal_keys import SealKeys, SealKeysUnusable
from transport.server import Server
from transport.server_audit import close_audit, open_audit
from transport.server_auth import note_changes, token_keys_of, verifier_of
from transport.server_notes import ServerNotes
from transport.server_privacy import ServerPrivacy, Stored
from transport.server_seal import ServerSeal
from transport.session import Session
from transport.shares import Shares
from transport.wire import dumps

SOCKET_ID_BYTES: Final = 9
"""12 characters of URL-safe base64: 72 random bits."""
STORE_DRAIN_S: Final = 1.0
"""So much of `drain_s` (half of it, if that is less) is left for the store."""
STORE_DRAIN_LEAST_S: Final = 0.25
"""Also with `drain_s = 0` the store gets this long."""
RECONNECT_SPREAD: Final = (0.05, 0.8)
"""Whoever is sent off comes back within this part of the grace, each at a time of its own."""
ACCEPTS_PER_ROUND: Final = 16
"""uvloop's libuv accepts one connection a listening handle in each round of the loop (since 1.45):
with one handle, each newcomer would wait for as many rounds as there are others before it, and in
a full room a round takes 40 ms.
"""


def run(settings: Settings, warnings: Sequence[str], version: str, seal_key: str = "") -> int:
    """Serve until SIGTERM or SIGINT. The exit code: 0, or 1 where it could not start, could not
    store everything at its end, or was told twice to stop. `seal_key` is what the environment says.
    """
    return uvloop.run(_serve(settings, warnings, version, seal_key))


class Application:
    """Everything, wired. `store` and what it knew when it was opened, None where nothing is kept;
    `recordings` makes what keeps recordings of rooms, None where none are made. `new_name` gives a
    URL-safe text of so many random bytes. `sleep` blocks the thread; None: never. `verify` says
    whose a token is; None where nobody is asked who he is. `audit` writes it; None: nobody.
    """

    def __init__(
        self,
        settings: Settings,
        log: Log,
        clock: Clock,
        keys: KeyRing,
        version: str,
        store: tuple[StoreThread, Opened] | None = None,
        new_name: Callable[[int], str] = secrets.token_urlsafe,
        recordings: Callable[[PrometheusMetrics], Recordings] | None = None,
        sleep: Callable[[float], object] | None = None,
        verify: Verify | None = None,
        audit: AuditWriter | None = None,
    ) -> None:
        self.metrics: Final = PrometheusMetrics(version)
        self.census: Final = Census()
        self.keys = keys
        """May be replaced at any time; what the ones before signed must still verify."""
        self.ledger: StoreLedger | None = None
        epoch = 0
        if store is not None:
            thread, opened = store
            epoch = opened.epoch
            self.ledger = StoreLedger(thread, opened, clock, settings, log, self.metrics)
        ledger: Ledger = Forgetful() if self.ledger is None else self.ledger
        roster = SessionRoster()
        encoder = WireEncoder(settings.tick_ms)
        self.recordings: Recordings = UNRECORDED if recordings is None else recordings(self.metrics)
        self.audit: AuditTrail | None = None
        if audit is not None:
            self.audit = AuditTrail(audit, clock, settings, log, self.metrics)
            self.metrics.watch_audit(self.audit)
        self.audit_log: Final[AuditLog] = self.audit or UNAUDITED
        ports = Ports(
            clock,
            encoder,
            roster,
            log,
            self.metrics,
            self.census,
            ledger,
            settings,
            self.recordings,
            self.audit_log,
        )
        self.directory: Final = Directory(Mailbox(settings.mailbox_messages_max), epoch=epoch)
        self.registry: Final = RegistryActor.start(
            ports, self.directory, mailbox=self.directory.registry
        )
        host = Host(
            settings,
            clock,
            lambda: self.keys,
            self.directory.mailbox_for,
            self.directory.mailbox_of,
            roster,
            log,
            self.metrics,
            Shares(settings, clock),
            self.audit_log,
        )

        authentication = None if verify is None else Authentication(settings, clock, verify)

        def new_session(link: Link, identity: Identity) -> Session:
            socket_id = SocketId(new_name(SOCKET_ID_BYTES))
            if authentication is None:
                return Session(host, link, socket_id)
            return IdentifiedSession(host, link, socket_id, authentication, identity)

        self.door: Final = Door(
            settings,
            clock,
            log,
            new_session,
            self.metrics.exposition,
            self._store_trouble,
            sleep,
            authentication,
        )
        self.server: Final = Server(settings, self.door)
        self.metrics.watch(
            connections=lambda: self.door.admission.open_count,
            rooms=lambda: len(self.directory.rooms),
            players=lambda: self.census.players,
        )
        if self.ledger is not None:
            kept = self.ledger
            self.metrics.watch_store(lambda: kept.trouble is None, lambda: kept.rooms_waiting)

    def _store_trouble(self) -> tuple[str | None, bool]:
        if self.ledger is None:
            return None, False
        return self.ledger.trouble, self.ledger.commits_first

    async def commit_all(self, timeout_s: float) -> bool:
        """Make durable whatever is not, within `timeout_s`; whether it is."""
        if self.ledger is None:
            return True
        idle = asyncio.Event()
        self.ledger.drain(idle.set)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(idle.wait(), timeout_s)
        self.ledger.stop()
        return idle.is_set()


async def _serve(settings: Settings, warnings: Sequence[str], version: str, seal_key: str) -> int:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop)
    log = StructuredLog(
        dumps,
        clock.now_ms,
        lambda data: os.write(sys.stdout.fileno(), data),
        level=settings.log_level,
        form=settings.log_format,
        terminal=sys.stdout.isatty(),
        lines_max=settings.log_lines_max,
        users=LogUsers(settings.log_user_ids),
    )
    for warning in warnings:
        log.warn("setting_ignored", reason=warning)
    prepare(loop, log)
    data = DataDir(Path(settings.data_dir), secrets.token_bytes)
    stored: Stored | None = None
    try:
        token_keys = token_keys_of(settings, log)
        verify = None if token_keys is None else verifier_of(settings, token_keys)
        reloads: list[Callable[[], object]] = [] if token_keys is None else [token_keys.reload]
        watch_reloads(loop, reloads)  # from the lock on commands tell this process
        if settings.is_audited or settings.durability is not Durability.MEMORY:
            lock_after_commands(data, Waiting(time.monotonic, time.sleep))
        if settings.durability is Durability.MEMORY:
            keys = derived(secrets.token_bytes(32))
            audit = await open_audit(settings, data.path, clock, log, secrets.token_bytes)
            app = Application(
                settings, log, clock, keys, version, sleep=time.sleep, verify=verify, audit=audit
            )
        else:
            app, stored, audit = await _storing(
                settings, version, seal_key, data, clock, log, verify
            )
            reloads += [stored.seal.reload, partial(_reload_keys, app, data, log)]
            app.keys = data.keys(make=False)  # they may have been rotated since
        if data.is_locked:
            privacy = ServerPrivacy(
                settings, data.path, app, stored, clock, log, secrets.token_bytes
            )
            notes = ServerNotes(settings, data, app.audit, clock, log)
            notes.begin()
            reloads.insert(0, notes.look)  # by what command, then what came of it
            privacy.begin()
            reloads.append(privacy.look)
        note_changes(token_keys, app.audit_log)
        log.users.use_key(app.keys.pseudonym)
        app.metrics.watch_log(lambda: log.dropped_total)
        app.metrics.watch_process(lambda: len(asyncio.all_tasks(loop)), sys.getallocatedblocks)
        stop = asyncio.Event()
        watch_signals(loop, stop, log)
        await app.server.listen(ACCEPTS_PER_ROUND)
    except (DataDirUnusable, KeyFileUnusable, SealKeysUnusable, StoreFault, AuditFault) as error:
        return _not_started(log, settings, str(error))
    except (OSError, ssl.SSLError) as error:
        return _not_started(
            log, settings, f"cannot listen on {settings.host}:{settings.port}: {error}"
        )
    keep_what_is_there()
    log.info(
        "server_started",
        host=settings.host,
        port=app.server.port,
        version=version,
        auth=settings.auth.value,
        durability=settings.durability.value,
        compiled=is_compiled(),
    )
    app.audit_log.note("server_started", version=version, keys=app.keys.name())
    await stop.wait()
    keeper = None if stored is None else stored.keeper
    code = await _end(app, keeper, audit, settings, clock, log)
    data.unlock()
    log.close()
    return code


async def _storing(
    settings: Settings,
    version: str,
    seal_key: str,
    data: DataDir,
    clock: Clock,
    log: StructuredLog,
    verify: Verify | None,
) -> tuple[Application, Stored, BookWriter | None]:
    """The server that keeps its rooms. Raises what the parts of its folder raise."""
    keys = data.keys()
    seal_keys = SealKeys(settings.seal_key_file, seal_key, secrets.token_bytes)
    seal = ServerSeal(seal_keys, data.path, log, asyncio.get_running_loop())
    store = SqliteStore(
        data.path,
        flush=settings.durability is Durability.JOURNAL,
        journal_bytes_max=settings.journal_bytes_max,
        rooms_max=settings.stored_rooms_max,
        seal=seal.seal,
        news=seal.news,
    )
    keeper = Keeper(store)
    opened = await keeper.open(clock.now_ms())
    for remark in opened.remarks:
        log.error("store_set_aside", error=remark)
    audit = await open_audit(settings, data.path, clock, log, secrets.token_bytes)
    folder = data.path / FOLDER_NAME
    app = Application(
        settings,
        log,
        clock,
        keys,
        version,
        (keeper, opened),
        recordings=lambda metrics: FolderRecordings(
            folder, settings, clock, log, metrics, lambda: seal.seal
        ),
        sleep=time.sleep,
        verify=verify,
        audit=audit,
    )
    seal.begin(store, keeper, app.recordings, app.audit_log)
    app.metrics.watch_seal(
        lambda: store.sealing.is_whole,
        lambda: store.sealing.rows_left,
        lambda: store.sealing.records,
    )
    assert app.ledger is not None
    assert isinstance(app.recordings, FolderRecordings)
    return app, Stored(store, keeper, seal, app.ledger, app.recordings), audit


async def _end(
    app: Application,
    keeper: Keeper | None,
    audit: BookWriter | None,
    settings: Settings,
    clock: Clock,
    log: StructuredLog,
) -> int:
    """The drain. Connections may take `drain_s` less what the store is left; 1 where changes or
    entries of the audit were not stored by then.
    """
    log.info("server_draining", connections=app.door.admission.open_count)
    store_s = 0.0 if keeper is None else min(STORE_DRAIN_S, settings.drain_s / 2)
    until_s = clock.monotonic_s() + settings.drain_s
    cut = await app.server.drain(_reconnect_times(settings), leave_s=store_s)
    stored = await app.commit_all(max(until_s - clock.monotonic_s(), STORE_DRAIN_LEAST_S))
    if not stored and app.ledger is not None:
        log.error("store_not_drained", roomsWaiting=app.ledger.rooms_waiting)
    if keeper is not None and stored:
        closing_s = max(until_s - clock.monotonic_s(), STORE_DRAIN_LEAST_S)
        with contextlib.suppress(TimeoutError, StoreFault):  # all is durable: nothing is lost
            await asyncio.wait_for(keeper.close(), closing_s)
    if isinstance(app.recordings, FolderRecordings):
        await app.recordings.close(max(until_s - clock.monotonic_s(), STORE_DRAIN_LEAST_S))
    await app.registry.stop()
    audit_s = max(until_s - clock.monotonic_s(), STORE_DRAIN_LEAST_S)
    audited = await close_audit(app.audit, audit, cut, audit_s, log)
    log.info("server_stopped", cutOff=cut)
    return 0 if stored and audited else 1


def _not_started(log: StructuredLog, settings: Settings, why: str) -> int:
    log.error("server_not_started", error=why, host=settings.host, port=settings.port)
    sys.stderr.write(f"vaultmeet: {why}\n")
    log.close()
    return 1


def _reload_keys(app: Application, data: DataDir, log: Log) -> None:
    """Somebody rotated them."""
    try:
        before, app.keys = app.keys, data.keys(make=False)
    except DataDirUnusable as error:
        log.error("keys_not_reloaded", error=str(error))
        return
    if app.keys != before:  # else somebody had them read for something else: that is no change
        count = len(app.keys.signing)
        log.info("keys_reloaded", signingKeys=count)
        app.audit_log.note("keys_reloaded", keys=app.keys.name(), signingKeys=count)


def _reconnect_times(settings: Settings) -> Callable[[], int]:
    """A time in milliseconds for each client, spread so that they do not come back together."""
    least, most = (settings.resume_grace_s * 1000 * part for part in RECONNECT_SPREAD)
    return lambda: int(random.uniform(least, most))  # noqa: S311  # spread, not secrecy
