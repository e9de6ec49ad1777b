"""What a room answers to who asked. PURE: plain values.

One is made for each request, so they spell out how they are made (values.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actors.errors import Refusal
from actors.history import Verdict
from actors.permissions import Grant
from actors.records import LONG_KEPT, Stamp


@dataclass(init=False, slots=True, unsafe_hash=True)
class Joined:
    """The whole state for a member that joined. `serial` and `stamp` go into its token;
    `fresh` is False where the session sat there already; `succeeds` is the outlet whose session
    this one takes over, when it is the answer to a resume.
    """

    state: Final[bytes]
    version: Final[int]
    serial: Final[int]
    fresh: Final[bool]
    succeeds: Final[object]
    stamp: Final[Stamp]

    def __init__(
        self,
        state: bytes,
        version: int,
        serial: int,
        fresh: bool = True,
        succeeds: object = None,
        stamp: Stamp = LONG_KEPT,
    ) -> None:
        self.state = state
        self.version = version
        self.serial = serial
        self.fresh = fresh
        self.succeeds = succeeds
        self.stamp = stamp


@dataclass(init=False, slots=True, unsafe_hash=True)
class Resumed:
    """What the member missed, in order, already encoded."""

    missed: Final[Sequence[bytes]]
    positions: Final[bytes]
    epoch: Final[int]
    version: Final[int]
    checksum: Final[str]
    last_validated_ms: Final[int]
    serial: Final[int]
    succeeds: Final[object]
    stamp: Final[Stamp]

    def __init__(
        self,
        missed: Sequence[bytes],
        positions: bytes,
        epoch: int,
        version: int,
        checksum: str,
        last_validated_ms: int,
        serial: int,
        succeeds: object,
        stamp: Stamp = LONG_KEPT,
    ) -> None:
        self.missed = missed
        self.positions = positions
        self.epoch = epoch
        self.version = version
        self.checksum = checksum
        self.last_validated_ms = last_validated_ms
        self.serial = serial
        self.succeeds = succeeds
        self.stamp = stamp


@dataclass(init=False, slots=True, unsafe_hash=True)
class Done:
    """The request is done, as of `version`."""

    version: Final[int]

    def __init__(self, version: int) -> None:
        self.version = version


@dataclass(init=False, slots=True, unsafe_hash=True)
class Described:
    """The whole state, as asked."""

    state: Final[bytes]

    def __init__(self, state: bytes) -> None:
        self.state = state


@dataclass(init=False, slots=True, unsafe_hash=True)
class Validated:
    """`state` is encoded with the players when the verdict is not valid, else without."""

    verdict: Final[Verdict]
    state: Final[bytes]

    def __init__(self, verdict: Verdict, state: bytes) -> None:
        self.verdict = verdict
        self.state = state


@dataclass(init=False, slots=True, unsafe_hash=True)
class Permitted:
    """What one may do in a room, by the token and by the room's rules."""

    grant: Final[Grant]

    def __init__(self, grant: Grant) -> None:
        self.grant = grant


@dataclass(init=False, slots=True, unsafe_hash=True)
class Left:
    """The session is not in the room, as of `version`."""

    version: Final[int]

    def __init__(self, version: int) -> None:
        self.version = version


@dataclass(init=False, slots=True, unsafe_hash=True)
class Refused:
    """The request had no effect. `unasked`: it was a move, which awaits no answer."""

    refusal: Final[Refusal]
    unasked: Final[bool]

    def __init__(self, refusal: Refusal, unasked: bool = False) -> None:
        self.refusal = refusal
        self.unasked = unasked


Answer = Joined | Resumed | Done | Described | Validated | Permitted | Left | Refused
