"""Every limit and time, with unit, default, bounds.

Owns `Settings`, whose fields are the one table that flags, environment names, TOML keys, help and
bounds are made from. An invalid `Settings` cannot exist. Knows nothing of who uses a setting, nor
where its value comes from (setting_sources.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from actors.setting_agreements import AGREEMENTS, NETWORKS
from actors.setting_rules import DEFAULT, Group, Problem, Row, Rule


class AuthMode(StrEnum):
    """Who vouches for a `userId`. In `anonymous` nobody does, in `jwt` whoever signs tokens."""

    ANONYMOUS = "anonymous"
    JWT = "jwt"


class Durability(StrEnum):
    """What outlives the process: nothing; all but the last moments; whatever anyone was told."""

    MEMORY = "memory"
    FAST = "fast"
    JOURNAL = "journal"


class AuditMode(StrEnum):
    """`auto` is `on` wherever anything outlives the process."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class LogFormat(StrEnum):
    """`auto` is `console` on a terminal, else `json`."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LogUserIds(StrEnum):
    """How a user shows in log lines: by name, by a keyed hash of it, or not at all."""

    FULL = "full"
    HASHED = "hashed"
    NONE = "none"


# A lone `*` is any. An origin has no path: with a slash at its end it would never match.
_ORIGIN: Final = r"\*|null|[a-z][a-z0-9+.-]*://[^/\s,]+"
_ORIGINS: Final = "a list such as https://a.example, http://b.example:8080 (no path), or *"
_HOST: Final = r"\*|[^\s/,@]+"
_HOSTS: Final = "a list such as a.example, b.example:8080, or *"
_NETWORK: Final = r"[0-9a-f.:]+(/[0-9]{1,3})?"
_PATH: Final = r"[^\x00-\x1f\x7f]{0,4096}"
_CLAIM: Final = r"[^\x00-\x1f\x7f]{0,1024}"
_CLAIM_EXPECTED: Final = "a text of at most 1024 characters"
_DAY_S: Final = 86_400
_MIB: Final = 1_048_576
# Short, so that a setting stays a row: the headings of `Group`.
_L, _I, _D, _R, _C, _F, _H, _S, _O = Group


# fmt: off
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one server. Raises SettingsInvalid, which names every problem at once."""

    host: Annotated[str, Rule(_L, "address to listen on", pattern=r"[^\s/]{1,255}",
        expected="an address or a host name")] = "127.0.0.1"
    port: Annotated[int, Rule(_L, "port to listen on; 0 takes a free one, which the log event "
        "server_started names", 0, 65_535)] = 8765
    allowed_origins: Annotated[tuple[str, ...], Rule(_L, "origins of pages that may connect, "
        "instead of the same host and port, loopback and host; * is any",
        pattern=_ORIGIN, expected=_ORIGINS)] = ()
    allowed_hosts: Annotated[tuple[str, ...], Rule(_L, "more names that a Host header may give, "
        "beside loopback and host; * is any", pattern=_HOST, expected=_HOSTS)] = ()
    tls_cert_file: Annotated[str, Rule(_L, "certificate chain (PEM); makes it wss://",
        pattern=_PATH, expected="a file")] = ""
    tls_key_file: Annotated[str, Rule(_L, "private key of the certificate (PEM)",
        pattern=_PATH, expected="a file")] = ""
    connections_max: Annotated[int, Rule(_L, "open connections; beyond: HTTP 503; "
        "0 is no limit", 0, 10_000_000)] = 0
    connections_per_ip_max: Annotated[int, Rule(_L, "open connections of one address; beyond: "
        "HTTP 429; 0 is no limit", 0, 10_000_000)] = 0
    handshakes_waiting_max: Annotated[int, Rule(_L, "connections whose handshake is not complete; "
        "beyond: the one that has waited longest is cut off", 1, 10_000_000)] = 10_000
    trusted_proxies: Annotated[tuple[str, ...], Rule(_L, "addresses and networks of proxies whose "
        "X-Forwarded-For is believed", pattern=_NETWORK, expected=NETWORKS)] = ()
    handshake_timeout_s: Annotated[float, Rule(_L, "a handshake must be complete within this",
        0.01, 300)] = 10
    close_timeout_s: Annotated[float, Rule(_L, "a connection that is being closed is cut off after "
        "this", 0.01, 300)] = 10
    drain_s: Annotated[float, Rule(_L, "longest drain after SIGTERM", 0, 300)] = 5
    pace_ms: Annotated[float, Rule(_L, "a busy server reads at most so much later, and more at "
        "once; 0 is never", 0, 20)] = 2

    auth: Annotated[AuthMode, Rule(_I, "who vouches for a userId; anonymous: nobody; jwt: a signed "
        "token")] = AuthMode.ANONYMOUS
    jwt_secret_file: Annotated[str, Rule(_I, "secret of HS256: the file's bytes less one newline "
        "at its end", pattern=_PATH, expected="a file")] = ""
    jwt_public_key_file: Annotated[str, Rule(_I, "public key (PEM) or keys (JWKS) of RS256, ES256, "
        "EdDSA; read again when it changes", pattern=_PATH, expected="a file")] = ""
    jwt_algorithms: Annotated[tuple[str, ...], Rule(_I, "only these of those that go with the "
        "keys: HS256, or RS256, ES256, EdDSA", pattern="hs256|rs256|es256|eddsa",
        expected="a list of HS256, RS256, ES256, EdDSA")] = ()
    jwt_audience: Annotated[str, Rule(_I, "what a token's aud must be, or have in its list; "
        "unset: no token may have one", pattern=_CLAIM, expected=_CLAIM_EXPECTED)] = ""
    jwt_issuer: Annotated[str, Rule(_I, "what a token's iss must be",
        pattern=_CLAIM, expected=_CLAIM_EXPECTED)] = ""
    jwt_leeway_s: Annotated[float, Rule(_I, "a token's times may be off by so much", 0, 5)] = 0
    auth_timeout_s: Annotated[float, Rule(_I, "in jwt mode, a connection that is not authenticated "
        "by then is closed with 4401", 0.01, 300)] = 5
    unauthenticated_max: Annotated[int, Rule(_I, "in jwt mode, connections that are not "
        "authenticated; beyond: HTTP 503; 0 is no limit", 0, 10_000_000)] = 10_000
    allow_anonymous: Annotated[bool, Rule(_I, "in anonymous mode, listen on more than loopback: "
        "whoever reaches the port may call himself anybody")] = False
    default_permissions: Annotated[tuple[str, ...], Rule(_I, "what a token that says nothing of "
        "rooms allows in all of them, of join, move, message and moderate",
        pattern="join|move|message|moderate",
        expected="a list of join, move, message and moderate")] = ("join", "move", "message")
    one_session_per_user: Annotated[bool, Rule(_I, "a user's newest session in a room replaces "
        "the one before")] = False

    data_dir: Annotated[str, Rule(_D, "folder of the database, the keys, the recordings and the "
        "audit, made when missing; by default one for each user",
        pattern=_PATH, expected="a folder")] = ""
    seal_key_file: Annotated[str, Rule(_D, "file of the keys that seal what is stored; without it "
        "and without VAULTMEET_SEAL_KEY all is stored in the clear", pattern=_PATH,
        expected="a file")] = ""
    durability: Annotated[Durability, Rule(_D, "what outlives the process: memory: nothing; fast: "
        "all but the last flush_ms; journal: whatever anyone was told")] = Durability.FAST
    flush_ms: Annotated[int, Rule(_D, "changes are written this much later, together",
        1, 10_000)] = 50
    position_save_s: Annotated[float, Rule(_D, "positions are written this often, in fast",
        0.01, _DAY_S)] = 5
    commit_timeout_s: Annotated[float, Rule(_D, "a change that the disk does not take within this "
        "is undone: unavailable", 0.01, 300)] = 2
    store_stall_s: Annotated[float, Rule(_D, "a write that takes longer is told as a stall",
        0.01, 300)] = 1
    store_retry_s: Annotated[float, Rule(_D, "after a failed write, the next one comes this much "
        "later", 0.01, 300)] = 1
    journal_bytes_max: Annotated[int, Rule(_D, "the journal is folded into the rooms' rows when "
        "it is longer", 1024, 1024 * _MIB)] = 4 * _MIB
    stored_rooms_max: Annotated[int, Rule(_D, "stored rooms; beyond, an empty one is not kept",
        1, 1_000_000_000)] = 1_000_000
    room_retention_days: Annotated[int, Rule(_D, "stored rooms that nobody has touched for so "
        "long are removed, their rules too; 0 keeps them", 0, 36_500)] = 0

    audit: Annotated[AuditMode, Rule(_D, "keep who did what in a record that cannot be changed "
        "unseen; auto: on, unless durability is memory")] = AuditMode.AUTO
    audit_key_file: Annotated[str, Rule(_D, "secret of the audit; by default audit.key in data_dir",
        pattern=_PATH, expected="a file")] = ""
    audit_file_bytes_max: Annotated[int, Rule(_D, "a longer file of the audit is followed by "
        "another one", 1024, 1024 * _MIB)] = 16 * _MIB
    audit_retention_days: Annotated[int, Rule(_D, "files of the audit whose entries are all older "
        "are removed; 0 keeps them", 0, 36_500)] = 0
    audit_flush_ms: Annotated[int, Rule(_D, "entries of the audit are written this much later "
        "at most, together", 1, 10_000)] = 200
    audit_waiting_max: Annotated[int, Rule(_D, "entries of the audit that wait for the disk; "
        "beyond: counted, and the audit says how many", 1, 10_000_000)] = 100_000

    players_max: Annotated[int, Rule(_R, "players of a room, lost ones included; beyond: roomFull",
        1, 1_000_000)] = 1000
    bans_max: Annotated[int, Rule(_R, "users that a room keeps as banned; one more is refused",
        0, 100_000)] = 1000
    allow_max: Annotated[int, Rule(_R, "users that a room lets in while it is private; a longer "
        "list is refused", 0, 100_000)] = 1000
    room_idle_s: Annotated[float, Rule(_R, "an empty room is reaped after this",
        0.01, 365 * _DAY_S)] = 300
    tick_ms: Annotated[int, Rule(_R, "how often moves are sent; 0: whenever there are some",
        0, 10_000)] = 50
    interest_radius: Annotated[float, Rule(_R, "moves within this, in coordinates, are sent with "
        "every tick, others with interest_far_ms; 0 sends all with every tick",
        0, 1_000_000_000)] = 0
    interest_far_ms: Annotated[int, Rule(_R, "how often moves from beyond interest_radius are sent",
        1, 60_000)] = 1000
    rooms_max: Annotated[int, Rule(_R, "rooms at one time; beyond: unavailable",
        1, 100_000_000)] = 250_000
    join_timeout_s: Annotated[float, Rule(_R, "a join that waits longer for its room: unavailable",
        0.01, 300)] = 5
    parked_joins_max: Annotated[int, Rule(_R, "joins that wait for rooms; beyond: unavailable",
        1, 10_000_000)] = 10_000
    mailbox_messages_max: Annotated[int, Rule(_R, "messages that wait for one room; beyond: "
        "unavailable", 1, 100_000_000)] = 65_536
    turn_messages_max: Annotated[int, Rule(_R, "messages that a room handles before other rooms "
        "have their turn", 1, 1_000_000)] = 512
    history_events_max: Annotated[int, Rule(_R, "events that a room keeps for resumes and "
        "validations", 1, 1_000_000)] = 1024
    history_bytes_max: Annotated[int, Rule(_R, "bytes of such events",
        1024, 1024 * _MIB)] = 262_144

    message_bytes_max: Annotated[int, Rule(_C, "a larger frame closes with 1009",
        256, 16 * _MIB)] = 16_384
    message_timeout_s: Annotated[float, Rule(_C, "a message begun must be complete within this",
        0.01, 300)] = 10
    messages_per_s: Annotated[float, Rule(_C, "messages, everything included",
        0.001, 10_000_000)] = 60
    messages_burst: Annotated[float, Rule(_C, "messages at once", 1, 10_000_000)] = 120
    joins_per_s: Annotated[float, Rule(_C, "joins, leaves and requests for the whole state",
        0.001, 10_000_000)] = 5
    joins_burst: Annotated[float, Rule(_C, "the same at once", 1, 10_000_000)] = 20
    backlog_frames_max: Annotated[int, Rule(_C, "frames that wait for the answer to the one "
        "before; then reading stops", 1, 65_536)] = 64
    outbox_bytes_max: Annotated[int, Rule(_C, "bytes that wait for a slow reader; beyond, it gets "
        "one whole state when it drains", 4096, 1024 * _MIB)] = 262_144
    slow_reader_s: Annotated[float, Rule(_C, "beyond outbox_bytes_max this long: closed with 1013",
        0.01, 3600)] = 15

    resumes_per_s: Annotated[float, Rule(_F, "resumes of one connection; 0 is no limit",
        0, 10_000_000)] = 0
    validations_per_s: Annotated[float, Rule(_F, "validations of one connection; 0 is no limit",
        0, 10_000_000)] = 0
    user_messages_per_s: Annotated[float, Rule(_F, "messages of one user on all connections, "
        "everything included; 0 is no limit", 0, 10_000_000)] = 0
    user_joins_per_s: Annotated[float, Rule(_F, "joins, leaves and requests for the whole state of "
        "one user; 0 is no limit", 0, 10_000_000)] = 0
    user_resumes_per_s: Annotated[float, Rule(_F, "resumes of one user; 0 is no limit",
        0, 10_000_000)] = 0
    user_validations_per_s: Annotated[float, Rule(_F, "validations of one user; 0 is no limit",
        0, 10_000_000)] = 0
    user_connections_max: Annotated[int, Rule(_F, "connections of one user that have joined or "
        "resumed; beyond: rateLimited; 0 is no limit", 0, 10_000_000)] = 0
    user_rooms_max: Annotated[int, Rule(_F, "rooms that one user sits in, lost players included; "
        "beyond: rateLimited; 0 is no limit", 0, 10_000_000)] = 0
    ip_handshakes_per_s: Annotated[float, Rule(_F, "handshakes of one address; beyond: HTTP 429; "
        "0 is no limit", 0, 10_000_000)] = 0
    limit_burst_s: Annotated[float, Rule(_F, "so many seconds' worth of each rate above at once, "
        "and 1 at least", 0.1, 3600)] = 2
    slow_down_ms: Annotated[int, Rule(_F, "a request over a limit whose turn comes within this is "
        "held back until then, 20 times in 10 s; 0 refuses at once", 0, 500)] = 0
    limited_max: Annotated[int, Rule(_F, "users, and addresses, that limits remember; beyond, the "
        "longest unused is forgotten", 1, 100_000_000)] = 100_000

    heartbeat_s: Annotated[float, Rule(_H, "a ping is sent this often", 0.01, 3600)] = 10
    heartbeat_timeout_s: Annotated[float, Rule(_H, "a connection that does not answer a ping "
        "within this is lost", 0.01, 3600)] = 10
    resume_grace_s: Annotated[float, Rule(_H, "how long a lost connection keeps its player",
        0.01, _DAY_S)] = 30

    self_check_s: Annotated[float, Rule(_S, "how often a room checks itself and its sessions",
        0.01, _DAY_S)] = 60
    room_restarts_max: Annotated[int, Rule(_S, "restarts of a crashing room within the window; "
        "one more closes it", 0, 1000)] = 3
    room_restarts_window_s: Annotated[float, Rule(_S, "that window", 0.01, 3600)] = 5
    room_closed_s: Annotated[float, Rule(_S, "how long such a room refuses joins: roomClosed",
        0, _DAY_S)] = 60

    recorder_inputs_max: Annotated[int, Rule(_S, "inputs that a room remembers, to be written to "
        "data_dir where it fails or a client is wrong about it; 0 is none", 0, 65_536)] = 256
    recordings_max: Annotated[int, Rule(_S, "such files; beyond, the oldest is removed",
        1, 1_000_000)] = 64
    recorder_retention_days: Annotated[int, Rule(_S, "such files that are older are removed; 0 "
        "keeps them", 0, 36_500)] = 0
    recording_interval_s: Annotated[float, Rule(_S, "a room is written for wrong clients once in "
        "this time, and recordings_max files altogether", 0.01, _DAY_S)] = 60

    log_format: Annotated[LogFormat, Rule(_O, "json, console, or auto: console on a terminal, "
        "else json")] = LogFormat.AUTO
    log_user_ids: Annotated[LogUserIds, Rule(_O, "full; hashed: a keyed hash, the same for one "
        "user; none: no line has a userId")] = LogUserIds.FULL
    log_level: Annotated[LogLevel, Rule(_O, "least level that is written")] = LogLevel.INFO
    log_lines_max: Annotated[int, Rule(_O, "lines that wait for a slow output; beyond: dropped "
        "and counted", 1, 10_000_000)] = 10_000

    @property
    def is_audited(self) -> bool:
        """What `audit` comes to."""
        if self.audit is AuditMode.AUTO:
            return self.durability is not Durability.MEMORY
        return self.audit is AuditMode.ON

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in TABLE}
        if problems := check(values, {name: (value, DEFAULT) for name, value in values.items()}):
            raise SettingsInvalid(problems)
