"""Whose a file is: that of the folder around it, whoever makes it.

Owns that alone. A command may be run by another user than the server, root for instance; what it
leaves is for the server to read, write and remove.
"""

import os
from contextlib import suppress
from pathlib import Path


def give(made: Path | int, like: Path) -> None:
    """Have the file, or the one that a descriptor stands for, belong to the owner of `like`. Where
    this user may not do that it stays as it is. Raises OSError where one of them cannot be looked
    at.
    """
    owner = os.stat(like)  # noqa: PTH116  # as below, where it may be a descriptor
    if os.stat(made).st_uid != owner.st_uid:  # noqa: PTH116
        with suppress(PermissionError):
            os.chown(made, owner.st_uid, owner.st_gid)
