"""The fuzzer itself: tries inputs, keeps those that show something new, shrinks those that fail.

Knows no target: one is a few methods. An input is known by its behaviours, a set of short words;
what begins with `~` steers the search and is not written down, since it changes with the wording
of libraries or with the line numbers of the product.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

SHRINK_RUNS_MAX: Final = 200
"""An input that is still long after so many attempts stays so."""
STEERING: Final = "~"

Behaviours = frozenset[str]


class Target(Protocol):
    """What is fuzzed. `run` raises whatever shows a bug: an AssertionError of its own, or anything
    that came out of the product.
    """

    @property
    def name(self) -> str: ...

    def seeds(self) -> Iterable[bytes]:
        """Inputs to begin with, beside the corpus."""
        ...

    def mutate(self, rng: Random, data: bytes, other: bytes) -> bytes: ...

    def fixed(self, data: bytes) -> int:
        """So much of the beginning is not worth being shrunk."""
        ...

    def run(self, data: bytes) -> Behaviours: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """An input, and what it was the first to show."""

    data: bytes
    shows: Behaviours


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that shows a bug, shrunk; `found_at` is how many inputs that took."""

    data: bytes
    what: str
    found_at: int


@dataclass(slots=True)
class Campaign:
    """A search with one target: what it knows, and how far it is."""

    target: Target
    rng: Random
    shrinks: bool = True
    """Whether what is kept is made small first, which takes longer than to find it."""
    known: set[str] = field(default_factory=set)
    kept: list[Kept] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    """By their kind: the first of each."""
    inputs: int = 0
    fresh: int = 0
    """Of `kept`, so many were not in the corpus."""

    def begin(self, corpus: Sequence[bytes]) -> None:
        """Replay what is known; a corpus is small already."""
        shrinks, self.shrinks = self.shrinks, False
        for data in corpus:
            self.attempt(data)
        self.fresh, self.shrinks = 0, shrinks
        for data in self.target.seeds():
            self.attempt(data)

    def search(self, inputs: int) -> None:
        """So many mutated inputs."""
        for _ in range(inputs):
            data = self._pick()
            self.attempt(self.target.mutate(self.rng, data, self._pick()))

    def _pick(self) -> bytes:
        """Any kept input; one of the newest as often as one of all."""
        if not self.kept:
            return b""
        newest = max(0, len(self.kept) - 40) if self.rng.random() < 0.5 else 0
        return self.kept[self.rng.randrange(newest, len(self.kept))].data

    def attempt(self, data: bytes) -> None:
        """Try one input; keep it, made as small as possible, where it shows anything new."""
        self.inputs += 1
        try:
            fresh = self.target.run(data) - self.known
        except Exception as error:  # noqa: BLE001  # whatever comes out is the finding
            self._failed(data, error)
            return
        if fresh:
            if self.shrinks:
                data = self._shrunk(data, lambda less: _shows(self.target, less, fresh))
            self.known |= fresh
            self.kept.append(Kept(data, fresh))
            self.fresh += 1

    def _failed(self, data: bytes, error: Exception) -> None:
        what = kind_of(error)
        if what in self.failures:
            return
        found_at = self.inputs
        data = self._shrunk(data, lambda less: _fails(self.target, less) == what)
        self.failures[what] = Failure(data, what, found_at)

    def _shrunk(self, data: bytes, holds: Callable[[bytes], bool]) -> bytes:
        at = self.target.fixed(data)
        return data[:at] + shrunk(data[at:], lambda less: holds(data[:at] + less))


def distilled(target: Target, inputs: Iterable[bytes]) -> list[Kept]:
    """Few and short ones of `inputs` that show all that they all show, in a stable order: the
    shortest with anything new each time, without those that all later ones make up for.
    """
    known: set[str] = set()
    chosen: list[tuple[bytes, Behaviours]] = []
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        shows = target.run(data)
        if not shows <= known:
            known |= shows
            chosen.append((data, shows))
    shown_by = Counter(each for _, shows in chosen for each in shows)
    kept = []
    known = set()
    for data, shows in chosen:
        if all(shown_by[each] > 1 for each in shows):
            shown_by.subtract(shows)
        else:
            kept.append(Kept(data, shows - known))
            known |= shows
    return kept


def kind_of(error: Exception) -> str:
    """What kind of failure it is: type, place and words, numbers and quotations left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else trace.tb_frame.f_code.co_qualname
    words = str(error).split("\n", 1)[0].split(":", 1)[0]
    return f"{type(error).__name__} in {place} {''.join(c for c in words if not c.isdigit())[:80]}"


def _shows(target: Target, data: bytes, wanted: Behaviours) -> bool:
    try:
        return wanted <= target.run(data)
    except Exception:  # noqa: BLE001  # it will be found again as itself
        return False


def _fails(target: Target, data: bytes) -> str | None:
    try:
        target.run(data)
    except Exception as error:  # noqa: BLE001  # see above
        return kind_of(error)
    return None


def shrunk(data: bytes, holds: Callable[[bytes], bool]) -> bytes:
    """A shorter input for which `holds`: ever smaller pieces of it are left out."""
    runs = 0
    size = len(data) // 2
    while size and runs < SHRINK_RUNS_MAX:
        at = 0
        while at < len(data) and runs < SHRINK_RUNS_MAX:
            less = data[:at] + data[at + size :]
            runs += 1
            if holds(less):
                data = less
            else:
                at += size
        size //= 2
    return data
