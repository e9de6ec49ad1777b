"""Steps and errors of a recording, in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]


def words(step: Document) -> str:
    """A step in plain words."""
    parts = [str(step["do"]), str(step.get("socketId", ""))]
    parts += [f"({', '.join(step['flags'])})"] if step.get("flags") else []
    return " ".join(part for part in parts if part)


def error_line(error: Document | None) -> str | None:
    """An error as its type and the innermost place."""
    if error is None:
        return None
    places: Sequence[str] = error["places"]
    return f"{error['type']} in {places[-1]}" if places else str(error["type"])
