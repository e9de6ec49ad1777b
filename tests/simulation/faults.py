"""Rooms and sessions that raise when a story says so.

Owns where in the real code that happens: the product has no door for it, so the methods are wrapped
for as long as a world is told. A fuse is lit by a step and burns at the n-th passage of its place,
and a few more times at those after it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from actors.publication import Publication
from actors.seating import HANDLERS, Seating
from transport.encoding import WireEncoder
from transport.session import Session


class Planted(Exception):
    """A fault that the story asked for."""


@dataclass(slots=True)
class Fuse:
    """`where` is a place of `story.WHERE`, empty while nothing is lit."""

    where: str = ""
    left: int = 0
    times: int = 1
    """How often it burns: a room that keeps failing is closed."""
    burnt: int = 0
    """How often something was made to raise."""
    burnt_where: str = ""
    """At which place that was last."""

    def light(self, where: str, passages: int, times: int = 1) -> None:
        self.where, self.left, self.times = where, passages, times

    def pass_by(self, where: str) -> None:
        """Raises Planted where it is time."""
        if self.where == where:
            self.left -= 1
            if self.left <= 0:
                self.burnt_where = where
                self.times -= 1
                if self.times <= 0:
                    self.where = ""
                self.burnt += 1
                raise Planted(where)


@contextmanager
def flammable(fuse: Fuse) -> Iterator[None]:
    """While this lasts, `fuse` can make the product raise."""

    def around(method: Callable[..., Any], before: str, after: str = "") -> Callable[..., Any]:
        def wrapped(self: Any, *args: Any) -> Any:
            if not fuse.where:
                return method(self, *args)
            fuse.pass_by(before)
            result = method(self, *args)
            if after:
                fuse.pass_by(after)
            return result

        return wrapped

    places: list[tuple[type, str, tuple[str, ...]]] = [
        (Seating, "move", ("taking a message", "a message taken")),
        (Publication, "publish", ("publishing",)),
        (WireEncoder, "event", ("encoding",)),
        (WireEncoder, "state", ("encoding",)),
        (WireEncoder, "moves", ("encoding",)),
        (Session, "_dispatch", ("a session",)),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    handlers = dict(HANDLERS)
    try:
        for owner, name, where in places:
            setattr(owner, name, around(getattr(owner, name), *where))
        for kind, handler in handlers.items():
            HANDLERS[kind] = around(handler, "taking a message", "a message taken")
        yield
    finally:
        HANDLERS.update(handlers)
        for owner, name, original in originals:
            setattr(owner, name, original)
