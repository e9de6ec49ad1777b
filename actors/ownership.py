"""Whose a file is: that of the folder around it, whoever makes it.

Owns that alone. A command may be run by another user than the server, root for instance; what it
leaves is for the server to read, write and remove.
"""

import os
from contextlib import suppress
from pathlib import Path


def give(made: int, like: Path) -> None:
    """Have the file that the descriptor `made` stands for belong to the owner of `like`. Never by
    name: whoever has the folder could have put a link in its place, to a file of root's. Where this
    user may not do that it stays as it is. Raises OSError where one of them cannot be looked at.
    """
    owner = os.stat(like)  # noqa: PTH116  # as below, where it is a descriptor
    if os.stat(made).st_uid != owner.st_uid:
        with suppress(PermissionError):
            os.chown(made, owner.st_uid, owner.st_gid)
