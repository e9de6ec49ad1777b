"""What went wrong, said without quoting anybody. PURE.

Owns how a fault, and the message that a room or the registry failed on, show in logs and
recordings. The text of an error may quote whatever a client sent, and the fields of a message are
that: names, attributes, users who hide. So of an error there are its type and its places in the
code, and of a message its kind and whom it came from.
"""

from typing import Final

PLACES_MAX: Final = 16
"""Of what was raised so many places are told, the innermost."""
_SHOWN: Final = ("outlet", "room_id", "socket_id", "epoch", "version", "reason")
"""Fields of messages that name sessions, rooms and versions, and nobody."""
_DESCRIBED_CHARS_MAX: Final = 1000


class SaysNothingPersonal:
    """Mixed into exceptions whose text is of our own making: sessions, rooms, files, numbers."""


class Inconsistent(SaysNothingPersonal, Exception):
    """A self-check found breaches: a fault, healed by a restart."""


def places_of(error: BaseException) -> list[str]:
    """Where it was raised, the innermost last: `folder/file.py:12 Class.method`. In a module that
    was compiled the name of the class is missing.
    """
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        file = "/".join(code.co_filename.replace("\\", "/").split("/")[-2:])
        places.append(f"{file}:{step.tb_lineno} {code.co_qualname}")
        step = step.tb_next
    return places[-PLACES_MAX:]


def text_of(error: BaseException) -> str | None:
    """What it says, where that quotes nobody."""
    return str(error) if isinstance(error, SaysNothingPersonal) else None


def explained(error: BaseException) -> str:
    """For the log: type, text where that quotes nobody, and the innermost places."""
    text = text_of(error)
    said = f"{type(error).__qualname__}({text!r})" if text else type(error).__qualname__
    return " in ".join([said, *reversed(places_of(error)[-3:])])[:_DESCRIBED_CHARS_MAX]


def described(message: object) -> str:
    """For the log: the kind of message, and what of its fields names nobody."""
    shown = []
    for name in _SHOWN:
        try:
            if hasattr(message, name):
                shown.append(f"{name}={getattr(message, name)!r}")
        except Exception as error:  # noqa: BLE001  # a repr is anybody's code
            shown.append(f"{name}: {type(error).__name__}")
    return f"{type(message).__name__}({', '.join(shown)})"[:_DESCRIBED_CHARS_MAX]
