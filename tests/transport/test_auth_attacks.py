"""Tokens that are forged, confused or misshapen, in every way that is known, and in random ones.

Each is refused in words, which name the claim and quote nothing; nothing else is raised.
"""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import Unauthenticated
from tests.transport import minted
from tests.transport.minted import SECRET, good, hmac_by, hs256
from tests.transport.verifying import public, refusal, taken


@pytest.mark.rule("T1.5")
@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", None, [], {}, 0, True, ["HS256"]], ids=repr
)
def test_a_token_without_a_signature_is_refused_however_that_is_spelled(alg: object) -> None:
    """RFC 8725, 2.1."""
    for keys in (None, public(minted.pem(minted.ed_key()))):
        forged = minted.token({"alg": alg}, good(), lambda data: b"")
        assert refusal(forged, keys).startswith("alg: expected")
    assert refusal(minted.token({"typ": "JWT"}, good(), lambda data: b"")).startswith("alg:")


@pytest.mark.rule("T1.5")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"], ids=repr)
def test_a_public_key_is_no_secret(alg: str) -> None:
    """Whoever has the public key signs with it as if it were the secret of HMAC."""
    name = alg.replace("HS", "sha")
    for key in (minted.rsa_key(), minted.ec_key(), minted.ed_key()):
        held = minted.pem(key)
        jwk = json.dumps(minted.ed_jwk()).encode()
        for secret in (held, held.strip(), held.replace(b"\n", b"\r\n"), jwk, b""):
            forged = minted.token({"alg": alg}, good(), hmac_by(secret, name))
            assert refusal(forged, public(held)).startswith("alg: expected")


@pytest.mark.rule("T1.5")
@pytest.mark.parametrize(
    "alg", ["HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", "HS256 "], ids=repr
)
def test_another_algorithm_than_the_keys_is_refused(alg: str) -> None:
    """Also where the signature would be right for the key."""
    name = {"HS384": "sha384", "HS512": "sha512"}.get(alg, "sha256")
    forged = minted.token({"alg": alg}, good(), hmac_by(SECRET, name))
    assert refusal(forged) == "alg: expected HS256, which is the key's"


@pytest.mark.rule("T1.5")
def test_a_forged_token_is_refused() -> None:
    """Another secret, another payload, another header, a cut signature."""
    head, body, signature = hs256().split(".")
    other = minted.b64(json.dumps(good(sub="bob")).encode())
    kid = minted.b64(json.dumps({"alg": "HS256", "kid": "x"}).encode())
    for forged in (
        hs256(secret=b"another secret of 32 bytes and so on"),
        f"{head}.{other}.{signature}",
        f"{kid}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{signature}AAAA",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}.{signature} ",
        f"{head}.{body}!.{signature}",
    ):
        assert refusal(forged) == "expected a signature by a key of this server"


@pytest.mark.rule("T1.5")
@pytest.mark.parametrize("key", ["rsa", "ec", "ed"])
def test_a_signature_of_another_key_of_the_same_kind_is_refused(key: str) -> None:
    """One bit is enough."""
    makers = {"rsa": minted.rs256, "ec": minted.es256, "ed": minted.eddsa}
    keys = {"rsa": minted.rsa_key(), "ec": minted.ec_key(), "ed": minted.ed_key()}
    head, body, signature = makers[key]().split(".")
    flipped = ("B" if signature[0] != "B" else "C") + signature[1:]
    for forged in (flipped, "", "AAAA", signature[:40], minted.b64(bytes(64))):
        text = f"{head}.{body}.{forged}"
        assert "a signature" in refusal(text, public(minted.pem(keys[key])))


# -- what a header says of keys


