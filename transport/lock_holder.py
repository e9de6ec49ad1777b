"""Whether a process has a file open, as the system knows it.

Owns the reading of that. A lock file names its holder by a number, and that may be a lie: the file
may be another user's, or be seen from another container, where the number is somebody else's.
"""

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def has_open(pid: int, path: Path, proc: Path = _PROC) -> bool:
    """By `/proc/pid/fd`, or by `/proc/locks` where that is not for this user to see (proc(5)): a
    process with capabilities, say. Where the system has neither the number is believed.
    """
    if not (proc / "self" / "fd").is_dir():
        return True
    try:
        wanted = path.stat()
    except OSError:
        return False
    try:
        return any(_is(fd, wanted) for fd in (proc / f"{pid}" / "fd").iterdir())
    except PermissionError:
        return _has_locked(pid, wanted, proc)
    except OSError:
        return False


def _is(fd: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(fd.stat(), wanted)
    except OSError:
        return False  # closed by now


def _has_locked(pid: int, wanted: os.stat_result, proc: Path) -> bool:
    """`3: FLOCK ADVISORY WRITE 15334 fe:00:2155758 0 EOF`. Not by the device, which some file
    systems have two numbers for.
    """
    try:
        lines = (proc / "locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    fields = [line.split() for line in lines]
    return any(
        each[1] == "FLOCK" and each[4] == str(pid) and each[5].endswith(f":{wanted.st_ino}")
        for each in fields
        if len(each) >= 6 and each[1] != "->"
    )
