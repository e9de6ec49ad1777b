"""Who runs this process, as the system knows it.

Owns the reading of that. `loginUid` is who logged in, also behind sudo or su, where the system
keeps it (audit_setloginuid; proc(5), /proc/pid/loginuid).
"""

import os
import pwd
from contextlib import suppress
from pathlib import Path
from typing import Final

_LOGIN_UID: Final = Path("/proc/self/loginuid")
_NOBODY: Final = 2**32 - 1
"""The login user of what no login has begun."""


def caller() -> dict[str, object]:
    """`uid`, its name where it has one, `pid`, and `loginUid` where that is another."""
    uid = os.getuid()
    told: dict[str, object] = {"uid": uid, "pid": os.getpid()}
    with suppress(KeyError):
        told["user"] = pwd.getpwuid(uid).pw_name
    with suppress(OSError, ValueError):
        login = int(_LOGIN_UID.read_text(encoding="ascii"))
        if login not in {uid, _NOBODY}:
            told["loginUid"] = login
    return told
