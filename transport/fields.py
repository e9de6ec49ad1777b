"""The fields that several requests have: each read in one place, and refused in the same words.

Owns their bounds. Each function takes the whole object, or the part of it that has the field; a
refusal is a BadMessage that names the field, as `shown` where that is not its own name.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from actors.errors import BadMessage
from actors.ids import NAME_EXPECTED, ROOM_ID_EXPECTED, RoomId, parse_name, parse_room_id
from actors.players import Coordinate

COORDINATE_MAX: Final = 1e9
INTEGER_MAX: Final = 2**53 - 1

Fields = Mapping[str, Any]


def room_id_in(fields: Fields) -> RoomId:
    """`roomId`, which must be there."""
    room_id = parse_room_id(fields.get("roomId"))
    if room_id is None:
        raise BadMessage("roomId", ROOM_ID_EXPECTED)
    return room_id


def name_in(fields: Fields, field: str) -> str | None:
    """A user's or display name, or what is to be as harmless; None where there is none."""
    value = fields.get(field)
    if value is None:
        return None
    parsed = parse_name(value)
    if parsed is None:
        raise BadMessage(field, NAME_EXPECTED)
    return parsed


def coordinate_in(fields: Fields, field: str, shown: str | None = None) -> Coordinate:
    """A number, which must be there; whole ones stay so."""
    value: Any = fields.get(field)
    # The comparison is False for NaN, and it bounds infinities and large integers alike.
    is_number = type(value) is float or type(value) is int
    if is_number and -COORDINATE_MAX <= value <= COORDINATE_MAX:
        return cast(Coordinate, value)
    raise BadMessage(shown or field, "a finite number within ±1e9")


def integer_in(fields: Fields, field: str, *, required: bool = True) -> int | None:
    """A counter; None only where it is not `required`."""
    value = fields.get(field)
    if value is None and not required:
        return None
    if type(value) is not int or not 0 <= value <= INTEGER_MAX:
        raise BadMessage(field, f"an integer from 0 to {INTEGER_MAX}")
    return value


def flag_in(fields: Fields, field: str) -> bool | None:
    """None where there is none."""
    value = fields.get(field)
    if value is not None and type(value) is not bool:
        raise BadMessage(field, "true or false")
    return value
