"""Records as bytes: what was written is read, and nothing else is taken for a record."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.records import Record
from actors.stores.codec import (
    BodyInvalid,
    body_of,
    checksum,
    dumps,
    loads,
    plain,
    record_from,
    records_in,
)
from tests.actors.stores.rooms import delta, records, row, whole

GOOD = dumps(plain(whole(rows={"A": row("A")}, spots={"A": (1.0, 2.0, 3)}, epoch=5)))


def good() -> list[Any]:
    """A record as it comes out of JSON; reading it may take it apart."""
    value = loads(GOOD)
    assert isinstance(value, list)
    return value


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**64 - 1) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=20,
)


@given(st.lists(records(), max_size=3))
def test_what_was_written_is_read(written: list[Record]) -> None:
    """In order and whole, but for who was recalled: that is kept beside the rooms."""
    kept = deepcopy(written)
    for record in kept:
        record.recalled = ()
    assert records_in(body_of(written)) == kept
    assert records_in(body_of(written).decode()) == kept


def test_a_record_that_says_that_somebody_left_is_read() -> None:
    """None is not a player without fields."""
    (record,) = records_in(body_of([delta(rows={"A": None, "B": row("B")})]))
    assert record.rows == {"A": None, "B": row("B")}
    assert not record.whole


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, 5),
        (0, None),
        (0, ["lobby"]),
        (1, "5"),
        (1, 5.0),
        (1, None),
        (1, True),
        (2, 1.5),
        (2, "x"),
        (3, None),
        (3, []),
        (4, {}),
        (4, 1e30),
        (5, "true"),
        (5, True),
        (5, None),
        (6, None),
        (6, []),
        (6, "A"),
        (6, {"A": []}),
        (6, {"A": {}}),
        (6, {"A": "twelve chars"}),
        (6, {"A": False}),
        (6, {"A": list(row("A"))[:-1]}),
        (6, {"A": [*row("A"), 1]}),
        (7, None),
        (7, []),
        (7, {"A": None}),
        (7, {"A": [1.0, 2.0]}),
        (7, {"A": [1.0, 2.0, 3, 4]}),
        (7, {"A": "123"}),
        (7, {"A": {"x": 1}}),
    ],
)
def test_a_field_of_another_shape_is_no_record(place: int, wrong: object) -> None:
    """Each field in turn; the record without that change is one."""
    assert record_from(good()).epoch == 5
    value = good()
    value[place] = wrong
    body = dumps([good(), value])
    with pytest.raises(BodyInvalid):
        record_from(value)
    with pytest.raises(BodyInvalid):
        records_in(body)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, 5),
        (0, None),
        (1, None),
        (2, 7),
        (2, True),
        (3, []),
        (3, None),
        (4, 1.5),
        (5, "2"),
        (6, "1.0"),
        (6, None),
        (7, True),
        (8, 0),
        (9, None),
        (10, 1.0),
        (11, True),
    ],
)
def test_a_players_field_of_another_type_is_no_record(place: int, wrong: object) -> None:
    """A room would start with it and fail of it, each time that somebody comes."""
    value = good()
    value[6]["A"][place] = wrong
    with pytest.raises(BodyInvalid, match="not a player"):
        record_from(value)


@pytest.mark.parametrize("wrong", [["1", 2, 3], [1, None, 3], [1, 2, 3.0], [True, 2, 3]])
def test_a_position_of_another_type_is_no_record(wrong: list[object]) -> None:
    """As of a player."""
    value = good()
    value[7]["A"] = wrong
    with pytest.raises(BodyInvalid, match="not a position"):
        record_from(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        5,
        "record",
        good()[:-1],
        [*good(), 1],
        [good()],
        dict(enumerate(good())),
    ],
)
def test_what_is_no_list_of_eight_is_no_record(value: object) -> None:
    """One field less or more, another kind of thing."""
    with pytest.raises(BodyInvalid):
        record_from(value)


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"{}", b"null", b'"x"', b"[1]", b"[[]]", b"\xff", b"[\xc3]", b"[NaN]", "[] []"],
)
def test_a_body_that_is_no_list_of_records_is_refused(body: bytes | str) -> None:
    """Broken JSON, broken text, or JSON of something else."""
    with pytest.raises(BodyInvalid):
        records_in(body)


@given(anything)
def test_any_value_is_a_record_or_invalid(value: object) -> None:
    """No other error comes out."""
    for body in (dumps(value), dumps([value])):
        try:
            assert all(isinstance(record, Record) for record in records_in(body))
        except BodyInvalid:
            continue


@given(st.integers(0, 7), anything)
def test_any_field_leaves_a_record_or_an_invalid_one(place: int, wrong: object) -> None:
    """As above, so near to a record that the later checks are reached."""
    value = good()
    value[place] = wrong
    try:
        record = record_from(value)
    except BodyInvalid:
        return
    assert records_in(body_of([record])) == [record]


@given(st.binary(max_size=40))
def test_any_bytes_are_records_or_invalid(body: bytes) -> None:
    """Also where they are no text at all."""
    try:
        records_in(body)
    except BodyInvalid:
        return


def test_a_checksum_is_of_the_bytes_and_of_their_place() -> None:
    """Any one bit, the place, and the border between the two."""
    body = body_of([whole(rows={"A": row("A")})])
    right = checksum("journal 1", body)
    assert 0 <= right < 2**32
    others = {checksum("journal 2", body), checksum("lobby", body), checksum("", body)}
    for place in range(len(body)):
        for bit in range(8):
            flipped = bytearray(body)
            flipped[place] ^= 1 << bit
            others.add(checksum("journal 1", bytes(flipped)))
    assert right not in others
    assert checksum("journal 1", bytes(bytearray(body))) == right
