"""Values: plain data that nobody changes once it is made.

The type checker holds that (PEP 681), not the interpreter at each assignment: to make an instance
of a frozen dataclass takes three to four times as long, and a room makes a dozen for each join.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """As `dataclass(frozen=True, slots=True)`; equal and hashed by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