@pytest.mark.rule("T1.6")
def test_the_kid_picks_the_key_and_an_unknown_one_picks_none() -> None:
    """Where there are several; a path, a NUL or a query is only a name that nobody has."""
    keys = public(minted.jwks(minted.ed_jwk(1, kid="one"), minted.ed_jwk(2, kid="two"),
                              minted.ec_jwk(kid="three")))  # fmt: skip
    assert taken(minted.eddsa(number=1, kid="one"), keys).user_id == "ann"
    assert taken(minted.eddsa(number=2, kid="two"), keys).user_id == "ann"
    assert taken(minted.es256(kid="three"), keys).user_id == "ann"
    assert "a signature" in refusal(minted.eddsa(number=1, kid="two"), keys)
    assert refusal(minted.eddsa(number=1, kid="three"), keys).startswith("alg: expected ES256")
    for kid in (
        None, "", "four", "One", "one ", "on", "../../dev/null", "/dev/null", "one\0", "\0",
        "one' OR '1'='1", "x" * 4000, "__proto__", "constructor", "*",
    ):  # fmt: skip
        said = refusal(minted.eddsa(number=1, kid=kid), keys)
        assert said == "kid: expected the name of a key of this server"
    assert refusal(minted.eddsa(number=1), keys).startswith("kid:")


@pytest.mark.rule("T1.6")
@pytest.mark.parametrize("kid", [0, 1.5, True, [], ["one"], {}, {"one": 1}], ids=repr)
def test_a_kid_that_is_no_string_is_refused(kid: object) -> None:
    """Whatever the key."""
    assert refusal(hs256(kid=kid)) == "kid: expected a string"


@pytest.mark.rule("T1.6")
def test_a_single_key_needs_no_kid_and_has_its_own_if_any() -> None:
    """A secret has no name: any will do. A JWKS of one key has."""
    assert taken(hs256(kid="whatever")).user_id == "ann"
    keys = public(minted.jwks(minted.ed_jwk(kid="one")))
    assert taken(minted.eddsa(), keys).user_id == "ann"
    assert refusal(minted.eddsa(kid="two"), keys).startswith("kid:")


@pytest.mark.rule("T1.6")
def test_no_key_comes_from_a_token() -> None:
    """An attacker's own key, in each of the ways that a header can name one."""
    mine = minted.ed_jwk(9)
    for header in (
        {"jwk": mine},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"jwk": mine, "kid": "one"},
    ):
        forged = minted.eddsa(number=9, **header)
        assert "a signature" in refusal(forged, public(minted.jwks(minted.ed_jwk(1, kid="one"))))


@pytest.mark.rule("T1.7")
@pytest.mark.parametrize("crit", [["b64"], ["exp"], [], None, "b64", ["x"], {"b64": 1}], ids=repr)
def test_critical_extensions_are_refused(crit: object) -> None:
    """CVE-2026-32597: what is critical and not understood must not be passed over."""
    assert refusal(hs256(crit=crit, b64=True, x=1)) == "crit: expected no critical extensions"
    assert "a signature" in refusal(hs256(b64=False))


# -- claims


@pytest.mark.rule("T1.7")
@pytest.mark.parametrize("name", ["sub", "exp"])
def test_who_and_until_when_are_required(name: str) -> None:
    """A token without an end would be good for ever."""
    assert refusal(hs256(good(**{name: None}))).startswith(f"{name}: expected")
    assert refusal(hs256({**good(), name: None})).startswith(f"{name}: expected")


@pytest.mark.rule("T1.7")
@pytest.mark.parametrize(
    "sub",
    ["", "x" * 129, "a\nb", "a\0", "a\x1b[31m", "\u2028", "\ud800", 1, 1.5, True, [], ["ann"], {}],
)
def test_a_sub_that_is_no_user_id_is_refused(sub: object) -> None:
    """As it would be in a join."""
    assert refusal(hs256(good(sub=sub))).startswith("sub: expected 1-128 characters")


WRONG_TIMES: Final = (
    b'"9999999999"', b"NaN", b"Infinity", b"-Infinity", b"1e999", b"true", b"[]", b"{}", b"null",
    b"-1", b"1e300", b"9" * 400, b"253402300800", b'""', b"9" * 5000,
)  # fmt: skip


