"""Tokens of a limit, counted once more for the model of a session."""

from dataclasses import dataclass, field
from math import ceil


@dataclass(slots=True)
class Bucket:
    """What may be done how often."""

    per_s: float
    burst: float
    at_s: float
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.burst

    def take(self, now_s: float) -> bool:
        self.left = min(self.burst, self.left + (now_s - self.at_s) * self.per_s)
        self.at_s = now_s
        enough = self.left >= 1
        self.left -= enough
        return enough

    def wait_s(self) -> float:
        return max(1, ceil((1 - self.left) / self.per_s * 1000)) / 1000
