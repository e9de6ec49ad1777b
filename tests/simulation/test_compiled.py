"""The same stories and the same strangers with the server as it is installed: compiled, where the
environment is not a developer's.

Owns the comparison. The source is what all other simulated stories are of; here it is shown that
the compiler changed nothing in what happens, and that no memory is lost track of.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT
from tests.simulation import hearsay
from tests.simulation.play import play
from tests.simulation.story import Story, make

STORIES = 60
PROGRAM = """
import gc
import actors.room_state
from tests.simulation.test_compiled import FACTS
gc.set_threshold(50, 2, 2)  # whatever is counted wrongly, a collection falls over
print(*FACTS["{facts}"](), sep="\\n")
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


FACTS: dict[str, Callable[[], Iterable[str]]] = {
    "stories": digests,
    "strangers": hearsay.digests,
}


@pytest.mark.parametrize("facts", FACTS)
def test_it_goes_the_same_way_with_what_is_installed(facts: str) -> None:
    """To the last byte on every link, every entry of the log and every look at the server; and
    whatever a stranger says.
    """
    path = f"{sysconfig.get_path('purelib')}{os.pathsep}{ROOT}"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM.format(facts=facts)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    *theirs, place = done.stdout.splitlines()
    assert Path(place).parent.name == "actors"
    assert theirs == list(FACTS[facts]())
    assert len(set(theirs)) >= STORIES
