"""`vaultmeet`, with one thing more: on SIGUSR2 it collects its garbage.

What a session leaves behind refers to itself, so it stays until Python's collector comes by, which
is seldom. Between two visits live objects cannot be told from dead ones; a soak makes it come. This
is the process that a soak runs; nothing else of it is changed.
"""

from __future__ import annotations

import gc
import signal
import sys

from transport.cli import main

if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, lambda *_: gc.collect())
    sys.exit(main())
