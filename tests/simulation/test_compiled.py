"""The same stories with the server as it is installed: compiled, where the environment is not a
developer's.

Owns the comparison. The source is what all other simulated stories are of; here it is shown that
the compiler changed nothing in what happens, and that no memory is lost track of.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tests.house.sources import ROOT
from tests.simulation.play import play
from tests.simulation.story import Story, make

STORIES = 60
PROGRAM = """
import gc
import actors.room_state
from tests.simulation.test_compiled import digests
gc.set_threshold(50, 2, 2)  # whatever is counted wrongly, a collection falls over
print(*digests(), sep="\\n")
print(actors.room_state.__file__)
"""


def sound(story: Story) -> Story:
    """Without planted exceptions, which reach no method that one compiled module calls in another
    (tests/simulation/faults.py).
    """
    return story.shortened([step for step in story.steps if step.kind != "room raises"])


def digests() -> Iterator[str]:
    """What came of each story."""
    for seed in range(STORIES):
        yield play(sound(make(str(seed)))).digest


def test_a_story_goes_the_same_way_with_what_is_installed() -> None:
    """To the last byte on every link, every entry of the log and every look at the server."""
    path = f"{sysconfig.get_path('purelib')}{os.pathsep}{ROOT}"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    *theirs, place = done.stdout.splitlines()
    assert Path(place).parent.name == "actors"
    assert theirs == list(digests())
    assert len(set(theirs)) == STORIES
