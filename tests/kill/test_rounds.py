"""A few rounds of kill and restart, the same in every run as far as a random moment can be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.kill.campaign import campaign
from tests.kill.rotating import Rotating


@pytest.mark.rule("T3.5")
@pytest.mark.parametrize("durability", ["fast", "journal"])
def test_a_server_that_is_killed_while_its_key_is_rotated_loses_nothing(
    tmp_path: Path, durability: str
) -> None:
    """A new seal key after each round, in the midst of which the server is killed."""
    rotating = Rotating(tmp_path / "seal.keys", tmp_path / "data")
    reports = asyncio.run(
        campaign(
            tmp_path / "data",
            durability,
            seed=11,
            rounds=3,
            tell=lambda _: rotating.rotate(),
            seal_key_file=rotating.key_file,
        )
    )
    wrong = [fault for report in reports for fault in report.violations]
    assert not wrong, "\n".join([*(r.line() for r in reports), *wrong])
    assert sum(report.resumed for report in reports) > 3
    assert rotating.added == 3


@pytest.mark.rule("G4.3", "G6.3", "G6.9", "G1.1")
@pytest.mark.parametrize(("seed", "rounds"), [(7, 2), (20_260_101, 3)])
@pytest.mark.parametrize("durability", ["fast", "journal"])
def test_a_killed_server_comes_back_with_what_it_told(
    tmp_path: Path, durability: str, seed: int, rounds: int
) -> None:
    """Twelve people churn, the server is killed, they resume: nothing is there or gone amiss."""
    reports = asyncio.run(campaign(tmp_path / "data", durability, seed=seed, rounds=rounds))
    wrong = [fault for report in reports for fault in report.violations]
    assert not wrong, "\n".join([f"seed {seed}", *(r.line() for r in reports), *wrong])
    assert sum(report.resumed for report in reports) > rounds