@pytest.mark.rule("T1.7")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_that_is_none_is_refused(name: str) -> None:
    """Strings, booleans, no numbers, endless ones."""
    rest = json.dumps(good(**{name: None})).encode()[:-1]
    for value in WRONG_TIMES:
        said = refusal(hs256(rest + b', "%s": %s}' % (name.encode(), value)))
        assert said.startswith((f"{name}: expected", "claims: expected a JSON object")), value


@pytest.mark.rule("T1.7")
@pytest.mark.parametrize(
    "claims",
    [
        b"", b"{", b"[]", b'"ann"', b"1", b"null", b"true", b"\xff\xfe", b"[" * 3000,
        b'{"a":' * 1200, b'{"sub":"ann","sub":"bob","exp":9999999999}',
        b'{"sub":"ann","exp":9999999999,"x":{"a":1,"a":2}}',
        b'{"sub":"ann","exp":9999999999,"exp":1}',
        json.dumps(good()).encode("utf-16"), b"\xef\xbb\xbf" + json.dumps(good()).encode(),
    ],
)  # fmt: skip
def test_claims_that_are_no_object_with_each_name_once_are_refused(claims: bytes) -> None:
    """Two readers must not find two users in one token."""
    assert refusal(hs256(claims)).startswith("claims: expected a JSON object")


@pytest.mark.rule("T1.7")
@pytest.mark.parametrize(
    "header",
    [b"", b"{", b"[]", b"null", b'"HS256"', b"\xff", b"[" * 5000, b'{"alg":"none","alg":"HS256"}',
     b'{"alg":"HS256","kid":NaN}', b'{"alg":"HS256","x":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_a_header_that_is_no_object_with_each_name_once_is_refused(header: bytes) -> None:
    """Before any key is looked for."""
    forged = minted.token(header, good(), hmac_by(SECRET))
    assert refusal(forged).startswith("header: expected a JSON object")


@pytest.mark.rule("T1.7")
def test_a_token_as_long_as_may_be_is_taken_and_a_longer_one_is_not_looked_at() -> None:
    """8,192 characters; and none beyond ASCII."""
    spare = next(n for n in range(5000, 7000) if len(hs256(good(x="y" * n))) > 8192)
    assert taken(hs256(good(x="y" * (spare - 1)))).user_id == "ann"
    assert refusal(hs256(good(x="y" * spare))).startswith("expected at most 8192 ASCII")
    assert refusal("é" + hs256()).startswith("expected at most")
    assert refusal("a.b.c" * 10**5).startswith("expected at most")


# -- whatever comes


@pytest.mark.rule("T1.5")
@given(
    st.text(max_size=300) | st.from_regex(r"\A[A-Za-z0-9_=-]{0,90}(\.[A-Za-z0-9_=-]{0,90}){0,4}\Z")
)
def test_no_text_is_a_token_by_chance_and_none_raises_anything_else(text: str) -> None:
    """Whatever comes is refused in words."""
    with pytest.raises(Unauthenticated):
        taken(text)


PIECES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES: Final = ("sub", "exp", "nbf", "iat", "aud", "iss", "rooms", "jti", "kid", "alg", "b64")


@pytest.mark.rule("T1.7")
@given(
    st.dictionaries(st.sampled_from(NAMES), PIECES), st.dictionaries(st.sampled_from(NAMES), PIECES)
)
def test_whatever_is_signed_is_taken_or_refused_in_words(
    claims: dict[str, Any], header: dict[str, Any]
) -> None:
    """Whoever signs may err, too: every claim with every other type."""
    forged = minted.token({"alg": "HS256", **header}, {**good(), **claims}, hmac_by(SECRET))
    try:
        identity = taken(forged, jwt_audience="a")
    except Unauthenticated:
        return
    assert identity.user_id == {**good(), **claims}["sub"]
