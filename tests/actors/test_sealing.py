"""The seal by itself: what is sealed comes back, and nothing else does."""

import base64
import os
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sealing import (
    KEYS_MAX,
    Seal,
    SealBroken,
    SealKeysInvalid,
    key_id,
    key_of,
    keys_text,
    parse_keys,
)
from tests.actors.stores.places import key, seal_of

PLACE = b"here"
BOTH = seal_of(2, 1)
bodies = st.binary(max_size=300)


@pytest.mark.rule("T3.3")
@given(body=bodies, place=bodies)
def test_what_is_sealed_comes_back(body: bytes, place: bytes) -> None:
    """With the key that sealed it, and with a seal that has newer ones as well."""
    sealed = seal_of(1).seal(place, body)
    assert seal_of(1).unseal(place, sealed) == body
    assert BOTH.unseal(place, sealed) == body
    assert key_of(sealed) == key_id(key(1))
    assert key_of(BOTH.seal(place, body)) == key_id(key(2))


@pytest.mark.rule("T3.3")
@pytest.mark.parametrize("body", [b"", b"x", b'["lobby",1,2,[3]]'])
def test_a_record_with_any_bit_turned_is_refused(body: bytes) -> None:
    """Of form, key id, nonce, text and tag."""
    sealed = BOTH.seal(PLACE, body)
    for bit in range(8 * len(sealed)):
        turned = bytearray(sealed)
        turned[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            BOTH.unseal(PLACE, bytes(turned))


@pytest.mark.rule("T3.3")
def test_a_record_that_is_cut_or_longer_is_refused() -> None:
    """At every byte."""
    sealed = BOTH.seal(PLACE, b"body")
    for size in range(len(sealed)):
        with pytest.raises(SealBroken):
            BOTH.unseal(PLACE, sealed[:size])
    with pytest.raises(SealBroken):
        BOTH.unseal(PLACE, sealed + b"\x00")


@pytest.mark.rule("T3.3")
@given(place=bodies, other=bodies)
def test_a_record_at_another_place_is_refused(place: bytes, other: bytes) -> None:
    """Whatever the places are called: no two of them run into each other."""
    sealed = BOTH.seal(place, b"body")
    if place != other:
        with pytest.raises(SealBroken, match="does not hold at this place"):
            BOTH.unseal(other, sealed)


@pytest.mark.rule("T3.2")
def test_a_record_of_a_key_that_is_not_there_names_it() -> None:
    """So that the operator knows which to look for."""
    with pytest.raises(SealBroken, match=key_id(key(2))):
        seal_of(1).unseal(PLACE, BOTH.seal(PLACE, b"body"))


@pytest.mark.rule("T3.3")
def test_a_record_that_says_it_is_of_another_key_is_refused() -> None:
    """The key id is sealed as well."""
    sealed = bytearray(BOTH.seal(PLACE, b"body"))
    sealed[1:5] = bytes.fromhex(key_id(key(1)))
    with pytest.raises(SealBroken, match="does not hold"):
        BOTH.unseal(PLACE, bytes(sealed))


def test_no_nonce_is_used_twice() -> None:
    """Each record asks for one of 96 bits: the same body is another record."""
    asked: list[int] = []
    numbers = count()

    def random_bytes(size: int) -> bytes:
        asked.append(size)
        return next(numbers).to_bytes(size)

    seal = Seal([key(1)], random_bytes)
    assert len({seal.seal(PLACE, b"body") for _ in range(50)}) == 50
    assert asked == [12] * 50


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_name_is_the_same_each_time_and_comes_back(text: str) -> None:
    """For its kind, by the key that made it."""
    name = BOTH.name("room", text)
    assert name == BOTH.name("room", text) == seal_of(2).name("room", text)
    assert BOTH.named("room", name) == text
    assert BOTH.name("room", text, key_id(key(1))) == seal_of(1).name("room", text) != name
    assert BOTH.name("other", text) != name
    with pytest.raises(SealBroken):
        BOTH.named("other", name)


@pytest.mark.rule("T3.3")
@pytest.mark.parametrize("text", ["attic", "hall", "cellar"])
def test_a_name_with_any_bit_turned_is_refused(text: str) -> None:
    """Also where base64, with its spare bits, would read the same."""
    name = BOTH.name("room", text).encode()
    for bit in range(8 * len(name)):
        turned = bytearray(name)
        turned[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            BOTH.named("room", turned.decode("latin-1"))


# -- keys


@pytest.mark.rule("T3.12")
def test_keys_are_read_in_every_form() -> None:
    """Raw bytes; hex and base64, with the id or without, a line each or between commas."""
    one, two = key(1), key(2)
    plain, url = base64.b64encode(one), base64.urlsafe_b64encode(two).rstrip(b"=")
    assert parse_keys(one) == (one,)
    assert parse_keys(one.hex().encode()) == (one,)
    assert parse_keys(plain + b"\r\n\r\n# old\n" + url) == (one, two)
    assert parse_keys(plain + b"," + url) == (one, two)
    assert parse_keys(f"{key_id(two)} {two.hex()} # new\n{one.hex()}".encode()) == (two, one)
    assert parse_keys(keys_text((two, one)).encode()) == (two, one)


@pytest.mark.rule("T3.8", "T3.12")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected 1 to 8 keys, found 0"),
        (b"# nothing\n", "expected 1 to 8 keys, found 0"),
        (b"\xff" * 40, "expected 32 raw bytes, or lines of text"),
        (b"\n" + key(1).hex().encode()[:-2], "line 2: expected 32 bytes as 64 hex digits"),
        (b"\x00" * 32, "these repeat"),
        (b"00" * 32, "line 1: expected random bytes, these repeat"),
        (f"{'0' * 8} {key(1).hex()}".encode(), "line 1: expected a key, or its id and the key"),
        (f"a b {key(1).hex()}".encode(), "line 1: expected a key, or its id and the key"),
        (f"{key(1).hex()}\n{key(1).hex()}".encode(), f"line 2: key {key_id(key(1))} stands"),
        ("\n".join(key(n).hex() for n in range(KEYS_MAX + 1)).encode(), "1 to 8 keys, found 9"),
    ],
)
def test_what_holds_no_keys_is_refused_and_never_shown(data: bytes, said: str) -> None:
    """With the line, and what was expected there."""
    with pytest.raises(SealKeysInvalid) as refused:
        parse_keys(data)
    assert said in str(refused.value)
    assert key(1).hex()[:16] not in str(refused.value)


@pytest.mark.rule("T3.8")
def test_nothing_that_holds_a_key_shows_it() -> None:
    """Not even to whoever prints it; ids follow from keys and do not lead back."""
    assert repr(BOTH) == f"Seal({key_id(key(2))}, {key_id(key(1))})"
    assert key_id(key(1)) not in key(1).hex()
    assert len({key_id(os.urandom(32)) for _ in range(100)}) == 100
