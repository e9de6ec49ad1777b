"""Stories told to the real server: fixed seeds, fresh ones, and those that once failed.

A fresh seed that fails is printed with its shrunken story; put it into `stories/` and it stays.
"""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT
from tests.simulation.__main__ import main
from tests.simulation.play import Outcome, play
from tests.simulation.shrink import shrink
from tests.simulation.story import DEEDS, FAULTS, IDENTITY, make, parse

FIXED = 240
COUNTED = 60
FRESH = 40
AT_ONCE = 20
KEPT = sorted(Path(__file__).with_name("stories").glob("*.json"))

DIGESTS = """
from tests.simulation.play import play
from tests.simulation.story import make
for seed in range(12):
    print(seed, play(make(str(seed))).digest)
"""


def told(outcome: Outcome) -> str:
    """A failure as a person wants to read it."""
    shortest = shrink(outcome, tries_max=300)
    return "\n".join([f"seed {outcome.story.seed}", *shortest.words(), shortest.story.text()])


@pytest.mark.rule(
    "G1.4", "G2.2", "G4.1", "G4.3", "G6.3", "G6.6", "G7.5", "C4.6", "P1.1", "P2.1", "P2.2"
)
@pytest.mark.parametrize("first", range(COUNTED, FIXED, AT_ONCE))
def test_no_promise_is_broken_in_stories_of_fixed_seeds(first: int) -> None:
    """The same in every run. The first of them are told by the next test."""
    for seed in range(first, first + AT_ONCE):
        outcome = play(make(str(seed)))
        assert outcome.violation is None, told(outcome)


def test_all_that_can_happen_does_happen() -> None:
    """In the fixed stories: every deed, every fault, and what they are to bring about; and no
    promise is broken by it.
    """
    kinds: set[str] = set()
    sums = Outcome(make("sum"))
    for seed in range(COUNTED):
        outcome = play(make(str(seed)))
        assert outcome.violation is None, told(outcome)
        kinds |= {step.kind for step in outcome.story.steps}
        sums.deaths += outcome.deaths
        sums.lost_writes += outcome.lost_writes
        sums.raised += outcome.raised
        sums.replayed += outcome.replayed
        sums.events += outcome.events
        sums.deliveries += outcome.deliveries
    assert kinds == {*DEEDS, *IDENTITY, *FAULTS}
    assert sums.deaths > 100
    assert sums.lost_writes > 3
    assert sums.raised > 50
    assert sums.replayed > 50
    assert sums.events > 3000
    assert sums.deliveries > 20_000


@pytest.mark.rule("G1.4", "G2.2")
def test_no_promise_is_broken_in_fresh_stories() -> None:
    """Different in every run."""
    first = secrets.randbelow(10**9)
    for seed in range(first, first + FRESH):
        outcome = play(make(f"fresh {seed}"))
        assert outcome.violation is None, told(outcome)


@pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])
def test_a_story_that_once_failed_fails_no_more(path: Path) -> None:
    """Shrunken as it was found."""
    outcome = play(parse(path.read_text("utf-8")))
    assert outcome.violation is None, "\n".join(outcome.words())


def test_the_same_story_goes_the_same_way_in_another_process() -> None:
    """Whatever the order of its sets and the addresses of its objects: nothing in the product
    depends on chance, on identity, or on the time of day.
    """
    said = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(set(said[0].split())) == 24


def test_a_story_survives_its_way_through_a_file() -> None:
    """As text and back, it has the same outcome; a shorter one has another."""
    story = make("file")
    assert parse(story.text()) == story
    assert play(parse(story.text())).digest == play(story).digest
    assert play(story.shortened(story.steps[:50])).digest != play(story).digest


def test_a_failure_is_shrunk_to_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """And told in plain words; the shorter story breaks the same promise."""
    monkeypatch.setattr("tests.simulation.inspection.Inspection.look", _no_talking)
    outcome = next(found for seed in range(20) if (found := play(make(f"shrink {seed}"))).violation)
    shortest = shrink(outcome)
    assert (shortest.violation or "").startswith("somebody talked")
    assert len(shortest.story.steps) <= 3
    told = "\n".join(shortest.words())
    assert "says something" in told or "messages at once" in told


def _no_talking(inspection: object) -> None:
    world = inspection._world  # type: ignore[attr-defined]
    if any(person._said for person in world.people):
        raise AssertionError("somebody talked")


def test_the_command_tells_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps, faults and broken promises; 0 where there was none."""
    assert main(["--seeds", "3", "--first", "7", "--steps", "50"]) == 0
    said = capsys.readouterr().out
    assert "3 stories" in said
    assert "150 steps" in said
    assert "promises broken: 0" in said
    assert main(["--seed", "7", "--steps", "20"]) == 0
    assert "Every promise was kept." in capsys.readouterr().out


def test_the_command_explains_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the seed, the story in plain words, and the way to tell it again."""
    monkeypatch.setattr("tests.simulation.inspection.Inspection.look", _no_talking)
    assert main(["--seeds", "20", "--first", "7", "--keep", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "somebody talked" in said
    assert "-m tests.simulation --story" in said
    assert "--steps 240" in said
    (kept,) = tmp_path.glob("*.json")
    assert main(["--story", str(kept)]) == 1


def test_the_command_says_what_it_cannot_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In one line, with an exit code of its own."""
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"seed": 1}', "utf-8")
    for option in ("--story", "--recording"):
        for path in (wrong, tmp_path / "nowhere"):
            assert main([option, str(path)]) == 2
            assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(SystemExit):
        main(["--seed", "1", "--story", str(wrong)])
    with pytest.raises(SystemExit):
        main(["--jobs", "0"])
