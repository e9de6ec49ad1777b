"""Which tokens are taken, whose they are, and for how long."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from actors.permissions import ANONYMOUS_GRANTS
from tests.transport import minted
from tests.transport.minted import NOW_S, SECRET, good, hs256
from tests.transport.verifying import public, refusal, taken
from transport import auth_keys
from transport.auth import mint
from transport.auth_keys import KeySet

PAIRS: Final[dict[str, tuple[Callable[[], str], Callable[[], KeySet]]]] = {
    "secret": (minted.hs256, lambda: auth_keys.of_secret(SECRET)),
    "RSA": (minted.rs256, lambda: public(minted.pem(minted.rsa_key()))),
    "P-256": (minted.es256, lambda: public(minted.pem(minted.ec_key()))),
    "Ed25519": (minted.eddsa, lambda: public(minted.pem(minted.ed_key()))),
    "RSA in a JWKS": (minted.rs256, lambda: public(minted.jwks(minted.rsa_jwk()))),
    "P-256 in a JWKS": (
        minted.es256,
        lambda: public(minted.jwks(minted.ec_jwk(alg="ES256", use="sig"))),
    ),
    "a JWK alone": (minted.eddsa, lambda: public(json.dumps(minted.ed_jwk()).encode())),
}


@pytest.mark.rule("T1.2", "T1.5")
@pytest.mark.parametrize("kind", PAIRS)
def test_each_kind_of_key_says_whose_a_token_is(kind: str) -> None:
    """`sub` is the user, `exp` the end, and 30 s before that its client is told."""
    token, keys = PAIRS[kind]
    identity = taken(token(), keys())
    assert identity.user_id == "ann"
    assert identity.expires_at_ms == (NOW_S + 3600) * 1000
    assert identity.expiring_at_ms == (NOW_S + 3570) * 1000
    assert identity.grants is ANONYMOUS_GRANTS


@pytest.mark.rule("T1.2")
@pytest.mark.parametrize(
    "sub", ["ann", "zoë", "a b", "x" * 128, "__proto__", "../../etc", "' OR 1"], ids=repr
)
def test_a_sub_is_any_user_id_of_the_protocol(sub: str) -> None:
    """Whatever it may mean elsewhere."""
    assert taken(hs256(good(sub=sub))).user_id == sub


@pytest.mark.rule("T1.13")
@pytest.mark.parametrize(
    ("iat", "exp_s", "told_s"), [(NOW_S, 100, 90), (NOW_S - 100, 100, 80), (None, 50, 45)]
)
def test_a_tenth_of_a_short_life_is_the_warning(iat: int | None, exp_s: int, told_s: int) -> None:
    """Of its whole life, which begins now where the token does not say when."""
    identity = taken(hs256(good(iat=iat, exp=NOW_S + exp_s)))
    assert identity.expiring_at_ms == (NOW_S + told_s) * 1000


# -- times


@pytest.mark.rule("T1.8")
@pytest.mark.parametrize("leeway_s", [0, 1.5, 5])
def test_a_token_is_good_from_its_beginning_to_its_end(leeway_s: float) -> None:
    """To the millisecond, by the clock that is handed in, and give or take the leeway."""
    token = hs256(good(nbf=NOW_S + 10, iat=NOW_S + 10, exp=NOW_S + 20))
    begins_s, ends_s = NOW_S + 10 - leeway_s, NOW_S + 20 + leeway_s
    for at_s in (begins_s, NOW_S + 15, ends_s - 0.001):
        assert taken(token, at_s=at_s, jwt_leeway_s=leeway_s).user_id == "ann"
    for at_s in (begins_s - 0.001, 0):
        said = refusal(token, at_s=at_s, jwt_leeway_s=leeway_s)
        assert said == "nbf: expected a time that has come"
    for at_s in (ends_s, ends_s + 1e6):
        assert refusal(token, at_s=at_s, jwt_leeway_s=leeway_s) == "exp: expected a time to come"


@pytest.mark.rule("T1.8")
def test_a_token_that_was_made_later_is_refused() -> None:
    """`iat` alone."""
    assert refusal(hs256(good(iat=NOW_S + 1))) == "iat: expected a time that has come"
    assert taken(hs256(good(iat=NOW_S + 1)), jwt_leeway_s=1).user_id == "ann"


# -- audience and issuer


@pytest.mark.rule("T1.9")
@pytest.mark.parametrize("aud", ["rooms", ["rooms"], ["other", "rooms"]], ids=repr)
def test_the_audience_is_the_configured_one_or_has_it_in_its_list(aud: object) -> None:
    """Whole."""
    assert taken(hs256(good(aud=aud)), jwt_audience="rooms").user_id == "ann"


@pytest.mark.rule("T1.9")
@pytest.mark.parametrize(
    "aud",
    [None, "", "room", "rooms2", "xrooms", "Rooms", "rooms ", "room*", [], ["room"], ["rooms2"],
     [["rooms"]], {"rooms": 1}, 1, True, "rooms,other", ["ROOMS"]], ids=repr)  # fmt: skip
def test_another_audience_is_refused(aud: object) -> None:
    """CVE-2024-53861: no part of it will do."""
    assert refusal(hs256(good(aud=aud)), jwt_audience="rooms").startswith("aud: expected")


@pytest.mark.rule("T1.9")
@pytest.mark.parametrize(
    "iss",
    [
        None, "", "https://id.example", "https://id.example/a/", "https://id.example/aa", "id", 1,
        True, ["https://id.example/a"], {"https://id.example/a": 1}, "HTTPS://id.example/a",
    ],
    ids=repr,
)  # fmt: skip
def test_another_issuer_is_refused(iss: object) -> None:
    """Neither a prefix nor a list of it."""
    issuer = "https://id.example/a"
    assert refusal(hs256(good(iss=iss)), jwt_issuer=issuer) == f"iss: expected '{issuer}'"
    assert taken(hs256(good(iss=issuer)), jwt_issuer=issuer).user_id == "ann"


@pytest.mark.rule("T1.9")
def test_without_a_configured_audience_a_token_for_others_is_refused() -> None:
    """RFC 7519, 4.1.3: it was meant for somebody else. Any issuer of the key will do."""
    said = refusal(hs256(good(aud="shop")))
    assert said == "aud: expected none, as jwt_audience is not set"
    assert taken(hs256(good(iss="anybody"))).user_id == "ann"


@pytest.mark.rule("T1.7")
def test_wrong_rights_are_refused() -> None:
    """The claim `rooms` that cannot be read grants nothing, and says so."""
    assert refusal(hs256(good(rooms=["join"]))).startswith("rooms: expected")
    assert refusal(hs256({**good(), "rooms": None})).startswith("rooms: expected")


# -- minting


@pytest.mark.rule("T1.19")
@pytest.mark.parametrize("kind", ["secret", "rsa", "ec", "ed"])
def test_what_is_minted_is_taken(kind: str) -> None:
    """With a secret and with each kind of private key."""
    keys: dict[str, Callable[[], Any]] = {
        "rsa": minted.rsa_key, "ec": minted.ec_key, "ed": minted.ed_key,
    }  # fmt: skip
    if kind == "secret":
        content, held = SECRET + b"\n", auth_keys.of_secret(SECRET)
    else:
        content = minted.private_pem(keys[kind]())
        held = public(minted.pem(keys[kind]()))
    assert taken(mint(content, good(), "a kid"), held).user_id == "ann"
