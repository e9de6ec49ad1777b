"""What holds for all tests: random histories are judged by what happens in them, never by time.

Where CI is set the histories are the same in every run, so that one that passed passes again;
elsewhere each run looks at new ones.
"""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

settings.register_profile(
    "untimed",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")

# Servers are started by the hundred, and would be compiled each time where nothing is written
# beside the sources: their bytecode is kept with the environment then.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix, "bytecode"))
