"""What one setting may be: its type, bounds and spelling, and the sentence that says so. PURE.

Owns how a value is read from text or TOML and when it is refused. Knows no setting by name;
`settings.py` holds the table.
"""

import math
import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

DEFAULT: Final = "default"
"""The source of a value that nobody gave."""
ENV_PREFIX: Final = "VAULTMEET_"
_SWITCHES: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_GIVEN_CHARS_SHOWN_MAX: Final = 200


class Group(Enum):
    """The headings of the help, in its order."""

    LISTENING = "listening"
    IDENTITY = "identity"
    STORAGE = "storage"
    ROOMS = "rooms"
    CONNECTIONS = "limits of one connection"
    FURTHER = "further limits, off unless set"
    LIVENESS = "heartbeats and losses"
    SUPERVISION = "checks and restarts"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Rule:
    """Meaning and bounds, beside the type in a setting's annotation.

    `low` and `high` (both allowed) bound numbers. `pattern` holds for a whole text, or for each
    part of a list; `expected` says it in words.
    """

    group: Group
    about: str
    low: float = -math.inf
    high: float = math.inf
    pattern: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: `name` is the TOML key, flag and environment name follow from it."""

    name: str
    type: type
    default: object
    rule: Rule

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.name.upper()

    @property
    def choices(self) -> tuple[StrEnum, ...]:
        """The values of a choice, nothing for other types."""
        return tuple(self.type) if issubclass(self.type, StrEnum) else ()

    @property
    def bounds(self) -> str:
        """`low to high` of a number, else nothing."""
        return f"{self.rule.low} to {self.rule.high}" if self.type in {int, float} else ""

    @property
    def expected(self) -> str:
        """The values allowed, in words."""
        if self.type is int:
            return f"a whole number, {self.bounds}"
        if self.type is float:
            return f"a number, {self.bounds}"
        if self.type is bool:
            return "true or false"
        return self.rule.expected or " or ".join(self.choices)

    def accepts(self, value: object) -> bool:
        """Whether type and bounds are right. A comparison with NaN is false, so NaN is refused."""
        rule = self.rule
        if isinstance(value, bool) or self.type is bool:
            return self.type is bool and isinstance(value, bool)
        if self.type in {int, float}:
            fits = isinstance(value, int) or (self.type is float and isinstance(value, float))
            return fits and rule.low <= value <= rule.high  # type: ignore[operator]  # a number by now
        if self.type is tuple:
            return isinstance(value, tuple) and all(
                isinstance(part, str) and re.fullmatch(rule.pattern, part) for part in value
            )
        if self.choices:
            return isinstance(value, self.type)
        return isinstance(value, str) and re.fullmatch(rule.pattern, value) is not None

    def read(self, raw: object) -> object:
        """`raw`, as a flag, the environment or TOML has it, as the setting's type.

        Text is read in the type's spelling; what cannot be read comes back as it was, for `accepts`
        to refuse. Where a fraction is allowed, a whole number is an int all the same. The parts of
        a list are in lower case, as browsers send them.
        """
        if self.type is tuple and isinstance(raw, list | str):
            parts = raw.split(",") if isinstance(raw, str) else raw
            lower = (part.strip().lower() if isinstance(part, str) else part for part in parts)
            return tuple(part for part in lower if part != "")
        if self.type is float and isinstance(raw, str | float):
            try:
                number = float(raw)
            except ValueError:
                return raw
            return int(number) if number.is_integer() else number
        if not isinstance(raw, str) or self.type is str:
            return raw
        text = raw.strip()
        if self.type is bool:
            return _SWITCHES.get(text.lower(), raw)
        if self.type is int:
            return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else raw
        return next((choice for choice in self.choices if choice == text), raw)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a setting: what was given, what is expected, and where it came from."""

    name: str
    given: object
    source: str
    expected: str

    def __str__(self) -> str:
        given = str(self.given) if isinstance(self.given, StrEnum) else self.given
        # repr keeps it on one line and free of terminal escapes.
        shown = repr(list(given) if isinstance(given, tuple) else given)
        if len(shown) > _GIVEN_CHARS_SHOWN_MAX:
            shown = shown[:_GIVEN_CHARS_SHOWN_MAX] + "…"
        return f"{self.name}: given {shown}, expected {self.expected} ({self.source})"
