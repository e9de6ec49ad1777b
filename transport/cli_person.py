"""The words of the commands about one person: `vaultmeet erase-user` and `export-user`.

Owns their arguments and help. What they do is elsewhere.
"""

import argparse
from typing import Any, Final

ERASE: Final = "erase-user"
EXPORT: Final = "export-user"
_ERASE_ABOUT: Final = "erase a person from all that is stored, and from open rooms"
_ERASE: Final = """\
Erase a person: seats and rules of rooms, recordings, and what the audit tells of it.

A server that runs on the folder is told, does it, and answers; else it is done here. Killed at any
moment it is finished by the next run, or the next start of the server. Bans of the person go, too:
who bans go by can be seen with export-user before. Logs and backups are not touched.

Exit code 0: all of it is done. 1: it is not, or the lines "left:" say what nobody could look
through."""
_EXPORT_ABOUT: Final = "print what is stored about a person, as JSON"
_EXPORT: Final = """\
Print all that is stored about a person, as one JSON object: the rooms where it sits, rules that
name it, recordings that hold it, and the entries of the audit about it. Nothing about others.

A server may run meanwhile; what it has not written yet is missing. That this was done is an entry
of the audit, if there is one; where it cannot be written, nothing is printed."""


def add_to(commands: Any) -> None:
    """The parsers of both commands."""
    for name, about, text in (
        (ERASE, _ERASE_ABOUT, _ERASE),
        (EXPORT, _EXPORT_ABOUT, _EXPORT),
    ):
        parser = commands.add_parser(
            name,
            help=about,
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.add_argument("user_id", metavar="USER_ID", help="the real one, not a pseudonym")
        parser.add_argument("--config", metavar="FILE", help="TOML file with settings")
        parser.add_argument(
            "--data-dir",
            metavar="DIR",
            help="folder of what is stored; by default one for each user",
        )
        parser.add_argument("--seal-key-file", metavar="FILE", help="file of the seal keys")
        parser.add_argument("--audit-key-file", metavar="FILE", help="secret of the audit")