# fmt: on


def _row(name: str, default: object, annotation: object) -> Row:
    kind, rule = get_args(annotation)
    return Row(name, get_origin(kind) or kind, default, rule)


_HINTS: Final = get_type_hints(Settings, include_extras=True)
TABLE: Final[Mapping[str, Row]] = {
    item.name: _row(item.name, item.default, _HINTS[item.name]) for item in fields(Settings)
}
"""Every setting by name, in the order of the help."""


class SettingsInvalid(ValueError):
    """No server can be started with these. `problems` are all the reasons, one line each."""

    def __init__(self, problems: Iterable[Problem | str]) -> None:
        self.problems: Final = tuple(str(problem) for problem in problems)
        super().__init__("\n".join(self.problems))


def check(
    values: Mapping[str, Any], given: Mapping[str, tuple[object, str]]
) -> list[Problem | str]:
    """Every value against its bounds, and those within them against each other.

    `given` is for the words: each value as it was before it was read, and its source.
    """
    wrong = {name for name, row in TABLE.items() if not row.accepts(values[name])}
    problems: list[Problem | str] = [
        Problem(name, *given[name], row.expected) for name, row in TABLE.items() if name in wrong
    ]
    for rule in AGREEMENTS:
        agreeing = [values[name] for name in rule.names]
        if wrong.isdisjoint(rule.names) and not rule.holds(*agreeing):
            blamed = rule.names[0]
            sources = "; ".join(f"{name}: {given[name][1]}" for name in rule.names)
            expected = rule.expected.format(*agreeing)
            problems.append(Problem(blamed, given[blamed][0], sources, expected))
    return problems
