"""The seal keys of a folder whose server is killed over and over: one more after each round.

Owns the file of the keys. Keys are dropped as an operator would, when the command allows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actors.settings import Settings
from transport.commands import rotate_key


@dataclass
class Rotating:
    """`key_file` is made with a first key."""

    key_file: Path
    data_dir: Path
    added: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        done, told = self._rotate("init")
        assert done, told

    def rotate(self) -> None:
        """Drop the keys that nothing uses, if there are such, and add one."""
        dropped, _ = self._rotate("drop-old")
        self.dropped += dropped
        added, told = self._rotate("add")
        assert added or "first drop with --drop-old" in told, told
        self.added += added

    def _rotate(self, turn: str) -> tuple[bool, str]:
        settings = Settings(seal_key_file=str(self.key_file), data_dir=str(self.data_dir))
        done, told, _ = rotate_key(settings, "", turn)
        return done, told
