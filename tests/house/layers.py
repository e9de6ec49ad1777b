"""The cut of the house as data: which file stands on which floor, and what each may know.

Owns the tables alone; `test_imports.py` holds the source against them. A new file is added here, on
the lowest floor that has all it needs.
"""

LAYERS: tuple[tuple[str, ...], ...] = (
    # The vocabulary.
    ("actors", "transport", "actors.ids", "actors.errors", "actors.faults"),
    # PURE: facts and rules as plain data.
    (
        "actors.history",
        "actors.interest",
        "actors.keys",
        "actors.permissions",
        "actors.privacy",
        "actors.recall",
        "actors.records",
        "actors.room_state",
        "actors.sealing",
        "actors.setting_agreements",
        "actors.setting_rules",
        "actors.setting_sources",
        "actors.settings",
        "actors.tokens",
        "actors.values",
        "actors.waiting",
    ),
    # What actors need from outside, and the kind of actor they are.
    (
        "actors.futures",
        "actors.encoder",
        "actors.mailbox",
        "actors.ports",
        "actors.runtime",
        "actors.stores",
        "actors.stores.codec",
        "actors.stores.port",
    ),
    # Where rooms are kept beyond their actors: on its thread, and in front of it.
    (
        "actors.ledger",
        "actors.recordings",
        "actors.sealed_recordings",
        "actors.stores.keeper",
        "actors.stores.memory",
        "actors.stores.resealing",
        "actors.stores.room_rows",
        "actors.stores.rows",
        "actors.stores.schema",
        "actors.stores.sqlite",
        "actors.stores.sqlite_faults",
        "actors.stores.sqlite_opening",
    ),
    # What rooms are kept in, and the parts of a room that speak of outlets: a message carries the
    # one it came through, a member has one. They may name the ports; the facts below may not.
    (
        "actors.directory",
        "actors.keeping",
        "actors.members",
        "actors.messages",
        "actors.motion",
        "actors.publication",
        "actors.reconciling",
        "actors.recorder",
        "actors.recovery",
        "actors.reducing",
        "actors.seating",
        "actors.self_check",
        "actors.story",
        "actors.timers",
        "actors.turn",
    ),
    # The actors.
    ("actors.registry", "actors.room", "actors.room_parts"),
    # The wire: bytes to values and back, what is allowed of them, and who may come in.
    (
        "transport.admission",
        "transport.arrivals",
        "transport.auth",
        "transport.auth_keys",
        "transport.bearer",
        "transport.clock",
        "transport.compact",
        "transport.data_dir",
        "transport.deadlines",
        "transport.encoding",
        "transport.fading",
        "transport.forwarding",
        "transport.http",
        "transport.identity",
        "transport.key_file",
        "transport.limits",
        "transport.pacer",
        "transport.requests",
        "transport.roster",
        "transport.seal_keys",
        "transport.seal_rotation",
        "transport.secret_file",
        "transport.sequences",
        "transport.shares",
        "transport.throttle",
        "transport.wire",
    ),
    # One client's life, and what is told about it.
    (
        "transport.asking",
        "transport.authentication",
        "transport.host",
        "transport.identified",
        "transport.link",
        "transport.log",
        "transport.log_users",
        "transport.log_writer",
        "transport.metrics",
        "transport.moves",
        "transport.outbox",
        "transport.phase",
        "transport.quota",
        "transport.replies",
        "transport.seat",
        "transport.server_auth",
        "transport.server_seal",
        "transport.session",
        "transport.session_parts",
    ),
    # The door.
    ("transport.connection", "transport.door", "transport.handshake", "transport.server"),
    # Where everything is put together.
    ("transport.app", "transport.cli", "transport.cli_token"),
)
"""From the ground up. A file imports from its own floor or a lower one, and never in a circle."""

HOMES: dict[str, frozenset[str]] = {
    "cryptography": frozenset({"actors.sealing"}),
    "jwt": frozenset({"transport.auth", "transport.auth_keys"}),
    "orjson": frozenset({"actors.stores.codec", "transport.wire"}),
    "prometheus_client": frozenset({"transport.metrics"}),
    "pykka": frozenset(
        {
            "actors.futures",
            "actors.mailbox",
            "actors.recordings",
            "actors.runtime",
            "actors.stores.keeper",
        }
    ),
    "structlog": frozenset({"transport.log"}),
    "uvloop": frozenset({"transport.app"}),
    "websockets": frozenset({"transport.connection", "transport.handshake"}),
}
"""Each third-party library and the files that may import it."""

WORLD = frozenset(
    {
        "asyncio",
        "concurrent",
        "ctypes",
        "fcntl",
        "http",
        "io",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "queue",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
"""What a PURE file does not import of the standard library: what waits, talks or varies."""

PURE: dict[str, frozenset[str]] = {
    "actors.errors": frozenset(),
    "actors.faults": frozenset(),
    "actors.history": frozenset(),
    "actors.ids": frozenset(),
    "actors.interest": frozenset(),
    "actors.keeping": frozenset(),
    "actors.keys": frozenset(),
    "actors.members": frozenset(),
    "actors.messages": frozenset(),
    "actors.permissions": frozenset(),
    "actors.ports": frozenset(),
    "actors.privacy": frozenset(),
    "actors.recall": frozenset(),
    "actors.recorder": frozenset(),
    "actors.records": frozenset(),
    "actors.recovery": frozenset(),
    "actors.reducing": frozenset(),
    "actors.room_state": frozenset(),
    "actors.self_check": frozenset(),
    "actors.setting_rules": frozenset(),
    # The one reader of flags, environment and files.
    "actors.settings": frozenset({"os", "pathlib", "sys"}),
    "actors.stores.memory": frozenset(),
    "actors.stores.port": frozenset(),
    "actors.story": frozenset(),
    "actors.tokens": frozenset(),
    "actors.turn": frozenset(),
    "transport.admission": frozenset({"http"}),
    "transport.bearer": frozenset(),
    "transport.forwarding": frozenset(),
    "transport.identity": frozenset(),
    "transport.limits": frozenset(),
    "transport.log_users": frozenset(),
    "transport.requests": frozenset(),
    "transport.sequences": frozenset(),
    "transport.throttle": frozenset(),
}
"""The PURE files, each with what it may import of WORLD all the same."""

EDGE = frozenset({"transport.app", "transport.clock"})
"""Where real time, randomness and identity are made; everywhere else they are arguments."""
