"""The tables of the SQLite store, and the way from each earlier version of them.

Owns what is in the file. `MIGRATIONS[n]` leads from version n to n + 1, version 0 being an empty
file; each runs in one transaction, so a file is at one version or the other, never between.

    facts      single values by name
    journal    one row a write, in order: what became different. Append-only, no further index
    rooms      one row a room: how it was when the journal was last folded into it
    recalled   whom a token alone has seated, and in which run last, while that matters
    set_aside  what could not be read, for the operator
"""

from sqlite3 import Connection
from typing import Final

APPLICATION_ID: Final = 0x564D_524D
"""`VMRM`, where SQLite keeps the name of a file's owner."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
        (
            "CREATE TABLE journal (seq INTEGER PRIMARY KEY, mark INTEGER NOT NULL,"
            " checksum INTEGER NOT NULL, body BLOB NOT NULL) STRICT"
        ),
        (
            "CREATE TABLE rooms (room TEXT NOT NULL UNIQUE, checksum INTEGER NOT NULL,"
            " body TEXT NOT NULL) STRICT"
        ),
        "CREATE TABLE recalled (socket TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
        (
            "CREATE TABLE set_aside (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,"
            " place TEXT NOT NULL, body BLOB NOT NULL) STRICT"
        ),
    ),
    (
        "ALTER TABLE recalled RENAME TO recalled_before",
        (
            "CREATE TABLE recalled (socket TEXT PRIMARY KEY, run INTEGER NOT NULL)"
            " STRICT, WITHOUT ROWID"
        ),
        # Nobody knows the run: it is taken for the one that begins now, so that all tokens that
        # these players have stay spent.
        (
            "INSERT INTO recalled (socket, run) SELECT socket,"
            " coalesce((SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'run'), 0) + 1"
            " FROM recalled_before"
        ),
        "DROP TABLE recalled_before",
    ),
    # An identity, so that a sealed record of one file is none of another. A file of this version
    # may be sealed (rows.py): an earlier server would take its rows for damage.
    ("INSERT INTO facts (name, value) VALUES ('store', lower(hex(randomblob(16))))",),
)
VERSION: Final = len(MIGRATIONS)


def version_of(connection: Connection) -> int:
    """The version of the file, 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_empty(connection: Connection) -> bool:
    """Nobody has put anything into the file."""
    return not connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()


def owner_of(connection: Connection) -> int:
    """Whose file it says it is, 0 where it says nothing."""
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def migrate(
    connection: Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS
) -> list[int]:
    """Bring the file to the newest version; the versions that it went through, none when it was.

    Raises sqlite3.Error; the file is then at the last version that was reached whole.
    """
    passed = []
    for version in range(version_of(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        passed.append(version + 1)
    return passed
