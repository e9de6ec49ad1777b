"""Values: plain data that nobody changes once it is made.

The type checker holds that (PEP 681), not the interpreter at each assignment: to make an instance
of a frozen dataclass takes three to four times as long, and a room makes a dozen for each join.

What is made or read for each message, in a compiled module, is spelled out instead: a dataclass
with an `__init__` of its own and `Final` fields. The compiler makes a native class of that, four
times as fast to make; of what `value` decorates, or the library's `__init__`, it does not. Nor does
it find the name of a field that is plainly an `object`: `Final[object]` is one.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """As `dataclass(frozen=True, slots=True)`; equal and hashed by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
