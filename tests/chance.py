"""Numbers that are others in every run: what this run looks at that no run has looked at before.

Owns when they are the same after all: where CI is set, so that what passed there passes again.
"""

import os
import secrets
from typing import Final

IS_REPEATED: Final = bool(os.environ.get("CI"))
"""Every run is like the one before."""


def fresh(below: int) -> int:
    """A number from 0 on and less than `below`, at random; always 0 where runs are repeated."""
    return 0 if IS_REPEATED else secrets.randbelow(below)
