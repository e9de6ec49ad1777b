"""Files with secrets: replaced in one step, readable for their owner alone.

Owns how such a file is written, so that a crash leaves the one before or the next, whole. Knows not
what is in it.
"""

import os
from pathlib import Path


def replace_secret(path: Path, text: str) -> None:
    """Have the file hold `text`. Raises OSError, and the file is then as it was."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o600)
        if path.exists():  # whoever rotates may be another user than the server
            owner = path.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_exposed(path: Path) -> bool:
    """Others than its owner can read it. Raises OSError."""
    return bool(path.stat().st_mode & 0o077)
