"""Which keys a file may hold, and which are refused with a reason."""

import json
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from tests.transport import minted
from transport import auth_keys
from transport.auth_keys import KeysUnusable


def refused(content: bytes, *allowed: str) -> str:
    """Why no keys are made of it; the reason shows nothing of the content."""
    with pytest.raises(KeysUnusable) as problem:
        auth_keys.of_public(content, allowed)
    assert len(str(problem.value)) < 120
    return str(problem.value)


@pytest.mark.rule("T1.18")
def test_a_secret_is_the_file_less_one_newline() -> None:
    """One only, and nothing else is stripped: secrets are bytes."""
    for content in (b"s" * 32, b"s" * 32 + b"\n"):
        key = auth_keys.of_secret(content).key_for(None)
        assert key is not None
        assert key.key == b"s" * 32
    for content in (b"s" * 32 + b"\n\n", b" " + b"s" * 31, bytes(32), b"\xff" * 40):
        key = auth_keys.of_secret(content).key_for(None)
        assert key is not None
        assert key.key == content.removesuffix(b"\n")


@pytest.mark.rule("T1.18")
@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"s" * 31, b"s" * 31 + b"\n"])
def test_too_short_a_secret_is_refused(content: bytes) -> None:
    """RFC 7518, 3.2: guessing it must be as hard as forging a signature."""
    with pytest.raises(KeysUnusable, match="at least 32 bytes"):
        auth_keys.of_secret(content)


@pytest.mark.rule("T1.18", "T1.5")
def test_a_public_key_is_refused_as_a_secret() -> None:
    """Everybody may know it: PEM, JWK and the private halves alike."""
    for content in (
        minted.pem(minted.rsa_key()),
        minted.pem(minted.ed_key()),
        minted.private_pem(minted.ec_key()),
        json.dumps(minted.ec_jwk()).encode(),
        minted.jwks(minted.ed_jwk()),
    ):
        with pytest.raises(KeysUnusable, match="expected a secret"):
            auth_keys.of_secret(content)


@pytest.mark.rule("T1.18")
def test_a_private_key_is_refused_where_a_public_one_belongs() -> None:
    """A server that verifies has no need of what signs."""
    for key in (minted.rsa_key(), minted.ec_key(), minted.ed_key()):
        assert refused(minted.private_pem(key)) == "expected a public key, not a private one"
    for jwk in (minted.ed_jwk(d="AAAA"), {"kty": "oct", "k": "AAAA"}):
        said = refused(minted.jwks(minted.ed_jwk(), jwk))
        assert said == "keys[1]: expected a public key, not a secret one"


PUBLIC: Final = "expected one public key (PEM) of RSA, P-256 or Ed25519, or a JWKS"


@pytest.mark.rule("T1.18")
def test_what_is_no_key_of_ours_is_refused() -> None:
    """Other curves, certificates, several in one file, anything else."""
    other = ed448.Ed448PrivateKey.generate()
    one = minted.pem(minted.ed_key())
    ssh = (
        minted.ed_key()
        .public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )
    for content in (
        b"", b"\n", b"nonsense", b"\xff\xfe\0", one + one, one[:60], one.replace(b"A", b"B"), ssh,
        minted.pem(minted.ec_key(ec.SECP384R1)), minted.pem(minted.ec_key(ec.SECP256K1)),
        minted.pem(other), one.replace(b"PUBLIC KEY", b"CERTIFICATE"),
    ):  # fmt: skip
        assert refused(content) == PUBLIC, content
    assert "1024 bits" in refused(minted.pem(minted.rsa_key(1024)))


@pytest.mark.rule("T1.18")
@pytest.mark.parametrize(
    "content",
    [b"{", b"{}", b'{"keys":[]}', b'{"keys":{}}', b'{"keys":1}', b'{"keys":[1,null,"a",[]]}',
     b'{"keys":[{}]}', b'{"keys":[{"kty":"EC"}]}', b'{"keys":[{"kty":["RSA"]}]}',
     b'{"keys":' + b"[" * 5000],
)  # fmt: skip
def test_a_jwks_without_a_usable_key_is_refused(content: bytes) -> None:
    """In words."""
    assert "expected" in refused(content)


@pytest.mark.rule("T1.6", "T1.18")
def test_of_a_jwks_what_cannot_verify_is_left_out() -> None:
    """RFC 7517, 5: other kinds, uses and algorithms, short keys, points off the curve."""
    keys = auth_keys.of_public(
        minted.jwks(
            minted.ed_jwk(kid="good"),
            minted.ed_jwk(1, kid="enc", use="enc"),
            minted.ed_jwk(2, kid="ops", key_ops=["sign"]),
            minted.ed_jwk(3, kid="none", key_ops=3),
            minted.rsa_jwk(kid="ps", alg="PS256"),
            minted.rsa_jwk(1024, kid="short"),
            minted.ec_jwk(kid="off", x=minted.b64(b"\1" * 32)),
            minted.ec_jwk(kid="cut", x="AAAA"),
            {"kty": "EC", "crv": "P-384", "kid": "curve"},
            {"kty": "AKP", "alg": "ML-DSA-44", "kid": "new"},
        )
    )
    assert len(keys) == 1
    assert repr(keys) == "<KeySet of 1>"
    found = keys.key_for("good")
    assert found is not None
    assert found.algorithm_name == "EdDSA"


@pytest.mark.rule("T1.6", "T1.18")
def test_several_keys_need_a_name_each() -> None:
    """Or nobody could say which one a token means."""
    for second in (minted.ed_jwk(1), minted.ed_jwk(1, kid="one"), minted.ed_jwk(1, kid=7)):
        said = refused(minted.jwks(minted.ed_jwk(kid="one"), second))
        assert said == "keys: expected a kid of its own for each of several keys"
    assert refused(minted.jwks(*[minted.ed_jwk(n, kid=str(n)) for n in range(65)])) == (
        "keys: expected 1 to 64 keys"
    )
    assert (
        len(auth_keys.of_public(minted.jwks(minted.ed_jwk(kid="a"), minted.ec_jwk(kid="b")))) == 2
    )


@pytest.mark.rule("T1.18")
def test_configured_algorithms_leave_out_the_keys_of_others() -> None:
    """In whatever case they are written; a file without any that is left is refused."""
    allowed = auth_keys.spelled(("es256", "rs256"))
    assert allowed == ("RS256", "ES256")
    both = minted.jwks(minted.ed_jwk(kid="a"), minted.ec_jwk(kid="b"))
    assert auth_keys.of_public(both, allowed).key_for("a") is None
    assert auth_keys.of_public(both, allowed).key_for("b") is not None
    assert "at least one for RS256" in refused(both, "RS256")
    assert refused(minted.pem(minted.ed_key()), *allowed) == (
        "expected a key for RS256, ES256, not for EdDSA"
    )


@pytest.mark.rule("T1.19")
def test_what_cannot_sign_mints_nothing() -> None:
    """A public key, a short secret."""
    for content in (minted.pem(minted.ed_key()), b"short", minted.pem(minted.ec_key())):
        with pytest.raises(KeysUnusable):
            auth_keys.signing_key(content)
