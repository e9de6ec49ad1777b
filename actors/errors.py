"""Every expected "no" as one small tree: the wire's code, whether to try again, and when.

A refusal leaves everything as it was and never ends a connection or a room. What is not in this
tree is a fault: a bug or a broken dependency, caught only by a mailbox's turn or a connection.
"""

from typing import ClassVar, Final


class Refusal(Exception):
    """An expected "no". `code` is the wire's; `retryable`: the same request may later succeed.

    `retry_after_ms` (>= 0) is a hint for when, None where none can be given.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    quotes: ClassVar[bool] = False
    """The message has something that somebody wrote: it is for who asked, and not for the log."""

    def __init__(self, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message: Final = message
        self.retry_after_ms: Final = retry_after_ms


class BadMessage(Refusal):
    """The frame is not a request: not JSON, not an object, or `field` is missing or misshapen."""

    code = "badMessage"

    def __init__(self, field: str | None, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}" if field else f"expected {expected}")
        self.field: Final = field


class UnsupportedType(Refusal):
    """`type` is a string, but no request of this protocol."""

    code = "unsupportedType"


class Unauthenticated(Refusal):
    """The session has not said who it is."""

    code = "unauthenticated"
    retryable = True


class Forbidden(Refusal):
    """The session may not do this, now or later."""

    code = "forbidden"


class Banned(Forbidden):
    """The room has banned the user; the message has the reason that was given."""

    quotes = True


class RoomFull(Refusal):
    """`players_max` are seated, lost ones included."""

    code = "roomFull"
    retryable = True


class RoomClosed(Refusal):
    """The room kept crashing and rests."""

    code = "roomClosed"
    retryable = True


class NotInRoom(Refusal):
    """The request needs the room that the session is not in."""

    code = "notInRoom"


class RateLimited(Refusal):
    """Over a limit of this connection."""

    code = "rateLimited"
    retryable = True


class StaleSequence(Refusal):
    """The `sequenceId` is below the newest and no longer remembered."""

    code = "staleSequence"


class ResumeExpired(Refusal):
    """The token is forged, another's, outdated, or its player is gone. Join afresh."""

    code = "resumeExpired"


class Unavailable(Refusal):
    """A bound of the server was reached or a deadline passed; nothing took effect."""

    code = "unavailable"
    retryable = True


class Internal(Refusal):
    """This request made its room crash; it was dropped and the room restarted."""

    code = "internal"


REFUSALS: Final[tuple[type[Refusal], ...]] = (
    BadMessage,
    UnsupportedType,
    Unauthenticated,
    Forbidden,
    RoomFull,
    RoomClosed,
    NotInRoom,
    RateLimited,
    StaleSequence,
    ResumeExpired,
    Unavailable,
    Internal,
)
"""All of them, so that metrics and tests can name each code."""
