"""The inputs that are kept with the source: one line each, in a file for each target.

`kept.jsonl` has the shortest inputs known that together show everything known; it is made anew by
`python -m tests.fuzz --keep`. `found.jsonl` has those that once showed a bug, and only grows.
Bytes are written as the characters of the same numbers, so that requests and frames can be read.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.fuzz.connection import Streams
from tests.fuzz.decoder import Decoder
from tests.fuzz.engine import STEERING, Kept, Target

FOLDER: Final = Path(__file__).parent / "corpus"
TARGETS: Final[dict[str, Target]] = {each.name: each for each in (Decoder(), Streams())}


def read(target: Target, folder: Path = FOLDER) -> list[Kept]:
    """What is kept for `target`, and what was found with it."""
    kept = []
    for name in ("kept.jsonl", "found.jsonl"):
        path = folder / target.name / name
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        kept += [
            Kept(line["input"].encode("latin-1"), frozenset(line["shows"]))
            for line in map(json.loads, lines)
        ]
    return kept


def write(target: Target, kept: Iterable[Kept], folder: Path = FOLDER) -> int:
    """Replace `kept.jsonl`; how many lines it has."""
    lines = []
    for each in kept:
        shows = sorted(one for one in each.shows if not one.startswith(STEERING))
        lines.append(json.dumps({"shows": shows, "input": each.data.decode("latin-1")}) + "\n")
    (folder / target.name).mkdir(parents=True, exist_ok=True)
    (folder / target.name / "kept.jsonl").write_text("".join(lines), "utf-8")
    return len(lines)
