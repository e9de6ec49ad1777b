"""The catalogue of planted bugs, read from `catalogue.toml`."""

import tomllib
from pathlib import Path
from typing import Final

from tests.simulation.mutants import Mutant

CATALOGUE: Final = tuple(
    Mutant(**fields)
    for fields in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["mutant"]
)
