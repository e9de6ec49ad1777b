"""The key ring: written and read back, rotated, revoked, and never shown."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.keys import KEY_BYTES, SIGNING_KEYS_MAX, KeyRing, KeysInvalid, derived, parse

HEADING = "vaultmeet keys 1"


def key(number: int) -> bytes:
    """A key of its own for each number."""
    return sha256(number.to_bytes(4)).digest()


RING = KeyRing(key(0), (key(1), key(2)))
PSEUDONYM = f"pseudonym {key(0).hex()}"
SIGNING = f"signing {key(1).hex()}"

secrets = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


@given(secrets, st.lists(secrets, min_size=1, max_size=SIGNING_KEYS_MAX))
def test_a_ring_is_read_as_it_was_written(pseudonym: bytes, signing: list[bytes]) -> None:
    """Its keys in their order, the one that signs first."""
    ring = KeyRing(pseudonym, tuple(signing))
    assert parse(ring.text()) == ring
    assert ring.text().isascii()


def test_a_ring_is_written_one_key_a_line() -> None:
    """Below a heading with the version of this form."""
    assert KeyRing(b"\x01" * 32, (b"\x02" * 32, b"\x0a" * 32)).text() == (
        f"{HEADING}\npseudonym {'01' * 32}\nsigning {'02' * 32}\nsigning {'0a' * 32}\n"
    )


@pytest.mark.rule("P4.8")
def test_a_new_key_signs_and_the_earlier_ones_still_verify() -> None:
    """The pseudonyms stay, and the ring before is as it was."""
    ring = RING.rotated(key(3))
    assert ring == KeyRing(key(0), (key(3), key(1), key(2)))
    assert RING.signing == (key(1), key(2))


@pytest.mark.rule("P4.8")
def test_revoking_leaves_the_new_key_alone() -> None:
    """And still the same pseudonyms."""
    assert RING.rotated(key(3), revoke=True) == KeyRing(key(0), (key(3),))


def test_only_so_many_keys_are_held_and_the_oldest_goes() -> None:
    """However often it is rotated, what is written can be read."""
    ring = KeyRing(key(0), (key(1),))
    for number in range(2, 3 * SIGNING_KEYS_MAX):
        ring = ring.rotated(key(number))
        newest = [key(n) for n in range(number, max(0, number - SIGNING_KEYS_MAX), -1)]
        assert list(ring.signing) == newest
        assert parse(ring.text()) == ring
    assert len(ring.signing) == SIGNING_KEYS_MAX == 8


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["vaultmeet keys 2", PSEUDONYM, SIGNING],
        ["", HEADING, PSEUDONYM, SIGNING],
        [PSEUDONYM, SIGNING],
        [f" {HEADING}", PSEUDONYM, SIGNING],
        [HEADING],
        [HEADING, PSEUDONYM],
        [HEADING, SIGNING],
        [HEADING, PSEUDONYM, PSEUDONYM, SIGNING],
        [HEADING, PSEUDONYM, *[SIGNING] * (SIGNING_KEYS_MAX + 1)],
        [HEADING, PSEUDONYM, "", SIGNING],
        [HEADING, PSEUDONYM, SIGNING, f"Signing {key(2).hex()}"],
        [HEADING, PSEUDONYM, SIGNING, key(2).hex()],
        [HEADING, PSEUDONYM, f"signing{key(1).hex()}"],
        [HEADING, PSEUDONYM, f"signing\t{key(1).hex()}"],
        [HEADING, PSEUDONYM, "signing"],
        [HEADING, PSEUDONYM, "signing "],
        [HEADING, PSEUDONYM, SIGNING[:-1]],
        [HEADING, PSEUDONYM, SIGNING[:-2]],
        [HEADING, PSEUDONYM, SIGNING + "00"],
        [HEADING, PSEUDONYM, SIGNING[:-1] + "g"],
        [HEADING, PSEUDONYM, SIGNING[:-2] + "  "],
        [HEADING, PSEUDONYM, SIGNING[:-2] + "é0"],
        [HEADING, f"pseudonym {key(0).hex()[:-2]}", SIGNING],
        [HEADING, f"pseudonym {key(0).hex()} {SIGNING}"],
    ],
)
def test_what_is_no_ring_is_refused_without_showing_a_key(lines: list[str]) -> None:
    """Whatever is wrong with it, the message may go to a log."""
    with pytest.raises(KeysInvalid) as raised:
        parse("\n".join(lines))
    message = str(raised.value)
    assert message
    assert raised.value.__cause__ is None
    for number in range(3):
        for start in range(2 * KEY_BYTES - 7):
            assert key(number).hex()[start : start + 8] not in message


def test_the_line_that_is_wrong_is_named() -> None:
    """Counted from the heading, which is line 1."""
    with pytest.raises(KeysInvalid, match="line 3"):
        parse(f"{HEADING}\n{PSEUDONYM}\nsigning abc\n")
    with pytest.raises(KeysInvalid, match="line 2"):
        parse(f"{HEADING}\nkey abc\n")


@given(st.text(max_size=80) | st.text("\n 0aF", max_size=80).map(f"{HEADING}\n{{}}".format))
def test_any_other_text_is_refused(text: str) -> None:
    """With no other error."""
    with pytest.raises(KeysInvalid):
        parse(text)


@given(st.data())
def test_a_ring_that_was_cut_short_is_refused(data: st.DataObject) -> None:
    """Anywhere within a line, so that no half-written file is taken for keys."""
    text = KeyRing(key(0), (key(1),)).text()
    with pytest.raises(KeysInvalid):
        parse(text[: data.draw(st.integers(0, len(text) - 2))])


def test_no_key_is_in_what_a_ring_looks_like() -> None:
    """A ring in a traceback or a log gives nothing away."""
    assert repr(RING) == str(RING) == "KeyRing()"


def test_a_ring_is_derived_from_a_secret_with_a_key_for_each_use() -> None:
    """The same from the same, others from others, and the secret is none of them."""
    ring = derived(b"s" * 32)
    assert ring == derived(b"s" * 32)
    assert [len(value) for value in (ring.pseudonym, *ring.signing)] == [KEY_BYTES, KEY_BYTES]
    assert len({ring.pseudonym, ring.signing[0], b"s" * 32}) == 3
    other = derived(b"t" * 32)
    assert other.pseudonym != ring.pseudonym
    assert other.signing != ring.signing
