"""Resume tokens: what was signed comes back whole, and nothing else is believed."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ids import RoomId, SocketId
from actors.keys import derived
from actors.privacy import Privacy
from actors.tokens import TOKEN_CHARS_MAX, ResumeClaims, mint, verify

KEYS = derived(b"k" * 32)
CLAIMS = ResumeClaims(RoomId("lobby"), SocketId("AbC-_0123456"), "zoë", Privacy(True, False), 7)

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128)
claims = st.builds(
    ResumeClaims,
    st.from_regex(r"[A-Za-z0-9._:\-]{1,128}", fullmatch=True).map(RoomId),
    st.from_regex(r"[A-Za-z0-9_\-]{1,12}", fullmatch=True).map(SocketId),
    names,
    st.builds(Privacy, st.booleans(), st.booleans()),
    st.integers(1, 2**53),
)


@given(claims)
def test_what_was_minted_is_verified_to_the_same_claims(claim: ResumeClaims) -> None:
    """Whatever the names, and within the bound that is looked at."""
    token = mint(KEYS, claim)
    assert verify(KEYS, token) == claim
    assert len(token) <= TOKEN_CHARS_MAX
    assert token.isascii()


@pytest.mark.rule("G6.8")
def test_a_token_of_another_key_is_none() -> None:
    """Another server's, or a guess."""
    assert verify(derived(b"another"), mint(KEYS, CLAIMS)) is None


@pytest.mark.rule("G6.8")
def test_a_token_with_any_character_changed_is_none() -> None:
    """Also where base64 itself would not notice, as in the last character's spare bits."""
    token = mint(KEYS, CLAIMS)
    for index, character in enumerate(token):
        for other in "AZaz09-_.~ ":
            if other != character:
                forged = token[:index] + other + token[index + 1 :]
                assert verify(KEYS, forged) is None, forged


@pytest.mark.rule("G6.8")
def test_a_token_that_is_cut_or_grown_is_none() -> None:
    """At either end."""
    token = mint(KEYS, CLAIMS)
    for length in range(len(token)):
        assert verify(KEYS, token[:length]) is None
    for more in ("A", "=", "\n", " ", ".", "AAAA"):
        assert verify(KEYS, token + more) is None
        assert verify(KEYS, more + token) is None


@pytest.mark.rule("G6.8")
def test_claims_cannot_be_swapped_under_a_signature() -> None:
    """The signature is of its own claims."""
    body = mint(KEYS, CLAIMS).partition(".")[0]
    claimed = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    richer = urlsafe_b64encode(claimed.replace(b"\x007\x00", b"\x008\x00")).rstrip(b"=").decode()
    assert richer != body
    assert verify(KEYS, richer + "." + mint(KEYS, CLAIMS).partition(".")[2]) is None


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a", "a.b", "é.é", "A" * (TOKEN_CHARS_MAX + 1), "\x00.\x00", "====.===="],
)
def test_what_never_was_a_token_is_none(text: str) -> None:
    """And raises nothing."""
    assert verify(KEYS, text) is None


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    """Clients send what they like."""
    assert verify(KEYS, text) is None
